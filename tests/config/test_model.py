# SPDX-License-Identifier: Apache-2.0
"""The data classes: what may be written, and what is kept."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import attrs
import pytest

from libcontainer.config import (
    CAPABILITY_NUMBERS,
    DEFAULT_BASE_MOUNTS,
    DEFAULT_CAPABILITIES,
    RLIMIT_NUMBERS,
    Capabilities,
    Config,
    Device,
    Directory,
    IdMapping,
    Mount,
    MountAttr,
    NamespaceType,
    Overlay,
    Propagation,
    Rlimit,
    TimeOffset,
    config_from_json,
    config_to_json,
    thermal_throttle_paths,
)
from libcontainer.process import DEVNULL, PIPE, STDOUT, Process

FULL = Config(
    rootfs=Overlay(["/a", Path("/b")], upper="/u", work=Path("/w")),
    readonly_rootfs=True,
    namespaces=["mount", NamespaceType.USER, "pid", "uts", "time"],
    uid_mappings=[IdMapping(0, 1000, 1)],
    gid_mappings=[IdMapping(0, 1000, 1)],
    namespace_paths={"pid": "/proc/1/ns/pid"},
    time_offsets={"boottime": 7, "monotonic": TimeOffset(-1, 5)},
    keep_groups=True,
    hostname="box",
    domainname="example",
    mounts=[Mount.bind("/srv", "/srv", read_only=True), Mount.tmpfs("/tmp", size="1m")],
    devices=[Device("/dev/fuse", "c", 10, 229)],
    env={"A": "1", "B": "2"},
    additional_groups=[5, 6],
    capabilities=["kill"],
    rlimits=[Rlimit("nofile", 10, -1)],
    labels={"owner": "me"},
)


def test_a_config_without_arguments_is_on_the_hosts_own_root() -> None:
    config = Config()
    assert config.rootfs == Overlay.host() == Overlay("/")
    assert config.user == "0:0"
    assert config.no_new_privs is True
    assert config.umask == 0o022
    assert NamespaceType.USER not in config.namespaces


@pytest.mark.parametrize("config", [Config(), FULL], ids=["default", "full"])
def test_a_config_can_be_hashed_pickled_and_written_as_json(config: Config) -> None:
    assert hash(config) == hash(attrs.evolve(config))
    assert pickle.loads(pickle.dumps(config)) == config
    assert config_from_json(json.loads(json.dumps(config_to_json(config)))) == config


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Config().hostname = "other"  # type: ignore[misc]


def test_an_unknown_keyword_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        Config(rootfss="/")  # type: ignore[call-arg]


def test_namespaces_that_are_joined_are_kept_in_the_order_of_the_kinds() -> None:
    kept = ((NamespaceType.PID, "/p"), (NamespaceType.USER, "/u"))
    assert (
        Config(namespace_paths={"user": Path("/u"), "pid": "/p"}).namespace_paths
        == kept
    )
    assert (
        Config(namespace_paths=[["pid", "/p"], ["user", "/u"]]).namespace_paths == kept
    )  # type: ignore[arg-type]


def test_an_offset_of_a_clock_may_be_a_number_of_seconds() -> None:
    config = Config(time_offsets={"boottime": -7, "monotonic": TimeOffset(1, 5)})
    assert config.time_offsets == (
        ("monotonic", TimeOffset(1, 5)),
        ("boottime", TimeOffset(-7, 0)),
    )


@pytest.mark.parametrize("path", ["/srv", Path("/srv")])
def test_a_path_is_a_directory(path: str | Path) -> None:
    assert Config(rootfs=path).rootfs == Directory("/srv") == Directory(Path("/srv"))


def test_an_overlay_takes_one_layer_or_several() -> None:
    assert Overlay("/a").lower == Overlay(Path("/a")).lower == ("/a",)
    assert Overlay(["/top", Path("/base")]).lower == ("/top", "/base")


@pytest.mark.parametrize(
    "env",
    [
        {"A": "1", "B": "x=y"},
        ["A=1", "B=x=y"],
        [("A", "1"), ("B", "x=y")],
        [["A", "1"], "B=x=y"],
        ["A=0", "B=x=y", "A=1"],
    ],
)
def test_every_form_of_an_environment_is_kept_as_pairs(env: object) -> None:
    expected = (("A", "1"), ("B", "x=y"))
    assert Config(env=env).env == expected  # type: ignore[arg-type]
    assert Process(["x"], env=env).env == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("env", "kept"),
    [
        (["A"], ("A",)),
        ([3, "A=1"], (3, ("A", "1"))),
        (7, 7),
        ("A=1", "A=1"),
        ([([], "1")], (([], "1"),)),
        ([("a", "b", "c")], (("a", "b", "c"),)),
        ([{}], ({},)),
    ],
)
def test_what_is_no_environment_passes_unchanged(env: object, kept: object) -> None:
    assert Config(env=env).env == kept  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["kill", "KILL", "cap_kill", "CAP_KILL", "Cap_Kill"])
def test_a_capability_is_kept_in_the_kernels_spelling(name: str) -> None:
    assert Capabilities.of(name).bounding == frozenset({"CAP_KILL"})


def test_a_letter_outside_of_ascii_does_not_become_a_capability() -> None:
    # Its capital is an ASCII S.
    assert Capabilities.of("\u017fys_admin").bounding == {"\u017fys_admin"}


def test_a_list_of_capabilities_means_three_sets() -> None:
    sets = Config(capabilities=["kill"]).capabilities
    assert sets == Capabilities.of("KILL")
    assert sets.bounding == sets.effective == sets.permitted == {"CAP_KILL"}
    assert sets.inheritable == sets.ambient == frozenset()
    assert Capabilities.of("kill", ambient=True).ambient == {"CAP_KILL"}


def test_the_tables_are_the_kernels() -> None:
    assert len(CAPABILITY_NUMBERS) == 41
    assert CAPABILITY_NUMBERS["CAP_SYS_ADMIN"] == 21
    assert CAPABILITY_NUMBERS["CAP_CHECKPOINT_RESTORE"] == 40
    assert len(RLIMIT_NUMBERS) == 16
    assert RLIMIT_NUMBERS["RLIMIT_NOFILE"] == 7
    assert RLIMIT_NUMBERS["RLIMIT_RTTIME"] == 15
    assert len(DEFAULT_CAPABILITIES.bounding) == 14


def test_the_tables_agree_with_this_machines_headers() -> None:
    resource = pytest.importorskip("resource")
    for name, number in RLIMIT_NUMBERS.items():
        if hasattr(resource, name):
            assert getattr(resource, name) == number


@pytest.mark.parametrize(
    ("kind", "flag", "name"),
    [
        (NamespaceType.MOUNT, 0x00020000, "mnt"),
        (NamespaceType.CGROUP, 0x02000000, "cgroup"),
        (NamespaceType.UTS, 0x04000000, "uts"),
        (NamespaceType.IPC, 0x08000000, "ipc"),
        (NamespaceType.USER, 0x10000000, "user"),
        (NamespaceType.PID, 0x20000000, "pid"),
        (NamespaceType.NETWORK, 0x40000000, "net"),
        (NamespaceType.TIME, 0x00000080, "time"),
    ],
)
def test_a_namespace_has_the_kernels_flag_and_name(
    kind: NamespaceType, flag: int, name: str
) -> None:
    assert (kind.clone_flag, kind.proc_name) == (flag, name)
    assert Path(f"/proc/self/ns/{name}").is_symlink()


def test_a_propagation_has_the_kernels_flag() -> None:
    flags = {kind.value: kind.flag for kind in Propagation}
    assert flags == {
        "private": 1 << 18,
        "slave": 1 << 19,
        "shared": 1 << 20,
        "unbindable": 1 << 17,
    }


def test_a_bind_is_recursive_and_writable_by_default() -> None:
    mount = Mount.bind(Path("/srv"), Path("/data"))
    assert (mount.type, mount.source, mount.destination) == ("bind", "/srv", "/data")
    assert mount.recursive is True
    assert mount.attrs == MountAttr(0)
    strict = Mount.bind(
        "/a",
        "/b",
        read_only=True,
        recursive=False,
        nosuid=True,
        nodev=True,
        noexec=True,
    )
    assert strict.attrs == MountAttr(0xF)
    assert strict.recursive is False


def test_a_tmpfs_has_a_mode_and_a_size() -> None:
    assert Mount.tmpfs("/tmp").data == ("mode=1777",)
    assert Mount.tmpfs("/tmp", size=4096, mode=0o700).data == ("mode=0700", "size=4096")
    assert Mount.tmpfs("/tmp", mode="junk").data == ("mode=junk",)  # type: ignore[arg-type]
    assert Mount.tmpfs("/tmp").attrs == MountAttr.NOSUID | MountAttr.NODEV


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("/a/b", "/a/b"),
        ("//a/./b/", "/a/b"),
        ("/", "/"),
        ("/a/../b", "/a/../b"),
        ("a//b", "a//b"),
        (Path("/a"), "/a"),
    ],
)
def test_a_container_path_is_kept_short(written: str | Path, kept: str) -> None:
    assert Mount.tmpfs(written).destination == kept
    assert Config(masked_paths=[written]).masked_paths == (kept,)
    assert Device(str(written), "c").path == kept


def test_the_standard_mounts_are_those_of_runc_spec() -> None:
    found = [(m.type, m.destination) for m in DEFAULT_BASE_MOUNTS]
    assert found == [
        ("proc", "/proc"),
        ("tmpfs", "/dev"),
        ("devpts", "/dev/pts"),
        ("tmpfs", "/dev/shm"),
        ("mqueue", "/dev/mqueue"),
        ("sysfs", "/sys"),
    ]
    assert MountAttr.RDONLY in DEFAULT_BASE_MOUNTS[-1].attrs


def test_no_limit_has_two_spellings() -> None:
    assert Rlimit("nofile", 1, -1) == Rlimit("RLIMIT_NOFILE", 1, None)


def test_a_user_may_be_a_number() -> None:
    assert Config(user=1000).user == "1000"
    assert Process(["x"], user=0).user == "0"
    assert Process(["x"]).user is None


def test_a_process_is_equal_whatever_its_streams_are(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        assert Process(["ls"], stdout=file) == Process(("ls",), stdout=PIPE)
        assert hash(Process(["ls"], stdout=file)) == hash(Process(["ls"]))
    assert Process(["ls"]) != Process(["ls"], cwd="/")


def test_the_words_for_streams_are_those_of_subprocess() -> None:
    import subprocess

    words = (subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL)
    assert words == (PIPE, STDOUT, DEVNULL)


def test_each_processor_has_its_own_path_to_mask() -> None:
    assert thermal_throttle_paths(2) == (
        "/sys/devices/system/cpu/cpu0/thermal_throttle",
        "/sys/devices/system/cpu/cpu1/thermal_throttle",
    )
