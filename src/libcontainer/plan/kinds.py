# SPDX-License-Identifier: Apache-2.0
"""Which kinds of namespaces a container has for itself."""

from __future__ import annotations

from typing import Protocol

from libcontainer.config import NamespaceType


class _Namespaces(Protocol):
    """What `Config` has of namespaces."""

    @property
    def namespaces(self) -> frozenset[NamespaceType]: ...

    @property
    def namespace_paths(self) -> tuple[tuple[NamespaceType, str], ...]: ...


def is_joined(config: _Namespaces, kind: NamespaceType) -> bool:
    """Tell whether the container joins a namespace of a kind."""
    return any(joined is kind for joined, _ in config.namespace_paths)


def is_new(config: _Namespaces, kind: NamespaceType) -> bool:
    """Tell whether the container is the first in a namespace of a kind."""
    return kind in config.namespaces and not is_joined(config, kind)


def shares_pids(config: _Namespaces) -> bool:
    """Tell whether processes outlive init, to be found by their mount namespace."""
    return not is_new(config, NamespaceType.PID) and is_new(config, NamespaceType.MOUNT)
