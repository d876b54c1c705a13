# SPDX-License-Identifier: Apache-2.0
"""What the test program must see inside, worked out from what was asked for.

The rules are those of the manual pages, not of the library: nothing of it is used
here but the data of `Config` and `Process`. Each field of the program's report is
either in `RULES` or in `OWN`, which a test holds, so a new field needs a rule.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libcontainer as lc

NAMESPACE_FILES = {
    "mount": "mnt",
    "pid": "pid",
    "network": "net",
    "ipc": "ipc",
    "uts": "uts",
    "user": "user",
    "cgroup": "cgroup",
    "time": "time",
}
_NAMES = (
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap"
    " linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock"
    " ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin"
    " sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease"
    " audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm"
    " block_suspend audit_read perfmon bpf checkpoint_restore"
)
CAPABILITIES = _NAMES.split()

OWN = frozenset(
    {
        "pid",
        "ppid",
        "pgid",
        "monotonic",
        "boottime",
        "probes",
        # Told apart by the tests of terminals.
        "tty",
        # Without one of its own a process has that of its user, made when asked for.
        "keyrings",
    }
)
"""Fields that differ between any two processes, or that other tests are for."""


@dataclass(frozen=True)
class Asked:
    """What was asked for, and who asked.

    Attributes:
        config: the container.
        process: what runs in it.
        who: uid, gid and further groups, as the user's name in the image means.
        home: of that user.
        caller: the program's report of itself in the place of the caller.
        joined: whether the process joined a container that was there.
        pipes: kind of each descriptor that it was given.
        rootless: whether the caller is an ordinary user.
    """

    config: lc.Config
    process: lc.Process
    who: tuple[int, int, tuple[int, ...]]
    home: str
    caller: dict[str, Any]
    joined: bool = False
    pipes: dict[str, str] = field(default_factory=dict)
    rootless: bool = False

    def wish(self, name: str) -> Any:
        """Return the process' own wish, or else the configuration's."""
        own = getattr(self.process, name)
        return getattr(self.config, name) if own is None else own

    def has(self, kind: str) -> bool:
        """Tell whether the container has a namespace of its own of this kind."""
        return kind in {str(getattr(n, "value", n)) for n in self.config.namespaces}


def _mask(names: frozenset[str]) -> int:
    return sum(1 << CAPABILITIES.index(name[4:].lower()) for name in names)


def _capabilities(asked: Asked) -> dict[str, int]:
    """Return the sets after execve(2), by capabilities(7)."""
    sets = asked.wish("capabilities")
    ambient = _mask(sets.ambient)
    inheritable, bounding = _mask(sets.inheritable) | ambient, _mask(sets.bounding)
    permitted = ambient
    if asked.who[0] == 0:
        gained = inheritable | bounding
        if asked.wish("no_new_privs"):
            gained &= _mask(sets.permitted)
        permitted |= gained
    return {
        "CapInh": inheritable,
        "CapPrm": permitted,
        "CapEff": permitted,
        "CapBnd": bounding,
        "CapAmb": ambient,
    }


def _status(asked: Asked, seen: Any) -> dict[str, str]:
    uid, gid, _ = asked.who
    wanted = {
        "Uid": "\t".join([str(uid)] * 4),
        "Gid": "\t".join([str(gid)] * 4),
        "Umask": f"{asked.wish('umask'):04o}",
        "NoNewPrivs": str(int(asked.wish("no_new_privs"))),
        "Threads": "1",
        "TracerPid": "0",
        "SigBlk": "0" * 16,
        "SigIgn": "0" * 16,
        "SigCgt": "0" * 16,
        "SigPnd": "0" * 16,
        "ShdPnd": "0" * 16,
        "CoreDumping": "0",
    }
    return wanted | {k: f"{v:016x}" for k, v in _capabilities(asked).items()}


def _dumpable(asked: Asked, seen: Any) -> int:
    """Return 1, or what suid_dumpable says where execve(2) has widened the sets."""
    permitted = _mask(asked.wish("capabilities").permitted)
    if _capabilities(asked)["CapPrm"] & ~permitted:
        return int(Path("/proc/sys/fs/suid_dumpable").read_text())
    return 1


def _groups(asked: Asked, seen: Any) -> list[int]:
    if _setgroups(asked, seen) == "deny":
        return list(asked.caller["groups"])
    return sorted(asked.who[2])


def _rlimits(asked: Asked, seen: Any) -> dict[str, list[int]]:
    limits = dict(asked.caller["rlimits"])
    for limit in asked.wish("rlimits"):
        name = limit.type.removeprefix("RLIMIT_").lower()
        pair = (limit.soft, limit.hard)
        limits[name] = [-1 if value is None else value for value in pair]
    return limits


def _namespaces(asked: Asked, seen: dict[str, int]) -> dict[str, int]:
    """Return the caller's numbers where shared; where new, any other one."""
    theirs = asked.caller["namespaces"]
    wanted = {}
    for kind, file in NAMESPACE_FILES.items():
        new = asked.has(kind)
        differs = new and seen.get(file) != theirs[file]
        wanted[file] = seen.get(file, -1) if differs else -1 if new else theirs[file]
    for kind in ("pid", "time"):
        wanted[f"{kind}_for_children"] = wanted[kind]
    return wanted


