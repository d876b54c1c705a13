# SPDX-License-Identifier: Apache-2.0
"""A failed step becomes the error that a Python user would catch."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from libcontainer.errors import (
    ProgramError,
    ProgramFormatError,
    ProgramNotExecutableError,
    ProgramNotFoundError,
    StepError,
)
from libcontainer.host.failure import exec_error, step_error
from libcontainer.host.hints import HINTS, hint_for
from libcontainer.plan import Plan, Step, ops
from libcontainer.plan.ops import Op
from libcontainer.plan.steps import HostAction, Spawn
from libcontainer.plan.wire import WHERE, WHERE_EXECVE
from tests.plan.samples import SAMPLES

PLAN: Plan = SAMPLES["unprivileged"]()
# Of a process whose directory is another than the root.
ELSEWHERE: Plan = SAMPLES["limits_and_fds"]()


def step_of(kind: type[Any], plan: Plan = PLAN) -> Step:
    return next(step for step in plan.steps if isinstance(step.action, kind))


@pytest.mark.parametrize(
    ("kind", "number", "where", "error", "hint"),
    [
        (ops.FindProgram, errno.ENOENT, 0, ProgramNotFoundError, None),
        (ops.FindProgram, errno.EACCES, 0, ProgramNotExecutableError, None),
        (ops.FindProgram, errno.ELOOP, 0, ProgramError, None),
        (ops.Exec, errno.ENOENT, WHERE_EXECVE, ProgramFormatError, "interpreter"),
        (ops.Exec, errno.ENOEXEC, WHERE_EXECVE, ProgramFormatError, "#!"),
        (ops.Exec, errno.ELIBBAD, WHERE_EXECVE, ProgramFormatError, "loader"),
        (ops.Exec, errno.EACCES, WHERE_EXECVE, ProgramNotExecutableError, None),
        (ops.Exec, errno.E2BIG, WHERE_EXECVE, ProgramError, None),
        (ops.Exec, errno.EBADF, 9, StepError, None),
        (ops.Clone, errno.EPERM, 0, StepError, "user namespaces"),
        (ops.Clone, errno.ENOSPC, 0, StepError, "max_"),
        (ops.Attach, errno.ELOOP, 2, StepError, "symlink"),
        (ops.MakeFs, errno.ENOTDIR, 0, StepError, None),
        (Spawn, errno.EAGAIN, 0, StepError, None),
    ],
)
def test_an_errno_of_a_step_has_its_class_and_its_hint(
    kind: type[Any], number: int, where: int, error: type[StepError], hint: str | None
) -> None:
    step = step_of(kind)
    found = step_error(PLAN, step, number, where)
    assert type(found) is error
    assert isinstance(found, OSError)
    assert found.errno == number
    assert (found.index, found.total) == (step.index, PLAN.total)
    assert (found.stage, found.side) == (step.stage, step.side.value)
    assert (found.hint is None) == (hint is None)
    assert (hint or "") in (found.hint or "")


def test_built_in_classes_catch_what_they_mean() -> None:
    absent = step_error(PLAN, step_of(ops.FindProgram), errno.ENOENT)
    assert isinstance(absent, FileNotFoundError)
    denied = step_error(PLAN, step_of(ops.FindProgram), errno.EACCES)
    assert isinstance(denied, PermissionError)


@pytest.mark.parametrize("where", range(1, len(WHERE)))
def test_the_part_of_the_step_that_failed_is_told(where: int) -> None:
    error = step_error(ELSEWHERE, step_of(ops.Chdir, ELSEWHERE), errno.EIO, where)
    assert error.title == f"enter the directory '/srv' ({WHERE[where]})"


def test_a_part_that_is_not_known_is_left_out() -> None:
    error = step_error(ELSEWHERE, step_of(ops.Chdir, ELSEWHERE), errno.EIO, 99)
    assert error.title == "enter the directory '/srv'"


def test_a_message_reads_verb_object_reason_place() -> None:
    step = step_of(ops.Pivot)
    assert str(step_error(PLAN, step, errno.EINVAL)) == (
        "pivot_root to the rootfs, detach the old root: invalid argument"
        f' [EINVAL; step {step.index}/{PLAN.total} "rootfs", init]\n'
        "hint: the host's root is an initramfs, which cannot be left"
    )


def test_an_error_at_the_gate_is_told_without_a_plan() -> None:
    assert str(exec_error("execute 'x'", errno.EACCES)) == (
        "execute 'x': permission denied [EACCES]"
    )


def test_every_hint_is_for_a_real_step_and_errno() -> None:
    for (kind, number), text in HINTS.items():
        if isinstance(kind, str):
            assert kind in ops.CALLS or kind.startswith(("self/", "/proc/sys"))
        else:
            assert issubclass(kind, Op) or isinstance(kind.title, property)
        assert number in errno.errorcode
        assert text.splitlines() == [text]
        assert os.strerror(number).lower() not in text.lower()


def test_a_step_without_a_hint_has_none() -> None:
    assert hint_for(ops.Pivot(), errno.EIO) is None
    assert hint_for(object(), errno.EPERM) is None
    assert isinstance(Spawn(0), HostAction)
