# SPDX-License-Identifier: Apache-2.0
"""A container whose limits and devices change while it runs.

What that needs is loaded when it happens: a command that looks does not need it.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import evolve

from libcontainer.cgroups.group import Group
from libcontainer.cgroups.values import read_value, write_value
from libcontainer.config import Device, DeviceRule, Resources
from libcontainer.errors import (
    CgroupError,
    ConfigError,
    UnsupportedError,
    wrong_type,
)
from libcontainer.host.processref import ProcessRef
from libcontainer.host.store import Folder
from libcontainer.known import LOCK_SECONDS, KnownContainer
from libcontainer.state import State
from libcontainer.status import require

if TYPE_CHECKING:
    from libcontainer.cgroups.properties import Properties


class LimitedContainer(KnownContainer):
    """What `Container` lets be changed of its limits; see there."""

    def update(self, resources: Resources) -> None:
        """Change limits of the container; what is None stays as it is.

        Device rules are added to those in force. A limit on swap alone counts with
        the limit on memory that holds, a burst, a period or a quota of the processor
        with the others of the three. Either all limits hold afterwards, or what held
        before does again; limits by device and *disable_oom_killer* alone cannot be
        taken back.

        Raises:
            ConfigError: *resources* is wrong.
            UnsupportedError: it has no cgroup, or not this version of cgroups.
            CgroupError: the kernel refused a limit.
            StateError: it has stopped, or nothing runs in it yet.
            TypeError: *resources* is no `Resources`.
        """
        from libcontainer.cgroups.current import lacks_other, with_current  # noqa: PLC0415
        from libcontainer.launches.live import update  # noqa: PLC0415
        from libcontainer.validate import validate_resources  # noqa: PLC0415

        if not isinstance(resources, Resources):
            raise wrong_type("resources", Resources, resources)
        completes = lacks_other(resources)
        problems = [] if completes else validate_resources(resources)
        if problems:
            raise ConfigError(problems)
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "update")
            group = self._group_of(state)
            if completes:
                resources = with_current(group, resources)
                if problems := validate_resources(resources):
                    raise ConfigError(problems)
            before = update(group, evolve(resources, devices=()))
            try:
                self._add_rules(folder, state, resources.devices)
            except BaseException:
                group.restore(before)
                raise

    def add_device(self, device: Device, access: str = "rwm") -> None:
        """Give the running container a device: the right to use it, and its node.

        In a user namespace the host's node of the same path is bound instead of
        made. Both are gone with the container; `config` does not have them.

        Args:
            device: the node in its /dev, whose directory must be there.
            access: some of ``r`` (read), ``w`` (write) and ``m`` (mknod).

        Raises:
            ConfigError: *device* or *access* is wrong.
            StateError: it is not running.
            StepError: the node could not be made, ``EEXIST`` where there is such a
                file; the container may use what it might before.
            UnsupportedError: it has no cgroup.

        Needs CAP_MKNOD, and on cgroup v2 CAP_SYS_ADMIN, on the host; Linux 5.6.
        """
        from libcontainer.launches.live import mknod  # noqa: PLC0415
        from libcontainer.validate import validate_device, validate_resources  # noqa: PLC0415

        rule = _rule(device, access, allow=True)
        problems = validate_device(device)
        if rule is not None:
            problems += validate_resources(Resources(devices=[rule]))
        if problems:
            raise ConfigError(problems)
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "mknod")
            with self._live_init(state, "mknod") as init:
                self._add_rules(folder, state, () if rule is None else (rule,))
                try:
                    mknod(self._launcher, self.config, device, init)
                except BaseException:
                    self._restore_rules(folder, state, rule)
                    raise

    def remove_device(self, device: Device) -> None:
        """Take a device from the running container: its node, and the right to use it.

        What has it open keeps it: the kernel asks when a device is opened.

        Raises:
            ConfigError: *device* is wrong.
            StateError: it is not running.
            CgroupError: ``ENODEV``: what is at that path is another device.
            UnsupportedError: it has no cgroup.

        Needs, on cgroup v2, CAP_SYS_ADMIN on the host; Linux 5.6.
        """
        from libcontainer.validate import validate_device  # noqa: PLC0415

        problems = validate_device(device)
        if problems:
            raise ConfigError(problems)
        rule = _rule(device, "rw", allow=False)
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "mknod")
            with self._live_init(state, "mknod") as init:
                # The right first: a node that nobody may use does no harm.
                self._add_rules(folder, state, () if rule is None else (rule,))
                _remove_node(device, init)

    def reclaim(self, size: int | str, *, swappiness: int | None = None) -> int:
        """Ask the kernel to take memory back from the container.

        Args:
            size: how much, in bytes or as text, ``"64M"``.
            swappiness: how readily it is swapped out, 0 to 200 (Linux 6.8).

        Returns:
            By how many bytes it uses less now; less than *size* where there was
            not as much to give.

        Raises:
            UnsupportedError: it has no cgroup, or not on v2, or before Linux 5.19.
            ValueError: *size* is not a number of bytes above 0.
            StateError: nothing runs in it.
        """
        wanted = Resources(memory=size).memory
        if not isinstance(wanted, int) or wanted <= 0:
            message = f"a number of bytes such as '64M' is needed, not {size!r}"
            raise ValueError(message)
        text = (
            f"{wanted}" if swappiness is None else f"{wanted} swappiness={swappiness}"
        )
        with self._locked_group("update") as group:
            return _reclaim(group, text)

    def properties(self, controller: str) -> Properties:
        """Return every property of a v1 controller of its cgroup, by name.

        For what `Resources` has no field for. Nothing is taken back if it fails.

        Args:
            controller: ``memory``, ``cpu``, ``cpuacct``, ``cpuset``, ``blkio``,
                ``devices``, ``net_cls`` or ``net_prio``.

        Raises:
            StateError: nothing has run in it yet.
            UnsupportedError: it has no such cgroup on v1.
        """
        # Loaded only here: no launch needs cgroupspy.
        from libcontainer.cgroups.properties import Properties  # noqa: PLC0415

        state = self.state()
        require(self.id, state.status, "stats")
        return Properties(self._group_of(state), controller)

    # -- parts

    def _add_rules(
        self, folder: Folder, state: State, added: tuple[DeviceRule, ...]
    ) -> None:
        """Add device rules to those in force, in the kernel and in the state."""
        if not added:
            return
        changed = evolve(state, device_rules=_merged(state.device_rules, added))
        # First of all: a rule in force that is not written down would be lost.
        folder.write(changed)
        try:
            self._apply_rules(changed, added)
        except BaseException:
            folder.write(state)
            raise

    def _restore_rules(
        self, folder: Folder, state: State, added: DeviceRule | None
    ) -> None:
        """Take back a rule that allowed something."""
        from libcontainer.cgroups.limits import device_rules  # noqa: PLC0415

        if added is None:
            return
        # v1 knows no list of rules to go back to: deny, then what was allowed.
        undo = (evolve(added, allow=False), *device_rules(self.config)[1:])
        self._apply_rules(state, (*undo, *state.device_rules))
        folder.write(state)

    def _apply_rules(self, state: State, added: tuple[DeviceRule, ...]) -> None:
        from libcontainer.cgroups.limits import changed_rules, device_rules  # noqa: PLC0415

        group = self._group_of(state)
        rules = device_rules(self.config, state.device_rules)
        if group.unit is not None:
            from libcontainer.host.unit import change_devices  # noqa: PLC0415 - rare

            change_devices(group, rules)
            return
        group.write(changed_rules(rules, added, group.paths), live=True)


def _rule(device: Device, access: str, *, allow: bool) -> DeviceRule | None:
    if device.type == "p":
        return None
    kind = "b" if device.type == "b" else "c"
    return DeviceRule(
        allow=allow,
        type=kind,
        major=device.major,
        minor=device.minor,
        access=access,
    )


def _merged(
    old: Iterable[DeviceRule], added: tuple[DeviceRule, ...]
) -> tuple[DeviceRule, ...]:
    """Return all rules, without those that a later one of the same devices repeats."""

    def devices(rule: DeviceRule) -> tuple[object, ...]:
        return rule.type, rule.major, rule.minor

    covered = [(devices(rule), set(rule.access)) for rule in added]
    kept = (
        rule
        for rule in old
        if not any(
            devices(rule) == them and set(rule.access) <= letters
            for them, letters in covered
        )
    )
    return (*kept, *added)


def _remove_node(device: Device, init: ProcessRef) -> None:
    from libcontainer.host.inside import open_inside  # noqa: PLC0415
    from libcontainer.plan.devices import node_name  # noqa: PLC0415

    folder, _, name = f"dev/{node_name(device)}".rpartition("/")
    with contextlib.suppress(FileNotFoundError), open_inside(init, folder) as parent:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if found.st_rdev != os.makedev(device.major, device.minor):
            what = f"remove the device {device.path!r}"
            raise CgroupError(errno.ENODEV, what, hint="another file is there")
        os.unlink(name, dir_fd=parent)


def _reclaim(group: Group, text: str) -> int:
    directory = group.directory("memory")
    path = f"{directory}/memory.reclaim"
    if directory is None or not os.path.exists(path):
        raise UnsupportedError("memory.reclaim", "cgroup v2 and Linux 5.19")
    before = int(read_value(f"{directory}/memory.current"))
    try:
        write_value(path, text)
    except BlockingIOError:
        pass  # less than was asked for
    except OSError as error:
        number = error.errno or errno.EIO
        raise CgroupError(number, f"write {text!r} to {path}") from error
    return max(0, before - int(read_value(f"{directory}/memory.current")))
