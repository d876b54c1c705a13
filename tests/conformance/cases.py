# SPDX-License-Identifier: Apache-2.0
"""Bundles for the differential run: one rule of the specification each.

Each case is the document of a working container with one thing changed. What the
three runtimes make of it is compared; no case says here what is right.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import frozen

from libcontainer.config import CAPABILITY_NUMBERS, RLIMIT_NUMBERS
from libcontainer.oci.template import template

Document = dict[str, Any]
Change = Callable[[Document], object]

VERSION: Final = "1.0.2"
"""The newest that all three runtimes know."""


@frozen
class Case:
    """One bundle."""

    name: str
    """Family and what is changed."""

    document: Document
    """Its ``config.json``."""


def base() -> Document:
    """Return the document that every case begins with."""
    found = template(rootless=False, uid=0, gid=0)
    found["ociVersion"] = VERSION
    found["process"] |= {"terminal": False, "args": ["/test_init"]}
    found["root"]["readonly"] = False
    # Where cgroups are shown differs from runtime to runtime, on v1.
    found["mounts"] = [m for m in found["mounts"] if m["type"] != "cgroup"]
    return found


def cases() -> list[Case]:
    """Return every case, in a fixed order."""
    found = []
    for family in _FAMILIES:
        for name, change in family():
            document = copy.deepcopy(base())
            change(document)
            found.append(Case(f"{family.__name__.strip('_')}: {name}", document))
    return found


def _set(*path: str | int, value: object) -> Change:
    def change(document: Document) -> None:
        at: Any = document
        for part in path[:-1]:
            at = at.setdefault(part, {}) if isinstance(at, dict) else at[part]
        at[path[-1]] = value

    return change


def _drop(*path: str) -> Change:
    def change(document: Document) -> None:
        at: Any = document
        for part in path[:-1]:
            at = at[part]
        at.pop(path[-1], None)

    return change


def _process(**values: object) -> Change:
    return lambda document: document["process"].update(values)


def _linux(**values: object) -> Change:
    return lambda document: document["linux"].update(values)


def _mount(destination: str, kind: str, *options: str, source: str = "x") -> Change:
    mount = {
        "destination": destination,
        "type": kind,
        "source": source,
        "options": list(options),
    }
    return lambda document: document["mounts"].append(mount)


Named = Iterator[tuple[str, Change]]


def _plain() -> Named:
    yield "nothing changed", lambda document: None
    yield "read-only root", _set("root", "readonly", value=True)
    yield "host name", _set("hostname", value="other")
    yield "no host name", _drop("hostname")
    yield "annotations", _set("annotations", value={"a": "b", "c": ""})
    yield "absolute root", lambda document: None
    yield "no masked paths", _drop("linux", "maskedPaths")
    yield "no read-only paths", _drop("linux", "readonlyPaths")
    yield "masked file", _linux(maskedPaths=["/etc/passwd"])
    yield "masked directory", _linux(maskedPaths=["/etc"])
    yield "masked and absent", _linux(maskedPaths=["/nope/nope"])
    yield "read-only directory", _linux(readonlyPaths=["/etc"])
    yield "read-only and absent", _linux(readonlyPaths=["/nope/nope"])


def _args() -> Named:
    yield "several", _process(args=["/test_init", "a", "", "b c", "é"])
    yield "by path", _process(args=["sh", "-c", "exec /test_init"])
    yield "none", _process(args=[])
    yield "absent", _drop("process", "args")
    yield "no such file", _process(args=["/nope"])
    yield "not in the path", _process(args=["nope"])
    yield "not executable", _process(args=["/etc/passwd"])
    yield "a directory", _process(args=["/etc"])
    for status in (0, 1, 2, 125, 126, 127, 255):
        args = ["sh", "-c", f"exit {status}"]
        yield f"exit status {status}", _process(args=args)


def _env() -> Named:
    path = "PATH=/bin"
    yield "empty", _process(env=[path])
    yield "twice", _process(env=[path, "A=1", "A=2"])
    yield "with equals signs", _process(env=[path, "A=b=c"])
    yield "empty value", _process(env=[path, "A="])
    yield "home", _process(env=[path, "HOME=/tmp"])
    yield "long", _process(env=[path, "A=" + "x" * 10000])


def _cwd() -> Named:
    yield "tmp", _process(cwd="/tmp")
    yield "made", _process(cwd="/made/for/it")
    yield "relative", _process(cwd="tmp")
    yield "empty", _process(cwd="")
    yield "absent", _drop("process", "cwd")
    yield "a file", _process(cwd="/etc/passwd")
    yield "dots", _process(cwd="/tmp/../etc")


def _user() -> Named:
    for uid, gid in ((1000, 1000), (1, 0), (0, 1), (4242, 4242), (65534, 65534)):
        yield f"{uid}:{gid}", _process(user={"uid": uid, "gid": gid})
    more = {"uid": 1000, "gid": 1000, "additionalGids": [7, 29, 4242]}
    yield "groups", _process(user=more)
    yield "umask", _process(user={"uid": 0, "gid": 0, "umask": 0o077})
    yield "umask of nothing", _process(user={"uid": 0, "gid": 0, "umask": 0})
    yield "negative", _process(user={"uid": -1, "gid": 0})
    yield "too large", _process(user={"uid": 2**32, "gid": 0})
    yield "absent", _drop("process", "user")
    kept = ("bounding", "effective", "permitted", "inheritable", "ambient")
    every = {name: ["CAP_CHOWN"] for name in kept}
    yield (
        "with ambient capabilities",
        _process(user={"uid": 1000, "gid": 1000}, capabilities=every),
    )


def _capabilities() -> Named:
    usual = ("bounding", "effective", "permitted")
    for name in sorted(CAPABILITY_NUMBERS):
        yield name, _process(capabilities={kind: [name] for kind in usual})
    yield "none", _process(capabilities={})
    yield "absent", _drop("process", "capabilities")
    yield "of a name that is none", _process(capabilities={"bounding": ["CAP_NOPE"]})
    yield "bounding alone", _process(capabilities={"bounding": ["CAP_CHOWN"]})
    all_five = ("bounding", "effective", "permitted", "inheritable", "ambient")
    yield "ambient", _process(capabilities={kind: ["CAP_CHOWN"] for kind in all_five})
    yield "no_new_privs off", _process(noNewPrivileges=False)
    yield "no_new_privs absent", _drop("process", "noNewPrivileges")


def _rlimits() -> Named:
    for kind in sorted(RLIMIT_NUMBERS):
        limit = {"type": kind, "soft": 64, "hard": 128}
        if kind == "RLIMIT_AS":
            limit |= {"soft": 2**32, "hard": 2**33}
        if kind in {"RLIMIT_STACK", "RLIMIT_DATA", "RLIMIT_FSIZE"}:
            limit |= {"soft": 2**23, "hard": 2**24}
        if kind == "RLIMIT_NPROC":
            limit |= {"soft": 1000, "hard": 1001}
        if kind in {"RLIMIT_NICE", "RLIMIT_RTPRIO"}:
            limit |= {"soft": 0, "hard": 0}
        yield kind, _process(rlimits=[limit])
    yield "none", _process(rlimits=[])
    both = {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 5}
    yield "soft above hard", _process(rlimits=[both])
    twice = [{"type": "RLIMIT_CORE", "soft": 1, "hard": 1}] * 2
    yield "twice", _process(rlimits=twice)
    yield "of no kind", _process(rlimits=[{"type": "NOPE", "soft": 1, "hard": 1}])


def _scores() -> Named:
    for score in (0, 1, 100, 1000):
        yield f"oom {score}", _process(oomScoreAdj=score)
    yield "oom too large", _process(oomScoreAdj=1001)


def _namespaces() -> Named:
    kinds = ("pid", "network", "ipc", "uts", "cgroup")
    for kind in kinds:

        def without(document: Document, kind: str = kind) -> None:
            found = document["linux"]["namespaces"]
            document["linux"]["namespaces"] = [i for i in found if i["type"] != kind]
            if kind == "uts":
                document.pop("hostname")

        yield f"without {kind}", without
    yield "of no kind", _linux(namespaces=[{"type": "mount"}, {"type": "nope"}])
    twice = [{"type": "mount"}, {"type": "pid"}, {"type": "pid"}]
    yield "twice", _linux(namespaces=twice)

    def joined(document: Document) -> None:
        for item in document["linux"]["namespaces"]:
            if item["type"] == "network":
                item["path"] = "/proc/self/ns/net"

    yield "network by path", joined

    def nowhere(document: Document) -> None:
        document["linux"]["namespaces"][1]["path"] = "/nope"

    yield "by a path that is not there", nowhere
    yield "user", _user_namespace(65536)
    yield "user of one id", _user_namespace(1)
    yield "user without mappings", _user_namespace(0)


def _user_namespace(size: int) -> Change:
    def change(document: Document) -> None:
        linux = document["linux"]
        linux["namespaces"].append({"type": "user"})
        if size:
            ids = [{"containerID": 0, "hostID": 100000, "size": size}]
            linux |= {"uidMappings": ids, "gidMappings": ids}
            document["mounts"][2]["options"] = [
                word for word in document["mounts"][2]["options"] if "gid" not in word
            ]

    return change


_WORDS: Final = (
    *("ro", "rw", "nosuid", "suid", "nodev", "dev", "noexec", "exec"),
    *("noatime", "relatime", "strictatime", "nodiratime", "sync", "dirsync"),
    *("private", "slave", "shared", "rprivate", "rslave", "rshared", "unbindable"),
)


def _without_cgroup(mount: Change) -> Change:
    def change(document: Document) -> None:
        mount(document)
        kinds = document["linux"]["namespaces"]
        document["linux"]["namespaces"] = [k for k in kinds if k["type"] != "cgroup"]

    return change


def _mounts() -> Named:
    for word in _WORDS:
        bind = _mount("/mnt", "bind", "bind", word, source="/usr/share")
        yield f"bind {word}", bind
    for word in _WORDS[:14]:
        yield f"tmpfs {word}", _mount("/mnt", "tmpfs", word)
    yield "bind recursive", _mount("/mnt", "bind", "rbind", "ro", source="/usr/share")
    yield "bind of a file", _mount("/etc/passwd", "bind", "bind", source="/etc/passwd")
    yield "bind over a missing file", _mount("/a", "bind", "bind", source="/etc/passwd")
    yield "bind without type", _mount("/mnt", "", "bind", source="/usr/share")
    yield "bind of nothing", _mount("/mnt", "bind", "bind", source="/nope")
    yield "tmpfs size", _mount("/mnt", "tmpfs", "size=1m", "mode=700")
    yield (
        "tmpfs below one",
        lambda document: document["mounts"].extend(
            {"destination": at, "type": "tmpfs", "source": "x"} for at in ("/m", "/m/n")
        ),
    )
    yield "of an unknown filesystem", _mount("/mnt", "nopefs")
    yield "at a path with dots", _mount("/tmp/../mnt", "tmpfs")
    yield "made with its parents", _mount("/a/b/c", "tmpfs")
    cgroup = ("nosuid", "noexec", "nodev", "relatime")
    for word in ("ro", "rw"):
        mount = _mount("/sys/fs/cgroup", "cgroup", *cgroup, word, source="cgroup")
        yield f"cgroup {word}", mount
        yield f"cgroup {word} without a namespace", _without_cgroup(mount)
    yield "none", _set("mounts", value=[])
    yield "absent", _drop("mounts")
    yield "without destination", lambda document: document["mounts"].append({})


def _devices() -> Named:
    null = {"path": "/dev/extra", "type": "c", "major": 1, "minor": 3}
    yield "character", _linux(devices=[null])
    yield (
        "mode and owner",
        _linux(devices=[null | {"fileMode": 384, "uid": 7, "gid": 8}]),
    )
    yield "fifo", _linux(devices=[{"path": "/dev/pipe", "type": "p"}])
    yield "block", _linux(devices=[null | {"type": "b", "major": 7, "minor": 0}])
    yield "in a directory", _linux(devices=[null | {"path": "/dev/a/b"}])
    yield "of no type", _linux(devices=[null | {"type": "x"}])
    yield "without path", _linux(devices=[{"type": "c", "major": 1, "minor": 3}])


def _sysctl() -> Named:
    yield "network", _linux(sysctl={"net.ipv4.ip_forward": "1"})
    yield "ipc", _linux(sysctl={"kernel.msgmax": "65536"})
    yield "of the host", _linux(sysctl={"kernel.panic": "1"})
    yield "unknown", _linux(sysctl={"net.nope": "1"})
    yield "bad value", _linux(sysctl={"net.ipv4.ip_forward": "x"})
    yield "host name", _linux(sysctl={"kernel.hostname": "x"})

    def shared(document: Document) -> None:
        kinds = document["linux"]["namespaces"]
        document["linux"]["namespaces"] = [k for k in kinds if k["type"] != "network"]
        document["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}

    yield "of a shared namespace", shared


def _resources() -> Named:
    for name, value in (
        ("pids", {"limit": 50}),
        ("pids", {"limit": -1}),
        ("pids", {"limit": 0}),
        ("memory", {"limit": 64 << 20}),
        ("memory", {"limit": -1}),
        ("memory", {"limit": 64 << 20, "reservation": 32 << 20}),
        ("memory", {"swappiness": 10}),
        ("memory", {"swappiness": 101}),
        ("cpu", {"shares": 512}),
        ("cpu", {"quota": 50000, "period": 100000}),
        ("cpu", {"quota": 500, "period": 100000}),
        ("cpu", {"cpus": "0"}),
        ("cpu", {"cpus": "999"}),
        ("cpu", {"cpus": "x"}),
        ("blockIO", {}),
        ("devices", []),
        ("devices", [{"allow": True, "access": "rwm"}]),
        ("devices", [{"allow": True, "type": "c", "major": 10, "access": "r"}]),
    ):
        yield f"{name} {value}", _linux(resources={name: value})
    yield "absent", _drop("linux", "resources")


_HOOKS: Final = (
    *("prestart", "createRuntime", "createContainer"),
    *("startContainer", "poststart", "poststop"),
)


def _hooks() -> Named:
    for kind in _HOOKS:
        true = {"path": "/bin/true" if kind != "startContainer" else "/bin/busybox"}
        if kind == "startContainer":
            true["args"] = ["true"]  # type: ignore[assignment]
        yield f"{kind} works", _set("hooks", value={kind: [true]})
    for kind in _HOOKS[:5]:
        false = {"path": "/bin/false"}
        yield f"{kind} fails", _set("hooks", value={kind: [false]})
    relative = {"createRuntime": [{"path": "true"}]}
    yield "relative path", _set("hooks", value=relative)


def _seccomp() -> Named:
    def rule(action: str, *names: str, **more: object) -> Change:
        one = {"names": list(names), "action": action, **more}
        profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [one]}
        return _linux(seccomp=profile)

    yield "empty", _linux(seccomp={"defaultAction": "SCMP_ACT_ALLOW"})
    yield "errno", rule("SCMP_ACT_ERRNO", "getcwd")
    yield "errno of a number", rule("SCMP_ACT_ERRNO", "getcwd", errnoRet=99)
    yield "kill", rule("SCMP_ACT_KILL", "getcwd")
    yield "log", rule("SCMP_ACT_LOG", "getcwd")
    yield "a call nobody knows", rule("SCMP_ACT_ERRNO", "nope_nope")
    arg = {"index": 0, "value": 4294967295, "op": "SCMP_CMP_EQ"}
    yield "argument", rule("SCMP_ACT_ERRNO", "personality", args=[arg])
    yield "of no action", rule("NOPE", "getcwd")
    yield "without default", _linux(seccomp={"syscalls": []})


def _wrong() -> Named:
    yield "no version", _drop("ociVersion")
    yield "version 0.1.0", _set("ociVersion", value="0.1.0")
    yield "version of text", _set("ociVersion", value="new")
    yield "no root", _drop("root")
    yield "root that is not there", _set("root", "path", value="nope")
    yield "root that is a file", _set("root", "path", value="config.json")
    yield "no process", _drop("process")
    yield "no linux", _drop("linux")
    for path, value in (
        (("root",), 7),
        (("process",), "x"),
        (("process", "args"), "x"),
        (("process", "args"), [7]),
        (("process", "env"), {"A": "b"}),
        (("process", "cwd"), 7),
        (("process", "user"), "root"),
        (("process", "user", "uid"), "0"),
        (("process", "capabilities", "bounding"), "CAP_CHOWN"),
        (("process", "noNewPrivileges"), "yes"),
        (("process", "oomScoreAdj"), "1"),
        (("process", "rlimits"), {}),
        (("hostname",), 7),
        (("mounts",), {}),
        (("mounts", 0, "options"), "ro"),
        (("hooks",), []),
        (("hooks", "prestart"), {}),
        (("annotations",), []),
        (("annotations",), {"a": 1}),
        (("linux",), []),
        (("linux", "namespaces"), {}),
        (("linux", "devices"), {}),
        (("linux", "resources"), []),
        (("linux", "resources", "memory"), 7),
        (("linux", "resources", "memory"), {"limit": "1"}),
        (("linux", "cgroupsPath"), 7),
        (("linux", "sysctl"), []),
        (("linux", "maskedPaths"), "/x"),
        (("linux", "rootfsPropagation"), "nope"),
        (("linux", "seccomp"), 7),
    ):
        where = ".".join(str(part) for part in path)
        yield f"{where} is {value!r}", _set(*path, value=value)
    yield "unknown keys", lambda document: document.update({"nope": {"a": 1}})
    for word in ("private", "slave", "shared", "unbindable"):
        yield f"propagation {word}", _linux(rootfsPropagation=word)


_FAMILIES: Final[tuple[Callable[[], Named], ...]] = (
    *(_plain, _args, _env, _cwd, _user, _capabilities, _rlimits, _scores),
    *(_namespaces, _mounts, _devices, _sysctl, _resources, _hooks, _seccomp, _wrong),
)
