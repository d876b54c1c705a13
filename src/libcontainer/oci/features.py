# SPDX-License-Identifier: Apache-2.0
"""What the runtime can do, as ``libcontainer features`` prints it.

It tells what the release has, not what the host's kernel allows. Source: OCI
runtime specification, ``features.md`` and ``features-linux.md``.
"""

from __future__ import annotations

from typing import Any, Final

from libcontainer.config import CAPABILITY_NUMBERS, NamespaceType
from libcontainer.config.mount_options import WORDS
from libcontainer.config.seccomp import ACTIONS, ARCHITECTURES, FLAGS, OPERATORS
from libcontainer.state import OCI_VERSION

_HOOKS: Final = (
    *("prestart", "createRuntime", "createContainer"),
    *("startContainer", "poststart", "poststop"),
)
_UNSAFE: Final = ("org.systemd.property.", "run.oci.systemd.subgroup")


def read_features() -> dict[str, Any]:
    """Return the document."""
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": OCI_VERSION,
        "hooks": list(_HOOKS),
        "mountOptions": sorted(WORDS),
        "linux": {
            "namespaces": sorted(kind.value for kind in NamespaceType),
            "capabilities": sorted(CAPABILITY_NUMBERS),
            "cgroup": {
                "v1": True,
                "v2": True,
                "systemd": True,
                "systemdUser": False,
                "rdma": True,
            },
            "seccomp": {
                "enabled": True,
                "actions": sorted(ACTIONS),
                "operators": sorted(OPERATORS),
                "archs": sorted(ARCHITECTURES),
                "knownFlags": sorted(FLAGS),
                "supportedFlags": sorted(FLAGS),
            },
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": True},
            "memoryPolicy": _memory_policy(),
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": True},
        },
        # With a systemd cgroup they set any property of the container's unit.
        "potentiallyUnsafeConfigAnnotations": list(_UNSAFE),
    }


def _memory_policy() -> dict[str, Any]:
    from libcontainer.config.memory import (  # noqa: PLC0415 - for this alone
        MEMORY_FLAGS,
        MEMORY_MODES,
    )

    return {"modes": sorted(MEMORY_MODES), "flags": sorted(MEMORY_FLAGS)}
