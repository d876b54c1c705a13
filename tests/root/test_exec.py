# SPDX-License-Identifier: Apache-2.0
"""What else can be done in a running container: processes, tools, nodes."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.faults.launches import children
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

_USER: dict[str, Any] = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, 100000, 65536)],
    "gid_mappings": [lc.IdMapping(0, 100000, 65536)],
}
_SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")
_SLEEP = lc.Process(["sleep", "1000"])


@pytest.fixture(params=["plain", "user namespace", "created"])
def container(
    request: pytest.FixtureRequest, factory: lc.Factory, init_rootfs: Path
) -> Iterator[lc.Container]:
    """A container with an init process, which runs or waits at the gate."""
    wishes = _USER if request.param == "user namespace" else {}
    config = lc.Config(rootfs=lc.Overlay(str(init_rootfs)), **wishes)
    with factory.create(new_id(), config) as made:
        if request.param == "created":
            made.prepare(_SLEEP)
        else:
            made.run(_SLEEP)
        yield made


def _output(container: lc.Container, *args: str) -> str:
    process = container.exec(lc.Process(args, stdout=lc.PIPE))
    out, _ = process.communicate()
    process.wait()
    process.close()
    return (out or b"").decode()


def _host(container: lc.Container, *args: str, **wishes: Any) -> str:
    with container.exec_host(args, stdout=lc.PIPE, **wishes) as process:
        out, _ = process.communicate()
        assert process.wait() == lc.ExitStatus(code=0)
    return (out or b"").decode()


# -- processes


def test_a_process_of_an_oci_object_is_what_the_object_says(
    container: lc.Container,
) -> None:
    document = {
        "args": ["/test_init", "x"],
        "cwd": "/tmp",
        "env": ["A=b"],
        "user": {"uid": 7, "gid": 8, "umask": 63, "additionalGids": [9]},
        "capabilities": {key: ["CAP_KILL"] for key in _SETS},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 20, "hard": 30}],
        "noNewPrivileges": True,
        "terminal": False,
    }
    process = lc.Process.from_json(json.dumps(document))
    read, write = os.pipe()
    with os.fdopen(read) as file:
        handle = container.exec(lc.Process(**_with(process, stdout=write)))
        os.close(write)
        seen = json.loads(file.read())
    assert handle.wait() == lc.ExitStatus(code=0)
    assert (seen["uid"], seen["gid"]) == ([7, 7, 7], [8, 8, 8])
    assert seen["groups"] == [9]
    assert seen["args"] == ["/test_init", "x"]
    assert "A=b" in seen["env"]
    assert seen["cwd"] == "/tmp"
    assert seen["umask"] == 63
    for name in ("CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(seen["status"][name], 16) == 1 << 5
    assert seen["no_new_privs"] == 1


def _with(process: lc.Process, **changes: Any) -> dict[str, Any]:
    names = [a.name for a in lc.Process.__attrs_attrs__]  # type: ignore[attr-defined]
    return {**{name: getattr(process, name) for name in names}, **changes}


def test_several_processes_run_at_once(container: lc.Container) -> None:
    codes = range(5)
    handles = [container.exec(lc.Process(["sh", "-c", f"exit {n}"])) for n in codes]
    assert [handle.wait().code for handle in handles] == [0, 1, 2, 3, 4]


def test_threads_may_start_processes_at_once(container: lc.Container) -> None:
    ended: list[int | None] = []

    def start(number: int) -> None:
        process = container.exec(lc.Process(["sh", "-c", f"exit {number}"]))
        ended.append(process.wait().code)

    threads = [threading.Thread(target=start, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(code for code in ended if code is not None) == [0, 1, 2, 3]


def test_an_exec_while_init_ends_works_or_is_a_state_error(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    for number in range(20):
        with factory.create(new_id(), config) as container:
            container.run(lc.Process(["sh", "-c", f"sleep 0.0{number % 4}"]))
            with pytest.raises(lc.StateError) as caught:
                for _ in range(500):
                    container.exec(lc.Process(["true"])).wait()
            assert caught.value.status == "stopped"


RUNNING = pytest.mark.parametrize(
    "container", ["plain", "user namespace"], indirect=True
)


@RUNNING
def test_a_paused_container_takes_no_process(container: lc.Container) -> None:
    container.pause()
    with pytest.raises(
        lc.StateError, match=r"cannot run a further process .* it is paused"
    ):
        container.exec(lc.Process(["true"]))
    container.resume()


@RUNNING
def test_who_ignores_the_pause_waits_for_its_end(
    container: lc.Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    container.pause()
    monkeypatch.setattr(container._launcher, "deadline_seconds", 0.2)
    with pytest.raises(lc.StateError, match="it is paused"):
        container.exec(lc.Process(["true"]), ignore_paused=True)
    monkeypatch.setattr(container._launcher, "deadline_seconds", 30)
    other = threading.Timer(0.3, container.resume)
    other.start()
    began = time.monotonic()
    process = container.exec(lc.Process(["true"]), ignore_paused=True)
    assert time.monotonic() - began > 0.2
    assert process.wait() == lc.ExitStatus(code=0)
    other.join()


# -- programs of the host

_NS = ("mnt", "pid", "net", "ipc", "uts", "user", "cgroup")
_SHOW = "; ".join(f"readlink /proc/self/ns/{name}" for name in _NS)


def _namespaces(pid: int | str) -> dict[str, str]:
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") for name in _NS}


@pytest.mark.parametrize(
    "words", [["network"], ["uts", "ipc"], ["user", "network"], ["pid", "network"], []]
)
def test_a_program_of_the_host_enters_the_namespaces_it_is_to(
    container: lc.Container, words: list[str]
) -> None:
    seen = _host(container, "sh", "-c", _SHOW, namespaces=words).split()
    own, theirs = _namespaces("self"), _namespaces(container.state().init.host_pid)  # type: ignore[union-attr]
    files = {"network": "net"}
    entered = {files.get(word, word) for word in words}
    assert seen == [theirs[n] if n in entered else own[n] for n in _NS]


def test_a_program_of_the_host_has_its_files_user_and_privileges(
    container: lc.Container, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("of the host")
    script = f"cat {tmp_path}/file; cat /proc/self/status"
    seen = _host(container, "sh", "-c", script)
    assert seen.startswith("of the host")
    status = Path("/proc/self/status").read_text().splitlines()
    for key in ("CapEff", "Uid", "NoNewPrivs"):
        (line,) = (line for line in status if line.startswith(key))
        assert line in seen


def test_a_program_of_the_host_has_the_environment_it_is_given(
    container: lc.Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_THE_CALLER", "yes")
    assert "OF_THE_CALLER=yes" in _host(container, "env").splitlines()
    env = {"PATH": "/usr/bin:/bin", "A": "b"}
    seen = _host(container, "env", env=env).split()
    assert {"A=b", "PATH=/usr/bin:/bin"} <= set(seen)
    assert {line.split("=")[0] for line in seen} <= {"A", "PATH", "HOME"}


def test_a_tool_of_the_host_works_on_the_containers_network(
    container: lc.Container,
) -> None:
    words = {"user", "network"} & {*container.config.namespaces}
    _host(container, "ip", "addr", "add", "10.9.8.7", "dev", "lo", namespaces=words)
    assert "10.9.8.7" in _output(container, "cat", "/proc/net/fib_trie")
    assert "10.9.8.7" not in Path("/proc/net/fib_trie").read_text()


def test_delete_ends_a_program_of_the_host(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with factory.create(new_id(), config) as container:
        container.run(_SLEEP)
        process = container.exec_host(["sleep", "1000"])
    assert process.wait() == lc.ExitStatus(signal=9)


@pytest.mark.parametrize("words", [["mount"], ["net"], ["network", "mnt"], [7]])
def test_other_namespaces_are_refused(container: lc.Container, words: Any) -> None:
    with pytest.raises(lc.ConfigError, match="namespaces: must be of cgroup, ipc"):
        container.exec_host(["true"], namespaces=words)


def test_a_program_the_host_does_not_have_is_told(container: lc.Container) -> None:
    with pytest.raises(lc.ProgramNotFoundError):
        container.exec_host(["/test_init"])


# -- nodes


def _stat(container: lc.Container, path: str) -> list[str]:
    return _output(container, "stat", "-c", "%F %t %T %a %u %g", path).split()


def test_a_node_is_made_in_the_running_container(container: lc.Container) -> None:
    # In a user namespace it is the host's, with the host's mode and owner.
    container.mknod(lc.Device("/dev/kmsg", "c", 1, 11, 0o640))
    seen = _stat(container, "/dev/kmsg")
    assert seen[:5] == ["character", "special", "file", "1", "b"]
    if "user" not in container.config.namespaces:
        assert seen[5:] == ["640", "0", "0"]
    assert stat.S_ISCHR(os.stat("/dev/kmsg").st_mode)


def test_a_pipe_has_the_mode_and_owner_it_is_given(container: lc.Container) -> None:
    container.mknod(lc.Device("/dev/shm/queue", "p", mode=0o620, uid=5, gid=6))
    assert _stat(container, "/dev/shm/queue") == ["fifo", "0", "0", "620", "5", "6"]


def test_a_node_that_is_made_works(factory: lc.Factory, busybox_rootfs: Path) -> None:
    for wishes in ({}, _USER):
        devices = lc.Config().devices
        config = lc.Config(
            rootfs=lc.Overlay(str(busybox_rootfs)),
            devices=[d for d in devices if d.path != "/dev/full"],
            **wishes,
        )
        with factory.create(new_id(), config) as container:
            container.run(_SLEEP)
            assert "full" not in _output(container, "ls", "/dev")
            container.mknod(lc.Device("/dev/full", "c", 1, 7))
            script = "echo x > /dev/full || echo full"
            assert _output(container, "sh", "-c", script) == "full\n"


def test_a_node_that_is_there_is_not_replaced(container: lc.Container) -> None:
    with pytest.raises(lc.StepError) as caught:
        container.mknod(lc.Device("/dev/null", "c", 1, 5))
    # In a user namespace it is the host's that is looked at first.
    in_user = "user" in container.config.namespaces
    assert caught.value.errno == (errno.ENODEV if in_user else errno.EEXIST)
    assert _stat(container, "/dev/null")[3:5] == ["1", "3"]


def test_an_image_cannot_lead_a_node_out_of_dev(container: lc.Container) -> None:
    _output(container, "ln", "-s", "/etc", "/dev/out")
    with pytest.raises(lc.StepError) as caught:
        container.mknod(lc.Device("/dev/out/null", "p"))
    assert caught.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert "null" not in _output(container, "ls", "/etc")


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        (lc.Device("/etc/null", "c", 1, 3), "device.path"),
        (lc.Device("/dev/x", "q", 1, 3), "device.type"),
        (lc.Device("/dev/x", "c", 1, 1 << 20), "device.minor"),
        (lc.Device("/dev/x", "p", 1, 0), "device.major"),
        (lc.Device("/dev/x", "c", 1, 3, mode=0o7777), "device.mode"),
        ("/dev/null", "device: must be a Device"),
    ],
)
def test_a_wrong_node_is_refused(
    container: lc.Container, device: Any, problem: str
) -> None:
    with pytest.raises(lc.ConfigError, match=problem):
        container.mknod(device)


def test_nothing_is_left_of_a_node_that_could_not_be_made(
    factory: lc.Factory, container: lc.Container
) -> None:
    device = lc.Device("/dev/shm/queue", "p")
    in_user = "user" in container.config.namespaces
    before = (children(), os.listdir("/proc/self/fd"))
    for step in (2, 3, 4) if in_user else (2,):
        factory._launcher.fault = (step, errno.EIO)
        with pytest.raises(lc.StepError) as caught:
            container.mknod(device)
        assert (caught.value.errno, caught.value.index) == (errno.EIO, step)
        assert (children(), os.listdir("/proc/self/fd")) == before
    factory._launcher.fault = (0, 0)
    assert _output(container, "ls", "/dev/shm") == ""
    container.mknod(device)
    assert (children(), os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("verb", ["mknod", "exec_host", "exec"])
def test_of_a_stopped_container_nothing_can_be_wanted(
    factory: lc.Factory, busybox_rootfs: Path, verb: str
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with factory.create(new_id(), config) as container:
        wishes = {
            "mknod": lc.Device("/dev/x", "p"),
            "exec_host": ["true"],
            "exec": lc.Process(["true"]),
        }
        with pytest.raises(lc.StateError, match="it is creating"):
            getattr(container, verb)(wishes[verb])
        container.run(lc.Process(["true"])).wait()
        with pytest.raises(lc.StateError, match="it is stopped"):
            getattr(container, verb)(wishes[verb])
