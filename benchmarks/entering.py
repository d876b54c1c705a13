# SPDX-License-Identifier: Apache-2.0
"""Contenders that do not make a container, but use one that is there."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from benchmarks.bundle import PROGRAM, Bundle
from benchmarks.contender import Contender, LaunchError
from benchmarks.floor import Floor
from benchmarks.ours import import_library
from benchmarks.peers import Command, explain, find_program, spawn

_SLEEP = ["/bin/busybox", "sleep", "100000"]
# More than a block of samples takes, so that no refill runs beside one.
_POOL_SIZE = 13
_SETTLED_SECONDS = 0.3
_BEGUN_SECONDS = 0.002


class OursExec:
    """`Container.exec` of the program, and the wait for it."""

    def __init__(self, name: str, bundle: Bundle, *, cgroup: bool) -> None:
        self.name = name
        self.cgroup = cgroup
        self._lc = import_library()
        cgroups = "cgroupfs" if cgroup else "disabled"
        factory = self._lc.Factory(str(bundle.state(name)), cgroups=cgroups)
        self._box = factory.create(name, self._lc.Config(rootfs=str(bundle.rootfs)))
        self.host_pid = self._box.run(self._lc.Process(_SLEEP)).host_pid

    def launch(self) -> float:
        """Run the program in the container once; see `Contender.launch`."""
        begin = time.perf_counter_ns()
        process = self._box.exec(self._lc.Process([PROGRAM]))
        process.wait()
        taken = time.perf_counter_ns() - begin
        if process.returncode != 0:
            raise LaunchError(f"{PROGRAM} exited with {process.returncode}")
        return taken / 1000

    def close(self) -> None:
        """Delete the container."""
        self._box.delete(force=True)


class FloorExec(Floor):
    """The system calls of an exec, in a container of ours."""

    def __init__(self, name: str, bundle: Bundle, *, cgroup: bool) -> None:
        self._box = OursExec(f"{name}-box", bundle, cgroup=cgroup)
        groups = ["-G"] if cgroup else []
        super().__init__(name, bundle, "-E", str(self._box.host_pid), *groups)

    def close(self) -> None:
        """End the floor and delete the container."""
        super().close()
        self._box.close()


class OciExec(Command):
    """The command `exec` of another runtime, in a container of its own."""

    def __init__(
        self,
        name: str,
        program: str,
        bundle: Bundle,
        *,
        cgroup: bool,
        options: list[str],
    ) -> None:
        base = [find_program(program), "--root", str(bundle.state(name)), *options]
        super().__init__(name, (*base, "exec", name, PROGRAM))
        self.cgroup = cgroup
        self._delete = [*base, "delete", "--force", name]
        folder = _sleeping(bundle, name, cgroup=cgroup)
        command = (*base, "run", "--detach", "--bundle", str(folder), name)
        code = spawn(command)
        if code != 0:
            raise LaunchError(explain(command, code))

    def close(self) -> None:
        """Delete the container."""
        subprocess.run(self._delete, capture_output=True, check=False)


class OursPool:
    """`Pool.take`, up to the confirmed execution of the program."""

    def __init__(self, name: str, bundle: Bundle, *, cgroup: bool) -> None:
        self.name = name
        self.cgroup = cgroup
        lc = import_library()
        cgroups = "cgroupfs" if cgroup else "disabled"
        factory = lc.Factory(str(bundle.state(name)), cgroups=cgroups)
        config = lc.Config(rootfs=str(bundle.rootfs))
        self._taken: list[Any] = []
        self._pool = lc.Pool(config, lc.Process(_SLEEP), _POOL_SIZE, factory=factory)

    def launch(self) -> float:
        """Take one; refill in between, not beside; see `Contender.launch`.

        What was taken lives on until then, so that the end of none goes on beside.
        """
        if not self._pool.ready:
            self._refill()
        # Until the program that was handed out last has begun.
        time.sleep(_BEGUN_SECONDS)
        begin = time.perf_counter_ns()
        container = self._pool.take()
        taken = time.perf_counter_ns() - begin
        self._taken.append(container)
        return taken / 1000

    def _refill(self) -> None:
        self._delete_taken()
        self._pool.resume()
        while self._pool.ready < _POOL_SIZE:
            time.sleep(0.01)
        self._pool.pause()
        # The kernel takes down what was deleted for a while yet.
        time.sleep(_SETTLED_SECONDS)

    def close(self) -> None:
        """Delete the containers that wait, and those that were taken."""
        self._pool.close()
        self._delete_taken()

    def _delete_taken(self) -> None:
        while self._taken:
            self._taken.pop().delete(force=True)


def _sleeping(bundle: Bundle, name: str, *, cgroup: bool) -> Path:
    plain = bundle.with_cgroup if cgroup else bundle.plain
    document = json.loads((plain / "config.json").read_text())
    document["process"]["args"] = _SLEEP
    folder = bundle.directory / f"sleeping-{name}"
    os.makedirs(folder, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(document))
    return folder


def _crun(name: str, bundle: Bundle, *, cgroup: bool) -> Contender:
    manager = "cgroupfs" if cgroup else "disabled"
    options = [f"--cgroup-manager={manager}"]
    return OciExec(name, "crun", bundle, cgroup=cgroup, options=options)


ENTERING: Mapping[str, Callable[[str, Bundle], Contender]] = MappingProxyType(
    {
        "exec": lambda name, bundle: OursExec(name, bundle, cgroup=False),
        "exec-cgroup": lambda name, bundle: OursExec(name, bundle, cgroup=True),
        "floor-exec": lambda name, bundle: FloorExec(name, bundle, cgroup=False),
        "floor-exec-cgroup": lambda name, bundle: FloorExec(name, bundle, cgroup=True),
        "crun-exec": lambda name, bundle: _crun(name, bundle, cgroup=False),
        "crun-exec-cgroup": lambda name, bundle: _crun(name, bundle, cgroup=True),
        "runc-exec-cgroup": lambda name, bundle: OciExec(
            name, "runc", bundle, cgroup=True, options=[]
        ),
        "hand-out": lambda name, bundle: OursPool(name, bundle, cgroup=False),
        "hand-out-cgroup": lambda name, bundle: OursPool(name, bundle, cgroup=True),
        "floor-hand-out": lambda name, bundle: Floor(
            name, bundle, "-T", "-H", program=_SLEEP
        ),
    }
)
