# SPDX-License-Identifier: Apache-2.0
"""One file with the code of every module that commands load.

Python looks each module up in several directories and keeps the code of each in a
file of its own, which takes longer than to execute it. A command loads more than two
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec, SourceFileLoader
    from importlib.util import MAGIC_NUMBER, cache_from_source
    from types import CodeType, ModuleType
    from typing import Any
else:
    # What importlib itself is made of, and is there from the start.
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import (
        MAGIC_NUMBER,
        SourceFileLoader,
        cache_from_source,
    )


_HEAD = 16
_Entry = tuple[str, int, int, bool, int, int]


class Finder:
    """Finds modules in the file; a finder and loader of Python's import system."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        # Name to path, size and time of the source, whether a package, and where its
        # code is in the file.
        self._index: dict[str, _Entry] = {}
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            head = os.pread(self._fd, _HEAD, 0)
            if head.startswith(MAGIC_NUMBER):
                size = int.from_bytes(head[len(MAGIC_NUMBER) :], "little")
                self._index = marshal.loads(os.pread(self._fd, size, _HEAD))  # noqa: S302
        except (OSError, EOFError, ValueError, TypeError):
            self._index = {}

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return how a module is loaded, or None to leave it to others."""
        del path, target
        entry = self._index.get(name)
        if entry is None:
            return None
        source, size, changed, is_package, _, _ = entry
        try:
            status = os.stat(source)
        except OSError:
            return None
        if (status.st_size, status.st_mtime_ns) != (size, changed):
            return None
        loader: Any = self
        spec = ModuleSpec(name, loader, origin=source, is_package=is_package)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(source)]
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Execute the code of a module."""
        exec(self.get_code(module.__name__), module.__dict__)  # noqa: S102

    def get_code(self, name: str) -> CodeType:
        """Return the code of a module that is in the file."""
        code: CodeType = marshal.loads(self._stored(name))  # noqa: S302
        return code

    def _stored(self, name: str) -> bytes:
        *_, offset, size = self._index[name]
        return os.pread(self._fd, size, offset)

    def get_filename(self, name: str) -> str:
        """Return the path of the source of a module."""
        return self._index[name][0]

    def get_source(self, name: str) -> str | None:
        """Return the source of a module, which tracebacks show."""
        with open(self._index[name][0], encoding="utf-8") as file:
            return file.read()

    def save(self) -> None:
        """Add what was loaded by others to the file, if there is something."""
        missing = {
            name: module
            for name, module in list(sys.modules.items())
            if isinstance(getattr(module, "__loader__", None), SourceFileLoader)
            and name != "__main__"
        }
        if not missing or sys.dont_write_bytecode:
            return
        codes = {name: self._stored(name) for name in self._index}
        for name, module in missing.items():
            if (code := self._compiled(name, module)) is not None:
                codes[name] = code
        self._write(codes)

    def _compiled(self, name: str, module: ModuleType) -> bytes | None:
        """Return the code of a module that Python has loaded, and enter its source."""
        loader, spec = module.__loader__, module.__spec__
        if not isinstance(loader, SourceFileLoader) or spec is None:
            return None
        try:
            before = os.stat(loader.path)
            code = loader.get_code(name)
        except (OSError, ImportError, SyntaxError):
            return None
        if code is None:
            return None
        is_package = spec.submodule_search_locations is not None
        source = (loader.path, before.st_size, before.st_mtime_ns, is_package)
        self._index[name] = (*source, 0, 0)
        return marshal.dumps(code)

    def _write(self, codes: dict[str, bytes]) -> None:
        index = self._placed(codes)
        size = len(index).to_bytes(_HEAD - len(MAGIC_NUMBER), "little")
        temporary = f"{self._path}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with open(os.open(temporary, flags, 0o644), "wb") as file:
                file.write(b"".join((MAGIC_NUMBER, size, index, *codes.values())))
            os.replace(temporary, self._path)
        except OSError:
            return

    def _placed(self, codes: dict[str, bytes]) -> bytes:
        """Return the index as bytes, with the place of each code in the file."""
        # Numbers of this size are five bytes long each, whatever their value.
        start = _HEAD + len(marshal.dumps(self._index))
        for name, code in codes.items():
            self._index[name] = (*self._index[name][:4], start, len(code))
            start += len(code)
        return marshal.dumps(self._index)


def install() -> Finder:
    """Let what is imported from here on come from the file where it can."""
    folder = os.path.dirname(cache_from_source(__file__))
    kind = f"{sys.implementation.cache_tag}-{sys.flags.optimize}"
    finder = Finder(f"{folder}/commands.{kind}")
    sys.meta_path.insert(0, finder)
    return finder
