# SPDX-License-Identifier: Apache-2.0
"""The process object of the OCI runtime specification, read and written."""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest

import libcontainer as lc
from libcontainer.config import process_json

FULL: dict[str, Any] = {
    "terminal": True,
    "consoleSize": {"height": 25, "width": 80},
    "user": {"uid": 1, "gid": 2, "umask": 63, "additionalGids": [5, 6]},
    "args": ["sh", "-c", "true"],
    "env": ["PATH=/bin", "TERM=xterm=x"],
    "cwd": "/srv",
    "capabilities": {
        "bounding": ["CAP_KILL", "CAP_CHOWN"],
        "effective": ["CAP_KILL"],
        "permitted": ["CAP_KILL"],
        "inheritable": [],
        "ambient": [],
    },
    "rlimits": [
        {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 2**64 - 1},
    ],
    "noNewPrivileges": False,
}
SMALL: dict[str, Any] = {"args": ["true"], "cwd": "/"}


def _problems(**changes: Any) -> list[str]:
    with pytest.raises(lc.ConfigError) as caught:
        lc.Process.from_json({**SMALL, **changes})
    return [str(problem) for problem in caught.value.problems]


def test_every_key_arrives_in_its_field() -> None:
    assert lc.Process.from_json(FULL) == lc.Process(
        ["sh", "-c", "true"],
        env={"PATH": "/bin", "TERM": "xterm=x"},
        cwd="/srv",
        user="1:2",
        additional_groups=[5, 6],
        umask=0o077,
        capabilities=lc.Capabilities(
            bounding=["KILL", "CHOWN"], effective=["KILL"], permitted=["KILL"]
        ),
        rlimits=[lc.Rlimit("nofile", 10, 20), lc.Rlimit("core", 0, None)],
        no_new_privs=False,
        terminal=True,
        console_size=(25, 80),
    )


@pytest.mark.parametrize("form", [dict, json.dumps, lambda d: json.dumps(d).encode()])
def test_the_object_may_be_a_text(form: Any) -> None:
    assert lc.Process.from_json(form(FULL)) == lc.Process.from_json(FULL)


def test_what_is_absent_is_the_containers() -> None:
    assert lc.Process.from_json(SMALL) == lc.Process(["true"], cwd="/")
    nothing = dict.fromkeys(FULL, None)
    assert lc.Process.from_json({**nothing, **SMALL}) == lc.Process(["true"], cwd="/")


def test_of_capabilities_an_absent_set_is_empty() -> None:
    process = lc.Process.from_json(
        {**SMALL, "capabilities": {"bounding": ["CAP_KILL"]}}
    )
    assert process.capabilities == lc.Capabilities(bounding=["KILL"])


def test_a_user_has_the_groups_it_names_and_no_others() -> None:
    process = lc.Process.from_json({**SMALL, "user": {"uid": 7, "gid": 8}})
    assert (process.user, process.additional_groups, process.umask) == ("7:8", (), None)
    assert lc.Process.from_json({**SMALL, "user": {}}).user == "0:0"
    named = lc.Process.from_json({**SMALL, "user": {"username": "www-data"}})
    assert named.user == "www-data"


