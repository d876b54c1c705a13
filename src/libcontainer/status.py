# SPDX-License-Identifier: Apache-2.0
"""The life of a container: its states, and what each allows.

Rule: everything that decides whether a call is allowed in a state lives in
`TRANSITIONS`. The diagram in the documentation is drawn from it.
"""

from __future__ import annotations

import enum

from libcontainer.errors import StateError


class Status(enum.StrEnum):
    """The state of a container, in the words of the OCI specification."""

    CREATING = "creating"
    """Its record is there, its init process is not."""
    CREATED = "created"
    """Init waits at the gate."""
    RUNNING = "running"
    """Init has become the user's program."""
    PAUSED = "paused"
    """Every process of it is frozen."""
    STOPPED = "stopped"
    """Init has ended."""


_S = Status

TRANSITIONS: dict[str, dict[Status, Status | None]] = {
    "run": {_S.CREATING: _S.RUNNING, _S.RUNNING: _S.RUNNING},
    "prepare": {_S.CREATING: _S.CREATED},
    "start": {_S.CREATED: _S.RUNNING},
    "restart": {_S.STOPPED: _S.RUNNING},
    "restart (force)": {
        _S.CREATED: _S.RUNNING,
        _S.RUNNING: _S.RUNNING,
        _S.PAUSED: _S.RUNNING,
        _S.STOPPED: _S.RUNNING,
    },
    "exec": {_S.CREATED: _S.CREATED, _S.RUNNING: _S.RUNNING},
    "mknod": {_S.CREATED: _S.CREATED, _S.RUNNING: _S.RUNNING, _S.PAUSED: _S.PAUSED},
    "exec on the host": {
        _S.CREATED: _S.CREATED,
        _S.RUNNING: _S.RUNNING,
        _S.PAUSED: _S.PAUSED,
    },
    "mount": {_S.CREATED: _S.CREATED, _S.RUNNING: _S.RUNNING},
    "unmount": {_S.CREATED: _S.CREATED, _S.RUNNING: _S.RUNNING},
    "attach": {_S.CREATED: _S.CREATED, _S.RUNNING: _S.RUNNING, _S.PAUSED: _S.PAUSED},
    "signal": {
        _S.CREATED: _S.CREATED,
        _S.RUNNING: _S.RUNNING,
        _S.PAUSED: _S.PAUSED,
    },
    "wait": {
        _S.CREATED: _S.STOPPED,
        _S.RUNNING: _S.STOPPED,
        _S.PAUSED: _S.STOPPED,
        _S.STOPPED: _S.STOPPED,
    },
    "pause": {_S.RUNNING: _S.PAUSED},
    "resume": {_S.PAUSED: _S.RUNNING},
    "checkpoint": {_S.RUNNING: _S.RUNNING},
    "restore": {_S.CREATING: _S.RUNNING},
    "update": {
        _S.CREATED: _S.CREATED,
        _S.RUNNING: _S.RUNNING,
        _S.PAUSED: _S.PAUSED,
    },
    "stats": {
        _S.CREATED: _S.CREATED,
        _S.RUNNING: _S.RUNNING,
        _S.PAUSED: _S.PAUSED,
        _S.STOPPED: _S.STOPPED,
    },
    "delete": {_S.CREATING: None, _S.CREATED: None, _S.STOPPED: None},
    "delete (force)": dict.fromkeys(_S, None),
}
"""Verb to the states it is allowed in, each with the state that follows.

None is a container that is gone. A verb and a state that are not here are
refused with `StateError`.
"""


def require(container_id: str, status: Status, verb: str) -> Status | None:
    """Return the status that follows *verb*.

    Raises:
        StateError: *verb* is not allowed in *status*.
    """
    allowed = TRANSITIONS[verb]
    if status not in allowed:
        raise StateError(container_id, status.value, verb)
    return allowed[status]
