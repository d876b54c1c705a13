# SPDX-License-Identifier: Apache-2.0
"""The C floor as a contender: a co-process that answers "one launch, please"."""

from __future__ import annotations

import os
import queue
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bundle import PROGRAM, Bundle
from benchmarks.contender import LaunchError, MissingError

_SOURCE = Path(__file__).with_name("floor.c")


def build_floor(directory: Path) -> Path:
    """Compile floor.c into `directory` unless it is there; return the program.

    Raises:
        MissingError: there is no compiler, or it failed.
    """
    program = directory / "floor"
    if program.exists():
        return program
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise MissingError("gcc is not installed")
    command = [compiler, "-std=c11", "-O2", "-static", "-o", str(program), str(_SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingError(f"floor.c does not compile: {done.stderr.strip()}")
    return program


class Floor:
    """Launches by the floor, timed inside its own process.

    The start of the floor program itself is thereby not counted, and its samples
    interleave with those of the other contenders.
    """

    cgroup = False

    def __init__(
        self,
        name: str,
        bundle: Bundle,
        *options: str,
        program: Sequence[str] = (PROGRAM,),
    ) -> None:
        self.name = name
        self.cgroup = not {"-G", "-2"}.isdisjoint(options)
        floor = build_floor(bundle.directory)
        self._server = subprocess.Popen(
            [str(floor), "-s", *options, str(bundle.rootfs), *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        if self._server.stdin is None or self._server.stdout is None:
            raise MissingError("the floor has no pipes")
        self._spent = 0.0
        self._request = self._server.stdin.fileno()
        self._answer = self._server.stdout.fileno()

    def launch(self) -> float:
        """Ask for one launch; see `Contender.launch`."""
        try:
            os.write(self._request, b"\n")
            answer = os.read(self._answer, 64)
        except BrokenPipeError:
            answer = b""
        if not answer:
            said = self._server.communicate()[1].decode().strip()
            raise LaunchError(said or "the floor ended without a word")
        taken, self._spent = map(float, answer.split())
        if taken < 0:
            raise LaunchError("the program in the floor's container failed")
        return taken

    def processor_time(self) -> float:
        """Return the microseconds that it and its launches have used so far."""
        return self._spent

    def close(self) -> None:
        """End the co-process by end of file."""
        if self._server.returncode is None:
            self._server.communicate()


class FloorCrowd:
    """As many floors as threads may launch at once, each a process of its own."""

    def __init__(
        self, name: str, bundle: Bundle, *options: str, most: int = 32
    ) -> None:
        self.name = name
        self._all = [Floor(name, bundle, *options) for _ in range(most)]
        self.cgroup = self._all[0].cgroup
        self._free: queue.SimpleQueue[Floor] = queue.SimpleQueue()
        for floor in self._all:
            self._free.put(floor)

    def launch(self) -> float:
        """Let one that is free launch; see `Contender.launch`."""
        floor = self._free.get()
        try:
            return floor.launch()
        finally:
            self._free.put(floor)

    def processor_time(self) -> float:
        """Return the microseconds that all of them have used so far."""
        return sum(floor.processor_time() for floor in self._all)

    def close(self) -> None:
        """End all of them."""
        for floor in self._all:
            floor.close()
