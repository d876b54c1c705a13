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

    from libcontainer.aio.process import AsyncProcess
    from libcontainer.api import run
    from libcontainer.asyncrun import arun
    from libcontainer.calls.python import with_python
    from libcontainer.cgroups.events import CgroupEvents
    from libcontainer.cgroups.openmetrics import openmetrics
    from libcontainer.cgroups.reader import StatsReader
    from libcontainer.cgroups.stats import Stats, cpu_percent
    from libcontainer.cgroups.stream import EventStream
    from libcontainer.cgroups.watch import (
        CgroupEvent,
        EventKind,
        MemoryLevel,
        PressureTrigger,
    )
    from libcontainer.checks import Check, check
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
    from libcontainer.config.criu import CriuOptions
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
        Pasta,
        Port,
        Proxy,
        Route,
        Slirp4netns,
        Veth,
        Vlan,
    )
    from libcontainer.config.rdt import IntelRdt
    from libcontainer.config.scheduling import CpuAffinity, IoPriority, Scheduler
    from libcontainer.config.seccomp import Seccomp, Syscall, SyscallArg
    from libcontainer.container import Container
    from libcontainer.containing import contained
    from libcontainer.errors import (
        CalledProcessError,
        CallError,
        CallFailedError,
        CgroupError,
        ConfigError,
        ContainerExistsError,
        ContainerNotFoundError,
        CopyLimitError,
        CriuError,
        ForkedError,
        HelperError,
        HookError,
        ImageError,
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
        RegistryError,
        RemoteError,
        StateError,
        StateFileError,
        StepError,
        TimeoutExpired,
        UnsupportedError,
        UserLookupError,
    )
    from libcontainer.events import ContainerEvent, ContainerEventKind, FactoryEvents
    from libcontainer.executor import ContainerExecutor
    from libcontainer.factory import Factory
    from libcontainer.files.changes import Change
    from libcontainer.files.copy import Copied
    from libcontainer.files.info import FileInfo
    from libcontainer.files.view import ContainerFiles
    from libcontainer.handle import ProcessHandle
    from libcontainer.host.attachment import Attachment
    from libcontainer.host.children import ExitStatus
    from libcontainer.host.devices import host_device, host_devices
    from libcontainer.host.journal import JournalHandler, journal_stream
    from libcontainer.host.lookup import FoundUser, find_user
    from libcontainer.host.rdt import RdtStats
    from libcontainer.host.relay import Relay
    from libcontainer.host.subids import subid_mappings
    from libcontainer.host.trace import StepTime
    from libcontainer.learn import learn_seccomp
    from libcontainer.network.stats import InterfaceStats
    from libcontainer.oneshot.popen import Popen
    from libcontainer.oneshot.result import Result
    from libcontainer.pool import Pool
    from libcontainer.process import DEVNULL, PIPE, STDOUT, Log, Process
    from libcontainer.status import Status
    from libcontainer.supervise import RestartPolicy, Supervisor
    from libcontainer.usage import Usage
    from libcontainer.verdict import Verdict

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_HOMES = {
    "files.changes": ("Change",),
    "files.copy": ("Copied",),
    "files.info": ("FileInfo",),
    "files.view": ("ContainerFiles",),
    "aio.process": ("AsyncProcess",),
    "api": ("run",),
    "cgroups.events": ("CgroupEvents",),
    "asyncrun": ("arun",),
    "calls.python": ("with_python",),
    "checks": ("Check", "check"),
    "containing": ("contained",),
    "cgroups.openmetrics": ("openmetrics",),
    "cgroups.reader": ("StatsReader",),
    "cgroups.stats": ("Stats", "cpu_percent"),
    "cgroups.stream": ("EventStream",),
    "cgroups.watch": (
        "CgroupEvent",
        "EventKind",
        "MemoryLevel",
        "PressureTrigger",
    ),
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
    "config.criu": ("CriuOptions",),
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
        "Pasta",
        "Port",
        "Proxy",
        "Route",
        "Slirp4netns",
        "Veth",
        "Vlan",
    ),
    "config.rdt": ("IntelRdt",),
    "host.rdt": ("RdtStats",),
    "config.scheduling": ("CpuAffinity", "IoPriority", "Scheduler"),
    "config.seccomp": ("Seccomp", "Syscall", "SyscallArg"),
    "container": ("Container",),
    "errors": (
        "CallError",
        "CallFailedError",
        "CalledProcessError",
        "CgroupError",
        "ConfigError",
        "ContainerExistsError",
        "ContainerNotFoundError",
        "CriuError",
        "CopyLimitError",
        "ForkedError",
        "HelperError",
        "HookError",
        "ImageError",
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
        "RegistryError",
        "RemoteError",
        "StateError",
        "StateFileError",
        "StepError",
        "TimeoutExpired",
        "UnsupportedError",
        "UserLookupError",
    ),
    "events": ("ContainerEvent", "ContainerEventKind", "FactoryEvents"),
    "executor": ("ContainerExecutor",),
    "factory": ("Factory",),
    "handle": ("ProcessHandle",),
    "host.attachment": ("Attachment",),
    "host.children": ("ExitStatus",),
    "host.devices": ("host_device", "host_devices"),
    "host.journal": ("JournalHandler", "journal_stream"),
    "host.lookup": ("FoundUser", "find_user"),
    "host.relay": ("Relay",),
    "host.subids": ("subid_mappings",),
    "host.trace": ("StepTime",),
    "network.stats": ("InterfaceStats",),
    "learn": ("learn_seccomp",),
    "oneshot.popen": ("Popen",),
    "oneshot.result": ("Result",),
    "pool": ("Pool",),
    "process": ("DEVNULL", "PIPE", "STDOUT", "Log", "Process"),
    "status": ("Status",),
    "supervise": ("RestartPolicy", "Supervisor"),
    "usage": ("Usage",),
    "verdict": ("Verdict",),
}

