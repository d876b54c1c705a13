# SPDX-License-Identifier: Apache-2.0
"""clone(2): start a program in new namespaces, with a pidfd.

Both functions start an executable that is given as an fd, and neither runs a line of
Python in the child. `spawn` is the one that launches use: its cost does not grow with
the caller's memory. `clone3` can do more and copies the caller's page tables.

The result goes into a `SpawnBox` made beforehand and filled by C, because an exception
such as `KeyboardInterrupt` can strike between the return of a C function and the
assignment of its result: the child would live on with nobody knowing of it.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from enum import IntFlag

from libcontainer.bindings._lib import check, ffi, lib, path_bytes


class CloneFlag(IntFlag):
    """The ``CLONE_*`` flags that make sense for a new program, a setns or an unshare.

    ``FS``, ``FILES`` and ``SYSVSEM`` are for `unshare` only.
    """

    NEWTIME = 0x00000080
    FS = 0x00000200
    FILES = 0x00000400
    NEWNS = 0x00020000
    SYSVSEM = 0x00040000
    UNTRACED = 0x00800000
    NEWCGROUP = 0x02000000
    NEWUTS = 0x04000000
    NEWIPC = 0x08000000
    NEWUSER = 0x10000000
    NEWPID = 0x20000000
    NEWNET = 0x40000000
    IO = 0x80000000
    CLEAR_SIGHAND = 0x100000000


CLONE_NEWTIME = CloneFlag.NEWTIME
CLONE_NEWNS = CloneFlag.NEWNS
CLONE_NEWCGROUP = CloneFlag.NEWCGROUP
CLONE_NEWUTS = CloneFlag.NEWUTS
CLONE_NEWIPC = CloneFlag.NEWIPC
CLONE_NEWUSER = CloneFlag.NEWUSER
CLONE_NEWPID = CloneFlag.NEWPID
CLONE_NEWNET = CloneFlag.NEWNET


class SpawnBox:
    """Where C puts the new child's pidfd and pid.

    The box owns nothing: whoever made it closes the pidfd. A box may be used again
    after `forget`.
    """

    __slots__ = ("_cells",)

    def __init__(self) -> None:
        self._cells = ffi.new("int[2]", [-1, -1])

    def __repr__(self) -> str:
        return f"SpawnBox(pid={self.pid}, pidfd={self.pidfd})"

    @property
    def pidfd(self) -> int:
        """The child's pidfd, close-on-exec; -1 while there is no child."""
        return self._cells[0]

    @property
    def pid(self) -> int:
        """The child's PID in the caller's PID namespace; -1 while there is none."""
        return self._cells[1]

    def forget(self) -> None:
        """Empty the box without touching the child or its pidfd."""
        self._cells[0] = -1
        self._cells[1] = -1


def new_box() -> SpawnBox:
    """Return an empty box for `spawn` or `clone3`."""
    return SpawnBox()


def spawn(
    image_fd: int,
    flags: int,
    fds: Sequence[int],
    box: SpawnBox,
    *,
    cgroup_fd: int = -1,
) -> None:
    """Start the executable behind an fd, as ``libcontainer-init``.

    The calling thread stands still until the child has executed, some tenths of a
    millisecond, whatever the caller's size: ``CLONE_VM | CLONE_VFORK``. The program
    starts with an empty environment, no signal ignored, and **every signal blocked**,
    which it has to change. It is a child of the calling process, ends with SIGCHLD and
    is waited for with `waitid`.

    Args:
        image_fd: an ELF executable, such as `libcontainer.bindings.helper` makes.
        flags: namespaces for it to start in: `CloneFlag`, without ``NEWTIME``, which
            this call cannot carry.
        fds: the caller's fds that it inherits, under their numbers; of all others it
            gets those that are not close-on-exec. The caller's own stay close-on-exec.
            The number of the first is the program's only argument.
        cgroup_fd: the cgroup v2 directory that it starts in (Linux 5.7); -1 is the
            caller's cgroup.
        box: empty; filled before the call returns.

    Raises:
        OSError: nothing is left and *box* is empty. ``EINVAL``: other flags; ``EBADF``:
            one of the fds; ``ENOEXEC``, ``EACCES``, …: the image could not be executed.

    A new namespace other than a user namespace needs CAP_SYS_ADMIN, or a new user
    namespace in the same call. Linux >= 5.4. See clone(2), execveat(2).
    """
    cells = box._cells  # noqa: SLF001
    kept = ffi.new("int[]", list(fds))
    result = lib.lc_spawn(image_fd, flags, cgroup_fd, kept, len(fds), cells, cells + 1)
    if result < 0:
        shown = (CloneFlag(flags), f"execveat {image_fd}", list(fds))
        check(result, "clone", *shown, f"cgroup_fd={cgroup_fd}")


