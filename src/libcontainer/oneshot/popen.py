# SPDX-License-Identifier: Apache-2.0
"""`Popen`: a program in a container of its own, in the form of `subprocess.Popen`."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import os
import secrets
import threading
import time
import warnings
import weakref
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, Any, AnyStr, Generic, Literal, Self, overload

from libcontainer.config import Config
from libcontainer.container import Container
from libcontainer.errors import ContainerNotFoundError, TimeoutExpired
from libcontainer.factory import Factory, default_root
from libcontainer.handle import ProcessHandle
from libcontainer.host.children import ExitStatus
from libcontainer.host.shield import shielded
from libcontainer.host.streams import Exchange
from libcontainer.oneshot.result import Result
from libcontainer.oneshot.spent import Spent
from libcontainer.oneshot.text import TextForm
from libcontainer.oneshot.wishes import Command, Wishes, said_args
from libcontainer.process import Process
from libcontainer.verdict import Verdict, verdict_of

if TYPE_CHECKING:
    from typing import Unpack

    from libcontainer.cgroups.stats import Stats
    from libcontainer.oneshot.options import Options, TextOptions
    from libcontainer.usage import Usage

_KILL_SECONDS = 10.0
_living: weakref.WeakSet[Popen[Any]] = weakref.WeakSet()


class Popen(Generic[AnyStr]):
    """A program in a container of its own, as `subprocess.Popen` is one without.

    The container is gone once the end of the program has been seen by `poll`,
    `wait` or `communicate`. One that is forgotten while it runs is killed, with a
    ResourceWarning. Left as a context manager by an exception the program
    is killed; else it is waited for. Keywords are those of `run`, without
    *input*, *capture_output*, *timeout* and *check*; *init* is on by default, so
    that the program has no more to do with signals than any other. It may be
    shared between threads.

    Attributes:
        args: what was run.
        pid: of the container's first process, in the caller's pid namespace.
        returncode: None until the end was seen; then the exit code, or minus the
            signal.
        stdin: a writable file if PIPE was asked for, else None.
        stdout: a readable file if PIPE was asked for, else None.
        stderr: the same for its errors.
        container: where it runs.
        status: how it ended, None until that was seen.
        verdict: why it ended, a word of `Result.verdict`, likewise.
        usage: what it has cost, None until then.
        stats: what the container had used at its end; None without a limit.

    Raises:
        ConfigError, ProgramError, StepError: nothing is left behind.
        TypeError: there is no such keyword.
        ValueError: keywords that exclude each other, or make no sense here.
    """

    @overload
    def __init__(
        self: Popen[str],
        args: Command | Sequence[Command],
        *,
        text: Literal[True],
        encoding: str | None = None,
        errors: str | None = None,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[str],
        args: Command | Sequence[Command],
        *,
        encoding: str,
        text: bool | None = None,
        errors: str | None = None,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[bytes],
        args: Command | Sequence[Command],
        *,
        text: Literal[False] | None = None,
        **options: Unpack[Options],
    ) -> None: ...
    @overload
    def __init__(
        self: Popen[Any],
        args: Command | Sequence[Command],
        **options: Unpack[TextOptions],
    ) -> None: ...

    def __init__(self, args: Command | Sequence[Command], **options: Any) -> None:
        wishes = Wishes.of("Popen", options)
        process = wishes.process(args)
        self.args: Any = said_args(args, process)
        self._text: TextForm = wishes.text_form
        self._config: Config = wishes.configuration(init=True)
        self._talk: Exchange | None = None
        self._lock: threading.Lock = threading.Lock()
        self.returncode: int | None = None
        self.status: ExitStatus | None = None
        self.verdict: Verdict | None = None
        self.usage: Usage | None = None
        self.stats: Stats | None = None
        self._begun: float = time.monotonic()
        self._is_over: bool = False
        maker = default_factory() if wishes.factory is None else wishes.factory
        self._launch(maker, process)
        _living.add(self)
        self.pid = self._handle.host_pid
        self.stdin: IO[AnyStr] | None = None
        self.stdout: IO[AnyStr] | None = None
        self.stderr: IO[AnyStr] | None = None
        try:
            self.stdin = self._take(0, wishes)
            self.stdout = self._take(1, wishes)
            self.stderr = self._take(2, wishes)
        except BaseException:
            # The kernel gives no pipe of that size.
            self.kill()
            self._close_streams()
            self._end(self._handle.wait())
            self._handle.close()
            raise

    def __repr__(self) -> str:
        return f"<Popen returncode={self.returncode} args={self.args!r}>"

    def poll(self) -> int | None:
        """Return its return code, or None while it runs."""
        status = self._handle.poll()
        return None if status is None else self._end(status)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; return its return code.

        Raises:
            TimeoutExpired: it still runs after *timeout* seconds.
        """
        try:
            return self._end(self._handle.wait(timeout))
        except TimeoutExpired:
            raise TimeoutExpired(self.args, timeout or 0.0) from None

    def communicate(
        self,
        input: AnyStr | None = None,  # noqa: A002 - as subprocess
        timeout: float | None = None,
    ) -> tuple[AnyStr, AnyStr]:
        """Write *input*, read both streams to their end, wait for the program.

        After a timeout it may be called again: nothing is lost.

        Returns:
            What it wrote, and its errors; None where that is no pipe.

        Raises:
            TimeoutExpired: it took longer; its ``output`` and ``stderr`` are what
                was read so far, always bytes. The program still runs.
            ValueError: *input* in a call that goes on with another.
        """
        if self._talk is None:
            self._talk = Exchange(self, self._text.encode(input) or b"")
        elif input:
            message = "cannot send input after communication has begun"
            raise ValueError(message)
        out, err = self._talk.run(timeout)
        self.wait()
        return self._text.decode(out), self._text.decode(err)

    def send_signal(self, sig: int) -> None:
        """Send a signal to the program; one that has ended is passed over."""
        if self.poll() is None:
            try:
                self._handle.signal(sig)
            except ProcessLookupError:
                return

    def terminate(self) -> None:
        """Send SIGTERM; a program that has ended is passed over."""
        self._handle.terminate()

    def kill(self) -> None:
        """Kill the program and every process of its container."""
        self._handle.kill()

    def give_up(self, error: TimeoutExpired) -> None:
        """Kill everything, and put what was still said into *error*."""
        self.kill()
        self.wait()
        error.usage = self.usage
        if self._talk is not None:
            self._talk.finish(error)

    def result(self, out: Any, err: Any) -> Result[Any]:  # noqa: ANN401
        """Return how it ended, once that has been seen."""
        status = self._handle.wait()
        self._end(status)
        return Result.of(self.args, status, self._spent, out, err)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if not self._handle.is_own:
            # A fork leaves it to its parent, and with it what is in buffers.
            return
        if kind is not None:
            self.kill()
        self._close_streams()
        self.wait()

    def __del__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        """Kill a program that nobody waits for any more, and delete its container."""
        handle: ProcessHandle | None = getattr(self, "_handle", None)
        if handle is None or self._is_over or not handle.is_own:
            return
        try:
            warnings.warn(
                f"the container of {self.args!r} was not waited for, and is killed",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
        finally:
            # Nobody else knows its name. Where the program itself ends, much is gone.
            with contextlib.suppress(Exception):
                handle.kill()
                self._end(handle.wait(_KILL_SECONDS))

    def __reduce__(self) -> str:
        message = "a Popen cannot be pickled: it owns the process"
        raise TypeError(message)

    # -- parts

    def _launch(self, maker: Factory, process: Process) -> None:
        made: list[tuple[Container, ProcessHandle]] = []

        def work() -> None:
            made.append(launch(maker, self._config, process))

        try:
            if self._config.parent_death_signal:
                # It would come at the end of a thread made for this.
                work()
            else:
                shielded(work)
            self.container, self._handle = made[0]
        except BaseException:
            for container, _ in made:
                container.delete(force=True)
            raise

    def _take(self, number: int, wishes: Wishes) -> IO[Any] | None:
        """Take a stream from the handle, which closes it with the container."""
        name = ("stdin", "stdout", "stderr")[number]
        stream = getattr(self._handle, name)
        if stream is not None and wishes.pipesize > 0:
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, wishes.pipesize)
        setattr(self._handle, name, None)
        return self._text.wrap(stream, wishes.bufsize)

    def _end(self, status: ExitStatus) -> int:
        """Measure and delete the container of a program that has ended, once."""
        if not self._is_over:
            shielded(functools.partial(self._end_once, status))
        self.returncode = status.returncode
        return self.returncode

    def _end_once(self, status: ExitStatus) -> None:
        with self._lock:
            if not self._is_over:
                try:
                    self._spent = Spent.by(self.container, self._begun)
                    self.stats, self.usage = self._spent.stats, self._spent.usage
                finally:
                    # Gone even if it could not be measured, which is told once.
                    self.container.delete(force=True)
                    self._is_over = True
                    self.status = status
                    self.verdict = verdict_of(status, self.stats)

    def _close_streams(self) -> None:
        for stream in (self.stdout, self.stderr, self.stdin):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue


