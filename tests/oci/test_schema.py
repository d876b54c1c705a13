# SPDX-License-Identifier: Apache-2.0
"""What the JSON schema of the specification refuses, we refuse."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT4

from libcontainer.errors import ConfigError
from libcontainer.oci import parse_bundle
from libcontainer.validate import check

SCHEMAS = Path(__file__).resolve().parents[1] / "oci_schema"
IDS = [{"containerID": 0, "hostID": 100000, "size": 65536}]
HOOK = {"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 5}

# With every key that this release reads.
WHOLE: dict[str, Any] = {
    "ociVersion": "1.2.0",
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "box",
    "domainname": "example.org",
    "annotations": {"org.example": "x"},
    "hooks": {
        kind: [HOOK]
        for kind in (
            *("prestart", "createRuntime", "createContainer"),
            *("startContainer", "poststart", "poststop"),
        )
    },
    "process": {
        "terminal": True,
        "consoleSize": {"height": 10, "width": 20},
        "user": {"uid": 1, "gid": 1, "umask": 18, "additionalGids": [2]},
        "args": ["sh"],
        "env": ["PATH=/bin"],
        "cwd": "/",
        "capabilities": {"bounding": ["CAP_CHOWN"], "ambient": []},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20}],
        "noNewPrivileges": True,
        "oomScoreAdj": 10,
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        "scheduler": {"policy": "SCHED_OTHER", "nice": 5},
    },
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {
            "destination": "/mnt",
            "type": "bind",
            "source": "/usr",
            "options": ["rbind", "ro"],
            "uidMappings": IDS,
            "gidMappings": IDS,
        },
    ],
    "linux": {
        "namespaces": [
            {"type": kind} for kind in ("mount", "pid", "ipc", "uts", "network", "user")
        ],
        "uidMappings": IDS,
        "gidMappings": IDS,
        "devices": [
            {
                "path": "/dev/extra",
                "type": "c",
                "major": 1,
                "minor": 3,
                "fileMode": 438,
                "uid": 0,
                "gid": 0,
            }
        ],
        "cgroupsPath": "/boxes/one",
        "resources": {
            "devices": [{"allow": False, "access": "rwm"}],
            "memory": {"limit": 1 << 26, "swap": 1 << 26, "swappiness": 10},
            "cpu": {"shares": 100, "quota": 1000, "period": 10000, "cpus": "0"},
            "pids": {"limit": 10},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
        },
        "rootfsPropagation": "private",
        "seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [
                {
                    "names": ["getcwd"],
                    "action": "SCMP_ACT_ERRNO",
                    "errnoRet": 1,
                    "args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}],
                }
            ],
        },
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "maskedPaths": ["/proc/kcore"],
        "readonlyPaths": ["/proc/sys"],
        "mountLabel": "system_u:object_r:container_file_t:s0",
        "personality": {"domain": "LINUX"},
    },
}
# Not null: engines of Go write it for what is absent, and others read it so.
WRONG = (7, -1, 2**70, 1.5, "x", "", True, [], [7], ["x"], {}, {"x": 7})

# Nor these, which ask for nothing: so Go writes what nobody has filled in.
ZERO: dict[tuple[Any, ...], Any] = {
    ("process", "consoleSize"): {},
    ("process", "ioPriority"): {},
    ("process", "scheduler"): {},
    ("linux", "rootfsPropagation"): "",
    ("linux", "resources", "pids"): {},
    ("linux", "resources", "pids", "limit"): "absent",
}


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft4Validator:
    resources = [
        (path.name, DRAFT4.create_resource(json.loads(path.read_text())))
        for path in SCHEMAS.glob("*.json")
    ]
    registry = Registry().with_resources(resources)
    return jsonschema.Draft4Validator({"$ref": "config-schema.json"}, registry=registry)


def _places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items: Iterator[tuple[Any, Any]] = iter(())
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, below in items:
        yield from _places(below, (*path, key))


PLACES = list(_places(WHOLE))


def _changed(path: tuple[Any, ...], value: object, *, drop: bool = False) -> Any:
    document = copy.deepcopy(WHOLE)
    at = document
    for part in path[:-1]:
        at = at[part]
    if drop:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return document


def _refused(document: Any) -> bool:
    try:
        bundle = parse_bundle(document, "/bundle")
        check(bundle.config, bundle.process)
    except ConfigError:
        return True
    return False


def test_the_whole_document_is_good(schema: jsonschema.Draft4Validator) -> None:
    schema.validate(WHOLE)
    bundle = parse_bundle(WHOLE, "/bundle")
    check(bundle.config, bundle.process)
    assert bundle.warnings == ()


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_what_the_schema_refuses_is_refused(
    schema: jsonschema.Draft4Validator, path: tuple[Any, ...]
) -> None:
    documents = [(value, _changed(path, value)) for value in WRONG]
    documents.append(("absent", _changed(path, None, drop=True)))
    taken = [
        value
        for value, document in documents
        if not schema.is_valid(document) and not _refused(document)
    ]
    if path in ZERO:
        taken.remove(ZERO[path])
    assert taken == []
