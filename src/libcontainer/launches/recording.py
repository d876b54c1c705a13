# SPDX-License-Identifier: Apache-2.0
"""What a launch writes down of itself, and takes back when it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from libcontainer.config import Config
from libcontainer.host.actions import HostActions
from libcontainer.host.launch import Launch
from libcontainer.host.processref import ProcessRef, record_of
from libcontainer.host.store import Folder
from libcontainer.plan.kinds import shares_pids
from libcontainer.state import ProcessRecord, State
from libcontainer.status import Status

if TYPE_CHECKING:
    from libcontainer.host.exitrecord import ExitRecord


class Recorder:
    """Writes down who the init process of a launch is, and its monitor."""

    def __init__(
        self, folder: Folder, state: State, config: Config, args: tuple[str, ...]
    ) -> None:
        self._folder = folder
        self._config = config
        self._state = state
        self._args = args
        self._launch: tuple[str, Launch] | None = None
        self.init: ProcessRecord | None = None

    def save(self, status: str, launch: Launch) -> None:
        """Save the state of a container whose init is of *launch*."""
        if launch.monitor is not None and self._state.monitor is None:
            self._state = evolve(self._state, monitor=launch.monitor.meet())
        self._launch = (status, launch)
        self.init = record_of(launch.host_pid)
        self._folder.write(
            evolve(
                self._state,
                args=self._args,
                status=Status(status),
                init=self.init,
                mount_namespace=_leftovers_in(self._config, launch.host_pid),
            )
        )

    def save_companions(self, companions: tuple[ProcessRecord, ...]) -> None:
        """Save who runs beside the container, with what was saved before."""
        self._state = evolve(self._state, companions=companions)
        if self._launch is None:
            self._folder.write(evolve(self._state, args=self._args))
        else:
            self.save(*self._launch)

    def forget_launch(self) -> None:
        """Let go of the launch, which holds this: nothing waits for a collector."""
        self._launch = None

    def exit_record(self, launch: Launch) -> ExitRecord:
        """Return where the end of that init is to be written down."""
        # Loaded here: most containers have no such record.
        from libcontainer.host.exitrecord import ExitRecord  # noqa: PLC0415

        monitor = self._state.monitor
        return ExitRecord(self._folder.path, launch.host_pid, monitor)


def undo(actions: HostActions, state: State, error: BaseException) -> None:
    """Take back what a launch that failed has left in the container's folder."""
    folder = actions.folder
    folder.remove_gate()
    if actions.exit_record is not None:
        folder.remove_monitor_files()
    actions.undo(error)
    folder.write(state)


def with_leftovers(state: State, init: ProcessRef) -> State:
    """Return a state that tells where processes of the container are found."""
    if state.mount_namespace is not None:
        return state
    # A caller without privilege is not told it before the program runs.
    from libcontainer.host import leftovers  # noqa: PLC0415 - rare

    return evolve(state, mount_namespace=leftovers.mount_namespace_of(init.host_pid))


def _leftovers_in(config: Config, host_pid: int) -> int | None:
    if not shares_pids(config):
        return None
    from libcontainer.host.leftovers import mount_namespace_of  # noqa: PLC0415 - rare

    return mount_namespace_of(host_pid)
