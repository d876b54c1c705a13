# SPDX-License-Identifier: Apache-2.0
"""Labels and Landlock in a configuration: what is refused, and what is kept."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from libcontainer.config import Config, config_from_json, config_to_json
from libcontainer.config.landlock import ACCESS_FS, Landlock, LandlockPath, LandlockPort
from libcontainer.process import Process
from libcontainer.validate import validate

FS = {"handled_access_fs": ["write_file"]}
NET = {"handled_access_net": ["bind_tcp"]}


def landlock(**fields: Any) -> dict[str, Any]:
    """A field of a configuration or of a process."""
    return {"landlock": Landlock(**fields)}


def path(*arguments: Any) -> dict[str, Any]:
    """The same with one rule on files."""
    return landlock(**FS, paths=[LandlockPath(*arguments)])


def port(*arguments: Any) -> dict[str, Any]:
    """The same with one rule on ports."""
    return landlock(**NET, ports=[LandlockPort(*arguments)])


# Fields, where the problem is, what it says.
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"apparmor_profile": 1}, "apparmor_profile", "must be a string, not int"),
    ({"apparmor_profile": ""}, "apparmor_profile", "must be printable"),
    ({"apparmor_profile": "a b"}, "apparmor_profile", "must be printable"),
    ({"apparmor_profile": "a\nb"}, "apparmor_profile", "has a line break"),
    ({"apparmor_profile": "a\0"}, "apparmor_profile", "has a NUL"),
    ({"apparmor_profile": "é"}, "apparmor_profile", "must be printable"),
    ({"apparmor_profile": "a" * 256}, "apparmor_profile", "is longer than 255"),
    ({"process_label": 1}, "process_label", "must be a string, not int"),
    ({"process_label": ""}, "process_label", "must be user:role:type:level"),
    ({"process_label": "a:b"}, "process_label", "must be user:role:type:level"),
    ({"process_label": "a:b:c:s 0"}, "process_label", "must be user:role:type"),
    ({"process_label": "a:b:c\n"}, "process_label", "has a line break"),
    ({"process_label": "a:b:" + "c" * 255}, "process_label", "is longer than 255"),
    ({"landlock": {}}, "landlock", "must be a Landlock, not dict"),
    (
        landlock(handled_access_fs=["fly"]),
        "landlock.handled_access_fs",
        "must be one of execute, write_file",
    ),
    (
        landlock(handled_access_fs="write_file"),
        "landlock.handled_access_fs",
        "must be a sequence of words, not one string",
    ),
    (
        landlock(handled_access_net=["bind_udp"]),
        "landlock.handled_access_net",
        "must be one of bind_tcp, connect_tcp",
    ),
    (
        landlock(scoped=["ptrace"]),
        "landlock.scoped",
        "must be one of abstract_unix_socket, signal",
    ),
    (landlock(best_effort=1), "landlock.best_effort", "must be true or false"),
    (landlock(paths=[("/", 1)]), "landlock.paths[0]", "must be a LandlockPath"),
    (landlock(ports=[80]), "landlock.ports[0]", "must be a LandlockPort, not int"),
    (path("a", ["write_file"]), "landlock.paths[0].path", "must be an absolute path"),
    (path("/a/../b", ["write_file"]), "landlock.paths[0].path", "must not have '..'"),
    (path(1, ["write_file"]), "landlock.paths[0].path", "must be a string"),
    (path("/", []), "landlock.paths[0].access", "must have at least one word"),
    (
        path("/", ["read_file"]),
        "landlock.paths[0].access",
        "'read_file' is not in handled_access_fs",
    ),
    (path("/", [1]), "landlock.paths[0].access", "must be a string, not int"),
    (
        landlock(paths=[LandlockPath("/", ["write_file"])]),
        "landlock.paths[0].access",
        "'write_file' is not in handled_access_fs",
    ),
    (port(65536, ["bind_tcp"]), "landlock.ports[0].port", "must be from 0 to 65535"),
    (port(-1, ["bind_tcp"]), "landlock.ports[0].port", "must be from 0 to 65535"),
    (port("80", ["bind_tcp"]), "landlock.ports[0].port", "must be an integer"),
    (port(True, ["bind_tcp"]), "landlock.ports[0].port", "must be an integer"),
    (
        port(80, ["connect_tcp"]),
        "landlock.ports[0].access",
        "'connect_tcp' is not in handled_access_net",
    ),
]


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_field_is_one_problem_of_a_config_and_of_a_process(
    case: tuple[dict[str, Any], str, str],
) -> None:
    fields, at, message = case
    process = Process(["ls"], **fields)
    for problems, prefix in (
        (validate(Config(**fields)), ""),
        (validate(Config(), process), "process."),
    ):
        (problem,) = problems
        assert problem.path == prefix + at
        assert problem.message.startswith(message)


def test_a_wrong_mount_label_is_a_problem_of_a_config() -> None:
    (problem,) = validate(Config(mount_label="x"))
    assert str(problem) == "mount_label: must be user:role:type:level, not 'x'"


GOOD: list[dict[str, Any]] = [
    {"apparmor_profile": "unconfined"},
    {"apparmor_profile": ":ns:/usr/bin/x//child"},
    {"process_label": "system_u:system_r:container_t:s0:c1,c2"},
    {"process_label": "a:b:c"},
    landlock(),
    landlock(handled_access_fs=list(ACCESS_FS), scoped=["signal"], best_effort=True),
    path("/", ["write_file"]),
    port(0, ["bind_tcp"]),
    {"landlock": Landlock.filesystem(read_only=["/"], read_write=["/tmp"], abi=5)},
    {"landlock": Landlock.filesystem(abi=1)},
]


@pytest.mark.parametrize("fields", GOOD)
def test_what_is_good_has_no_problem(fields: dict[str, Any]) -> None:
    assert validate(Config(**fields), Process(["ls"], **fields)) == []


@pytest.mark.parametrize("fields", GOOD)
def test_it_comes_back_from_the_state_file_and_a_pickle(fields: dict[str, Any]) -> None:
    config = Config(**fields, mount_label="a:b:c")
    text = json.dumps(config_to_json(config))
    assert config_from_json(json.loads(text)) == config
    assert pickle.loads(pickle.dumps(config)) == config
    assert hash(config) == hash(Config(**fields, mount_label="a:b:c"))


@pytest.mark.parametrize(("abi", "last"), [(1, "make_sym"), (3, "truncate")])
def test_the_convenience_denies_what_the_abi_has(abi: int, last: str) -> None:
    made = Landlock.filesystem(read_only=["/a"], read_write=["/b"], abi=abi)
    assert made.handled_access_fs == set(list(ACCESS_FS)[: ACCESS_FS[last][0] + 1])
    read, write = made.paths
    assert read.access == {"execute", "read_file", "read_dir"}
    assert write.access == made.handled_access_fs
