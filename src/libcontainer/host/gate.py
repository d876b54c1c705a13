# SPDX-License-Identifier: Apache-2.0
"""The gate between ``created`` and ``running``, from the outside.

Init listens on a socket in the container's state folder: who may enter that
folder may start the container. The connection then serves as init's control
socket, so the caller of ``start`` learns whether the program runs, whichever
process made the container.
"""

from __future__ import annotations

from collections.abc import Callable
from math import isinf

from libcontainer.bindings.control import (
    MAX_MILLISECONDS,
    Inbox,
    control_connect,
    control_send,
)
from libcontainer.config.hooks import AnyHook, Hook
from libcontainer.errors import HelperError, HookError, LaunchTimeoutError
from libcontainer.host.fds import close_all
from libcontainer.host.store import Folder
from libcontainer.plan import wire
from libcontainer.plan.hooks import place, seconds

_SECONDS = 10.0


def open_gate(
    folder: Folder,
    program: str,
    hooks: tuple[AnyHook, ...] = (),
    on_listener: Callable[[int], None] | None = None,
    *,
    meanwhile: Callable[[], None],
) -> None:
    """Let init go, and wait until its program has taken its place.

    Args:
        folder: the container's folder, locked.
        program: the first argument of what init becomes.
        hooks: what runs in the container before.
        on_listener: takes over the listener of its seccomp filter, if it has one.
        meanwhile: is called when init is on its way.

    Raises:
        ProgramError: the program could not be executed; init has ended.
        HookError: one of *hooks* failed; init has ended.
        HelperError: init ended before.
        LaunchTimeoutError: init does not answer.
    """
    limit = _SECONDS + seconds(hooks)
    left = -1 if isinf(limit) else min(int(limit * 1000), MAX_MILLISECONDS)
    connection = -1
    try:
        connection = control_connect(folder.gate_address)
        control_send(connection, wire.GO_MESSAGE)
        meanwhile()
        report = _receive(connection, left, on_listener)
    except TimeoutError as error:
        message = f"init of container {folder.id!r} does not answer at its gate"
        raise LaunchTimeoutError(message) from error
    except (ConnectionError, FileNotFoundError) as error:
        message = f"init of container {folder.id!r} has left its gate"
        raise HelperError(message) from error
    finally:
        close_all((connection,))
    if report is not None:
        # Loaded here: the program runs, mostly.
        from libcontainer.host.failure import exec_error  # noqa: PLC0415

        _, _, number, where = report
        if where >> wire.HOOK_BITS:
            raise _hook_error(hooks, number, where)
        raise exec_error(f"execute {program!r}", number)


def _hook_error(hooks: tuple[AnyHook, ...], number: int, where: int) -> HookError:
    from libcontainer.host.failure import hook_error  # noqa: PLC0415

    index = (where >> wire.HOOK_BITS) - 1
    hook = hooks[index] if index < len(hooks) else None
    program = hook.path if isinstance(hook, Hook) else "?"
    part = where & (1 << wire.HOOK_BITS) - 1
    return hook_error(place("start_container", index), program, number, part)


def _receive(
    connection: int, milliseconds: int, on_listener: Callable[[int], None] | None
) -> tuple[int, int, int, int] | None:
    """Return the report of a failure, or None at the end."""
    inbox = Inbox()
    while True:
        message = inbox.receive(connection, milliseconds)
        fd = inbox.take_fd()
        if fd < 0:
            return message
        if on_listener is None:
            close_all((fd,))
            return message
        on_listener(fd)
