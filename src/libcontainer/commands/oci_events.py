# SPDX-License-Identifier: Apache-2.0
"""``libcontainer events``: what a container uses, in the form of ``runc events``."""

from __future__ import annotations

import contextlib
import json
import re
import select
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from libcontainer.commands.oci_common import load, open_factory
from libcontainer.commands.options import Arguments
from libcontainer.commands.stats_forms import read_cpuset, runc_form
from libcontainer.container import Container
from libcontainer.errors import StateError, UnsupportedError
from libcontainer.host.processref import ProcessRef

if TYPE_CHECKING:
    from libcontainer.cgroups.events import CgroupEvents

_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "\u00b5s": 1e-6,
    "\u03bcs": 1e-6,
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART: Final = rf"([0-9]+\.?[0-9]*|\.[0-9]+)({'|'.join(_UNITS)})"
_INTERVAL: Final = re.compile(rf"\+?({_PART})+", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)
# What poll(2) can wait for, in milliseconds.
_LONGEST: Final = (2**31 - 1) / 1000


def events(arguments: Arguments) -> int:
    """Print a line at each interval until the container has stopped."""
    seconds = seconds_of(arguments.interval)
    with open_factory(arguments) as factory:
        container = load(factory, arguments)
        if container.state().status.value not in {"created", "running", "paused"}:
            raise StateError(container.id, container.status().value, "measure")
        if arguments.stats:
            _look(container, 0)
            return 0
        with contextlib.ExitStack() as stack:
            # Watched first and counted then, so that none is missed.
            stream = _ooms(container, stack)
            _look(container, 0)
            while not _has_stopped(container, stream, seconds):
                _look(container, None)
    return 0


def _ooms(container: Container, stack: contextlib.ExitStack) -> CgroupEvents | None:
    try:
        return stack.enter_context(container.events("oom"))
    except UnsupportedError:
        return None  # without a memory controller nothing is ever killed by it


def _look(container: Container, killed: int | None) -> None:
    """Print what it uses, and kills beyond *killed*, that were there before."""
    stats = container.stats()
    if killed is not None and stats.memory.oom_kills > killed:
        _say("oom", container, None)
    cgroup = container.state().cgroup
    folders = [path for name, path in cgroup.items() if "cpuset" in name.split(",")]
    cpuset = read_cpuset(folders[0] if folders else None)
    _say("stats", container, runc_form(stats, cpuset))


def _has_stopped(
    container: Container, stream: CgroupEvents | None, seconds: float
) -> bool:
    """Wait for the end; tell meanwhile of each time that memory has run out."""
    deadline = time.monotonic() + seconds
    with ProcessRef.open(container.state().init) as init:
        if init is None:
            return True
        poll = select.poll()
        poll.register(init.pidfd, select.POLLIN)
        if stream is not None and not stream.is_over:
            poll.register(stream.fileno(), select.POLLIN)
        while (left := deadline - time.monotonic()) > 0:
            ready = {fd for fd, _ in poll.poll(left * 1000)}
            for _ in () if stream is None else stream.ready():
                _say("oom", container, None)
            if init.pidfd in ready:
                return True
            if stream is not None and stream.is_over:
                return False
    return False


def _say(kind: str, container: Container, data: Mapping[str, Any] | None) -> None:
    found: dict[str, Any] = {"type": kind, "id": container.id}
    if data is not None:
        found["data"] = data
    print(json.dumps(found, separators=(",", ":")), flush=True)


def seconds_of(text: str) -> float:
    """Return the seconds that a text means: ``5s``, ``1m30s``, ``500ms``, or ``5``.

    Those are the durations of Go, and plain seconds.
    """
    seconds = 0.0
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    elif _INTERVAL.fullmatch(text):
        parts = re.findall(_PART, text)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < seconds <= _LONGEST:
        message = f"--interval must be a time such as 5s or 1m30s, not {text!r}"
        raise ValueError(message)
    return seconds
