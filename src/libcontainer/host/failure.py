# SPDX-License-Identifier: Apache-2.0
"""A failed step to the exception that tells it."""

from __future__ import annotations

import errno

from libcontainer.errors import (
    ProgramError,
    ProgramFormatError,
    ProgramNotExecutableError,
    ProgramNotFoundError,
    StepError,
)
from libcontainer.host.hints import hint_for
from libcontainer.plan import ops
from libcontainer.plan.steps import Plan, Step
from libcontainer.plan.wire import WHERE, WHERE_EXECVE

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
    if isinstance(step.action, ops.FindProgram):
        return _program_error(plan, step, number)
    if isinstance(step.action, ops.Exec) and where == WHERE_EXECVE:
        return place(exec_error(step.title, number), plan, step)
    part = WHERE[where] if where < len(WHERE) else ""
    title = f"{step.title} ({part})" if part else step.title
    hint = hint_for(step.action, number)
    return place(StepError(number, title, hint=hint), plan, step)


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
