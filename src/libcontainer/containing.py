# SPDX-License-Identifier: Apache-2.0
"""`contained`: a function each call of which runs in a container of its own."""

from __future__ import annotations

import functools
import inspect
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from libcontainer.aio.threads import in_thread, to_the_end
from libcontainer.calls.python import with_python
from libcontainer.calls.talk import Interpreter, request_of
from libcontainer.config import Config
from libcontainer.container import Container
from libcontainer.errors import CallFailedError
from libcontainer.factory import Factory
from libcontainer.host.shield import shielded
from libcontainer.oneshot.popen import default_factory, discard
from libcontainer.oneshot.spent import limited_stats
from libcontainer.oneshot.wishes import Wishes
from libcontainer.verdict import verdict_of

if TYPE_CHECKING:
    from typing import Unpack

    from libcontainer.oneshot.options import ContainerOptions

P = ParamSpec("P")
T = TypeVar("T")


def contained(
    *,
    timeout: float | None = None,
    trust: bool = False,
    **options: Unpack[ContainerOptions],
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make a decorator that runs every call of a function in a new container.

    The function is called as before; what `Container.call` says of functions,
    arguments, results and trust holds. A coroutine function stays one, and may be
    awaited in the caller's loop. The function itself is ``__wrapped__``.

    Args:
        timeout: seconds after which the container is killed.
        trust: whether results are pickled, for code that one trusts.
        options: those keywords of `run` that are about the container, such as
            *rootfs*, *memory*, *pids*, *network*.

    Raises:
        TypeError: there is no such keyword.
    """
    wishes = Wishes.of_container("contained", options)

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        caller = Contained(wishes, timeout=timeout, trust=trust)
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def acall(*args: P.args, **keywords: P.kwargs) -> Any:  # noqa: ANN401
                return await caller.aanswer(request_of(function, args, keywords))

            return acall  # type: ignore[return-value]  # T is its coroutine

        @functools.wraps(function)
        def call(*args: P.args, **keywords: P.kwargs) -> T:
            result: T = caller.answer(request_of(function, args, keywords))
            return result

        return call

    return decorate


class Contained:
    """Calls functions, each in a container of its own."""

    def __init__(self, wishes: Wishes, *, timeout: float | None, trust: bool) -> None:
        self._wishes = wishes
        self._timeout = timeout
        self._trust = trust

    def answer(self, request: bytes) -> Any:  # noqa: ANN401 - the function's
        """Return what the function of a request returns, or raise what it raises."""
        work = _Answer(self, request)
        config: Config | None = self._wishes.config
        if config is not None and config.parent_death_signal is not None:
            # It would come at the end of a thread made for this.
            return work.do()
        return shielded(work.do, work.stop)

    def judged(self, ask: Callable[..., Any], container: Container) -> Any:  # noqa: ANN401
        """Return an answer; tell of a failure why the kernel says it is one."""
        try:
            return ask(trust=self._trust, timeout=self._timeout)
        except CallFailedError as error:
            _judge(error, container)
            raise

    async def aanswer(self, request: bytes) -> Any:  # noqa: ANN401 - the function's
        """Do the same under asyncio."""
        place = await in_thread(functools.partial(Place, *self.parts()), Place.close)
        try:
            return await place.interpreter.acall(
                request, trust=self._trust, timeout=self._timeout
            )
        except CallFailedError as error:
            _judge(error, place.container)
            raise
        finally:
            await to_the_end(place.close)

    def parts(self) -> tuple[Factory, Config, str]:
        """Return what the next container is made by and of, and its name."""
        config = with_python(self._wishes.configuration())
        maker = self._wishes.factory or default_factory()
        return maker, config, f"call-{secrets.token_hex(8)}"


class Place:
    """A container, and the interpreter in it that answers calls.

    Attributes:
        container: the container.
        interpreter: its first process.
    """

    def __init__(self, maker: Factory, config: Config, name: str) -> None:
        self._maker = maker
        self._name = name
        container: Container | None = None
        try:
            container = maker.create(name, config, bound=True)
            self.interpreter = Interpreter(container.run)
        except BaseException:
            discard(maker, name, container)
            raise
        self.container = container

    def close(self) -> None:
        """End the interpreter, and delete the container."""
        self.interpreter.close()
        try:
            discard(self._maker, self._name, self.container)
        finally:
            self.interpreter.handle.close()


class _Answer:
    """One call, which another thread may stop."""

    def __init__(self, caller: Contained, request: bytes) -> None:
        self._caller = caller
        self._request = request
        self._is_stopped = False
        self._place: Place | None = None

    def do(self) -> Any:  # noqa: ANN401 - the function's
        place = self._place = Place(*self._caller.parts())
        try:
            if self._is_stopped:
                place.interpreter.handle.kill()
            with place.interpreter as interpreter:
                ask = functools.partial(interpreter.call, self._request)
                return self._caller.judged(ask, place.container)
        finally:
            place.close()

    def stop(self) -> None:
        self._is_stopped = True
        if self._place is not None:
            self._place.interpreter.handle.kill()


def _judge(error: CallFailedError, container: Container) -> None:
    error.verdict = verdict_of(error.status, limited_stats(container))
