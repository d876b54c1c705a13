# SPDX-License-Identifier: Apache-2.0
"""`arun`: what `run` does, for a program with an event loop."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from libcontainer.aio.process import AsyncProcess
from libcontainer.aio.threads import in_thread, to_the_end
from libcontainer.api import checked, take_own
from libcontainer.container import Container
from libcontainer.errors import TimeoutExpired
from libcontainer.handle import ProcessHandle
from libcontainer.oneshot.popen import default_factory, launch
from libcontainer.oneshot.result import Result
from libcontainer.oneshot.spent import Spent
from libcontainer.oneshot.wishes import Command, Wishes, said_args

if TYPE_CHECKING:
    from typing import Unpack

    from libcontainer.oneshot.options import AllOptions, RunOptions

_REST_SECONDS = 10.0


@overload
async def arun(
    args: Command | Sequence[Command],
    *,
    text: Literal[True],
    input: str | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    **options: Unpack[RunOptions],
) -> Result[str]: ...
@overload
async def arun(
    args: Command | Sequence[Command],
    *,
    encoding: str,
    input: str | None = None,
    text: bool | None = None,
    errors: str | None = None,
    **options: Unpack[RunOptions],
) -> Result[str]: ...
@overload
async def arun(
    args: Command | Sequence[Command],
    *,
    text: Literal[False] | None = None,
    input: bytes | None = None,
    **options: Unpack[RunOptions],
) -> Result[bytes]: ...
@overload
async def arun(
    args: Command | Sequence[Command], **options: Unpack[AllOptions]
) -> Result[Any]: ...
async def arun(args: Command | Sequence[Command], **options: Any) -> Result[Any]:
    """Run a program in a container of its own, and wait for it under asyncio.

    Keywords, result and errors are those of `run`; *bufsize* has no meaning. Its
    pipes and its end are the loop's: the only threads are those of the loop's
    default executor, for the milliseconds of the launch and of the removal.

    Raises:
        CancelledError: it was cancelled; the container is gone when it is raised.
    """
    data, timeout, check = take_own("arun", options)
    wishes = Wishes.of("arun", options)
    process, config, text = (
        wishes.process(args),
        wishes.configuration(),
        wishes.text_form,
    )
    maker = default_factory() if wishes.factory is None else wishes.factory
    begun = time.monotonic()
    container, handle = await in_thread(
        functools.partial(launch, maker, config, process), _undo
    )
    try:
        out, err = await _talk(handle, text.encode(data), timeout)
    except BaseException as error:
        spent = await to_the_end(functools.partial(_end, container, begun))
        if isinstance(error, TimeoutExpired):
            error.usage = spent.usage
        raise
    status = await handle
    spent = await to_the_end(functools.partial(_end, container, begun))
    command = said_args(args, process)
    result: Result[Any] = Result.of(
        command, status, spent, text.decode(out), text.decode(err)
    )
    return checked(result, check=check)


async def _talk(
    handle: ProcessHandle, data: bytes | None, timeout: float | None
) -> tuple[bytes | None, bytes | None]:
    process = await AsyncProcess.connect(handle)
    try:
        return await process.communicate(data, timeout)
    except TimeoutExpired as error:
        process.kill()
        try:
            error.output, error.stderr = await process.communicate(
                timeout=_REST_SECONDS
            )
        except TimeoutExpired as again:
            error.output, error.stderr = again.output, again.stderr
        raise
    finally:
        process.close()


def _end(container: Container, begun: float) -> Spent:
    """Kill what still runs, measure the container, delete it."""
    try:
        if container.init is not None:
            container.init.kill()
            container.init.wait()
        return Spent.by(container, begun)
    finally:
        container.delete(force=True)


def _undo(made: tuple[Container, ProcessHandle]) -> None:
    container, handle = made
    container.delete(force=True)
    handle.close()
