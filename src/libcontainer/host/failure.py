# SPDX-License-Identifier: Apache-2.0
"""A failed step to the exception that tells it."""

from __future__ import annotations

import errno
import os
import signal

from libcontainer.errors import (
    HookError,
    ProgramError,
    ProgramFormatError,
    ProgramNotExecutableError,
    ProgramNotFoundError,
    StepError,
)
from libcontainer.host.hints import hint_for
from libcontainer.plan import ops
from libcontainer.plan.steps import Plan, Step
from libcontainer.plan.wire import (
    HOOK_BITS,
    WHERE,
    WHERE_EXECVE,
    WHERE_EXIT,
    WHERE_SIGNAL,
    WHERE_TIMEOUT,
)

_FORMAT_HINTS = {
    errno.ENOEXEC: "it is neither an executable of this machine nor a script with #!",
    errno.ENOENT: (
        "the program is there, but its interpreter (of the first line of a script, or"
        " the dynamic loader) is not"
    ),
    errno.ELIBBAD: "its dynamic loader is not an executable of this machine",
}


def step_error(plan: Plan, step: Step, number: int, where: int = 0) -> StepError:
    """Return the error of *step* that failed with errno *number*.

    Args:
        plan: the plan the step belongs to.
        step: the step.
        number: the errno.
        where: the part of the step that failed (``enum lc_where``).
    """
    if where >> HOOK_BITS:
        return _hook_error(plan, step, number, where)
    if isinstance(step.action, ops.FindProgram):
        return _program_error(plan, step, number)
    if isinstance(step.action, ops.Exec) and where == WHERE_EXECVE:
        return place(exec_error(step.title, number), plan, step)
    part = WHERE[where] if where < len(WHERE) else ""
    title = f"{step.title} ({part})" if part else step.title
    hint = hint_for(step.action, number)
    return place(StepError(number, title, hint=hint), plan, step)


def _hook_error(plan: Plan, step: Step, number: int, where: int) -> StepError:
    # The child's own steps come right behind the one that makes it.
    child = next(
        earlier.action
        for earlier in reversed(plan.steps[: step.index])
        if isinstance(earlier.action, ops.Child)
    )
    part = where & (1 << HOOK_BITS) - 1
    error = hook_error(child.hook, child.program, number, part)
    if step.action is not child:
        error.title = step.title
    return place(error, plan, step)


def hook_error(hook: str, program: str, number: int, part: int) -> HookError:
    """Return the error of a hook that the helper has run.

    Args:
        hook: where it is in the configuration.
        program: its path.
        number: the errno, exit status or signal.
        part: which of them it is (``enum lc_where``).
    """
    if part == WHERE_EXIT:
        return HookError(errno.ECANCELED, hook, program, f"exit status {number}")
    if part == WHERE_SIGNAL:
        return HookError(
            errno.ECANCELED,
            hook,
            program,
            f"was ended by signal {number}{_name(number)}",
        )
    if part == WHERE_TIMEOUT:
        return HookError(errno.ETIMEDOUT, hook, program, "was killed for its time")
    return HookError(number, hook, program, os.strerror(number).lower())


def _name(number: int) -> str:
    text = signal.strsignal(number)
    return f" ({text.lower()})" if text else ""


def _program_error(plan: Plan, step: Step, number: int) -> StepError:
    kind: type[StepError] = ProgramError
    if number == errno.ENOENT:
        kind = ProgramNotFoundError
    elif number == errno.EACCES:
        kind = ProgramNotExecutableError
    return place(kind(number, step.title), plan, step)


def exec_error(title: str, number: int) -> StepError:
    """Return the error of an execve(2) that failed with errno *number*."""
    # The program was found executable in the step before, so ENOENT is now
    # about its interpreter.
    if number in _FORMAT_HINTS:
        return ProgramFormatError(number, title, hint=_FORMAT_HINTS[number])
    if number == errno.EACCES:
        return ProgramNotExecutableError(number, title)
    return ProgramError(number, title)


def place(error: StepError, plan: Plan, step: Step) -> StepError:
    """Tell an error which step of which plan it is of; return it."""
    error.index, error.total = step.index, plan.total
    error.stage, error.side = step.stage, step.side.value
    return error