def _idmap(name: str) -> Callable[[Asked, Any], list[list[int]]]:
    def rows(asked: Asked, seen: Any) -> list[list[int]]:
        if not asked.has("user"):
            return list(asked.caller[name])
        mappings = getattr(asked.config, f"{name[:3]}_mappings")
        return [[m.container_id, m.host_id, m.size] for m in mappings]

    return rows


def _environment(asked: Asked, seen: Any) -> list[str]:
    pairs = {"HOME": asked.home} | dict(asked.wish("env"))
    return sorted(f"{key}={value}" for key, value in pairs.items())


def _descriptors(asked: Asked, seen: Any) -> dict[str, Any]:
    return {
        number: {"kind": kind, "cloexec": 0} for number, kind in asked.pipes.items()
    }


def _mount_points(asked: Asked, seen: Any) -> list[str]:
    config = asked.config
    mounts = config.base_mounts + config.mounts
    special = config.masked_paths + config.readonly_paths
    points = ["/", *(m.destination for m in mounts)]
    points += [path for path in special if os.path.lexists(path)]
    if asked.has("user"):
        # No device node can be made there, so the host's own are bound.
        points += [device.path for device in config.devices]
    return sorted(points)


def _devices(asked: Asked, seen: Any) -> list[str]:
    own = {device.path.removeprefix("/dev/") for device in asked.config.devices}
    links = {"fd", "stdin", "stdout", "stderr", "ptmx", "core"}
    mounts = asked.config.base_mounts + asked.config.mounts
    below = {m.destination[5:] for m in mounts if m.destination.startswith("/dev/")}
    return sorted(own | links | below)


def _cgroups(asked: Asked, seen: set[str]) -> set[str]:
    """Return the root where it has a namespace, else one below the caller's own.

    The v2 hierarchy beside v1 controllers is left as it is.
    """
    if asked.has("cgroup"):
        return {"/"}
    own = set(asked.caller["cgroup"])
    names = {path.rpartition("/")[2] for path in seen - own}
    if asked.rootless or len(names) != 1 or not names.pop().startswith("libcontainer-"):
        return own
    (name,) = {path.rpartition("/")[2] for path in seen - own}
    return {f"{path.rstrip('/')}/{name}" for path in own} | (seen & own)


def _same_as_callers(name: str) -> Callable[[Asked, Any], Any]:
    return lambda asked, seen: asked.caller[name]


def _always(value: Any) -> Callable[[Asked, Any], Any]:
    return lambda asked, seen: value


def _wished(name: str) -> Callable[[Asked, Any], Any]:
    return lambda asked, seen: asked.wish(name)


def _setgroups(asked: Asked, seen: Any) -> str:
    alone = all(m.size == 1 for m in asked.config.gid_mappings)
    denied = asked.has("user") and asked.rootless and alone
    return "deny" if denied else "allow"


def _hostname(asked: Asked, seen: Any) -> str:
    return asked.config.hostname or socket.gethostname()


