# SPDX-License-Identifier: Apache-2.0
"""Watches what a program does, to write down what it needs."""

from __future__ import annotations

import errno
import threading
from collections.abc import Sequence
from typing import Any, Final

from attrs import evolve

from libcontainer.api import run
from libcontainer.config import Config
from libcontainer.config.seccomp import Seccomp, Syscall
from libcontainer.security.seccomp.notify import Answer, Continue, Request

# What no filter can be without: the start and the end of a program, the return from
# a signal handler, and what hands the listener over, so that nobody is asked for it.
_ALWAYS: Final = (
    *("execve", "exit", "exit_group", "restart_syscall", "rt_sigreturn", "sendmsg"),
    "sigreturn",
)

_ABIS: Final = ("X86_64", "X86", "X32", "AARCH64", "ARM")


def learn_seccomp(
    args: Sequence[str],
    *,
    config: Config | None = None,
    timeout: float | None = None,
    **keywords: Any,  # noqa: ANN401
) -> Seccomp:
    """Run a program and return a profile that allows the calls it made.

    The kernel asks for each call (``SCMP_ACT_NOTIFY``) and is told to go on. What
    the program did not do this time is not in the profile: learn with its tests.
    Every other call then fails with EPERM.

    Args:
        args: the program and its arguments.
        config: as for `libcontainer.run`; its own profile does not count.
        timeout: seconds after which the container is killed.
        keywords: others of `libcontainer.run`.

    Raises:
        LibcontainerError: as for `libcontainer.run`.

    Linux >= 5.5. Source: seccomp_unotify(2).
    """
    seen: set[str] = set()
    lock = threading.Lock()

    def note(request: Request) -> Answer:
        if request.name is not None:
            with lock:
                seen.add(request.name)
        return Continue()

    watched = Seccomp(
        default_action="NOTIFY",
        architectures=_ABIS,
        flags=["WAIT_KILLABLE_RECV"],
        syscalls=[Syscall(names=_ALWAYS, action="ALLOW")],
    )
    base = Config() if config is None else config
    run(
        args,
        config=evolve(base, seccomp=watched),
        timeout=timeout,
        notify=note,
        **keywords,
    )
    with lock:
        names = sorted({*seen, *_ALWAYS})
    return Seccomp(
        default_action="ERRNO",
        default_errno_ret=errno.EPERM,
        architectures=_ABIS,
        syscalls=[Syscall(names=names, action="ALLOW")],
    )
