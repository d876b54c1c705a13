# SPDX-License-Identifier: Apache-2.0
"""The keywords of `run` and `Popen`, for type checkers; `Wishes` has the defaults."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict

from libcontainer.config import Config, Mount, Rootfs
from libcontainer.config.network import Network
from libcontainer.config.seccomp import Seccomp
from libcontainer.factory import Factory
from libcontainer.security.seccomp.notify import NotifyHandler


class ContainerOptions(TypedDict, total=False):
    """What is about the container, and not about the program."""

    rootfs: str | os.PathLike[str] | Rootfs | None
    mounts: Iterable[Mount]
    hostname: str | None
    config: Config | None
    factory: Factory | None
    network: str | Network | Iterable[Network] | None
    memory: int | str | None
    cpus: float | str | None
    pids: int | None
    seccomp: Seccomp | None
    init: bool | None


class Options(ContainerOptions, total=False):
    """What `Popen` takes, without what decides whether streams are text."""

    stdin: Any
    stdout: Any
    stderr: Any
    bufsize: int
    pipesize: int
    shell: bool
    preexec_fn: Callable[[], Any] | None
    close_fds: bool
    start_new_session: bool
    cwd: str | os.PathLike[str] | None
    env: Mapping[str, str] | None
    user: str | int | None
    group: str | int | None
    extra_groups: Iterable[int] | None
    umask: int
    pass_fds: Sequence[int]
    notify: NotifyHandler | None


class TextOptions(Options, total=False):
    """And what does."""

    text: bool | None
    universal_newlines: bool | None
    encoding: str | None
    errors: str | None


class RunOptions(Options, total=False):
    """What `run` takes besides, without *input*, which is text or bytes."""

    capture_output: bool
    timeout: float | None
    check: bool


class AllOptions(RunOptions, TextOptions, total=False):
    """Every keyword of `run`."""

    input: Any
