# SPDX-License-Identifier: Apache-2.0
"""Makes the file of what a command does, for `replays`.

Loaded only by a command that has something to keep.
"""

from __future__ import annotations

import marshal
import sys
from _frozen_importlib_external import MAGIC_NUMBER
from types import CodeType
from typing import Any

from libcontainer.commands.codecache import Cache, replace
from libcontainer.commands.replays import Event, Step, path_of


def save(cache: Cache, word: str, done: list[Event]) -> None:
    """Keep what a command has done, for the next of its name."""
    hidden = _hidden({home for home, _ in done})
    names = sorted({home for home, _ in done} - hidden)
    codes = {name: cache.code(name) for name in names}
    steps: list[Step] = []
    early: dict[str, dict[str, Any]] = {name: {} for name in names}
    complete: set[str] = set()
    for home, name in dict.fromkeys(done):
        if home in hidden:
            continue
        code, late = codes[home]
        if name is None:
            complete.add(home)
            steps.append((home, None, (_shared(code), early[home])))
            continue
        what: Any = late[name]
        if isinstance(what, tuple) and not hidden.isdisjoint((what[0], ".".join(what))):
            continue
        if isinstance(what, bytes):
            what = _shared(marshal.loads(what))  # noqa: S302
        if home in complete:
            steps.append((home, name, what))
        else:
            early[home][name] = what
    content = (cache.makers, cache.sources(names), cache.patterns, steps)
    replace(path_of(cache, word), (MAGIC_NUMBER, marshal.dumps(content)))


def _hidden(names: set[str]) -> set[str]:
    """Return the modules whose package means something else by their name.

    What the name means depends on which of the two was asked for first. They are left
    to be found as before.
    """
    found = set()
    for name in names:
        above, _, last = name.rpartition(".")
        if vars(sys.modules[above]).get(last) is not sys.modules[name]:
            found.add(name)
    return found


def _shared(code: CodeType) -> CodeType:
    """Return code that has in common with others what is equal, to be loaded once."""
    constants = tuple(
        _shared(each) if isinstance(each, CodeType) else each for each in code.co_consts
    )
    path = sys.intern(code.co_filename)
    return code.replace(co_filename=path, co_consts=constants)
