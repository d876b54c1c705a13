# SPDX-License-Identifier: Apache-2.0
"""How much a container may do, in one word: ``high``, ``medium`` or ``low`` security.

The three presets of the command nsinit, 2.x, with its capabilities and limits. What
is masked and read-only is the same in each: the defaults of `Config`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen

from libcontainer.config import (
    DEFAULT_MASKED_PATHS,
    DEFAULT_READONLY_PATHS,
    Capabilities,
    Config,
    Rlimit,
)
from libcontainer.config.seccomp_default import default_without
from libcontainer.errors import ConfigError, Problem

_ALWAYS_DENIED: Final = (
    *("create_module", "delete_module", "kexec_load", "mount", "setns", "umount2"),
    "unshare",
)
_FILE_OWNERS: Final = ("chmod", "chown", "link", "linkat", "unlink", "unlinkat")
_NAMES: Final = ("chroot", "setdomainname", "sethostname")


@frozen(kw_only=True)
class Preset:
    """What a preset sets.

    Attributes:
        capabilities: of processes.
        rlimits: of processes.
        denied_syscalls: calls that are refused besides those that the default
            seccomp profile refuses.
    """

    capabilities: Capabilities
    rlimits: tuple[Rlimit, ...]
    denied_syscalls: tuple[str, ...]


_FILES: Final = (Rlimit("RLIMIT_NOFILE", 1024, 1024),)
_INSTALLS: Final = (
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "SETGID", "SETUID", "SETFCAP"),
    *("SETPCAP", "NET_BIND_SERVICE", "KILL", "AUDIT_WRITE"),
)

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        # Runs a service; cannot install packages.
        "high": Preset(
            capabilities=Capabilities.of("NET_BIND_SERVICE", "KILL", "AUDIT_WRITE"),
            rlimits=_FILES,
            denied_syscalls=(*_ALWAYS_DENIED, *_FILE_OWNERS, *_NAMES, "capset"),
        ),
        # Can install packages.
        "medium": Preset(
            capabilities=Capabilities.of(*_INSTALLS),
            rlimits=_FILES,
            denied_syscalls=(*_ALWAYS_DENIED, *_NAMES),
        ),
        # Can change its root directory and its names, too.
        "low": Preset(
            capabilities=Capabilities.of(*_INSTALLS, "SYS_CHROOT"),
            rlimits=_FILES,
            denied_syscalls=_ALWAYS_DENIED,
        ),
    }
)
"""The presets by name."""


def apply(config: Config, name: str) -> Config:
    """Return a configuration with what a preset sets.

    Capabilities, masked and read-only paths are the preset's, and so are the limits
    it has; other limits stay. The seccomp profile is the default one, with fewer
    calls. Processes can gain no privileges (no_new_privs).

    Args:
        config: what to change a copy of.
        name: ``high``, ``medium`` or ``low``.

    Raises:
        ConfigError: there is no such preset.
    """
    preset = PRESETS.get(name)
    if preset is None:
        message = f"must be one of {', '.join(PRESETS)}, not {name!r}"
        raise ConfigError([Problem("preset", message)])
    own = {limit.type for limit in preset.rlimits}
    others = [limit for limit in config.rlimits if limit.type not in own]
    return evolve(
        config,
        capabilities=preset.capabilities,
        rlimits=[*others, *preset.rlimits],
        masked_paths=DEFAULT_MASKED_PATHS,
        readonly_paths=DEFAULT_READONLY_PATHS,
        no_new_privs=True,
        seccomp=default_without(frozenset(preset.denied_syscalls)),
    )
