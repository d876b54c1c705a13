# SPDX-License-Identifier: Apache-2.0
"""The plans whose text is kept under ``golden/``: one for each way to launch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import libcontainer as lc
from libcontainer import (
    Config,
    Directory,
    IdMapping,
    Log,
    Mount,
    Overlay,
    Process,
    Rlimit,
    TimeOffset,
)
from libcontainer.config import DEFAULT_NAMESPACES
from libcontainer.plan import (
    Facts,
    Identity,
    Plan,
    Settings,
    compile_create,
    compile_join,
    merge,
)
from libcontainer.plan.facts import RootEntry, UserMaps
from libcontainer.plan.monitor import Detached
from libcontainer.plan.template import compile_template

GOLDEN: Final = Path(__file__).parent / "golden"

ROOT: Final = Identity(uid=0, gid=0, groups=(), home="/root")
USER: Final = Identity(uid=1000, gid=1000, groups=(29, 44), home="/home/user")

PRIVILEGED: Final = Facts(euid=0, egid=0, privileged=True, template=False)
WITH_TEMPLATE: Final = Facts(euid=0, egid=0, privileged=True, template=True)
UNPRIVILEGED: Final = Facts(euid=1000, egid=1000, privileged=False, template=False)

WITH_USER: Final = (*sorted(DEFAULT_NAMESPACES), "user")
RANGE: Final = (IdMapping(0, 100000, 65536),)
SHELL: Final = Process(["sh", "-c", "true"])

ROOTFUL: Final = Config(namespaces=WITH_USER, uid_mappings=RANGE, gid_mappings=RANGE)
SINGLE_ID: Final = Config(
    namespaces=WITH_USER,
    uid_mappings=[IdMapping(0, 1000, 1)],
    gid_mappings=[IdMapping(0, 1000, 1)],
)
DIRECTORY: Final = Config(
    rootfs=Directory("/srv/image"),
    readonly_rootfs=True,
    hostname="box",
    domainname="example",
    mounts=[
        Mount.bind("/srv/data", "/data", read_only=True),
        Mount.bind("/etc/resolv.conf", "/etc/resolv.conf", recursive=False),
        Mount.tmpfs("/tmp", size="64m"),
    ],
    masked_paths=["/proc/kcore"],
    readonly_paths=["/proc/sys"],
)
LAYERS: Final = Config(
    rootfs=Overlay(["/srv/top", "/srv/base"], "/srv/rw/upper", "/srv/rw/work"),
    masked_paths=[],
    readonly_paths=[],
)

JOINED: Final = Config(
    namespaces=WITH_USER,
    namespace_paths={
        "user": "/proc/7/ns/user",
        "network": "/run/netns/blue",
        "pid": "/proc/7/ns/pid",
    },
)
CLOCKS: Final = Config(
    namespaces=(*WITH_USER, "time"),
    uid_mappings=RANGE,
    gid_mappings=RANGE,
    time_offsets={"monotonic": -5, "boottime": TimeOffset(1000, 7)},
)
MAPS: Final = UserMaps(uids=RANGE, gids=RANGE, setgroups=True)
TO_JOIN: Final = Facts(euid=0, egid=0, privileged=True, template=True, joined_user=MAPS)
TO_JOIN_UNPRIVILEGED: Final = Facts(
    euid=1000, egid=1000, privileged=False, template=False, joined_user=MAPS
)
ON_HOST_ROOT: Final = Facts(
    euid=1000,
    egid=1000,
    privileged=False,
    template=False,
    host_root=(
        RootEntry("bin", "link", "usr/bin"),
        RootEntry("home", "bind"),
        RootEntry("proc", "empty"),
        RootEntry("tmp", "scratch"),
        RootEntry("usr", "layer"),
    ),
)


_PROGRAM: Final = lc.Hook("/usr/bin/hook", ["hook", "x"], {"A": "b"}, timeout=5)
HOOKS: Final = Config(
    rootfs="/srv/image",
    hooks=lc.Hooks(*((_PROGRAM,) for _ in range(6))),
)


def settings(
    config: Config, process: Process = SHELL, who: Identity = ROOT
) -> Settings:
    """Return what a process of *config* gets."""
    return merge(config, process, who)


def create(
    config: Config,
    facts: Facts = PRIVILEGED,
    process: Process = SHELL,
    who: Identity = ROOT,
    *,
    gate: bool = False,
) -> Plan:
    """Return the plan of the first process."""
    return compile_create(config, settings(config, process, who), facts, gate=gate)


def join(config: Config, facts: Facts = PRIVILEGED, process: Process = SHELL) -> Plan:
    """Return the plan of a further process."""
    return compile_join(config, settings(config, process), facts)


def _limited() -> Plan:
    limits = [Rlimit("nofile", 1024, 4096), Rlimit("core", 0, 0)]
    process = Process(["/bin/app"], rlimits=limits, pass_fds=[7], cwd="/srv")
    return create(Config(), process=process, who=USER)


def _terminal() -> Plan:
    process = Process(["/bin/sh"], terminal=True, console_size=(24, 80))
    return create(Config(), WITH_TEMPLATE, process)


def _monitored() -> Plan:
    log = Log("/var/log/box.log", max_size=1 << 20, max_files=3)
    return compile_create(
        Config(),
        settings(Config()),
        WITH_TEMPLATE,
        gate=False,
        detached=Detached(log, captures=True),
    )


SAMPLES: Final[dict[str, Callable[[], Plan]]] = {
    "default": lambda: create(Config()),
    "default_from_template": lambda: create(Config(), WITH_TEMPLATE),
    "directory": lambda: create(DIRECTORY),
    "overlay": lambda: create(LAYERS),
    "user_namespace": lambda: create(ROOTFUL, who=USER),
    "user_namespace_from_template": lambda: create(ROOTFUL, WITH_TEMPLATE),
    "unprivileged": lambda: create(SINGLE_ID, UNPRIVILEGED),
    "joined_namespaces": lambda: create(JOINED, TO_JOIN, who=USER),
    "joined_namespaces_unprivileged": lambda: create(JOINED, TO_JOIN_UNPRIVILEGED),
    "joined_network": lambda: create(
        Config(namespace_paths={"network": "/run/netns/blue"})
    ),
    "host_root_unprivileged": lambda: create(SINGLE_ID, ON_HOST_ROOT),
    "clocks": lambda: create(CLOCKS, WITH_TEMPLATE),
    "gate": lambda: create(Config(), gate=True),
    "terminal": _terminal,
    "monitor": _monitored,
    "limits_and_fds": _limited,
    "hooks": lambda: create(HOOKS, WITH_TEMPLATE),
    "hooks_gate": lambda: create(HOOKS, gate=True),
    "join": lambda: join(Config()),
    "join_user_namespace": lambda: join(ROOTFUL),
    "join_terminal": lambda: join(
        SINGLE_ID, UNPRIVILEGED, Process(["sh"], terminal=True)
    ),
    "template": compile_template,
}
