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
else:
    # What importlib itself is made of, and is there from the start.
    from _frozen_importlib import ModuleSpec
    from _frozen_importlib_external import (
        MAGIC_NUMBER,
        SourceFileLoader,
        cache_from_source,
    )


class Finder:
    """Finds modules in the file; a finder and loader of Python's import system."""

    def __init__(self, path: str) -> None:
        self._path = path
        # Name to path, size and time of the source, whether a package, and code.
        self._entries: dict[str, tuple[str, int, int, bool, bytes]] = {}
        self._read()

    def _read(self) -> None:
        try:
            with open(self._path, "rb", buffering=0) as file:
                data = file.read()
            if data.startswith(MAGIC_NUMBER):
                self._entries = marshal.loads(data[len(MAGIC_NUMBER) :])
        except (OSError, EOFError, ValueError, TypeError):
            self._entries = {}

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return how a module is loaded, or None to leave it to others."""
        del path, target
        entry = self._entries.get(name)
        if entry is None:
            return None
        source, size, changed, is_package, _ = entry
        try:
            status = os.stat(source)
        except OSError:
            return None
        if (status.st_size, status.st_mtime_ns) != (size, changed):
            return None
        spec = ModuleSpec(name, self, origin=source, is_package=is_package)
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
        code: CodeType = marshal.loads(self._entries[name][4])
        return code

    def get_filename(self, name: str) -> str:
        """Return the path of the source of a module."""
        return self._entries[name][0]

    def get_source(self, name: str) -> str | None:
        """Return the source of a module, which tracebacks show."""
        with open(self._entries[name][0], encoding="utf-8") as file:
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
        for name, module in missing.items():
            self._add(name, module)
        self._write()

    def _add(self, name: str, module: ModuleType) -> None:
        loader = module.__loader__
        spec = module.__spec__
        if not isinstance(loader, SourceFileLoader) or spec is None:
            return
        try:
            before = os.stat(loader.path)
            code = loader.get_code(name)
        except (OSError, ImportError, SyntaxError):
            return
        if code is not None:
            is_package = spec.submodule_search_locations is not None
            place = (loader.path, before.st_size, before.st_mtime_ns)
            self._entries[name] = (*place, is_package, marshal.dumps(code))

    def _write(self) -> None:
        temporary = f"{self._path}.{os.getpid()}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            with open(os.open(temporary, flags, 0o644), "wb") as file:
                file.write(MAGIC_NUMBER + marshal.dumps(self._entries))
            os.replace(temporary, self._path)
        except OSError:
            return


def install() -> Finder:
    """Let what is imported from here on come from the file where it can."""
    python = cache_from_source(__file__)
    finder = Finder(f"{os.path.dirname(python)}/commands.{sys.implementation.cache_tag}")
    sys.meta_path.insert(0, finder)  # type: ignore[arg-type]
    return finder
