# SPDX-License-Identifier: Apache-2.0
"""The Config JSON of libcontainer 2.x, key by key."""

from __future__ import annotations

import json
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.config.native_json import config_from_native_json
from libcontainer.validate import check

WHOLE: dict[str, Any] = {
    "no_pivot_root": False,
    "parent_death_signal": 9,
    "pivot_dir": "",
    "rootfs": "/srv/root",
    "readonlyfs": True,
    "privatefs": True,
    "mounts": [
        {"source": "proc", "destination": "/proc", "device": "proc", "flags": 14}
        | {"data": "", "relabel": "", "premount_cmds": None, "postmount_cmds": None},
        {"source": "tmpfs", "destination": "/dev", "device": "tmpfs"}
        | {"flags": (1 << 24) | 2, "data": "mode=755"},
        {"source": "/usr", "destination": "/mnt", "device": "bind"}
        | {"flags": 4096 | 16384 | 1, "data": ""},
    ],
    "devices": [
        {"type": 99, "path": "/dev/null", "major": 1, "minor": 3}
        | {"permissions": "rwm", "file_mode": 438, "uid": 0, "gid": 0}
    ],
    "mount_label": "",
    "hostname": "box",
    "namespaces": [
        {"type": "NEWNS", "path": ""},
        {"type": "NEWPID"},
        {"type": "NEWUTS"},
        {"type": "NEWIPC"},
        {"type": "NEWNET", "path": "/run/netns/one"},
        {"type": "NEWUSER"},
    ],
    "capabilities": ["CHOWN", "KILL"],
    "networks": [{"type": "loopback", "address": "127.0.0.1/0"}],
    "routes": None,
    "cgroups": {
        "name": "one",
        "parent": "boxes",
        "memory": 1 << 26,
        "memory_swap": -1,
        "cpu_shares": 100,
        "cpuset_cpus": "0",
        "kernel_memory": 0,
        "allowed_devices": [
            {"type": 99, "path": "/dev/null", "major": 1, "minor": -1}
            | {"permissions": "rwm"}
        ],
    },
    "apparmor_profile": "docker-default",
    "process_label": "",
    "rlimits": [{"type": 7, "hard": 1024, "soft": 512}],
    "additional_groups": [5, 6],
    "uid_mappings": [{"container_id": 0, "host_id": 1000, "size": 65536}],
    "gid_mappings": [{"container_id": 0, "host_id": 1000, "size": 65536}],
    "mask_paths": ["/proc/kcore"],
    "readonly_paths": ["/proc/sys"],
    "system_properties": {"net.ipv4.ip_forward": "1"},
}


def test_a_whole_document_arrives() -> None:
    config = config_from_native_json(json.dumps(WHOLE).encode())
    check(config, None)
    assert config.rootfs == lc.Directory("/srv/root")
    assert config.readonly_rootfs
    assert config.parent_death_signal in {9, "SIGKILL"}
    assert [mount.destination for mount in config.mounts] == ["/proc", "/dev", "/mnt"]
    proc, dev, bind = config.mounts
    assert proc == lc.Mount.from_options(
        "proc", "proc", "/proc", ["nosuid", "nodev", "noexec"]
    )
    assert dev.data == ("mode=755",)
    assert (bind.type, bind.source, bind.recursive) == ("bind", "/usr", True)
    assert config.devices == (lc.Device("/dev/null", "c", 1, 3),)
    assert lc.NamespaceType.USER in config.namespaces
    assert dict(config.namespace_paths) == {lc.NamespaceType.NETWORK: "/run/netns/one"}
    assert config.capabilities.bounding == {"CAP_CHOWN", "CAP_KILL"}
    assert config.cgroups_path == "boxes/one"
    assert config.resources.memory == 1 << 26
    assert config.resources.memory_swap == -1
    rule = lc.DeviceRule(True, type="c", major=1, minor=None, access="rwm")
    assert config.resources.devices == (rule,)
    assert config.rlimits == (lc.Rlimit("RLIMIT_NOFILE", 512, 1024),)
    assert config.additional_groups == (5, 6)
    assert config.uid_mappings == (lc.IdMapping(0, 1000, 65536),)
    assert dict(config.sysctl) == {"net.ipv4.ip_forward": "1"}
    assert not config.no_new_privs


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"frob": 1}, "frob: unknown key"),
        ({"rootfs": "rel"}, "rootfs: must be an absolute path"),
        ({"rootfs": 7}, "rootfs"),
        ({"namespaces": [{"type": "NEWX"}]}, "namespaces[0].type: is no namespace"),
        ({"networks": [{"type": "veth"}]}, "networks[0].type: only loopback"),
        ({"routes": [{}]}, "routes: are not read"),
        ({"cgroups": {"kernel_memory": 5}}, "cgroups.kernel_memory: is not read"),
        ({"rlimits": [{"type": 60}]}, "rlimits[0].type: is no limit"),
        ({"devices": [{"type": 1}]}, "devices[0].type: must be the number"),
        ({"mounts": [{"flags": 1 << 30}]}, "mounts[0].flags: has bits"),
        ({"mounts": [{"premount_cmds": [1]}]}, "mounts[0].premount_cmds: is not read"),
        ({"additional_groups": ["x"]}, "additional_groups[0]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_told_with_its_place(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(lc.ConfigError) as caught:
        config_from_native_json(WHOLE | changes)
    assert said in str(caught.value)
