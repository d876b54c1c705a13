# SPDX-License-Identifier: Apache-2.0
"""Factory: makes containers, finds them again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from libcontainer.cgroups.strategy import (
    STRATEGIES,
    CgroupStrategy,
    new_strategy,
)
from libcontainer.config import Config
from libcontainer.container import Container
from libcontainer.errors import (
    ConfigError,
    ContainerNotFoundError,
    LibcontainerError,
    Problem,
    StateFileError,
    UnsupportedError,
)
from libcontainer.host.log import logger
from libcontainer.host.processref import own_record
from libcontainer.host.store import Folder, Store
from libcontainer.keptconfig import KeptConfig
from libcontainer.launches.start import DEADLINE_SECONDS
from libcontainer.process import Process
from libcontainer.shared import Shared
from libcontainer.state import State, check_id
from libcontainer.status import Status

if TYPE_CHECKING:
    from libcontainer.cgroups.stats import Stats
    from libcontainer.config.criu import CriuOptions
    from libcontainer.events import FactoryEvents
    from libcontainer.host.rdt import RdtStats
    from libcontainer.host.trace import StepTime
    from libcontainer.launcher import Launcher

Validator = Callable[[Config], Iterable[Problem]]
"""Tells what is wrong with a configuration; raises nothing itself."""


class Factory:
    """A root directory of containers and the means to make them.

    Any number of factories, in any number of processes, may use one root. A
    factory may be shared between threads. It holds at most two fds (the
    helper's image and the template mount namespace), made at the first launch.

    Args:
        root: where containers have their state, a host path; made with mode
            0700. None is ``/run/libcontainer`` for root, else
            ``$XDG_RUNTIME_DIR/libcontainer``, of a user namespace's root too.
        cgroups: how containers get a cgroup: ``auto`` (wherever the caller may make
            one), ``cgroupfs`` (always), ``hybrid`` (where v1 and v2 are mounted, in
            both), ``systemd`` (as a scope), ``disabled`` (never), or a
            `CgroupStrategy`.
        deadline_seconds: how long one launch may take before it is undone.
        resctrl: where the resctrl filesystem is, a host path, for containers with
            `Config.intel_rdt`. None: where it is mounted.
        validator: rules of your own: returns what it finds wrong with a
            configuration. It is asked before anything is made, after our own rules
            have found nothing; those cannot be left out.
        trace: called with a `StepTime` after each step of each launch, in the
            launching thread, to see where time goes. It must not raise.

    Raises:
        UnsupportedError: no root was given and there is no runtime directory.
    """

    type = "libcontainer"

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        cgroups: str | CgroupStrategy = "auto",
        deadline_seconds: float = DEADLINE_SECONDS,
        resctrl: str | None = None,
        validator: Validator | None = None,
        trace: Callable[[StepTime], object] | None = None,
    ) -> None:
        path = default_root() if root is None else os.path.abspath(os.fspath(root))
        self._store = Store(path)
        self._cgroups = _strategy(cgroups)
        self._validator = validator
        self._shared = Shared(deadline_seconds, resctrl, trace)

    def __repr__(self) -> str:
        return f"<Factory {self.root!r}>"

    @property
    def _launcher(self) -> Launcher:
        return self._shared.launcher

    @property
    def root(self) -> str:
        """The root directory, a host path."""
        return self._store.root

    def create(
        self, container_id: str, config: Config, *, bound: bool = False
    ) -> Container:
        """Make a container. Nothing runs in it yet.

        The operation is atomic: on an error there is no trace of it. A new user
        namespace without id maps gets those of `subid_mappings` here, for good:
        ``Container.config`` has them.

        Args:
            container_id: its name, unique in the root directory.
            config: what it is.
            bound: whether it is to live no longer than this program, as those of
                `run` and its kin. If this is killed, it runs on until somebody calls
                `recover`.

        Raises:
            InvalidIdError: *container_id* is not allowed.
            ConfigError: *config* is wrong; all problems at once.
            ContainerExistsError: the id is taken.
            UnsupportedError: there are no ids for the user namespace.
        """
        check_id(container_id)
        text = self._launcher.check(config)
        completed = self._launcher.complete(config)
        if completed is not config:
            config = completed
            text = self._launcher.check(config)
        if self._validator is not None and (found := list(self._validator(config))):
            raise ConfigError(found)
        placement = self._cgroups.place(container_id, config)
        self._launcher.limits(config, placement.paths)
        state = State(
            id=container_id,
            created=time.time(),
            owner_uid=os.geteuid(),
            creator=own_record(os.getpid()),
            status=Status.CREATING,
            cgroup=placement.paths,
            unit=placement.unit,
            network=_network_records(container_id, config),
            rdt=self._classes(container_id, config),
            bound=bound,
        )
        folder = self._store.create(state, text)
        try:
            _write_name_files(folder, config)
        finally:
            folder.close()
        return Container(self._store, self._shared, container_id, config)

    def restore(
        self,
        container_id: str,
        config: Config,
        image: str | os.PathLike[str],
        process: Process | None = None,
        options: CriuOptions | None = None,
    ) -> Container:
        """Make a container of an image that `Container.checkpoint` has written.

        The image is not trusted. What is mounted from outside, the cgroup and the
        limits are those of *config*, and a process that would have other
        namespaces, another root or more privileges than *config* gives is refused
        before any of them goes on. Its networks are connected anew, with the addresses
        of *config*, before its processes come back. `Container.init` is the handle of
        its init.

        Args:
            container_id: its id; it need not be the old one.
            config: what it is; as the container had it that the image is of.
            image: the directory of the image, a host path. Its files must belong to
                the caller.
            process: whose *stdin*, *stdout* and *stderr* take the place of standard
                streams that came from outside; the rest of it means nothing.
            options: what CRIU is asked to do; None is a `CriuOptions()`.

        Raises:
            ConfigError: *config* or *options* are wrong.
            ContainerExistsError: the id is taken.
            CriuError: it failed, or was refused; nothing is left.
            UnsupportedError: CRIU is not there, the caller is not root, *config*
                has a root that is thrown away or a class of service, or cgroups
                are units of systemd.
            NetworkError: a network could not be connected; nothing is left.

        Needs root, and CRIU; what version 3 restores has no ``no_new_privs`` and is
        refused where *config* has it. See criu(8).
        """
        container = self.create(container_id, config)
        try:
            container._restore(  # noqa: SLF001 - the other half of this call
                os.fspath(image), process or Process(["restored"]), options
            )
        except BaseException:
            container.delete(force=True)
            raise
        return container

    def _classes(self, container_id: str, config: Config) -> tuple[str, ...]:
        if config.intel_rdt is None:
            return ()
        return self._launcher.resctrl().to_remove(config.intel_rdt, container_id)

    def load(self, container_id: str) -> Container:
        """Return a container that any process of this user has made.

        Raises:
            InvalidIdError: *container_id* is not allowed.
            ContainerNotFoundError: there is none.
            StateFileError: its state file cannot be used.
        """
        folder = self._store.open(container_id)
        try:
            # The state tells whether the folder is of a newer schema.
            folder.read()
            config = KeptConfig(folder.path, folder.read_config())
        finally:
            folder.close()
        return Container(self._store, self._shared, container_id, config)

    def list(self) -> list[Container]:
        """Return every container, by id; those that vanish meanwhile are left out.

        One whose state file cannot be read is left out as well: `load` tells
        why.
        """
        found = []
        for container_id in self._store.ids():
            try:
                found.append(self.load(container_id))
            except (ContainerNotFoundError, StateFileError):
                continue
        return found

    def __iter__(self) -> Iterator[Container]:
        return iter(self.list())

    def __contains__(self, container_id: object) -> bool:
        return container_id in self._store.ids()

    def __getitem__(self, container_id: str) -> Container:
        return self.load(container_id)

    def stats(self) -> dict[str, Stats]:
        """Measure every container, by id.

        Left out are those without a cgroup, those in which nothing has run yet, and
        those that vanish meanwhile or cannot be read.
        """
        # Loaded here: a launch needs none of it.
        from libcontainer.measure import measure_all  # noqa: PLC0415

        return measure_all(self._store, self._store.ids())

    def openmetrics(self) -> str:
        """Return what `stats` measures as OpenMetrics text, for Prometheus.

        The label ``container`` is the id. For further labels see
        `libcontainer.openmetrics`.
        """
        from libcontainer.cgroups.openmetrics import openmetrics  # noqa: PLC0415

        return openmetrics(self.stats(), rdt=self.rdt_stats())

    def rdt_stats(self) -> dict[str, RdtStats]:
        """Measure the use of caches of every container with `Config.intel_rdt`, by id.

        Empty where resctrl is not mounted; see `Container.rdt_stats`.
        """
        try:
            resctrl = self._launcher.resctrl()
        except UnsupportedError:
            return {}
        wishes = {box.id: box.config.intel_rdt for box in self.list()}
        return {
            name: resctrl.stats(rdt, name)
            for name, rdt in wishes.items()
            if rdt is not None
        }

    def events(self, *, existing: bool = False) -> FactoryEvents:
        """Return what happens to the containers from now on.

        ``for event in factory.events()``, ``async for``, or a callback; see
        `EventStream`. It does not matter which program makes things happen.

        Args:
            existing: whether to begin with what has become of those that are there.

        Raises:
            OSError: the root directory cannot be made, or watched.
        """
        from libcontainer.events import FactoryEvents  # noqa: PLC0415

        return FactoryEvents(self._store, existing=existing)

    def recover(self) -> tuple[str, ...]:
        """Remove what crashed creators left; return the ids of what was removed.

        A container whose maker died before its init process was recorded has
        no process (the helper ends with its maker) and can only be removed. One that
        is bound to its maker (`create`; those of `run`, `Popen`, `contained`, pools
        and executors are) is ended. All others are not touched. What cannot be taken
        down, as a network that does not answer, stays for the next call, with a
        warning in the log.
        """
        from libcontainer.host.abandoned import remove_abandoned  # noqa: PLC0415

        return remove_abandoned(self._store) + tuple(self._end_orphans())

    def _end_orphans(self) -> Iterator[str]:
        for container in self.list():
            try:
                if container.is_orphan():
                    container.delete(force=True)
                    yield container.id
            except (ContainerNotFoundError, StateFileError):
                continue
            except (LibcontainerError, OSError) as error:
                logger.warning("%s cannot be removed yet: %s", container.path, error)

    def close(self) -> None:
        """Let go of the factory's fds; containers live on."""
        self._shared.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _network_records(
    container_id: str, config: Config
) -> tuple[Mapping[str, Any], ...]:
    if not config.networks:
        return ()
    from libcontainer.network.runner import records  # noqa: PLC0415 - rare

    return records(config, container_id)


def _write_name_files(folder: Folder, config: Config) -> None:
    if config.dns is None:
        return
    from libcontainer.host.namefiles import write_name_files  # noqa: PLC0415 - rare

    try:
        write_name_files(folder, config)
    except BaseException:
        folder.remove()
        raise


_EVERY_ID = [b"0", b"0", b"4294967295"]


def _strategy(cgroups: str | CgroupStrategy) -> CgroupStrategy:
    if not isinstance(cgroups, str):
        return cgroups
    if cgroups not in STRATEGIES:
        message = f"cgroups must be one of {', '.join(STRATEGIES)}, not {cgroups!r}"
        raise ValueError(message)
    return new_strategy(cgroups)


def is_rootless() -> bool:
    """Tell whether the caller is not root, or is it in a user namespace only."""
    if os.geteuid() != 0:
        return True
    with open("/proc/self/uid_map", "rb") as file:
        return file.read().split() != _EVERY_ID


def default_root() -> str:
    """Return the root directory of the caller.

    Raises:
        UnsupportedError: an unprivileged caller has no runtime directory.
    """
    folder = os.environ.get("XDG_RUNTIME_DIR")
    if os.geteuid() == 0 and not (folder and is_rootless()):
        return "/run/libcontainer"
    folder = folder or f"/run/user/{os.geteuid()}"
    if not os.path.isdir(folder):
        need = "set XDG_RUNTIME_DIR, or give Factory(root=...) a directory of your own"
        raise UnsupportedError("a root directory for containers", need)
    return f"{folder}/libcontainer"
