# SPDX-License-Identifier: Apache-2.0
"""Statistics of running containers: that they are the kernel's, and cost little."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import libcontainer as lc
from libcontainer.cgroups.stats import cpu_percent
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

SLEEPER = lc.Process(["sleep", "1000"])
BUSY = lc.Process(["sh", "-c", "while :; do :; done"])
Make = Callable[..., lc.Container]


@pytest.fixture
def make(factory: lc.Factory, busybox_rootfs: Path) -> Make:
    """Make a container."""

    def create(**fields: object) -> lc.Container:
        config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), **fields)  # type: ignore[arg-type]
        return factory.create(new_id(), config)

    return create


@pytest.fixture
def disk() -> Iterator[tuple[Path, int, int]]:
    """A directory on a block device, with the number of the whole device."""
    with tempfile.TemporaryDirectory(prefix="lc-disk-", dir="/var/tmp") as name:
        number = os.stat(name).st_dev
        found = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
        if not found.exists():
            pytest.skip("/var/tmp is on no block device")
        whole = found.resolve().parent if (found / "partition").exists() else found
        major, minor = (whole / "dev").read_text().split(":")
        yield Path(name), int(major), int(minor)


def test_bytes_of_block_devices_are_counted(
    make: Make, disk: tuple[Path, int, int]
) -> None:
    folder, major, minor = disk
    # A kernel since 6.10 counts on v1 only where a limit has made it look.
    much = lc.ThrottleDevice(major, minor, 1 << 40)
    limits = lc.Resources(blkio_throttle_write_bps=[much])
    command = ["sh", "-c", "dd if=/dev/zero of=/mnt/x bs=64k count=32 conv=fsync"]
    mounts = [lc.Mount.bind(folder, "/mnt")]
    with make(resources=limits, mounts=mounts) as box:
        assert box.run(lc.Process(command, stderr=lc.DEVNULL)).wait().code == 0
        found = [d for d in box.stats().io if (d.major, d.minor) == (major, minor)]
        assert found[0].write_bytes >= 2 << 20
        assert found[0].writes >= 2
        assert (box.usage().io_write_bytes or 0) >= 2 << 20


def test_the_share_of_a_processor_is_that_of_two_measurements(make: Make) -> None:
    with make(resources=lc.Resources(cpu_quota=20_000, cpu_period=100_000)) as box:
        box.run(BUSY)
        with box.stats_reader() as reader:
            before = reader.read()
            time.sleep(1.5)
            after = reader.read()
        assert 3 < cpu_percent(before, after) < 35
        assert cpu_percent(after, before) == 0
        assert after.cpu.throttled > before.cpu.throttled


@pytest.mark.needs("cgroup1")
def test_processors_and_nodes_are_told_apart(make: Make) -> None:
    with make() as box:
        box.run(SLEEPER)
        found = box.stats()
        assert len(found.cpu.per_cpu) >= (os.cpu_count() or 1)
        assert sum(found.cpu.per_cpu) > 0
        assert len(found.cpu.per_cpu_system) == len(found.cpu.per_cpu)
        assert sum(found.memory.numa["total"]) >= 0
        assert found.memory.detail["cache"] >= 0
        assert found.memory.kernel > 0


def test_links_are_seen_with_the_containers_eyes(make: Make) -> None:
    with make() as box:
        init = box.run(lc.Process(["sh", "-c", "ping -c 3 127.0.0.1 >&2; sleep 1000"]))
        deadline = time.monotonic() + 20
        while not box.stats().interfaces["lo"].rx_packets >= 6:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        init.kill()
        init.wait()
        assert box.stats().interfaces == {}
    shared = lc.Config().namespaces - {lc.NamespaceType.NETWORK}
    with make(namespaces=shared) as box:
        box.run(SLEEPER)
        assert box.stats().interfaces == {}


def calls(work: Callable[[], object], tmp_path: Path) -> int:
    """Return how many system calls *work* makes, by a run of this very thread."""
    log = tmp_path / "strace"
    tracer = subprocess.Popen(
        ["strace", "-qq", "-c", "-o", log, "-p", str(os.getpid())],
        stderr=subprocess.PIPE,
    )
    status = Path("/proc/self/status")
    while "TracerPid:\t0\n" in status.read_text():
        time.sleep(0.01)
    marks = 1000
    for _ in range(marks):
        os.getppid()
    work()
    tracer.terminate()
    tracer.communicate()
    lines = [line.split() for line in log.read_text().splitlines()]
    total = next(int(words[3]) for words in lines if words and words[-1] == "total")
    seen = next(int(words[3]) for words in lines if words and words[-1] == "getppid")
    assert seen == marks
    return total - marks


@pytest.mark.needs("strace")
def test_a_measurement_takes_few_system_calls(make: Make, tmp_path: Path) -> None:
    with make() as box:
        box.run(SLEEPER)
        # What strace itself makes necessary at its ends.
        nothing = calls(lambda: None, tmp_path)
        with box.stats_reader() as reader:
            reader.read()
            files = len(reader._files._fds)
            kept = calls(reader.read, tmp_path) - nothing
        once = calls(box.stats, tmp_path) - nothing
        print(f"{files} files, {kept} calls kept open, {once} once")
        assert files <= 45
        assert kept <= files + 5
        assert once <= 4 * files + 40


def test_a_reader_holds_its_files_and_lets_go(make: Make) -> None:
    with make() as box:
        box.run(SLEEPER)
        own = len(os.listdir("/proc/self/fd"))
        reader = box.stats_reader()
        first = reader.read()
        held = len(os.listdir("/proc/self/fd"))
        assert own < held <= own + 40
        assert reader.read().cpu.usage >= first.cpu.usage
        assert len(os.listdir("/proc/self/fd")) == held
        reader.close()
        assert len(os.listdir("/proc/self/fd")) == own
        again = box.stats_reader()
        again.read()
    with pytest.raises(lc.CgroupError, match="ENOENT"):
        again.read()
    again.close()
    assert len(os.listdir("/proc/self/fd")) <= own


def test_all_containers_are_measured_in_one_pass(
    make: Make, factory: lc.Factory
) -> None:
    with make() as one, make() as other, make() as idle:
        assert factory.stats() == {}
        one.run(SLEEPER)
        other.prepare(SLEEPER)
        found = factory.stats()
        assert set(found) == {one.id, other.id}
        assert all(stats.memory.usage > 0 for stats in found.values())
        assert idle.id not in found
        families = {
            family.name: family
            for family in text_string_to_metric_families(factory.openmetrics())
        }
        samples = families["libcontainer_memory_usage_bytes"].samples
        assert {sample.labels["container"] for sample in samples} == set(found)
        assert all(sample.value > 0 for sample in samples)


@pytest.mark.parametrize(
    ("script", "limits", "verdict"),
    [
        ("x=$(head -c 100000000 /dev/zero | tr '\\0' x)", {"memory": "16M"}, "oom"),
        ("exit 3", {"memory": "16M"}, "exited"),
        ("exit 0", {}, "exited"),
    ],
)
def test_another_program_knows_why_it_ended(
    make: Make,
    factory: lc.Factory,
    script: str,
    limits: dict[str, str],
    verdict: str,
) -> None:
    resources = lc.Resources(**limits, memory_swap=limits.get("memory"))
    with make(resources=resources) as box:
        with pytest.raises(lc.ProcessNotStartedError):
            box.verdict()
        box.run(lc.Process(["sh", "-c", f"sleep 0.5; {script}"]), detach=True)
        other = factory.load(box.id)
        with pytest.raises(lc.TimeoutExpired, match=f"'{box.id}' still runs: wait"):
            other.verdict()
        other.wait(30)
        assert other.verdict() == lc.Verdict(verdict)


@pytest.mark.needs("cgroup2")
def test_waiting_is_told_by_v2_also_beside_v1(
    state_root: Path, busybox_rootfs: Path
) -> None:
    state_root.chmod(0o700)
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with (
        lc.Factory(state_root, cgroups="hybrid") as factory,
        factory.create(new_id(), config) as box,
    ):
        box.run(SLEEPER)
        before = box.stats()
        workers = [box.exec(BUSY) for _ in range(2 * (os.cpu_count() or 1) + 2)]
        time.sleep(1)
        after = box.stats()
        for worker in workers:
            worker.kill()
            worker.wait()
    assert before.cpu_pressure is not None
    assert after.cpu_pressure is not None
    assert after.cpu_pressure.some_total > before.cpu_pressure.some_total + 50_000
    assert after.memory_pressure is not None
    assert after.io_pressure is not None
    assert after.cpu.usage > before.cpu.usage
