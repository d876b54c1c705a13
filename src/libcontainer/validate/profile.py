# SPDX-License-Identifier: Apache-2.0
"""Checks of a seccomp profile. Loaded only where there is one."""

from __future__ import annotations

from typing import Final

from libcontainer.config.report import Report, join, show
from libcontainer.config.rules import absolute_path, capability
from libcontainer.config.seccomp import (
    ACTIONS,
    ARCHITECTURES,
    FLAGS,
    OPERATORS,
    UNKNOWN_SYSCALLS,
    Condition,
    Seccomp,
    Syscall,
    SyscallArg,
)
from libcontainer.security.seccomp import bpf
from libcontainer.security.seccomp.numbers import known_names

_MAX_ERRNO: Final = 4095
_MAX_MESSAGE: Final = 65535
_MAX_VALUE: Final = 2**64 - 1
_LAST_ARGUMENT: Final = 5
_LIMITS: Final = {"SCMP_ACT_ERRNO": _MAX_ERRNO, "SCMP_ACT_TRACE": _MAX_MESSAGE}
_NOTIFY: Final = "SCMP_ACT_NOTIFY"


def check_profile(report: Report, path: str, value: object) -> None:
    """Check everything about a profile."""
    profile = report.instance(path, value, Seccomp)
    if profile is None:
        return
    _check_action(
        report,
        join(path, "default_"),
        profile.default_action,
        profile.default_errno_ret,
    )
    at = join(path, "architectures")
    _check_words(report, at, profile.architectures, ARCHITECTURES)
    _check_words(report, join(path, "flags"), profile.flags, tuple(FLAGS))
    policy: object = profile.unknown_syscalls
    report.word(join(path, "unknown_syscalls"), policy, UNKNOWN_SYSCALLS)
    _check_rules(report, profile)
    _check_listener(report, profile)
    _check_program(report, profile)


def check_handler(report: Report, profile: object, handler: object) -> None:
    """Check that somebody answers for ``SCMP_ACT_NOTIFY``, and only one."""
    path = "process.notify"
    if handler is not None and not callable(handler):
        report.wrong_type(path, "a callable", handler)
        return
    if not isinstance(profile, Seccomp):
        return
    asks = notifies(profile)
    listens = profile.listener_path is not None
    if handler is not None and listens:
        report.add(path, "cannot be given too: seccomp.listener_path listens")
    elif handler is not None and not asks:
        report.add(path, f"is of no use: no rule has {_NOTIFY}")
    elif handler is None and asks and not listens:
        report.add(path, f"is missing: the profile has {_NOTIFY} and no listener_path")


def notifies(profile: Seccomp) -> bool:
    """Tell whether a profile can ask a listener."""
    program: object = profile.bpf
    if isinstance(program, bytes) and len(program) % bpf.SIZE == 0:
        return bpf.NOTIFY in bpf.answers(program)
    rules = profile.syscalls if isinstance(profile.syscalls, tuple) else ()
    words: list[object] = [getattr(rule, "action", None) for rule in rules]
    return _NOTIFY in [profile.default_action, *words]


def _check_action(report: Report, path: str, action: object, data: object) -> None:
    word = report.word(f"{path}action", action, ACTIONS)
    if data is None or word is None:
        return
    if word not in _LIMITS:
        report.add(f"{path}errno_ret", f"cannot go with {word}")
    else:
        report.integer(f"{path}errno_ret", data, 0, _LIMITS[word])


def _check_words(
    report: Report, path: str, value: object, allowed: tuple[str, ...]
) -> None:
    seen: set[str] = set()
    for at, item in report.items(path, value, "words"):
        word = report.word(at, item, allowed)
        if word in seen:
            report.add(at, f"{word} is given twice")
        elif word is not None:
            seen.add(word)


def _check_rules(report: Report, profile: Seccomp) -> None:
    strict = profile.unknown_syscalls == "error"
    for at, item in report.items("seccomp.syscalls", profile.syscalls, "Syscall"):
        rule = report.instance(at, item, Syscall)
        if rule is not None:
            _check_rule(report, at, rule, strict=strict)


def _check_rule(report: Report, path: str, rule: Syscall, *, strict: bool) -> None:
    names = report.items(join(path, "names"), rule.names, "names")
    if not names:
        report.add(join(path, "names"), "must have at least one system call")
    for at, item in names:
        name = report.line(at, item)
        if name == "":
            report.add(at, "must not be empty")
        elif name and strict and name not in known_names():
            report.add(at, f"unknown system call {show(name)}")
    _check_action(report, join(path, ""), rule.action, rule.errno_ret)
    for at, value in report.items(join(path, "args"), rule.args, "SyscallArg"):
        arg = report.instance(at, value, SyscallArg)
        if arg is not None:
            _check_arg(report, at, arg)
    for name in ("includes", "excludes"):
        _check_condition(report, join(path, name), getattr(rule, name))


def _check_arg(report: Report, path: str, arg: SyscallArg) -> None:
    report.integer(join(path, "index"), arg.index, 0, _LAST_ARGUMENT)
    report.integer(join(path, "value"), arg.value, 0, _MAX_VALUE)
    two = report.integer(join(path, "value_two"), arg.value_two, 0, _MAX_VALUE)
    word = report.word(join(path, "op"), arg.op, OPERATORS)
    if word is not None and word != "SCMP_CMP_MASKED_EQ" and two:
        report.add(join(path, "value_two"), f"is of no use with {word}")


def _check_condition(report: Report, path: str, value: object) -> None:
    condition = None if value is None else report.instance(path, value, Condition)
    if condition is None:
        return

    at = join(path, "capabilities")
    for item_path, item in report.items(at, condition.capabilities, "capabilities"):
        capability(report, item_path, item)
    at = join(path, "architectures")
    _check_words(report, at, condition.architectures, ARCHITECTURES)
    if condition.min_kernel is not None:
        at = join(path, "min_kernel")
        parts = report.items(at, condition.min_kernel, "numbers")
        if len(parts) != 2:
            report.add(at, f"must be two numbers: {show(condition.min_kernel)}")
        for item_path, item in parts:
            report.integer(item_path, item, 0, _MAX_MESSAGE)


def _check_listener(report: Report, profile: Seccomp) -> None:
    if profile.listener_metadata is not None:
        report.text("seccomp.listener_metadata", profile.listener_metadata)
        if profile.listener_path is None:
            report.add(
                "seccomp.listener_metadata", "is of no use without listener_path"
            )
    if profile.listener_path is not None:
        absolute_path(report, "seccomp.listener_path", profile.listener_path)


def _check_program(report: Report, profile: Seccomp) -> None:
    program: object = profile.bpf
    path = "seccomp.bpf"
    if program is None:
        return
    if not isinstance(program, bytes):
        report.wrong_type(path, "bytes", program)
    elif len(program) % bpf.SIZE or not program:
        report.add(path, f"{len(program)} bytes are no program: {bpf.SIZE} each")
    elif len(program) > bpf.SIZE * bpf.MAX_INSTRUCTIONS:
        count = len(program) // bpf.SIZE
        most = bpf.MAX_INSTRUCTIONS
        report.add(path, f"has {count} instructions, the kernel takes {most}")
    if profile.syscalls or profile.architectures:
        report.add(path, "cannot go with rules or architectures")
