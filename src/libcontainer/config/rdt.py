# SPDX-License-Identifier: Apache-2.0
"""Shares of processor caches and of memory bandwidth (Intel RDT, AMD QoS)."""

from __future__ import annotations

from attrs import field, frozen

from libcontainer.config.convert import to_strings


@frozen(kw_only=True)
class IntelRdt:
    """What a container gets of caches and memory bandwidth.

    Source: OCI runtime specification, ``config-linux.md`` *IntelRdt*; the kernel's
    ``Documentation/filesystems/resctrl.rst``. Needs a processor that has it, and a
    mounted resctrl filesystem.
    """

    clos_id: str | None = field(default=None)
    """The class of service, a directory of the resctrl filesystem. Without a schema
    it has to be there; with one it is made, and must have that schema if it is there.
    ``/`` is the default class. None: one of the container's own, by its id."""

    schemata: tuple[str, ...] = field(default=(), converter=to_strings)
    """Lines for the ``schemata`` file: ``L3:0=ffff0;1=fff00``."""

    l3_cache_schema: str | None = field(default=None)
    """The line of the third cache; it begins with ``L3:``."""

    mem_bw_schema: str | None = field(default=None)
    """The line of the memory bandwidth; it begins with ``MB:``."""

    enable_monitoring: bool = field(default=False)
    """Whether what the container uses is measured by itself: `Container.rdt_stats`."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Every line of the schema, in the order in which they are written."""
        single = (self.l3_cache_schema, self.mem_bw_schema)
        return (*(line for line in single if line), *self.schemata)
