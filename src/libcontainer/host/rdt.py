# SPDX-License-Identifier: Apache-2.0
"""Classes of service in the resctrl filesystem."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import field, frozen

from libcontainer.config.rdt import IntelRdt
from libcontainer.errors import StepError, UnsupportedError

_DEFAULT: Final = "/"
_OPEN: Final = os.O_CLOEXEC | os.O_NOFOLLOW


@frozen(kw_only=True)
class RdtStats:
    """What was measured of a container, or of its class of service.

    Attributes:
        llc_occupancy: bytes in the last cache, by domain.
        mbm_total_bytes: bytes over the memory bus so far, by domain.
        mbm_local_bytes: those of the own node, by domain.
    """

    llc_occupancy: Mapping[str, int] = field(factory=dict)
    mbm_total_bytes: Mapping[str, int] = field(factory=dict)
    mbm_local_bytes: Mapping[str, int] = field(factory=dict)


def find_resctrl() -> str:
    """Return where the resctrl filesystem is mounted.

    Raises:
        UnsupportedError: it is not.
    """
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields, _, rest = line.partition(" - ")
            if rest.startswith("resctrl "):
                return fields.split()[4]
    need = (
        "a processor with it, and the filesystem:"
        " mount -t resctrl resctrl /sys/fs/resctrl"
    )
    raise UnsupportedError("intel_rdt", need)


@frozen
class Resctrl:
    """A mounted resctrl filesystem.

    Attributes:
        root: where it is mounted, a host path.
    """

    root: str

    def class_of(self, rdt: IntelRdt, container_id: str) -> str:
        """Return the directory of a container's class of service."""
        if rdt.clos_id == _DEFAULT:
            return self.root
        return f"{self.root}/{rdt.clos_id or container_id}"

    def group_of(self, rdt: IntelRdt, container_id: str) -> str:
        """Return the directory that a container's processes are measured by."""
        directory = self.class_of(rdt, container_id)
        if rdt.enable_monitoring:
            return f"{directory}/mon_groups/{container_id}"
        return directory

    def to_remove(self, rdt: IntelRdt, container_id: str) -> tuple[str, ...]:
        """Return what a container will make, in the order in which it goes.

        Nothing is changed; it can be written down before `join`.
        """
        found = []
        if rdt.enable_monitoring:
            found.append(self.group_of(rdt, container_id))
        directory = self.class_of(rdt, container_id)
        if directory != self.root and not os.path.isdir(directory):
            found.append(directory)
        return tuple(found)

    def join(self, rdt: IntelRdt, container_id: str, host_pid: int) -> None:
        """Make what has to be made, and put a process into it.

        Raises:
            StepError: the class is not there and has no schema, has another, or the
                kernel refused it; `remove` has to follow.
        """
        directory = self.class_of(rdt, container_id)
        if not os.path.isdir(directory):
            if rdt.clos_id is not None and not rdt.lines:
                hint = "a class without a schema in the configuration has to be there"
                what = f"use the class of service {rdt.clos_id!r}"
                raise StepError(errno.ENOENT, what, hint=hint)
            self.make(directory)
            self._write_schema(directory, rdt.lines)
        elif rdt.clos_id is None:
            what = f"make the class of service {container_id!r}"
            raise StepError(errno.EEXIST, what, hint="somebody else's is there")
        elif rdt.lines:
            self._compare(directory, rdt)
        if rdt.enable_monitoring:
            self.make(self.group_of(rdt, container_id))
        self.enter(rdt, container_id, host_pid)

    def enter(self, rdt: IntelRdt, container_id: str, host_pid: int) -> None:
        """Put a process into what is there.

        Raises:
            StepError: the kernel refused it.
        """
        self._write(self.group_of(rdt, container_id), "tasks", str(host_pid))

    def update(self, rdt: IntelRdt, container_id: str) -> None:
        """Write the schema of a class anew.

        Raises:
            StepError: the kernel refused a line; those before it hold.
        """
        self._write_schema(self.class_of(rdt, container_id), rdt.lines)

    def stats(self, rdt: IntelRdt, container_id: str) -> RdtStats:
        """Return what was measured; of the whole class without a group of its own."""
        found: dict[str, dict[str, int]] = {}
        base = f"{self.group_of(rdt, container_id)}/mon_data"
        for domain in sorted(_names(base)):
            for name in ("llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"):
                # "Unavailable" and "Error" are words that a file may hold.
                with contextlib.suppress(OSError, ValueError):
                    value = int(_read(f"{base}/{domain}/{name}"))
                    found.setdefault(name, {})[domain] = value
        return RdtStats(**found)

    def make(self, directory: str) -> None:
        """Make one directory, which the kernel fills.

        Raises:
            StepError: it is there, or there are no more classes (``ENOSPC``).
        """
        try:
            os.mkdir(directory, 0o755)
        except OSError as error:
            number = error.errno or errno.EIO
            full = number == errno.ENOSPC
            hint = "the processor has no more classes" if full else None
            raise StepError(number, f"make {directory!r}", hint=hint) from error

    def _compare(self, directory: str, rdt: IntelRdt) -> None:
        have = set(_read(f"{directory}/schemata").split())
        missing = [line for line in rdt.lines if not _is_in(line, have)]
        if missing:
            what = f"use the class of service {rdt.clos_id!r}"
            hint = f"it is there with another schema: {', '.join(sorted(have))}"
            raise StepError(errno.EEXIST, what, hint=hint)

    def _write_schema(self, directory: str, lines: Iterable[str]) -> None:
        for line in lines:
            self._write(directory, "schemata", f"{line}\n")

    def _write(self, directory: str, name: str, text: str) -> None:
        what = f"write {text.strip()!r} to {directory}/{name}"
        try:
            fd = os.open(f"{directory}/{name}", os.O_WRONLY | os.O_TRUNC | _OPEN)
            try:
                os.write(fd, text.encode())
            finally:
                os.close(fd)
        except OSError as error:
            raise StepError(error.errno or 0, what, hint=self._status()) from error

    def _status(self) -> str | None:
        # The kernel's own words for the last failure.
        with contextlib.suppress(OSError):
            said = _read(f"{self.root}/info/last_cmd_status").strip()
            return None if said in {"", "ok"} else f"the kernel says: {said}"
        return None


