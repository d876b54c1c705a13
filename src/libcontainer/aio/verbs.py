# SPDX-License-Identifier: Apache-2.0
"""What a `Container` does under asyncio; asyncio is loaded when it is done."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from libcontainer.aio.process import AsyncProcess
    from libcontainer.handle import ProcessHandle
    from libcontainer.process import Log, Process


class Verbs(Protocol):
    """The verbs that block."""

    def run(
        self, process: Process, *, detach: bool = False, log: Log | None = None
    ) -> ProcessHandle:
        """Run a process."""

    def exec(self, process: Process, *, ignore_paused: bool = False) -> ProcessHandle:
        """Run a further process."""

    def delete(self, *, force: bool = False) -> None:
        """Remove the container."""


class AsyncVerbs:
    """The same verbs as coroutines.

    They run in a thread of the loop's default executor, because a launch may wait
    for a lock, a hook or a network; no thread is kept for a container. When one is
    cancelled it first ends what it has begun, and then raises `CancelledError`.
    """

    async def arun(
        self: Verbs, process: Process, *, detach: bool = False, log: Log | None = None
    ) -> AsyncProcess:
        """Run a process, as `run` does; for asyncio.

        Raises:
            LibcontainerError: as for `run`.
            CancelledError: the process has been ended.
        """
        return await _start(
            functools.partial(self.run, process, detach=detach, log=log)
        )

    async def aexec(
        self: Verbs, process: Process, *, ignore_paused: bool = False
    ) -> AsyncProcess:
        """Run a further process, as `exec` does; for asyncio.

        Raises:
            LibcontainerError: as for `exec`.
            CancelledError: the process has been ended.
        """
        return await _start(
            functools.partial(self.exec, process, ignore_paused=ignore_paused)
        )

    async def adelete(self: Verbs, *, force: bool = False) -> None:
        """Remove the container, as `delete` does; for asyncio.

        A cancellation comes after that.

        Raises:
            LibcontainerError: as for `delete`.
        """
        from libcontainer.aio.threads import to_the_end  # noqa: PLC0415

        await to_the_end(functools.partial(self.delete, force=force))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self: Verbs, *_: object) -> None:
        from libcontainer.aio.threads import to_the_end  # noqa: PLC0415

        await to_the_end(functools.partial(self.delete, force=True))


async def _start(launch: functools.partial[ProcessHandle]) -> AsyncProcess:
    from libcontainer.aio.process import AsyncProcess  # noqa: PLC0415
    from libcontainer.aio.threads import in_thread  # noqa: PLC0415

    handle = await in_thread(launch, _end)
    try:
        return await AsyncProcess.connect(handle)
    except BaseException:
        await in_thread(functools.partial(_end, handle))
        raise


def _end(handle: Any) -> None:  # noqa: ANN401 - a ProcessHandle
    handle.kill()
    handle.wait()
    handle.close()
