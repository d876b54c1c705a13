# SPDX-License-Identifier: Apache-2.0
"""One file with the code of every module that commands load.

Python looks each module up in several directories and keeps the code of each in a
file of its own, which takes longer than to execute it. A command loads more than a
hundred. Here they are found by name in one file, which is made and remade by the
commands themselves and lies where Python keeps its own: whoever may not write there
goes without, and nothing but time is lost.

The rules are those of Python's own files. The code of a module counts only as long as
its source has the size and the time of change that it was made from, and only for the
same interpreter; ``PYTHONDONTWRITEBYTECODE`` and ``PYTHONPYCACHEPREFIX`` hold.
"""

from __future__ import annotations

import marshal
import os
import sys
from _frozen_importlib_external import (
    MAGIC_NUMBER,
    SourceFileLoader,
    cache_from_source,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from types import CodeType
    from typing import Any

    from libcontainer.commands.rewrite import Late

    _sre: Any
else:
    import _sre

_HEAD = 16
_FOLDER = os.path.dirname(os.path.dirname(__file__))
_PLACE = os.path.dirname(_FOLDER) + "/"
_Entry = tuple[int, int, bool, int, int]


class Source:
    """A file of source, as it is now."""

    __slots__ = ("changed_ns", "is_package", "path", "size")

    def __init__(self, path: str, size: int, changed_ns: int, is_package: bool) -> None:  # noqa: FBT001
        self.path = path
        self.size = size
        self.changed_ns = changed_ns
        self.is_package = is_package


class Cache:
    """The code of the library's modules, by name.

    Args:
        path: the file; by default where Python keeps the code of this module.
    """

    def __init__(self, path: str | None = None) -> None:
        self._path = _default() if path is None else path
        self._fd = -1
        # Name to size and time of the source, whether a package, and where its code is
        # in the file.
        self._index: dict[str, _Entry] = {}
        self._found: dict[str, Source] = {}
        self._missing: set[str] = set()
        # What regular expressions are compiled to, by pattern and flags.
        self._patterns: dict[tuple[str | bytes, int], bytes] = {}
        self._is_old = False
        # What another version of these has made is of no use.
        self._makers = [_version_of(name) for name in ("codecache.py", "rewrite.py")]
        try:
            self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            head = os.pread(self._fd, _HEAD, 0)
            if head.startswith(MAGIC_NUMBER):
                size = int.from_bytes(head[len(MAGIC_NUMBER) :], "little")
                whole = marshal.loads(os.pread(self._fd, size, _HEAD))  # noqa: S302
                ends = [offset + length for *_, offset, length in whole[1].values()]
                is_whole = os.fstat(self._fd).st_size == max(ends, default=_HEAD + size)
                if whole[0] == self._makers and is_whole:
                    _, self._index, self._patterns = whole
        except (OSError, EOFError, ValueError, TypeError, LookupError, AttributeError):
            self._index, self._patterns = {}, {}

    def find(self, name: str) -> Source | None:
        """Return the source of a module, or None if there is none."""
        found = self._found.get(name)
        if found is None:
            found = self._known(name) or _search(name)
            if found is not None:
                self._found[name] = found
        return found

    def _known(self, name: str) -> Source | None:
        entry = self._index.get(name)
        if entry is None:
            return None
        size, changed, is_package, _, _ = entry
        path = _path_of(name, is_package=is_package)
        try:
            status = os.stat(path)
        except OSError:
            return None
        if (status.st_size, status.st_mtime_ns) != (size, changed):
            del self._index[name]
        return Source(path, status.st_size, status.st_mtime_ns, is_package)

    def is_known(self, name: str) -> bool:
        """Tell whether the file has the code of a module as it is now."""
        return self.find(name) is not None and name in self._index

    def code(self, name: str) -> tuple[CodeType, Late]:
        """Return the code of a module that was found, and what it imports later."""
        if name in self._index:
            kept: tuple[CodeType, Late] = marshal.loads(self._stored(name))  # noqa: S302
            return kept
        self._missing.add(name)
        found: Any = SourceFileLoader(name, self._found[name].path).get_code(name)
        return found, {}

    def _stored(self, name: str) -> bytes:
        *_, offset, size = self._index[name]
        return os.pread(self._fd, size, offset)

    def pattern(self, pattern: str | bytes, flags: int) -> re.Pattern[Any] | None:
        """Return a regular expression, if it was compiled before."""
        stored = self._patterns.get((pattern, int(flags)))
        if stored is None:
            return None
        # The last step of `re.compile`: what is before it takes all of the time.
        return _sre.compile(pattern, *marshal.loads(stored))  # type: ignore[no-any-return]  # noqa: S302

    def add_pattern(self, pattern: str | bytes, flags: int) -> None:
        """Keep what a regular expression is compiled to, if Python tells."""
        try:
            from re import _compiler, _parser  # type: ignore[attr-defined]  # noqa: PLC0415

            parsed = _parser.parse(pattern, flags)
            code = _compiler._code(parsed, flags)  # noqa: SLF001
            groups, names = parsed.state.groups, parsed.state.groupdict
        except (ImportError, AttributeError):
            return
        numbered: list[str | None] = [None] * groups
        for name, number in names.items():
            numbered[number] = name
        parts = (
            *(int(flags) | parsed.state.flags, [int(each) for each in code]),
            *(groups - 1, names, tuple(numbered)),
        )
        self._patterns[pattern, int(flags)] = marshal.dumps(parts)
        self._is_old = True

    def save(self) -> None:
        """Add what was not there to the file, if there is something."""
        if not (self._missing or self._is_old) or sys.dont_write_bytecode:
            return
        # To rewrite code takes long: not for nothing, each time.
        if not _is_writable(os.path.dirname(self._path)):
            return
        codes = {name: self._stored(name) for name in self._index}
        for name in sorted(self._missing):
            found = self._found[name]
            code = _rewritten(found)
            if code is None:
                continue
            codes[name] = code
            source = (found.size, found.changed_ns, found.is_package)
            self._index[name] = (*source, 0, 0)
        index = self._placed(codes)
        size = len(index).to_bytes(_HEAD - len(MAGIC_NUMBER), "little")
        temporary = f"{self._path}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            fd = os.open(temporary, flags, 0o644)
        except OSError:
            return
        try:
            with open(fd, "wb") as file:
                file.write(b"".join((MAGIC_NUMBER, size, index, *codes.values())))
            os.replace(temporary, self._path)
        except OSError:
            os.unlink(temporary)

    def _placed(self, codes: dict[str, bytes]) -> bytes:
        """Return the index as bytes, with the place of each code in the file."""
        # Numbers of this size are five bytes long each, whatever their value.
        start = _HEAD + len(marshal.dumps((self._makers, self._index, self._patterns)))
        for name, code in codes.items():
            self._index[name] = (*self._index[name][:3], start, len(code))
            start += len(code)
        return marshal.dumps((self._makers, self._index, self._patterns))


def _default() -> str:
    folder = os.path.dirname(cache_from_source(__file__))
    kind = f"{sys.implementation.cache_tag}-{sys.flags.optimize}"
    return f"{folder}/commands.{kind}"


def _is_writable(folder: str) -> bool:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)


def _version_of(name: str) -> tuple[int, int]:
    status = os.stat(f"{_FOLDER}/commands/{name}")
    return status.st_size, status.st_mtime_ns


def _rewritten(source: Source) -> bytes | None:
    """Return what is kept of a module; None if it has changed since it was found."""
    from libcontainer.commands.rewrite import rewrite  # noqa: PLC0415 - seldom

    try:
        with open(source.path, "rb") as file:
            status = os.fstat(file.fileno())
            if (status.st_size, status.st_mtime_ns) != (source.size, source.changed_ns):
                return None
            return marshal.dumps(rewrite(file.read(), source.path))
    except (OSError, SyntaxError):
        return None


def _path_of(name: str, *, is_package: bool) -> str:
    below = name.replace(".", "/")
    return f"{_PLACE}{below}/__init__.py" if is_package else f"{_PLACE}{below}.py"


def _search(name: str) -> Source | None:
    for is_package in (True, False):
        path = _path_of(name, is_package=is_package)
        try:
            status = os.stat(path)
        except OSError:
            continue
        return Source(path, status.st_size, status.st_mtime_ns, is_package)
    return None
