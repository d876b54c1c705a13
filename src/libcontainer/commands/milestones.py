# SPDX-License-Identifier: Apache-2.0
"""What ``--debug`` tells besides the plan, in the words of runc.

Scripts wait for these in the log of either. Each is told when it is so: the helper is
what nsexec is there, and it has told its host of its end when a launch returns.
"""

from __future__ import annotations

from libcontainer.commands.options import Arguments
from libcontainer.config import Config
from libcontainer.config.seccomp import FLAGS as SECCOMP_FLAGS
from libcontainer.process import Process

# Of threads: a container has one when it gets its filter.
_UNTOLD = frozenset({"SECCOMP_FILTER_FLAG_TSYNC"})


IS_INIT = "init: closing the pipe to signal completion"
IS_EXEC = "setns_init: about to exec"


def before(arguments: Arguments, config: Config, process: Process) -> None:
    """Tell that a process is about to be set up, and how."""
    if not arguments.debug:
        return
    arguments.tell("nsexec container setup")
    affinity = process.cpu_affinity or config.cpu_affinity
    if affinity is not None and affinity.initial is not None:
        arguments.tell(f"nsexec: affinity: {_mask(affinity.initial):#x}")
    if config.seccomp is not None:
        words = set(config.seccomp.flags) - _UNTOLD
        flags = sum(SECCOMP_FLAGS[word] for word in words)
        arguments.tell(f"seccomp filter flags: {flags}")


def after(arguments: Arguments, last: str) -> None:
    """Tell that a process is set up; *last* is what it told before its program."""
    if arguments.debug:
        arguments.tell("child process in init()")
        arguments.tell(last)


def _mask(processors: str) -> int:
    mask = 0
    for part in processors.split(","):
        first, _, last = part.partition("-")
        for number in range(int(first), int(last or first) + 1):
            mask |= 1 << number
    return mask
