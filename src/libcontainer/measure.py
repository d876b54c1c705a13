# SPDX-License-Identifier: Apache-2.0
"""Measures containers by their records: what is in the cgroup, what on the links."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

from attrs import evolve

from libcontainer.cgroups.group import Group
from libcontainer.cgroups.reader import read_stats
from libcontainer.cgroups.stats import Stats
from libcontainer.errors import CgroupError, ContainerNotFoundError, StateFileError
from libcontainer.host.children import has_ended
from libcontainer.host.processref import ProcessRef
from libcontainer.host.store import Store
from libcontainer.network.stats import InterfaceStats, read_interface_stats
from libcontainer.state import ProcessRecord, State
from libcontainer.status import Status


def measure(state: State) -> Stats:
    """Return what the container of a record has used until now.

    Raises:
        CgroupError: somebody has removed its cgroup.
    """
    stats = read_stats(Group(state.cgroup))
    links = _links(state.init)
    return evolve(stats, interfaces=links) if links else stats


def measure_all(store: Store, ids: Iterable[str]) -> dict[str, Stats]:
    """Return what each container has used until now, by id.

    Left out is what vanishes meanwhile, what cannot be read, what has no cgroup, and
    in what nothing has run yet. No configuration is read: they may be large.
    """
    found = {}
    for container_id in ids:
        with contextlib.suppress(ContainerNotFoundError, StateFileError, CgroupError):
            folder = store.open(container_id)
            try:
                state = folder.read()
            finally:
                folder.close()
            if state.cgroup and state.status is not Status.CREATING:
                found[container_id] = measure(state)
    return found


def _links(record: ProcessRecord | None) -> dict[str, InterfaceStats]:
    """Return the counters of a namespace that is not the caller's own."""
    with ProcessRef.open(record) as init, contextlib.suppress(OSError):
        if init is None:
            return {}
        own = os.stat("/proc/self/ns/net").st_ino
        if os.stat(f"/proc/{init.host_pid}/ns/net").st_ino == own:
            return {}
        links = read_interface_stats(init.host_pid)
        # If it ended meanwhile, its number may be another process'.
        return {} if has_ended(init.pidfd) else links
    return {}
