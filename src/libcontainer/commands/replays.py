# SPDX-License-Identifier: Apache-2.0
"""What a command has done of the library's modules, done at once by the next.

``run`` uses a thousand pieces of two hundred modules: each is found, loaded and
executed when something asks for it first. The next ``run`` will ask for the same. So
the pieces are kept in the order in which they were done, in one file for each command,
where what they have in common is loaded once; the next one does them before it begins.
What it needs besides is found as before.

As with the code itself, a file counts only as long as the source of every module in it
is as it was, and for the same interpreter.
"""

from __future__ import annotations

import marshal
import os
from _frozen_importlib_external import MAGIC_NUMBER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from libcontainer.commands.codecache import Cache
    from libcontainer.commands.imports import Importer

Event = tuple[str, "str | None"]
"""A module that was executed, or a name of one that got its meaning."""

Step = tuple[str, "str | None", "Any"]
"""An event, and the code of it; or of which module the name is, and which. With the
code of a module comes the same of what is asked of it while it is executed."""

_MOST_LETTERS = 16


def steps(cache: Cache, words: Sequence[str]) -> list[Step]:
    """Return what the last command of the same name has done.

    Args:
        cache: where the code is.
        words: the command line.
    """
    for word in words:
        # Not every word is a command, but only commands have a file.
        if word.isalpha() and len(word) <= _MOST_LETTERS:
            try:
                fd = os.open(path_of(cache, word), os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                return _read(cache, os.read(fd, os.fstat(fd).st_size))
            except (OSError, EOFError, ValueError, TypeError):
                return []
            finally:
                os.close(fd)
    return []


def _read(cache: Cache, data: bytes) -> list[Step]:
    if not data.startswith(MAGIC_NUMBER):
        return []
    rest = memoryview(data)[len(MAGIC_NUMBER) :]
    makers, sources, patterns, found = marshal.loads(rest)  # noqa: S302
    if makers != cache.makers or not cache.assume(sources):
        return []
    cache.patterns.update(patterns)
    return list(found)


def repeat(
    importer: Importer, steps: Sequence[Step], only: Collection[str] | None = None
) -> int:
    """Do what was done; return how many steps.

    Args:
        importer: what does it.
        steps: the steps.
        only: the modules before all others; None is all.
    """
    count = 0
    for home, name, what in steps:
        if only is not None and home not in only:
            break
        try:
            importer.repeat(home, name, what)
        except Exception:
            # Whoever needs it is told then.
            return len(steps)
        count += 1
    return count


def path_of(cache: Cache, word: str) -> str:
    """Return where it is kept what a command does."""
    return f"{cache.path}.{word}"
