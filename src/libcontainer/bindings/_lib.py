# SPDX-License-Identifier: Apache-2.0
"""The compiled module, checked, and what all wrappers share.

No other file imports ``libcontainer._native``. This one stays light, because every
launch needs it: no attrs, no enum, no typing.
"""

from __future__ import annotations

import errno
import os

from libcontainer import _native
from libcontainer._version import ABI, __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libcontainer._native import CData

__all__ = [
    "AT_FDCWD",
    "PathLike",
    "call_failed",
    "check",
    "ffi",
    "helper_image",
    "lib",
    "monitor_image",
    "optional_bytes",
    "path_bytes",
]

ffi = _native.ffi
lib = _native.lib

PathLike = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""What names a file: text, or the bytes that the kernel sees."""

AT_FDCWD = -100
"""As a directory fd: the current directory of the calling thread."""


def _check_native() -> None:
    """Refuse a native module that was built from other sources."""
    version = ffi.string(lib.lc_version).decode()
    if (version, lib.lc_abi) != (__version__, ABI):
        message = (
            f"libcontainer {__version__} (ABI {ABI}) found a native module of version"
            f" {version} (ABI {lib.lc_abi}) in {_native.__file__}: install it again"
        )
        raise ImportError(message, name=_native.__name__, path=_native.__file__)


_check_native()


def helper_image() -> bytes:
    """Return the ELF image of the static helper."""
    return bytes(ffi.buffer(lib.lc_helper_image, lib.lc_helper_size))


def monitor_image() -> bytes:
    """Return the ELF image of the static monitor."""
    return bytes(ffi.buffer(lib.lc_monitor_image, lib.lc_monitor_size))


def call_failed(call: str, number: int) -> OSError:
    """Return the error of a failed call.

    Args:
        call: the call with its arguments, such as ``setns(7, NEWNET)``.
        number: what the kernel answered; `OSError` picks the subclass by it.
    """
    name = errno.errorcode.get(number, f"errno {number}")
    return OSError(number, f"{call}: {os.strerror(number).lower()} [{name}]")


def check(result: int, call: str, *arguments: object) -> int:
    """Return a result >= 0, raise the error that a negative one stands for.

    Args:
        result: what a C function returned: a value, or minus the errno.
        call: the name of the system call.
        arguments: its arguments, for the message; flags as their enum.
    """
    if result >= 0:
        return result
    shown = ", ".join(_shown(argument) for argument in arguments)
    raise call_failed(f"{call}({shown})", -result)


def _shown(argument: object) -> str:
    """Write an argument as a reader of a man page would."""
    if isinstance(argument, int) and type(argument) not in (int, bool):
        name = getattr(argument, "name", None)
        return str(name) if name else hex(argument) if argument else "0"
    if type(argument) is int and argument == AT_FDCWD:
        return "AT_FDCWD"
    if isinstance(argument, os.PathLike):
        return repr(os.fspath(argument))
    return repr(argument)


def path_bytes(path: PathLike) -> bytes:
    """Encode a path for C.

    Raises:
        ValueError: it holds a NUL byte, where C would cut it off.
    """
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        message = f"embedded null byte in {path!r}"
        raise ValueError(message)
    return encoded


def optional_bytes(text: PathLike | None) -> bytes | CData:
    """Encode a string for C; None is the null pointer."""
    return ffi.NULL if text is None else path_bytes(text)
