# SPDX-License-Identifier: Apache-2.0
"""Linux containers from inside a Python program: no daemon, no runtime binary.

General layout: nothing is imported until it is used. The names below live in
the modules that `_HOMES` tells; `libcontainer.bindings` holds the thin kernel
calls, `libcontainer.plan` the pure compiler, `libcontainer.host` what acts.
"""

from __future__ import annotations

from libcontainer._version import __version__

# Importing typing takes longer than all the rest of this module.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from libcontainer.api import Result, run
    from libcontainer.config import (
        Capabilities,
        Config,
        Device,
        DeviceRule,
        Directory,
        Hook,
        Hooks,
        IdMap,
        IdMapping,
        LatencyDevice,
        Mount,
        MountAttr,
        NamespaceType,
        Overlay,
        Propagation,
        Resources,
        Rlimit,
        ThrottleDevice,
        TimeOffset,
        WeightDevice,
    )
    from libcontainer.config.landlock import Landlock, LandlockPath, LandlockPort
    from libcontainer.config.memory import MemoryPolicy, Personality
    from libcontainer.config.network import (
        Cni,
        CustomNetwork,
        Dns,
        Dummy,
        Ipvlan,
        Loopback,
        Macvlan,
        Neighbour,
        NetDevice,
        Port,
        Route,
        Veth,
        Vlan,
    )
    from libcontainer.config.scheduling import CpuAffinity, IoPriority, Scheduler
    from libcontainer.config.seccomp import Seccomp, Syscall, SyscallArg
    from libcontainer.container import Container
    from libcontainer.errors import (
        CalledProcessError,
        CgroupError,
        ConfigError,
        ContainerExistsError,
        ContainerNotFoundError,
        HelperError,
        HookError,
        InvalidIdError,
        LaunchTimeoutError,
        LibcontainerError,
        LockTimeoutError,
        NetworkError,
        Problem,
        ProcessNotStartedError,
        ProgramError,
        ProgramFormatError,
        ProgramNotExecutableError,
        ProgramNotFoundError,
        StateError,
        StateFileError,
        StepError,
        TimeoutExpired,
        UnsupportedError,
        UserLookupError,
    )
    from libcontainer.factory import Factory
    from libcontainer.handle import ProcessHandle
    from libcontainer.host.attachment import Attachment
    from libcontainer.host.children import ExitStatus
    from libcontainer.host.devices import host_device, host_devices
    from libcontainer.host.relay import Relay
    from libcontainer.host.subids import subid_mappings
    from libcontainer.learn import learn_seccomp
    from libcontainer.network.stats import InterfaceStats
    from libcontainer.process import DEVNULL, PIPE, STDOUT, Log, Process
    from libcontainer.status import Status

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_HOMES = {
    "api": ("Result", "run"),
    "config": (
        "Capabilities",
        "Config",
        "Device",
        "Directory",
        "Hook",
        "Hooks",
        "IdMap",
        "IdMapping",
        "Mount",
        "MountAttr",
        "NamespaceType",
        "Overlay",
        "Propagation",
        "DeviceRule",
        "LatencyDevice",
        "Resources",
        "ThrottleDevice",
        "WeightDevice",
        "Rlimit",
        "TimeOffset",
    ),
    "config.landlock": ("Landlock", "LandlockPath", "LandlockPort"),
    "config.memory": ("MemoryPolicy", "Personality"),
    "config.network": (
        "Cni",
        "CustomNetwork",
        "Dns",
        "Dummy",
        "Ipvlan",
        "Loopback",
        "Macvlan",
        "Neighbour",
        "NetDevice",
        "Port",
        "Route",
        "Veth",
        "Vlan",
    ),
    "config.scheduling": ("CpuAffinity", "IoPriority", "Scheduler"),
    "config.seccomp": ("Seccomp", "Syscall", "SyscallArg"),
    "container": ("Container",),
    "errors": (
        "CalledProcessError",
        "CgroupError",
        "ConfigError",
        "ContainerExistsError",
        "ContainerNotFoundError",
        "HelperError",
        "HookError",
        "InvalidIdError",
        "LaunchTimeoutError",
        "LibcontainerError",
        "LockTimeoutError",
        "NetworkError",
        "Problem",
        "ProcessNotStartedError",
        "ProgramError",
        "ProgramFormatError",
        "ProgramNotExecutableError",
        "ProgramNotFoundError",
        "StateError",
        "StateFileError",
        "StepError",
        "TimeoutExpired",
        "UnsupportedError",
        "UserLookupError",
    ),
    "factory": ("Factory",),
    "handle": ("ProcessHandle",),
    "host.attachment": ("Attachment",),
    "host.children": ("ExitStatus",),
    "host.devices": ("host_device", "host_devices"),
    "host.relay": ("Relay",),
    "host.subids": ("subid_mappings",),
    "network.stats": ("InterfaceStats",),
    "learn": ("learn_seccomp",),
    "process": ("DEVNULL", "PIPE", "STDOUT", "Log", "Process"),
    "status": ("Status",),
}

# Written out, for type checkers to see what may be used from outside.
__all__ = [
    "DEVNULL",
    "GIB",
    "KIB",
    "MIB",
    "PIPE",
    "STDOUT",
    "Attachment",
    "CalledProcessError",
    "Capabilities",
    "CgroupError",
    "Cni",
    "Config",
    "ConfigError",
    "Container",
    "ContainerExistsError",
    "ContainerNotFoundError",
    "CpuAffinity",
    "CustomNetwork",
    "Device",
    "DeviceRule",
    "Directory",
    "Dns",
    "Dummy",
    "ExitStatus",
    "Factory",
    "HelperError",
    "Hook",
    "HookError",
    "Hooks",
    "IdMap",
    "IdMapping",
    "InterfaceStats",
    "InvalidIdError",
    "IoPriority",
    "Ipvlan",
    "Landlock",
    "LandlockPath",
    "LandlockPort",
    "LatencyDevice",
    "LaunchTimeoutError",
    "LibcontainerError",
    "LockTimeoutError",
    "Log",
    "Loopback",
    "Macvlan",
    "MemoryPolicy",
    "Mount",
    "MountAttr",
    "NamespaceType",
    "Neighbour",
    "NetDevice",
    "NetworkError",
    "Overlay",
    "Personality",
    "Port",
    "Problem",
    "Process",
    "ProcessHandle",
    "ProcessNotStartedError",
    "ProgramError",
    "ProgramFormatError",
    "ProgramNotExecutableError",
    "ProgramNotFoundError",
    "Propagation",
    "Relay",
    "Resources",
    "Result",
    "Rlimit",
    "Route",
    "Scheduler",
    "Seccomp",
    "StateError",
    "StateFileError",
    "Status",
    "StepError",
    "Syscall",
    "SyscallArg",
    "ThrottleDevice",
    "TimeOffset",
    "TimeoutExpired",
    "UnsupportedError",
    "UserLookupError",
    "Veth",
    "Vlan",
    "WeightDevice",
    "__version__",
    "host_device",
    "host_devices",
    "learn_seccomp",
    "run",
    "subid_mappings",
]


# Unseen by type checkers, so that they find a name that does not exist.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:  # noqa: ANN401
        import importlib

        for home, names in _HOMES.items():
            if name in names:
                value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
                globals()[name] = value
                return value
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
