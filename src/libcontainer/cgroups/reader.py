# SPDX-License-Identifier: Apache-2.0
"""Measures a cgroup: once, or again and again through files that stay open."""

from __future__ import annotations

import time
from typing import Self

from libcontainer.cgroups import stats_v1 as v1
from libcontainer.cgroups import stats_v2 as v2
from libcontainer.cgroups.files import Files
from libcontainer.cgroups.group import Group
from libcontainer.cgroups.stats import Stats
from libcontainer.cgroups.stats_io import hugetlb, io


def read_stats(group: Group) -> Stats:
    """Measure a cgroup once; nothing stays open.

    Raises:
        CgroupError: the cgroup has been removed.
    """
    return _read(Files(group))


class StatsReader:
    """Measures one cgroup again and again, at one system call a file.

    It holds an fd for each file it has found, some 15 to 25; for many cgroups, or at
    long intervals, `read_stats` is the better way. Not for more than one thread at a
    time.
    """

    def __init__(self, group: Group) -> None:
        self._files = Files(group, keep=True)

    def read(self) -> Stats:
        """Measure the cgroup now.

        Raises:
            CgroupError: the cgroup has been removed.
        """
        return _read(self._files)

    def close(self) -> None:
        """Close the files; a later `read` opens them again."""
        self._files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read(files: Files) -> Stats:
    now = time.monotonic()
    cpu = v2.cpu if files.is_v2("cpu") else v1.cpu
    memory = v2.memory if files.is_v2("memory") else v1.memory
    stats = Stats(
        time=now,
        cpu=cpu(files),
        memory=memory(files),
        pids=v2.pids(files),
        io=io(files),
        hugetlb=hugetlb(files),
        rdma=v2.rdma(files),
        misc=v2.misc(files),
        cpu_pressure=v2.parse_pressure(files.unified("cpu.pressure")),
        memory_pressure=v2.parse_pressure(files.unified("memory.pressure")),
        io_pressure=v2.parse_pressure(files.unified("io.pressure")),
        irq_pressure=v2.parse_pressure(files.unified("irq.pressure")),
    )
    files.check_there()
    return stats
