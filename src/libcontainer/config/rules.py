# SPDX-License-Identifier: Apache-2.0
"""What single values must look like, wherever a configuration has them.

Text is matched whole and as ASCII (`re.fullmatch` with explicit sets): Python's
own notion of a digit or of the end of a line is wider than the kernel's.
"""

from __future__ import annotations

import re
from typing import Final

from libcontainer.config.devices import DEFAULT_DEV_SYMLINKS
from libcontainer.config.identity import CAPABILITY_NUMBERS
from libcontainer.config.report import Report, show

MAX_ID: Final = 2**32 - 2
"""The highest user or group id; the one above means "no id" to the kernel."""

_MAX_USER_ID: Final = 2**31 - 1
_MAX_HOST_NAME: Final = 64
_MAX_PATH: Final = 4095
_MAX_NAME: Final = 255

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_USER_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}\$?")
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")

_PROFILE: Final = re.compile(r"[!-~]+")
_LABEL: Final = re.compile(r"[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+){2}(:[a-z0-9:.,-]+)?")

# Magic links: they lead out of the container, to what a process has open.
_MAGIC: Final = re.compile(r"/proc/(self|thread-self|[0-9]+)(/.*)?", re.DOTALL)

_DEV_LINKS: Final = frozenset(name for name, _ in DEFAULT_DEV_SYMLINKS)

# Files of /proc that tell a container of its own limits (lxcfs). A mount on
# any other could turn what the kernel says, or takes, into what an image says.
_PROC_LEAVES: Final = frozenset(
    f"/proc/{name}"
    for name in (
        "cpuinfo",
        "diskstats",
        "loadavg",
        "meminfo",
        "net/dev",
        "slabinfo",
        "stat",
        "swaps",
        "sys/kernel/ns_last_pid",
        "uptime",
    )
)


def components(path: str) -> list[str]:
    """Return the names in a path, without empty ones and ``.``."""
    return [name for name in path.split("/") if name not in {"", "."}]


def is_within(path: str, folder: str) -> bool:
    """Tell whether a path is a folder or below it, name by name."""
    parts, above = components(path), components(folder)
    return parts[: len(above)] == above


def absolute_path(report: Report, path: str, value: object) -> str | None:
    """Check for an absolute path."""
    text = report.text(path, value)
    if text is None:
        return None
    if not text.startswith("/"):
        report.add(path, f"must be an absolute path, not {show(text)}")
        return None
    if _is_too_long(text):
        report.add(
            path,
            f"is too long: {_MAX_PATH} bytes are the most for a path,"
            f" {_MAX_NAME} for each name in it",
        )
        return None
    return text


def _is_too_long(path: str) -> bool:
    size = len(path.encode())
    if size <= _MAX_NAME:
        return False
    names = components(path)
    return size > _MAX_PATH or any(len(name.encode()) > _MAX_NAME for name in names)


def container_path(report: Report, path: str, value: object) -> str | None:
    """Check for an absolute path without ``..`` and other than ``/``."""
    text = absolute_path(report, path, value)
    if text is None:
        return None
    names = components(text)
    if ".." in names:
        report.add(path, f"must not have '..' in it: {show(text)}")
        return None
    if not names:
        report.add(path, "must not be '/'")
        return None
    return "/" + "/".join(names)


def working_directory(report: Report, path: str, value: object) -> None:
    """Check for a directory to start in; none that a link leads out to."""
    text = absolute_path(report, path, value)
    if text is None:
        return
    names: list[str] = []
    for name in components(text):
        names = names[:-1] if name == ".." else [*names, name]
    if _MAGIC.fullmatch("/" + "/".join(names)):
        report.add(path, f"must not be below a process in /proc: {show(text)}")


