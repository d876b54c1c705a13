# SPDX-License-Identifier: Apache-2.0
"""What a process gets of the machine, as it sees it from inside."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.bindings.keyctl import get_session_keyring
from tests.conftest import RunAsUser
from tests.root.conftest import new_id
from tests.root.realtime import real_time

pytestmark = pytest.mark.needs("root")

Look = Callable[..., dict[str, Any]]

LOOK = r"""
import ctypes, json, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
numbers = {
    "x86_64": (315, 252, 239, 250, 135),
    "aarch64": (275, 31, 236, 219, 92),
}
machine = "x86_64" if sys.argv[1] == "x86_64" else "aarch64"
getattr_, ioprio_get, get_mempolicy, keyctl, personality = numbers[machine]
attributes = ctypes.create_string_buffer(48)
assert libc.syscall(getattr_, 0, attributes, 48, 0) == 0
names = "size policy flags nice priority runtime deadline period".split()
mode, nodes = ctypes.c_int(), (ctypes.c_ulong * 16)()
assert libc.syscall(get_mempolicy, ctypes.byref(mode), nodes, 1024, 0, 0) == 0
death = ctypes.c_int()
libc.prctl(2, ctypes.byref(death), 0, 0, 0)
def read(path):
    try:
        with open(path) as file:
            return file.read().split()
    except OSError as error:
        return error.errno
