# SPDX-License-Identifier: Apache-2.0
"""Compiled filters of system calls, kept where Python keeps compiled code.

To compile the profile of an engine takes a third of a command's time. What was
compiled once is found again by a digest of the profile and of everything else that it
depends on. It is trusted as the code beside it is: only where nobody can write but
root or the caller. Whoever may not write there compiles each time.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
from _frozen_importlib_external import cache_from_source
from typing import TYPE_CHECKING, Any

from attrs import asdict

from libcontainer._version import __version__
from libcontainer.config import seccomp as words
from libcontainer.host.files import read_all, write_all
from libcontainer.security import seccomp
from libcontainer.security.seccomp.compiler import (
    Filter,
    Target,
    compile_anew,
    remembered,
)

if TYPE_CHECKING:
    from libcontainer.config.seccomp import Seccomp

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_DIGEST = 32
_HEAD = _DIGEST + 5
_INSTRUCTION = 8
_MOST_BYTES = _HEAD + 4096 * _INSTRUCTION
_MOST_FILES = 64
# Who hears of it, and what: no part of the program.
_APART = ("listener_path", "listener_metadata")


def make_ready(profile: Seccomp, target: Target) -> None:
    """Have the compiler remember the filter of a profile, kept or compiled now.

    Raises:
        UnsupportedError, ConfigError: as for `compile_profile`.
    """

    def make() -> Filter:
        folder = FilterFolder()
        try:
            found = folder.find(profile, target)
        except OSError:
            # The compiler lies in no files, or they cannot be read.
            return compile_anew(profile, target)
        if found is None:
            found = compile_anew(profile, target)
            folder.keep(profile, target, found)
        return found

    remembered(profile, target, make)


class FilterFolder:
    """A directory of compiled filters, each in a file of its own.

    A file that is not what it should be is as good as none. Nothing is written where
    Python is told to write no compiled code (``PYTHONDONTWRITEBYTECODE``).

    Args:
        path: the directory, made when there is something to keep; None is the one
            beside Python's own files of the compiler.
    """

    def __init__(self, path: str | None = None) -> None:
        self._path = _default() if path is None else path

    def find(self, profile: Seccomp, target: Target) -> Filter | None:
        """Return the filter that was kept of a profile, or None.

        Raises:
            OSError: what it depends on, or the file itself, cannot be read.
        """
        key = _key(profile, target)
        try:
            folder = _open_own(self._path, _OPEN | os.O_DIRECTORY)
        except OSError:
            return None
        try:
            fd = _open_own(key.hex(), _OPEN, folder)
        except OSError:
            return None
        finally:
            os.close(folder)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
                return None
            return _read(read_all(fd), key)
        finally:
            os.close(fd)

    def keep(self, profile: Seccomp, target: Target, made: Filter) -> None:
        """Keep the filter of a profile, if the directory is the caller's."""
        if sys.dont_write_bytecode:
            return
        key = _key(profile, target)
        head = made.flags.to_bytes(4, "little") + bytes([made.notifies])
        data = head + made.program
        try:
            os.makedirs(self._path, mode=0o755, exist_ok=True)
            folder = _open_own(self._path, _OPEN | os.O_DIRECTORY)
        except OSError:
            return
        temporary = f"{key.hex()}.{os.getpid()}"
        try:
            names = os.listdir(folder)
            for name in names if len(names) >= _MOST_FILES else ():
                os.unlink(name, dir_fd=folder)
            fd = os.open(temporary, _WRITE, 0o644, dir_fd=folder)
            try:
                write_all(fd, _digest(key + data) + data)
            finally:
                os.close(fd)
            os.rename(temporary, key.hex(), src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            # It is read-only, or full.
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
        finally:
            os.close(folder)


def _default() -> str:
    return f"{os.path.dirname(cache_from_source(seccomp.__file__))}/filters"


def _open_own(path: str, flags: int, folder: int | None = None) -> int:
    """Open what belongs to root or to the caller, and nobody else can write.

    Raises:
        OSError: there is no such thing.
    """
    fd = os.open(path, flags, dir_fd=folder)
    status = os.fstat(fd)
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & 0o022:
        os.close(fd)
        raise PermissionError(path)
    return fd


def _read(data: bytes, key: bytes) -> Filter | None:
    digest, rest, program = data[:_DIGEST], data[_DIGEST:], data[_HEAD:]
    if digest != _digest(key + rest) or not program or len(program) % _INSTRUCTION:
        return None
    return Filter(program, int.from_bytes(rest[:4], "little"), bool(rest[4]))


def _key(profile: Seccomp, target: Target) -> bytes:
    """Return the digest of all that a filter depends on."""
    fields = asdict(profile, value_serializer=_plain)
    for name in _APART:
        del fields[name]
    held = sorted(target.capabilities)
    where = (target.machine, target.kernel, held)
    text = json.dumps((__version__, _compiler(), where, fields), sort_keys=True)
    return _digest(text.encode())


def _compiler() -> list[tuple[str, int, int]]:
    """Return what tells this compiler from one that was changed, as Python does."""
    folder = os.path.dirname(str(seccomp.__file__))
    sources = [f"{folder}/{name}" for name in os.listdir(folder) if name[-3:] == ".py"]
    sources.append(str(words.__file__))
    found = []
    for path in sorted(sources):
        status = os.stat(path)
        name = os.path.basename(path)
        found.append((name, status.st_size, status.st_mtime_ns))
    return found


def _plain(owner: object, field: object, value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, frozenset):
        return sorted(value)
    return value.hex() if isinstance(value, bytes) else value


def _digest(data: bytes) -> bytes:
    # hashlib loads OpenSSL, which takes longer than to compile.
    try:
        from _sha2 import sha256  # type: ignore[import-not-found]  # noqa: PLC0415
    except ImportError:
        try:
            from _sha256 import (  # type: ignore[import-not-found]  # noqa: PLC0415
                sha256,  # before Python 3.12
            )
        except ImportError:
            from hashlib import sha256  # noqa: PLC0415
    return bytes(sha256(data).digest())
