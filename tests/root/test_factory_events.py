# SPDX-License-Identifier: Apache-2.0
"""What happens to all containers of a factory is told, whoever makes it happen."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from tests.root.conftest import new_id
from tests.root.test_cgroup_events import FILL, SLEEPER, fds

pytestmark = pytest.mark.needs("root", "rootfs")

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


class Follower:
    """What a stream has told, one by one."""

    def __init__(self, stream: lc.FactoryEvents) -> None:
        self.stream = stream
        self.waiting: list[lc.ContainerEvent] = []

    def until(self, last: str) -> list[lc.ContainerEvent]:
        """Return all events up to the first of a kind."""
        found: list[lc.ContainerEvent] = []
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            self.waiting += [] if self.waiting else self.stream.wait(1)
            while self.waiting:
                found.append(self.waiting.pop(0))
                if found[-1].kind == last:
                    return found
        pytest.fail(f"no {last} within {SECONDS} s, but {found}")


@pytest.fixture
def stream(factory: lc.Factory) -> Iterator[Follower]:
    with factory.events() as opened:
        yield Follower(opened)


def kinds(events: list[lc.ContainerEvent]) -> list[str]:
    return [event.kind.value for event in events]


def test_a_whole_life_is_told_in_its_order(make: Make, stream: Follower) -> None:
    with make() as box:
        assert kinds(stream.until("created")) == ["created"]
        init = box.prepare(lc.Process(["sh", "-c", "sleep 1; exit 7"]))
        box.start()
        assert kinds(stream.until("started")) == ["started"]
        box.pause()
        assert kinds(stream.until("paused")) == ["paused"]
        box.resume()
        assert kinds(stream.until("resumed")) == ["resumed"]
        (exited,) = stream.until("exited")
        assert exited.status == lc.ExitStatus(code=7)
        assert exited.container_id == box.id
        assert abs(exited.time - time.time()) < SECONDS
        # Nobody has reaped it meanwhile.
        assert init.wait() == lc.ExitStatus(code=7)
    assert kinds(stream.until("deleted")) == ["deleted"]


def test_memory_that_ran_out_is_told_before_the_end(
    make: Make, stream: Follower
) -> None:
    with make(memory="16M", memory_swap="16M") as box:
        init = box.run(FILL)
        found = stream.until("exited")
        assert "oom" in kinds(found)
        init.wait()
        init.close()


def test_of_many_containers_each_is_told_apart(make: Make, stream: Follower) -> None:
    boxes = [make() for _ in range(5)]
    for code, box in enumerate(boxes):
        box.run(lc.Process(["sh", "-c", f"exit {code}"])).wait()
    for box in boxes:
        box.delete()
    seen: dict[str, list[lc.ContainerEvent]] = {}
    while sum(kinds(events).count("deleted") for events in seen.values()) < 5:
        for event in stream.until("deleted"):
            seen.setdefault(event.container_id, []).append(event)
    for code, box in enumerate(boxes):
        own = seen[box.id]
        assert kinds(own)[0] == "created"
        assert kinds(own)[-1] == "deleted"
        codes = [event.status for event in own if event.kind == "exited"]
        # It may have been deleted before it was looked at.
        assert codes in ([], [lc.ExitStatus(code=code)], [lc.ExitStatus()])


OTHER = """
import sys
import libcontainer as lc
root, rootfs = sys.argv[1:]
with lc.Factory(root) as factory:
    box = factory.create("theirs", lc.Config(rootfs=lc.Overlay(rootfs)))
    init = box.run(lc.Process(["sleep", "1000"]), detach=True)
    input()
    box.pause()
    input()
    box.resume()
    input()
    box.signal("KILL")
    input()
    box.delete(force=True)
