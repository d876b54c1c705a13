# SPDX-License-Identifier: Apache-2.0
"""Checks of the limits of a container's cgroup."""

from __future__ import annotations

import re
from typing import Final

from attrs import fields

from libcontainer.config.model import Config
from libcontainer.config.report import Report, join, show
from libcontainer.config.resources import (
    DeviceRule,
    LatencyDevice,
    Resources,
    ThrottleDevice,
    WeightDevice,
)

_MAX: Final = 2**63 - 1

# Field to the lowest and highest value; -1 is "no limit" where it is allowed.
_RANGES: Final[dict[str, tuple[int, int]]] = {
    "cpu_shares": (2, 262144),
    "cpu_quota": (-1, _MAX),
    "cpu_period": (1000, 1_000_000),
    "cpu_burst": (0, _MAX),
    "cpu_idle": (0, 1),
    "cpu_realtime_runtime": (-1, _MAX),
    "cpu_realtime_period": (1, _MAX),
    "memory": (-1, _MAX),
    "memory_reservation": (-1, _MAX),
    "memory_swap": (-1, _MAX),
    "memory_swappiness": (0, 100),
    "memory_high": (-1, _MAX),
    "memory_low": (-1, _MAX),
    "memory_min": (-1, _MAX),
    "memory_swap_high": (-1, _MAX),
    "memory_zswap": (-1, _MAX),
    "pids": (-1, 4194304),
    "blkio_weight": (10, 1000),
    "blkio_leaf_weight": (10, 1000),
    "net_cls_classid": (0, 2**32 - 1),
}
_SWITCHES: Final = (
    *("memory_zswap_writeback", "oom_group", "disable_oom_killer"),
    "memory_check_before_update",
)
_PARTITIONS: Final = ("member", "root", "isolated")
_THROTTLES: Final = tuple(
    field.name for field in fields(Resources) if field.name.startswith("blkio_throttle")
)
_LIST: Final = re.compile(r"[0-9]{1,6}(-[0-9]{1,6})?(,[0-9]{1,6}(-[0-9]{1,6})?)*")
_PAGE_SIZE: Final = re.compile(r"[1-9][0-9]{0,5}[KMG]B")
_FILE: Final = re.compile(r"[a-z][a-z0-9]*(\.[A-Za-z0-9_-]+)+")
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_LINK: Final = re.compile(r"[^\s/]{1,15}")
_MAX_DEVICE: Final = (4095, 1048575)


def check_resources(config: Config, report: Report) -> None:
    """Check the limits of a configuration, and where they are to hold."""
    if report.instance("resources", config.resources, Resources) is not None:
        report_resources("resources", config.resources, report)
    path = config.cgroups_path
    if path is not None and report.line("cgroups_path", path) is not None:
        names = [name for name in path.split("/") if name]
        if not names or any(name in {".", ".."} for name in names):
            message = f"must name a cgroup without '.' and '..', not {show(path)}"
            report.add("cgroups_path", message)


def report_resources(path: str, resources: Resources, report: Report) -> None:
    """Report everything that is wrong with limits."""
    for name, (low, high) in _RANGES.items():
        value = getattr(resources, name)
        if value is not None:
            _number(report, join(path, name), value, low, high)
    for name in _SWITCHES:
        value = getattr(resources, name)
        if value is not None:
            report.boolean(join(path, name), value)
    for name in ("cpuset_cpus", "cpuset_mems"):
        _list(report, join(path, name), getattr(resources, name))
    if resources.cpuset_partition is not None:
        where = join(path, "cpuset_partition")
        report.word(where, resources.cpuset_partition, _PARTITIONS)
    _check_memory(report, path, resources)
    _check_cpu(report, path, resources)
    _check_blkio(report, path, resources)
    _check_devices(report, path, resources)
    _check_latency(report, path, resources)
    _check_maps(report, path, resources)
    _check_links(report, path, resources)


def _number(report: Report, path: str, value: object, low: int, high: int) -> None:
    if isinstance(value, str):
        message = (
            f"must be a number of bytes such as '64M', or 'max', not {show(value)}"
        )
        report.add(path, message)
        return
    report.integer(path, value, low, high)


def _list(report: Report, path: str, value: object) -> None:
    if value is None:
        return
    text = report.text(path, value)
    if text is not None and _LIST.fullmatch(text) is None:
        report.add(path, f"must be a list such as '0-3,7', not {show(text)}")


def _check_memory(report: Report, path: str, resources: Resources) -> None:
    memory, swap = resources.memory, resources.memory_swap
    if not isinstance(swap, int) or swap == -1:
        return
    if memory is None:
        report.add(join(path, "memory_swap"), "needs a limit on memory")
    elif isinstance(memory, int) and (memory == -1 or swap < memory):
        message = f"counts memory and swap together, so it must be {memory} or more"
        if memory == -1:
            message = "cannot be limited while memory is not"
        report.add(join(path, "memory_swap"), message)


