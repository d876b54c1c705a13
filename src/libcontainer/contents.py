# SPDX-License-Identifier: Apache-2.0
"""What is in a container: its files, and what it has changed of its image."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from libcontainer.config import Config, NamespaceType, Overlay
from libcontainer.errors import (
    ContainerNotFoundError,
    StateError,
    UnsupportedError,
)
from libcontainer.host.probe import is_privileged
from libcontainer.host.processref import ProcessRef
from libcontainer.known import LOCK_SECONDS, KnownContainer
from libcontainer.status import Status

if TYPE_CHECKING:
    from libcontainer.files.changes import Change
    from libcontainer.files.copy import Copied
    from libcontainer.files.view import ContainerFiles


class ContentsOfContainer(KnownContainer):
    """The part of `Container` that is about its files; see there."""

    @property
    def fs(self) -> ContainerFiles:
        """Its files, to read, write and copy; see `ContainerFiles`.

        Raises:
            UnsupportedError: it joins a user namespace, whose ids are not known.
        """
        # Loaded here, as all of this: most programs look at no files.
        from libcontainer.files.ids import Ids  # noqa: PLC0415
        from libcontainer.files.view import ContainerFiles  # noqa: PLC0415

        if _joins_user(self.config):
            need = "a user namespace of its own, or none"
            raise UnsupportedError("files of a container", need)
        return ContainerFiles(self._root, Ids.of(self.config))

    def changes(self) -> list[Change]:
        """Return what the container has changed of its image, by path.

        The root filesystem is compared with the layers below its writable one: names,
        owners, permissions, and which files have been written to, also if they hold
        the same as before. Mounts within are left out. While the container runs it is
        a look at what moves; `pause` it for one at a moment.

        Raises:
            ContainerNotFoundError: it was deleted.
            UnsupportedError: its root is no `Overlay`; or it does not run, and its
                writable layer was thrown away; or it is `Overlay.host` of a caller
                without CAP_SYS_ADMIN, where each directory is a layer of its own.
        """
        from libcontainer.files.changes import find_changes  # noqa: PLC0415
        from libcontainer.host.containerroot import lower_root  # noqa: PLC0415

        overlay = self._overlay("changes")
        if overlay == Overlay.host() and not is_privileged():
            # Not one tree, and nothing could be made of its changes: no caller without
            # privilege can put a layer on "/".
            need = (
                "CAP_SYS_ADMIN: without it each directory of / is an overlay of its"
                " own; or another image, as in Overlay(path)"
            )
            raise UnsupportedError("changes of the host's own root", need)
        try:
            made = os.stat(f"{self.path}/config.json").st_mtime_ns
        except FileNotFoundError:
            raise ContainerNotFoundError(self.id) from None
        skipped = _mount_points(self.config)
        with self._root() as now, lower_root(self.config, overlay) as before:
            return find_changes(now, before, skipped=skipped, since=made)

    def commit(
        self,
        folder: str | os.PathLike[str],
        *,
        max_bytes: int | None = None,
        max_files: int | None = None,
    ) -> Copied:
        """Copy what the container has changed to a new layer.

        ``Overlay([folder, *lower])`` is then the root as it is now. What was removed
        is a whiteout in it (a character device 0:0); owners are those on the disk.

        Args:
            folder: host path that must not be there yet; its directory must be on a
                filesystem that is no overlay itself.
            max_bytes: most bytes of all files. None: 1 GiB.
            max_files: most files. None: 100,000.

        Raises:
            ContainerNotFoundError: it was deleted.
            CopyLimitError: it is more than that; nothing is left of the copy.
            FileExistsError: *folder* is there.
            UnsupportedError: as `changes`.
        """
        from libcontainer.files.commit import commit_changes  # noqa: PLC0415
        from libcontainer.files.copy import MAX_BYTES, MAX_FILES  # noqa: PLC0415

        changes = self.changes()
        most_bytes = MAX_BYTES if max_bytes is None else max_bytes
        most_files = MAX_FILES if max_files is None else max_files
        with self._root() as root:
            return commit_changes(
                root, changes, os.fspath(folder), (most_bytes, most_files)
            )

    def rollback(self) -> None:
        """Throw away what a container that does not run has changed.

        Its upper layer is emptied. Of a layer that is not kept nothing is left anyway.

        Raises:
            StateError: it runs: the kernel allows no change beneath an overlay.
            UnsupportedError: its root is no `Overlay`.
        """
        from libcontainer.files.beneath import FOLDER  # noqa: PLC0415
        from libcontainer.files.copy import clear_folder  # noqa: PLC0415

        overlay = self._overlay("rollback")
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            with ProcessRef.open(state.init) as init:
                if init is not None:
                    status = self._status(folder, state)
                    if status is not Status.STOPPED:
                        raise StateError(self.id, status.value, "rollback")
            for path in (overlay.upper, overlay.work):
                if path is None:
                    continue
                fd = os.open(path, FOLDER)
                try:
                    clear_folder(fd)
                finally:
                    os.close(fd)

    # -- parts

    @contextlib.contextmanager
    def _root(self) -> Iterator[int]:
        from libcontainer.host import containerroot  # noqa: PLC0415

        state = self.state()
        with ProcessRef.open(state.init) as init:
            if init is not None and not init.is_ending():
                try:
                    with containerroot.live_root(init) as root:
                        yield root
                except ProcessLookupError as error:
                    raise StateError(self.id, Status.STOPPED.value, "files") from error
                return
        with containerroot.resting_root(self.config) as root:
            yield root

    def _overlay(self, verb: str) -> Overlay:
        if isinstance(self.config.rootfs, Overlay):
            return self.config.rootfs
        raise UnsupportedError(verb, "a root filesystem that is an Overlay")


def _joins_user(config: Config) -> bool:
    return any(kind is NamespaceType.USER for kind, _ in config.namespace_paths)


def _mount_points(config: Config) -> frozenset[str]:
    mounts = (*config.base_mounts, *config.mounts)
    return frozenset(mount.destination for mount in mounts)