def clone3(  # noqa: PLR0913
    image_fd: int,
    args: Sequence[str | bytes],
    flags: int,
    box: SpawnBox,
    *,
    env: Sequence[str | bytes] = (),
    fds: Sequence[int] = (),
    exit_signal: int = signal.SIGCHLD,
    cgroup_fd: int | None = None,
    set_tid: Sequence[int] = (),
) -> None:
    """Start an executable with all that the newest clone call can carry.

    A sharp tool. A bare clone3 would return twice into the interpreter, so here the
    child does one thing: execute. The calling thread stands still meanwhile. Unlike
    `spawn` this copies the caller's page tables (ten milliseconds a gigabyte), as
    without assembler there is no other stack for the child to run on. The program
    starts **with every signal blocked**.

    Args:
        image_fd: an executable; a script needs an fd that is not close-on-exec.
        args: its arguments, the first being its name.
        flags: namespaces, also ``NEWTIME``, and ``CLEAR_SIGHAND`` (Linux 5.5), ``IO``,
            ``UNTRACED``.
        box: empty; filled before the call returns.
        env: its environment, ``NAME=value`` each.
        fds: the caller's fds that it inherits, as in `spawn`.
        exit_signal: what the caller gets when it ends; 0 is none.
        cgroup_fd: the cgroup v2 directory that it starts in (Linux 5.7); None is the
            caller's cgroup.
        set_tid: the PIDs that it gets, innermost PID namespace first (Linux 5.5).

    Raises:
        OSError: nothing is left and *box* is empty. ``EINVAL``: a flag that would
            share memory, files or threads with the caller, or a wrong combination;
            ``EEXIST``: a PID of *set_tid* is taken; ``EPERM``: a privilege is missing.

    Privileges: as `spawn`; *set_tid* needs CAP_CHECKPOINT_RESTORE over each PID
    namespace. Linux >= 5.4. See clone3(2).
    """
    keep = [
        [ffi.new("char[]", path_bytes(text)) for text in row] for row in (args, env)
    ]
    argv, envp = (ffi.new("char *[]", [*row, ffi.NULL]) for row in keep)
    tids, kept_fds = ffi.new("int[]", list(set_tid)), ffi.new("int[]", list(fds))
    request = ffi.new(
        "struct lc_clone3_request *",
        {
            "image_fd": image_fd,
            "argv": argv,
            "envp": envp,
            "flags": flags,
            "exit_signal": exit_signal,
            "cgroup_fd": -1 if cgroup_fd is None else cgroup_fd,
            "set_tid": tids,
            "set_tid_size": len(set_tid),
            "fds": kept_fds,
            "nfds": len(fds),
        },
    )
    cells = box._cells  # noqa: SLF001
    result = lib.lc_clone3(request, cells, cells + 1)
    if result < 0:
        shown = (f"exit_signal={int(exit_signal)}", f"cgroup_fd={cgroup_fd}")
        call = (CloneFlag(flags), f"execveat {image_fd}", list(args), *shown)
        check(result, "clone3", *call, f"set_tid={list(set_tid)}")
