# SPDX-License-Identifier: Apache-2.0
"""A `StateError` in words: what was asked for, and what to do first. Pure.

Loaded when somebody reads one.
"""

from __future__ import annotations

from typing import Final

_PHRASES: Final = {
    "attach": "attach to {}",
    "delete (force)": "delete {}",
    "detach": "leave a further process of {} to a monitor",
    "exec": "run a further process in {}",
    "exec on the host": "run a program of the host in the namespaces of {}",
    "files": "look at the files of {}",
    "measure": "measure {}",
    "mknod": "change the devices of {}",
    "mount": "mount anything in {}",
    "restart (force)": "restart {}",
    "rollback": "roll back {}",
    "run": "run a process in {}",
    "signal": "send a signal to {}",
    "stats": "measure {}",
    "unmount": "unmount anything in {}",
    "update": "change the limits of {}",
    "wait": "wait for {}",
}
_FORCE: Final = "delete(force=True) ends it first"
_AGAIN: Final = "restart() runs its process again"
_START: Final = "start() lets its process go"
_RESUME: Final = "resume() it first"
_EMPTY: Final = "run() a process in it first"
_HINTS: Final = {
    ("delete", "running"): _FORCE,
    ("delete", "paused"): _FORCE,
    ("exec", "stopped"): _AGAIN,
    ("exec", "paused"): f"{_RESUME}, or wait for it with ignore_paused=True",
    ("run", "created"): f"{_START}, exec() runs a further one",
    ("run", "paused"): _RESUME,
    ("run", "stopped"): _AGAIN,
    ("start", "creating"): "prepare() a process first, or run() one at once",
    ("start", "running"): "it was started already",
    ("start", "stopped"): _AGAIN,
    ("restart", "creating"): _EMPTY,
    ("restart", "created"): _START,
    ("restart", "running"): "restart(force=True) ends it first",
    ("restart", "paused"): "restart(force=True) ends it first",
    ("pause", "created"): _START,
    ("checkpoint", "created"): _START,
    ("checkpoint", "paused"): _RESUME,
    ("mount", "paused"): _RESUME,
    ("unmount", "paused"): _RESUME,
}
# What needs a process, where there is none yet.
_NEED_ONE: Final = frozenset(
    {"exec", "exec on the host", "attach", "signal", "pause", "resume", "checkpoint"}
    | {"update", "stats", "mount", "unmount", "mknod"}
)


def refusal(container_id: str, status: str, verb: str) -> str:
    """Return what a `StateError` says."""
    if verb == "take from":
        return f"cannot take a container from the {container_id}: it is {status}"
    what = _PHRASES.get(verb, f"{verb} {{}}").format(f"container {container_id!r}")
    text = f"cannot {what}: it is {status}"
    hint = _HINTS.get((verb, status))
    if hint is None and status == "creating" and verb in _NEED_ONE:
        hint = _EMPTY
    return f"{text}\nhint: {hint}" if hint else text
