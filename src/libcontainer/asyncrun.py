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
from libcontainer.cgroups.stats import Stats
from libcontainer.config import Config, Resources
from libcontainer.container import Container
from libcontainer.errors import TimeoutExpired
from libcontainer.handle import ProcessHandle
from libcontainer.oneshot.popen import default_factory, launch
from libcontainer.oneshot.result import Result
from libcontainer.oneshot.wishes import Command, Wishes
from libcontainer.usage import Usage
from libcontainer.verdict import verdict_of

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
    data, timeout, check = take_own(options)
    wishes = Wishes(**options)
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
        _, usage = await to_the_end(functools.partial(_end, container, config, begun))
        if isinstance(error, TimeoutExpired):
            error.usage = usage
        raise
    status = await handle
    stats, usage = await to_the_end(functools.partial(_end, container, config, begun))
    command = process.args[-1] if isinstance(args, str | bytes) else list(process.args)
    result: Result[Any] = Result(
        command, status.returncode, text.decode(out), text.decode(err)
    )
    result.status = status
    result.stats, result.usage = stats, usage
    result.verdict = verdict_of(status, stats)
    result.wall_seconds = time.monotonic() - begun
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


def _end(
    container: Container, config: Config, begun: float
) -> tuple[Stats | None, Usage]:
    """Kill what still runs, measure the container, delete it."""
    try:
        if container.init is not None:
            container.init.kill()
            container.init.wait()
        stats = container.stats() if config.resources != Resources() else None
        return stats, container.usage(time.monotonic() - begun)
    finally:
        container.delete(force=True)


def _undo(made: tuple[Container, ProcessHandle]) -> None:
    container, handle = made
    container.delete(force=True)
    handle.close()
