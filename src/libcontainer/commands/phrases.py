# SPDX-License-Identifier: Apache-2.0
"""Errors in the words that engines and scripts look for."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from libcontainer.errors import (
    CgroupError,
    ConfigError,
    ContainerExistsError,
    ContainerNotFoundError,
    HookError,
    InvalidIdError,
    LibcontainerError,
    ProgramError,
    ProgramFormatError,
    StateError,
    StepError,
    UnsupportedError,
    errno_name,
)

# To choose an exit status.
_PROGRAM = {
    errno.ENOENT: "executable file not found in $PATH",
    errno.EACCES: "permission denied",
}
# Where a problem is, what is in its message, how others call it.
_INVALID = (
    ("emoryPolicy.mode", "", "invalid memory policy mode"),
    ("emoryPolicy.flags", "", "invalid memory policy flag"),
    ("emory_policy.flags", "", "invalid memory policy flag"),
    ("emory_policy.nodes", "", "invalid memory policy node"),
    ("networks", "need the", "unable to move network devices without a NET namespace"),
)
_NO_DIRECTORY = {errno.ELOOP, errno.ENOTDIR}
_CGROUP = {
    errno.EEXIST: "container's cgroup is not empty",
    errno.ENOENT: "error adding pid of the program to cgroups",
}


def describe(error: BaseException) -> str:
    """Return an error as one line."""
    text = plain(error)
    for kind, phrase in _PHRASES:
        if isinstance(error, kind):
            text = phrase(error, text)
            break
    return " ".join(text.split("\n"))


def plain(error: BaseException) -> str:
    """Return what an error says, without what Python alone can do about it."""
    if isinstance(error, StateError):
        # Scripts look for it.
        what = f"{error.verb} container {error.container_id!r}"
        return f"cannot {what}: it is {error.status}"
    return str(error)


def shown(error: BaseException) -> str:
    """Return what is on standard error of an error: a line that may be looked for."""
    if isinstance(error, ProgramFormatError):
        # Of what is there and yet no program, the words are those of the program's
        # own place, and there is nothing else; the log has all.
        return _of_format(error)
    return f"libcontainer: {describe(error)}"


def _of_format(error: ProgramFormatError) -> str:
    path = error.title.removeprefix("execute ").strip("'")
    return f"exec {path}: {os.strerror(error.errno or 0).lower()}"


def _of_config(error: ConfigError, _: str) -> str:
    what = (
        "container ID format" if isinstance(error, InvalidIdError) else "configuration"
    )
    text = f"invalid {what}: {'; '.join(map(str, error.problems))}"
    for path, message, words in _INVALID:
        if any(p.path.endswith(path) and message in p.message for p in error.problems):
            return f"{words}: {text}"
    return text


def _of_unsupported(error: UnsupportedError, text: str) -> str:
    if error.feature.startswith("resources."):
        return f"invalid configuration: {text}"
    return text


def _of_state(error: StateError, text: str) -> str:
    if error.verb == "signal":
        return f"container not running: {text}"
    if error.verb == "delete":
        return f"cannot delete a container that is not stopped: {text}"
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
    if isinstance(error, ProgramFormatError):
        return f"{_of_format(error)}: {text}"
    words = _PROGRAM.get(error.errno or 0)
    return f"{words}: {text}" if words else text


def _of_cgroup(error: CgroupError, text: str) -> str:
    if error.hint is not None and error.hint.startswith("it is frozen"):
        return f"container's cgroup unexpectedly frozen: {text}"
    words = _CGROUP.get(error.errno or 0)
    return f"{words}: {text}" if words else text


def _of_step(error: StepError, text: str) -> str:
    if error.title.startswith("hand the seccomp listener to"):
        return f"failed to connect with seccomp agent: {text}"
    if error.title.startswith("open the fifo "):
        return f"failed to open exec wait fifo: {text}"
    if error.errno == errno.EBUSY and "cgroup" in error.title:
        return f"error adding pid of the program to cgroups: {text}"
    kind = error.title.removeprefix("attach the ")
    if error.errno in _NO_DIRECTORY and kind.startswith(("proc ", "sysfs ")):
        return f"must be mounted on ordinary directory: {text}"
    return text


def _of_system(error: OSError, text: str) -> str:
    """Write what Python says of a system call as a sentence."""
    if isinstance(error, LibcontainerError) or error.errno is None:
        return text
    told = f"{error.strerror} [{errno_name(error.errno)}]"
    return told if error.filename is None else f"{error.filename!r}: {told}"


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
    (UnsupportedError, _of_unsupported),
    (StateError, _of_state),
    (HookError, _of_hook),
    (ProgramError, _of_program),
    (CgroupError, _of_cgroup),
    (StepError, _of_step),
    (OSError, _of_system),
)
