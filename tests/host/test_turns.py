# SPDX-License-Identifier: Apache-2.0
"""Threads that want the same container go one after the other, in their order."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from libcontainer.host import turns
from libcontainer.host.store import Store
from libcontainer.host.turns import Turns
from libcontainer.state import ProcessRecord, State
from libcontainer.status import Status

THREADS = 16


def _store(root: str) -> Store:
    maker = ProcessRecord(host_pid=os.getpid(), start_time=1, boot_id="x")
    state = State(
        id="box", created=1.0, owner_uid=os.geteuid(), creator=maker,
        status=Status.CREATED,
    )  # fmt: skip
    store = Store(root)
    store.create(state, b"{}").close()
    return store


def test_no_thread_waits_while_another_goes_twice(tmp_path: Path) -> None:
    store = _store(f"{tmp_path}/root")
    order: list[int] = []
    end = time.monotonic() + 1.5

    def work(number: int) -> None:
        while time.monotonic() < end:
            with store.open("box").locked(timeout=30):
                order.append(number)
                time.sleep(0.002)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = [order.count(number) for number in range(THREADS)]
    # Each comes round about as often as any other; without turns some go a dozen times
    # before others once. A busy machine keeps a thread from asking now and then.
    assert min(counts) > max(counts) / 2, counts


def test_who_was_lost_in_the_queue_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Turns()
    lost = queue.wait("box", 1)
    begun = time.monotonic()
    monkeypatch.setattr(turns, "_PATIENCE_SECONDS", 0.2)
    second = queue.wait("box", 30)
    assert 0.1 < time.monotonic() - begun < 10
    queue.leave("box", second)
    # And there is nobody before the next.
    queue.leave("box", queue.wait("box", 30))
    queue.leave("box", lost)
    assert not queue._queues


def test_a_fork_has_a_queue_of_its_own() -> None:
    queue = Turns()
    held = queue.wait("box", 1)
    child = os.fork()
    if child == 0:
        begun = time.monotonic()
        queue.leave("box", queue.wait("box", 30))
        os._exit(time.monotonic() - begun > 1)
    assert os.waitpid(child, 0)[1] == 0
    queue.leave("box", held)
