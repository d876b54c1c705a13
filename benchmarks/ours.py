# SPDX-License-Identifier: Apache-2.0
"""libcontainer itself as a contender, driven from inside this process."""

from __future__ import annotations

import importlib
import time
from types import ModuleType

from benchmarks.bundle import PROGRAM, Bundle
from benchmarks.contender import LaunchError, MissingError


def import_library() -> ModuleType:
    """Import libcontainer on first use: the peers must run where it is not built.

    Raises:
        MissingError: it is not installed or not built.
    """
    try:
        library = importlib.import_module("libcontainer")
        _ = library.Factory
    except (ImportError, AttributeError) as error:
        raise MissingError(f"libcontainer cannot be imported: {error}") from error
    return library


class ByFactory:
    """create, run, wait and delete of one container; nothing is kept but the Factory.

    The Config is made once, as a program that launches many containers would; the
    Container, Process, state directory and plan are made for each launch.
    """

    def __init__(self, name: str, bundle: Bundle, *, cgroup: bool) -> None:
        self.name = name
        self.cgroup = cgroup
        self._lc = import_library()
        cgroups = "cgroupfs" if cgroup else "disabled"
        self._factory = self._lc.Factory(str(bundle.state(name)), cgroups=cgroups)
        self._config = self._make_config(str(bundle.rootfs))
        self._count = 0

    def _make_config(self, rootfs: str) -> object:
        return self._lc.Config(rootfs=rootfs)

    def launch(self) -> float:
        """Launch one container; see `Contender.launch`."""
        self._count += 1
        begin = time.perf_counter_ns()
        container = self._factory.create(f"bench-{self._count}", self._config)
        try:
            process = container.run(self._lc.Process([PROGRAM]))
            process.wait()
        finally:
            container.delete()
        taken = time.perf_counter_ns() - begin
        if process.returncode != 0:
            raise LaunchError(f"{PROGRAM} exited with {process.returncode}")
        return taken / 1000

    def close(self) -> None:
        """Do nothing: each launch deleted its container."""


class InUnified(ByFactory):
    """The same with a cgroup in the v2 hierarchy alone, also beside v1."""

    def __init__(self, name: str, bundle: Bundle) -> None:
        super().__init__(name, bundle, cgroup=True)
        hierarchy = importlib.import_module("libcontainer.cgroups.hierarchy")
        strategy = importlib.import_module("libcontainer.cgroups.strategy")
        found = hierarchy.read_hierarchies()
        if found.unified is None:
            raise MissingError("cgroup v2 is not mounted")
        alone = hierarchy.Hierarchies((), found.unified)
        self._factory.close()
        self._factory = self._lc.Factory(
            str(bundle.state(name)), cgroups=strategy.Cgroupfs(alone)
        )


class WithSeccomp(ByFactory):
    """The same with the default seccomp profile."""

    def __init__(self, name: str, bundle: Bundle) -> None:
        super().__init__(name, bundle, cgroup=False)

    def _make_config(self, rootfs: str) -> object:
        profile = self._lc.Seccomp.default()
        return self._lc.Config(rootfs=rootfs, seccomp=profile)


class WithUserNamespace(ByFactory):
    """The same with a user namespace of 65536 ids."""

    def __init__(self, name: str, bundle: Bundle) -> None:
        super().__init__(name, bundle, cgroup=False)

    def _make_config(self, rootfs: str) -> object:
        lc = self._lc
        ids = [lc.IdMapping(0, 100000, 65536)]
        namespaces = [*lc.Config(rootfs=rootfs).namespaces, "user"]
        return lc.Config(
            rootfs=rootfs, namespaces=namespaces, uid_mappings=ids, gid_mappings=ids
        )


class WithOverlay(ByFactory):
    """The same on an overlay with a tmpfs on top, so that nothing is written below."""

    def __init__(self, name: str, bundle: Bundle) -> None:
        super().__init__(name, bundle, cgroup=False)

    def _make_config(self, rootfs: str) -> object:
        return self._lc.Config(rootfs=self._lc.Overlay(rootfs))


class ByRun:
    """lc.run(), the call in the form of subprocess.run."""

    cgroup = True

    def __init__(self, name: str, bundle: Bundle) -> None:
        self.name = name
        self._run = import_library().run
        self._rootfs = str(bundle.rootfs)

    def launch(self) -> float:
        """Launch one container; see `Contender.launch`."""
        begin = time.perf_counter_ns()
        done = self._run([PROGRAM], rootfs=self._rootfs)
        taken = time.perf_counter_ns() - begin
        if done.returncode != 0:
            raise LaunchError(f"{PROGRAM} exited with {done.returncode}")
        return taken / 1000

    def close(self) -> None:
        """Do nothing: the call left nothing."""
