# SPDX-License-Identifier: Apache-2.0
"""What a container does for a checkpoint, and to come back from one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, evolve

from libcontainer.cgroups.group import Group
from libcontainer.cgroups.writes import Write
from libcontainer.checkpoint.dump import checkpoint
from libcontainer.checkpoint.restore import Restore
from libcontainer.config import Config
from libcontainer.config.criu import CriuOptions
from libcontainer.errors import ConfigError, UnsupportedError
from libcontainer.handle import ProcessHandle
from libcontainer.host.processref import ProcessRef, record_of
from libcontainer.host.store import Folder
from libcontainer.plan.cgroup import cgroup_owner
from libcontainer.process import Process
from libcontainer.state import ProcessRecord, State
from libcontainer.status import Status
from libcontainer.validate.criu import validate_criu

if TYPE_CHECKING:
    from libcontainer.network.runner import NetworkRunner


def _checked(options: CriuOptions | None, *, restores: bool) -> CriuOptions:
    options = options or CriuOptions()
    problems = validate_criu(options, restores=restores)
    if problems:
        raise ConfigError(problems)
    return options


def take_checkpoint(  # noqa: PLR0917
    image: str,
    options: CriuOptions | None,
    config: Config,
    state: State,
    init: ProcessRef,
    group: Group | None,
) -> None:
    """Write an image of a live container; see `Container.checkpoint`."""
    checkpoint(
        image,
        _checked(options, restores=False),
        config=config,
        init=init,
        args=state.args,
        group=group,
    )


def bring_back(  # noqa: PLR0917
    image: str,
    options: CriuOptions | None,
    config: Config,
    process: Process,
    place: tuple[Folder, State, tuple[Write, ...]],
    companions: list[ProcessHandle],
) -> ProcessHandle:
    """Restore an image into the folder of a new container; see `Factory.restore`.

    Args:
        image: directory of the image.
        options: what CRIU is asked to do.
        config: of the container.
        process: whose streams init gets.
        place: the folder, locked, what its state file says, and the limits of the
            cgroup.
        companions: where handles of processes that join will be put.
    """
    checked = _checked(options, restores=True)
    folder, state, limits = place
    if state.unit is not None:
        what = "a restored container as a unit of systemd"
        raise UnsupportedError(what, 'a factory with cgroups="cgroupfs"')
    if config.intel_rdt is not None:
        what = "a restored container in a class of service"
        raise UnsupportedError(what, "a configuration without intel_rdt")
    if state.cgroup:
        Group(state.cgroup).make(limits, cgroup_owner(config))

    recorder = _Recorder(folder, state)
    restore = Restore(
        image=image,
        options=checked,
        config=config,
        folder=folder.path,
        cgroup=state.cgroup,
        process=process,
        record=recorder.save_init,
        companions=companions,
        runner=_runner(config, state, recorder),
    )
    return restore.run()


@define
class _Recorder:
    """Writes down what a restore has made, as it is made."""

    folder: Folder
    state: State

    def save_init(self, host_pid: int) -> None:
        """Save who init is."""
        init = record_of(host_pid)
        self._save(evolve(self.state, status=Status.RUNNING, init=init))

    def save_companions(self, companions: tuple[ProcessRecord, ...]) -> None:
        """Save which programs stand beside the container."""
        self._save(evolve(self.state, companions=companions))

    def _save(self, state: State) -> None:
        self.state = state
        self.folder.write(state)


def _runner(config: Config, state: State, recorder: _Recorder) -> NetworkRunner | None:
    if not config.networks and not config.routes:
        return None
    # Loaded here: most containers have no network.
    from libcontainer.host.companions import Companions  # noqa: PLC0415
    from libcontainer.network.runner import NetworkRunner  # noqa: PLC0415

    companions = Companions(recorder.save_companions)
    return NetworkRunner(state.id, state.network, companions)