print(json.dumps({
    "scheduler": dict(zip(names, struct.unpack("=IIQiIQQQ", attributes.raw))),
    "ioprio": libc.syscall(ioprio_get, 1, 0),
    "cpus": sorted(os.sched_getaffinity(0)),
    "mempolicy": [mode.value, nodes[0]],
    "personality": libc.syscall(personality, 0xffffffff),
    "machine": os.uname().machine,
    "keyring": libc.syscall(keyctl, 0, ctypes.c_long(-3), 0),
    "thp_disable": libc.prctl(42, 0, 0, 0, 0),
    "ksm": libc.prctl(68, 0, 0, 0, 0),
    "death": death.value,
    "oom_score_adj": int(read("/proc/self/oom_score_adj")[0]),
    "coredump_filter": int(read("/proc/self/coredump_filter")[0], 16),
    "files": {path: read(path) for path in sys.argv[2:]},
}))
"""

WITH_USER: dict[str, Any] = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, 100000, 65536)],
    "gid_mappings": [lc.IdMapping(0, 100000, 65536)],
}


def _process(*paths: str, **wishes: Any) -> lc.Process:
    args = ["python3", "-c", LOOK, platform.machine(), *paths]
    return lc.Process(args, stdout=lc.PIPE, **wishes)


def _seen(handle: lc.ProcessHandle) -> dict[str, Any]:
    with handle:
        out, _ = handle.communicate()
        assert handle.wait().code == 0
    return dict(json.loads(out or b""))


@pytest.fixture(params=["run", "user namespace", "exec", "exec, user namespace"])
def look(request: pytest.FixtureRequest, factory: lc.Factory) -> Iterator[Look]:
    """Run a process and say what it saw: the first, or one that joined."""
    kind: str = request.param
    base = WITH_USER if kind.endswith("user namespace") else {}
    made = []

    def run(*paths: str, **wishes: Any) -> dict[str, Any]:
        container = factory.create(new_id(), lc.Config(**base, **wishes))
        made.append(container)
        if kind.startswith("exec"):
            container.run(lc.Process(["sleep", "1000"]))
            return _seen(container.exec(_process(*paths)))
        return _seen(container.run(_process(*paths)))

    yield run
    for container in made:
        container.delete(force=True)


def test_the_oom_score_is_the_configured_one(look: Look) -> None:
    assert look(oom_score_adj=777)["oom_score_adj"] == 777


def test_the_coredump_filter_is_the_configured_one(look: Look) -> None:
    assert look(coredump_filter=0x1F)["coredump_filter"] == 0x1F


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [
        (lc.Scheduler("batch", nice=7), {"policy": 3, "nice": 7}),
        (lc.Scheduler("other", nice=-5), {"policy": 0, "nice": -5}),
        (lc.Scheduler("idle"), {"policy": 5}),
        (lc.Scheduler("fifo", priority=9), {"policy": 1, "priority": 9}),
        (lc.Scheduler("rr", priority=2), {"policy": 2, "priority": 2}),
    ],
)
def test_the_scheduler_is_the_configured_one(
    look: Look, wanted: lc.Scheduler, seen: dict[str, int]
) -> None:
    limits = real_time() if "priority" in seen else lc.Resources()
    found = look(scheduler=wanted, resources=limits)["scheduler"]
    assert {name: found[name] for name in seen} == seen


def test_a_scheduler_that_no_child_inherits_reaches_the_program(
    factory: lc.Factory,
) -> None:
    wanted = lc.Scheduler("rr", priority=2, flags=["reset_on_fork"])
    config = lc.Config(scheduler=wanted, resources=real_time())
    with factory.create(new_id(), config) as container:
        found = _seen(container.run(_process()))["scheduler"]
    assert (found["policy"], found["priority"], found["flags"]) == (2, 2, 1)


def test_real_time_without_a_share_of_it_is_an_error(factory: lc.Factory) -> None:
    if real_time() == lc.Resources():
        pytest.skip("the kernel does not share out real time by cgroup")
    config = lc.Config(scheduler=lc.Scheduler("fifo", priority=1))
    with factory.create(new_id(), config) as container:
        with pytest.raises(lc.StepError) as caught:
            container.run(lc.Process(["true"]))
        assert "cpu_realtime_runtime" in str(caught.value)


def test_a_deadline_reaches_the_program(factory: lc.Factory) -> None:
    times = {"runtime": 1_000_000, "deadline": 50_000_000, "period": 100_000_000}
    config = lc.Config(scheduler=lc.Scheduler("deadline", **times))
    with factory.create(new_id(), config) as container:
        found = _seen(container.run(_process()))["scheduler"]
    assert found["policy"] == 6
    assert {name: found[name] for name in times} == times


def test_the_io_priority_is_the_configured_one(look: Look) -> None:
    assert look(io_priority=lc.IoPriority("be", 6))["ioprio"] == 2 << 13 | 6


def test_the_processors_are_the_configured_ones(look: Look) -> None:
    last = max(os.sched_getaffinity(0))
    assert look(cpu_affinity=[last])["cpus"] == [last]


def test_the_processors_of_the_set_up_are_kept_unless_others_are_named(
    factory: lc.Factory,
) -> None:
    first, last = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    for affinity, cpus in (
        (lc.CpuAffinity(initial=first), [first]),
        (lc.CpuAffinity(initial=first, final=last), [last]),
    ):
        with factory.create(new_id(), lc.Config(cpu_affinity=affinity)) as container:
            assert _seen(container.run(_process()))["cpus"] == cpus


def test_the_memory_policy_is_the_configured_one(look: Look) -> None:
    policy = lc.MemoryPolicy("bind", 0, flags=["static_nodes"])
    assert look(memory_policy=policy)["mempolicy"] == [2 | 1 << 15, 1]


def test_the_personality_is_the_configured_one(look: Look) -> None:
    wanted = lc.Personality("LINUX32", ["ADDR_NO_RANDOMIZE"])
    seen = look(personality=wanted)
    assert seen["personality"] == 0x0040008
    assert seen["machine"] != platform.machine()


@pytest.mark.needs("ksm")
def test_equal_pages_may_merge_and_huge_ones_are_disabled(look: Look) -> None:
    seen = look(ksm=True, thp_disable=True)
    assert (seen["ksm"], seen["thp_disable"]) == (1, 1)


def test_nothing_is_changed_unasked(look: Look) -> None:
    seen = look()
    assert seen["oom_score_adj"] == int(Path("/proc/self/oom_score_adj").read_text())
    assert seen["cpus"] == sorted(os.sched_getaffinity(0))
    assert (seen["scheduler"]["policy"], seen["scheduler"]["nice"]) == (
        os.sched_getscheduler(0),
        os.nice(0),
    )
    assert (seen["mempolicy"], seen["thp_disable"]) == ([0, 0], 0)
    assert seen["ksm"] in (0, -1)  # an older kernel does not know it
    assert (seen["death"], seen["machine"]) == (0, platform.machine())


def test_each_process_has_a_session_keyring_of_its_own(look: Look) -> None:
    keyrings = {look()["keyring"] for _ in range(2)}
    assert len(keyrings) == 2
    assert get_session_keyring() not in keyrings


def test_the_callers_keyring_can_be_kept(look: Look) -> None:
    assert look(keyring=False)["keyring"] == get_session_keyring()


def test_a_process_may_wish_for_something_else_than_its_container(
    factory: lc.Factory,
) -> None:
    config = lc.Config(oom_score_adj=100, scheduler="batch", coredump_filter=1)
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        own = _process(oom_score_adj=200, scheduler="idle", keyring=False)
        seen = _seen(container.exec(own))
    assert (seen["oom_score_adj"], seen["scheduler"]["policy"]) == (200, 5)
    assert (seen["coredump_filter"], seen["keyring"]) == (1, get_session_keyring())


PARAMETERS = {
    "net.ipv4.ip_forward": "1",
    "net/ipv4/conf/lo/forwarding": "1",
    "kernel.msgmax": "4096",
    "kernel.sem": "250 32000 32 64",
    "fs.mqueue.msg_max": "7",
}


def test_kernel_parameters_are_set_in_the_containers_namespaces(look: Look) -> None:
    paths = [f"/proc/sys/{name.replace('.', '/')}" for name in PARAMETERS]
    before = [Path(path).read_text() for path in paths]
    seen = look(*paths, sysctl=PARAMETERS)["files"]
    assert [" ".join(seen[path]) for path in paths] == list(PARAMETERS.values())
    assert [Path(path).read_text() for path in paths] == before


def test_an_unknown_kernel_parameter_is_an_error(factory: lc.Factory) -> None:
    with (
        factory.create(new_id(), lc.Config(sysctl={"net.no.such": 1})) as container,
        pytest.raises(lc.StepError, match="sys/net/no/such") as caught,
    ):
        container.run(lc.Process(["true"]))
    assert caught.value.errno == errno.ENOENT
    assert "no such parameter" in str(caught.value)


def test_a_value_that_the_kernel_refuses_is_an_error(factory: lc.Factory) -> None:
    config = lc.Config(sysctl={"net.ipv4.ip_forward": "yes"})
    with factory.create(new_id(), config) as container:
        with pytest.raises(lc.StepError) as caught:
            container.run(lc.Process(["true"]))
        assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("wishes", "number", "hint"),
    [
        ({"cpu_affinity": 8000}, errno.EINVAL, "none of the processors"),
        ({"memory_policy": lc.MemoryPolicy("bind", 900)}, errno.EINVAL, "memory node"),
    ],
)
def test_what_the_machine_does_not_have_is_an_error(
    factory: lc.Factory, wishes: dict[str, Any], number: int, hint: str
) -> None:
    with factory.create(new_id(), lc.Config(**wishes)) as container:
        with pytest.raises(lc.StepError) as caught:
            container.run(lc.Process(["true"]))
        assert caught.value.errno == number
        assert hint in str(caught.value)


def _core_cookie(host_pid: int = 0) -> int:
    """Return the core scheduling cookie of a thread, 0 for none; this one's is 0."""
    cookie = ctypes.c_uint64()
    if ctypes.CDLL(None).prctl(62, 0, host_pid, 0, ctypes.byref(cookie)) != 0:
        return -1
    return cookie.value


