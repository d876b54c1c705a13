# SPDX-License-Identifier: Apache-2.0
"""Every property of a v1 controller by name and with its type: cgroupspy's view.

The only file that imports cgroupspy. Limits that `Resources` knows are written
without it. What it has and that does not is within reach here, one property at a time:
a memory cgroup's ``move_charge_at_immigrate``, a cpuset's ``memory_spread_page``.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from cgroupspy.contenttypes import DeviceAccess
from cgroupspy.interfaces import CommaDashSetFile, MultiLineIntegerFile, TypedFile
from cgroupspy.nodes import Node

from libcontainer.cgroups.group import Group
from libcontainer.config import DeviceRule
from libcontainer.errors import CgroupError, UnsupportedError

# They do something when they are read, or are of no use but to be written.
_NOT_LISTED: Final = frozenset({"force_empty"})


PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class Properties:
    """The properties of one controller of a v1 cgroup, as a mapping.

    A number reads as an int, a switch as a bool, ``cpuset.cpus`` as a set, a file of
    many lines as a dict. What is set is read again: the kernel may have another mind.

    Args:
        group: whose they are.
        controller: ``memory``, ``cpu``, ``cpuacct``, ``cpuset``, ``blkio``,
            ``devices``, ``net_cls`` or ``net_prio``.

    Raises:
        UnsupportedError: the controller is not of v1 here, or another one.
    """

    def __init__(self, group: Group, controller: str) -> None:
        kinds = {name.decode(): kind for name, kind in Node.CONTROLLERS.items()}
        names = (name.split(",") for name in group.paths)
        if controller not in kinds or not any(controller in words for words in names):
            need = f"one of {', '.join(kinds)}, and cgroup v1"
            raise UnsupportedError(f"properties of {controller!r}", need)
        self.path = group.directory(controller) or ""
        # One node for the one directory: its trees walk every cgroup there is.
        self._properties = kinds[controller](Node(self.path))

    def __iter__(self) -> Iterator[str]:
        for name, kind in sorted(self._properties.list_interfaces().items()):
            if name not in _NOT_LISTED and os.path.exists(self._file(kind)):
                yield name

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401
        """Return a value.

        Raises:
            KeyError: there is no such property.
            CgroupError: it cannot be read.
        """
        kind = self._kind(name)
        if kind.writeonly:
            raise CgroupError(errno.EPERM, f"read {self._file(kind)}")
        return self._tried("read", kind, lambda: getattr(self._properties, name))

    def __setitem__(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Set a value; a list is written one by one, where the kernel wants that.

        Raises:
            KeyError: there is no such property.
            ValueError: it has no such value.
            CgroupError: it cannot be written, or did not become what it should.
        """
        kind = self._kind(name)
        for one in _each(kind, value):

            def write(one: Any = one) -> None:  # noqa: ANN401
                setattr(self._properties, name, one)

            self._tried(f"write {value!r} to", kind, write)
        if not kind.writeonly and not isinstance(
            kind, MultiLineIntegerFile | TypedFile
        ):
            self._confirm(name, kind, value)

    # -- parts

    def _confirm(self, name: str, kind: Any, value: object) -> None:  # noqa: ANN401
        (wanted,) = _each(kind, value)
        found = self[name]
        if isinstance(wanted, int) and found == wanted - wanted % PAGE:
            return  # the kernel counts in pages
        # Only what both have as the same type can be compared.
        if type(found) is type(wanted) and found != wanted:
            hint = f"the kernel made {found!r} of it"
            what = f"write {value!r} to {self._file(kind)}"
            raise CgroupError(errno.EINVAL, what, hint=hint)

    def _kind(self, name: str) -> Any:  # noqa: ANN401
        kind = self._properties.get_interface(name)
        if kind is None or not os.path.exists(self._file(kind)):
            raise KeyError(name)
        return kind

    def _file(self, kind: Any) -> str:  # noqa: ANN401
        return f"{self.path}/{kind.filename.decode()}"

    def _tried(self, what: str, kind: Any, act: Callable[[], Any]) -> Any:  # noqa: ANN401
        try:
            return act()
        except OSError as error:
            number = error.errno or errno.EIO
            raise CgroupError(number, f"{what} {self._file(kind)}") from error
        except RuntimeError as error:  # its word for "read only"
            raise CgroupError(errno.EPERM, f"{what} {self._file(kind)}") from error


def _each(kind: Any, value: Any) -> list[Any]:  # noqa: ANN401
    """Return what is written, one write each, in the types that cgroupspy takes."""
    if isinstance(kind, CommaDashSetFile) and isinstance(value, str):
        return [_numbers(value)]
    if isinstance(kind, TypedFile):
        values = value if isinstance(value, list | tuple) else [value]
        return [_device(one) if isinstance(one, DeviceRule) else one for one in values]
    if isinstance(kind, MultiLineIntegerFile) and isinstance(value, Iterable):
        return list(value)
    return [value]


def _numbers(text: str) -> set[int]:
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def _device(rule: DeviceRule) -> DeviceAccess:
    # It says "all", the kernel wants "a".
    return DeviceAccess(rule.type, rule.major, rule.minor, rule.access)
