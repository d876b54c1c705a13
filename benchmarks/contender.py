# SPDX-License-Identifier: Apache-2.0
"""What a contender of a benchmark is: something that launches once when told to."""

from __future__ import annotations

from typing import Protocol


class MissingError(Exception):
    """A contender cannot take part here; the message says why."""


class LaunchError(Exception):
    """A launch of a contender failed; the message says how."""


class Contender(Protocol):
    """One row of a table.

    Attributes:
        name: the row's name, as given to `--only`.
        cgroup: whether a launch makes, joins and removes a cgroup.
    """

    name: str
    cgroup: bool

    def launch(self) -> float:
        """Launch the program once, wait for it and clean up.

        Returns:
            The microseconds it took.

        Raises:
            LaunchError: the program did not run or did not exit with 0.
        """

    def close(self) -> None:
        """Leave nothing behind. May be called once, in any state."""
