# SPDX-License-Identifier: Apache-2.0
"""How a command imports the library's own modules: with less ado than Python does.

To find a module, to lock it, to describe it and to look for its code takes longer than
to execute most of the library's, of which a command loads a hundred. Here the code
comes from one file (`codecache`), and what a module of the library imports of the
standard library's large ones are stand-ins (`stand_ins`). Nobody else's imports are
touched, and the usual import system, too, finds our modules here.
"""

from __future__ import annotations

import builtins
import sys
from _frozen_importlib import ModuleSpec
from _thread import RLock
from marshal import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import CodeType, ModuleType
    from typing import Any

    from libcontainer.commands.codecache import Cache, Source
    from libcontainer.commands.rewrite import Late

_PACKAGE = "libcontainer"
_OURS = "libcontainer."
_NATIVE = "libcontainer._native"
_Module = type(sys)


def whole(name: str) -> Any:  # noqa: ANN401 - a module
    """Return a module itself, whatever stands in for it."""
    builtins.__import__(name)
    return sys.modules[name]


class Importer:
    """Imports the library's modules; a finder and loader of Python's import system."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._stand_ins: dict[str, Any] = {}
        self._usual = builtins.__import__
        self.lock = RLock()
        # What is being executed, which other threads must not see.
        self._unfinished = 0
        self._builtins = {**vars(builtins), "__import__": self._import}

    def stand_in(self, modules: Mapping[str, Any]) -> None:
        """Let modules stand in for others from here on, by the others' names."""
        self._stand_ins.update(modules)
        # For what `rewrite` has made of a module.
        self._builtins["__pending__"] = modules["attrs"].pending

    def save(self) -> None:
        """Let the next command find what this one had to look for."""
        self._cache.save()

    def _import(
        self,
        name: str,
        scope: Mapping[str, object] | None = None,
        local: Mapping[str, object] | None = None,
        wanted: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:  # noqa: ANN401 - a module
        """Carry out an import statement of a module of the library."""
        if wanted and name.startswith(_OURS):
            module = self._ours(name, wanted)
            if module is not None:
                return module
        elif name in self._stand_ins:
            return self._stand_ins[name]
        elif wanted and name == _PACKAGE:
            self._below_package(wanted)
        return self._usual(name, scope, local, wanted, level)

    def _below_package(self, wanted: Sequence[str]) -> None:
        """Load modules of the package; its own way would load more to do so."""
        for each in wanted:
            if each == "_native":
                self._usual(_NATIVE, None, None, wanted)
            elif each not in vars(sys.modules[_PACKAGE]):
                self._load(_OURS + each)

    def _ours(self, name: str, wanted: Sequence[str]) -> ModuleType | None:
        module = sys.modules.get(name)
        if module is None or self._unfinished:
            module = self._load(name)
        if module is not None and "__path__" in vars(module):
            for each in wanted:
                # As Python does: a package may have the name without the module.
                if not hasattr(module, each):
                    self._load(f"{name}.{each}")
        return module

    def _load(self, name: str) -> ModuleType | None:
        """Return a module, executed now if it was not; None if it is not found."""
        with self.lock:
            module = sys.modules.get(name)
            if module is not None:
                return module
            found = self._cache.find(name)
            if found is None:
                return None
            above, _, last = name.rpartition(".")
            package = sys.modules.get(above) or self._load(above)
            module = _Module(name)
            names = module.__dict__
            names["__spec__"] = spec = self._spec(name, found)
            names["__loader__"] = self
            names["__file__"] = found.path
            names["__package__"] = name if found.is_package else above
            if found.is_package:
                names["__path__"] = spec.submodule_search_locations
            sys.modules[name] = module
            self._unfinished += 1
            try:
                self.exec_module(module)
            except BaseException:
                del sys.modules[name]
                raise
            finally:
                self._unfinished -= 1
            setattr(package, last, module)
            return module

    def _spec(self, name: str, found: Source) -> ModuleSpec:
        loader: Any = self
        spec = ModuleSpec(name, loader, origin=found.path, is_package=found.is_package)
        spec.has_location = True
        if found.is_package:
            spec.submodule_search_locations = [found.path.rpartition("/")[0]]
        return spec

    # -- what Python's own import system asks

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return how a module is loaded, or None to leave it to others."""
        del path, target
        found = self._cache.find(name) if name.startswith(_OURS) else None
        return None if found is None else self._spec(name, found)

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Execute the code of a module."""
        code, late = self._code(module.__name__)
        names = vars(module)
        names["__builtins__"] = self._builtins
        names["__late__"] = put_off = _Late(self, names, late)
        if late:
            names["__getattr__"] = put_off.outside
        exec(code, names)  # noqa: S102
        own = names.get("__getattr__")
        if late and own != put_off.outside:
            put_off.own, names["__getattr__"] = own, put_off.outside

    def lookup(self, home: str, name: str) -> Any:  # noqa: ANN401
        """Return what a name means in a module of the library."""
        module = sys.modules.get(home)
        if module is None or self._unfinished:
            module = self._load(home)
        if module is None:
            module = whole(home)
        names = module.__dict__
        if name in names:
            return names[name]
        if "__late__" in names and name in names["__late__"].late:
            return names["__late__"][name]
        if "__path__" in names and not hasattr(module, name):
            self._load(f"{home}.{name}")
        try:
            return getattr(module, name)
        except AttributeError:
            message = f"cannot import name {name!r} from {home!r}"
            raise ImportError(message, name=home) from None

    def _code(self, name: str) -> tuple[CodeType, Late]:
        if self._cache.find(name) is None:
            message = f"no module named {name!r}"
            raise ImportError(message, name=name)
        return self._cache.code(name)

    def get_code(self, name: str) -> CodeType:
        """Return the code of a module.

        Raises:
            ImportError: it is not one of the library's.
        """
        return self._code(name)[0]

    def get_filename(self, name: str) -> str:
        """Return the path of the source of a module."""
        spec = self.find_spec(name)
        return "" if spec is None else str(spec.origin)

    def get_source(self, name: str) -> str | None:
        """Return the source of a module, which tracebacks show."""
        with open(self.get_filename(name), encoding="utf-8") as file:
            return file.read()


class _Late(dict[str, "Any"]):
    """What the names of a module mean that are given a meaning when they are used."""

    __slots__ = ("_importer", "_names", "late", "own")

    def __init__(self, importer: Importer, names: dict[str, Any], late: Late) -> None:
        self._importer = importer
        self._names = names
        self.late = late
        self.own: Callable[[str], Any] | None = None

    def __missing__(self, name: str) -> Any:  # noqa: ANN401
        what = self.late[name]
        names = self._names
        if type(what) is bytes:
            with self._importer.lock:
                if name not in names:
                    exec(loads(what), names)  # noqa: S102, S302
            value = names[name]
        else:
            value = names[name] = self._importer.lookup(*what)
        self[name] = value
        return value

    def outside(self, name: str) -> Any:  # noqa: ANN401
        """Return what is asked of the module; its ``__getattr__``."""
        if name in self.late:
            return self[name]
        if self.own is not None:
            return self.own(name)
        message = f"module {self._names['__name__']!r} has no attribute {name!r}"
        raise AttributeError(message)


class Site:
    """Finds what Python's own search for packages would, which was put off (-S)."""

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return how a module is loaded, now that all places are known."""
        sys.meta_path.remove(self)
        import site  # noqa: PLC0415

        site.main()
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
        return None


def install() -> Importer:
    """Let the library's modules be imported this way from here on."""
    from libcontainer.commands import codecache  # noqa: PLC0415

    cache = codecache.Cache()
    importer = Importer(cache)
    sys.meta_path.insert(0, importer)
    # Those, too, come from the file.
    from libcontainer.commands import stand_ins  # noqa: PLC0415

    importer.stand_in(stand_ins.stand_ins(cache))
    if sys.flags.no_site and "site" not in sys.modules:
        sys.meta_path.append(Site())
    return importer