# Parts with names of their own, loaded when they are named: lc.image.Store.
_MODULES = ("image",)

# Written out, for type checkers to see what may be used from outside.
__all__ = [
    "DEVNULL",
    "GIB",
    "KIB",
    "MIB",
    "PIPE",
    "STDOUT",
    "AsyncProcess",
    "Attachment",
    "CallError",
    "CallFailedError",
    "CalledProcessError",
    "Capabilities",
    "CgroupError",
    "CgroupEvent",
    "CgroupEvents",
    "Change",
    "Check",
    "Cni",
    "Config",
    "ConfigError",
    "Container",
    "ContainerEvent",
    "ContainerEventKind",
    "ContainerExecutor",
    "ContainerExistsError",
    "ContainerFiles",
    "ContainerNotFoundError",
    "Copied",
    "CopyLimitError",
    "CpuAffinity",
    "CriuError",
    "CriuOptions",
    "CustomNetwork",
    "Device",
    "DeviceRule",
    "Directory",
    "Dns",
    "Dummy",
    "EventKind",
    "EventStream",
    "ExitStatus",
    "Factory",
    "FactoryEvents",
    "FileInfo",
    "ForkedError",
    "FoundUser",
    "HelperError",
    "Hook",
    "HookError",
    "Hooks",
    "IdMap",
    "IdMapping",
    "ImageError",
    "IntelRdt",
    "InterfaceStats",
    "InvalidIdError",
    "IoPriority",
    "Ipvlan",
    "JournalHandler",
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
    "MemoryLevel",
    "MemoryPolicy",
    "Mount",
    "MountAttr",
    "NamespaceType",
    "Neighbour",
    "NetDevice",
    "NetworkError",
    "Overlay",
    "Pasta",
    "Personality",
    "Pool",
    "Popen",
    "Port",
    "PressureTrigger",
    "Problem",
    "Process",
    "ProcessHandle",
    "ProcessNotStartedError",
    "ProgramError",
    "ProgramFormatError",
    "ProgramNotExecutableError",
    "ProgramNotFoundError",
    "Propagation",
    "Proxy",
    "RdtStats",
    "RegistryError",
    "Relay",
    "RemoteError",
    "Resources",
    "RestartPolicy",
    "Result",
    "Rlimit",
    "Route",
    "Scheduler",
    "Seccomp",
    "Slirp4netns",
    "StateError",
    "StateFileError",
    "Stats",
    "StatsReader",
    "Status",
    "StepError",
    "StepTime",
    "Supervisor",
    "Syscall",
    "SyscallArg",
    "ThrottleDevice",
    "TimeOffset",
    "TimeoutExpired",
    "UnsupportedError",
    "Usage",
    "UserLookupError",
    "Verdict",
    "Veth",
    "Vlan",
    "WeightDevice",
    "__version__",
    "arun",
    "check",
    "contained",
    "cpu_percent",
    "find_user",
    "host_device",
    "host_devices",
    "journal_stream",
    "learn_seccomp",
    "openmetrics",
    "run",
    "subid_mappings",
    "with_python",
]


# Unseen by type checkers, so that they find a name that does not exist.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:  # noqa: ANN401
        import importlib

        if name in _MODULES:
            return importlib.import_module(f"{__name__}.{name}")
        for home, names in _HOMES.items():
            if name in names:
                value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
                globals()[name] = value
                return value
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
