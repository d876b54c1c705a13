# SPDX-License-Identifier: Apache-2.0
"""KeyboardInterrupt and cancellation at every moment of a launch: nothing is lost.

``./dev interrupts N`` does each N times; the tests do a slice of it. Interrupts come
from a timer, spread evenly over the time that the whole of it takes, so that they
hit every step: between two bytes of a message as well as between a call and the
assignment of its result.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import libcontainer as lc

ALL = "child, container, fd"
# What is never lost, by what is interrupted. What is made in the main thread may be
# lost there, as an interrupt comes between any two instructions.
KEPT = {
    "run": ALL,
    "run, capturing": ALL,
    "Popen": "child, container",
    "Factory": "child",
}

_LATE = 1.3


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


class Watch:
    """What must be as before after each round."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._fds = self._open()

    def _open(self) -> set[str]:
        found = set()
        for name in os.listdir("/proc/self/fd"):
            try:
                found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
            except OSError:
                continue
        return found

    def complaints(self, kinds: str) -> list[str]:
        """Return what is left of the last round, of *kinds*."""
        gc.collect()
        said = []
        if "container" in kinds:
            said += [f"container {name}" for name in os.listdir(self._root)]
        if "fd" in kinds:
            said += [f"fd {fd}" for fd in sorted(self._open() - self._fds)]
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            said.append(f"child {pid or 'running'}")
        except ChildProcessError:
            pass
        return said


def interrupt(
    work: Callable[[], object], rounds: int, root: Path, kinds: str
) -> list[str]:
    """Interrupt *work* at *rounds* moments; return what was left by any."""
    before = signal.signal(signal.SIGALRM, _interrupt)
    try:
        return _interrupt_all(work, rounds, root, kinds)
    finally:
        signal.signal(signal.SIGALRM, before)


def _interrupt_all(
    work: Callable[[], object], rounds: int, root: Path, kinds: str
) -> list[str]:
    taken = []
    for _ in range(10):
        begun = time.monotonic()
        work()
        taken.append(time.monotonic() - begun)
    whole = sorted(taken)[5] * _LATE
    watch, said = Watch(root), []
    for number in range(rounds):
        moment = max(1e-6, whole * number / rounds)
        try:
            signal.setitimer(signal.ITIMER_REAL, moment)
            work()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except KeyboardInterrupt:
            pass
        if left := watch.complaints(kinds):
            said.append(f"after {moment * 1000:.3f} ms: {', '.join(left)}")
        if left or kinds != ALL:
            watch = _tidied(root)
    return said


def cancel(rounds: int, root: Path, options: dict[str, object]) -> list[str]:
    """Cancel `lc.arun` at *rounds* moments; return what was left by any."""

    async def main() -> list[str]:
        begun = time.monotonic()
        await lc.arun(["true"], **options)  # type: ignore[call-overload]
        whole = (time.monotonic() - begun) * _LATE
        said = []
        for number in range(rounds):
            task = asyncio.ensure_future(lc.arun(["sleep", "9"], **options))  # type: ignore[call-overload]
            await asyncio.sleep(whole * number / rounds)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            if left := os.listdir(root):
                said.append(f"round {number}: {left}")
        return said

    return asyncio.run(main())


def _tidied(root: Path) -> Watch:
    """Remove what is left, so that the next round begins anew."""
    with lc.Factory(root) as factory:
        factory.recover()
        for container in factory:
            container.delete(force=True)
    # An interrupt may have left a folder that has no name yet: no process is in it.
    for path in root.iterdir():
        shutil.rmtree(path)
    return Watch(root)


def works(factory: lc.Factory, rootfs: Path) -> dict[str, Callable[[], object]]:
    """Return what is interrupted, by name."""
    overlay = lc.Overlay(str(rootfs))
    config = lc.Config(rootfs=overlay)
    options = {"rootfs": overlay, "factory": factory}

    def popen() -> None:
        with lc.Popen(["cat"], stdin=lc.PIPE, stdout=lc.PIPE, **options) as process:
            process.communicate(b"x")

    def by_hand() -> None:
        with factory.create("box", config) as container:
            container.run(lc.Process(["true"])).wait()
            container.delete(force=True)

    return {
        "run": lambda: lc.run(["true"], **options),
        "run, capturing": lambda: lc.run(["echo"], capture_output=True, **options),
        "Popen": popen,
        "Factory": by_hand,
    }


def main() -> int:
    """Do the whole campaign; return 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="./dev interrupts", description=__doc__)
    parser.add_argument("rounds", type=int, nargs="?", default=1000)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--rootfs", type=Path, default=Path("/"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ResourceWarning)
    bad = 0
    with lc.Factory(arguments.root) as factory:
        for name, work in works(factory, arguments.rootfs).items():
            said = interrupt(work, arguments.rounds, arguments.root, KEPT[name])
            bad += len(said)
            print(f"{name}: {arguments.rounds} interrupts, {len(said)} left something")
            print("".join(f"  {line}\n" for line in said[:10]), end="", flush=True)
        options = {"rootfs": lc.Overlay(str(arguments.rootfs)), "factory": factory}
        said = cancel(arguments.rounds, arguments.root, options)
    bad += len(said)
    print(f"arun: {arguments.rounds} cancellations, {len(said)} left something")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
