# SPDX-License-Identifier: Apache-2.0
"""Says what is wrong with a keyword of `run` and its kin; loaded when one is."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

from libcontainer.oneshot.wishes import KEYWORDS

OF_RUN: Final = frozenset({"input", "capture_output", "timeout", "check"})
"""What `run` has and `Popen` has not."""

_INSTEAD: Final = {
    "input": "communicate(input) writes it",
    "capture_output": "stdout=PIPE and stderr=PIPE are the same",
    "timeout": "wait(timeout) and communicate(timeout) have it",
    "check": "returncode has it",
}


def unknown_keyword(
    caller: str, names: Iterable[str], known: Iterable[str]
) -> TypeError:
    """Return the error of keywords of which at least one is not known.

    Args:
        caller: what was called: ``run``.
        names: the keywords it was given.
        known: those that it takes.
    """
    allowed = frozenset(known)
    name = next(name for name in names if name not in allowed)
    message = f"{caller}() got an unexpected keyword argument {name!r}"
    if name in OF_RUN and caller == "Popen":
        return TypeError(f"{message}, which is one of run(): {_INSTEAD[name]}")
    if name in KEYWORDS:
        return TypeError(f"{message}, which is about a program: here is none")
    if near := difflib.get_close_matches(name, sorted(allowed), 1):
        message += f"; did you mean {near[0]!r}?"
    return TypeError(message)
