# SPDX-License-Identifier: Apache-2.0
"""Remembers what texts of state files say: most are read back unchanged."""

from __future__ import annotations

from libcontainer import state as state_file
from libcontainer.memo import Memo
from libcontainer.state import State


class States:
    """What texts of state files say, for those seen or written last."""

    def __init__(self) -> None:
        self._seen: Memo[bytes, State] = Memo()

    def parse(self, text: bytes) -> State:
        """Return the state of a text; see `libcontainer.state.parse`."""
        return self._seen.get(text, state_file.parse)

    def dump(self, state: State) -> bytes:
        """Return the text of a state, and remember it."""
        text = state_file.dump(state)
        self._seen.get(text, lambda _: state)
        return text