def test_core_scheduling_is_done_or_refused_never_left_out(
    factory: lc.Factory,
) -> None:
    if _core_cookie() >= 0:
        pytest.skip("the kernel has it: the next test says that it is done")
    with factory.create(new_id(), lc.Config(core_scheduling=True)) as container:
        with pytest.raises(lc.StepError, match="core scheduling") as caught:
            container.run(lc.Process(["true"]))
        assert caught.value.errno in (errno.EINVAL, errno.ENODEV)
        assert "CONFIG_SCHED_CORE" in str(caught.value)


@pytest.mark.needs("core_scheduling")
def test_only_a_containers_own_processes_share_a_core_with_it(
    factory: lc.Factory,
) -> None:
    sleeper = lc.Process(["sleep", "1000"])
    own = lc.Config(core_scheduling=True)
    with (
        factory.create(new_id(), own) as container,
        factory.create(new_id(), own) as other,
        factory.create(new_id(), lc.Config()) as without,
    ):
        cookie = _core_cookie(container.run(sleeper).host_pid)
        assert cookie > 0
        assert _core_cookie(container.exec(sleeper).host_pid) == cookie
        assert _core_cookie(other.run(sleeper).host_pid) not in {0, cookie}
        assert _core_cookie(without.run(sleeper).host_pid) == 0
    assert _core_cookie() == 0


