# SPDX-License-Identifier: Apache-2.0
"""The configuration of a container, as frozen data."""

from __future__ import annotations

from libcontainer.config.devices import (
    DEFAULT_DEV_SYMLINKS,
    DEFAULT_DEVICES,
    Device,
)
from libcontainer.config.hooks import HOOK_KINDS, Hook, Hooks, UnavailableHook
from libcontainer.config.identity import (
    CAPABILITY_NUMBERS,
    DEFAULT_CAPABILITIES,
    RLIMIT_NUMBERS,
    Capabilities,
    Rlimit,
)
from libcontainer.config.model import (
    DEFAULT_ENV,
    DEFAULT_MASKED_PATHS,
    DEFAULT_READONLY_PATHS,
    Config,
    thermal_throttle_paths,
)
from libcontainer.config.mounts import (
    DEFAULT_BASE_MOUNTS,
    Mount,
    MountAttr,
    Propagation,
)
from libcontainer.config.namespaces import (
    DEFAULT_NAMESPACES,
    IdMap,
    IdMapping,
    NamespaceType,
    TimeOffset,
)
from libcontainer.config.resources import (
    DeviceRule,
    LatencyDevice,
    Resources,
    ThrottleDevice,
    WeightDevice,
)
from libcontainer.config.rootfs import Directory, Overlay, Rootfs
from libcontainer.config.serial import config_from_json, config_to_json

__all__ = [
    "CAPABILITY_NUMBERS",
    "DEFAULT_BASE_MOUNTS",
    "DEFAULT_CAPABILITIES",
    "DEFAULT_DEVICES",
    "DEFAULT_DEV_SYMLINKS",
    "DEFAULT_ENV",
    "DEFAULT_MASKED_PATHS",
    "DEFAULT_NAMESPACES",
    "DEFAULT_READONLY_PATHS",
    "HOOK_KINDS",
    "RLIMIT_NUMBERS",
    "Capabilities",
    "Config",
    "Device",
    "DeviceRule",
    "Directory",
    "Hook",
    "Hooks",
    "IdMap",
    "IdMapping",
    "LatencyDevice",
    "Mount",
    "MountAttr",
    "NamespaceType",
    "Overlay",
    "Propagation",
    "Resources",
    "Rlimit",
    "Rootfs",
    "ThrottleDevice",
    "TimeOffset",
    "UnavailableHook",
    "WeightDevice",
    "config_from_json",
    "config_to_json",
    "thermal_throttle_paths",
]
