# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of a cgroup: seen for real, and over when the cgroup is."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.cgroups.hierarchy import Hierarchies, read_hierarchies
from libcontainer.cgroups.strategy import Cgroupfs
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

SLEEPER = lc.Process(["sleep", "1000"])
FILL = lc.Process(
    ["sh", "-c", "x=$(head -c 100000000 /dev/zero | tr '\\0' x)"], stderr=lc.DEVNULL
)
SECONDS = 30
Make = Callable[..., lc.Container]


@pytest.fixture
def make(factory: lc.Factory, busybox_rootfs: Path) -> Make:
    """Make a container with limits."""

    def create(**limits: object) -> lc.Container:
        resources = lc.Resources(**limits)  # type: ignore[arg-type]
        config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), resources=resources)
        return factory.create(new_id(), config)

    return create


@pytest.fixture
def unified(state_root: Path, busybox_rootfs: Path) -> Iterator[Make]:
    """Make a container in the unified hierarchy, which may be there beside v1."""
    found = read_hierarchies()
    if found.unified is None:
        pytest.skip("no unified hierarchy is mounted")
    state_root.chmod(0o700)
    strategy = Cgroupfs(Hierarchies((), found.unified))
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with lc.Factory(state_root, cgroups=strategy) as factory:
        yield lambda: factory.create(new_id(), config)


def fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def take(
    stream: lc.CgroupEvents, kind: lc.EventKind, seconds: float = SECONDS
) -> lc.CgroupEvent:
    """Return the next event of a kind."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for event in stream.wait(max(0, deadline - time.monotonic())):
            if event.kind is kind:
                return event
    pytest.fail(f"no {kind} within {seconds} s")


def test_an_oom_is_told_and_the_end_of_the_container_ends_it(make: Make) -> None:
    with make(memory="16M", memory_swap="16M") as box:
        init = box.run(lc.Process(["sleep", "1000"]))
        before = fds()
        stream = box.events("oom")
        assert stream.ready() == []
        process = box.exec(FILL)
        event = take(stream, lc.EventKind.OOM)
        process.wait()
        process.close()
        assert event.value >= 0
        assert box.stats().memory.oom_kills >= 1
        assert init.poll() is None
    rest = list(stream)
    assert {event.kind for event in rest} <= {lc.EventKind.OOM}
    assert stream.is_over
    assert fds() <= before
    assert list(stream) == []
    with pytest.raises(ValueError, match="ended"):
        stream.fileno()


@pytest.mark.needs("controllers2")
def test_counters_of_memory_events_are_told(make: Make) -> None:
    with make(memory_high="8M", memory="64M", memory_swap="64M") as box:
        box.run(SLEEPER)
        with box.events("memory", "oom") as stream:
            process = box.exec(FILL)
            event = take(stream, lc.EventKind.MEMORY)
            assert event.name == "high"
            assert event.value >= 1
            assert box.stats().memory.events["high"] >= event.value
            # Slowed down at the one limit, it takes its time to the other.
            process.kill()
            process.wait()


@pytest.mark.needs("controllers2")
def test_pressure_on_memory_of_v2_is_its_own(make: Make) -> None:
    trigger = lc.PressureTrigger("memory", "some", 20_000, scope="cgroup")
    with make(memory_high="8M") as box:
        box.run(SLEEPER)
        with box.events(trigger) as stream:
            process = box.exec(FILL)
            assert take(stream, lc.EventKind.PRESSURE).name == str(trigger)
            process.kill()
            process.wait()


@pytest.mark.needs("cgroup1")
def test_pressure_on_memory_reaches_a_level(make: Make) -> None:
    with make(memory="16M", memory_swap="16M") as box:
        box.run(SLEEPER)
        with box.events(lc.MemoryLevel("low", mode="local")) as stream:
            # Page cache beyond the limit has to be reclaimed.
            script = "dd if=/dev/zero of=/var/x bs=1M count=14; rm /var/x"
            with box.exec(lc.Process(["sh", "-c", script], stderr=lc.DEVNULL)):
                pass
            read = "while :; do cat /bin/busybox > /var/y; done"
            reader = box.exec(lc.Process(["sh", "-c", read], stderr=lc.DEVNULL))
            writer = box.exec(FILL)
            event = take(stream, lc.EventKind.LEVEL)
            assert event.name == "low"
            writer.wait()
            reader.kill()
            reader.wait()


def test_a_trigger_tells_of_pressure(make: Make) -> None:
    busy = lc.Process(["sh", "-c", "while :; do :; done & while :; do :; done"])
    trigger = lc.PressureTrigger("cpu", stall_us=20_000)
    with make(cpu_quota=20_000, cpu_period=100_000) as box:
        box.run(SLEEPER)
        with box.events(trigger) as stream:
            workers = [box.exec(busy) for _ in range(4)]
            event = take(stream, lc.EventKind.PRESSURE)
            assert event.name == "cpu some 20000 2000000"
            for worker in workers:
                worker.kill()
                worker.wait()


def test_a_trigger_of_the_cgroup_itself(unified: Make) -> None:
    busy = lc.Process(["sh", "-c", "while :; do :; done & while :; do :; done"])
    trigger = lc.PressureTrigger("cpu", "some", 20_000, scope="cgroup")
    with unified() as box:
        box.run(SLEEPER)
        stream = box.events(trigger)
        assert stream.wait(0.2) == []
        workers = [box.exec(busy) for _ in range(4)]
        take(stream, lc.EventKind.PRESSURE)
        for worker in workers:
            worker.kill()
            worker.wait()
    deadline = time.monotonic() + SECONDS
    while not stream.is_over:
        stream.wait(1)
        assert time.monotonic() < deadline


def test_who_is_in_it_and_whether_it_stands_still_is_told(unified: Make) -> None:
    with unified() as box:
        box.prepare(SLEEPER)
        with box.events("populated", "frozen") as stream:
            box.start()
            box.pause()
            assert take(stream, lc.EventKind.FROZEN).value == 1
            box.resume()
            assert take(stream, lc.EventKind.FROZEN).value == 0
            init = box.init
            assert init is not None
            init.kill()
            init.wait()
            assert take(stream, lc.EventKind.POPULATED).value == 0
            # The freezer of a container that is gone tells nothing more.
            assert stream.ready() == []


def test_what_a_cgroup_cannot_tell_is_refused(make: Make, unified: Make) -> None:
    before = fds()
    with make() as box, unified() as other:
        box.run(SLEEPER)
        other.run(SLEEPER)
        if len(box.state().cgroup) > 1:
            with pytest.raises(lc.UnsupportedError, match="frozen"):
                box.events("frozen", "oom")
            scope = lc.PressureTrigger("cpu", scope="cgroup")
            with pytest.raises(lc.UnsupportedError, match="pressure"):
                box.events(scope)
        with pytest.raises(lc.UnsupportedError, match="pressure_level"):
            other.events(lc.MemoryLevel("low"))
        wrong = ("boom", lc.PressureTrigger("disk", window_us=1), lc.MemoryLevel("x"))
        with pytest.raises(lc.ConfigError) as caught:
            box.events(*wrong)
        paths = [problem.path for problem in caught.value.problems]
        assert paths == [
            "events[0]",
            "events[1].resource",
            "events[1].window_us",
            "events[2].level",
        ]
    assert fds() <= before + 4  # the factories' own


def test_an_event_loop_is_told_without_a_thread(unified: Make) -> None:
    async def watch(box: lc.Container) -> list[lc.CgroupEvent]:
        found = []
        loop = asyncio.get_running_loop()
        loop.call_later(0.1, box.pause)
        loop.call_later(0.3, box.resume)
        loop.call_later(0.5, lambda: box.delete(force=True))
        async for event in box.events():
            found.append(event)
            assert threading.active_count() == 1
        return found

    with unified() as box:
        box.run(SLEEPER)
        before = fds()
        found = asyncio.run(watch(box))
        assert fds() <= before
    frozen = [event.value for event in found if event.kind is lc.EventKind.FROZEN]
    assert frozen == [1, 0]
    assert lc.CgroupEvent(kind=lc.EventKind.POPULATED) in found


def test_a_task_that_waits_can_be_cancelled(unified: Make) -> None:
    async def watch(box: lc.Container) -> None:
        with box.events("frozen") as stream:
            for _ in range(3):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(anext(stream), 0.05)
            asyncio.get_running_loop().call_later(0.1, box.pause)
            event = await asyncio.wait_for(anext(stream), SECONDS)
            assert event.value == 1
            box.resume()

    with unified() as box:
        box.run(SLEEPER)
        asyncio.run(watch(box))


def test_a_callback_is_called_until_the_stream_is_closed(unified: Make) -> None:
    seen: list[int] = []
    called = threading.Event()

    def callback(event: lc.CgroupEvent) -> None:
        seen.append(event.value)
        called.set()
        if len(seen) == 1:
            raise RuntimeError("of the callback")

    with unified() as box:
        box.run(SLEEPER)
        stream = box.events("frozen")
        thread = stream.call(callback)
        for turn in (box.pause, box.resume):
            called.clear()
            turn()
            assert called.wait(SECONDS)
        before = fds()
        stream.close()
        thread.join(SECONDS)
        assert not thread.is_alive()
        assert fds() < before
        assert seen == [1, 0]
        box.pause()
        box.resume()
        assert seen == [1, 0]


def test_a_stream_ends_for_who_waits_when_another_thread_closes_it(
    unified: Make,
) -> None:
    with unified() as box:
        box.run(SLEEPER)
        stream = box.events("frozen")
        closer = threading.Timer(0.2, stream.close)
        closer.start()
        assert list(stream) == []
        closer.join()
        assert stream.is_over
        stream.close()


def test_a_stream_that_is_forgotten_warns_and_closes(unified: Make) -> None:
    with unified() as box:
        box.run(SLEEPER)
        before = fds()
        stream = box.events("frozen")
        with pytest.warns(ResourceWarning, match="was not closed"):
            del stream
        assert fds() == before
