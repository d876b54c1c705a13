# SPDX-License-Identifier: Apache-2.0
"""Where the library looks up how a host step of a launch is carried out."""

from __future__ import annotations

from typing import Any

from libcontainer.host import actions, monitor, sources


def tables_of(kind: type) -> list[dict[Any, Any]]:
    """Return every table that has a kind of step, for a test to put another there."""
    tables: list[dict[Any, Any]] = [
        *(sources.SOURCES, monitor.RUNNERS),
        *(actions._RUNNERS, actions._JOIN_RUNNERS),
    ]
    found = [table for table in tables if kind in table]
    assert found, kind
    return found