def test_the_size_of_no_terminal_is_ignored() -> None:
    size = {"height": 25, "width": 80}
    assert lc.Process.from_json({**SMALL, "consoleSize": size}).console_size is None
    none = {"terminal": True, "consoleSize": {"height": 0, "width": 0}}
    assert lc.Process.from_json({**SMALL, **none}).console_size is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"args": None}, "args: is required"),
        ({"cwd": None}, "cwd: is required"),
        ({"args": "true"}, "args: must be a sequence of items, not one string"),
        ({"args": [1]}, "args[0]: must be a string, not int"),
        ({"env": ["A"]}, "env[0]: has no '=': 'A'"),
        ({"env": {"A": "b"}}, "env: must be a sequence of items, not dict"),
        ({"terminal": 1}, "terminal: must be true or false, not int"),
        (
            {"consoleSize": {"height": -1, "width": 1}},
            "consoleSize.height: must be from 0 to 65535, not -1",
        ),
        (
            {"consoleSize": {"height": 1, "width": 1, "rows": 1}},
            "consoleSize.rows: unknown key",
        ),
        ({"user": "root"}, "user: must be an object, not str"),
        ({"user": {"uid": -1}}, "user.uid: must be from 0 to 4294967294, not -1"),
        ({"user": {"gid": "0"}}, "user.gid: must be an integer, not str"),
        ({"user": {"umask": 512}}, "user.umask: must be from 0 to 511, not 512"),
        (
            {"user": {"additionalGids": [True]}},
            "user.additionalGids[0]: must be an integer, not bool",
        ),
        ({"user": {"groups": []}}, "user.groups: unknown key"),
        (
            {"user": {"uid": 1, "username": "a"}},
            "user.username: cannot be given together with uid or gid",
        ),
        ({"capabilities": ["CAP_KILL"]}, "capabilities: must be an object, not list"),
        ({"capabilities": {"extra": []}}, "capabilities.extra: unknown key"),
        (
            {"capabilities": {"ambient": [1]}},
            "capabilities.ambient[0]: must be a string, not int",
        ),
        (
            {"rlimits": [{"type": "RLIMIT_CORE", "soft": 0}]},
            "rlimits[0].hard: must be an integer, not NoneType",
        ),
        ({"rlimits": {}}, "rlimits: must be a sequence of items, not dict"),
        ({"noNewPrivileges": "yes"}, "noNewPrivileges: must be true or false, not str"),
        ({"commandLine": "a"}, "commandLine: is of Windows alone"),
        ({"no_new_privs": True}, "no_new_privs: unknown key"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    changes: dict[str, Any], problem: str
) -> None:
    assert _problems(**changes) == [problem]


def test_everything_wrong_is_told_at_once() -> None:
    assert (
        len(_problems(args=None, cwd=3, terminal="x", user={"uid": -1}, other=1)) == 5
    )


def test_the_text_must_be_strict_json() -> None:
    for text in ('{"args": ["a"], "args": ["b"], "cwd": "/"}', "[]", "{", b"\xff"):
        with pytest.raises(lc.ConfigError):
            lc.Process.from_json(text)


def test_what_this_release_does_not_have_is_refused_by_name() -> None:
    # Whatever a release has, a process without it must not be taken for one with.
    known = {attribute.name for attribute in attrs.fields(lc.Process)}
    for key, entry in process_json._KEYS.items():
        values = {**FULL, "oomScoreAdj": 1, "apparmorProfile": "p", "selinuxLabel": "l"}
        value = values.get(key, {})
        without = known - {entry.field}
        with pytest.raises(lc.ConfigError) as caught:
            process_json.process_fields({**SMALL, key: value}, without)
        text = f"{key}: is not supported by this release"
        assert text in [str(problem) for problem in caught.value.problems]


def test_a_process_survives_the_object() -> None:
    process = lc.Process.from_json(FULL)
    assert process.to_json() == {
        **FULL,
        "capabilities": {
            **FULL["capabilities"],
            "bounding": ["CAP_CHOWN", "CAP_KILL"],
        },
    }
    assert lc.Process.from_json(process.to_json()) == process
    small = lc.Process(["true"], cwd="/")
    assert small.to_json() == SMALL
    named = lc.Process(["true"], cwd="/", user="daemon", additional_groups=[])
    assert lc.Process.from_json(named.to_json()) == named


@pytest.mark.parametrize(
    "wishes",
    [
        {"user": "1"},
        {"user": "a:b"},
        {"user": "1:b"},
        {"umask": 0},
        {"additional_groups": [1]},
    ],
)
def test_what_the_object_has_no_place_for_is_not_left_out(
    wishes: dict[str, Any],
) -> None:
    with pytest.raises(lc.ConfigError):
        lc.Process(["true"], **wishes).to_json()
