# SPDX-License-Identifier: Apache-2.0
"""Runs hooks on the host, and prepares those that the helper runs.

A hook is started by the helper as every other program is: nothing is copied,
nothing inherited but its three descriptors, and it is waited for by pidfd.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import stat
import time
from collections.abc import Callable, Sequence
from typing import Any

from libcontainer.bindings.memfd import FIXED, add_seals, data_memfd, sealed_memfd
from libcontainer.config.hooks import AnyHook, Hook, UnavailableHook, function_name
from libcontainer.errors import HookError, StepError
from libcontainer.host.children import ExitStatus, kill_and_reap, reap
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.files import write_all
from libcontainer.host.launch import Launch
from libcontainer.host.log import logger
from libcontainer.plan.compiled import Compiled
from libcontainer.plan.hooks import compile_hook, place

_START_SECONDS = 30.0
_KILL_SECONDS = 5.0
_CHUNK = 65536
_KEPT_BYTES = 2000
_LOG = (
    os.O_WRONLY
    | os.O_APPEND
    | os.O_CREAT
    | os.O_NOFOLLOW
    | os.O_NONBLOCK
    | os.O_NOCTTY
    | os.O_CLOEXEC
)

Describe = Callable[[str, int | None], dict[str, Any]]
"""Status and pid to the state that a hook is told."""


class HookRunner:
    """Runs the hooks of one operation on one container.

    Attributes:
        has_begun: whether any hook may have run.
    """

    def __init__(self, helper: int, describe: Describe) -> None:
        self.has_begun = False
        self._helper = helper
        self._describe = describe
        self._files: dict[int, int] = {}
        self._output = -1

    def run(
        self,
        kind: str,
        hooks: Sequence[AnyHook],
        status: str,
        pid: int | None,
    ) -> None:
        """Run hooks on the host, in order.

        Raises:
            HookError: one has failed; those behind it have not run.
        """
        for number, hook in enumerate(hooks):
            self.has_begun = True
            self._run(hook, place(kind, number), self._describe(status, pid))

    def run_all(self, kind: str, hooks: Sequence[AnyHook], status: str) -> None:
        """Run hooks on the host; one that fails is a warning in the log."""
        for number, hook in enumerate(hooks):
            try:
                self._run(hook, place(kind, number), self._describe(status, None))
            except HookError as error:
                # The word that engines look for in the log of a runtime.
                reason = error.reason.replace("exit status", "exit code", 1)
                logger.warning("%s hook failed with %s: %s", kind, reason, error)
            except Exception as error:
                # Also of those that could not be started at all.
                logger.warning("%s hook failed: %s", kind, error)

    def make_files(self, launch: Launch, slots: Sequence[int], output: int) -> None:
        """Make the files of hooks that the helper runs, and put them into slots."""
        for slot in (*slots, output):
            fd = above_stdio(data_memfd("libcontainer-hook"))
            launch.own(slot, fd)
            # The launch closes its own at the spawn; the state is known later.
            self._files[slot] = above_stdio(os.dup(fd))
        self._output = output

    def tell(self, slots: Sequence[int], status: str, pid: int) -> None:
        """Write the state into files that `make_files` has made."""
        self.has_begun = True
        data = json.dumps(self._describe(status, pid)).encode()
        for slot in slots:
            fd = self._files[slot]
            os.write(fd, data)
            os.lseek(fd, 0, os.SEEK_SET)
            add_seals(fd, FIXED)

    def output(self) -> str:
        """Return the end of what the hooks before the pivot have written."""
        if self._output < 0:
            return ""
        fd = self._files[self._output]
        start = max(0, os.fstat(fd).st_size - _KEPT_BYTES)
        return _text(os.pread(fd, _KEPT_BYTES, start))

    def close(self) -> None:
        """Close the files of hooks that the helper runs."""
        close_all(self._files.values())
        self._files.clear()
        self._output = -1

    def _run(self, hook: AnyHook, where: str, state: dict[str, Any]) -> None:
        if isinstance(hook, Hook):
            _Program(hook, where, self._helper).run(json.dumps(state).encode())
        elif isinstance(hook, UnavailableHook):
            reason = "is a function of the program that made the container"
            raise HookError(errno.ENOTSUP, where, hook.name, reason)
        else:
            try:
                hook(state)
            except Exception as error:
                name = function_name(hook)
                raise HookError(errno.ECANCELED, where, name, repr(error)) from error


class _Program:
    """One run of one hook that is a program."""

    def __init__(self, hook: Hook, where: str, helper: int) -> None:
        self._hook = hook
        self._where = where
        self._launch = Launch(
            Compiled(compile_hook(hook)),
            helper=helper,
            run_host_step=_no_host_step,
            deadline_seconds=_START_SECONDS,
        )
        self._kept = b""
        self._log = -1

    def run(self, state: bytes) -> None:
        fds = [above_stdio(sealed_memfd("libcontainer-hook", state))]
        try:
            self._open_log(fds)
            ends = [above_stdio(fd) for fd in os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)]
            fds += ends
            self._start(fds[0], ends[1])
            os.close(fds.pop())
            self._supervise(ends[0])
        finally:
            close_all(fds)

    def _open_log(self, fds: list[int]) -> None:
        if self._hook.output is None:
            return
        try:
            self._log = above_stdio(os.open(self._hook.output, _LOG, 0o600))
        except OSError as error:
            number = error.errno or 0
            reason = f"open its output: {os.strerror(number).lower()}"
            raise self._failed(number, reason) from error
        fds.append(self._log)
        if not stat.S_ISREG(os.fstat(self._log).st_mode):
            raise self._failed(errno.EINVAL, "its output is no regular file")

    def _start(self, state: int, output: int) -> None:
        # Only our end may fail to wait: to the hook it is a plain pipe.
        os.set_blocking(output, True)
        given = {slot: (state, output)[number] for number, slot in self._stdio()}
        try:
            self._launch.run(given)
        except StepError as error:
            number = error.errno or 0
            reason = os.strerror(number).lower()
            raise self._failed(number, reason) from error

    def _stdio(self) -> tuple[tuple[int, int], ...]:
        return self._launch.plan.stdio

    def _supervise(self, output: int) -> None:
        """Wait for its end, and read what it writes meanwhile."""
        pidfd, pid = self._launch.pidfd, self._launch.host_pid
        status: ExitStatus | None = None
        try:
            if self._await_end(pidfd, output):
                status = reap(pidfd)
        finally:
            if status is None:
                # Not reaped yet, so the number of its session is still its own.
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                kill_and_reap(pidfd, timeout=_KILL_SECONDS)
            os.close(pidfd)
        self._keep(output)
        if status is None:
            limit = f"was killed after {self._hook.timeout} s"
            raise self._failed(errno.ETIMEDOUT, limit)
        if status != ExitStatus(code=0):
            raise self._failed(errno.ECANCELED, how_it_ended(status))

    def _await_end(self, pidfd: int, output: int) -> bool:
        limit = self._hook.timeout
        deadline = None if limit is None else time.monotonic() + limit
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        poll.register(output, select.POLLIN)
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            ready = poll.poll(None if left is None else int(left * 1000 + 0.999))
            if any(fd == pidfd for fd, _ in ready):
                return True
            if ready and not self._keep(output):
                poll.unregister(output)

    def _keep(self, output: int) -> bool:
        """Read what is there; return False at the end."""
        while True:
            try:
                data = os.read(output, _CHUNK)
            except BlockingIOError:
                return True
            if not data:
                return False
            if self._log >= 0:
                write_all(self._log, data)
            self._kept = (self._kept + data)[-_KEPT_BYTES:]

    def _failed(self, number: int, reason: str) -> HookError:
        path = self._hook.path
        return HookError(number, self._where, path, reason, _text(self._kept))


def how_it_ended(status: ExitStatus) -> str:
    """Return how a process ended, for people."""
    if status.signal is not None:
        return f"was ended by signal {signal_name(status.signal)}"
    if status.code is None:
        return "ended, but somebody else has taken its status"
    return f"exit status {status.code}"


def signal_name(number: int) -> str:
    """Return the kernel's name of a signal."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip()


def _no_host_step(launch: Launch, step: object) -> None:
    message = f"no host step is expected here: {step!r}"
    raise TypeError(message)
