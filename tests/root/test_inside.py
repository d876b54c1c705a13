# SPDX-License-Identifier: Apache-2.0
"""What a program sees from inside its container."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.root.conftest import Observe
from tests.root.expectation import NAMESPACE_FILES

KERNEL = tuple(int(word) for word in os.uname().release.split(".")[:2])

pytestmark = pytest.mark.needs("root", "rootfs")

_MAPS: dict[str, Any] = {
    "uid_mappings": [lc.IdMapping(0, 100000, 65536)],
    "gid_mappings": [lc.IdMapping(0, 100000, 65536)],
}
_ALL = ("mount", "pid", "network", "ipc", "uts", "cgroup")


def _host_namespace(name: str) -> int:
    return Path(f"/proc/self/ns/{name}").stat().st_ino


def _caps(seen: dict[str, Any], name: str) -> int:
    return int(seen["status"][name], 16)


def _mount(seen: dict[str, Any], path: str) -> list[str]:
    lines = [line.split() for line in seen["mountinfo"]]
    return [line for line in lines if line[4] == path][-1]


def _options(seen: dict[str, Any], path: str) -> set[str]:
    return set(_mount(seen, path)[5].split(","))


@pytest.mark.parametrize("name", _ALL)
def test_a_default_container_has_its_own_namespace_of_each_kind(
    observe: Observe, name: str
) -> None:
    assert observe()["namespaces"][NAMESPACE_FILES[name]] != _host_namespace(
        NAMESPACE_FILES[name]
    )


@pytest.mark.parametrize("name", ["pid", "network", "ipc", "uts", "cgroup"])
def test_a_namespace_that_is_left_out_is_the_hosts(observe: Observe, name: str) -> None:
    seen = observe(namespaces=set(_ALL) - {name})
    file = NAMESPACE_FILES[name]
    assert seen["namespaces"][file] == _host_namespace(file)
    assert seen["namespaces"]["mnt"] != _host_namespace("mnt")


def test_the_user_namespace_has_the_maps_of_the_config(observe: Observe) -> None:
    seen = observe(
        namespaces=[*_ALL, "user"],
        uid_mappings=[lc.IdMapping(0, 100000, 1000), lc.IdMapping(1000, 300000, 500)],
        gid_mappings=[lc.IdMapping(0, 100000, 1000)],
    )
    assert seen["namespaces"]["user"] != _host_namespace("user")
    assert [line.split() for line in seen["uid_map"]] == [
        ["0", "100000", "1000"],
        ["1000", "300000", "500"],
    ]
    assert [line.split() for line in seen["gid_map"]] == [["0", "100000", "1000"]]
    assert seen["uid"] == [0, 0, 0]
    assert seen["dev"]["null"]["type"] == "char"
    assert (seen["dev"]["null"]["major"], seen["dev"]["null"]["minor"]) == (1, 3)


def test_the_time_namespace_is_a_new_one(observe: Observe) -> None:
    seen = observe(namespaces=[*_ALL, "time"])
    assert seen["namespaces"]["time"] != _host_namespace("time")


def test_user_and_time_namespaces_go_together(observe: Observe) -> None:
    seen = observe(namespaces=[*_ALL, "user", "time"], **_MAPS)
    assert seen["namespaces"]["time"] != _host_namespace("time")
    assert seen["namespaces"]["user"] != _host_namespace("user")


def test_the_program_is_process_1_of_its_pid_namespace(observe: Observe) -> None:
    seen = observe()
    assert (seen["pid"], seen["ppid"], seen["sid"]) == (1, 0, 1)


def test_hostname_and_domainname_are_set_and_the_hosts_are_not(
    observe: Observe,
) -> None:
    before = socket.gethostname()
    seen = observe(hostname="box", domainname="example.org")
    assert (seen["hostname"], seen["domainname"]) == ("box", "example.org")
    assert socket.gethostname() == before


def test_the_standard_mounts_are_there_with_their_attributes(observe: Observe) -> None:
    seen = observe()
    assert {"nosuid", "nodev", "noexec"} <= _options(seen, "/proc")
    assert {"ro", "nosuid", "nodev", "noexec"} <= _options(seen, "/sys")
    assert {"nosuid", "noexec"} <= _options(seen, "/dev/pts")
    assert {"nosuid", "nodev", "noexec"} <= _options(seen, "/dev/shm")
    assert "nosuid" in _options(seen, "/dev")
    kinds = {
        line.split()[4]: line.split(" - ")[1].split()[0] for line in seen["mountinfo"]
    }
    assert kinds["/proc"] == "proc"
    assert kinds["/sys"] == "sysfs"
    assert kinds["/dev/mqueue"] == "mqueue"


def test_nothing_of_the_host_is_mounted_in_the_container(observe: Observe) -> None:
    masked = ("/proc/", "/sys/", "/dev/")
    own = {"/", "/proc", "/dev", "/sys"}
    for line in observe()["mountinfo"]:
        path = line.split()[4]
        assert path in own or path.startswith(masked), line


def test_the_mounts_do_not_propagate_to_the_host(observe: Observe) -> None:
    for line in observe()["mountinfo"]:
        assert "shared:" not in line
        assert "master:" not in line


def test_the_default_devices_and_links_are_there(observe: Observe) -> None:
    dev = observe()["dev"]
    numbers = {
        name: (entry["type"], entry["major"], entry["minor"], entry["mode"])
        for name, entry in dev.items()
        if entry["type"] == "char" and "/" not in name
    }
    expected = {
        "null": (1, 3),
        "zero": (1, 5),
        "full": (1, 7),
        "random": (1, 8),
        "urandom": (1, 9),
        "tty": (5, 0),
    }
    for name, (major, minor) in expected.items():
        assert numbers[name] == ("char", major, minor, 0o666)
    links = {name: e["target"] for name, e in dev.items() if e["type"] == "symlink"}
    assert links["fd"] == "/proc/self/fd"
    assert links["stdin"] == "/proc/self/fd/0"
    assert links["stdout"] == "/proc/self/fd/1"
    assert links["stderr"] == "/proc/self/fd/2"
    assert links["ptmx"] == "pts/ptmx"
    assert links["core"] == "/proc/kcore"


def test_a_device_of_the_config_has_its_number_mode_and_owner(
    observe: Observe,
) -> None:
    device = lc.Device(
        path="/dev/net/tun", type="c", major=10, minor=200, mode=0o620, uid=7, gid=8
    )
    dev = observe("--probe", "/dev/net/tun", devices=[device])["dev"]
    assert "null" not in dev
    seen = observe(devices=[*lc.Config().devices, device])
    assert seen["dev"]["null"]["minor"] == 3


def test_device_owner_and_mode_are_exact_whatever_the_callers_umask(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    device = lc.Device(
        path="/dev/thing", type="c", major=1, minor=3, mode=0o626, uid=7, gid=8
    )
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)), devices=[*lc.Config().devices, device]
    )
    before = os.umask(0o777)
    try:
        done = lc.run(
            ["stat", "-c", "%t:%T %a %u:%g", "/dev/thing"],
            config=config,
            factory=factory,
            capture_output=True,
            text=True,
        )
    finally:
        os.umask(before)
    assert done.stdout == "1:3 626 7:8\n", done.stderr


@pytest.mark.parametrize("user", [False, True], ids=["root", "user namespace"])
def test_a_named_pipe_is_made(
    factory: lc.Factory, busybox_rootfs: Path, user: bool
) -> None:
    pipe = lc.Device("/dev/some/pipe", "p", mode=0o626, uid=7, gid=8)
    wishes: dict[str, Any] = dict(_MAPS, namespaces=[*_ALL, "user"]) if user else {}
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        devices=[*lc.Config().devices, pipe],
        **wishes,
    )
    script = (
        "stat -c '%F %a %u:%g' /dev/some/pipe;"
        " (echo words >/dev/some/pipe &); cat /dev/some/pipe"
    )
    done = lc.run(
        ["sh", "-c", script],
        config=config,
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "fifo 626 7:8\nwords\n", done.stderr


def test_fuse_is_there_if_it_is_wanted(observe: Observe) -> None:
    assert "fuse" not in observe()["dev"]
    dev = observe(devices=[*lc.Config().devices, lc.Device.fuse()])["dev"]
    assert (dev["fuse"]["type"], dev["fuse"]["major"], dev["fuse"]["minor"]) == (
        "char",
        10,
        229,
    )


def test_devices_of_the_host_are_made_in_a_container(observe: Observe) -> None:
    devices = [lc.host_device("/dev/zero", "/dev/many/zeros"), *lc.host_devices()]
    dev = observe("--probe", "/dev/many/zeros", devices=devices)
    assert dev["probes"]["/dev/many/zeros"]["read"] is None
    names = {d.path.removeprefix("/dev/") for d in devices if d.path.count("/") == 2}
    assert names <= set(dev["dev"])


def test_a_bind_mount_shows_the_source_and_takes_writes(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("content")
    done = lc.run(
        ["sh", "-c", "cat /data/file; echo new > /data/new"],
        rootfs=lc.Overlay(str(busybox_rootfs)),
        mounts=[lc.Mount.bind(str(tmp_path), "/data")],
        factory=factory,
        capture_output=True,
    )
    assert done.stdout == b"content"
    assert (tmp_path / "new").read_text() == "new\n"


def test_a_read_only_bind_mount_cannot_be_written(
    observe: Observe, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("content")
    seen = observe(mounts=[lc.Mount.bind(str(tmp_path), "/made/here", read_only=True)])
    assert "ro" in _options(seen, "/made/here")


def test_a_file_is_bound_on_a_file_that_is_made(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    source = tmp_path / "hosts"
    source.write_text("127.0.0.1 here\n")
    done = lc.run(
        ["cat", "/made/for/it"],
        rootfs=lc.Overlay(str(busybox_rootfs)),
        mounts=[lc.Mount.bind(str(source), "/made/for/it")],
        factory=factory,
        capture_output=True,
    )
    assert done.stdout == b"127.0.0.1 here\n"


@pytest.mark.parametrize("recursive", [True, False])
def test_a_bind_brings_the_mounts_beneath_it_only_if_recursive(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path, recursive: bool
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    os.system(f"mount -t tmpfs tmpfs {inner}")
    try:
        (inner / "file").write_text("")
        done = lc.run(
            ["ls", "/data/inner"],
            rootfs=lc.Overlay(str(busybox_rootfs)),
            mounts=[lc.Mount.bind(str(tmp_path), "/data", recursive=recursive)],
            factory=factory,
            capture_output=True,
        )
    finally:
        os.system(f"umount {inner}")
    assert done.stdout == (b"file\n" if recursive else b"")


def test_a_read_only_rootfs_refuses_writes_and_a_writable_one_does_not(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    for readonly, expected in ((True, 1), (False, 0)):
        config = lc.Config(
            rootfs=lc.Overlay(str(busybox_rootfs)), readonly_rootfs=readonly
        )
        done = lc.run(
            ["sh", "-c", "echo > /new"],
            config=config,
            factory=factory,
            capture_output=True,
        )
        assert done.returncode == expected, done.stderr


def test_an_overlay_never_changes_its_lower_layer(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    before = sorted(str(path) for path in busybox_rootfs.rglob("*"))
    done = lc.run(
        ["sh", "-c", "echo x > /new && rm /etc/group && cat /new"],
        rootfs=lc.Overlay(str(busybox_rootfs)),
        factory=factory,
        capture_output=True,
    )
    assert done.stdout == b"x\n"
    assert sorted(str(path) for path in busybox_rootfs.rglob("*")) == before


def test_an_overlay_keeps_what_is_written_in_its_upper_layer(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    upper, work = tmp_path / "upper:,layer", tmp_path / "work"
    upper.mkdir()
    work.mkdir()
    rootfs = lc.Overlay(str(busybox_rootfs), upper=str(upper), work=str(work))
    if KERNEL < (6, 5):
        # The kernel takes no option with a comma there.
        with pytest.raises(lc.StepError) as caught:
            lc.run(["touch", "/kept"], rootfs=rootfs, factory=factory)
        assert "comma" in (caught.value.hint or "")
        return
    done = lc.run(["touch", "/kept"], rootfs=rootfs, factory=factory)
    assert done.returncode == 0
    assert (upper / "kept").exists()


def test_the_upper_lower_layer_hides_the_ones_beneath(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    layer = tmp_path / "layer"
    (layer / "etc").mkdir(parents=True)
    (layer / "etc" / "passwd").write_text("other:x:5:6::/there:/bin/sh\n")
    done = lc.run(
        ["sh", "-c", "cat /etc/passwd; id -u; echo $HOME"],
        rootfs=lc.Overlay([str(layer), str(busybox_rootfs)]),
        user="other",
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "other:x:5:6::/there:/bin/sh\n5\n/there\n", done.stderr


def test_a_size_limits_the_ephemeral_layer(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    done = lc.run(
        ["dd", "if=/dev/zero", "of=/big", "bs=1k", "count=2048"],
        rootfs=lc.Overlay(str(busybox_rootfs), size=1024 * 1024),
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "No space left" in done.stderr


def test_the_embedded_default_runs_the_hosts_programs(factory: lc.Factory) -> None:
    done = lc.run(["/bin/sh", "-c", "id -u"], factory=factory, capture_output=True)
    assert done.stdout == b"0\n"


def test_masked_paths_are_empty_and_cannot_be_written(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    script = (
        "wc -c < /proc/keys; wc -c < /proc/timer_list; ls /sys/firmware | wc -l;"
        " ls /proc/acpi | wc -l; echo x > /proc/sys/kernel/panic"
    )
    done = lc.run(
        ["sh", "-c", script],
        rootfs=lc.Overlay(str(busybox_rootfs)),
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["0", "0", "0", "0"]
    assert "Read-only file system" in done.stderr


def test_paths_of_the_config_are_masked_or_read_only(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        masked_paths=["/etc/passwd", "/home", "/absent/path"],
        readonly_paths=["/var", "/absent"],
    )
    done = lc.run(
        ["sh", "-c", "wc -c < /etc/passwd; echo > /var/x; echo > /home/x"],
        config=config,
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "0\n"
    assert done.stderr.count("Read-only file system") == 2


def test_environment_is_the_configured_one_and_nothing_else(
    observe: Observe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    seen = observe(env={"A": "1", "B": "two words"})
    assert seen["env"] == ["A=1", "B=two words", "HOME=/root"]


def test_the_last_of_two_equal_environment_keys_wins(observe: Observe) -> None:
    seen = observe(env=["A=1", "B=2", "A=3"])
    assert sorted(seen["env"]) == ["A=3", "B=2", "HOME=/root"]


def test_home_comes_from_passwd_unless_it_is_given(observe: Observe) -> None:
    assert "HOME=/home" in observe(user="user")["env"]
    assert "HOME=/x" in observe(user="user", env={"HOME": "/x"})["env"]


def test_the_working_directory_is_made_if_it_is_absent(observe: Observe) -> None:
    assert observe(cwd="/made/up/here")["cwd"] == "/made/up/here"


def test_a_working_directory_behind_a_magic_link_is_refused(observe: Observe) -> None:
    with pytest.raises(lc.LibcontainerError):
        observe(cwd="/proc/self/fd/5")


@pytest.mark.parametrize(
    ("user", "uid", "gid", "groups"),
    [
        ("0:0", 0, 0, []),
        ("user", 1000, 1000, [29, 44]),
        ("1000", 1000, 1000, [29, 44]),
        ("user:audio", 1000, 29, []),
        ("12345:54321", 12345, 54321, []),
    ],
)
def test_users_are_looked_up_in_the_rootfs(
    observe: Observe, user: str, uid: int, gid: int, groups: list[int]
) -> None:
    seen = observe(user=user)
    assert seen["uid"] == [uid] * 3
    assert seen["gid"] == [gid] * 3
    assert [g for g in seen["groups"] if g != gid] == groups


def test_additional_groups_replace_those_of_the_rootfs(observe: Observe) -> None:
    seen = observe(user="1000:1000", additional_groups=[5, 6])
    assert [g for g in seen["groups"] if g != 1000] == [5, 6]


def test_the_callers_groups_are_not_kept(factory: lc.Factory, observe: Observe) -> None:
    before = os.getgroups()
    os.setgroups([7, 8, 9])
    try:
        assert observe()["groups"] in ([], [0])
    finally:
        os.setgroups(before)


def test_umask_is_the_configured_one(observe: Observe) -> None:
    assert observe()["umask"] == 0o022
    assert observe(umask=0o077)["umask"] == 0o077


def test_capabilities_are_exactly_the_list_in_three_sets(observe: Observe) -> None:
    seen = observe(capabilities=lc.Capabilities.of("CHOWN", "CAP_KILL"))
    wanted = 1 << 0 | 1 << 5
    assert _caps(seen, "CapBnd") == wanted
    assert _caps(seen, "CapPrm") == wanted
    assert _caps(seen, "CapEff") == wanted
    assert _caps(seen, "CapInh") == 0
    assert _caps(seen, "CapAmb") == 0
    assert seen["securebits"] == 0
    assert seen["keepcaps"] == 0


def test_the_five_capability_sets_are_told_apart(observe: Observe) -> None:
    sets = lc.Capabilities(
        bounding=["CHOWN", "KILL", "NET_RAW"],
        permitted=["CHOWN", "KILL"],
        effective=["CHOWN"],
        inheritable=["KILL"],
        ambient=["KILL"],
    )
    seen = observe(capabilities=sets, user="1000:1000")
    assert _caps(seen, "CapBnd") == 1 << 0 | 1 << 5 | 1 << 13
    assert _caps(seen, "CapInh") == 1 << 5
    assert _caps(seen, "CapAmb") == 1 << 5
    # execve of a user without file capabilities keeps the ambient set only.
    assert _caps(seen, "CapPrm") == _caps(seen, "CapEff") == 1 << 5


def test_another_user_than_root_has_no_capabilities(observe: Observe) -> None:
    seen = observe(user="1000:1000")
    assert _caps(seen, "CapPrm") == _caps(seen, "CapEff") == _caps(seen, "CapAmb") == 0


@pytest.mark.parametrize("wanted", [True, False])
def test_no_new_privs_is_set_as_wanted(observe: Observe, wanted: bool) -> None:
    assert observe(no_new_privs=wanted)["no_new_privs"] == int(wanted)


def test_rlimits_are_set(observe: Observe) -> None:
    limits = [
        lc.Rlimit("RLIMIT_NOFILE", 100, 200),
        lc.Rlimit("CORE", 0, 0),
        lc.Rlimit("RLIMIT_CPU", 10, None),
    ]
    seen = observe(rlimits=limits)["rlimits"]
    assert seen["nofile"] == [100, 200]
    assert seen["core"] == [0, 0]
    assert seen["cpu"] == [10, -1]
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] != 100


def test_no_descriptor_of_the_caller_is_there(observe: Observe) -> None:
    held = os.open("/", os.O_RDONLY)
    os.set_inheritable(held, True)
    try:
        assert set(observe()["fds"]) == {"0", "1", "2"}
    finally:
        os.close(held)


def test_extra_descriptors_are_numbered_from_3_in_order(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    first, second = os.pipe(), os.pipe()
    process = lc.Process(
        ["sh", "-c", "echo one >&3; echo two >&4; ls /proc/self/fd"],
        stdout=lc.PIPE,
        pass_fds=[second[1], first[1]],
    )
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    try:
        with factory.create("fds", config) as container, container.run(process) as p:
            out, _ = p.communicate()
        assert os.read(second[0], 10) == b"one\n"
        assert os.read(first[0], 10) == b"two\n"
        assert out is not None
        assert out.split()[:5] == [b"0", b"1", b"2", b"3", b"4"]
    finally:
        for fd in (*first, *second):
            os.close(fd)


def test_signals_are_reset_whatever_the_caller_ignores_or_blocks(
    observe: Observe,
) -> None:
    import signal

    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    ignored = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        seen = observe()
    finally:
        signal.signal(signal.SIGUSR1, ignored)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert seen["blocked_signals"] == []
    assert seen["ignored_signals"] == []


def test_the_loopback_interface_is_up(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    done = lc.run(
        ["ip", "addr", "show", "lo"],
        rootfs=lc.Overlay(str(busybox_rootfs)),
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert "LOOPBACK,UP" in done.stdout
    assert "127.0.0.1/8" in done.stdout


def test_a_program_is_found_in_the_containers_path(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)), env={"PATH": "/absent:/bin"}
    )
    done = lc.run(
        ["echo", "found"], config=config, factory=factory, capture_output=True
    )
    assert done.stdout == b"found\n"


def test_a_terminal_is_of_the_containers_own_devpts(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    process = lc.Process(
        ["sh", "-c", "tty; stty size; ls -l /dev/console; cat"],
        terminal=True,
        console_size=(33, 99),
        user="1000:1000",
    )
    with factory.create("tty", config) as container:
        handle = container.run(process)
        assert handle.terminal is not None
        os.write(handle.terminal, b"typed\n\x04")
        seen = b""
        try:
            while chunk := os.read(handle.terminal, 1000):
                seen += chunk
        except OSError:
            pass
        handle.wait()
        handle.close()
    assert b"/dev/pts/0" in seen
    assert b"33 99" in seen
    assert b"typed" in seen


def test_the_helper_is_never_seen_by_a_later_process(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    done = lc.run(
        ["sh", "-c", "readlink /proc/1/exe; cat /proc/1/comm"],
        rootfs=lc.Overlay(str(busybox_rootfs)),
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert "libcontainer" not in done.stdout
