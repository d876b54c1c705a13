# SPDX-License-Identifier: Apache-2.0
"""Factory: makes containers, finds them again."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self

from libcontainer.cgroups.strategy import (
    STRATEGIES,
    CgroupStrategy,
    new_strategy,
)
from libcontainer.config import Config, config_from_json
from libcontainer.container import Container
from libcontainer.errors import (
    ConfigError,
    ContainerNotFoundError,
    StateFileError,
    UnsupportedError,
)
from libcontainer.host.processref import own_record
from libcontainer.host.store import Folder, Store
from libcontainer.launcher import DEADLINE_SECONDS, Launcher
from libcontainer.state import State, check_id
from libcontainer.status import Status


class Factory:
    """A root directory of containers and the means to make them.

    Any number of factories, in any number of processes, may use one root. A
    factory may be shared between threads. It holds at most two fds (the
    helper's image and the template mount namespace), made at the first launch.

    Args:
        root: where containers have their state, a host path; made with mode
            0700. None is ``/run/libcontainer`` for root, else
            ``$XDG_RUNTIME_DIR/libcontainer``.
        cgroups: how containers get a cgroup: ``auto`` (wherever the caller may make
            one), ``cgroupfs`` (always), ``hybrid`` (where v1 and v2 are mounted, in
            both), ``systemd`` (as a scope), ``disabled`` (never), or a
            `CgroupStrategy`.
        deadline_seconds: how long one launch may take before it is undone.

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
    ) -> None:
        path = default_root() if root is None else os.path.abspath(os.fspath(root))
        self._store = Store(path)
        self._cgroups = _strategy(cgroups)
        self._launcher = Launcher(deadline_seconds=deadline_seconds)

    def __repr__(self) -> str:
        return f"<Factory {self.root!r}>"

    @property
    def root(self) -> str:
        """The root directory, a host path."""
        return self._store.root

    def create(self, container_id: str, config: Config) -> Container:
        """Make a container. Nothing runs in it yet.

        The operation is atomic: on an error there is no trace of it. A new user
        namespace without id maps gets those of `subid_mappings` here, for good:
        ``Container.config`` has them.

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
        )
        folder = self._store.create(state, text)
        try:
            _write_name_files(folder, config)
        finally:
            folder.close()
        return Container(self._store, self._launcher, container_id, config)

    def load(self, container_id: str) -> Container:
        """Return a container that any process of this user has made.

        Raises:
            InvalidIdError: *container_id* is not allowed.
            ContainerNotFoundError: there is none.
            StateFileError: its state file cannot be used.
        """
        folder = self._store.open(container_id)
        try:
            config = _read_config(folder)
        finally:
            folder.close()
        return Container(self._store, self._launcher, container_id, config)

    def list(self) -> list[Container]:
        """Return every container, by id; those that vanish meanwhile are left out.

        One whose state file cannot be read is left out as well: `load` tells
        why.
        """
        found = []
        for container_id in self._store.ids():
            try:
                found.append(self.load(container_id))
            except (ContainerNotFoundError, StateFileError, ConfigError):
                continue
        return found

    def __iter__(self) -> Iterator[Container]:
        return iter(self.list())

    def __contains__(self, container_id: object) -> bool:
        return container_id in self._store.ids()

    def __getitem__(self, container_id: str) -> Container:
        return self.load(container_id)

    def recover(self) -> tuple[str, ...]:
        """Remove what crashed creators left; return the ids of what was removed.

        A container whose maker died before its init process was recorded has
        no process (the helper ends with its maker) and can only be removed. The
        living are not touched: their maker holds the lock.
        """
        return self._store.remove_abandoned()

    def close(self) -> None:
        """Let go of the factory's fds; containers live on."""
        self._launcher.close()

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


def _read_config(folder: Folder) -> Config:
    # The state is read too: it tells whether the folder is of a newer schema.
    folder.read()
    try:
        return config_from_json(json.loads(folder.read_config()))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        message = f"{folder.path}/config.json cannot be read: {error!r}"
        raise StateFileError(message) from error


def _strategy(cgroups: str | CgroupStrategy) -> CgroupStrategy:
    if not isinstance(cgroups, str):
        return cgroups
    if cgroups not in STRATEGIES:
        message = f"cgroups must be one of {', '.join(STRATEGIES)}, not {cgroups!r}"
        raise ValueError(message)
    return new_strategy(cgroups)


def default_root() -> str:
    """Return the root directory of the caller.

    Raises:
        UnsupportedError: an unprivileged caller has no runtime directory.
    """
    if os.geteuid() == 0:
        return "/run/libcontainer"
    folder = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    if not os.path.isdir(folder):
        need = "set XDG_RUNTIME_DIR, or give Factory(root=...) a directory of your own"
        raise UnsupportedError("a root directory for containers", need)
    return f"{folder}/libcontainer"
