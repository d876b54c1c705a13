# SPDX-License-Identifier: Apache-2.0
"""Descriptions of devices: read strictly, applied without touching the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

import libcontainer as lc
from libcontainer import cdi
from libcontainer.validate import validate

GPU = lc.Device("/dev/gpu0", "c", 195, 0, mode=0o660)
DOCUMENT: dict[str, Any] = {
    "cdiVersion": "0.6.0",
    "kind": "acme.com/gpu",
    "containerEdits": {
        "env": ["ACME=1", "PATH=/opt/acme:/bin"],
        "mounts": [
            {
                "hostPath": "/opt/acme",
                "containerPath": "/opt/acme",
                "options": ["ro", "nosuid", "bind"],
            }
        ],
        "hooks": [
            {
                "hookName": "createContainer",
                "path": "/usr/bin/acme",
                "args": ["acme", "ldconfig"],
                "env": ["A=B"],
                "timeout": 5,
            }
        ],
    },
    "devices": [
        {
            "name": "0",
            "containerEdits": {
                "deviceNodes": [
                    {"path": "/dev/gpu0"},
                    {"path": "/dev/gpuctl", "type": "c", "major": 195, "minor": 255},
                ],
                "additionalGids": [44],
            },
        },
        {
            "name": "1",
            "containerEdits": {
                "deviceNodes": [
                    {
                        "path": "/dev/gpu",
                        "hostPath": "/dev/gpu1",
                        "fileMode": 438,
                        "permissions": "rw",
                    }
                ]
            },
        },
    ],
}
NODES = {"/dev/gpu0": GPU, "/dev/gpu1": attrs.evolve(GPU, path="/dev/gpu1", minor=1)}


def registry(**changes: Any) -> cdi.Registry:
    return cdi.Registry((cdi.parse_spec(DOCUMENT | changes, "acme.json"),))


def test_a_device_brings_its_nodes_rules_mounts_hooks_and_environment() -> None:
    before = lc.Config(rootfs="/srv", env={"HOME": "/", "PATH": "/bin"})
    config = registry().apply(before, ["acme.com/gpu=0"], NODES)
    assert dict(config.env) == {"HOME": "/", "PATH": "/opt/acme:/bin", "ACME": "1"}
    nodes = {device.path: device for device in config.devices}
    assert nodes["/dev/gpu0"] == GPU
    assert nodes["/dev/gpuctl"] == lc.Device("/dev/gpuctl", "c", 195, 255)
    assert nodes["/dev/null"].major == 1
    rule = lc.DeviceRule(allow=True, type="c", major=195, minor=0)
    assert rule in config.resources.devices
    assert config.mounts == (
        lc.Mount.from_options(
            "bind", "/opt/acme", "/opt/acme", ["ro", "nosuid", "bind"]
        ),
    )
    (hook,) = config.hooks.create_container
    assert hook == lc.Hook("/usr/bin/acme", ["acme", "ldconfig"], {"A": "B"}, 5)
    assert config.additional_groups == (44,)
    assert validate(config) == []


def test_what_is_common_to_all_devices_is_applied_once() -> None:
    config = registry().apply(lc.Config(rootfs="/srv"), ["acme.com/gpu=all"], NODES)
    assert len(config.hooks.create_container) == 1
    nodes = {device.path: device for device in config.devices}
    assert (nodes["/dev/gpu"].minor, nodes["/dev/gpu"].mode) == (1, 0o666)
    rule = lc.DeviceRule(allow=True, type="c", major=195, minor=1, access="rw")
    assert rule in config.resources.devices


def test_everything_that_is_not_there_is_told_at_once() -> None:
    with pytest.raises(lc.ConfigError) as caught:
        registry().apply(lc.Config(), ["acme.com/gpu=7", "acme.com/gpu=0"], {})
    paths = [problem.path for problem in caught.value.problems]
    assert paths == ["devices", "devices[/dev/gpu0]"]
    assert "acme.com/gpu=0, acme.com/gpu=1" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"cdiVersion": "9.0.0"}, "acme.json.cdiVersion"),
        ({"kind": "gpu"}, "acme.json.kind"),
        ({"kind": "acme.com/../x"}, "acme.json.kind"),
        ({"devices": []}, "acme.json.devices"),
        ({"devices": [{"name": "a b"}]}, "acme.json.devices[0].name"),
        ({"devices": [{"name": "a"}, {"name": "a"}]}, "acme.json.devices[1].name"),
        ({"containerEdits": {"env": ["=x"]}}, "acme.json.containerEdits.env[0]"),
        (
            {"containerEdits": {"mounts": [{"hostPath": "x", "containerPath": "/"}]}},
            "acme.json.containerEdits.mounts[0].hostPath",
        ),
        (
            {"containerEdits": {"deviceNodes": [{"path": "/dev/x", "type": "z"}]}},
            "acme.json.containerEdits.deviceNodes[0].type",
        ),
        (
            {"containerEdits": {"deviceNodes": [{"path": "/dev/x", "major": -1}]}},
            "acme.json.containerEdits.deviceNodes[0].major",
        ),
        (
            {"containerEdits": {"hooks": [{"hookName": "x", "path": "/x"}]}},
            "acme.json.containerEdits.hooks[0].hookName",
        ),
        (
            {"containerEdits": {"additionalGids": [True]}},
            "acme.json.containerEdits.additionalGids[0]",
        ),
        (
            {"containerEdits": {"intelRdt": {"closID": "x"}}},
            "acme.json.containerEdits.intelRdt",
        ),
        ({"containerEdits": []}, "acme.json.containerEdits"),
    ],
)
def test_a_wrong_description_is_refused(changes: dict[str, Any], path: str) -> None:
    with pytest.raises(lc.ConfigError) as caught:
        cdi.parse_spec(DOCUMENT | changes, "acme.json")
    assert [problem.path for problem in caught.value.problems] == [path]


def test_files_of_a_later_folder_go_before(tmp_path: Path) -> None:
    for name, value in (("one", "1"), ("two", "2")):
        (tmp_path / name).mkdir()
        edits = {"env": [f"FROM={value}"]}
        spec = DOCUMENT | {"containerEdits": edits, "devices": [{"name": "0"}]}
        (tmp_path / name / "acme.json").write_text(json.dumps(spec))
    (tmp_path / "one" / "notes.txt").write_text("no description")
    folders = [str(tmp_path / "one"), str(tmp_path / "two"), str(tmp_path / "absent")]
    found = cdi.read_registry(folders)
    assert found.names() == ("acme.com/gpu=0",)
    config = found.apply(lc.Config(), ["acme.com/gpu=0"])
    assert dict(config.env)["FROM"] == "2"
    (tmp_path / "two" / "bad.json").write_text('{"kind": "a/b", "kind": "c/d"}')
    with pytest.raises(lc.ConfigError, match=r"bad\.json"):
        cdi.read_registry(folders)


@pytest.mark.needs("root", "rootfs")
def test_a_container_has_the_device(tmp_path: Path, busybox_rootfs: Path) -> None:
    spec = {
        "cdiVersion": "0.6.0",
        "kind": "kernel.org/memory",
        "devices": [
            {
                "name": "zero",
                "containerEdits": {
                    "deviceNodes": [{"path": "/dev/cdi-zero", "hostPath": "/dev/zero"}],
                    "env": ["DEVICE=/dev/cdi-zero"],
                },
            }
        ],
    }
    (tmp_path / "zero.json").write_text(json.dumps(spec))
    rootfs = lc.Overlay(str(busybox_rootfs))
    found = cdi.read_registry([str(tmp_path)])
    config = found.apply(lc.Config(rootfs=rootfs), ["kernel.org/memory=zero"])
    command = ["sh", "-c", "head -c4 $DEVICE | od -An -tx1; ls -l $DEVICE"]
    done = lc.run(command, config=config, capture_output=True, text=True)
    assert done.stdout.split()[:4] == ["00"] * 4, done.stderr
    assert done.stdout.split()[4].startswith("crw")
