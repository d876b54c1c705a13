# SPDX-License-Identifier: Apache-2.0
"""Carries a plan out: starts the helper and talks with it, step by step.

::

    caller                                helper
    HOST steps: open, clone trees
    spawn  ------------------------------> INIT steps
                       <---- LC_CLONED --- (its child, with a pidfd)
                   <---- LC_AT_BARRIER ---
    HOST steps
                        ---- LC_GO ------>
                                           INIT steps ... execve
                   <---- LC_AT_BARRIER ---  set-up is done
    end of file: the program runs  <------ (the socket is close-on-exec)
    or              <---- LC_FAILED ------ step, errno, part

Until the last LC_GO, the caller's end of the socket is a lease: when it closes,
for whatever reason, the helper ends and takes the container with it.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING

from libcontainer.bindings.clone import new_box, spawn
from libcontainer.bindings.control import (
    MAX_MILLISECONDS,
    Inbox,
    close_fds,
    control_pair,
    control_send,
)
from libcontainer.bindings.memfd import sealed_memfd
from libcontainer.bindings.pidfd import pidfd_pid
from libcontainer.errors import HelperError, LaunchTimeoutError, StepError
from libcontainer.host.children import kill, kill_and_reap, open_child, reap, reap_group
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.fork import allow_forks, keep_from_forks
from libcontainer.plan import wire
from libcontainer.plan.compiled import Compiled
from libcontainer.plan.ops import Barrier
from libcontainer.plan.steps import CONTROL_SLOT, Side, Spawn, Step

if TYPE_CHECKING:
    import socket

    from libcontainer.host.monitor import MonitorEnd

_KILL_SECONDS = 5.0

HostRunner = Callable[["Launch", Step], None]


class Launch:
    """One launch, from the first step to the program or to nothing at all.

    Attributes:
        plan: what is carried out.
        helper: fd of the helper's image.
        slots: the slot table; HOST steps before the spawn fill it.
        pidfd: of the process that becomes the program, -1 before there is one.
        host_pid: its pid in the caller's pid namespace.
        terminal: master of its terminal, -1 if there is none or it was taken.
        captured: what a monitor is to read, -1 if its terminal or nothing is.
        status: where init says how its child ended, -1 if it has none.
        sent: fds that the helper has sent with its words at barriers.
        notify: the service manager's socket and the container's, if wanted.
        deadline_seconds: how long it may take, its hooks included.
        monitor: the way to the monitor that is above init, if there is one.
    """

    def __init__(  # noqa: PLR0913 - what a launch is made of, each by name
        self,
        compiled: Compiled,
        *,
        helper: int,
        run_host_step: HostRunner,
        deadline_seconds: float,
        fault: tuple[int, int] = (0, 0),
        take_terminal: Callable[[int], None] | None = None,
        on_listener: Callable[[int, int], None] | None = None,
    ) -> None:
        self.plan = compiled.plan
        self.slots = [-1] * len(compiled.plan.slots)
        self.pidfd = -1
        self.host_pid = 0
        self.terminal = -1
        self.captured = -1
        self.status = -1
        self.sent: list[int] = []
        self.notify: list[socket.socket] = []
        self.monitor: MonitorEnd | None = None
        self._take_terminal = take_terminal
        self.helper = helper
        self._run_host_step = run_host_step
        self.deadline_seconds = deadline_seconds + compiled.hook_seconds
        self._deadline = time.monotonic() + self.deadline_seconds
        self._fault = fault
        self._opened: list[int] = []
        self._control = -1
        self._inbox = Inbox()
        # Filled in by C before the call returns: an exception between the
        # call and an assignment must not lose the child.
        self._box = new_box()
        self._compiled = compiled
        self._at_barrier = False
        self._clones = 0
        self._cloned_at = 0
        self._on_listener = on_listener

    @property
    def at_work(self) -> tuple[int, int]:
        """(pidfd, host pid) of what runs: the helper, or the init it has cloned."""
        if self.pidfd >= 0:
            return self.pidfd, self.host_pid
        return self._box.pidfd, self._box.pid

    def own(self, slot: int, fd: int) -> None:
        """Put *fd* into a slot; it is the launch's to close."""
        self._opened.append(fd)
        self.slots[slot] = fd

    def give(self, fds: list[int]) -> None:
        """Send the helper what it takes as its next word, and close it here."""
        try:
            self._send_go(fds)
        finally:
            close_fds(fds)

    def run(self, given: Mapping[int, int]) -> None:
        """Carry out every step up to the program, or up to the gate.

        Args:
            given: slot to fd of what the caller hands in, and keeps.

        Raises:
            StepError: a step failed; nothing is left behind.
            HelperError: the helper died; nothing is left behind.
            LaunchTimeoutError: the deadline passed; nothing is left behind.
        """
        for slot, fd in given.items():
            self.slots[slot] = fd
        compiled = self._compiled
        try:
            for step in compiled.dialogue:
                self._run_step(step)
            self._let_go()
            if compiled.executes and not compiled.waits:
                self._await_exec()
            self._close()
        except BaseException:
            self.abort()
            raise

    def hold(self) -> None:
        """Carry out every step, and leave the process waiting at the last barrier.

        It ends with `abort`, or with the caller.

        Raises:
            LibcontainerError: as for `run`; nothing is left behind.
        """
        try:
            for step in self._compiled.dialogue:
                self._run_step(step)
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """End whatever this launch has started, and reap it. Twice is once."""
        try:
            self._abort()
        except BaseException:
            # Such as a Ctrl-C while we wait.
            self._abort()
            raise

    def _abort(self) -> None:
        close_all(self._opened)
        self._opened.clear()
        with contextlib.ExitStack() as parts:  # from the last to the first
            parts.callback(self._forget)
            parts.callback(self._close)
            if self.monitor is not None:
                parts.callback(self.monitor.end)
            parts.callback(self._reap_helper)
            if (self._box.pidfd, self.pidfd) != (-1, -1):
                parts.callback(self._drain)
            for pidfd in 2 * [*({self._box.pidfd, self.pidfd} - {-1})]:
                # Twice: the first wait may be interrupted.
                end = kill if pidfd == self._box.pidfd else kill_and_reap
                parts.callback(end, pidfd, timeout=_KILL_SECONDS)

    def _reap_helper(self) -> None:
        """Reap the helper last, with what it has cloned and nobody has told of."""
        if self._box.pidfd >= 0:
            reap_group(self._box.pidfd, self._box.pid, timeout=_KILL_SECONDS)

    def _forget(self) -> None:
        ours = {self.pidfd, self._box.pidfd, self.status} - {-1}
        self._box.forget()
        self.pidfd = self.status = -1
        close_all(ours)
        self.close_terminal()
        for end in self.notify:
            end.close()

    def close_terminal(self) -> None:
        """Close the master of the terminal, if it is still ours."""
        terminal, self.terminal = self.terminal, -1
        close_all((terminal,) if terminal >= 0 else ())

    # -- steps

    def _run_step(self, step: Step) -> None:
        if step.side is Side.HOST:
            self._run_host(step)
            return
        self._let_go()
        if isinstance(step.action, Barrier) and step.action.early:
            self._send_go()
            # After the last word nothing that is said needs an answer: sleep until
            # the helper has become the program, or has ended.
            self._await_barrier(step, at_end=step is self._compiled.last_word)
            self._at_barrier = False
        else:
            self._await_barrier(step)

    def _let_go(self) -> None:
        if self._at_barrier:
            self._at_barrier = False
            self._send_go()

    def _send_go(self, fds: Sequence[int] = ()) -> None:
        # A helper that has failed is no longer there; its report still is.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            control_send(self._control_end(), wire.GO_MESSAGE, fds)

    def _await_exec(self) -> None:
        """Wait until the program has taken the helper's place."""
        received = self._receive()
        if received is not None:
            self._unexpected(received[0])

    def _run_host(self, step: Step) -> None:
        try:
            if isinstance(step.action, Spawn):
                self._spawn(step.action)
            else:
                self._run_host_step(self, step)
        except StepError as error:
            from libcontainer.host.failure import place  # noqa: PLC0415

            place(error, self.plan, step)
            raise
        except OSError as error:
            if error.errno is None or type(error).__module__ != "builtins":
                raise
            from libcontainer.host.failure import step_error  # noqa: PLC0415

            raise step_error(self.plan, step, error.errno) from error

    def _spawn(self, action: Spawn) -> None:
        self._control, theirs = control_pair()
        keep_from_forks(theirs)
        try:
            self.own(CONTROL_SLOT, theirs)
            self._spawn_helper(action)
        finally:
            allow_forks(theirs)
        if not self._compiled.clones:
            self._adopt(self._box.pidfd, self._box.pid)

    def _spawn_helper(self, action: Spawn) -> None:
        image = self._compiled.image.fill(
            self.slots,
            deadline_ms=_milliseconds(self.deadline_seconds),
            fault=self._fault,
        )
        plan_fd = above_stdio(sealed_memfd("libcontainer-plan", image))
        self._opened.append(plan_fd)
        fds = [plan_fd, *dict.fromkeys(fd for fd in self.slots if fd >= 0)]
        cgroup = self.slots[action.cgroup] if action.cgroup >= 0 else -1
        spawn(self.helper, action.flags, fds, self._box, cgroup_fd=cgroup)
        close_fds(self._opened)
        self._opened.clear()

    def _adopt(self, pidfd: int, host_pid: int) -> None:
        self.pidfd, self.host_pid = pidfd, host_pid

    def _await_barrier(self, step: Step, *, at_end: bool = False) -> None:
        received = self._receive(at_end=at_end)
        if received is None:
            message = f"the helper ended before step {step.index} ({step.title})"
            raise HelperError(message)
        kind, index, _, _ = received
        if kind != wire.AT_BARRIER or index != step.index:
            self._unexpected(kind)
        self._at_barrier = True

    # -- messages

    def _receive(self, *, at_end: bool = False) -> tuple[int, int, int, int] | None:
        """Return the next message that is about a step, or None at the end."""
        while True:
            message, fd = self._receive_one(self._deadline, at_end=at_end)
            if message is None:
                return None
            kind, index, number, where = message
            if kind == wire.FAILED:
                step = self.plan.steps[index - 1]
                from libcontainer.host.failure import step_error  # noqa: PLC0415

                raise step_error(self.plan, step, number, where)
            if kind == wire.CLONED and fd < 0 and number > 0:
                fd = open_child(number)
            if not self._take(kind, index, fd):
                return message

    def _receive_one(
        self, deadline: float, *, at_end: bool = False
    ) -> tuple[tuple[int, int, int, int] | None, int]:
        """Return a message and the fd that came with it, or -1."""
        control = self._control_end()
        left = -1
        if deadline != inf:
            seconds = max(0.0, deadline - time.monotonic())
            left = min(int(seconds * 1000), MAX_MILLISECONDS)
        try:
            try:
                message = self._inbox.receive(control, left, at_end=at_end)
            except ConnectionResetError:
                # It ended without reading our word; its report is still there.
                message = self._inbox.receive(control, left, at_end=at_end)
        except TimeoutError as error:
            text = f"launch took longer than {self.deadline_seconds} s"
            raise LaunchTimeoutError(text) from error
        return message, self._inbox.take_fd()

    def _take(self, kind: int, index: int, fd: int) -> bool:
        if fd < 0:
            # A clone's own word without a descriptor: its parent's has the pid.
            return kind == wire.CLONED
        if kind == wire.CLONED:
            self._adopt_clone(index, fd)
            return True
        if kind == wire.TERMINAL_FD:
            self.terminal = fd
            if self._take_terminal is not None:
                self._take_terminal(self.terminal)
                self.close_terminal()
            return True
        if kind == wire.LISTENER_FD and self._on_listener is not None:
            # At once: the program's first call may have to be answered.
            self._on_listener(fd, self.host_pid)
            return True
        if kind == wire.AT_BARRIER:
            self.sent.append(fd)
            return False
        os.close(fd)
        return False

    def _adopt_clone(self, index: int, pidfd: int) -> None:
        """Go on with what was cloned at a step; its parent ends on its own."""
        if index == self._cloned_at:
            # Both sides of the clone tell of it: either may be killed first.
            close_all((pidfd,))
            return
        # At once: whatever fails from here on, it has to be ended.
        parent, self.pidfd = self.pidfd, pidfd
        self._clones, self._cloned_at = self._clones + 1, index
        close_all({parent} - {-1, self._box.pidfd})
        try:
            self.host_pid = pidfd_pid(pidfd)
        except ProcessLookupError as error:
            title = self.plan.steps[index - 1].title
            message = f"the helper ended in step {index} ({title})"
            raise HelperError(message) from error
        if self._box.pidfd >= 0:
            self._await_first_process()

    def _await_first_process(self) -> None:
        # The process that cloned init has nothing left to do but to end.
        poll = select.poll()
        poll.register(self._box.pidfd, select.POLLIN)
        poll.poll(int(_KILL_SECONDS * 1000))
        reap(self._box.pidfd)
        close_all((self._box.pidfd,))
        self._box.forget()

    def _drain(self) -> None:
        """End what was cloned just before its parent was killed."""
        if self._control < 0:
            return
        deadline = time.monotonic() + _KILL_SECONDS
        with contextlib.suppress(LaunchTimeoutError, OSError):
            while self._clones < self._compiled.clones:
                message, fd = self._receive_one(deadline)
                if message is None:
                    return
                if message[0] == wire.CLONED and fd < 0 and message[2] > 0:
                    fd = open_child(message[2])
                if message[0] == wire.CLONED and fd >= 0:
                    # It may have ended.
                    with contextlib.suppress(OSError, HelperError):
                        self._adopt_clone(message[1], fd)
                    kill_and_reap(self.pidfd, timeout=_KILL_SECONDS)
                else:
                    close_all((fd,))

    def _unexpected(self, kind: int) -> None:
        message = f"the helper sent message {kind}, which is not expected here"
        raise HelperError(message)

    def _control_end(self) -> int:
        if self._control < 0:
            message = "the helper has not been started"
            raise HelperError(message)
        return self._control

    def _close(self) -> None:
        if self._opened:
            close_fds(self._opened)
            self._opened.clear()
        close_all(self.sent)
        self.sent.clear()
        if self._control >= 0:
            # Whatever close(2) reports, the descriptor is gone.
            close_all((self._control,))
            self._control = -1
        if self.monitor is not None:
            self.monitor.close()
            self.monitor = None


def _milliseconds(seconds: float) -> int:
    """Return a deadline as the helper takes it; 0 is none."""
    return 0 if seconds == inf else min(int(seconds * 1000), 2**32 - 1)
