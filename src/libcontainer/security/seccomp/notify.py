# SPDX-License-Identifier: Apache-2.0
"""What a handler of ``SCMP_ACT_NOTIFY`` is asked, and what it can answer.

Source: seccomp_unotify(2). What memory of the program says may change after it was
read, so `Continue` is no way to enforce anything that depends on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import field, frozen


@frozen
class Continue:
    """Let the kernel make the call, as if there was no filter. Linux >= 5.5."""


@frozen
class Value:
    """Make the call return a number, without making it."""

    number: int
    """From -2**63 to 2**63-1."""


@frozen
class Errno:
    """Make the call fail."""

    number: int
    """An errno, from 1 to 4095."""


@frozen
class AddFd:
    """Give the program a copy of an fd; the call returns its number.

    Linux >= 5.14.
    """

    fd: int
    """An fd of the caller, which stays the caller's."""

    close_on_exec: bool = True
    """Whether execve(2) closes it in the program."""


Answer = Continue | Value | Errno | AddFd


@frozen
class Request:
    """A system call that waits for an answer."""

    id: int
    """The kernel's number of this request."""

    pid: int
    """The thread that makes it, in the pid namespace of the caller; 0 if it is not
    visible there."""

    name: str | None
    """The call by name, or None if it has none here."""

    number: int
    """Its number."""

    architecture: int
    """``AUDIT_ARCH_*``."""

    args: tuple[int, ...]
    """Its six arguments, unsigned."""

    _is_valid: Callable[[], bool] = field(repr=False, eq=False)
    _read: Callable[[int, int], bytes] = field(repr=False, eq=False)

    def is_valid(self) -> bool:
        """Tell whether the program still waits: what was looked up was its own."""
        return self._is_valid()

    def read(self, address: int, size: int) -> bytes:
        """Return memory of the program, shorter where it ends.

        Raises:
            ProcessLookupError: it does not wait any more.
            OSError: the address is not mapped.
        """
        return self._read(address, size)

    def read_text(self, address: int, most: int = 4096) -> bytes:
        """Return the bytes before a NUL, such as a path.

        Raises:
            ProcessLookupError, OSError: as `read`.
            ValueError: there is no NUL within *most* bytes.
        """
        found = b""
        while len(found) < most:
            # Not beyond the page, of which the next may not be there.
            size = min(most - len(found), 4096 - (address + len(found)) % 4096)
            part = self._read(address + len(found), size)
            head, nul, _ = part.partition(b"\0")
            found += head
            if nul:
                return found
            if not part:
                break
        message = f"no end within {most} bytes"
        raise ValueError(message)


class NotifyHandler(Protocol):
    """Called for one request at a time, in a thread of its own.

    If it raises, the call fails with EPERM, and the error is logged.
    """

    def __call__(self, request: Request) -> Answer:
        """Return what becomes of the call."""
