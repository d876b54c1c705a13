# SPDX-License-Identifier: Apache-2.0
"""Compiles the regular expressions of the library when they are first used.

They are written where a module begins, and compiled when it is loaded. A command
needs few of them, and to compile one takes as long as to load a module.
"""

from __future__ import annotations

import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OURS = "libcontainer."


class _Pattern:
    """A pattern that is compiled as soon as something is asked of it."""

    def __init__(self, pattern: Any, flags: Any) -> None:  # noqa: ANN401
        self._wanted = pattern, flags

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        compiled = _compile(*self._wanted)
        for each in ("fullmatch", "match", "search", "finditer", "sub", "pattern"):
            setattr(self, each, getattr(compiled, each))
        return getattr(compiled, name)


_compile = re.compile


def install() -> None:
    """Let the modules of the library that are imported from here on do so."""

    def compile_later(pattern: Any, flags: Any = 0) -> Any:  # noqa: ANN401
        caller = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001
        if caller.startswith(_OURS):
            return _Pattern(pattern, flags)
        return _compile(pattern, flags)

    re.compile = compile_later
