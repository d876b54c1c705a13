# SPDX-License-Identifier: Apache-2.0
"""The reader of a 1.2.0 container.json: what it means, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from libcontainer.config import (
    Capabilities,
    Config,
    Device,
    DeviceRule,
    Directory,
    Mount,
    NamespaceType,
    Resources,
)
from libcontainer.config.container_json import (
    config_from_container_json,
    parse_container_json,
    to_container_json,
)
from libcontainer.config.network import Route, Veth
from libcontainer.errors import ConfigError
from libcontainer.process import Process
from libcontainer.validate import validate

SAMPLES = Path(__file__).parents[2] / "examples" / "sample_configs"
NULL = {"type": 99, "path": "/dev/null", "major_number": 1, "minor_number": 3}


def document(**keys: object) -> dict[str, Any]:
    """The smallest good document, with some keys changed."""
    return {"mount_config": {}, "namespaces": {"NEWNS": True}, **keys}


def problems(**keys: object) -> list[str]:
    """Return what is wrong with a document, as text."""
    with pytest.raises(ConfigError) as caught:
        config_from_container_json(document(**keys), "/srv")
    return [str(problem) for problem in caught.value.problems]


def warnings(**keys: object) -> tuple[str, ...]:
    """Return what of a document has no effect."""
    return config_from_container_json(document(**keys), "/srv").warnings


def refusal(data: bytes) -> str:
    """Return why a file cannot be parsed."""
    with pytest.raises(ConfigError) as caught:
        parse_container_json(data)
    return str(caught.value)


def test_the_minimal_sample_means_what_it_meant() -> None:
    data = (SAMPLES / "minimal.json").read_bytes()
    read = config_from_container_json(parse_container_json(data), "/srv")
    config = read.config
    assert config.rootfs == Directory("/srv")
    assert config.hostname == "koye"
    assert config.user == "daemon"
    assert read.terminal is True
    assert config.loopback is True
    assert config.no_new_privs is False
    assert config.namespaces == {"mount", "uts", "ipc", "pid", "network"}
    assert ("HOME", "/") in config.env
    assert len(config.capabilities.bounding) == 12
    assert config.capabilities == Capabilities.of(*config.capabilities.bounding)
    assert len(config.devices) == 6
    assert config.devices[0] == Device("/dev/null", "c", 1, 3, 0o666)
    assert config.masked_paths == ("/proc/kcore",)
    assert config.readonly_paths == (
        "/proc/sys",
        "/proc/sysrq-trigger",
        "/proc/irq",
        "/proc/bus",
    )
    assert config.cgroups_path == "docker/docker-koye"
    assert len(config.resources.devices) == 14
    assert config.resources.devices[0] == DeviceRule(allow=True, type="c", access="m")
    assert read.warnings == (
        "networks[0]: address, gateway and mtu of loopback have no effect",
    )
    assert validate(config, Process(["sh"], **read.process_defaults)) == []
    assert pickle.loads(pickle.dumps(read)) == read


def test_the_sample_with_a_bridge_means_what_it_meant() -> None:
    data = (SAMPLES / "attach_to_bridge.json").read_bytes()
    config = config_from_container_json(parse_container_json(data), "/srv").config
    wanted = Veth(
        bridge="docker0",
        prefix="veth",
        addresses=["172.17.0.101/16"],
        gateways=["172.17.42.1"],
        mtu=1500,
    )
    assert config.networks == (wanted,)
    assert config.loopback is True
    assert validate(config) == []


def test_routes_are_read() -> None:
    route = {
        "destination": "192.0.2.0/24",
        "source": "172.17.0.101/16",
        "gateway": "172.17.42.1",
        "interface_name": "eth0",
    }
    kinds = {"NEWNS": True, "NEWNET": True}
    keys = document(routes=[route], namespaces=kinds)
    config = config_from_container_json(keys, "/srv").config
    assert config.routes == (
        Route(
            destination="192.0.2.0/24",
            source="172.17.0.101",
            gateway="172.17.42.1",
            interface="eth0",
        ),
    )
    assert validate(config) == []


def test_the_smallest_document_has_the_defaults_of_then() -> None:
    read = config_from_container_json(document(), "/srv")
    config = read.config
    assert read.warnings == ()
    assert config.namespaces == {NamespaceType.MOUNT}
    assert config.hostname is None
    assert config.user == "0"
    assert config.cwd == "/"
    assert config.env == ()
    assert config.capabilities == Capabilities()
    assert config.devices == ()
    assert config.masked_paths == config.readonly_paths == ()
    assert (config.loopback, config.terminal, config.readonly_rootfs) == (False,) * 3
    assert config.umask == 0o022
    assert validate(config) == []


@pytest.mark.parametrize("listed", [False, True])
def test_a_network_namespace_is_joined_by_its_path(listed: bool) -> None:
    networks = [{"type": "loopback"}, {"type": "netns", "ns_path": "/run/netns/x"}]
    kinds = {"NEWNS": True, "NEWNET": listed}
    read = config_from_container_json(
        document(networks=networks, namespaces=kinds), "/srv"
    )
    assert read.config.namespace_paths == ((NamespaceType.NETWORK, "/run/netns/x"),)
    assert NamespaceType.NETWORK in read.config.namespaces
    assert validate(read.config) == []


@pytest.mark.parametrize("restricted", [False, True])
def test_the_fixed_mounts_are_those_of_then(restricted: bool) -> None:
    read = config_from_container_json(document(restrict_sys=restricted), "/srv")
    found = [
        (mount.type, mount.destination, int(mount.attrs), mount.data)
        for mount in read.config.base_mounts
    ]
    assert found == [
        ("proc", "/proc", 0xE, ()),
        ("tmpfs", "/dev", 0x22, ("mode=755",)),
        ("tmpfs", "/dev/shm", 0xE, ("mode=1777", "size=65536k")),
        (
            "devpts",
            "/dev/pts",
            0xA,
            ("newinstance", "ptmxmode=0666", "mode=620", "gid=5"),
        ),
        ("sysfs", "/sys", 0xF if restricted else 0xE, ()),
    ]


def test_a_bind_is_read_only_unless_writable() -> None:
    mounts = [
        {"type": "bind", "source": "/a", "destination": "/b", "private": True},
        {"type": "bind", "source": "/c", "destination": "d", "writable": True},
        {"type": "tmpfs", "destination": "/tmp"},
    ]
    read = config_from_container_json(
        document(mount_config={"mounts": mounts, "readonly_fs": True}), "/srv"
    )
    assert read.config.mounts == (
        Mount.bind("/a", "/b", read_only=True),
        Mount.bind("/c", "/d"),
    )
    assert read.config.readonly_rootfs is True
    assert read.warnings == (
        "mount_config.mounts[2].type: ignored: only 'bind' has an effect, not 'tmpfs'",
    )


@pytest.mark.parametrize(
    ("written", "kept"), [(99, "c"), (98, "b"), ("c", "c"), ("b", "b")]
)
def test_a_device_type_is_a_number_or_a_letter(written: object, kept: str) -> None:
    nodes = [{**NULL, "type": written}]
    read = config_from_container_json(
        document(mount_config={"device_nodes": nodes}), "/srv"
    )
    assert read.config.devices[0].type == kept


def test_null_is_the_same_as_absent() -> None:
    keys = dict.fromkeys(
        ("hostname", "networks", "cgroups", "tty", "capabilities", "environment")
    )
    nothing = config_from_container_json(document(**keys), "/srv").config
    assert nothing == config_from_container_json(document(), "/srv").config


def test_other_values_arrive() -> None:
    read = config_from_container_json(
        document(
            hostname="box",
            namespaces={"NEWNS": True, "NEWUTS": True, "NEWPID": False},
            working_dir="/tmp",
            environment=["A=1", "B=2=3", "A=4"],
            capabilities=["KILL"],
            tty=True,
            mount_config={"no_pivot_root": True},
        ),
        "/srv",
    )
    assert read.config.hostname == "box"
    assert read.config.no_pivot_root is True
    assert read.config.cwd == "/tmp"
    assert read.config.env == (("A", "4"), ("B", "2=3"))
    assert read.config.capabilities == Capabilities.of("KILL")
    assert read.config.namespaces == {"mount", "uts"}
    assert read.process_defaults["env"] == {"A": "4", "B": "2=3"}


NAMESPACES = {"NEWNS": True}

REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"mount_config": None}, ["mount_config: is required"]),
    ({"mount_config": []}, ["mount_config: must be an object, not list"]),
    (
        {"namespaces": {}},
        ["namespaces.NEWNS: must be true: this release requires it"],
    ),
    (
        {"namespaces": {**NAMESPACES, "NEWUSER": True}},
        [
            "namespaces.NEWUSER: cannot be used: a 1.2.0 configuration has no id maps"
            " for it"
        ],
    ),
    (
        {"namespaces": {**NAMESPACES, "NEWPID": 1}},
        ["namespaces.NEWPID: must be true or false, not int"],
    ),
    ({"hostname": 7}, ["hostname: must be a string, not int"]),
    ({"hostname": "x"}, ["hostname: can be set only with the namespace NEWUTS"]),
    ({"user": "1abc"}, ["user: is neither a number nor a name: '1abc'"]),
    ({"working_dir": "x"}, ["working_dir: must be an absolute path, not 'x'"]),
    ({"environment": ["A=1", "B"]}, ["environment[1]: has no '=': 'B'"]),
    ({"environment": ["=1"]}, ["environment[0]: is no name of a variable: ''"]),
    ({"environment": {}}, ["environment: must be a sequence of items, not dict"]),
    ({"environment": [7]}, ["environment[0]: must be a string, not int"]),
    (
        {"capabilities": ["KILL", "CHOWN", "SYS_ADMIN", "FOO"]},
        ["capabilities[3]: unknown capability 'FOO'"],
    ),
    ({"tty": "yes"}, ["tty: must be true or false, not str"]),
    (
        {"networks": [{"type": "netns"}]},
        ["networks[0].ns_path: must be an absolute path, not ''"],
    ),
    (
        {"networks": [{"type": "netns", "ns_path": "/a"}] * 2},
        ["networks[1].type: 'netns' is there already"],
    ),
    (
        {"networks": [{"type": "netns", "ns_path": 7}]},
        [
            "networks[0].ns_path: must be a string, not int",
            "networks[0].ns_path: must be an absolute path, not ''",
        ],
    ),
    (
        {"networks": [{"type": "loopback"}, {"type": "wifi"}]},
        ["networks[1].type: must be loopback, veth or netns: 'wifi'"],
    ),
    ({"networks": {}}, ["networks: must be a sequence of items, not dict"]),
    ({"apparmor_profile": 1}, ["apparmor_profile: must be a string, not int"]),
    ({"process_label": "x"}, ["process_label: must be user:role:type:level, not 'x'"]),
    ({"cgroups": {"memory": True}}, ["cgroups.memory: must be an integer, not bool"]),
    ({"cgroups": {"memory": -2}}, ["cgroups.memory: must be from -1 to"]),
    ({"cgroups": {"parent": "../x"}}, ["cgroups.parent: must not have '..'"]),
    ({"cgroups": {"freezer": "COLD"}}, ["cgroups.freezer: must be THAWED or FROZEN"]),
    ({"cgroups": {"name": 7}}, ["cgroups.name: must be a string, not int"]),
    (
        {"cgroups": {"allowed_devices": [{"type": 7, "major_number": "x"}]}},
        [
            "cgroups.allowed_devices[0].type: must be 99 ('c') or 98 ('b'), not 7",
            "cgroups.allowed_devices[0].cgroup_permissions: must be of 'rwm', not ''",
            "cgroups.allowed_devices[0].major_number: must be an integer, not str",
        ],
    ),
    (
        {"mount_config": {"mount_label": "x"}},
        ["mount_config.mount_label: must be user:role:type:level, not 'x'"],
    ),
    (
        {
            "mount_config": {
                "mounts": [
                    {"type": "bind", "source": "a", "destination": "/", "relabel": "z"}
                ]
            }
        },
        [
            "mount_config.mounts[0].source: must be an absolute path, not 'a'",
            "mount_config.mounts[0].destination: must not be '/'",
            "mount_config.mounts[0].relabel: is not supported by this release",
        ],
    ),
    (
        {
            "mount_config": {
                "mounts": [{"type": "bind", "source": "/a", "destination": "/proc/sys"}]
            }
        },
        ["mount_config.mounts[0].destination: nothing may be mounted below '/proc'"],
    ),
    (
        {"mount_config": {"device_nodes": [{**NULL, "type": 97}]}},
        ["mount_config.device_nodes[0].type: must be 99 ('c') or 98 ('b'), not 97"],
    ),
    (
        {"mount_config": {"device_nodes": [{**NULL, "path": "/null"}, NULL, NULL]}},
        [
            "mount_config.device_nodes[0].path: must be below '/dev', not '/null'",
            "mount_config.device_nodes[2].path: is the path of"
            " mount_config.device_nodes[1] already",
        ],
    ),
    (
        {"mount_config": {"device_nodes": [{**NULL, "file_mode": 512}]}},
        ["mount_config.device_nodes[0].file_mode: must be from 0 to 511, not 512"],
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[1][0][:60])
def test_a_wrong_key_is_told_with_its_path(
    case: tuple[dict[str, Any], list[str]],
) -> None:
    keys, expected = case
    found = problems(**keys)
    assert len(found) == len(expected), found
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


def test_everything_wrong_is_told_at_once() -> None:
    found = problems(
        hostname=7,
        capabilities=["FOO"],
        networks=[{"type": "veth"}],
        cgroups={"memory": "1"},
        apparmor_profile="a b",
        namespaces={},
        mount_config=None,
    )
    assert [text.partition(":")[0] for text in found] == [
        "mount_config",
        "namespaces.NEWNS",
        "networks[0].bridge",
        "networks[0].veth_prefix",
        "networks[0].address",
        "hostname",
        "capabilities[0]",
        "apparmor_profile",
        "cgroups.memory",
    ]


def test_the_labels_of_the_samples_arrive() -> None:
    def read(name: str) -> Config:
        data = (SAMPLES / f"{name}.json").read_bytes()
        return config_from_container_json(parse_container_json(data), "/srv").config

    minimal = read("minimal")
    assert minimal.apparmor_profile is None
    assert (minimal.process_label, minimal.mount_label) == (None, None)
    assert read("apparmor").apparmor_profile == "docker-default"
    labels = (read("selinux").process_label, read("selinux").mount_label)
    assert labels == (
        "system_u:system_r:svirt_lxc_net_t:s0:c164,c475",
        "system_u:object_r:svirt_lxc_net_t:s0:c164,c475",
    )


def test_what_has_no_effect_is_a_warning() -> None:
    assert warnings(bogus=1) == ("bogus: unknown key",)
    assert warnings(namespaces={**NAMESPACES, "NEWTIME": True}) == (
        "namespaces.NEWTIME: unknown namespace",
    )
    assert warnings(mount_config={"no_pivot_root": True, "x": 1}) == (
        "mount_config.x: unknown key",
    )
    assert warnings(networks=[{"type": "loopback", "y": 1}]) == (
        "networks[0].y: unknown key",
    )
    assert warnings(cgroups={"memory": 8, "memory_swap": 9}) == (
        "cgroups.memory_swap: ignored as in 1.2.0: it is twice the memory",
    )


@pytest.mark.parametrize(
    ("cgroups", "limits"),
    [
        ({}, {}),
        ({"memory": 8}, {"memory": 8, "memory_swap": 16}),
        ({"memory": 8, "memory_swap": -1}, {"memory": 8}),
        ({"memory_reservation": 5}, {"memory_reservation": 5}),
        (
            {"cpu_shares": 9, "cpu_quota": 8, "cpu_period": 7000},
            {"cpu_shares": 9, "cpu_quota": 8, "cpu_period": 7000},
        ),
        ({"cpu_shares": 0, "cpuset_cpus": ""}, {}),
        ({"cpuset_cpus": "0-1"}, {"cpuset_cpus": "0-1"}),
        ({"allow_all_devices": True}, {"devices": [DeviceRule(allow=True)]}),
        (
            {
                "allowed_devices": [
                    {
                        "type": 98,
                        "major_number": 8,
                        "minor_number": -1,
                        "cgroup_permissions": "mr",
                    }
                ]
            },
            {"devices": [DeviceRule(allow=True, type="b", major=8, access="rm")]},
        ),
    ],
)
def test_limits_arrive(cgroups: dict[str, Any], limits: dict[str, Any]) -> None:
    read = config_from_container_json(document(cgroups=cgroups), "/srv")
    assert read.config.resources == Resources(**limits)


@pytest.mark.parametrize(
    ("cgroups", "path"),
    [
        ({}, None),
        ({"name": "a"}, "a"),
        ({"name": "a", "parent": "b/c"}, "b/c/a"),
        ({"name": "a", "parent": "/b"}, "/b/a"),
    ],
)
def test_the_cgroup_is_below_its_parent(cgroups: Any, path: str | None) -> None:
    read = config_from_container_json(document(cgroups=cgroups), "/srv")
    assert read.config.cgroups_path == path


def test_strict_makes_what_is_unknown_a_problem() -> None:
    unknown = document(bogus=1, namespaces={**NAMESPACES, "NEWTIME": True})
    with pytest.raises(ConfigError) as caught:
        config_from_container_json(unknown, "/srv", strict=True)
    assert [str(problem) for problem in caught.value.problems] == [
        "bogus: unknown key",
        "namespaces.NEWTIME: unknown namespace",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1 column 1: expecting value"),
        (b'{"a": 1,\n  "b": }', "line 2 column 8: expecting value"),
        (b'{"a": 1} x', "line 1 column 10: extra data"),
        (b"[]", "must be an object"),
        (b"\xef\xbb\xbf{}", "line 1 column 1: byte order mark"),
        (b'{"a":\n "\xc3\xa4\xff"}', "line 2 column 4: not UTF-8: byte 0xff"),
        ('{"a": 1}'.encode("utf-16"), "line 1 column 1: not UTF-8: byte 0xff"),
        (b'{"a": 1, "a": 2}', "key 'a' is twice in one object"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": 1e400}', "number '1e400' is too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "has more than 20 characters"),
        (b'{"a": ' + b"[" * 100_000, "line 1 column 70: deeper than 64 levels"),
        (b" " * (16 * 1024 * 1024 + 1), "is larger than 16777216 bytes"),
        (b'{"a": "\x01"}', "line 1 column 8: invalid control character at"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_a_file_that_is_not_strict_json_is_refused(data: bytes, message: str) -> None:
    text = refusal(data)
    assert text.startswith("container.json: ")
    assert message in text


def test_texts_that_no_kernel_takes_are_refused_with_their_paths() -> None:
    data = rb'{"a": ["x\u0000"], "b": {"c": "\ud800"}, "d\u0000": 1}'
    assert refusal(data).split("\n") == [
        r"a[0]: has a NUL: 'x\x00'",
        r"b.c: is no Unicode text: '\ud800'",
        r"key 'd\x00' has a NUL: 'd\x00'",
    ]


def test_every_truncation_is_refused() -> None:
    data = (SAMPLES / "minimal.json").read_bytes().rstrip()
    for end in range(len(data)):
        with pytest.raises(ConfigError):
            parse_container_json(data[:end])


def test_brackets_in_a_string_are_not_depth() -> None:
    text = "[" * 100
    assert parse_container_json(json.dumps({"a": text, "b": '"' + text}).encode())


def test_a_string_that_is_never_closed_takes_linear_time() -> None:
    # A million attempts to find its end would take days.
    assert "unterminated" in refusal(b'{"a": "' + rb"\"" * 1_000_000)


def test_a_good_file_arrives_whole() -> None:
    data = '{"a": [1, 2.5, null, true, "ä"]}'.encode()
    assert parse_container_json(data) == {"a": [1, 2.5, None, True, "ä"]}


def test_a_document_is_written_as_the_old_encoder_did() -> None:
    text = to_container_json(
        {
            "tty": False,
            "user": "",
            "bogus": 1,
            "namespaces": {"NEWUTS": True, "NEWNS": False},
            "hostname": "a<b>&c",
            "environment": [],
            "capabilities": ["KILL"],
            "networks": [{"mtu": 0, "type": "loopback"}],
            "cgroups": {},
            "mount_config": {"device_nodes": [{"minor_number": 0, "type": 99}]},
        }
    )
    assert text == (
        "{\n"
        '\t"mount_config": {\n'
        '\t\t"device_nodes": [\n'
        "\t\t\t{\n"
        '\t\t\t\t"type": 99\n'
        "\t\t\t}\n"
        "\t\t]\n"
        "\t},\n"
        '\t"hostname": "a\\u003cb\\u003e\\u0026c",\n'
        '\t"namespaces": {\n'
        '\t\t"NEWNS": false,\n'
        '\t\t"NEWUTS": true\n'
        "\t},\n"
        '\t"capabilities": [\n'
        '\t\t"KILL"\n'
        "\t],\n"
        '\t"networks": [\n'
        "\t\t{\n"
        '\t\t\t"type": "loopback"\n'
        "\t\t}\n"
        "\t],\n"
        '\t"cgroups": {}\n'
        "}"
    )


def test_an_empty_document_is_written_as_one() -> None:
    assert to_container_json({"namespaces": {}, "tty": None}) == "{}"


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.json")), ids=lambda p: p.stem)
def test_a_written_document_is_read_back_the_same(sample: Path) -> None:
    parsed = parse_container_json(sample.read_bytes())
    written = to_container_json(parsed)
    assert to_container_json(parse_container_json(written.encode())) == written


@pytest.mark.parametrize(
    ("cgroups", "path"),
    [
        ({"slice": "s.slice", "parent": "docker", "name": "x"}, "s.slice:docker:x"),
        ({"slice": "s.slice", "name": "x"}, "s.slice::x"),
        ({"slice": "s.slice", "parent": "/a/b", "name": "x"}, "s.slice:a-b:x"),
        ({"slice": "s.slice"}, None),
        ({"parent": "docker", "name": "x"}, None),
        (None, None),
    ],
)
def test_a_slice_is_a_place_under_systemd(cgroups: Any, path: str | None) -> None:
    read = config_from_container_json(document(cgroups=cgroups), "/srv")
    assert read.systemd_path == path
    assert not read.frozen


def test_it_may_begin_frozen() -> None:
    cgroups = {"freezer": "FROZEN"}
    assert config_from_container_json(document(cgroups=cgroups), "/srv").frozen
