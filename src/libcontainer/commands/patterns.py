# SPDX-License-Identifier: Apache-2.0
"""Compiles the regular expressions of the library when they are first used.

They are written where a module begins, and compiled when it is loaded. A command
needs few of them, and what compiles them takes longer to load than many commands run.
"""

from __future__ import annotations

from libcontainer.commands.imports import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from libcontainer.commands.codecache import Cache


class _Pattern:
    """A pattern that is compiled as soon as something is asked of it."""

    def __init__(self, cache: Cache, pattern: Any, flags: int) -> None:  # noqa: ANN401
        self._wanted = cache, pattern, flags

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        cache, *wanted = self._wanted
        compiled = cache.pattern(*wanted)
        if compiled is None:
            compiled = whole("re").compile(*wanted)
            cache.add_pattern(*wanted)
        for each in _ASKED:
            setattr(self, each, getattr(compiled, each))
        return getattr(compiled, name)


_AT_ONCE = ("fullmatch", "match", "search")
_ASKED = ("fullmatch", "match", "search", "finditer", "sub", "pattern")


def names(cache: Cache) -> dict[str, Any]:
    """Return what the library's modules use of ``re`` where they begin."""

    def compile(pattern: Any, flags: int = 0) -> _Pattern:  # noqa: A001, ANN401
        return _Pattern(cache, pattern, flags)

    def at_once(name: str) -> Any:  # noqa: ANN401
        def method(pattern: Any, text: Any, flags: int = 0) -> Any:  # noqa: ANN401
            return getattr(compile(pattern, flags), name)(text)

        return method

    # The numbers of the flags are those of all versions of Python.
    flags = {"IGNORECASE": 2, "MULTILINE": 8, "DOTALL": 16, "VERBOSE": 64, "ASCII": 256}
    return {
        "compile": lambda: compile,
        **{
            name: lambda n=name: at_once(n) for name in ("fullmatch", "match", "search")
        },
        **{name: lambda n=number: n for name, number in flags.items()},
    }
