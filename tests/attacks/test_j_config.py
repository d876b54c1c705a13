# SPDX-License-Identifier: Apache-2.0
"""J: a hostile config.json is refused, all of it at once, or does what it says."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.config.strict_json import parse_strict_json
from libcontainer.oci import load_bundle, parse_bundle
from libcontainer.plan.facts import Facts, Identity
from tests.attacks.conftest import HANG_SECONDS
from tests.campaigns.targets import plan_of
from tests.oci_bundles import document
from tests.plan import samples

_WRONG: tuple[object, ...] = (None, True, 1, -1, 1.5, "x", [], [1], {}, {"a": 1})


def _whole() -> dict[str, Any]:
    """A document with something in every part that we read."""
    made: dict[str, Any] = document("true")
    made["hostname"] = "box"
    made["annotations"] = {"a": "b"}
    made["hooks"] = {"prestart": [{"path": "/bin/true", "args": ["true"], "env": []}]}
    linux = made["linux"]
    linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    linux["rootfsPropagation"] = "private"
    linux["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}]
    linux["resources"] = {"pids": {"limit": 10}, "memory": {"limit": 1 << 26},
                          "devices": [{"allow": False}]}  # fmt: skip
    linux["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mount"], "action": "SCMP_ACT_ERRNO"}]}  # fmt: skip
    made["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "hard": 10, "soft": 10}]
    return made


def _paths(value: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, below in items:
        yield from _paths(below, (*at, key))


def _with(at: tuple[Any, ...], value: object) -> dict[str, Any]:
    changed = copy.deepcopy(_whole())
    holder: Any = changed
    for key in at[:-1]:
        holder = holder[key]
    holder[at[-1]] = value
    return changed


def _at(at: tuple[Any, ...]) -> Any:
    value: Any = _whole()
    for key in at:
        value = value[key]
    return value


def test_the_whole_document_is_a_plan() -> None:
    assert plan_of(_whole()) == "plan"


def test_j01_a_document_cut_at_any_byte_is_refused() -> None:
    text = json.dumps(_whole()).encode()
    for length in range(0, len(text), 1 if len(text) < 4000 else 7):
        with pytest.raises(lc.ConfigError):
            parse_strict_json(text[:length], "config.json")


def test_j01_a_file_of_a_gigabyte_is_refused_at_once(tmp_path: Path) -> None:
    with open(tmp_path / "config.json", "wb") as file:
        file.truncate(1 << 30)
    begun = time.monotonic()
    with pytest.raises(lc.ConfigError, match="bytes"):
        load_bundle(tmp_path)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("unit", ["[", '{"a":', '{"a":[', "[[[[["])
def test_j02_any_depth_is_refused(unit: str) -> None:
    for count in (100, 100_000):
        with pytest.raises(lc.ConfigError):
            parse_strict_json(b'{"x":' + unit.encode() * count, "config.json")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "NaN",
            "Infinity",
            "-Infinity",
            "1e400",
            "-1e400",
            "9" * 5000,
            "-" + "9" * 99,
        ),
        *(
            '"\\ud800"',
            '"\\udc00\\ud800"',
            '"a\\u0000b"',
            "01",
            "+1",
            "0x1",
            ".5",
            "1.",
        ),
        *(
            "'a'",
            "True",
            '"\x01"',
            '"\n"',
            "/**/1",
            "[1,]",
            '{"a":1,}',
            '{"a":1,"a":2}',
        ),
    ],
)
def test_j04_j05_j07_values_that_are_none(text: str) -> None:
    with pytest.raises(lc.ConfigError):
        parse_strict_json(f'{{"x": {text}}}'.encode(), "config.json")


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        "{}".encode("utf-32-le"),
        b'{"a": "\xff"}',
        b'{"a": "\xc0\x80"}',
        b'{"a": "\xed\xa0\x80"}',
        b"",
        b"\0",
        b"{}\0",
        b"{}{}",
        b"[]",
        b'"x"',
    ],
)
def test_j07_bytes_that_are_no_document(data: bytes) -> None:
    with pytest.raises(lc.ConfigError):
        parse_strict_json(data, "config.json")


def test_j08_a_nul_in_any_text_is_refused() -> None:
    for at in _paths(_whole()):
        # A name of no capability is passed over, whatever it is.
        if isinstance(_at(at), str) and "capabilities" not in at:
            assert plan_of(_with(at, "a\0b")) == "refused", at


def test_j10_every_field_with_every_wrong_type_is_a_plan_or_refused() -> None:
    tried = 0
    for at in _paths(_whole()):
        for wrong in _WRONG:
            # Whatever it is, it is no other exception.
            assert plan_of(_with(at, wrong)) in {"plan", "refused"}, at
            tried += 1
    assert tried > 1500


def test_j10_a_text_is_no_number_and_no_number_is_a_text() -> None:
    for at in _paths(_whole()):
        value = _at(at)
        if "annotations" in at or isinstance(value, (dict, list)):
            continue
        wrong: object = 5 if isinstance(value, str) else "5"
        assert plan_of(_with(at, wrong)) == "refused", at


def test_j11_a_million_entries_are_refused_or_planned_in_time() -> None:
    begun = time.process_time()
    for at in (("process", "args"), ("process", "env"), ("linux", "maskedPaths")):
        assert plan_of(_with(at, ["A=b"] * 1_000_000)) in {"plan", "refused"}
    assert time.process_time() - begun < HANG_SECONDS * 3


# What some runtime or engine takes from an annotation, by the name it has there.
_ANNOTATIONS = (
    *("run.oci.handler", "run.oci.keep_original_groups", "run.oci.mount_context_type"),
    *(
        "run.oci.hooks.stdout",
        "run.oci.seccomp_fail_unknown_syscall",
        "run.oci.systemd",
    ),
    *("run.oci.delegate-cgroup", "run.oci.pidfd_receiver", "module.wasm.image/variant"),
    *("org.systemd.property.ExecStart", "org.systemd.property.Delegate"),
    *("org.criu.config", "org.opencontainers.runc.exec.isolated-cpu-affinity"),
    *("io.kubernetes.cri-o.Devices", "io.kubernetes.cri-o.userns-mode"),
    *("io.kubernetes.cri-o.UnifiedCgroup", "io.kubernetes.cri-o.TrySkipVolumeSELinux"),
    *("io.katacontainers.config.hypervisor.path", "io.containerd.runc.v2.group"),
    *("io.podman.annotations.privileged", "io.container.manager", "cdi.k8s.io/gpu"),
    *("dev.gvisor.spec.mount.x.source", "dev.gvisor.internal.nvproxy"),
)


@pytest.mark.parametrize("value", ["true", "/bin/sh", "1", '["ALL"]'])
def test_j16_annotations_change_nothing(value: str) -> None:
    facts = Facts(euid=0, egid=0, privileged=True, template=True)
    plain = parse_bundle(document("true"), "/bundle")
    noted = parse_bundle(
        document("true", annotations=dict.fromkeys(_ANNOTATIONS, value)), "/bundle"
    )
    plans = [
        samples.create(bundle.config, facts, bundle.process or lc.Process(["x"]))
        for bundle in (plain, noted)
    ]
    # The labels say what they said; nothing of the plan has changed.
    assert plans[0] == plans[1]
    assert Identity(uid=0, gid=0, groups=(), home="/root") == samples.ROOT


@pytest.mark.parametrize("kind", ["fifo", "directory", "missing", "device"])
def test_j17_a_config_that_is_no_file_is_told_without_waiting(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "config.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")
    begun = time.monotonic()
    with pytest.raises((OSError, lc.ConfigError)):
        load_bundle(tmp_path)
    assert time.monotonic() - begun < HANG_SECONDS / 2


def test_j17_files_of_the_image_are_no_configuration(tmp_path: Path) -> None:
    """Whatever lies in a root filesystem, under whatever name, is only a file."""
    rootfs = tmp_path / "rootfs"
    rootfs.mkdir()
    (tmp_path / "config.json").write_text(json.dumps(document("true")))
    before = load_bundle(tmp_path)
    for name in (".libcontainer.json", "config.json", "container.json", ".nspawn"):
        (rootfs / name).write_text('{"process": {"capabilities": "ALL"}}')
    assert load_bundle(tmp_path) == before
