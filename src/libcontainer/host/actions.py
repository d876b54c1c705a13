# SPDX-License-Identifier: Apache-2.0
"""Carries out the HOST steps of a plan. One function a kind of step."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define

from libcontainer.bindings.control import control_listen
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.writes import Write
from libcontainer.errors import HelperError
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.launch import Launch
from libcontainer.host.sources import SOURCES, open_tree_of, run_source_step
from libcontainer.host.store import Folder
from libcontainer.plan.network import AddRoute, ConnectNetwork
from libcontainer.plan.rdt import JoinRdt
from libcontainer.plan.steps import (
    AttachToUnit,
    CopyLink,
    CopyUp,
    HookFiles,
    Listen,
    MakeCgroup,
    MakeNode,
    MapIds,
    OpenCgroup,
    OpenJoins,
    OpenNamespace,
    OpenNotify,
    OpenStatus,
    OpenTree,
    RecordState,
    RunHooks,
    SendPidfd,
    SetClocks,
    Step,
    TellHooks,
    UseTemplate,
)

if TYPE_CHECKING:
    from libcontainer.host.exitrecord import ExitRecord
    from libcontainer.host.hooks import HookRunner
    from libcontainer.host.rdt import RdtJoiner
    from libcontainer.host.unit import UnitMaker
    from libcontainer.network.runner import NetworkRunner

BACKLOG = 8
_NO_RDT = "the plan has a class of service, the launch has none"


@define
class HostActions:
    """What the HOST steps of one launch need.

    Attributes:
        folder: the container's state folder, locked.
        template: fd of the template mount namespace, or -1.
        record: saves the state of a container whose init is of this launch.
        group: the container's cgroup, if it has one.
        limits: what is written into it.
        owner: host uid and gid that the cgroup is given to, or None.
        unit_maker: makes the systemd unit that the cgroup is, if it is one.
        made_group: whether the cgroup has been made by this launch.
        hooks: runs the container's hooks, if it has any.
        pidfd_socket: where its pidfd is to be sent: a path, an fd or None.
        network: carries out the steps of its networks, if it has some.
        rdt: makes its class of service, if it has one.
        exit_record: where the end of that init is to be written down.
    """

    folder: Folder
    template: int
    record: Callable[[str, Launch], None]
    group: Group | None = None
    limits: tuple[Write, ...] = ()
    owner: tuple[int, int] | None = None
    unit_maker: UnitMaker | None = None
    made_group: bool = False
    hooks: HookRunner | None = None
    pidfd_socket: str | int | None = None
    network: NetworkRunner | None = None
    rdt: RdtJoiner | None = None
    exit_record: Callable[[Launch], ExitRecord | None] | None = None

    def undo(self, error: BaseException) -> None:
        """Remove what outlives a launch that has failed with *error*."""
        if self.network is not None:
            self.network.undo(error)
        if self.rdt is not None:
            self.rdt.undo()
        if self.unit_maker is not None:
            self.unit_maker.close()
        if self.group is not None and self.made_group:
            self.group.remove()

    def close(self) -> None:
        """Close what was open for the launch alone."""
        if self.hooks is not None:
            self.hooks.close()
        if self.unit_maker is not None:
            self.unit_maker.close()
        if self.network is not None:
            self.network.close()

    def __call__(self, launch: Launch, step: Step) -> None:
        """Carry out one HOST step.

        Raises:
            OSError: the kernel refused it.
        """
        kind = type(step.action)
        if kind in SOURCES:
            run_source_step(launch, step)
        elif kind in _RUNNERS:
            _RUNNERS[kind](self, launch, step.action)
        else:
            # Of a container with a monitor, which most have not.
            from libcontainer.host.monitor import RUNNERS  # noqa: PLC0415

            RUNNERS[kind](self, launch, step.action)


@define
class JoinActions:
    """What the HOST steps of a further process need.

    Attributes:
        pidfd_socket: where its pidfd is to be sent: a path, an fd or None.
        rdt: knows its class of service, if it has one.
        entered: the cgroup that it enters: the container's, or one below it.
    """

    pidfd_socket: str | int | None
    rdt: RdtJoiner | None = None
    entered: Group | None = None

    def __call__(self, launch: Launch, step: Step) -> None:
        """Carry out one HOST step.

        Raises:
            OSError: the kernel refused it.
        """
        run = _JOIN_RUNNERS.get(type(step.action))
        if run is None:
            run_source_step(launch, step)
        else:
            run(self, launch, step.action)


class MapActions:
    """Carries out the HOST steps of a program in a user namespace of its own."""

    def __call__(self, launch: Launch, step: Step) -> None:
        """Carry out one HOST step.

        Raises:
            OSError: the kernel refused it.
        """
        if isinstance(step.action, MapIds):
            _write_maps(launch, step.action)
        elif not isinstance(step.action, SendPidfd):
            run_source_step(launch, step)


def _copy_up(actions: HostActions, launch: Launch, action: CopyUp) -> None:
    from libcontainer.host.copyup import copy_up  # noqa: PLC0415

    # The helper has what it was given under the same numbers as its caller.
    copy_up(*launch.at_work, launch.slots[action.slot], action.path)


def _copy_link(actions: HostActions, launch: Launch, action: CopyLink) -> None:
    from libcontainer.host.copylink import copy_link  # noqa: PLC0415 - rare

    _, host_pid = launch.at_work
    copy_link(host_pid, action.target, action.path)


def _make_node(actions: HostActions, launch: Launch, action: MakeNode) -> None:
    from libcontainer.host.devicenode import make_node  # noqa: PLC0415 - rare

    _, host_pid = launch.at_work
    make_node(host_pid, action)


def _use_template(actions: HostActions, launch: Launch, action: UseTemplate) -> None:
    launch.slots[action.slot] = actions.template


def _make_cgroup(actions: HostActions, launch: Launch, action: MakeCgroup) -> None:
    group = _group_of(actions.group)
    if actions.unit_maker is None or group.unit is None:
        group.make(actions.limits, actions.owner)
    else:
        maker = actions.unit_maker
        maker.make(group, group.unit, launch.helper, actions.limits, actions.owner)
    actions.made_group = True
    if action.meanwhile:
        launch.give(_joins_of(group))
        return
    joins = _joins_of(group) if action.slots else []
    for slot, fd in zip(action.slots, joins, strict=True):
        launch.own(slot, fd)


def _open_joins(actions: JoinActions, launch: Launch, _: OpenJoins) -> None:
    launch.give(_joins_of(_group_of(actions.entered)))


def _joins_of(group: Group) -> list[int]:
    """Return what a process enters a cgroup through, none of it a standard stream."""
    fds = group.open_joins()
    try:
        for place, fd in enumerate(fds):
            fds[place] = -1  # closed with its duplicate or without
            fds[place] = above_stdio(fd)
    except BaseException:
        close_all(fds)
        raise
    return fds


def _group_of(group: Group | None) -> Group:
    if group is None:
        message = "the plan has a cgroup, the launch has none"
        raise HelperError(message)
    return group


def _attach_to_unit(actions: HostActions, launch: Launch, _: AttachToUnit) -> None:
    _enter_unit(launch, actions.group)


def _enter_container_unit(
    actions: JoinActions, launch: Launch, _: AttachToUnit
) -> None:
    _enter_unit(launch, actions.entered)


def _enter_unit(launch: Launch, group: Group | None) -> None:
    from libcontainer.host.unit import attach_to_unit  # noqa: PLC0415

    if group is None or group.unit is None:
        message = "the plan has a systemd unit, the launch has none"
        raise HelperError(message)
    attach_to_unit(launch, group.unit)


def _open_cgroup(actions: HostActions, launch: Launch, action: OpenCgroup) -> None:
    group = _group_of(actions.group)
    path = group.paths[action.hierarchy]
    open_tree_of(launch, OpenTree(action.slot, path, (action.change,)))


def _listen(actions: HostActions, launch: Launch, action: Listen) -> None:
    launch.own(action.slot, control_listen(actions.folder.gate_address, BACKLOG))


def _open_status(actions: HostActions, launch: Launch, action: OpenStatus) -> None:
    read, write = (above_stdio(fd) for fd in os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK))
    launch.status = read
    launch.own(action.slot, write)


def _open_notify(actions: HostActions, launch: Launch, action: OpenNotify) -> None:
    from libcontainer.host.notify import open_inside, open_manager  # noqa: PLC0415

    manager = open_manager(action.address)
    launch.notify.append(manager)
    inside = open_inside()
    launch.notify.append(inside)
    launch.own(action.slot, above_stdio(os.dup(inside.fileno())))


def _send_pidfd(
    actions: HostActions | JoinActions, launch: Launch, _: SendPidfd
) -> None:
    from libcontainer.host.passing import send_pidfd  # noqa: PLC0415 - rare

    if actions.pidfd_socket is not None:
        send_pidfd(launch.pidfd, actions.pidfd_socket)


def _open_namespace(
    actions: HostActions, launch: Launch, action: OpenNamespace
) -> None:
    from libcontainer.host.namespaces import open_namespace  # noqa: PLC0415 - rare

    launch.own(action.slot, open_namespace(action.host_path, action.flag))


def _set_clocks(actions: HostActions, launch: Launch, action: SetClocks) -> None:
    from libcontainer.host.namespaces import set_clocks  # noqa: PLC0415 - rare

    pidfd, host_pid = launch.at_work
    set_clocks(host_pid, pidfd, action.offsets)


def _map_ids(actions: HostActions, launch: Launch, action: MapIds) -> None:
    _write_maps(launch, action)


def _write_maps(launch: Launch, action: MapIds) -> None:
    from libcontainer.host.idmap import write_maps  # noqa: PLC0415

    pidfd, host_pid = launch.at_work
    write_maps(
        host_pid,
        pidfd,
        action.uid_map,
        action.gid_map,
        deny_setgroups=action.deny_setgroups,
    )


def _network(
    actions: HostActions, launch: Launch, action: ConnectNetwork | AddRoute
) -> None:
    if actions.network is None:
        message = "the plan has networks, the launch has none"
        raise HelperError(message)
    actions.network(launch, action)


def _enter_rdt(actions: JoinActions, launch: Launch, action: JoinRdt) -> None:
    if actions.rdt is None:
        raise HelperError(_NO_RDT)
    actions.rdt.enter(action.rdt, launch.at_work[1])


def _join_rdt(actions: HostActions, launch: Launch, action: JoinRdt) -> None:
    if actions.rdt is None:
        raise HelperError(_NO_RDT)
    _, pid = launch.at_work
    actions.rdt.join(action.rdt, pid)


def _record_state(actions: HostActions, launch: Launch, action: RecordState) -> None:
    actions.record(action.status, launch)


def _hook_files(actions: HostActions, launch: Launch, action: HookFiles) -> None:
    _hooks_of(actions).make_files(launch, action.slots, action.output)


def _tell_hooks(actions: HostActions, launch: Launch, action: TellHooks) -> None:
    # Who runs in the container's namespaces knows init by its number there.
    pid = 1 if action.own_pids else launch.host_pid
    hooks = _hooks_of(actions)
    hooks.tell(action.creating, "creating", pid)
    hooks.tell(action.created, "created", pid)


def _run_hooks(actions: HostActions, launch: Launch, action: RunHooks) -> None:
    hooks = _hooks_of(actions)
    hooks.run(action.kind, action.hooks, "creating", launch.host_pid)


def _hooks_of(actions: HostActions) -> HookRunner:
    if actions.hooks is None:
        message = "the plan has hooks, the launch has none"
        raise HelperError(message)
    return actions.hooks


_RUNNERS: dict[type[Any], Callable[[HostActions, Launch, Any], None]] = {
    CopyUp: _copy_up,
    CopyLink: _copy_link,
    MakeNode: _make_node,
    UseTemplate: _use_template,
    Listen: _listen,
    OpenNotify: _open_notify,
    OpenStatus: _open_status,
    SendPidfd: _send_pidfd,
    MakeCgroup: _make_cgroup,
    AttachToUnit: _attach_to_unit,
    OpenCgroup: _open_cgroup,
    MapIds: _map_ids,
    OpenNamespace: _open_namespace,
    SetClocks: _set_clocks,
    RecordState: _record_state,
    JoinRdt: _join_rdt,
    ConnectNetwork: _network,
    AddRoute: _network,
    HookFiles: _hook_files,
    TellHooks: _tell_hooks,
    RunHooks: _run_hooks,
}

_JOIN_RUNNERS: dict[type[Any], Callable[[JoinActions, Launch, Any], None]] = {
    SendPidfd: _send_pidfd,
    OpenJoins: _open_joins,
    AttachToUnit: _enter_container_unit,
    JoinRdt: _enter_rdt,
}