"""


def test_what_another_program_does_is_told(
    factory: lc.Factory, busybox_rootfs: Path, stream: Follower
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", OTHER, factory.root, str(busybox_rootfs)],
        stdin=subprocess.PIPE,
    )
    assert other.stdin is not None
    for last in ("started", "paused", "resumed", "exited", "deleted"):
        found = stream.until(last)
        assert kinds(found)[-1] == last
        if last == "exited":
            assert found[-1].status == lc.ExitStatus(signal=9)
        if last != "deleted":
            other.stdin.write(b"\n")
            other.stdin.flush()
    other.stdin.close()
    assert other.wait(SECONDS) == 0


def test_those_that_are_there_can_be_told_first(
    make: Make, factory: lc.Factory
) -> None:
    with make() as one, make() as two, make() as three:
        one.run(SLEEPER)
        one.pause()
        ended = two.run(lc.Process(["sh", "-c", "exit 4"]))
        while two.status() is not lc.Status.STOPPED:
            time.sleep(0.01)
        with factory.events(existing=True) as stream:
            found = stream.ready()
        told = {
            box.id: kinds([e for e in found if e.container_id == box.id])
            for box in (one, two, three)
        }
        assert told == {
            one.id: ["created", "started", "paused"],
            two.id: ["created", "started", "exited"],
            three.id: ["created"],
        }
        statuses = [event.status for event in found if event.kind == "exited"]
        assert statuses == [lc.ExitStatus(code=4)]
        one.resume()
        ended.wait()
        with factory.events() as quiet:
            assert quiet.ready() == []


def test_it_holds_few_fds_and_lets_go_of_those_of_the_dead(
    make: Make, factory: lc.Factory
) -> None:
    with make() as first:
        first.run(SLEEPER)
        # From the second launch on the factory keeps a template.
        with make() as second:
            second.run(SLEEPER)
        before = fds()
        with factory.events() as opened:
            stream = Follower(opened)
            alone = fds()
            assert alone - before <= 6
            with make() as other:
                other.run(SLEEPER)
                stream.until("started")
                # The handle has a pidfd, the stream has one and an eventfd.
                assert fds() - alone <= 3
            stream.until("deleted")
            assert fds() == alone
        assert fds() == before


def test_an_event_loop_follows_without_a_thread(
    make: Make, factory: lc.Factory
) -> None:
    async def follow() -> list[str]:
        found = []
        loop = asyncio.get_running_loop()
        with factory.events() as stream:

            def live() -> None:
                box = make()
                box.run(lc.Process(["true"])).wait()
                box.delete()

            loop.call_later(0.05, live)
            async for event in stream:
                found.append(event.kind.value)
                assert threading.active_count() == 1
                if event.kind == "deleted":
                    break
        return found

    found = asyncio.run(asyncio.wait_for(follow(), SECONDS))
    assert found[0] == "created"


def test_callbacks_are_called(make: Make, factory: lc.Factory) -> None:
    done = threading.Event()
    seen: list[str] = []

    def callback(event: lc.ContainerEvent) -> None:
        seen.append(event.kind.value)
        if event.kind == "deleted":
            done.set()

    with factory.events() as stream:
        thread = stream.call(callback)
        with make() as box:
            box.run(SLEEPER)
        assert done.wait(SECONDS)
    thread.join(SECONDS)
    assert not thread.is_alive()
    assert seen[0] == "created"


def test_events_end_with_the_root_that_they_are_of(
    factory: lc.Factory, state_root: Path
) -> None:
    with factory.events() as events:
        factory.create(new_id(), lc.Config()).delete()
        state_root.rmdir()
        seen = kinds(list(events))
        assert seen == ["created", "deleted"]
        assert events.is_over
    state_root.mkdir(mode=0o700)


def test_a_root_that_is_not_there_yet_is_made(tmp_path: Path) -> None:
    root = tmp_path / "new"
    with lc.Factory(root) as factory, factory.events() as stream:
        assert stream.ready() == []
        assert os.stat(root).st_mode & 0o777 == 0o700
