# SPDX-License-Identifier: Apache-2.0
"""`Pool`: containers that are prepared, and wait for their turn."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from libcontainer.config import Config
from libcontainer.container import Container
from libcontainer.errors import (
    HelperError,
    LibcontainerError,
    StateError,
    TimeoutExpired,
)
from libcontainer.factory import Factory
from libcontainer.host.processref import ProcessRef
from libcontainer.host.shield import shielded
from libcontainer.host.streams import Exchange
from libcontainer.oneshot.popen import default_factory
from libcontainer.oneshot.result import Result
from libcontainer.oneshot.spent import Spent
from libcontainer.process import Process
from libcontainer.status import Status
from libcontainer.stock import PREFIX, Recipe, Stock, Turn

if TYPE_CHECKING:
    from libcontainer.config.criu import CriuOptions

_WAITING = frozenset({Status.CREATED, Status.PAUSED})


class Pool:
    """Containers of one kind, prepared up to the gate, handed out at once.

    Each waits with everything set up, and becomes its program when it is taken.
    With a template it is a program that has begun already: each is restored from
    that image, and paused until it is taken.
    One thread makes new ones in the background. The pool may be shared between
    threads. Left as a context manager, or closed, it deletes those that wait; who
    has taken one deletes it.

    Args:
        config: what the containers are.
        process: what runs in each; with PIPE each has pipes of its own.
        size: how many are kept ready.
        factory: where they are made; None is the one of `run`. What a pool that
            was killed has left there is removed by the next.
        template: directory of an image that `Container.checkpoint` has written of
            such a container, a host path; *process* then says only where its
            standard streams lead, and *config* needs a cgroup.
        criu: how the image is restored; see `Factory.restore`.

    Raises:
        LibcontainerError: the first container could not be prepared.
        OSError, RuntimeError: the system gives no more files, or no thread; nothing
            is left behind.
        ValueError: *size* is not positive.
    """

    def __init__(
        self,
        config: Config,
        process: Process,
        size: int = 4,
        *,
        factory: Factory | None = None,
        template: str | os.PathLike[str] | None = None,
        criu: CriuOptions | None = None,
    ) -> None:
        if size < 1:
            message = f"size must be 1 or more, not {size}"
            raise ValueError(message)
        self.config = config
        self.process = process
        self.size = size
        self._is_restored = template is not None
        self._stock = Stock(default_factory() if factory is None else factory)
        remove_abandoned(self._stock.factory)
        image = None if template is None else os.fspath(template)
        recipe = Recipe(config, process, image, criu)
        # It holds no reference to the pool: one that is forgotten is closed.
        self._thread = threading.Thread(
            target=self._stock.keep,
            args=(recipe, size),
            name="libcontainer-pool",
            daemon=True,
        )
        try:
            self._shield(functools.partial(_begin, self._stock, recipe, self._thread))
            self._end = weakref.finalize(self, _end, self._stock, self._thread)
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<Pool {self.ready} of {self.size} ready, {list(self.process.args)!r}>"

    @property
    def ready(self) -> int:
        """How many containers wait at the moment."""
        return len(self._stock.containers)

    def take(self, timeout: float | None = None) -> Container:
        """Return a container whose program has just begun, as its ``init``.

        Waits for one only if none is ready. Leave it as a context manager, or
        delete it.

        Args:
            timeout: seconds to wait at most; None is for ever.

        Raises:
            LibcontainerError: none can be prepared; why the last one could not.
            OSError: the same, where the system gives no more files or memory. The
                next call tries again.
            LaunchTimeoutError: none was ready in time.
            ProgramError: the program cannot be executed.
            ForkedError: the pool is of a process that this is a fork of.
            KeyboardInterrupt: nothing was taken.
        """
        turn = Turn()
        take = functools.partial(self._take, timeout, turn)
        try:
            if self.ready:
                # Nothing is waited for, and a thread would take longer than all of it.
                return take()
            return shielded(take, functools.partial(self._stock.give_up, turn))
        except BaseException:
            shielded(functools.partial(self._stock.take_back, turn))
            raise

    def _take(self, timeout: float | None, turn: Turn) -> Container:
        try:
            return self._next(timeout, turn)
        except BaseException:
            self._stock.take_back(turn)
            raise

    def _next(self, timeout: float | None, turn: Turn) -> Container:
        deadline = None if timeout is None else time.monotonic() + timeout
        failed = 0
        while True:
            container = self._stock.get(deadline, turn)
            try:
                if self._is_restored:
                    container.resume()
                else:
                    container.start()
            except (StateError, HelperError):
                # It has been killed while it waited; not all of them, one after other.
                failed += 1
                if failed > self.size:
                    raise
                self._stock.take_back(turn)
            else:
                return container
            finally:
                # Only now: a launch beside it would slow it down.
                self._stock.refill()

    async def atake(self, timeout: float | None = None) -> Container:
        """Return a container as `take` does; for asyncio.

        With `AsyncProcess.connect` its ``init`` has the loop's streams.

        Raises:
            CancelledError: nothing was taken.
        """
        from libcontainer.aio.threads import in_thread  # noqa: PLC0415

        turn = Turn()
        return await in_thread(
            functools.partial(self._take, timeout, turn),
            _delete,
            functools.partial(self._stock.give_up, turn),
        )

    def run(
        self,
        input: bytes | None = None,  # noqa: A002 - as subprocess
        *,
        timeout: float | None = None,
    ) -> Result[bytes]:
        """Take a container, talk with its program, and delete it.

        Args:
            input: what the program reads, if its standard input is a PIPE.
            timeout: seconds after which the container is killed; what it takes to
                get one counts.

        Raises:
            TimeoutExpired: it ran longer than *timeout*; its ``output`` and
                ``stderr`` are what was read.
            LibcontainerError: as for `take`.
        """
        begun = time.monotonic()
        with self.take(timeout) as container:
            init = container.init
            if init is None:
                raise StateError(container.id, Status.STOPPED.value, "run")
            talk = Exchange(init, input or b"")
            left = None if timeout is None else begun + timeout - time.monotonic()
            try:
                out, err = talk.run(left)
            except TimeoutExpired as error:
                init.kill()
                talk.finish(error)
                error.timeout = timeout or 0.0
                error.usage = container.usage(time.monotonic() - begun)
                raise
            spent = Spent.by(container, begun)
            return Result.of(list(self.process.args), init.wait(), spent, out, err)

    def pause(self) -> None:
        """Make no new containers until `resume`, for moments that must be quiet."""
        self._stock.set_paused(paused=True)

    def resume(self) -> None:
        """Make new containers again."""
        self._stock.set_paused(paused=False)

    def close(self) -> None:
        """Delete the containers that wait. Twice is once.

        An interrupt comes after that. What could not be deleted the next call tries
        again.
        """
        end = functools.partial(_end, self._stock, self._thread)
        try:
            shielded(end)
        except KeyboardInterrupt:
            # It may have come before the work began.
            shielded(end)
            raise

    def _shield(self, work: Callable[[], None]) -> None:
        if self.config.parent_death_signal is not None:
            # It would come at the end of a thread made for this.
            work()
        else:
            shielded(work)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        from libcontainer.aio.threads import to_the_end  # noqa: PLC0415

        await to_the_end(self.close)

    def __reduce__(self) -> str:
        message = "a pool cannot be pickled: it owns containers"
        raise TypeError(message)


def _begin(stock: Stock, recipe: Recipe, thread: threading.Thread) -> None:
    stock.add(stock.make(recipe))
    thread.start()


def _end(stock: Stock, thread: threading.Thread) -> None:
    stock.close()
    if (
        stock.is_closed
        and thread.is_alive()
        and thread is not threading.current_thread()
    ):
        thread.join()


def _delete(container: Container) -> None:
    container.delete(force=True)


def remove_abandoned(factory: Factory) -> tuple[str, ...]:
    """Delete what pools have left whose process is gone; return the ids."""
    gone = []
    for container in factory:
        if not container.id.startswith(PREFIX):
            continue
        with contextlib.suppress(LibcontainerError):
            state = container.state()
            with ProcessRef.open(state.creator) as maker:
                alive = maker is not None
            if not alive and state.status in _WAITING:
                container.delete(force=True)
                gone.append(container.id)
    return tuple(gone)
