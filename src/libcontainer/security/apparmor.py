# SPDX-License-Identifier: Apache-2.0
"""AppArmor profiles: what is loaded, and one made for containers.

A launch changes to a profile that is loaded already (`Config.apparmor_profile`);
it never loads one. Source: apparmor.d(5), apparmor_parser(8).
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import Final

from libcontainer.errors import LibcontainerError, UnsupportedError

DEFAULT_NAME: Final = "docker-default"
"""The name that 1.2.0 gave to its profile; the sample configurations have it."""

PARSER: Final = "apparmor_parser"

_ENABLED: Final = "/sys/module/apparmor/parameters/enabled"
_PROFILES: Final = "/sys/kernel/security/apparmor/profiles"
_TUNABLES: Final = "/etc/apparmor.d/tunables/global"
_BASE: Final = "/etc/apparmor.d/abstractions/base"
_VERSION: Final = re.compile(r"([0-9]+)\.([0-9]+)(?:\.([0-9]+))?")
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# Where the parser lives, and what not every PATH has.
_SBIN: Final = ":/usr/sbin:/sbin"
_TIMEOUT_SECONDS: Final = 60

# What a container may not write, or not even read, although its procfs and sysfs
# would let root do so.
_NO_WRITE: Final = (
    "@{PROC}/fs/**",
    "@{PROC}/sys/fs/**",
    # All of sys/kernel but the limits of shared memory, shm*.
    "@{PROC}/sys/kernel/[^s][^h][^m]*",
    "@{PROC}/sys/kernel/*/**",
    # All of /sys but /sys/fs/cgroup, spelled letter by letter.
    "/sys/[^f]*/**",
    "/sys/f[^s]*/**",
    "/sys/fs/[^c]*/**",
    "/sys/fs/c[^g]*/**",
    "/sys/fs/cg[^r]*/**",
)
_NO_ACCESS: Final = (
    "@{PROC}/kcore",
    "@{PROC}/kmem",
    "@{PROC}/latency_stats",
    "@{PROC}/mem",
    "@{PROC}/sysrq-trigger",
    "@{PROC}/timer_stats",
    "/sys/firmware/efi/efivars/**",
    "/sys/kernel/security/**",
)


def is_enabled() -> bool:
    """Tell whether the kernel has AppArmor, and it is not switched off."""
    try:
        with open(_ENABLED) as file:
            return file.read(1) == "Y"
    except OSError:
        return False


def loaded_profiles() -> frozenset[str]:
    """Return the names of the profiles that are loaded.

    Raises:
        OSError: securityfs is not mounted, or the caller may not read it; root may.
    """
    with open(_PROFILES) as file:
        return frozenset(line.rpartition(" (")[0] for line in file)


def is_loaded(name: str) -> bool:
    """Tell whether a profile is loaded.

    Raises:
        OSError: as of `loaded_profiles`.
    """
    return name in loaded_profiles()


def default_profile(name: str = DEFAULT_NAME) -> str:
    """Return the text of a profile that suits most containers.

    It allows files, networks and all capabilities the process has; it denies
    mount(2) and umount(2), and writes to what procfs and sysfs have of the whole
    machine. The tunables and base rules of /etc/apparmor.d are included where the
    host has them.

    Args:
        name: of the profile: letters, digits, ``_``, ``.`` and ``-``.

    Raises:
        ValueError: *name* is another.
    """
    if not _NAME.fullmatch(name):
        message = f"a profile's name is letters, digits, '_', '.' and '-': {name!r}"
        raise ValueError(message)
    has_tunables = os.path.exists(_TUNABLES)
    lines = ["#include <tunables/global>" if has_tunables else "@{PROC}=/proc/", ""]
    lines.append(f"profile {name} flags=(attach_disconnected,mediate_deleted) {{")
    if os.path.exists(_BASE):
        lines.append("  #include <abstractions/base>")
    lines += ["  network,", "  capability,", "  file,"]
    if _parser_at_least(2, 8, 95):
        # Older ones cannot say this; they do not restrict it either.
        lines += ["  signal,", "  unix,"]
        lines += [f"  ptrace (trace,read,tracedby,readby) peer={name},"]
    lines += ["  deny mount,"]
    lines += [f"  deny {path} wklx," for path in _NO_WRITE]
    lines += [f"  deny {path} rwklx," for path in _NO_ACCESS]
    return "\n".join([*lines, "}", ""])


def parser_version() -> tuple[int, int, int]:
    """Return the version of the installed apparmor_parser.

    Raises:
        UnsupportedError: it is not installed.
        LibcontainerError: it says nothing that is a version.
    """
    return parse_version(_run_parser(["--version"]))


def parse_version(text: str) -> tuple[int, int, int]:
    """Return the version in what ``apparmor_parser --version`` prints.

    Raises:
        LibcontainerError: there is none.
    """
    match = _VERSION.search(text)
    if match is None:
        message = f"no version in what {PARSER} --version says: {text[:200]!r}"
        raise LibcontainerError(message)
    major, minor, patch = match.groups(default="0")
    return int(major), int(minor), int(patch)


def load(text: str) -> None:
    """Load the profiles of a text into the kernel, in place of older ones.

    They stay until the next boot; nothing is written to the disk. Needs
    CAP_MAC_ADMIN.

    Raises:
        UnsupportedError: apparmor_parser is not installed.
        LibcontainerError: it refuses the text, or the kernel does.
    """
    _run_parser(["-Kr"], text)


def load_default(name: str = DEFAULT_NAME) -> None:
    """Load the profile of `default_profile`, unless one of that name is loaded.

    Raises:
        OSError: as of `loaded_profiles`.
        UnsupportedError: AppArmor is off, or apparmor_parser is not installed.
        LibcontainerError: the profile cannot be loaded.
    """
    if not is_enabled():
        feature, need = f"AppArmor profile {name!r}", "a kernel with AppArmor enabled"
        raise UnsupportedError(feature, need)
    if not is_loaded(name):
        load(default_profile(name))


def _parser_at_least(*version: int) -> bool:
    try:
        return parser_version() >= version
    except LibcontainerError:
        return False


def _run_parser(arguments: list[str], text: str = "") -> str:
    path = os.environ.get("PATH", "") + _SBIN
    try:
        done = subprocess.run(
            [PARSER, *arguments],
            input=text,
            env={"PATH": path, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        need = f"the program {PARSER} (Debian: apt-get install apparmor)"
        raise UnsupportedError("loading AppArmor profiles", need) from error
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        message = f"{PARSER} {' '.join(arguments)} failed: {said}"
        raise LibcontainerError(message)
    return done.stdout
