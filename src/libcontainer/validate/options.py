# SPDX-License-Identifier: Apache-2.0
"""Checks of the options that filesystems take: each known, each in range."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from libcontainer.config.report import Report, show
from libcontainer.config.rules import MAX_ID

_SIZE: Final = re.compile(r"([0-9]{1,20})([kKmMgGtT]?)")
_PERCENT: Final = re.compile(r"([0-9]{1,3})%")
_NUMBER: Final = re.compile(r"[0-9]{1,20}")
# Kernel documentation, filesystems/tmpfs.rst.
_NODES: Final = r"[0-9]{1,4}(-[0-9]{1,4})?"
_POLICY: Final = re.compile(
    r"(default|prefer|bind|interleave|local|weighted interleave)"
    rf"(=(static|relative))?(:{_NODES}(,{_NODES})*)?"
)
_OCTAL: Final = re.compile(r"[0-7]{1,6}")
_SHIFTS: Final = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_MAX_SIZE: Final = 2**63 - 1
# Set-id bits on a root directory serve nobody but an attacker; sticky is /tmp's.
_MAX_TMPFS_MODE: Final = 0o1777
_MAX_NODE_MODE: Final = 0o777
_MAX_PTYS: Final = 2**20

_REPEATED: Final = frozenset({"lowerdir+", "datadir+"})
_CONTEXTS: Final = ("context", "fscontext", "defcontext", "rootcontext")
_WITH_COMMAS: Final = frozenset(
    {*_CONTEXTS, "lowerdir", "lowerdir+", "upperdir", "workdir", "mpol"}
)

Rule = Callable[[str], str | None]
"""Takes the text after ``=``, returns what is wrong with it, or None."""


def _size(text: str) -> str | None:
    percent = _PERCENT.fullmatch(text)
    if percent:
        return None if int(percent[1]) <= 100 else "is more than 100 %"
    return _bytes(text)


def _bytes(text: str) -> str | None:
    match = _SIZE.fullmatch(text)
    if not match:
        return "is no size such as 64m"
    size = int(match[1]) << _SHIFTS[match[2].lower()]
    return None if size <= _MAX_SIZE else f"is more than {_MAX_SIZE} bytes"


def _up_to(highest: int) -> Rule:
    def rule(text: str) -> str | None:
        if not _NUMBER.fullmatch(text):
            return "is no decimal number"
        return None if int(text) <= highest else f"is more than {highest}"

    return rule


def _mode(highest: int) -> Rule:
    def rule(text: str) -> str | None:
        if not _OCTAL.fullmatch(text):
            return "is no octal number"
        return None if int(text, 8) <= highest else f"is more than {highest:#o}"

    return rule


def _one_of(*words: str) -> Rule:
    def rule(text: str) -> str | None:
        return None if text in words else f"is none of {', '.join(words)}"

    return rule


def _policy(text: str) -> str | None:
    return None if _POLICY.fullmatch(text) else "is no policy such as bind:0-3"


def _text(text: str) -> str | None:
    return None if text else "has no value"


_FLAG: Final = None
"""Stands for an option without a value."""

_ID: Final = _up_to(MAX_ID)

_OPTIONS: Final[Mapping[str, Mapping[str, Rule | None]]] = {
    "bind": {},
    "tmpfs": {
        "size": _size,
        "nr_blocks": _bytes,
        "nr_inodes": _bytes,
        "mode": _mode(_MAX_TMPFS_MODE),
        "uid": _ID,
        "gid": _ID,
        "huge": _one_of("never", "always", "within_size", "advise"),
        "inode32": _FLAG,
        "inode64": _FLAG,
        "noswap": _FLAG,
        "mpol": _policy,
    },
    "proc": {
        "hidepid": _one_of(
            "0", "1", "2", "4", "off", "noaccess", "invisible", "ptraceable"
        ),
        "subset": _one_of("pid"),
        "gid": _ID,
    },
    "sysfs": {},
    "devpts": {
        "newinstance": _FLAG,
        "ptmxmode": _mode(_MAX_NODE_MODE),
        "mode": _mode(_MAX_NODE_MODE),
        "uid": _ID,
        "gid": _ID,
        "max": _up_to(_MAX_PTYS),
    },
    "mqueue": {},
    "cgroup": {},
}

# Of every filesystem: flags of the superblock, and SELinux contexts.
_COMMON: Final[Mapping[str, Rule | None]] = {
    "sync": _FLAG,
    "dirsync": _FLAG,
    "lazytime": _FLAG,
    "mand": _FLAG,
    "iversion": _FLAG,
    **dict.fromkeys(_CONTEXTS, _text),
}


def check_options(report: Report, path: str, kind: str | None, data: object) -> None:
    """Check the options of a mount.

    Args:
        report: where problems go.
        path: of the options in the configuration.
        kind: type of the mount; None or an unknown one: only the form counts.
        data: the options.
    """
    seen: set[str] = set()
    for at, value in report.items(path, data, "strings"):
        option = report.line(at, value)
        if option is None:
            continue
        key = option.partition("=")[0]
        problem = _problem(option, _OPTIONS.get(kind or ""), kind)
        if not key:
            problem = "is no option"
        elif problem is None and key in seen and key not in _REPEATED:
            problem = "is given twice"
        seen.add(key)
        if problem is not None:
            report.add(at, f"{show(option)} {problem}")


def _problem(
    option: str, known: Mapping[str, Rule | None] | None, kind: str | None
) -> str | None:
    key, equals, text = option.partition("=")
    if "," in option and key not in _WITH_COMMAS:
        return "has a comma: each option is an item of its own"
    if key in _COMMON:
        known = _COMMON
        if kind == "bind":
            return "is of the filesystem, which a bind shares with its source"
    if known is None:
        return None
    if key in known:
        return _value_problem(known[key], equals, text)
    allowed = f": {', '.join(known)}" if known else ""
    return f"is no option of {kind}{allowed}"


def _value_problem(rule: Rule | None, equals: str, text: str) -> str | None:
    if rule is None:
        return "takes no value" if equals else None
    return rule(text)
