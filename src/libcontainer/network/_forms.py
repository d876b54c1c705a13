# SPDX-License-Identifier: Apache-2.0
"""The message formats of pyroute2, and no more of it. The only file that imports it.

What a program gets by ``import pyroute2`` is 340 modules, an event loop and a
database among them, and takes longer than a hundred launches. The formats are 25
modules. So the package is entered without its first file, which is executed when
somebody asks for what is in it: for other users of pyroute2 in the same program
nothing is different.
"""

from __future__ import annotations

import sys
import threading
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, Final

_NAME: Final = "pyroute2"
_LOCK: Final = threading.RLock()
_AT_WORK: Final = "at work"


class _Package(ModuleType):
    """A package whose own file is executed when a name of it is looked at."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever is there
        if not name.startswith("_") and find_spec(f"{_NAME}.{name}") is not None:
            return import_module(f"{_NAME}.{name}")
        with _LOCK:
            # Who has waited for the lock finds it done.
            if type(self) is _Package:
                _execute(self, name)
        return getattr(self, name)


def _execute(package: _Package, name: str) -> None:
    spec = package.__spec__
    if spec is None or spec.loader is None or spec.loader_state == _AT_WORK:
        # Its own file looks at what it has not made yet.
        raise AttributeError(f"{_NAME} has no {name!r} yet")
    before, spec.loader_state = spec.loader_state, _AT_WORK
    try:
        spec.loader.exec_module(package)
    finally:
        spec.loader_state = before
    package.__class__ = ModuleType  # type: ignore[assignment]


def form(name: str) -> Any:  # noqa: ANN401 - pyroute2 has no types
    """Return a format by its name, such as ``"ifinfmsg"``."""
    if _NAME not in sys.modules:
        _enter_package()
    module = import_module(f"{_NAME}.netlink.rtnl.{name}")
    return getattr(module, name)


def _enter_package() -> None:
    spec = find_spec(_NAME)
    if spec is None:
        # The import that comes next says so in its own words.
        return
    package = module_from_spec(spec)
    package.__class__ = _Package
    # Whoever imports it at this moment puts theirs in its place.
    sys.modules.setdefault(_NAME, package)
