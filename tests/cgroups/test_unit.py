# SPDX-License-Identifier: Apache-2.0
"""A container as a systemd unit: names, properties, annotations, as tables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.cgroups.annotations import annotated_properties, annotated_subgroup
from libcontainer.cgroups.hierarchy import Hierarchies, Hierarchy
from libcontainer.cgroups.limits import device_rules
from libcontainer.cgroups.unit import (
    bit_mask,
    device_properties,
    resource_properties,
    slice_path,
    unit_name,
)

MOST = 2**64 - 1


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (None, (None, "libcontainer-box.scope")),
        ("system.slice:docker:1a2b", ("system.slice", "docker-1a2b.scope")),
        ("a-b.slice::plain", ("a-b.slice", "plain.scope")),
        ("::x", (None, "x.scope")),
        ("-.slice:p:n.scope", ("-.slice", "p-n.scope")),
        ("s.slice:p:a+b", ("s.slice", "p-a\\x2bb.scope")),
    ],
)
def test_a_path_names_a_slice_and_a_scope(
    path: str | None, found: tuple[str | None, str]
) -> None:
    assert unit_name("box", path) == found


@pytest.mark.parametrize(
    "path",
    [
        *("/a/b", "relative", "a.slice:b", "a.slice:b:", "a:b:c", "a.slice:b:c:d"),
        *("../x.slice:a:b", "a--b.slice:c:d", "-a.slice:c:d", "s.slice:a:b.slice"),
        *("s.slice:a/b:c", "s.slice:a:b/c", f"s.slice:a:{'x' * 300}"),
    ],
)
def test_another_path_is_refused(path: str) -> None:
    with pytest.raises(lc.ConfigError, match="cgroups_path"):
        unit_name("box", path)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("system.slice", "/system.slice"),
        ("a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice"),
        ("-.slice", ""),
    ],
)
def test_a_slice_is_within_those_of_its_name(name: str, path: str) -> None:
    assert slice_path(name) == path


# Field and value, properties of v2, properties of v1.
LIMITS: list[tuple[dict[str, Any], list[Any], list[Any]]] = [
    ({"memory": 5}, [("MemoryMax", "t", 5)], [("MemoryLimit", "t", 5)]),
    ({"memory": -1}, [("MemoryMax", "t", MOST)], [("MemoryLimit", "t", MOST)]),
    ({"memory_high": 5}, [("MemoryHigh", "t", 5)], []),
    ({"memory_reservation": 7}, [("MemoryLow", "t", 7)], []),
    (
        {"memory": 5, "memory_swap": 9},
        [("MemoryMax", "t", 5), ("MemorySwapMax", "t", 4)],
        [("MemoryLimit", "t", 5)],
    ),
    ({"pids": -1}, [("TasksMax", "t", MOST)], [("TasksMax", "t", MOST)]),
    ({"cpu_shares": 1024}, [("CPUWeight", "t", 100)], [("CPUShares", "t", 1024)]),
    (
        {"cpu_quota": 33333, "cpu_period": 100000},
        [("CPUQuotaPeriodUSec", "t", 100000), ("CPUQuotaPerSecUSec", "t", 340000)],
        [("CPUQuotaPeriodUSec", "t", 100000), ("CPUQuotaPerSecUSec", "t", 340000)],
    ),
    ({"cpu_quota": -1}, [("CPUQuotaPerSecUSec", "t", MOST)], [
        ("CPUQuotaPerSecUSec", "t", MOST)
    ]),
    ({"cpuset_cpus": "0,8-9"}, [("AllowedCPUs", "ay", b"\x01\x03")], []),
    ({"blkio_weight": 10}, [("IOWeight", "t", 1)], [("BlockIOWeight", "t", 10)]),
    (
        {"unified": {"memory.high": "max", "cpu.max": "50000 100000"}},
        [("MemoryHigh", "t", MOST), ("CPUQuotaPeriodUSec", "t", 100000),
         ("CPUQuotaPerSecUSec", "t", 500000)],
        [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "new", "old"), LIMITS)
def test_limits_become_properties(
    limits: dict[str, Any], new: list[Any], old: list[Any]
) -> None:
    resources = lc.Resources(**limits)
    assert resource_properties(resources, unified=True) == new
    assert resource_properties(resources, unified=False) == old


@pytest.mark.parametrize(
    ("numbers", "mask"), [("0", b"\x01"), ("7", b"\x80"), ("8", b"\x00\x01")]
)
def test_a_list_of_processors_is_a_bit_mask(numbers: str, mask: bytes) -> None:
    assert bit_mask(numbers) == mask


def devices(*rules: lc.DeviceRule) -> tuple[list[Any], bool]:
    config = lc.Config(resources=lc.Resources(devices=rules))
    return device_properties(device_rules(config))


def test_devices_are_a_strict_policy_with_a_list() -> None:
    properties, exact = devices()
    assert exact
    assert properties[0] == ("DevicePolicy", "s", "strict")
    assert properties[1] == ("DeviceAllow", "a(ss)", [])
    entries = dict(properties[2][2])
    assert entries["/dev/char/1:3"] == "rwm"
    assert entries["char-136"] == "rwm"
    assert entries["block-*"] == "m"


def test_what_is_denied_again_is_not_in_the_list() -> None:
    deny = lc.DeviceRule(allow=False, type="c", major=1, minor=5)
    properties, exact = devices(deny)
    assert "/dev/char/1:5" not in dict(properties[2][2])
    # Making any node is allowed by a rule about all: no part of it can be denied.
    assert not exact
    deny = lc.DeviceRule(allow=False, type="c", major=1, minor=5, access="rw")
    properties, exact = devices(deny)
    assert exact
    assert dict(properties[2][2])["/dev/char/1:5"] == "m"


def test_everything_is_no_policy() -> None:
    properties, exact = devices(lc.DeviceRule(allow=True))
    assert exact
    assert properties[-1] == ("DevicePolicy", "s", "auto")


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("TimeoutStopUSec", "uint64 5", ("TimeoutStopUSec", "t", 5)),
        ("TimeoutStopSec", "2", ("TimeoutStopUSec", "t", 2_000_000)),
        ("CollectMode", "'inactive-or-failed'", (
            "CollectMode", "s", "inactive-or-failed")),
        ("Documentation", "['a b', \"c,d\"]", ("Documentation", "as", ["a b", "c,d"])),
        ("SendSIGKILL", "true", ("SendSIGKILL", "b", True)),
        ("OOMScore", "-5", ("OOMScore", "i", -5)),
    ],
)  # fmt: skip
def test_an_annotation_is_a_property(name: str, text: str, found: Any) -> None:
    labels = [(f"org.systemd.property.{name}", text), ("other", "x")]
    assert annotated_properties(labels) == (found,)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lower", "true"),
        ("A/B", "true"),
        ("Name", "{}"),
        ("Name", "uint32 -1"),
        ("Name", "byte 256"),
        ("Name", "'a' or 'b'"),
        ("Name", "[1, 'a']"),
        ("TimeoutStopSec", "'x'"),
        ("TimeoutStopSec", "-1"),
    ],
)
def test_a_wrong_annotation_is_refused(name: str, text: str) -> None:
    with pytest.raises(lc.ConfigError, match=r"org\.systemd\.property"):
        annotated_properties([(f"org.systemd.property.{name}", text)])


def test_a_subgroup_is_one_name() -> None:
    assert annotated_subgroup([("run.oci.systemd.subgroup", "inner")]) == "inner"
    for name in ("a/b", "..", "cgroup.procs", "."):
        with pytest.raises(lc.ConfigError, match="subgroup"):
            annotated_subgroup([("run.oci.systemd.subgroup", name)])


@pytest.mark.skipif(os.path.isdir("/run/systemd/system"), reason="systemd runs here")
def test_without_systemd_that_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(lc.UnsupportedError, match="booted with systemd"):
        lc.Factory(tmp_path, cgroups="systemd")


@pytest.mark.parametrize(
    ("path", "labels", "tail"),
    [
        (None, {}, "/system.slice/libcontainer-box.scope"),
        ("a-b.slice:x:y", {}, "/a.slice/a-b.slice/x-y.scope"),
        (
            "::y",
            {"run.oci.systemd.subgroup": "in"},
            "/system.slice/y.scope/in",
        ),
    ],
)
@pytest.mark.parametrize("mode", ["unified", "legacy", "hybrid"])
def test_a_scope_is_at_the_same_place_in_every_hierarchy(
    path: str | None,
    labels: dict[str, str],
    tail: str,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from libcontainer.cgroups import systemd

    v1 = tuple(Hierarchy(n, f"/cg/{n}", "/own") for n in ("pids", "name=systemd"))
    unified = Hierarchy("", "/cg" if mode == "unified" else "/cg/unified", "/own")
    found = Hierarchies(
        () if mode == "unified" else v1, None if mode == "legacy" else unified
    )
    monkeypatch.setattr(systemd, "_BOOTED", "/")
    made = systemd.Systemd(user=False, annotations=True, hierarchies=found)
    monkeypatch.setattr(made, "_root", "")
    placed = made.place("box", lc.Config(cgroups_path=path, labels=labels))
    assert all(p.endswith(tail) for p in placed.paths.values())
    assert len(placed.paths) == {"unified": 1, "legacy": 2, "hybrid": 3}[mode]
    assert placed.unit is not None
    assert placed.unit.subgroup == labels.get("run.oci.systemd.subgroup", "")
