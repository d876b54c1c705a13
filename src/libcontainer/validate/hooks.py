# SPDX-License-Identifier: Apache-2.0
"""Checks of hooks."""

from __future__ import annotations

from typing import Final

from libcontainer.config.hooks import (
    HOOK_KINDS,
    IN_CONTAINER,
    Hook,
    Hooks,
    UnavailableHook,
)
from libcontainer.config.model import Config
from libcontainer.config.report import Report, join
from libcontainer.config.rules import absolute_path, environment_entry

MAX_HOOKS: Final = 255
"""Of one kind: the helper tells the number of a hook in one byte."""

_MAX_SECONDS: Final = 604_800
_PAIR: Final = 2


def check_hooks(config: Config, report: Report) -> None:
    """Check each hook, and that a function is only where one can be called."""
    hooks = report.instance("hooks", config.hooks, Hooks)
    if hooks is None:
        return
    for kind in HOOK_KINDS:
        at = join("hooks", kind)
        items = report.items(at, getattr(hooks, kind), "Hook")
        if len(items) > MAX_HOOKS:
            report.add(at, f"has {len(items)} hooks, {MAX_HOOKS} is the most")
        for path, item in items:
            _check_item(report, path, item, in_container=kind in IN_CONTAINER)


def _check_item(report: Report, path: str, item: object, *, in_container: bool) -> None:
    if isinstance(item, Hook):
        _check_program(report, path, item)
        if in_container and item.output is not None:
            report.add(join(path, "output"), "is only for a hook on the host")
    elif not callable(item) and not isinstance(item, UnavailableHook):
        report.wrong_type(path, "a Hook or a function", item)
    elif in_container:
        report.add(path, "must be a Hook: no function can run in the container")


def _check_program(report: Report, path: str, hook: Hook) -> None:
    absolute_path(report, join(path, "path"), hook.path)
    for at, argument in report.items(join(path, "args"), hook.args, "strings"):
        report.text(at, argument)
    for at, entry in report.items(join(path, "env"), hook.env, "entries"):
        if isinstance(entry, tuple) and len(entry) == _PAIR:
            environment_entry(report, at, entry[0], entry[1])
        elif report.text(at, entry) is not None:
            report.add(at, f"has no '=': {entry!r}")
    if hook.timeout is not None:
        report.integer(join(path, "timeout"), hook.timeout, 1, _MAX_SECONDS)
    if hook.output is not None:
        absolute_path(report, join(path, "output"), hook.output)