def _check_cpu(report: Report, path: str, resources: Resources) -> None:
    quota, burst = resources.cpu_quota, resources.cpu_burst
    if isinstance(quota, int) and 0 <= quota < 1000:
        report.add(join(path, "cpu_quota"), f"must be 1000 or more, or -1, not {quota}")
    if isinstance(burst, int) and burst > 0 and not isinstance(quota, int):
        report.add(join(path, "cpu_burst"), "needs cpu_quota")
    elif isinstance(burst, int) and isinstance(quota, int) and burst > quota > 0:
        report.add(join(path, "cpu_burst"), f"must be {quota} or less, not {burst}")


def _check_devices(report: Report, path: str, resources: Resources) -> None:
    for at, item in report.items(join(path, "devices"), resources.devices):
        rule = report.instance(at, item, DeviceRule)
        if rule is not None:
            _check_rule(report, at, rule)


def _check_blkio(report: Report, path: str, resources: Resources) -> None:
    for name in _THROTTLES:
        for at, item in report.items(join(path, name), getattr(resources, name)):
            throttle = report.instance(at, item, ThrottleDevice)
            if throttle is not None:
                _device(report, at, throttle.major, throttle.minor)
                report.integer(join(at, "rate"), throttle.rate, 0, _MAX)
    where = join(path, "blkio_weight_devices")
    for at, item in report.items(where, resources.blkio_weight_devices):
        weight = report.instance(at, item, WeightDevice)
        if weight is None:
            continue
        _device(report, at, weight.major, weight.minor)
        for name in ("weight", "leaf_weight"):
            value = getattr(weight, name)
            if value is not None:
                report.integer(join(at, name), value, 10, 1000)


def _check_latency(report: Report, path: str, resources: Resources) -> None:
    for at, item in report.items(join(path, "io_latency"), resources.io_latency):
        latency = report.instance(at, item, LatencyDevice)
        if latency is not None:
            _device(report, at, latency.major, latency.minor)
            report.integer(join(at, "target"), latency.target, 0, _MAX)


def _device(report: Report, path: str, major: object, minor: object) -> None:
    report.integer(join(path, "major"), major, 0, _MAX_DEVICE[0])
    report.integer(join(path, "minor"), minor, 0, _MAX_DEVICE[1])


def _check_rule(report: Report, path: str, rule: DeviceRule) -> None:
    report.boolean(join(path, "allow"), rule.allow)
    report.word(join(path, "type"), rule.type, ("a", "b", "c"))
    for name, most in zip(("major", "minor"), _MAX_DEVICE, strict=True):
        value = getattr(rule, name)
        if value is not None:
            report.integer(join(path, name), value, 0, most)
    access = report.text(join(path, "access"), rule.access)
    if access is None:
        return
    if not access or set(access) - set("rwm") or len(set(access)) != len(access):
        message = f"must be some of 'r', 'w' and 'm', not {show(access)}"
        report.add(join(path, "access"), message)
    is_all = rule.type == "a"
    if is_all and (rule.major, rule.minor, rule.access) != (None, None, "rwm"):
        report.add(path, "a rule of type 'a' is about every device and every access")


def _check_maps(report: Report, path: str, resources: Resources) -> None:
    for name, pattern, wanted in (
        ("hugetlb", _PAGE_SIZE, "a page size such as '2MB'"),
        ("misc", _NAME, "a name"),
    ):
        for at, key, value in _entries(report, join(path, name), resources, name):
            if report.text(at, key) is not None and not pattern.fullmatch(key):
                report.add(at, f"must be {wanted}, not {show(key)}")
            _number(report, at, value, -1, _MAX)
    for name, pattern in (("rdma", _NAME), ("unified", _FILE)):
        for at, key, value in _entries(report, join(path, name), resources, name):
            text = report.text(at, key)
            if text is not None and not pattern.fullmatch(text):
                what = "a file name such as 'memory.high'"
                what = what if name == "unified" else "the name of a device"
                report.add(at, f"must be {what}, not {show(key)}")
            report.text(at, value)


def _check_links(report: Report, path: str, resources: Resources) -> None:
    for at, key, value in _entries(
        report, join(path, "net_prio"), resources, "net_prio"
    ):
        if report.text(at, key) is not None and not _LINK.fullmatch(key):
            report.add(at, f"must be the name of a link, not {show(key)}")
        report.integer(at, value, 0, 2**32 - 1)


def _entries(
    report: Report, path: str, resources: Resources, name: str
) -> list[tuple[str, str, object]]:
    found = []
    for at, item in report.items(path, getattr(resources, name), "pairs"):
        if isinstance(item, tuple) and len(item) == 2:
            key, value = item
            where = f"{path}[{key!r}]" if isinstance(key, str) else at
            found.append((where, key, value))
        else:
            report.add(at, f"must be a name with a value, not {show(item)}")
    return found
