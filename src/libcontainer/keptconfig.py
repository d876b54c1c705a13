# SPDX-License-Identifier: Apache-2.0
"""A container's configuration as its folder has it, of which parts are asked for.

To look at a container, to start, to signal and to delete it takes little or nothing
of its configuration, and to make all of it takes longer than all the rest of a command.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from libcontainer.config.serial import config_from_json, rootfs_from_json
from libcontainer.errors import StateFileError

if TYPE_CHECKING:
    from libcontainer.config import Config, Directory, NamespaceType, Overlay
    from libcontainer.config.hooks import Hooks
    from libcontainer.config.seccomp import Seccomp

T = TypeVar("T")


class KeptConfig:
    """Has some fields of `Config`, made one by one of ``config.json``.

    A field that cannot be made raises StateFileError, each of them if the file is no
    JSON object.

    Args:
        folder: the path of the container's folder, for messages.
        text: what the file has.
    """

    def __init__(self, folder: str, text: bytes) -> None:
        self._folder = folder
        self._text = text
        self._read: dict[str, Any] | None = None

    @property
    def _document(self) -> dict[str, Any]:
        # Not before somebody asks: of thousands that are listed few are asked, and
        # Python's garbage collector looks at every object that was made of the text.
        if self._read is None:
            self._read = self._made(lambda: dict(json.loads(self._text)))
        return self._read

    def whole(self) -> Config:
        """Return all of it."""
        return self._made(lambda: config_from_json(self._document))

    @property
    def rootfs(self) -> Directory | Overlay:
        """`Config.rootfs`."""
        return self._made(lambda: rootfs_from_json(self._document["rootfs"]))

    @property
    def hooks(self) -> Hooks:
        """`Config.hooks`."""
        from libcontainer.config.hooks import hooks_from_json  # noqa: PLC0415

        return self._made(lambda: hooks_from_json(self._document.get("hooks", {})))

    @property
    def namespaces(self) -> frozenset[NamespaceType]:
        """`Config.namespaces`."""
        from libcontainer.config.model import to_namespaces  # noqa: PLC0415

        return self._made(lambda: to_namespaces(self._document["namespaces"]))

    @property
    def namespace_paths(self) -> tuple[tuple[NamespaceType, str], ...]:
        """`Config.namespace_paths`."""
        from libcontainer.config.namespaces import to_namespace_paths  # noqa: PLC0415

        paths = self._document.get("namespace_paths", ())
        return self._made(lambda: to_namespace_paths(paths))

    @property
    def labels(self) -> tuple[tuple[str, str], ...]:
        """`Config.labels`."""
        from libcontainer.config.convert import to_pairs  # noqa: PLC0415

        return self._made(lambda: to_pairs(self._document.get("labels", ())))

    @property
    def cgroups_path(self) -> str | None:
        """`Config.cgroups_path`."""
        return self._made(lambda: self._document.get("cgroups_path"))

    @property
    def seccomp(self) -> Seccomp | None:
        """`Config.seccomp`."""
        if self._document.get("seccomp") is None:
            return None
        return self.whole().seccomp

    def _made(self, make: Callable[[], T]) -> T:
        try:
            return make()
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            message = f"{self._folder}/config.json cannot be read: {error!r}"
            raise StateFileError(message) from error
