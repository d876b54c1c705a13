# SPDX-License-Identifier: Apache-2.0
"""An exception out of nowhere, at every line of ours that an operation runs.

Ctrl-C comes between any two instructions; so can MemoryError, and SystemExit from a
signal handler. Wherever it comes, no child may be lost and the container must be
there to be deleted, or not be there at all.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

import libcontainer as lc
from tests.campaigns import trial
from tests.campaigns.arena import Arena
from tests.campaigns.rows import Rows

KINDS = (KeyboardInterrupt, MemoryError, SystemExit)
_OURS = os.path.dirname(lc.__file__)


class Bomb:
    """Counts the events of our own code, and raises at one of them.

    Args:
        at: which, from 1; 0 only counts.
        kind: of the exception.
        opcodes: whether each instruction counts, not only each line.
    """

    def __init__(self, at: int, kind: type[BaseException], *, opcodes: bool) -> None:
        self.count = 0
        self.where = ""
        self._at = at
        self._kind = kind
        self._event = "opcode" if opcodes else "line"

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_OURS):
            return None
        frame.f_trace_opcodes = self._event == "opcode"
        if event != self._event:
            return self
        self.count += 1
        if self.count == self._at:
            name = frame.f_code.co_filename[len(_OURS) + 1 :]
            self.where = f"{name}:{frame.f_lineno}"
            raise self._kind
        return self


def _perform(one: trial.Trial, command: str, bomb: Bomb) -> trial.Outcome:
    one.set_up(command)
    before = trial.children()
    outcome: trial.Outcome = {}
    failure: BaseException | None = None
    sys.settrace(bomb)
    try:
        one.operate(command)
    except BaseException as error:
        failure = error
    sys.settrace(None)
    outcome["error"] = None if failure is None else type(failure).__name__
    failure = None
    gc.collect()
    outcome |= {"count": bomb.count, "where": bomb.where}
    outcome["undone"] = not trial.children() - before
    try:
        one.clean()
    except BaseException as error:
        outcome["uncleaned"] = f"{type(error).__name__}: {error}"
    gc.collect()
    one.factory.close()
    left = trial.children() - before
    # What was there before is init, and goes with the container.
    outcome["stray"] = len(left)
    return outcome


def campaign(
    arena: Arena,
    rows: Rows,
    *,
    every: int = 1,
    commands: Sequence[str] = trial.COMMANDS,
    opcodes: bool = False,
) -> None:
    """Raise at each line, or each instruction, of each operation."""
    for command in commands:
        total = _count(arena, command, opcodes=opcodes)
        for at in range(1, total + 1, every):
            kind = KINDS[at // every % len(KINDS)] if opcodes or every > 1 else None
            for each in [kind] if kind else KINDS:
                _hold(arena, rows, command, Bomb(at, each, opcodes=opcodes), at)


def _count(arena: Arena, command: str, *, opcodes: bool) -> int:
    bomb = Bomb(0, KeyboardInterrupt, opcodes=opcodes)
    result = arena.untraced(lambda: _perform(arena.make("plain"), command, bomb))
    wrong = arena.check(result)
    assert not wrong, wrong
    return int(result.outcome["count"])


def _hold(arena: Arena, rows: Rows, command: str, bomb: Bomb, at: int) -> None:
    kind = bomb._kind.__name__
    key = f"exceptions/{command}/{bomb._event}/{at}/{kind}"
    if key in rows:
        return
    result = arena.untraced(lambda: _perform(arena.make("plain"), command, bomb))
    wrong = arena.check(result)
    told = result.outcome
    rows.add(
        key,
        "; ".join(wrong)[:500] or "good",
        family="exceptions",
        answer="undone at once" if told.get("undone") else "deleted after",
        where=told.get("where"),
        error=told.get("error"),
        seconds=round(result.seconds, 3),
    )
