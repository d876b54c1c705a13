# SPDX-License-Identifier: Apache-2.0
"""Operations on the process itself, up to the program that replaces it."""

from __future__ import annotations

import os
import struct

from attrs import evolve, field, frozen

from libcontainer.plan.ops.base import Op
from libcontainer.plan.ops.call import SlotRef, call, text
from libcontainer.plan.record import NONE, Record

_PR_SET_NO_NEW_PRIVS = 38
_RLIMIT_NOFILE = 7
_ITIMER_REAL = 0
_ITIMER_SIZE = 32  # bytes of struct itimerval; 0 stops it
_TIOCSCTTY = 0x540E
_INSTRUCTION = 8  # bytes of one of a filter
_NEW_LISTENER = 0x08


@frozen
class Barrier(Op):
    """Wait until the host side has done its steps.

    Attributes:
        early: the host has done them already and says so in advance, so that
            nobody waits; the helper's word then only tells that all went well.
        sends: slot of an fd that the host gets with it.
    """

    KIND = 2
    MAN = "unix(7)"
    early: bool = False
    sends: int = NONE

    def record(self) -> Record:
        return Record(slot=self.sends)

    @property
    def title(self) -> str:
        if self.early:
            return "tell the host that the program is next"
        return "wait for the host"


@frozen
class Take(Op):
    """Wait for descriptors that the host opens while the helper is at work.

    Attributes:
        slot: of the first of them; the others follow.
        count: how many there are.
        what: what they are.
    """

    KIND = 27
    MAN = "unix(7)"
    slot: int
    count: int
    what: str

    def record(self) -> Record:
        slots = range(self.slot, self.slot + self.count)
        return Record(slot=self.slot, arg=self.count, uses=tuple(slots))

    @property
    def title(self) -> str:
        return f"take {self.what} from the host"


@frozen
class LimitFiles(Op):
    """Limit the number of open files, once the program is executed."""

    KIND = 13
    MAN = "setrlimit(2)"
    soft: int
    hard: int

    def record(self) -> Record:
        return Record(flags=self.soft, arg=self.hard)

    @property
    def title(self) -> str:
        return f"limit the open files (soft {self.soft}, hard {self.hard})"


@frozen
class SetRlimit(Op):
    """Set one resource limit."""

    MAN = "setrlimit(2)"
    resource: int
    name: str
    soft: int
    hard: int

    def records(self) -> tuple[Record, ...]:
        if self.resource == _RLIMIT_NOFILE:
            files = LimitFiles(self.soft, self.hard).record()
            return (evolve(files, kind=LimitFiles.KIND),)
        limit = struct.pack("=2Q", self.soft, self.hard)
        return (call("prlimit64", 0, self.resource, limit),)

    @property
    def title(self) -> str:
        return f"set {self.name} (soft {self.soft}, hard {self.hard})"


@frozen
class Umask(Op):
    """Set the file mode creation mask."""

    KIND = 14
    MAN = "umask(2)"
    mask: int

    def record(self) -> Record:
        return Record(mode=self.mask)

    @property
    def title(self) -> str:
        return f"set umask {self.mask:#o}"


@frozen
class Chdir(Op):
    """Enter the directory *path*, made where it is absent."""

    KIND = 15
    MAN = "chdir(2)"
    path: str

    def record(self) -> Record:
        return Record(strings=(self.path,))

    @property
    def title(self) -> str:
        return f"enter the directory {self.path!r}"


@frozen
class NoNewPrivs(Op):
    """Let no execve grant privileges from here on."""

    MAN = "prctl(2)"

    def record(self) -> Record:
        return call("prctl", _PR_SET_NO_NEW_PRIVS, 1)

    @property
    def title(self) -> str:
        return "set no_new_privs"


@frozen
class FindProgram(Op):
    """Choose the first executable of *candidates* as the program."""

    KIND = 19
    MAN = "access(2)"
    name: str
    candidates: tuple[str, ...] = field(repr=False)

    def record(self) -> Record:
        return Record(strings=self.candidates)

    @property
    def title(self) -> str:
        return f"find the program {self.name!r}"


@frozen
class LetGo(Op):
    """Close all but what is needed later on, before a wait for somebody else.

    What that is the image of the plan says (`plan.wire`).
    """

    KIND = 28
    MAN = "close_range(2)"

    def record(self) -> Record:
        return Record()

    @property
    def title(self) -> str:
        return "close what is not needed any more"


@frozen
class Gate(Op):
    """Wait at the container's gate until somebody calls ``start``."""

    KIND = 11
    MAN = "accept(2)"
    slot: int

    def record(self) -> Record:
        return Record(slot=self.slot)

    @property
    def title(self) -> str:
        return "wait at the gate for start"