def _forget_all() -> None:
    """End what the program forgets by ending: later no thread could do it."""
    for process in tuple(_living):
        process._forget()  # noqa: SLF001 - of one module


atexit.register(_forget_all)


def launch(
    maker: Factory, config: Config, process: Process
) -> tuple[Container, ProcessHandle]:
    """Make a container and run a process in it, or leave nothing behind."""
    name = f"run-{secrets.token_hex(8)}"
    container: Container | None = None
    try:
        container = maker.create(name, config, bound=True)
        return container, container.run(process)
    except BaseException:
        discard(maker, name, container)
        raise


def discard(maker: Factory, name: str, container: Container | None) -> None:
    """Delete a container by its name where there is no object of it, if there is one.

    An interrupt may come between the making of a container and the assignment.
    """
    if container is None:
        try:
            container = maker.load(name)
        except ContainerNotFoundError:
            return
    container.delete(force=True)


def default_factory() -> Factory:
    """Return the factory of the default root, made once by each process."""
    return _default_factory(default_root(), os.getpid())


@functools.lru_cache(maxsize=1)
def _default_factory(root: str, own_pid: int) -> Factory:
    # Kept, so that the helper's image and the template namespace are made once.
    # A forked program makes its own: a lock of its parent's may be held for ever.
    return Factory(root)
