# SPDX-License-Identifier: Apache-2.0
"""One value for one file of a cgroup."""

from __future__ import annotations

from attrs import frozen


@frozen
class Write:
    """A value to be written.

    Attributes:
        controller: the controller the file belongs to; ``cgroup`` is the core.
        file: its name in the cgroup's directory.
        value: the text.
        optional: whether a kernel without the file is no error.
    """

    controller: str
    file: str
    value: str
    optional: bool = False


@frozen
class AtMost(Write):
    """A look instead of a write: the number in the file must not be above *value*.

    Attributes:
        what: what *value* limits.
    """

    what: str = "memory"


@frozen
class Confirmed(Write):
    """A write that the kernel takes and may yet not heed: the file tells."""


@frozen
class AnyOf(Write):
    """One limit that kernels have under several names: one of them must be there.

    Attributes:
        others: what is written besides, where it is there.
    """

    others: tuple[Write, ...] = ()


@frozen
class DeviceFilter(Write):
    """The program that decides about devices in cgroup v2, in place of a value.

    It is *optional* where nobody asked for it and a caller without privilege cannot
    give it: such a caller has no right over devices that a container could use.

    Attributes:
        program: the instructions.
    """

    program: bytes = b""
