# SPDX-License-Identifier: Apache-2.0
"""`Pool`: containers that are prepared, and wait for their turn."""

from __future__ import annotations

import collections
import contextlib
import functools
import os
import secrets
import threading
import time
import weakref
from typing import TYPE_CHECKING, Self

from attrs import frozen

from libcontainer.config import Config
from libcontainer.container import Container
from libcontainer.errors import (
    HelperError,
    LaunchTimeoutError,
    LibcontainerError,
    StateError,
    TimeoutExpired,
)
from libcontainer.factory import Factory
from libcontainer.host.fork import check_same_process
from libcontainer.host.log import logger
from libcontainer.host.processref import ProcessRef
from libcontainer.host.streams import Exchange
from libcontainer.oneshot.popen import default_factory, discard
from libcontainer.oneshot.result import Result
from libcontainer.oneshot.spent import Spent
from libcontainer.process import Process
from libcontainer.status import Status

if TYPE_CHECKING:
    from libcontainer.config.criu import CriuOptions

_PREFIX = "pool-"
_KILL_SECONDS = 10.0
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
        self._stock = _Stock(default_factory() if factory is None else factory)
        remove_abandoned(self._stock.factory)
        image = None if template is None else os.fspath(template)
        recipe = _Recipe(config, process, image, criu)
        self._stock.add(self._stock.make(recipe))
        # It holds no reference to the pool: one that is forgotten is closed.
        self._thread = threading.Thread(
            target=self._stock.keep,
            args=(recipe, size),
            name="libcontainer-pool",
            daemon=True,
        )
        self._thread.start()
        self._end = weakref.finalize(self, _end, self._stock, self._thread)

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
            LaunchTimeoutError: none was ready in time.
            ProgramError: the program cannot be executed.
            ForkedError: the pool is of a process that this is a fork of.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        failed = 0
        while True:
            container = self._stock.get(deadline)
            try:
                if self._is_restored:
                    container.resume()
                else:
                    container.start()
            except (StateError, HelperError):
                # It has been killed while it waited; not all of them, one after other.
                container.delete(force=True)
                failed += 1
                if failed > self.size:
                    raise
            except BaseException:
                container.delete(force=True)
                raise
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

        take = functools.partial(self.take, timeout)
        return await in_thread(take, _delete)

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
        """Delete the containers that wait. Twice is once."""
        self._end()

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


@frozen
class _Recipe:
    """What the containers of a pool are made of."""

    config: Config
    process: Process
    template: str | None
    criu: CriuOptions | None

    def create(self, factory: Factory, name: str) -> Container:
        """Return a new container."""
        if self.template is None:
            return factory.create(name, self.config, bound=True)
        return factory.restore(
            name, self.config, self.template, self.process, self.criu
        )

    def make_ready(self, container: Container) -> None:
        """Bring it to where it waits until it is taken."""
        if self.template is None:
            container.prepare(self.process)
        else:
            container.pause()


class _Stock:
    """The containers that wait, and who waits for them."""

    def __init__(self, factory: Factory) -> None:
        self.factory = factory
        self.containers: collections.deque[Container] = collections.deque()
        self.is_closed = False
        self._is_paused = False
        self._pid = os.getpid()
        self._error: LibcontainerError | None = None
        self._changed = threading.Condition()

    def make(self, recipe: _Recipe) -> Container:
        name = f"{_PREFIX}{secrets.token_hex(8)}"
        container: Container | None = None
        try:
            container = recipe.create(self.factory, name)
            recipe.make_ready(container)
        except BaseException:
            discard(self.factory, name, container)
            raise
        return container

    def add(self, container: Container) -> None:
        with self._changed:
            if not self.is_closed:
                self.containers.append(container)
                self._error = None
                self._changed.notify_all()
                return
        container.delete(force=True)

    def get(self, deadline: float | None) -> Container:
        check_same_process(self._pid, "a pool")
        with self._changed:
            while not self.containers:
                if self.is_closed:
                    raise StateError("pool", "closed", "take from")
                if self._error is not None:
                    error, self._error = self._error, None
                    self._changed.notify_all()
                    raise error
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    message = "no container of the pool was ready in time"
                    raise LaunchTimeoutError(message)
                self._changed.wait(left)
            container = self.containers.popleft()
            if not self.containers and not self._is_paused:
                # Others may be waiting by now.
                self._changed.notify_all()
        return container

    def refill(self) -> None:
        """Let the thread that makes new ones look whether there are enough."""
        with self._changed:
            if not self._is_paused:
                self._changed.notify_all()

    def set_paused(self, *, paused: bool) -> None:
        with self._changed:
            self._is_paused = paused
            self._changed.notify_all()

    def keep(self, recipe: _Recipe, size: int) -> None:
        """Make containers as long as the pool is there."""
        while self._await_need(size):
            try:
                self.add(self.make(recipe))
            except LibcontainerError as error:
                logger.warning("a container of a pool could not be prepared: %s", error)
                with self._changed:
                    # Not tried again before somebody was told.
                    self._error = error
                    self._changed.notify_all()

    def _await_need(self, size: int) -> bool:
        with self._changed:
            while not self.is_closed:
                is_short = len(self.containers) < size
                if is_short and not self._is_paused and self._error is None:
                    return True
                self._changed.wait()
        return False

    def close(self) -> None:
        if os.getpid() != self._pid:
            # They are those of the process that this is a fork of.
            return
        with self._changed:
            self.is_closed = True
            waiting = list(self.containers)
            self.containers.clear()
            self._changed.notify_all()
        for container in waiting:
            with contextlib.suppress(LibcontainerError):
                container.delete(force=True)


def _end(stock: _Stock, thread: threading.Thread) -> None:
    stock.close()
    if thread is not threading.current_thread() and stock.is_closed:
        thread.join()


def _delete(container: Container) -> None:
    container.delete(force=True)


def remove_abandoned(factory: Factory) -> tuple[str, ...]:
    """Delete what pools have left whose process is gone; return the ids."""
    gone = []
    for container in factory:
        if not container.id.startswith(_PREFIX):
            continue
        with contextlib.suppress(LibcontainerError):
            state = container.state()
            with ProcessRef.open(state.creator) as maker:
                alive = maker is not None
            if not alive and state.status in _WAITING:
                container.delete(force=True)
                gone.append(container.id)
    return tuple(gone)
