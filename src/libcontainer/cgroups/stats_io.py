# SPDX-License-Identifier: Apache-2.0
"""Block devices and huge pages of both versions as statistics."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any, Final

from libcontainer.cgroups.files import Files
from libcontainer.cgroups.parse import (
    device,
    flat,
    nested,
    number,
    v1_limit,
    whole,
    whole_of,
)
from libcontainer.cgroups.stats import HugetlbStats, IoStats

_V2: Final = {
    "rbytes": "read_bytes",
    "wbytes": "write_bytes",
    "rios": "reads",
    "wios": "writes",
    "dbytes": "discard_bytes",
    "dios": "discards",
}
_COST: Final = {
    "cost.usage": "cost_usage",
    "cost.wait": "cost_wait",
    "cost.indebt": "cost_indebt",
    "cost.indelay": "cost_indelay",
}
_Devices = dict[tuple[int, int], dict[str, Any]]
_BYTES: Final = ("blkio.throttle.io_service_bytes", "read_bytes", "write_bytes")
_COUNTS: Final = ("blkio.throttle.io_serviced", "reads", "writes")
_DISCARDS: Final = {"read_bytes": "discard_bytes", "reads": "discards"}
# Of a kernel with CONFIG_BFQ_CGROUP_DEBUG: all of them are there, or none.
_BFQ: Final = (
    ("io_queued", "queued_reads", "queued_writes"),
    ("io_merged", "merged_reads", "merged_writes"),
    ("io_service_time", "read_service_time", "write_service_time"),
    ("io_wait_time", "read_wait_time", "write_wait_time"),
)
_TOTALS: Final = (("time", "disk_time", 1_000_000), ("sectors", "sectors", 1))


def io(files: Files) -> tuple[IoStats, ...]:
    """Return what each block device has done."""
    if files.is_v2("io"):
        return parse_io_v2(files.text("io", "io.stat"))
    found: _Devices = {}
    for stem, reads, writes in (_BYTES, _COUNTS):
        _add_v1(found, _recursive(files, stem), reads, writes)
    for word, reads, writes in _BFQ:
        text = files.text("blkio", f"blkio.bfq.{word}_recursive")
        if not text:
            break
        _add_v1(found, text, reads, writes)
    else:
        _add_totals(files, found)
    return _devices(found)


def _recursive(files: Files, stem: str) -> str:
    return files.text("blkio", f"{stem}_recursive") or files.text("blkio", stem)


def _add_totals(files: Files, found: _Devices) -> None:
    for word, name, unit in _TOTALS:
        text = files.text("blkio", f"blkio.bfq.{word}_recursive")
        for first, amount in flat(text).items():
            which = device(first)
            if which is not None:
                found.setdefault(which, {})[name] = amount * unit


def _add_v1(found: _Devices, text: str, reads: str, writes: str) -> None:
    names = {"Read": reads, "Write": writes}
    if reads in _DISCARDS:
        names["Discard"] = _DISCARDS[reads]
    for line in text.splitlines():
        first, _, rest = line.partition(" ")
        kind, _, word = rest.partition(" ")
        which, amount = device(first), whole(word.strip())
        if which is not None and kind in names and amount is not None:
            found.setdefault(which, {})[names[kind]] = amount


def parse_io_v1(service_bytes: str, serviced: str) -> tuple[IoStats, ...]:
    """Return what the two blkio files say, by device."""
    found: _Devices = {}
    _add_v1(found, service_bytes, *_BYTES[1:])
    _add_v1(found, serviced, *_COUNTS[1:])
    return _devices(found)


def _devices(found: _Devices) -> tuple[IoStats, ...]:
    return tuple(
        IoStats(major=major, minor=minor, **values)
        for (major, minor), values in found.items()
    )


def parse_io_v2(text: str) -> tuple[IoStats, ...]:
    """Return what ``io.stat`` says."""
    found = []
    for name, values in nested(text):
        which = device(name)
        if which is not None:
            found.append(IoStats(major=which[0], minor=which[1], **_fields(values)))
    return tuple(found)


def _fields(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields of a device; what is counted in microseconds in ns."""
    fields: dict[str, Any] = {
        name: whole_of(values, word) for word, name in _V2.items()
    }
    for word, name in _COST.items():
        if (amount := whole(values.get(word, ""))) is not None:
            fields[name] = amount * 1000
    rate = values.get("cost.vrate", "")
    if rate.replace(".", "", 1).isdecimal():
        fields["cost_vrate"] = float(rate)
    rest = values.keys() - _V2.keys() - _COST.keys() - {"cost.vrate"}
    known = {word: whole(values[word]) for word in sorted(rest)}
    fields["detail"] = {w: n for w, n in known.items() if n is not None}
    return fields


def read_io_bytes(files: Files) -> tuple[int, int] | None:
    """Return the bytes read from and written to all devices; None: not counted."""
    before = files.count
    if files.is_v2("io"):
        devices = parse_io_v2(files.text("io", "io.stat"))
    else:
        devices = parse_io_v1(_recursive(files, _BYTES[0]), "")
    if files.count == before:
        return None
    return sum(d.read_bytes for d in devices), sum(d.write_bytes for d in devices)


def hugetlb(files: Files) -> dict[str, HugetlbStats]:
    """Return what the hugetlb controller says, by page size."""
    if not files.has("hugetlb"):
        return {}
    read = _hugetlb_v2 if files.is_v2("hugetlb") else _hugetlb_v1
    found = {size: read(files, f"hugetlb.{size}") for size in huge_page_sizes()}
    return {size: stats for size, stats in found.items() if stats is not None}


def _hugetlb_v2(files: Files, stem: str) -> HugetlbStats | None:
    usage = number(files.text("hugetlb", f"{stem}.current"))
    if usage is None:
        return None
    return HugetlbStats(
        usage=usage,
        limit=v1_limit(files.text("hugetlb", f"{stem}.max")),
        failures=flat(files.text("hugetlb", f"{stem}.events")).get("max", 0),
    )


def _hugetlb_v1(files: Files, stem: str) -> HugetlbStats | None:
    usage = number(files.text("hugetlb", f"{stem}.usage_in_bytes"))
    if usage is None:
        return None
    return HugetlbStats(
        usage=usage,
        peak=number(files.text("hugetlb", f"{stem}.max_usage_in_bytes")),
        limit=v1_limit(files.text("hugetlb", f"{stem}.limit_in_bytes")),
        failures=number(files.text("hugetlb", f"{stem}.failcnt")) or 0,
    )


@functools.cache
def huge_page_sizes() -> tuple[str, ...]:
    """Return the sizes of huge pages of this kernel, as in the names of files."""
    try:
        names = os.listdir("/sys/kernel/mm/hugepages")
    except FileNotFoundError:
        return ()
    sizes = (int(name.removeprefix("hugepages-")[:-2]) for name in names)
    return tuple(_size_name(kib) for kib in sorted(sizes))


def _size_name(kib: int) -> str:
    for unit in ("KB", "MB"):
        if kib < 1024:
            return f"{kib}{unit}"
        kib //= 1024
    return f"{kib}GB"
