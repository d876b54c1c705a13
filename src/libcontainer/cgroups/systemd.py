# SPDX-License-Identifier: Apache-2.0
"""The strategy that lets systemd make the cgroup: a scope of its own."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Final

from libcontainer.cgroups.annotations import (
    annotated_properties,
    annotated_subgroup,
    check_subgroup,
)
from libcontainer.cgroups.hierarchy import (
    CgroupMode,
    Hierarchies,
    read_hierarchies,
)
from libcontainer.cgroups.limits import device_rules, v1_controllers
from libcontainer.cgroups.strategy import Placement
from libcontainer.cgroups.unit import (
    Property,
    device_properties,
    slice_path,
    unit_name,
)
from libcontainer.config import Config
from libcontainer.errors import UnsupportedError
from libcontainer.plan.unified import UNIFIED
from libcontainer.state import Unit

_BOOTED: Final = "/run/systemd/system"
_SLICES: Final = {False: "system.slice", True: "user.slice"}


class Systemd:
    """A scope made by systemd, of the system or of the caller's own manager.

    `Config.cgroups_path` is ``slice:prefix:name``; without it the scope is
    ``libcontainer-ID.scope`` in ``system.slice``, or ``user.slice`` of the caller.

    Args:
        user: whether the caller's own manager makes it, which gives limits without
            privilege where it is delegated to; None: unless the caller is root.
        subgroup: the name of a cgroup within the scope that the container is in, so
            that systemd and who is in the container do not share one.
        annotations: whether labels of a container may say more: those that begin
            with ``org.systemd.property.`` and ``run.oci.systemd.subgroup``. Whoever
            may set labels has systemd's privileges then.

    Raises:
        UnsupportedError: systemd does not run here, or jeepney is not installed.
    """

    name = "systemd"

    def __init__(
        self,
        *,
        user: bool | None = None,
        subgroup: str = "",
        annotations: bool = False,
        hierarchies: Hierarchies | None = None,
    ) -> None:
        if not os.path.isdir(_BOOTED):
            need = "a machine that was booted with systemd"
            raise UnsupportedError("the systemd cgroup driver", need)
        if find_spec("jeepney") is None:
            need = "jeepney: pip install 'libcontainer[systemd]'"
            raise UnsupportedError("the systemd cgroup driver", need)
        check_subgroup(subgroup, "subgroup")
        self._user = os.geteuid() != 0 if user is None else user
        self._subgroup = subgroup
        self._annotations = annotations
        self._hierarchies = read_hierarchies() if hierarchies is None else hierarchies
        self._root: str | None = None

    def place(self, container_id: str, config: Config) -> Placement:
        """Return the directories that the scope will have.

        Raises:
            ConfigError: the path or an annotation is wrong.
            UnsupportedError: *config* asks for what cannot hold here.
            CgroupError: systemd does not answer.
        """
        in_slice, name = unit_name(container_id, config.cgroups_path)
        in_slice = in_slice or _SLICES[self._user]
        subgroup = self._subgroup
        properties: tuple[Property, ...] = ()
        if self._annotations:
            subgroup = annotated_subgroup(config.labels) or subgroup
            properties = annotated_properties(config.labels)
        if self._root is None:
            # Loaded only here: it brings jeepney.
            from libcontainer.cgroups import systemd_bus  # noqa: PLC0415

            self._root = systemd_bus.manager_cgroup(user=self._user)
        tail = f"{self._root}{slice_path(in_slice)}/{name}"
        tail += f"/{subgroup}" if subgroup else ""
        found = self._hierarchies
        if found.mode is CgroupMode.NONE:
            raise UnsupportedError("a cgroup", "a mounted cgroup file system")
        if found.mode is not CgroupMode.UNIFIED and self._user:
            need = "cgroup v2: v1 is not delegated to users"
            raise UnsupportedError("the systemd user manager", need)
        paths = {h.name: f"{h.mount_point}{tail}" for h in found.v1}
        if found.mode is CgroupMode.UNIFIED:
            paths = {}
        if found.unified is not None:
            paths[UNIFIED] = f"{found.unified.mount_point}{tail}"
        _check_devices(config, paths)
        return Placement(paths, Unit(name, self._user, in_slice, subgroup, properties))


def _check_devices(config: Config, paths: dict[str, str]) -> None:
    if "devices" not in v1_controllers(paths):
        return  # there the program of ours is exact
    _, exact = device_properties(device_rules(config))
    if not exact:
        need = "cgroup v2, or a rule that denies no part of what another allows"
        raise UnsupportedError("resources.devices with systemd", need)
