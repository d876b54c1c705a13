# SPDX-License-Identifier: Apache-2.0
"""Many threads and processes that make, use and end the same few containers."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable

import libcontainer as lc
from tests.campaigns.loads import SLEEPER, Place, Verdict

THREADS = 32
PROCESSES = 8
IDS = 50
HANG_SECONDS = 120.0

# Another process in the same root: it says what it counted as its last words.
_OTHER = """
import json, sys
from tests.campaigns.loads import Place
from tests.campaigns.races_of_life import play
root, rootfs, seed, seconds = sys.argv[1:]
place = Place(root, rootfs)
print(json.dumps(play(place, int(seed), float(seconds))))
"""


def play(
    place: Place, seed: int, seconds: float, kept: list[lc.ProcessHandle] | None = None
) -> Counter[str]:
    """Do something to some container until the time is up; count what came of it.

    Handles go into *kept*: whoever ends a container, its init is ours to reap.
    """
    kept = [] if kept is None else kept
    chance = random.Random(seed)
    counts: Counter[str] = Counter()
    deadline = time.monotonic() + seconds
    with lc.Factory(place.root) as factory:
        while time.monotonic() < deadline:
            name = f"box-{chance.randrange(IDS)}"
            what = chance.choice(_DEEDS)
            try:
                handle = what(factory, place, name)
                if handle is not None:
                    kept.append(handle)
                counts["done"] += 1
            except (lc.StateError, lc.ContainerNotFoundError):
                counts["not in this state"] += 1
            except lc.LibcontainerError as error:
                counts[type(error).__name__] += 1
            except Exception as error:
                counts[f"WRONG {type(error).__name__}: {error}"[:200]] += 1
    return counts


def _create(factory: lc.Factory, place: Place, name: str) -> lc.ProcessHandle:
    return factory.create(name, place.config()).prepare(SLEEPER)


def _run(factory: lc.Factory, place: Place, name: str) -> lc.ProcessHandle:
    return factory.create(name, place.config()).run(SLEEPER)


def _start(factory: lc.Factory, _place: Place, name: str) -> None:
    factory.load(name).start()


def _exec(factory: lc.Factory, _place: Place, name: str) -> None:
    with factory.load(name).exec(lc.Process(["true"], stdin=lc.DEVNULL)) as handle:
        status = handle.wait(30)
    if status.code != 0 and status.signal != 9:
        message = f"true ended with {status}"
        raise AssertionError(message)


def _state(factory: lc.Factory, _place: Place, _name: str) -> None:
    for container in factory.list():
        assert container.status() in set(lc.Status)


def _signal(factory: lc.Factory, _place: Place, name: str) -> None:
    factory.load(name).signal("KILL")


def _delete(factory: lc.Factory, _place: Place, name: str) -> None:
    factory.load(name).delete(force=True)


def _delete_stopped(factory: lc.Factory, _place: Place, name: str) -> None:
    factory.load(name).delete()


def _recover(factory: lc.Factory, _place: Place, _name: str) -> None:
    factory.recover()


_DEEDS: tuple[Callable[..., lc.ProcessHandle | None], ...] = (
    *(_create, _create, _run, _start, _start, _exec, _exec, _state, _signal),
    *(_delete, _delete_stopped, _recover),
)


def lives(place: Place, seconds: int) -> Verdict:
    """32 threads and 8 processes, on 50 ids."""
    others = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _OTHER, str(place.root),
             str(place.rootfs), str(number), str(seconds)],
            stdout=subprocess.PIPE, text=True,
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    total: Counter[str] = Counter()
    lock = threading.Lock()
    kept: list[lc.ProcessHandle] = []

    def work(seed: int) -> None:
        counts = play(place, seed, seconds, kept)
        with lock:
            total.update(counts)

    threads = [threading.Thread(target=work, args=(1000 + i,)) for i in range(THREADS)]
    wrong = _finish(threads, seconds + HANG_SECONDS)
    for other in others:
        try:
            out, _ = other.communicate(timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            other.kill()
            other.communicate()
            wrong.append("a process hangs")
            continue
        total.update(json.loads(out or "{}"))
    with lc.Factory(place.root) as factory:
        factory.recover()
        for container in factory:
            container.delete(force=True)
    for handle in kept:
        handle.wait(30)
        handle.close()
    wrong += [f"{word} ({n})" for word, n in total.items() if word.startswith("WRONG")]
    figures: dict[str, object] = {
        "threads": THREADS, "processes": PROCESSES, "ids": IDS,
        "operations": sum(total.values()), **dict(total.most_common(6)),
    }  # fmt: skip
    return figures, wrong


def _finish(threads: list[threading.Thread], seconds: float) -> list[str]:
    for thread in threads:
        thread.daemon = True
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    hung = sum(thread.is_alive() for thread in threads)
    return [f"{hung} threads hang"] if hung else []


def creates(place: Place, count: int) -> Verdict:
    """So many at once make the same id: one wins, the others are told."""
    told: Counter[str] = Counter()
    barrier = threading.Barrier(min(count, 64))
    lock = threading.Lock()
    with lc.Factory(place.root) as factory:

        def make(rounds: int) -> None:
            for number in range(rounds):
                barrier.wait(HANG_SECONDS)
                try:
                    factory.create(f"one-{number}", place.config())
                    word = "won"
                except lc.ContainerExistsError:
                    word = "told"
                with lock:
                    told[word] += 1

        rounds = max(1, count // barrier.parties)
        threads = [
            threading.Thread(target=make, args=(rounds,))
            for _ in range(barrier.parties)
        ]
        wrong = _finish(threads, HANG_SECONDS)
        made = len(factory.list())
        for container in factory:
            container.delete()
    if (told["won"], made) != (rounds, rounds):
        wrong.append(f"{dict(told)} in {rounds} rounds, {made} were made")
    return {"creates": sum(told.values()), "won": told["won"]}, wrong