Rule = Callable[[Asked, Any], Any]
RULES: dict[str, Rule] = {
    "uid": lambda asked, seen: [asked.who[0]] * 3,
    "gid": lambda asked, seen: [asked.who[1]] * 3,
    "groups": _groups,
    "status": _status,
    "securebits": _always(0),
    "no_new_privs": lambda asked, seen: int(asked.wish("no_new_privs")),
    "seccomp": _always(0),
    "dumpable": _dumpable,
    "keepcaps": _always(0),
    "pdeathsig": _always(0),
    "child_subreaper": _always(0),
    "rlimits": _rlimits,
    "hostname": _hostname,
    "domainname": lambda asked, seen: asked.config.domainname or "(none)",
    "cwd": _wished("cwd"),
    "umask": _wished("umask"),
    "args": lambda asked, seen: list(asked.process.args),
    "env": _environment,
    "fds": _descriptors,
    "namespaces": _namespaces,
    "mountinfo": _mount_points,
    "cgroup": _cgroups,
    "uid_map": _idmap("uid_map"),
    "gid_map": _idmap("gid_map"),
    "setgroups": _setgroups,
    "label": _same_as_callers("label"),
    "apparmor": _same_as_callers("apparmor"),
    "timens_offsets": _same_as_callers("timens_offsets"),
    "links": lambda asked, seen: (
        ["lo"] if asked.has("network") else sorted(asked.caller["links"])
    ),
    "dev": _devices,
    "blocked_signals": _always([]),
    "ignored_signals": _always([]),
    "sid": lambda asked, seen: seen,
    "oom_score_adj": _same_as_callers("oom_score_adj"),
    "nice": _same_as_callers("nice"),
    "scheduler": _same_as_callers("scheduler"),
    "rt_priority": _same_as_callers("rt_priority"),
    "ioprio": _same_as_callers("ioprio"),
    "affinity": _same_as_callers("affinity"),
    "personality": _same_as_callers("personality"),
    "thp_disable": _same_as_callers("thp_disable"),
    "timerslack": _same_as_callers("timerslack"),
    "coredump_filter": _same_as_callers("coredump_filter"),
    "next_label": _always(""),
}


def view(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report in the form that the rules speak of."""
    shown = {key: value for key, value in report.items() if key not in OWN}
    shown["groups"] = sorted(report["groups"])
    shown["env"] = sorted(report["env"])
    shown["mountinfo"] = sorted(line.split()[4] for line in report["mountinfo"])
    shown["cgroup"] = {line.split(":", 2)[2] for line in report["cgroup"]}
    shown["links"] = sorted(
        line.partition(":")[0].strip() for line in report["links"] if ":" in line
    )
    shown["dev"] = sorted(report["dev"])
    shown["fds"] = {
        number: {"kind": fd["target"].partition(":")[0], "cloexec": fd["cloexec"]}
        for number, fd in report["fds"].items()
    }
    for name in ("uid_map", "gid_map"):
        shown[name] = [[int(n) for n in line.split()] for line in report[name]]
    return shown


def _difference(wanted: Any, seen: Any) -> str:
    if isinstance(wanted, list) and isinstance(seen, list):
        missing = [one for one in wanted if one not in seen]
        extra = [one for one in seen if one not in wanted]
        if missing or extra:
            return f"missing {missing!r}, too many {extra!r}"
    if isinstance(wanted, dict) and isinstance(seen, dict):
        keys = {k for k in wanted | seen if wanted.get(k) != seen.get(k)}
        wanted, seen = ({k: one.get(k) for k in keys} for one in (wanted, seen))
    return f"asked for {wanted!r}, seen {seen!r}"


def differences(asked: Asked, report: dict[str, Any]) -> list[str]:
    """Return one line for each field that is not as it was asked for."""
    shown, lines = view(report), []
    for name, rule in RULES.items():
        wanted, seen = rule(asked, shown[name]), shown[name]
        if name == "status":
            seen = {row: seen.get(row) for row in wanted}
        if wanted != seen:
            lines.append(f"{name}: {_difference(wanted, seen)}")
    # The session and the group are led by the process itself.
    leader = [report["sid"] == report["pid"], report["pgid"] == report["pid"]]
    if not all(leader):
        lines.append(f"session {report['sid']}, group {report['pgid']}")
    if asked.has("pid") and not asked.joined and report["pid"] != 1:
        lines.append(f"pid {report['pid']} of the first process")
    return lines
