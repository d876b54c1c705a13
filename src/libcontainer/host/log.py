# SPDX-License-Identifier: Apache-2.0
"""The library's logger: silent unless the program configures it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _Logger:
    """The logger "libcontainer" of `logging`, which is loaded at the first message."""

    def hand_to(self, tell: Callable[[str], object]) -> None:
        """Have a function tell warnings, in a program that does without `logging`."""
        vars(self)["warning"] = lambda text, *args: tell(text % args)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        import logging  # noqa: PLC0415 - most programs that run us never need it

        real = logging.getLogger("libcontainer")
        if not real.handlers:
            real.addHandler(logging.NullHandler())
        return getattr(real, name)


logger = _Logger()
