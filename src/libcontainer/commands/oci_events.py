# SPDX-License-Identifier: Apache-2.0
"""``libcontainer events``: what a container uses, in the form of ``runc events``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from libcontainer.commands.oci_common import load, open_factory
from libcontainer.commands.options import Arguments
from libcontainer.commands.stats_forms import runc_form
from libcontainer.container import Container
from libcontainer.errors import StateError, TimeoutExpired

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_INTERVAL: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)?")


def events(arguments: Arguments) -> int:
    """Print a line at each interval until the container has stopped."""
    seconds = seconds_of(arguments.interval)
    with open_factory(arguments) as factory:
        container = load(factory, arguments)
        if container.state().status.value not in {"created", "running", "paused"}:
            raise StateError(container.id, container.status().value, "measure")
        killed = 0
        while True:
            stats = container.stats()
            if stats.memory.oom_kills > killed:
                killed = stats.memory.oom_kills
                _say("oom", container, None)
            _say("stats", container, runc_form(stats))
            if arguments.stats or _has_stopped(container, seconds):
                return 0


def _has_stopped(container: Container, seconds: float) -> bool:
    try:
        container.wait(seconds)
    except TimeoutExpired:
        return False
    return True


def _say(kind: str, container: Container, data: Mapping[str, Any] | None) -> None:
    found: dict[str, Any] = {"type": kind, "id": container.id}
    if data is not None:
        found["data"] = data
    print(json.dumps(found, separators=(",", ":")), flush=True)


def seconds_of(text: str) -> float:
    """Return the seconds that a text such as ``5s`` or ``500ms`` means."""
    found = _INTERVAL.fullmatch(text)
    seconds = float(found[1]) * _UNITS[found[2] or "s"] if found else 0.0
    if seconds <= 0:
        message = f"--interval must be a time such as 5s or 500ms, not {text!r}"
        raise ValueError(message)
    return seconds
