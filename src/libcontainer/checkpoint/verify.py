# SPDX-License-Identifier: Apache-2.0
"""Compares what CRIU has made of an image with the configuration.

It runs while every restored process is still held. Whatever the image says, a
process that has more than the configuration gives never takes a step.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from libcontainer.config import CAPABILITY_NUMBERS, Config, NamespaceType
from libcontainer.errors import CriuError
from libcontainer.host.idmap import read_map
from libcontainer.plan.identity import capability_mask
from libcontainer.plan.kinds import is_new

_FILTERED: Final = "2"


@frozen(kw_only=True)
class Expected:
    """What every restored process has to have.

    Attributes:
        config: the container's configuration.
        root: (device, inode) of its root directory.
    """

    config: Config
    root: tuple[int, int]


def verify(init: int, expected: Expected) -> None:
    """Look at a process and all below it.

    Args:
        init: host pid of the container's init process.
        expected: what has to be.

    Raises:
        CriuError: one has more than the configuration gives.
    """
    status = os.stat(f"/proc/{init}/root")
    if (status.st_dev, status.st_ino) != expected.root:
        raise CriuError("restore", "the image is refused: its root is not the rootfs")
    for pid in tree(init):
        wrong = "; ".join(_differences(pid, expected.config))
        if wrong:
            what = f"process {pid} of the image is refused: {wrong}"
            raise CriuError("restore", what)


def _differences(pid: int, config: Config) -> Iterator[str]:
    for kind in NamespaceType:
        same = _namespace(pid, kind) == _namespace(os.getpid(), kind)
        if is_new(config, kind) and same:
            yield f"it is in the caller's {kind.value} namespace"
    status = _status(pid)
    if config.no_new_privs and status["NoNewPrivs"] != "1":
        yield "no_new_privs is not set (CRIU 3 does not restore it)"
    if config.seccomp is not None and status["Seccomp"] != _FILTERED:
        yield "it has no seccomp filter"
    more = int(status["CapBnd"], 16) & ~capability_mask(config.capabilities.bounding)
    if more:
        yield f"its bounding set has more: {', '.join(_names(more))}"
    yield from _map_differences(pid, config)


def _map_differences(pid: int, config: Config) -> Iterator[str]:
    if not is_new(config, NamespaceType.USER):
        return
    for name, wanted in (
        ("uid_map", config.uid_mappings),
        ("gid_map", config.gid_mappings),
    ):
        directory = os.open(f"/proc/{pid}", os.O_PATH | os.O_CLOEXEC)
        try:
            found = read_map(directory, name)
        finally:
            os.close(directory)
        if sorted(found) != sorted((m.container_id, m.host_id, m.size) for m in wanted):
            yield f"its {name} is another"


def _namespace(pid: int, kind: NamespaceType) -> str:
    return os.readlink(f"/proc/{pid}/ns/{kind.proc_name}")


def _status(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        pairs = (line.partition(":") for line in file)
        return {name: value.strip() for name, _, value in pairs}


def _names(mask: int) -> list[str]:
    return [name for name, bit in CAPABILITY_NUMBERS.items() if mask >> bit & 1]


def tree(pid: int) -> Iterator[int]:
    """Yield a process, by its host pid, and all below it."""
    yield pid
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
            for child in file.read().split():
                yield from tree(int(child))