@frozen
class WaitFifo(Op):
    """Wait until somebody opens a named pipe for reading, however long that takes.

    Attributes:
        folder: slot of the folder it is in.
        name: its name there.
        path: its path on the host.
    """

    MAN = "fifo(7)"
    folder: int
    name: str
    path: str

    def records(self) -> tuple[Record, ...]:
        how = struct.pack("=3Q", os.O_WRONLY | os.O_CLOEXEC, 0, 0)
        return (
            # The deadline is that of the launch, which ends here.
            call("setitimer", _ITIMER_REAL, bytes(_ITIMER_SIZE)),
            call("openat2", SlotRef(self.folder), text(self.name), how, len(how)),
        )

    @property
    def title(self) -> str:
        return f"wait until somebody reads the fifo {self.path!r}"


@frozen
class Init(Op):
    """Go on in a child; this process forwards signals, reaps, and ends with it.

    Attributes:
        status: slot of a pipe that gets the child's wait status.
        terminal: slot of the child's controlling terminal.
    """

    KIND = 22
    MAN = "pid_namespaces(7)"
    status: int
    terminal: int = NONE

    def records(self) -> tuple[Record, ...]:
        forked = Record(kind=self.KIND, slot=self.status)
        if self.terminal == NONE:
            return (forked, call("setsid"))
        control = call("ioctl", SlotRef(self.terminal), _TIOCSCTTY, 0)
        return (forked, call("setsid"), control)

    @property
    def title(self) -> str:
        return "stay as init, go on in a child"


@frozen
class Monitor(Op):
    """Go on as the child of a monitor, which stays outside of the container.

    Attributes:
        caller: slot of the socket on which the caller tells it what to watch.
        program: slot of the program that it is.
    """

    KIND = 23
    MAN = "clone(2)"
    caller: int
    program: int

    def record(self) -> Record:
        return Record(slot=self.caller, slot2=self.program)

    @property
    def title(self) -> str:
        return "go on below a monitor"


@frozen
class Seccomp(Op):
    """Filter the system calls of the process and of all that come from it.

    Attributes:
        program: classic BPF.
        filter_flags: ``SECCOMP_FILTER_FLAG_*``.
        now: at this step; else the program is only noted here, and set by `Exec`
            right before execve(2).
    """

    KIND = 24
    MAN = "seccomp(2)"
    program: bytes = field(repr=False)
    filter_flags: int = 0
    now: bool = False

    def record(self) -> Record:
        return Record(mode=int(self.now), flags=self.filter_flags, data=self.program)

    @property
    def notifies(self) -> bool:
        """Whether a listener is handed over."""
        return bool(self.filter_flags & _NEW_LISTENER)

    @property
    def title(self) -> str:
        size = len(self.program) // _INSTRUCTION
        when = "" if self.now else ", at execve"
        listener = ", with a listener" if self.notifies else ""
        return f"filter system calls ({size} instructions{listener}{when})"


@frozen
class Exec(Op):
    """Execute the program; *fds* are the only descriptors that live on.

    Attributes:
        own_pid: whether LISTEN_PID, with the pid, comes before *env*.
    """

    KIND = 16
    MAN = "execve(2)"
    args: tuple[str, ...]
    env: tuple[str, ...] = field(repr=False)
    fds: tuple[tuple[int, int], ...] = ()
    own_pid: bool = False

    def record(self) -> Record:
        flat = [number for pair in self.fds for number in pair]
        return Record(
            mode=len(self.args),
            strings=(*self.args, *self.env),
            data=struct.pack(f"={len(flat)}i", *flat),
            flags=int(self.own_pid),
            uses=tuple(slot for slot, _ in self.fds),
        )

    @property
    def title(self) -> str:
        return f"execute {self.args[0]!r}"


@frozen
class LandlockPath(Op):
    """Allow rights beneath *path* inside, in the Landlock ruleset *slot*."""

    KIND = 20
    MAN = "landlock_add_rule(2)"
    slot: int
    path: str
    access: int
    words: tuple[str, ...] = ()

    def record(self) -> Record:
        return Record(slot=self.slot, flags=self.access, strings=(self.path,))

    @property
    def title(self) -> str:
        return f"allow {', '.join(self.words)} beneath {self.path!r}"


@frozen
class Child(Op):
    """Run a hook in a child: the next *length* operations are its own.

    Attributes:
        number: of the hook among those of its kind, from 1.
        hook: where it is in the configuration.
        program: its path.
        limit: milliseconds after which it is killed; 0 is never.
    """

    KIND = 21
    MAN = "clone(2)"
    length: int
    number: int
    hook: str
    program: str
    limit: int

    def record(self) -> Record:
        return Record(mode=self.length, flags=self.number, arg=self.limit)

    @property
    def title(self) -> str:
        return f"run the hook {self.hook} {self.program!r}"
