# SPDX-License-Identifier: Apache-2.0
"""Makes links that depend on a link of the host."""

from __future__ import annotations

from libcontainer.config.network import Interface
from libcontainer.network._netlink import Attributes
from libcontainer.network.base import Context
from libcontainer.network.interface import new_link_attributes


def add_child(
    context: Context, link: Interface, parent: str, kind: str, data: Attributes
) -> None:
    """Make a link on *parent*, in the container from its first moment on.

    So it never has a name on the host that could be taken.

    Raises:
        NetworkError: there is no such parent, or the kernel refused it.
    """
    what = f"make the {kind} {link.name!r} on {parent!r}"
    index = context.host.need(parent, what)
    wanted = new_link_attributes(link)
    namespace = context.namespace
    context.host.add_link(what, kind, data, link=index, net_ns_fd=namespace, **wanted)
