# SPDX-License-Identifier: Apache-2.0
"""The same kills and errors for the runtimes that others use, for comparison."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bundle import oci_config
from tests import leaks
from tests.campaigns.arena import Arena, Strike, build_tracer
from tests.campaigns.rows import Rows

PROGRAMS = ("crun", "runc")
ACTIONS = {"kill": "kill", "EIO": "5"}
_HANG_SECONDS = 10.0


class Peer:
    """One runtime and a bundle of its own.

    Args:
        name: of the program.
        base: a directory for its bundle and state.
        rootfs: what the bundle runs in.
    """

    def __init__(self, name: str, base: Path, rootfs: Path) -> None:
        self.name = name
        self._bundle = base / name
        self._state = base / f"{name}-state"
        self._bundle.mkdir()
        self._tracer = build_tracer(base)
        config = oci_config(rootfs, cgroup=True)
        config["process"]["args"] = ["true"]  # type: ignore[index]
        (self._bundle / "config.json").write_text(json.dumps(config))
        self._watch = ([self._state], [base])
        self.run([])
        self.before = leaks.take(*self._watch)

    def _command(self, *words: str) -> list[str]:
        return [self.name, "--root", str(self._state), *words]

    def run(self, strike: list[str]) -> tuple[int | None, str]:
        """Run the bundle below the tracer; return its exit code, None if it hung."""
        words = self._command("run", "--bundle", str(self._bundle), "peer")
        # Go's runtime has threads, of which another may come first each time.
        process = subprocess.Popen(
            [self._tracer, *strike, "--", *words], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            out, _ = process.communicate(timeout=_HANG_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
            return None, out.decode(errors="replace")
        return process.returncode, out.decode(errors="replace")

    def count(self) -> int:
        """Return how many calls a run makes."""
        _, out = self.run(["-l"])
        self.left()
        return out.count("\n")

    def left(self) -> tuple[bool, list[str]]:
        """Delete as its users do; return whether it had to be, and what is left."""
        had_state = self._state.exists() and bool(os.listdir(self._state))
        delete = self._command("delete", "--force", "peer")
        subprocess.run(delete, capture_output=True, check=False, timeout=30)
        complaints = leaks.settled(self.before, *self._watch, 1.0)
        _end_all(complaints)
        shutil.rmtree(self._state, ignore_errors=True)
        self.before = leaks.take(*self._watch)
        return had_state, complaints


def _end_all(complaints: list[str]) -> None:
    """Remove what a peer has left, so that it is not counted again."""
    for line in complaints:
        words = line.split()
        if line.startswith("new process: "):
            with contextlib.suppress(OSError):
                os.kill(int(words[2]), signal.SIGKILL)
    time.sleep(0.05)
    for line in sorted(complaints, reverse=True):
        if line.startswith("new cgroup: "):
            with contextlib.suppress(OSError):
                os.rmdir(line.removeprefix("new cgroup: "))


def _strikes(total: int, action: str, every: int) -> Iterator[Strike]:
    for ordinal in range(1, total + 1, every):
        yield Strike(-1, ordinal, ACTIONS[action])


def campaign(arena: Arena, rows: Rows, *, every: int = 1) -> None:
    """Strike each runtime at evenly spread calls of a run."""
    for name in PROGRAMS:
        if shutil.which(name) is None:
            continue
        base = arena.root.parent / f"peer-{name}"
        base.mkdir()
        peer = Peer(name, base, arena.rootfs)
        total = peer.count()
        # As many trials of each, whatever the number of its calls.
        step = max(1, total // 300) * every
        for action in ACTIONS:
            for strike in _strikes(total, action, step):
                _hold(peer, rows, strike, action)
        shutil.rmtree(base, ignore_errors=True)


def _hold(peer: Peer, rows: Rows, strike: Strike, action: str) -> None:
    key = f"{peer.name}/run/-1/{strike.ordinal}/{action}"
    if key in rows:
        return
    begun = time.monotonic()
    code, out = peer.run(strike.arguments())
    had_state, left = peer.left()
    words = ["hung"] if code is None else []
    words += [f"left {line.split(':')[0].removeprefix('new ')}" for line in left]
    wrong = "; ".join(sorted(set(words))) or "good"
    rows.add(key, wrong, family="peer", peer=peer.name,
             answer="struck" if "hit" in out else "not reached", state=had_state,
             seconds=round(time.monotonic() - begun, 3))  # fmt: skip
