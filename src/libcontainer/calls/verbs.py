# SPDX-License-Identifier: Apache-2.0
"""What a `Container` does with functions; loaded when it is done."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

from libcontainer.errors import UnsupportedError

if TYPE_CHECKING:
    from libcontainer.calls.talk import Interpreter
    from libcontainer.config import Config
    from libcontainer.handle import ProcessHandle
    from libcontainer.process import Process

T = TypeVar("T")
P = ParamSpec("P")


class Caller(Protocol):
    """What calls need of a container."""

    @property
    def config(self) -> Config:
        """What it is."""

    def run(self, process: Process) -> ProcessHandle:
        """Run a process."""


class CallVerbs:
    """Functions of the caller, run in the container."""

    def call(
        self: Caller,
        function: Callable[..., T],
        /,
        *args: Any,  # noqa: ANN401 - the function's
        timeout: float | None = None,
        trust: bool = False,
        **keywords: Any,  # noqa: ANN401
    ) -> T:
        """Call a function in the container; return its result, or raise its error.

        It runs in a new interpreter, the caller's own, which `with_python` has put
        into the configuration: as the first process of a container that has none,
        else beside the others. Function and arguments are pickled; a function of
        ``__main__``, a lambda or an inner one goes by value. Nothing is shared with
        the caller afterwards. A coroutine function is run to its end there.

        What comes back is not unpickled: a process that was taken over could run
        what it likes in the caller by that. Without *trust* a result is plain data
        (None, bool, numbers, text, bytes, lists, tuples, sets, dicts), an exception
        one of the language, or a `RemoteError`.

        Args:
            function: what is called.
            args: its arguments.
            timeout: seconds after which its process is killed.
            trust: whether the result is pickled, for code that one trusts.
            keywords: its keyword arguments; for one of the names above take
                `functools.partial`.

        Raises:
            TypeError: something cannot be sent, or the result is no plain data.
            UnsupportedError: the container has no interpreter.
            TimeoutExpired: it took longer than *timeout*.
            CallFailedError: its process ended without an answer.
            RemoteError: it raised what has no plain form.
            LibcontainerError: as for `run`.
        """
        from libcontainer.calls.talk import request_of  # noqa: PLC0415

        request = request_of(function, args, keywords)
        with _interpreter(self) as interpreter:
            result: T = interpreter.call(request, trust=trust, timeout=timeout)
        return result

    async def acall(
        self: Caller,
        function: Callable[..., Any],
        /,
        *args: Any,  # noqa: ANN401 - the function's
        timeout: float | None = None,
        trust: bool = False,
        **keywords: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Call a function in the container, as `call` does; for asyncio.

        Raises:
            CancelledError: its process has been ended.
        """
        from libcontainer.aio.threads import in_thread, to_the_end  # noqa: PLC0415
        from libcontainer.calls.talk import request_of  # noqa: PLC0415

        request = request_of(function, args, keywords)
        start = functools.partial(_interpreter, self)
        interpreter = await in_thread(start, _end)
        try:
            return await interpreter.acall(request, trust=trust, timeout=timeout)
        except BaseException:
            interpreter.handle.kill()
            raise
        finally:
            await to_the_end(functools.partial(_leave, interpreter))


def _interpreter(container: Caller) -> Interpreter:
    from libcontainer.calls.python import has_python  # noqa: PLC0415
    from libcontainer.calls.talk import Interpreter  # noqa: PLC0415

    if not has_python(container.config):
        need = "an interpreter: make the container with lc.with_python(config)"
        raise UnsupportedError("call", need)
    return Interpreter(container.run)


def _end(interpreter: Interpreter) -> None:
    interpreter.handle.kill()
    _leave(interpreter)


def _leave(interpreter: Interpreter) -> None:
    with interpreter:
        pass
