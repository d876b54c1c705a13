# SPDX-License-Identifier: Apache-2.0
"""Checks of what a process gets: from the configuration, or of its own."""

from __future__ import annotations

from typing import Final

from libcontainer.config.identity import RLIMIT_NUMBERS, Capabilities, Rlimit
from libcontainer.config.model import Config
from libcontainer.config.namespaces import IdMapping, NamespaceType
from libcontainer.config.report import Report, join
from libcontainer.config.rules import (
    MAX_ID,
    capability,
    environment_entry,
    user,
    working_directory,
)
from libcontainer.process import Process
from libcontainer.validate.namespaces import (
    has_namespace,
    has_own_namespace,
    is_joined,
    is_mapped,
)
from libcontainer.validate.pairs import pairs
from libcontainer.validate.security import (
    check_apparmor_profile,
    check_label,
    check_landlock,
)
from libcontainer.validate.seldom import SELDOM, check_seldom

_MAX_UMASK: Final = 0o777
_MAX_GROUPS: Final = 65536
_INFINITY: Final = 2**64 - 1
_SETS: Final = ("bounding", "effective", "permitted", "inheritable", "ambient")


def check_switches(config: Config, report: Report) -> None:
    """Check what is only true or false."""
    report.boolean("readonly_rootfs", config.readonly_rootfs)
    report.boolean("loopback", config.loopback)
    report.boolean("keep_groups", config.keep_groups)
    report.boolean("no_pivot_root", config.no_pivot_root)
    for name in ("init", "core_scheduling"):
        if report.boolean(name, getattr(config, name)) and not has_own_namespace(
            config, NamespaceType.PID
        ):
            report.add(name, "needs a 'pid' namespace of its own")


def check_labels(config: Config, report: Report) -> None:
    """Check the caller's notes."""
    for path, key, value in pairs(report, "labels", config.labels):
        report.text(path, key)
        report.text(path, value)


def check_config_settings(config: Config, report: Report) -> None:
    """Check what processes get by default."""
    check_settings(config, config, report, "")


def check_settings(
    config: Config, owner: Config | Process, report: Report, prefix: str
) -> None:
    """Check the settings that a configuration and a process both have.

    Args:
        config: of the container.
        owner: who has the settings; None in a process means not its own.
        report: where problems go.
        prefix: of the paths of problems.
    """
    inherits = isinstance(owner, Process)
    for name, check in _CHECKS.items():
        value: object = getattr(owner, name)
        if value is None and (inherits or name in _OPTIONAL):
            continue
        check(config, report, join(prefix, name), value)
    for name in SELDOM:
        value = getattr(owner, name)
        if value is not None:
            check_seldom(name, config, report, join(prefix, name), value)


def _check_env(config: Config, report: Report, path: str, value: object) -> None:
    for at, key, text in pairs(report, path, value):
        environment_entry(report, at, key, text)


def _check_cwd(config: Config, report: Report, path: str, value: object) -> None:
    working_directory(report, path, value)


def _check_user(config: Config, report: Report, path: str, value: object) -> None:
    known = len(report.problems)
    user(report, path, value)
    if len(report.problems) > known or not isinstance(value, str):
        return
    uid, _, gid = value.partition(":")
    if is_joined(config, NamespaceType.MOUNT) and not f"{uid}0{gid}".isdigit():
        report.add(path, "must be numbers: the mount namespace is joined")
    _check_mapped(config, report, path, "uid", uid)
    _check_mapped(config, report, path, "gid", gid)


def _check_groups(config: Config, report: Report, path: str, value: object) -> None:
    groups = report.items(path, value, "group ids")
    if config.keep_groups is True:
        report.add(path, "cannot be given: keep_groups keeps the caller's")
    if len(groups) > _MAX_GROUPS:
        report.add(path, f"has {len(groups)} groups, the kernel takes {_MAX_GROUPS}")
        return
    for at, group in groups:
        if report.integer(at, group, 0, MAX_ID) is not None:
            _check_mapped(config, report, at, "gid", str(group))


def _check_mapped(
    config: Config, report: Report, path: str, kind: str, text: str
) -> None:
    """Check that a number is an id of the container; names are looked up later."""
    if not text.isdigit() or not has_namespace(config, NamespaceType.USER):
        return
    mappings: object = getattr(config, f"{kind}_mappings")
    if not isinstance(mappings, tuple) or not mappings:
        return
    # Ranges that cannot be compared have been reported already.
    if not all(isinstance(mapping, IdMapping) for mapping in mappings):
        return
    try:
        mapped = is_mapped(list(mappings), int(text))
    except TypeError:
        return
    if not mapped:
        report.add(path, f"{kind} {text} is not mapped in the user namespace")


def _check_capabilities(
    config: Config, report: Report, path: str, value: object
) -> None:
    sets = report.instance(path, value, Capabilities)
    if sets is None:
        return
    for name in _SETS:
        at = join(path, name)
        for item_path, item in report.items(at, getattr(sets, name), "capabilities"):
            capability(report, item_path, item)
    within = (
        ("effective", "permitted", "the kernel refuses more"),
        ("permitted", "bounding", "execve takes the rest away"),
        ("ambient", "permitted", "the kernel refuses more"),
        ("inheritable", "ambient", "more would outlast a set-id program"),
    )
    for smaller, larger, why in within:
        extra = _beyond(getattr(sets, smaller), getattr(sets, larger))
        if extra:
            at, names = join(path, smaller), ", ".join(extra)
            report.add(at, f"must be within {larger} ({why}): {names}")


def _beyond(inner: object, outer: object) -> list[str]:
    if not isinstance(inner, frozenset) or not isinstance(outer, frozenset):
        return []
    return sorted(name for name in inner - outer if isinstance(name, str))


def _check_flag(config: Config, report: Report, path: str, value: object) -> None:
    report.boolean(path, value)


def _check_rlimits(config: Config, report: Report, path: str, value: object) -> None:
    seen: dict[str, str] = {}
    for at, item in report.items(path, value, "Rlimit"):
        limit = report.instance(at, item, Rlimit)
        if limit is None:
            continue
        kind = report.word(join(at, "type"), limit.type, RLIMIT_NUMBERS)
        if kind in seen:
            report.add(join(at, "type"), f"{kind} is given by {seen[kind]} already")
        elif kind is not None:
            seen[kind] = at
        soft = _limit(report, join(at, "soft"), limit.soft)
        hard = _limit(report, join(at, "hard"), limit.hard)
        if soft is not None and hard is not None and soft > hard:
            report.add(join(at, "soft"), "must not be above hard")


def _limit(report: Report, path: str, value: object) -> int | None:
    return _INFINITY if value is None else report.integer(path, value, 0, _INFINITY)


def _check_umask(config: Config, report: Report, path: str, value: object) -> None:
    report.integer(path, value, 0, _MAX_UMASK)


_OPTIONAL: Final = frozenset(
    {"additional_groups", "apparmor_profile", "process_label", "landlock"}
)
"""What a configuration need not have."""

_CHECKS: Final = {
    "env": _check_env,
    "cwd": _check_cwd,
    "user": _check_user,
    "additional_groups": _check_groups,
    "capabilities": _check_capabilities,
    "no_new_privs": _check_flag,
    "apparmor_profile": check_apparmor_profile,
    "process_label": check_label,
    "landlock": check_landlock,
    "rlimits": _check_rlimits,
    "umask": _check_umask,
    "terminal": _check_flag,
    "keyring": _check_flag,
    "ksm": _check_flag,
    "thp_disable": _check_flag,
}