ORDINARY = """
import attrs, sys
import libcontainer as lc
from libcontainer.oneshot.wishes import default_config
(rootfs,) = sys.argv[1:]
config = attrs.evolve(
    default_config(), rootfs=rootfs, oom_score_adj=900, coredump_filter=3,
    scheduler="batch", sysctl={"net.ipv4.ip_forward": 1, "kernel.msgmax": 4096},
)
with lc.Factory() as factory, factory.create("box", config) as container:
    container.run(lc.Process(["sleep", "1000"]))
    shown = "cat /proc/self/oom_score_adj /proc/self/coredump_filter"
    shown += " /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax"
    container.exec(lc.Process(["sh", "-c", shown])).wait()
    try:
        own = lc.Process(["true"], scheduler=lc.Scheduler("fifo", priority=1))
        container.exec(own)
    except lc.StepError as error:
        print(error.errno, error)
"""


@pytest.mark.needs("rootfs")
def test_an_ordinary_user_gets_what_needs_no_right(
    unprivileged: RunAsUser, busybox_rootfs: Path
) -> None:
    done = unprivileged(ORDINARY, str(busybox_rootfs))
    assert done.stderr == ""
    seen = done.stdout.split("\n")
    assert seen[:4] == ["900", "00000003", "1", "4096"]
    assert seen[4].startswith(f"{errno.EPERM} set the scheduler")
    assert "CAP_SYS_NICE on the host" in seen[5]


DIES_WITH_PARENT = """
import os, sys, threading
import libcontainer as lc
def launch():
    config = lc.Config(parent_death_signal="KILL")
    container = lc.Factory(sys.argv[1]).create(sys.argv[2], config)
    handle = container.run(lc.Process(["sleep", "1000"]))
    other = container.exec(lc.Process(["sleep", "1000"]))
    print(handle.host_pid, other.host_pid, flush=True)
    return handle
handle = launch()
sys.stdin.read()
os._exit(0)
"""


def test_a_process_dies_with_its_parent(factory: lc.Factory, state_root: Path) -> None:
    name = new_id()
    caller = subprocess.Popen(
        [sys.executable, "-c", DIES_WITH_PARENT, str(state_root), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert caller.stdout is not None
    pids = [int(word) for word in caller.stdout.readline().split()]
    pidfds = [os.pidfd_open(pid) for pid in pids]
    try:
        assert all(_is_alive(pidfd) for pidfd in pidfds)
        caller.kill()
        caller.communicate()
        assert all(_ends(pidfd) for pidfd in pidfds)
    finally:
        for pidfd in pidfds:
            os.close(pidfd)
        factory.load(name).delete(force=True)


# The caller is killed when it has said all that the helper waits for.
DIES_EARLY = """
import os, signal, sys
import libcontainer as lc
from libcontainer.host.launch import Launch
def send_and_die(launch, fds=(), send=Launch._send_go):
    send(launch, fds)
    if not fds and launch.plan.steps[-1].stage == "program":
        print(launch.host_pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
Launch._send_go = send_and_die
config = lc.Config(parent_death_signal="KILL")
container = lc.Factory(sys.argv[1]).create(sys.argv[2], config)
container.run(lc.Process(["sleep", "1000"]))
"""


def test_a_process_whose_parent_is_gone_already_ends_itself(
    factory: lc.Factory, state_root: Path
) -> None:
    name = new_id()
    caller = subprocess.run(
        [sys.executable, "-c", DIES_EARLY, str(state_root), name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert caller.returncode == -signal.SIGKILL
    assert int(caller.stdout) > 1
    container = factory.load(name)
    container.wait(10)
    assert container.status() is lc.Status.STOPPED
    container.delete()


def test_the_parent_is_the_thread_that_launched(factory: lc.Factory) -> None:
    config = lc.Config(parent_death_signal="KILL")
    found: list[lc.ProcessHandle] = []
    with factory.create(new_id(), config) as container:

        def launch() -> None:
            found.append(container.run(lc.Process(["sleep", "1000"])))

        thread = threading.Thread(target=launch)
        thread.start()
        thread.join()
        assert found[0].wait(10) == lc.ExitStatus(signal=signal.SIGKILL)


def _is_alive(pidfd: int) -> bool:
    return not _ends(pidfd, 0)


def _ends(pidfd: int, seconds: float = 10) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(seconds * 1000))
