# SPDX-License-Identifier: Apache-2.0
"""Everything a process was to get, it got: each field of what it sees inside."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests import capabilities
from tests.conftest import RunAsUser
from tests.root.conftest import new_id
from tests.root.expectation import OWN, RULES, Asked, differences, view

pytestmark = pytest.mark.needs("rootfs", "compiler")
needs_root = pytest.mark.needs("root")

Report = dict[str, Any]

_USERNS: dict[str, Any] = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, 100000, 1000), lc.IdMapping(1000, 300000, 500)],
    "gid_mappings": [lc.IdMapping(0, 100000, 65536)],
}
_SETS = lc.Capabilities(
    bounding=["CHOWN", "KILL", "NET_RAW"],
    permitted=["CHOWN", "KILL"],
    effective=["CHOWN"],
    inheritable=["KILL"],
    ambient=["KILL"],
)
_LIMITS = [
    lc.Rlimit("NOFILE", 100, 200),
    lc.Rlimit("CORE", 0, 0),
    lc.Rlimit("CPU", 10, None),
    lc.Rlimit("STACK", 1 << 20, 1 << 21),
]

# Wishes, and who that is in the image: uid, gid, groups, home.
_ROOT = ((0, 0, ()), "/root")
_USER = ((1000, 1000, (29, 44)), "/home")
_CASES: dict[str, tuple[dict[str, Any], tuple[tuple[int, int, Any], str]]] = {
    "default": ({}, _ROOT),
    "another user": ({"user": "user"}, _USER),
    "ids without a name": ({"user": "7:8"}, ((7, 8, ()), "/")),
    "groups": (
        {"user": "1000:1000", "additional_groups": [5, 6]},
        ((1000, 1000, (5, 6)), "/home"),
    ),
    "no group at all": (
        {"user": "1000:1000", "additional_groups": []},
        ((1000, 1000, ()), "/home"),
    ),
    "ambient capabilities": (
        {
            "user": "1000:1000",
            "capabilities": lc.Capabilities.of("NET_RAW", "KILL", ambient=True),
        },
        ((1000, 1000, ()), "/home"),
    ),
    "five sets as root": ({"capabilities": _SETS}, _ROOT),
    "five sets as a user": (
        {"capabilities": _SETS, "user": "1000:1000"},
        ((1000, 1000, ()), "/home"),
    ),
    "sets that execve widens": (
        {"capabilities": _SETS, "no_new_privs": False},
        _ROOT,
    ),
    "no capability": ({"capabilities": []}, _ROOT),
    "limits": ({"rlimits": _LIMITS}, _ROOT),
    "umask, directory, environment": (
        {"umask": 0o077, "cwd": "/tmp", "env": {"A": "1", "B": "two words"}},
        _ROOT,
    ),
    "user namespace": (_USERNS, _ROOT),
    "user namespace, another user": (
        {**_USERNS, "user": "user"},
        _USER,
    ),
    "user namespace, ambient": (
        {
            **_USERNS,
            "user": "1000:1000",
            "capabilities": lc.Capabilities.of("SYS_ADMIN", ambient=True),
        },
        ((1000, 1000, ()), "/home"),
    ),
    "time namespace": ({"namespaces": [*lc.Config().namespaces, "time"]}, _ROOT),
    "only what must be": ({"namespaces": ["mount"]}, _ROOT),
    "names": ({"hostname": "box", "domainname": "example.org"}, _ROOT),
    "mounts": (
        {
            "mounts": [lc.Mount.tmpfs("/tmp/a"), lc.Mount.bind("/etc", "/mnt/etc")],
            "readonly_rootfs": True,
        },
        _ROOT,
    ),
    "no masks": ({"masked_paths": [], "readonly_paths": []}, _ROOT),
}
_OF_PROCESS = frozenset(
    {
        "user",
        "additional_groups",
        "capabilities",
        "no_new_privs",
        "rlimits",
        "umask",
        "cwd",
        "env",
    }
)


_PIPES = {"0": "/dev/null", "1": "pipe", "2": "/dev/null"}


@pytest.fixture(scope="session")
def caller(test_init: Path) -> Report:
    """What the test program reports of the place the tests run in."""
    done = subprocess.run([test_init], capture_output=True, check=True)
    return view(json.loads(done.stdout)) | {"probes": {}}


Look = Callable[..., list[tuple[Asked, Report]]]


@pytest.fixture
def look(factory: lc.Factory, init_rootfs: Path, caller: Report) -> Look:
    """Run the program as init, and again as one that joins; return both views."""

    def run(
        wishes: dict[str, Any], own: dict[str, Any], who: Any
    ) -> list[tuple[Asked, Report]]:
        config = lc.Config(rootfs=lc.Overlay(str(init_rootfs)), **wishes)
        process = lc.Process(
            ["/test_init", "--sleep", "1000"],
            stdin=lc.DEVNULL,
            stdout=lc.PIPE,
            stderr=lc.DEVNULL,
            **own,
        )
        found = []
        with factory.create(new_id(), config) as container:
            for joined in (False, True):
                handle = (container.exec if joined else container.run)(process)
                assert handle.stdout is not None
                report = json.loads(handle.stdout.readline())
                handle.close()
                asked = Asked(config, process, *who, caller, joined, _PIPES)
                found.append((asked, report))
        return found

    return run


_ROOTLESS = """
import json, subprocess, sys
import libcontainer as lc
rootfs, uid = sys.argv[1], int(sys.argv[2])
said = [json.loads(subprocess.run([rootfs + "/test_init"], capture_output=True).stdout)]
config = lc.Config(
    rootfs=lc.Overlay(rootfs),
    namespaces=[*lc.Config().namespaces, "user"],
    uid_mappings=[lc.IdMapping(0, uid, 1)],
    gid_mappings=[lc.IdMapping(0, uid, 1)],
)
process = lc.Process(
    ["/test_init", "--sleep", "1000"],
    stdin=lc.DEVNULL, stdout=lc.PIPE, stderr=lc.DEVNULL,
)
with lc.Factory() as factory, factory.create("box", config) as container:
    for launch in (container.run, container.exec):
        handle = launch(process)
        said.append(json.loads(handle.stdout.readline()))
        handle.close()
