# SPDX-License-Identifier: Apache-2.0
"""Detach keys: the typed sequence that leaves a terminal without ending it."""

from __future__ import annotations

DEFAULT_KEYS = "ctrl-p,ctrl-q"
"""Docker's."""

_CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_"


def parse_keys(text: str) -> bytes:
    r"""Return the bytes of a sequence such as ``ctrl-p,ctrl-q``; empty is none.

    Each key is one ASCII character, or ``ctrl-`` and one of ``@``, ``a`` to
    ``z``, ``[``, ``\``, ``]``, ``^``, ``_``.

    Raises:
        ValueError: a key is none of these.
    """
    return bytes(_parse_key(key) for key in text.split(",")) if text else b""


def _parse_key(key: str) -> int:
    if len(key) == 1 and key.isascii():
        return ord(key)
    letter = key.lower().removeprefix("ctrl-")
    if len(letter) == 1 and len(key) > 1 and letter in _CONTROL:
        return _CONTROL.index(letter)
    message = (
        f"{key!r} is no detach key: one character, or ctrl- and one of"
        f" {' '.join(_CONTROL)}"
    )
    raise ValueError(message)


class KeyWatch:
    """Looks for the sequence in what is typed.

    What may be its beginning is held back until it is clear that it is not.
    """

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._matched = 0

    def feed(self, typed: bytes) -> tuple[bytes, bool]:
        """Return what to pass on of *typed*, and whether the sequence came.

        What follows the sequence is dropped.
        """
        if not self._keys:
            return typed, False
        passed = bytearray()
        for byte in typed:
            self._match(byte, passed)
            if self._matched == len(self._keys):
                self._matched = 0
                return bytes(passed), True
        return bytes(passed), False

    def _match(self, byte: int, passed: bytearray) -> None:
        # A failed beginning may hold a shorter one at its end.
        held = self._keys[: self._matched] + bytes([byte])
        while not self._keys.startswith(held):
            passed.append(held[0])
            held = held[1:]
        self._matched = len(held)
