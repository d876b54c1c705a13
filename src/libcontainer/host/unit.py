# SPDX-License-Identifier: Apache-2.0
"""Makes the scope that is a container's cgroup, and puts processes into it.

systemd makes no scope without a process. So one that only waits is in it first, until
the container's init has been born there.
"""

from __future__ import annotations

from collections.abc import Iterable

from libcontainer.cgroups.group import Group
from libcontainer.cgroups.limits import changed_rules, device_rules, v1_controllers
from libcontainer.cgroups.systemd_bus import attach, set_properties, start_unit
from libcontainer.cgroups.unit import (
    Property,
    device_properties,
    resource_properties,
    scope_properties,
)
from libcontainer.cgroups.writes import Write
from libcontainer.config import Config, DeviceRule, Resources
from libcontainer.errors import UnsupportedError
from libcontainer.host.launch import Launch
from libcontainer.plan.builder import Builder
from libcontainer.plan.compiled import Compiled
from libcontainer.plan.ops import Umask
from libcontainer.plan.steps import Spawn, Step
from libcontainer.state import Unit

_DEADLINE_SECONDS = 120.0


class Held:
    """The step at which the process waits."""

    title = "wait"


class UnitMaker:
    """Makes the unit of one launch.

    Args:
        container_id: the container's id.
        config: what it is.
    """

    def __init__(self, container_id: str, config: Config) -> None:
        self._id = container_id
        self._config = config
        self._holder: Launch | None = None

    def make(
        self,
        group: Group,
        unit: Unit,
        helper: int,
        writes: Iterable[Write],
        owner: tuple[int, int] | None,
    ) -> None:
        """Start the unit and write the limits that systemd has no word for.

        Raises:
            LibcontainerError: nothing is left behind.
        """
        self._holder = _hold(helper)
        try:
            pid = self._holder.host_pid
            start_unit(unit, self._properties(group, unit, pid))
            group.make_in_unit(writes, owner, pid)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process that was in it first."""
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.abort()

    def _properties(self, group: Group, unit: Unit, pid: int) -> list[Property]:
        return [
            *scope_properties(self._id, pid, unit.slice),
            *unit_properties(self._config, group),
            *unit.properties,
        ]


def unit_properties(config: Config, group: Group) -> list[Property]:
    """Return the limits and devices of a container as properties of its unit."""
    limits = resource_properties(config.resources, unified=is_v2(group))
    if unit_is_of_system(group):
        limits += device_properties(device_rules(config))[0]
    return limits


def change_limits(group: Group, resources: Resources) -> None:
    """Tell systemd of a change of limits.

    Raises:
        CgroupError: systemd refused it.
    """
    properties = resource_properties(resources, unified=is_v2(group))
    if group.unit is not None and properties:
        set_properties(group.unit, properties)


def change_devices(group: Group, rules: tuple[DeviceRule, ...]) -> None:
    """Change which devices may be used, in systemd and in the kernel.

    Raises:
        CgroupError: one of both refused it.
        UnsupportedError: systemd has no words for it, and v1 no filter of ours.
    """
    properties, exact = device_properties(rules)
    v1 = not is_v2(group)
    if v1 and not exact:
        need = "cgroup v2, or a rule that denies no part of what another allows"
        raise UnsupportedError("resources.devices with systemd", need)
    # On v1 systemd denies everything first: nobody may see that.
    thaws = v1 and not group.is_frozen()
    if thaws:
        group.freeze()
    try:
        if group.unit is not None and unit_is_of_system(group):
            set_properties(group.unit, properties)
        group.write(changed_rules(rules, rules, group.paths), live=True)
    finally:
        if thaws:
            group.thaw()


def unit_is_of_system(group: Group) -> bool:
    """Tell whether the unit is the system's: no other manager may filter devices."""
    return group.unit is not None and not group.unit.user


def is_v2(group: Group) -> bool:
    """Tell whether systemd manages v2 for the group."""
    return not v1_controllers(group.paths)


def attach_to_unit(launch: Launch, unit: Unit) -> None:
    """Let systemd put the process that is being launched into the unit.

    Raises:
        CgroupError: systemd refused it.
    """
    attach(unit, launch.at_work[1])


def _hold(helper: int) -> Launch:
    builder = Builder()
    builder.stage("spawn")
    builder.host(Spawn(0))
    # Something to do, so that it has to wait for us at a barrier behind it.
    builder.init(Umask(0o022))
    builder.host(Held())
    launch = Launch(
        Compiled(builder.build()),
        helper=helper,
        run_host_step=_nothing,
        deadline_seconds=_DEADLINE_SECONDS,
    )
    launch.hold()
    return launch


def _nothing(launch: Launch, step: Step) -> None:
    """Do nothing."""