@frozen
class RdtJoiner:
    """Puts the init of one container into its class of service.

    Attributes:
        resctrl: the filesystem.
        container_id: the container's id.
        made: what the container makes, in the order in which it goes.
    """

    resctrl: Resctrl
    container_id: str
    made: tuple[str, ...]

    def join(self, rdt: IntelRdt, host_pid: int) -> None:
        """Make the class and put a process into it.

        Raises:
            StepError: it failed; `undo` has to follow.
        """
        self.resctrl.join(rdt, self.container_id, host_pid)

    def enter(self, rdt: IntelRdt, host_pid: int) -> None:
        """Put a further process into the class that init is in.

        Raises:
            StepError: the kernel refused it.
        """
        self.resctrl.enter(rdt, self.container_id, host_pid)

    def undo(self) -> None:
        """Remove what a failed launch has made."""
        remove(self.made)


def remove(directories: Iterable[str]) -> None:
    """Remove directories that a container has made; what is gone is passed over."""
    for directory in directories:
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(directory)


def _is_in(line: str, have: set[str]) -> bool:
    """Tell whether a schema has all of a line, whatever the zeros of its masks."""
    name, _, rest = line.partition(":")
    for entry in have:
        other, _, known = entry.strip().partition(":")
        if other == name:
            return _masks(rest).items() <= _masks(known).items()
    return False


def _masks(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";") if part)
    return {key.lstrip("0"): value.lower().lstrip("0") for key, _, value in pairs}


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _read(path: str) -> str:
    fd = os.open(path, os.O_RDONLY | _OPEN)
    with open(fd, encoding="utf-8", errors="replace") as file:
        return file.read()
