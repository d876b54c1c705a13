# SPDX-License-Identifier: Apache-2.0
"""Seccomp profiles as JSON: the OCI form, Docker's form, and the state file's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from libcontainer.config.report import Report, join, show
from libcontainer.config.seccomp import Condition, Seccomp, Syscall, SyscallArg
from libcontainer.errors import ConfigError

T = TypeVar("T", bound=Seccomp)

_PROFILE: Final = {
    "defaultAction": "default_action",
    "defaultErrnoRet": "default_errno_ret",
    "architectures": "architectures",
    "flags": "flags",
    "listenerPath": "listener_path",
    "listenerMetadata": "listener_metadata",
}
_ARG: Final = {"index": "index", "value": "value", "valueTwo": "value_two", "op": "op"}

# Docker has Go's words for the machine.
_GO_MACHINES: Final = {"amd64": "X86_64", "386": "X86", "arm64": "AARCH64"}
_VERSION: Final = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})")


def from_json(kind: type[T], document: Mapping[str, Any]) -> T:
    """Return a profile of the OCI form, or of Docker's.

    Docker's has ``archMap`` instead of ``architectures``, and rules with
    ``includes``, ``excludes`` and ``comment``.

    Raises:
        ConfigError: a key is unknown or a value of a wrong type; all at once.
            What values may be is for `libcontainer.validate`.
    """
    report = Report()
    top = report.mapping("seccomp", document)
    _known(report, "seccomp", top, {*_PROFILE, "archMap", "syscalls"})
    fields: dict[str, Any] = {
        ours: top[key] for key, ours in _PROFILE.items() if key in top
    }
    if "defaultAction" not in top:
        report.add("seccomp.defaultAction", "is missing")
    # An explicit null is how Go writes an empty list.
    fields = {key: value for key, value in fields.items() if value is not None}
    if top.get("archMap"):
        listed = _architecture_map(report, top["archMap"])
        fields["architectures"] = [*fields.get("architectures", []), *listed]
    fields["syscalls"] = _each(report, "seccomp.syscalls", top.get("syscalls"), _rule)
    if report.problems:
        raise ConfigError(report.problems)
    return kind(**fields)


def to_json(profile: Seccomp) -> dict[str, Any]:
    """Return a profile in the OCI form, conditions of rules in Docker's words.

    Raises:
        ValueError: it is a ready program.
    """
    if profile.bpf is not None:
        message = "a ready BPF program has no form in the OCI specification"
        raise ValueError(message)
    document: dict[str, Any] = {}
    for key, ours in _PROFILE.items():
        value = getattr(profile, ours)
        if value is not None and value != ():
            document[key] = list(value) if isinstance(value, tuple) else value
    document["syscalls"] = [_rule_to_json(rule) for rule in profile.syscalls]
    return document


def from_fields(fields: Mapping[str, Any]) -> Seccomp:
    """Return the profile of the state file, which has the fields by their names.

    Raises:
        KeyError, TypeError, ValueError: it is not of this form.
    """
    rules = [
        Syscall(
            **{
                **rule,
                "args": [SyscallArg(**arg) for arg in rule["args"]],
                "includes": _condition_of(rule["includes"]),
                "excludes": _condition_of(rule["excludes"]),
            }
        )
        for rule in fields["syscalls"]
    ]
    bpf = fields["bpf"]
    ready = None if bpf is None else bytes.fromhex(bpf)
    return Seccomp(**{**fields, "syscalls": rules, "bpf": ready})


def _condition_of(fields: Mapping[str, Any] | None) -> Condition | None:
    if fields is None:
        return None
    kernel = fields["min_kernel"]
    version = None if kernel is None else tuple(kernel)
    return Condition(**{**fields, "min_kernel": version})


def _rule_to_json(rule: Syscall) -> dict[str, Any]:
    document: dict[str, Any] = {"names": list(rule.names), "action": rule.action}
    if rule.errno_ret is not None:
        document["errnoRet"] = rule.errno_ret
    if rule.args:
        document["args"] = [
            {key: getattr(arg, ours) for key, ours in _ARG.items()} for arg in rule.args
        ]
    for key, condition in (("includes", rule.includes), ("excludes", rule.excludes)):
        if condition is not None:
            document[key] = _condition_to_json(condition)
    return document


def _condition_to_json(condition: Condition) -> dict[str, Any]:
    document: dict[str, Any] = {}
    if condition.capabilities:
        document["caps"] = sorted(condition.capabilities)
    if condition.architectures:
        words = {ours: go for go, ours in _GO_MACHINES.items()}
        bare = [word.removeprefix("SCMP_ARCH_") for word in condition.architectures]
        document["arches"] = [words.get(word, word.lower()) for word in bare]
    if condition.min_kernel is not None:
        document["minKernel"] = "{}.{}".format(*condition.min_kernel)
    return document


def _known(
    report: Report, path: str, found: Mapping[str, Any], known: set[str]
) -> None:
    for key in found:
        if key not in known:
            report.add(join(path, show(key).strip("'")), "is no key of a profile")


def _each(
    report: Report, path: str, value: object, read: Callable[[Report, str, Any], Any]
) -> list[Any]:
    if value is None:
        return []
    return [
        read(report, at, report.mapping(at, item))
        for at, item in report.items(path, value, "objects")
    ]


def _architecture_map(report: Report, value: object) -> list[Any]:
    path, found = "seccomp.archMap", []
    for at, item in report.items(path, value, "objects"):
        entry = report.mapping(at, item)
        _known(report, at, entry, {"architecture", "subArchitectures"})
        found += [entry.get("architecture"), *(_list(entry.get("subArchitectures")))]
    return found


def _list(value: object) -> list[Any]:
    return list(value) if isinstance(value, list) else []


def _rule(report: Report, path: str, found: Mapping[str, Any]) -> Syscall | None:
    known = {"name", "names", "action", "errnoRet", "args", "comment"}
    _known(report, path, found, {*known, "includes", "excludes"})
    if "action" not in found:
        report.add(join(path, "action"), "is missing")
        return None
    # Docker's first form had one name a rule.
    names = found.get("names") or found.get("name") or ()
    if isinstance(found.get("names"), str):
        report.add(join(path, "names"), "must be a list of names")
        names = ()
    return Syscall(
        names=names,
        action=found["action"],
        errno_ret=found.get("errnoRet"),
        args=_each(report, join(path, "args"), found.get("args"), _arg),
        includes=_condition(report, join(path, "includes"), found.get("includes")),
        excludes=_condition(report, join(path, "excludes"), found.get("excludes")),
    )


def _arg(report: Report, path: str, found: Mapping[str, Any]) -> SyscallArg | None:
    _known(report, path, found, set(_ARG))
    missing = [key for key in ("index", "value", "op") if key not in found]
    for key in missing:
        report.add(join(path, key), "is missing")
    if missing:
        return None
    return SyscallArg(
        **{ours: found[key] for key, ours in _ARG.items() if key in found}
    )


def _condition(report: Report, path: str, value: object) -> Condition | None:
    if not value:
        return None
    found = report.mapping(path, value)
    _known(report, path, found, {"caps", "arches", "minKernel"})
    words = _list(found.get("arches"))
    kernel = found.get("minKernel") or None
    version = _VERSION.fullmatch(kernel) if isinstance(kernel, str) else None
    if kernel is not None and version is None:
        report.add(
            join(path, "minKernel"), f"is no version such as 4.8: {show(kernel)}"
        )
    return Condition(
        capabilities=_list(found.get("caps")),
        architectures=[
            _GO_MACHINES.get(word, word) if isinstance(word, str) else word
            for word in words
        ],
        min_kernel=(int(version[1]), int(version[2])) if version else None,
    )
