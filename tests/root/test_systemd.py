# SPDX-License-Identifier: Apache-2.0
"""Containers as scopes of systemd: of the system's as root, else of the user's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.cgroups.group import Group
from libcontainer.status import Status
from tests.oci_bundles import Oci, document, write
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("rootfs", "systemd")

IS_ROOT = os.geteuid() == 0
SLEEPER = lc.Process(["sleep", "1000"])
USER: dict[str, Any] = (
    {}
    if IS_ROOT
    else {
        "namespaces": {*lc.Config().namespaces, "user"},
        "uid_mappings": [lc.IdMapping(0, os.geteuid(), 1)],
        "gid_mappings": [lc.IdMapping(0, os.getegid(), 1)],
    }
)
Make = Callable[..., lc.Container]


def systemctl(*args: str) -> str:
    command = ["systemctl", *([] if IS_ROOT else ["--user"]), *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def shown(unit: str, name: str) -> str:
    return systemctl("show", unit, "--value", f"--property={name}")


@pytest.fixture(scope="module", autouse=True)
def _slices() -> None:
    # systemd makes these when it first needs them, and nobody left them behind.
    systemctl("start", "user.slice", "session.slice", "app.slice", "lctest.slice")


@pytest.fixture
def factory(state_root: Path) -> Iterator[lc.Factory]:
    """A factory whose cgroups systemd makes."""
    state_root.chmod(0o700)
    with lc.Factory(state_root, cgroups="systemd") as made:
        yield made
        assert made.list() == []


@pytest.fixture
def make(factory: lc.Factory, busybox_rootfs: Path) -> Make:
    """Make a container; keywords are fields of its configuration."""

    def create(**fields: Any) -> lc.Container:
        fields = {"rootfs": lc.Overlay(str(busybox_rootfs)), **USER, **fields}
        return factory.create(new_id(), lc.Config(**fields))

    return create


def home(box: lc.Container) -> Path:
    """The directory in the hierarchy that systemd itself goes by."""
    paths = box.state().cgroup
    return Path(paths.get("", paths.get("name=systemd", "")))


def unit(box: lc.Container) -> str:
    found = box.state().unit
    assert found is not None
    return found.name


def test_a_container_is_a_scope(make: Make) -> None:
    with make() as box:
        init = box.run(SLEEPER)
        name = unit(box)
        assert name == f"libcontainer-{box.id}.scope"
        assert shown(name, "ActiveState") == "active"
        assert shown(name, "Delegate") == "yes"
        assert shown(name, "Slice") == ("system.slice" if IS_ROOT else "user.slice")
        assert str(home(box)).endswith(shown(name, "ControlGroup"))
        # Who was in it first has gone.
        assert (home(box) / "cgroup.procs").read_text().split() == [str(init.host_pid)]
        other = box.exec(SLEEPER)
        assert set(box.processes()) == {init.host_pid, other.host_pid}
    assert shown(name, "ActiveState") == "inactive"
    assert not home_exists(box, name)


def home_exists(box: lc.Container, name: str) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if systemctl("list-units", "--all", "--no-legend", name) == "":
            return False
        time.sleep(0.1)
    return True


def test_inside_its_cgroup_is_the_root(make: Make) -> None:
    with make() as box:
        look = lc.Process(["cat", "/proc/self/cgroup"], stdout=lc.PIPE)
        box.run(SLEEPER)
        with box.exec(look) as process:
            lines = (process.communicate()[0] or b"").decode().splitlines()
        own = [line for line in lines if line.endswith(":/")]
        assert len(own) == len(lines)


def test_limits_are_in_the_unit_and_in_the_files(make: Make) -> None:
    limits = lc.Resources(memory="64M", pids=50, cpu_shares=512)
    with make(resources=limits) as box:
        box.run(SLEEPER)
        group, name = Group(box.state().cgroup), unit(box)
        memory = "MemoryMax" if group.is_unified else "MemoryLimit"
        assert shown(name, memory) == str(64 << 20)
        assert shown(name, "TasksMax") == "50"
        assert box.stats().memory.limit == 64 << 20
        pids = Path(group.directory("pids") or "", "pids.max")
        assert pids.read_text() == "50\n"
        box.update(lc.Resources(memory="96M", pids=20))
        assert shown(name, memory) == str(96 << 20)
        assert shown(name, "TasksMax") == "20"
        assert box.stats().memory.limit == 96 << 20
        # What systemd does of itself does not take ours away.
        systemctl("daemon-reload")
        assert box.stats().memory.limit == 96 << 20
        assert pids.read_text() == "20\n"


def test_a_refused_change_changes_nothing(make: Make) -> None:
    with make(resources=lc.Resources(memory="64M", pids=50)) as box:
        box.run(SLEEPER)
        with pytest.raises(lc.CgroupError):
            box.update(lc.Resources(pids=20, cpuset_cpus="4000"))
        pids = Path(Group(box.state().cgroup).directory("pids") or "", "pids.max")
        assert pids.read_text() == "50\n"
        assert shown(unit(box), "TasksMax") == "50"


def test_a_path_names_slice_and_scope(make: Make) -> None:
    with make(cgroups_path="lctest-inner.slice:pod:one") as box:
        box.run(SLEEPER)
        assert unit(box) == "pod-one.scope"
        assert home(box).parts[-3:] == (
            "lctest.slice",
            "lctest-inner.slice",
            "pod-one.scope",
        )
        assert shown("pod-one.scope", "Slice") == "lctest-inner.slice"
    # A slice that systemd has made stays; it is not the container's alone.
    systemctl("stop", "lctest-inner.slice")


def test_another_path_is_refused(make: Make) -> None:
    with pytest.raises(lc.ConfigError, match="cgroups_path"):
        make(cgroups_path="/plain")


def test_a_name_that_is_taken_is_refused(make: Make) -> None:
    path = ":lctest:taken"
    with make(cgroups_path=path) as box, make(cgroups_path=path) as other:
        box.run(SLEEPER)
        with pytest.raises(lc.CgroupError, match="EEXIST"):
            other.run(SLEEPER)
        # The second has not touched the first.
        other.delete(force=True)
        assert box.status() is Status.RUNNING
        assert shown("lctest-taken.scope", "ActiveState") == "active"


def test_a_unit_that_has_failed_is_in_nobodys_way(make: Make) -> None:
    path = ":lctest:again"
    limits = lc.Resources(memory="16M", memory_swap="16M")
    fill = "x=$(head -c 67108864 /dev/zero | tr '\\0' x); echo survived"
    for _ in range(2):
        with make(cgroups_path=path, resources=limits) as box:
            process = box.run(lc.Process(["sh", "-c", fill], stdout=lc.PIPE))
            out, _ = process.communicate()
            assert b"survived" not in (out or b"")
            process.close()


def test_a_launch_that_fails_leaves_no_unit(make: Make) -> None:
    with make() as box:
        with pytest.raises(lc.ProgramNotFoundError):
            box.run(lc.Process(["/nothing"]))
        assert shown(f"libcontainer-{box.id}.scope", "ActiveState") == "inactive"
        assert not home(box).exists()
        assert box.run(lc.Process(["true"])).wait() == lc.ExitStatus(code=0)


def test_pause_and_kill(make: Make) -> None:
    with make() as box:
        init = box.run(SLEEPER)
        box.pause()
        assert box.status() is Status.PAUSED
        box.resume()
        assert box.status() is Status.RUNNING
        box.pause()
        box.delete(force=True)
        assert init.wait(10) == lc.ExitStatus(signal=9)


def test_a_detached_container(make: Make) -> None:
    with make() as box:
        box.run(lc.Process(["sh", "-c", "sleep 1; exit 7"]), detach=True)
        assert box.state().monitor is not None
        assert box.state().monitor.host_pid not in box.processes()  # type: ignore[union-attr]
        assert box.wait(30) == lc.ExitStatus(code=7)


def test_a_killed_caller_leaves_what_recover_removes(
    state_root: Path, busybox_rootfs: Path
) -> None:
    script = (
        "import os, sys, libcontainer as lc\n"
        "from libcontainer.host import actions\n"
        "make = actions._make_cgroup\n"
        "def kill(*args): make(*args); os.kill(os.getpid(), 9)\n"
        "actions._RUNNERS[actions.MakeCgroup] = kill\n"
        "user = {} if os.geteuid() == 0 else dict(\n"
        "    namespaces={*lc.Config().namespaces, 'user'},\n"
        "    uid_mappings=[lc.IdMapping(0, os.geteuid(), 1)],\n"
        "    gid_mappings=[lc.IdMapping(0, os.getegid(), 1)])\n"
        "config = lc.Config(rootfs=lc.Overlay(sys.argv[2]), **user)\n"
        "factory = lc.Factory(sys.argv[1], cgroups='systemd')\n"
        "factory.create('killed', config).run(lc.Process(['true']))\n"
    )
    state_root.chmod(0o700)
    command = [sys.executable, "-c", script, str(state_root), str(busybox_rootfs)]
    done = subprocess.run(command, check=False)
    assert done.returncode == -signal.SIGKILL
    with lc.Factory(state_root, cgroups="systemd") as factory:
        assert factory.recover() == ("killed",)
    # Without a process it goes by itself.
    deadline = time.monotonic() + 10
    name = "libcontainer-killed.scope"
    while shown(name, "ActiveState") != "inactive" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert shown(name, "ActiveState") == "inactive", systemctl("status", name)


def test_a_subgroup_keeps_systemd_out(state_root: Path, busybox_rootfs: Path) -> None:
    from libcontainer.cgroups.systemd import Systemd

    state_root.chmod(0o700)
    limits = lc.Resources(memory="64M", pids=50)
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), resources=limits, **USER)
    strategy = Systemd(subgroup="inner")
    with (
        lc.Factory(state_root, cgroups=strategy) as factory,
        factory.create(new_id(), config) as box,
    ):
        init = box.run(SLEEPER)
        other = box.exec(SLEEPER)
        path = home(box)
        assert path.name == "inner"
        assert (path.parent / "cgroup.procs").read_text() == ""
        inside = (path / "cgroup.procs").read_text().split()
        assert set(map(int, inside)) == {init.host_pid, other.host_pid}
        pids = Group(box.state().cgroup).directory("pids")
        assert Path(pids or "", "pids.max").read_text() == "50\n"


@pytest.mark.parametrize("allowed", [False, True])
def test_annotations_are_heeded_where_that_is_allowed(
    state_root: Path, busybox_rootfs: Path, allowed: bool
) -> None:
    from libcontainer.cgroups.systemd import Systemd

    state_root.chmod(0o700)
    labels = {
        "org.systemd.property.TimeoutStopSec": "7",
        "org.systemd.property.Description": "'of an annotation'",
        "run.oci.systemd.subgroup": "noted",
    }
    rootfs = lc.Overlay(str(busybox_rootfs))
    config = lc.Config(rootfs=rootfs, labels=labels, **USER)
    strategy = Systemd(annotations=allowed)
    with (
        lc.Factory(state_root, cgroups=strategy) as factory,
        factory.create(new_id(), config) as box,
    ):
        box.run(SLEEPER)
        assert (shown(unit(box), "TimeoutStopUSec") == "7s") is allowed
        assert (shown(unit(box), "Description") == "of an annotation") is allowed
        assert (home(box).name == "noted") is allowed


@pytest.mark.needs("root")
def test_devices_are_in_the_unit_and_come_and_go(make: Make) -> None:
    kmsg = lc.Device("/dev/kmsg", "c", 1, 11)
    zero = lc.DeviceRule(allow=False, type="c", major=1, minor=5, access="rw")
    capabilities = sorted(lc.Config().capabilities.bounding | {"CAP_SYSLOG"})
    limits = lc.Resources(devices=[zero])
    with make(resources=limits, capabilities=capabilities) as box:
        box.run(SLEEPER)
        name = unit(box)
        assert shown(name, "DevicePolicy") == "strict"
        assert "/dev/char/1:3 rwm" in shown(name, "DeviceAllow")
        look = "for i in null zero kmsg pts/ptmx; do true < /dev/$i && echo $i; done"

        def opened() -> list[str]:
            program = lc.Process(["sh", "-c", look], stdout=lc.PIPE, stderr=lc.DEVNULL)
            with box.exec(program) as process:
                return (process.communicate()[0] or b"").decode().split()

        assert opened() == ["null", "pts/ptmx"]
        box.add_device(kmsg)
        assert opened() == ["null", "kmsg", "pts/ptmx"]
        assert "/dev/char/1:11 rwm" in shown(name, "DeviceAllow")
        systemctl("daemon-reload")
        assert opened() == ["null", "kmsg", "pts/ptmx"]
        box.remove_device(kmsg)
        assert opened() == ["null", "pts/ptmx"]


@pytest.mark.skipif(IS_ROOT, reason="root may load a filter")
def test_who_cannot_filter_devices_is_told_if_that_was_asked(make: Make) -> None:
    # Without a wish there is no filter: an ordinary user has no device to use.
    with make() as box:
        look = lc.Process(["sh", "-c", ": < /dev/null"])
        assert box.run(look).wait() == lc.ExitStatus(code=0)
    deny = lc.DeviceRule(allow=False, type="c", major=1, minor=5)
    with (
        make(resources=lc.Resources(devices=[deny])) as box,
        pytest.raises(lc.CgroupError, match="EPERM"),
    ):
        box.run(SLEEPER)


def test_limits_of_a_single_process(make: Make) -> None:
    with make() as box:
        box.run(SLEEPER)
        process = box.exec(
            lc.Process(["sleep", "1000"], resources=lc.Resources(pids=7))
        )
        (own,) = Path(Group(box.state().cgroup).directory("pids") or "").glob("exec-*")
        assert (own / "pids.max").read_text() == "7\n"
        assert str(process.host_pid) in (own / "cgroup.procs").read_text().split()
        process.kill()
        process.wait()
        assert box.exec(lc.Process(["true"])).wait() == lc.ExitStatus(code=0)


@pytest.mark.needs("root")
@pytest.mark.parametrize("option", ["--systemd-cgroup", "--cgroup-manager=systemd"])
def test_the_runtime_command_makes_scopes(
    state_root: Path, busybox_rootfs: Path, tmp_path: Path, option: str
) -> None:
    state_root.chmod(0o700)
    oci = Oci(state_root, tmp_path / "log")
    content = document("sleep", "1000")
    content["root"]["path"] = str(busybox_rootfs)
    content["linux"]["cgroupsPath"] = "system.slice:lcoci:box"
    content["linux"]["resources"] = {"pids": {"limit": 33}}
    content["annotations"] = {"org.systemd.property.TimeoutStopSec": "9"}
    bundle = str(write(tmp_path / "bundle", content))
    # The container has the streams of who creates it.
    command = [*oci.prefix, option, "create", "--bundle", bundle, "box"]
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    subprocess.run(command, check=True, timeout=60, **streams)  # type: ignore[call-overload]
    try:
        oci.said(option, "start", "box")
        assert shown("lcoci-box.scope", "ActiveState") == "active"
        assert shown("lcoci-box.scope", "TasksMax") == "33"
        assert shown("lcoci-box.scope", "TimeoutStopUSec") == "9s"
        oci.said(option, "update", "--pids-limit", "44", "box")
        assert shown("lcoci-box.scope", "TasksMax") == "44"
    finally:
        # Who deletes it need not say again who made the cgroup.
        oci.said("delete", "--force", "box")
    assert shown("lcoci-box.scope", "ActiveState") == "inactive"
