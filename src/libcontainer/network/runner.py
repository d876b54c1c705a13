# SPDX-License-Identifier: Apache-2.0
"""Carries out the network steps of one launch, and takes networks down."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any, Protocol

from attrs import define, field

from libcontainer.config import Config
from libcontainer.config.network import CustomNetwork
from libcontainer.errors import LibcontainerError, UnsupportedError
from libcontainer.network import strategy_of
from libcontainer.network._netlink import Netlink, open_namespace
from libcontainer.network.base import Companion, Context, NetworkStrategy, Record
from libcontainer.plan.network import AddRoute, ConnectNetwork


class Launched(Protocol):
    """What of a launch is looked at."""

    sent: list[int]
    """Sockets of the container's network namespace, in the order of the plan."""

    @property
    def at_work(self) -> tuple[int, int]:
        """(pidfd, host pid) of the helper."""


class Companions(Protocol):
    """What starts programs beside the container, and ends them."""

    def start(self, companion: Companion, init: int) -> None:
        """Start one; *init* is the pidfd of the container's init."""

    def end(self) -> None:
        """End all of them."""


def _name(network: Any) -> str:  # noqa: ANN401 - any class of config/network.py
    if isinstance(network, CustomNetwork):
        return network.strategy
    return str(network.kind)


def records(config: Config, container_id: str) -> tuple[Record, ...]:
    """Return what each network of a container will leave on the host; pure.

    Raises:
        UnsupportedError: there is no such strategy.
    """
    found: list[Record] = []
    for number, network in enumerate(config.networks):
        name = _name(network)
        if name == "loopback":
            continue
        record = strategy_of(name).record(network, container_id, number)
        found.append({"strategy": name, "number": number, **record})
    return tuple(found)


@define
class NetworkRunner:
    """The networks of one container.

    Attributes:
        container_id: the container's id.
        records: what is left of each, from the container's state.
        companions: what starts programs beside it.
    """

    container_id: str
    records: Sequence[Record]
    companions: Companions
    _begun: bool = field(default=False, init=False)
    _context: Context | None = field(default=None, init=False)

    def __call__(self, launch: Launched, action: ConnectNetwork | AddRoute) -> None:
        """Carry out one step.

        Raises:
            NetworkError: it failed; `undo` has to follow.
        """
        context = self._open(launch)
        if isinstance(action, AddRoute):
            self._route(context, action)
            return
        record = next(r for r in self.records if r["number"] == action.number)
        self._begun = True
        strategy = strategy_of(record["strategy"])
        if action.has_socket:
            if not launch.sent:
                raise UnsupportedError(action.title, "a launch: it is not restored")
            context.socket = launch.sent.pop(0)
        try:
            strategy.connect(action.network, record, context)
        finally:
            if action.has_socket:
                os.close(context.socket)
                context.socket = -1

    def undo(self, error: BaseException) -> None:
        """Take down what a failed launch has connected."""
        if self._begun:
            # The socket keeps the namespace, which has no process any more.
            context = self._context
            namespace = None if context is None else context.namespace
            failures = disconnect(self.records, namespace)
            try:
                self.companions.end()
            except LibcontainerError as late:
                failures.append(late)
            for failure in failures:
                error.add_note(f"not cleaned up: {failure}")
            self._begun = False

    def close(self) -> None:
        """Close the sockets."""
        context, self._context = self._context, None
        if context is not None:
            context.host.close()
            context.inside.close()
            os.close(context.namespace)

    def _open(self, launch: Launched) -> Context:
        if self._context is None:
            pidfd, pid = launch.at_work
            with contextlib.ExitStack() as undo:
                inside = undo.enter_context(Netlink(launch.sent.pop(0)))
                host = undo.enter_context(Netlink())
                namespace = inside.namespace()
                undo.pop_all()
            self._context = Context(
                self.container_id,
                pid,
                host,
                inside,
                namespace,
                lambda companion: self.companions.start(companion, pidfd),
            )
        return self._context

    def _route(self, context: Context, action: AddRoute) -> None:
        route = action.route
        index = None
        if route.interface is not None:
            index = context.inside.need(route.interface, action.title)
        context.inside.add_route(
            action.title,
            destination=route.destination,
            gateway=route.gateway,
            source=route.source,
            index=index,
            metric=route.metric,
        )


def disconnect_from(
    records: Sequence[Record], pid: int | None
) -> list[LibcontainerError]:
    """Take networks down; as `disconnect`, with a process that may still live."""
    namespace = None
    if pid is not None:
        with contextlib.suppress(OSError):
            namespace = open_namespace(pid)
    try:
        return disconnect(records, namespace)
    finally:
        if namespace is not None:
            os.close(namespace)


def disconnect(
    records: Sequence[Record], namespace: int | None
) -> list[LibcontainerError]:
    """Take networks down, the last first; return what could not be done.

    Args:
        records: of a container's state.
        namespace: fd of its network namespace, or None if that is gone.
    """
    failures: list[LibcontainerError] = []
    with contextlib.closing(Netlink()) as host:
        for record in reversed(records):
            try:
                strategy: NetworkStrategy = strategy_of(record["strategy"])
                strategy.disconnect(record, host, namespace)
            except LibcontainerError as error:
                failures.append(error)
    return failures
