# SPDX-License-Identifier: Apache-2.0
"""When the hooks of a container run, and what becomes of it when one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libcontainer.config import Config
from libcontainer.errors import HookError
from libcontainer.handle import ProcessHandle
from libcontainer.launches.engine import Engine
from libcontainer.state import oci_state

if TYPE_CHECKING:
    from libcontainer.host.hooks import HookRunner


def hook_runner(
    engine: Engine, container_id: str, path: str, config: Config
) -> HookRunner:
    """Return what runs the hooks of a container.

    Args:
        engine: has the helper's image.
        container_id: the container's id.
        path: its state folder.
        config: its configuration.
    """

    def describe(status: str, pid: int | None) -> dict[str, Any]:
        labels = dict(config.labels)
        return oci_state(container_id, status, pid, bundle=path, annotations=labels)

    from libcontainer.host.hooks import HookRunner  # noqa: PLC0415 - few have any

    return HookRunner(engine.image(), describe)


def run_poststart(
    engine: Engine, container_id: str, path: str, config: Config, pid: int
) -> None:
    """Run the hooks that follow the start of the program; *pid* is of its init.

    Raises:
        HookError: one has failed; the container still runs.
    """
    runner = hook_runner(engine, container_id, path, config)
    runner.run("poststart", config.hooks.poststart, "running", pid)


def run_poststop(engine: Engine, container_id: str, path: str, config: Config) -> None:
    """Run the hooks that follow the end of a container; warn if one fails."""
    runner = hook_runner(engine, container_id, path, config)
    runner.run_all("poststop", config.hooks.poststop, "stopped")


def end_if_poststart_fails(
    hooks: HookRunner, config: Config, handle: ProcessHandle
) -> None:
    """Run the hooks that follow the start of the program; it ends if one fails."""
    try:
        hooks.run("poststart", config.hooks.poststart, "running", handle.host_pid)
    except BaseException:
        handle.kill()
        handle.wait()
        handle.close()
        raise


def after_failure(hooks: HookRunner, config: Config, error: BaseException) -> None:
    """Give an error what its hook has said, and run those of the container's end."""
    if isinstance(error, HookError) and not error.output:
        error.output = hooks.output()
    # The specification goes on with the end of the container's life.
    if hooks.has_begun:
        hooks.run_all("poststop", config.hooks.poststop, "stopped")
