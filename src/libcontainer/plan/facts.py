# SPDX-License-Identifier: Apache-2.0
"""What the compiler has to know of the host and of the container's files."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Facts:
    """A frozen snapshot of the host, read once by `libcontainer.host.probe`.

    Attributes:
        euid: effective user id of the caller.
        egid: effective group id of the caller.
        privileged: whether the caller holds CAP_SYS_ADMIN, so that it may
            open mount trees and make namespaces without a user namespace.
        template: whether launches start from a kept template mount namespace.
        keyrings: whether the kernel lets this process, and so its children,
            have keyrings at all.
    """

    euid: int
    egid: int
    privileged: bool
    template: bool
    keyrings: bool = True


@frozen(kw_only=True)
class Identity:
    """Who a process is, as numbers, seen from the container.

    Attributes:
        uid: user id in the container.
        gid: primary group id in the container.
        groups: supplementary group ids in the container, in order.
        home: home directory, a container path.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str
