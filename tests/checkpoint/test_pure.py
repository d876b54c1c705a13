# SPDX-License-Identifier: Apache-2.0
"""CRIU's language, what comes from outside, and what is refused; no root needed."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import libcontainer as lc
from libcontainer.checkpoint import external, manifest, rpc
from libcontainer.checkpoint import options as words
from libcontainer.checkpoint.cgroup_options import parse_options
from libcontainer.validate.criu import validate_criu
from tests.capabilities import criu_messages

HOST = external.parse_mountinfo(
    "20 1 8:1 / / rw - ext4 /dev/sda rw\n21 20 0:5 / /dev rw - devtmpfs dev rw\n"
    "22 20 0:20 / /proc rw - proc proc rw\n"
)
INSIDE = """\
50 1 8:1 /srv / rw - ext4 /dev/sda rw
51 50 0:40 / /proc rw - proc proc rw
52 51 0:5 /null /proc/keys rw - devtmpfs dev rw
53 50 8:1 /data /my\\040data rw - ext4 /dev/sda rw
54 53 0:5 /deep /my\\040data/deep rw - devtmpfs dev rw
55 50 0:41 / /dev rw - tmpfs tmpfs rw
"""


def config(**fields: Any) -> lc.Config:
    fields.setdefault("mounts", [lc.Mount.bind("/data", "/my data")])
    return lc.Config(rootfs="/srv", **fields)


def test_mounts_from_outside_are_found_and_explained() -> None:
    inside = external.parse_mountinfo(INSIDE)
    found = external.external_mounts(config(), inside, HOST, {})
    assert found == ("/proc/keys", "/my data", "/my data/deep")
    sources = [external.source_of(config(), point, {}) for point in found]
    assert sources == ["/dev/null", "/data", "/data/deep"]


def test_a_mount_from_outside_that_nobody_asked_for_is_an_error() -> None:
    inside = external.parse_mountinfo(INSIDE)
    with pytest.raises(lc.CriuError, match="'/my data' is of the host"):
        external.external_mounts(config(mounts=[]), inside, HOST, {})


def test_a_bind_that_is_not_recursive_explains_itself_only() -> None:
    plain = config(mounts=[lc.Mount.bind("/data", "/my data", recursive=False)])
    assert external.source_of(plain, "/my data", {}) == "/data"
    with pytest.raises(lc.CriuError):
        external.source_of(plain, "/my data/deep", {})


def test_its_directories_of_v1_are_those_of_the_container_that_is_made() -> None:
    mount = lc.Mount(destination="/sys/fs/cgroup", type="cgroup")
    inside = external.parse_mountinfo(
        "50 1 0:40 / / rw - tmpfs tmpfs rw\n"
        "51 50 0:30 /box /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup ro,cpu\n"
    )
    cgroup = {"cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct/box"}
    shared = config(mounts=[mount], namespaces=[lc.NamespaceType.MOUNT])
    (point,) = external.external_mounts(shared, inside, HOST, cgroup)
    assert point == "/sys/fs/cgroup/cpu,cpuacct"
    assert external.source_of(shared, point, {"cpu,cpuacct": "/g/back"}) == "/g/back"
    own = config(mounts=[mount])
    assert external.external_mounts(own, inside, HOST, cgroup) == ()


@pytest.mark.parametrize(
    ("link", "mount_id", "key"),
    [
        ("pipe:[12]", 9, "pipe:[12]"),
        ("socket:[7]", 9, "socket:[7]"),
        ("/dev/null", 20, "file[14:ff]"),
        ("/dev/null", 55, None),
        ("anon_inode:[eventfd]", 9, None),
    ],
)
def test_a_stream_has_a_key_if_it_is_from_outside(
    link: str, mount_id: int, key: str | None
) -> None:
    assert external.file_key(link, mount_id, 255, frozenset({50, 55})) == key


def test_the_note_is_read_as_it_was_written() -> None:
    note = manifest.Manifest(
        mounts=("/a",), streams=("pipe:[1]", None, "file[a:b]"), args=("sh", "-c")
    )
    assert manifest.parse(manifest.dump(note)) == note


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    with pytest.raises(lc.CriuError, match=r"libcontainer\.json"):
        manifest.parse(data)


SAMPLE: dict[str, Any] = {
    "type": 2,
    "opts": {
        "images_dir_fd": 7,
        "pid": 2**31 - 1,
        "leave_running": True,
        "root": "/srv/ä",
        "ext_mnt": [{"key": "/a", "val": "b"}, {"key": "/c", "val": "d"}],
        "inherit_fd": [{"key": "pipe:[1]", "fd": 300}],
        "external": ["file[1:2]", "x"],
        "cg_root": [{"ctrl": "cpu", "path": "/x"}],
        "ps": {"address": "::1", "port": 65535},
        "ghost_limit": 2**32 - 1,
        "lsm_profile": None,
    },
    "notify_success": False,
}


@pytest.mark.needs("criu_messages")
def test_every_message_is_what_protocol_buffers_make_of_it() -> None:
    messages = criu_messages()
    theirs = messages.criu_req()
    theirs.ParseFromString(rpc.encode("request", SAMPLE))
    assert theirs.opts.root == "/srv/ä"
    assert [(m.key, m.val) for m in theirs.opts.ext_mnt] == [("/a", "b"), ("/c", "d")]
    assert theirs.opts.ps.port == 65535
    assert theirs.opts.ghost_limit == 2**32 - 1
    assert not theirs.opts.HasField("lsm_profile")
    assert theirs.opts.external == ["file[1:2]", "x"]


@pytest.mark.needs("criu_messages")
def test_every_field_has_its_number_and_its_type() -> None:
    messages = criu_messages()
    ours = {"request": "criu_req", "response": "criu_resp", "options": "criu_opts"}
    ours |= {"restored": "criu_restore_resp", "notify": "criu_notify"}
    ours |= {"features": "criu_features", "version": "criu_version"}
    ours |= {"page_server": "criu_page_server_info", "ext_mount": "ext_mount_map"}
    ours |= {"inherit_fd": "inherit_fd", "cgroup_root": "cgroup_root"}
    assert set(ours) == set(rpc.MESSAGES)
    for kind, name in ours.items():
        theirs = getattr(messages, name).DESCRIPTOR.fields_by_name
        for field, (number, of, repeats) in rpc.MESSAGES[kind].items():
            assert theirs[field].number == number, field
            assert theirs[field].is_repeated == repeats, field
            kinds = {"bool": (8,), "text": (9,), "int": (5, 13, 14)}.get(of, (11,))
            assert theirs[field].type in kinds, field


@pytest.mark.needs("criu_messages")
@pytest.mark.parametrize("mode", ["ignore", "soft", "full", "strict"])
@pytest.mark.parametrize("lock", ["iptables", "nftables", "skip"])
def test_a_word_is_the_number_that_criu_has_for_it(mode: str, lock: str) -> None:
    messages = criu_messages()
    options = lc.CriuOptions(manage_cgroups=mode, network_lock=lock)
    asked = words.common(options, images=1, work=2)
    assert asked["manage_cgroups_mode"] == messages.criu_cg_mode.Value(mode.upper())
    wanted = messages.criu_network_lock_method.Value(lock.upper())
    assert asked["network_lock"] == wanted


@pytest.mark.needs("criu_messages")
def test_an_answer_of_theirs_is_read() -> None:
    answer = criu_messages().criu_resp()
    answer.type, answer.success, answer.cr_errno = 2, False, -5
    answer.cr_errmsg = "no"
    answer.restore.pid = 77
    answer.status = 3
    found = rpc.decode("response", answer.SerializeToString())
    assert found == {
        "type": 2,
        "success": False,
        "cr_errno": -5,
        "cr_errmsg": "no",
        "restore": {"pid": 77},
    }


@settings(deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_an_answer_or_a_value_error(data: bytes) -> None:
    try:
        rpc.decode("response", data)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("fields", "restores", "paths"),
    [
        ({"leave_running": 1}, False, ["leave_running"]),
        ({"timeout_seconds": 0, "criu": "a\0"}, False, ["criu", "timeout_seconds"]),
        ({"parent": "/abs"}, False, ["parent"]),
        ({"page_server": ("h", 0)}, False, ["page_server[1]"]),
        ({"page_server": "h:1"}, False, ["page_server"]),
        ({"manage_cgroups": "ignore"}, True, ["manage_cgroups"]),
        ({"manage_cgroups": "strict"}, True, ["manage_cgroups"]),
        ({"manage_cgroups": "some"}, True, ["manage_cgroups"]),
        ({"network_lock": "none"}, True, ["network_lock"]),
        ({"tcp_close": True}, False, ["tcp_close"]),
        ({"leave_running": True}, True, ["leave_running"]),
        ({"tcp_close": True, "tcp_established": True}, True, ["tcp_close"]),
        ({"ghost_limit": 2**32}, False, ["ghost_limit"]),
        ({"status_fd": 3}, False, ["status_fd"]),
        ({"pre_dump": True, "lazy_pages": True}, False, ["lazy_pages"]),
        ({"lsm_profile": "a\nb"}, True, ["lsm_profile"]),
    ],
)
def test_wrong_options_are_told_by_their_path(
    fields: dict[str, Any], restores: bool, paths: list[str]
) -> None:
    problems = validate_criu(lc.CriuOptions(**fields), restores=restores)
    assert [problem.path for problem in problems] == paths


def test_the_module_is_not_loaded_with_the_package() -> None:
    importlib.import_module("libcontainer.container")
    assert "libcontainer.config.criu" in sys.modules  # this file uses it
    errors = lc.CriuError("dump", "why", errno=28, log="x")
    assert str(errors) == "criu dump: why [ENOSPC]\nlog: x"


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        ("cgroup2 cgroup2 rw", set()),
        ("cgroup2 cgroup rw,nsdelegate", {"nsdelegate"}),
        (
            "cgroup2 none rw,seclabel,nsdelegate,memory_recursiveprot",
            {"nsdelegate", "memory_recursiveprot"},
        ),
        ("cgroup cgroup rw,memory", set()),
    ],
)
def test_the_options_of_cgroup_v2_are_the_machines(rest: str, found: set[str]) -> None:
    first = "24 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw,nsdelegate\n"
    line = f"37 24 0:33 / /sys/fs/cgroup rw,relatime shared:9 - {rest}\n"
    assert parse_options(first + line) == found
    assert parse_options(first) == set()