def host_name(report: Report, path: str, value: object) -> None:
    """Check for a host or domain name of the UTS namespace."""
    text = report.line(path, value)
    if text is None:
        return
    if len(text.encode()) > _MAX_HOST_NAME:
        report.add(path, f"is longer than {_MAX_HOST_NAME} bytes: {show(text)}")
    elif not _HOST_NAME.fullmatch(text):
        report.add(
            path,
            "must be letters, digits, '.', '_' and '-', and not begin with"
            f" '.' or '-': {show(text)}",
        )


def environment_entry(report: Report, path: str, key: object, value: object) -> None:
    """Check one variable of an environment."""
    name, text = report.text(path, key), report.text(path, value)
    if name is None:
        return
    if not name or "=" in name:
        report.add(path, f"is no name of a variable: {show(name)}")
    elif name == "HOME" and text is not None:
        # Programs copy HOME into files where a line break begins a new entry.
        report.line(path, text)


def user(report: Report, path: str, value: object) -> None:
    """Check for ``name``, ``uid``, ``name:group``, ``uid:gid`` or a mix.

    All digits are a number or an error, never a name: an image could have a
    user of that name with another id (CVE-2016-3697).
    """
    text = report.line(path, value)
    if not text:
        return
    name, colon, group = text.partition(":")
    if name:
        _user_part(report, path, name)
    if colon:
        _user_part(report, path, group)


def _user_part(report: Report, path: str, part: str) -> None:
    if _USER_NAME.fullmatch(part):
        return
    if not _NUMBER.fullmatch(part):
        report.add(path, f"is neither a number nor a name: {show(part)}")
    elif int(part) > _MAX_USER_ID:
        report.add(path, f"must be from 0 to {_MAX_USER_ID}, not {part}")


def mount_destination(report: Report, path: str, value: object, kind: object) -> None:
    """Check where a mount of a type goes: what /proc says stays the kernel's.

    One on ``/`` is the root itself.
    """
    if isinstance(value, str) and value.startswith("/") and not components(value):
        return
    text = container_path(report, path, value)
    if text is None or not is_within(text, "/proc"):
        return
    if text == "/proc":
        if kind != "proc":
            report.add(path, f"only a mount of type 'proc' may be on '/proc': {kind!r}")
    elif kind != "bind" or text not in _PROC_LEAVES:
        report.add(path, f"nothing may be mounted below '/proc' on {show(text)}")


def device_path(
    report: Report, path: str, value: object, *, anywhere: bool = False
) -> str | None:
    """Check for a path below /dev that is not one of our own links.

    With *anywhere* it may be below another directory, but for those of the kernel.
    """
    text = container_path(report, path, value)
    if text is None:
        return None
    first = components(text)[0] if components(text) else ""
    if anywhere and first not in {"", "dev", "proc", "sys"}:
        return text
    if not text.startswith("/dev/"):
        report.add(path, f"must be below '/dev', not {show(text)}")
        return None
    link = components(text)[1]
    if link in _DEV_LINKS:
        report.add(path, f"'/dev/{link}' is a link that is always made: {show(text)}")
        return None
    return text


def capability(report: Report, path: str, value: object) -> None:
    """Check for the name of a capability, with ``CAP_``."""
    name = report.text(path, value)
    if name is not None and name not in CAPABILITY_NUMBERS:
        report.add(path, f"unknown capability {show(name)}")


def apparmor_profile(report: Report, path: str, value: object) -> None:
    """Check for the name of an AppArmor profile."""
    rule = "must be printable ASCII without spaces: {}"
    _security_word(report, path, value, _PROFILE, rule)


def selinux_label(report: Report, path: str, value: object) -> None:
    """Check for the form of an SELinux label; the policy knows which there are."""
    rule = "must be user:role:type:level, not {}"
    _security_word(report, path, value, _LABEL, rule)


def _security_word(
    report: Report, path: str, value: object, pattern: re.Pattern[str], rule: str
) -> None:
    word = report.line(path, value)
    if word is None:
        return
    if not pattern.fullmatch(word):
        report.add(path, rule.format(show(word)))
    elif len(word) > _MAX_NAME:
        report.add(path, f"is longer than {_MAX_NAME} bytes: {show(word)}")
