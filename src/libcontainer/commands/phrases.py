# SPDX-License-Identifier: Apache-2.0
"""Errors in the words that engines and scripts look for."""

from __future__ import annotations

import errno
from collections.abc import Callable

from libcontainer.errors import (
    CgroupError,
    ConfigError,
    ContainerExistsError,
    ContainerNotFoundError,
    HookError,
    InvalidIdError,
    ProgramError,
    StateError,
)

# To choose an exit status.
_PROGRAM = {
    errno.ENOENT: "executable file not found in $PATH",
    errno.EACCES: "permission denied",
}
_CGROUP = {
    errno.EEXIST: "container's cgroup is not empty",
    errno.ENOENT: "error adding pid to cgroups",
}


def describe(error: BaseException) -> str:
    """Return an error as one line."""
    text = str(error)
    for kind, phrase in _PHRASES:
        if isinstance(error, kind):
            text = phrase(error, text)
            break
    return " ".join(text.split("\n"))


def _of_config(error: ConfigError, _: str) -> str:
    what = (
        "container ID format" if isinstance(error, InvalidIdError) else "configuration"
    )
    return f"invalid {what}: {'; '.join(map(str, error.problems))}"


def _of_state(error: StateError, text: str) -> str:
    if error.verb == "signal":
        return f"container not running: {text}"
    if error.verb == "exec" and error.status == "paused":
        return f"cannot exec in a paused container: {text}"
    return text


def _of_hook(error: HookError, text: str) -> str:
    """Write ``createRuntime hook #1`` for ``hooks.create_runtime[1]``."""
    name, _, number = error.hook.removeprefix("hooks.").partition("[")
    first, *others = name.split("_")
    kind = first + "".join(word.capitalize() for word in others)
    return f"error running {kind} hook #{number.rstrip(']')}: {text}"


def _of_program(error: ProgramError, text: str) -> str:
    words = _PROGRAM.get(error.errno or 0)
    return f"{words}: {text}" if words else text


def _of_cgroup(error: CgroupError, text: str) -> str:
    if error.hint is not None and error.hint.startswith("it is frozen"):
        return f"container's cgroup unexpectedly frozen: {text}"
    words = _CGROUP.get(error.errno or 0)
    return f"{words}: {text}" if words else text


_PHRASES: tuple[tuple[type[BaseException], Callable[..., str]], ...] = (
    (
        ContainerNotFoundError,
        lambda error, _: f"container does not exist: {error.container_id!r}",
    ),
    (
        ContainerExistsError,
        lambda e, _: f"container with given ID already exists: {e.container_id!r}",
    ),
    (ConfigError, _of_config),
    (StateError, _of_state),
    (HookError, _of_hook),
    (ProgramError, _of_program),
    (CgroupError, _of_cgroup),
)
