# SPDX-License-Identifier: Apache-2.0
"""Remembers the results of pure functions of frozen data."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_MOST = 256


class Memo(Generic[K, V]):
    """What was made for a key, for the keys that came up last.

    Safe to share between threads: at worst a value is made twice. When it is
    full it is emptied, which is simple and costs one remake of each value.
    """

    def __init__(self) -> None:
        self._values: dict[K, V] = {}

    def get(self, key: K, make: Callable[[K], V]) -> V:
        """Return the value of *key*, made by *make* the first time.

        A key that cannot be hashed (a configuration with wrong values) is not
        remembered.
        """
        try:
            value = self._values.get(key)
        except TypeError:
            return make(key)
        if value is None:
            value = make(key)
            if len(self._values) >= _MOST:
                self._values.clear()
            self._values[key] = value
        return value