print(json.dumps(said))
"""


@pytest.mark.needs("userns")
def test_a_container_of_an_ordinary_user_gets_what_it_asks_for(
    unprivileged: RunAsUser, init_rootfs: Path
) -> None:
    uid = capabilities.UNPRIVILEGED_ID if os.geteuid() == 0 else os.geteuid()
    done = unprivileged(_ROOTLESS, str(init_rootfs), str(uid))
    assert done.stderr == ""
    own, *reports = json.loads(done.stdout)
    mapping = [lc.IdMapping(0, uid, 1)]
    config = lc.Config(
        rootfs=lc.Overlay(str(init_rootfs)),
        namespaces=[*lc.Config().namespaces, "user"],
        uid_mappings=mapping,
        gid_mappings=mapping,
    )
    process = lc.Process(["/test_init", "--sleep", "1000"])
    for joined, report in zip((False, True), reports, strict=True):
        asked = Asked(config, process, *_ROOT, view(own), joined, _PIPES, rootless=True)
        assert differences(asked, report) == [], f"joined: {joined}"


def test_every_field_of_the_report_has_a_rule(caller: Report) -> None:
    assert set(caller) - OWN == set(RULES)


@needs_root
@pytest.mark.parametrize("name", _CASES)
def test_init_and_exec_get_what_the_config_asks_for(look: Look, name: str) -> None:
    wishes, who = _CASES[name]
    for asked, report in look(wishes, {}, who):
        assert differences(asked, report) == [], f"joined: {asked.joined}"


@needs_root
@pytest.mark.parametrize(
    "name", [n for n, (wishes, _) in _CASES.items() if _OF_PROCESS & set(wishes)]
)
def test_what_the_process_asks_for_goes_before_the_config(
    look: Look, name: str
) -> None:
    wishes, who = _CASES[name]
    own = {key: value for key, value in wishes.items() if key in _OF_PROCESS}
    others = {key: value for key, value in wishes.items() if key not in own}
    against = {"user": "3:4", "umask": 0o111, "cwd": "/var", "capabilities": ["FOWNER"]}
    others |= {key: value for key, value in against.items() if key in own}
    for asked, report in look(others, own, who):
        assert differences(asked, report) == [], f"joined: {asked.joined}"


# What may differ between init and a process that joined it.
_APART = OWN | {"sid", "fds", "status"}


@needs_root
@pytest.mark.parametrize("name", _CASES)
def test_exec_gets_everything_that_init_gets(look: Look, name: str) -> None:
    wishes, who = _CASES[name]
    (_, first), (_, second) = look(wishes, {}, who)
    for key in set(first) - _APART:
        assert first[key] == second[key], key
    counters = {"Pid", "PPid", "Tgid", "Ngid", "State", "SigQ", "FDSize"}
    for row in set(first["status"]) - counters:
        if not row.startswith(("Vm", "NS", "Rss")) and "ctxt" not in row:
            assert first["status"][row] == second["status"][row], row


@needs_root
def test_a_difference_is_told(look: Look, caller: Report) -> None:
    ((asked, report), _) = look({}, {}, _ROOT)
    wrong = {
        "uid": [1, 0, 0],
        "umask": 0,
        "env": [],
        "nice": 19,
        "namespaces": caller["namespaces"],
        "blocked_signals": [1],
        "next_label": "unconfined",
    }
    for name, value in wrong.items():
        (line,) = differences(asked, report | {name: value})
        assert line.startswith(f"{name}: ")
    status = report["status"] | {"CapInh": f"{1:016x}"}
    (line,) = differences(asked, report | {"status": status})
    assert "CapInh" in line
