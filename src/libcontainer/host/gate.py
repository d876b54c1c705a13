# SPDX-License-Identifier: Apache-2.0
"""The gate between ``created`` and ``running``, from the outside.

Init listens on a socket in the container's state folder: who may enter that
folder may start the container. The connection then serves as init's control
socket, so the caller of ``start`` learns whether the program runs, whichever
process made the container.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from math import isinf

from libcontainer.config.hooks import AnyHook, Hook
from libcontainer.errors import HelperError, HookError, LaunchTimeoutError
from libcontainer.host.failure import exec_error, hook_error
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.store import Folder
from libcontainer.plan import wire
from libcontainer.plan.hooks import place, seconds

_SECONDS = 10.0


def open_gate(
    folder: Folder,
    program: str,
    hooks: tuple[AnyHook, ...] = (),
    on_listener: Callable[[int], None] | None = None,
) -> None:
    """Let init go, and wait until its program has taken its place.

    Args:
        folder: the container's folder, locked.
        program: the first argument of what init becomes.
        hooks: what runs in the container before.
        on_listener: takes over the listener of its seccomp filter, if it has one.

    Raises:
        ProgramError: the program could not be executed; init has ended.
        HookError: one of *hooks* failed; init has ended.
        HelperError: init ended before.
        LaunchTimeoutError: init does not answer.
    """
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    with socket.socket(
        socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=above_stdio(raw.detach())
    ) as connection:
        limit = _SECONDS + seconds(hooks)
        connection.settimeout(None if isinf(limit) else limit)
        try:
            connection.connect(folder.gate_address)
            connection.send(wire.GO_MESSAGE, socket.MSG_NOSIGNAL)
            data = _receive(connection, on_listener)
        except TimeoutError as error:
            message = f"init of container {folder.id!r} does not answer at its gate"
            raise LaunchTimeoutError(message) from error
        except (ConnectionError, FileNotFoundError) as error:
            message = f"init of container {folder.id!r} has left its gate"
            raise HelperError(message) from error
    if data:
        _, _, number, where = wire.decode_message(data)
        if where >> wire.HOOK_BITS:
            raise _hook_error(hooks, number, where)
        raise exec_error(f"execute {program!r}", number)


def _hook_error(hooks: tuple[AnyHook, ...], number: int, where: int) -> HookError:
    index = (where >> wire.HOOK_BITS) - 1
    hook = hooks[index] if index < len(hooks) else None
    program = hook.path if isinstance(hook, Hook) else "?"
    part = where & (1 << wire.HOOK_BITS) - 1
    return hook_error(place("start_container", index), program, number, part)


def _receive(
    connection: socket.socket, on_listener: Callable[[int], None] | None
) -> bytes:
    """Return the report of a failure, or nothing at the end."""
    data, fds, _, _ = socket.recv_fds(connection, wire.MESSAGE_SIZE, 1)
    if fds and on_listener is not None:
        on_listener(above_stdio(fds[0]))
        return connection.recv(wire.MESSAGE_SIZE)
    close_all(fds)
    return data
