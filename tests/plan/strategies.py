# SPDX-License-Identifier: Apache-2.0
"""Random configurations that are valid, with a process, an identity and facts."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

from attrs import frozen
from hypothesis import settings
from hypothesis import strategies as st

from libcontainer import (
    Capabilities,
    Config,
    CpuAffinity,
    Device,
    Directory,
    IdMapping,
    IoPriority,
    Log,
    MemoryPolicy,
    Mount,
    MountAttr,
    NamespaceType,
    Overlay,
    Process,
    Propagation,
    Rlimit,
    Scheduler,
    TimeOffset,
)
from libcontainer.config import (
    CAPABILITY_NUMBERS,
    DEFAULT_BASE_MOUNTS,
    DEFAULT_DEVICES,
    RLIMIT_NUMBERS,
    thermal_throttle_paths,
)
from libcontainer.config.landlock import (
    ACCESS_FS,
    ACCESS_NET,
    SCOPES,
    Landlock,
    LandlockPath,
    LandlockPort,
)
from libcontainer.plan import (
    Facts,
    Identity,
    Plan,
    compile_create,
    compile_join,
    merge,
)
from libcontainer.plan.facts import Security, UserMaps
from libcontainer.plan.monitor import Detached

EXAMPLES: Final = settings(
    max_examples=int(os.environ.get("LIBCONTAINER_EXAMPLES", "20")), deadline=None
)
"""How hard a test of random configurations tries; all of them share the work."""

_SHOWN: Final = {
    "proc": NamespaceType.PID,
    "sysfs": NamespaceType.NETWORK,
    "mqueue": NamespaceType.IPC,
}
_MAX_ID: Final = 2**32 - 2

# The kernel reads a name as bytes; letters of two bytes show a wrong length.
NAMES: Final = st.text("abcxyzé_-. ", min_size=1, max_size=6).filter(
    lambda name: name.strip(". ") != ""
)
PATHS: Final = st.lists(NAMES, min_size=1, max_size=3).map(
    lambda names: "/" + "/".join(names)
)
TEXTS: Final = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=12
)
HOST_NAMES: Final = st.none() | st.from_regex(
    r"[a-z0-9][a-z0-9.-]{0,20}", fullmatch=True
)


@frozen(kw_only=True)
class Case:
    """Everything a compiler is given."""

    config: Config
    process: Process
    identity: Identity
    facts: Facts
    gate: bool
    detached: Detached | None

    @property
    def has_user_namespace(self) -> bool:
        """Whether the container has another user namespace than the caller."""
        return NamespaceType.USER in self.config.namespaces

    @property
    def joined(self) -> frozenset[NamespaceType]:
        """The kinds of namespaces that the first process joins."""
        return frozenset(kind for kind, _ in self.config.namespace_paths)

    def create(self) -> Plan:
        """Return the plan of the first process."""
        settings = merge(self.config, self.process, self.identity)
        return compile_create(
            self.config,
            settings,
            self.facts,
            gate=self.gate,
            detached=self.detached,
        )

    def join(self) -> Plan:
        """Return the plan of a further process."""
        settings = merge(self.config, self.process, self.identity)
        return compile_join(self.config, settings, self.facts)


def _subsets(names: Iterable[Any]) -> st.SearchStrategy[frozenset[Any]]:
    words = sorted(names)
    return st.frozensets(st.sampled_from(words)) if words else st.just(frozenset())


@st.composite
def capabilities(draw: st.DrawFn) -> Capabilities:
    """Sets that lie within each other as the kernel wants it."""
    bounding = draw(_subsets(CAPABILITY_NUMBERS))
    permitted = draw(_subsets(bounding))
    ambient = draw(_subsets(permitted))
    return Capabilities(
        bounding=bounding,
        permitted=permitted,
        effective=draw(_subsets(permitted)),
        inheritable=draw(_subsets(ambient)),
        ambient=ambient,
    )


def rlimits() -> st.SearchStrategy[list[Rlimit]]:
    """Some limits, none of them twice."""
    numbers = st.none() | st.integers(0, 2**64 - 1)

    def make(kind: str, one: int | None, other: int | None) -> Rlimit:
        soft, hard = sorted((one, other), key=lambda n: 2**64 if n is None else n)
        return Rlimit(kind, soft, hard)

    kinds = st.sampled_from(sorted(RLIMIT_NUMBERS))
    limit = st.builds(make, kinds, numbers, numbers)
    return st.lists(limit, max_size=3, unique_by=lambda item: item.type)


@st.composite
def landlocks(draw: st.DrawFn) -> Landlock:
    """Rules that allow some of what is handled."""
    files = draw(_subsets(ACCESS_FS))
    ports = draw(_subsets(ACCESS_NET))
    places = st.builds(LandlockPath, PATHS | st.just("/"), st.just(files))
    numbers = st.builds(LandlockPort, st.integers(0, 65535), st.just(ports))
    return Landlock(
        handled_access_fs=files,
        handled_access_net=ports,
        scoped=draw(_subsets(SCOPES)),
        paths=draw(st.lists(places, max_size=2)) if files else (),
        ports=draw(st.lists(numbers, max_size=2)) if ports else (),
        best_effort=draw(st.booleans()),
    )


def rootfs() -> st.SearchStrategy[Directory | Overlay]:
    """A directory, or layers under a tmpfs or a directory."""
    layers = st.lists(PATHS | st.just("/"), min_size=1, max_size=3)
    size = st.none() | st.integers(1, 2**40)
    base = PATHS
    return st.one_of(
        st.builds(Directory, PATHS),
        st.builds(lambda lower, size: Overlay(lower, size=size), layers, size),
        st.builds(
            lambda lower, at: Overlay(lower, f"{at}/upper", f"{at}/work"), layers, base
        ),
    )


@st.composite
def mounts(draw: st.DrawFn) -> Mount:
    """A bind or a tmpfs, also below our own /dev and upon it."""
    inside = draw(
        PATHS | NAMES.map(lambda name: f"/dev/{name}") | st.sampled_from(["/dev"])
    )
    attrs = draw(_attributes())
    if draw(st.booleans()):
        return Mount(
            destination=inside,
            type="bind",
            source=draw(PATHS),
            attrs=attrs,
            recursive=draw(st.booleans()),
            propagation=draw(st.sampled_from(Propagation)),
        )
    data = draw(st.sampled_from([(), ("mode=0700",), ("size=64m", "mode=1777")]))
    return Mount(destination=inside, type="tmpfs", attrs=attrs, data=data)


def _attributes() -> st.SearchStrategy[MountAttr]:
    def make(bits: set[MountAttr]) -> MountAttr:
        attrs = MountAttr(0)
        for bit in bits:
            attrs |= bit
        return attrs

    allowed = sorted(set(MountAttr) - {MountAttr.STRICTATIME})
    return st.sets(st.sampled_from(allowed)).map(make)


def devices() -> st.SearchStrategy[list[Device]]:
    """Some standard nodes and some others, also in directories of their own."""
    folder = st.sampled_from(["/dev", "/dev/folder", "/dev/folder/below"])
    number = st.integers(0, 4095)

    def make(kind: str, at: str, name: str, major: int, minor: int) -> Device:
        numbers = (0, 0) if kind == "p" else (major, minor)
        return Device(f"{at}/x{name}", kind, *numbers, mode=0o640, uid=1, gid=2)

    name = st.text("abc", min_size=1, max_size=3)
    extra = st.builds(make, st.sampled_from("cubp"), folder, name, number, number)
    known = st.lists(st.sampled_from(DEFAULT_DEVICES), unique=True)
    more = st.lists(extra, max_size=3, unique_by=lambda device: device.path)
    return st.tuples(known, more).map(lambda both: both[0] + both[1])


def _base_mounts(
    kinds: frozenset[NamespaceType],
) -> st.SearchStrategy[tuple[Mount, ...]]:
    def allowed(mount: Mount) -> bool:
        return NamespaceType.USER not in kinds or _SHOWN.get(mount.type) in {
            None,
            *kinds,
        }

    possible = tuple(mount for mount in DEFAULT_BASE_MOUNTS if allowed(mount))
    return st.sampled_from([possible, possible[:2], possible[2:], ()])


def _maps(own: int) -> st.SearchStrategy[list[IdMapping]]:
    return st.sampled_from(
        [
            [IdMapping(0, own, 1)],
            [IdMapping(0, 100000, 65536)],
            [IdMapping(0, own, 1), IdMapping(1, 100000, 1000)],
        ]
    )


def _offsets() -> st.SearchStrategy[dict[str, TimeOffset]]:
    offset = st.builds(
        TimeOffset, st.integers(-(10**6), 10**6), st.integers(0, 999_999_999)
    )
    return st.dictionaries(st.sampled_from(["monotonic", "boottime"]), offset)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A valid configuration, and a process that may run in it."""
    kinds = draw(st.frozensets(st.sampled_from(NamespaceType))) | {NamespaceType.MOUNT}
    # A joined mount namespace takes no mounts, which most of this is about.
    joined = draw(_subsets(sorted(kinds - {NamespaceType.MOUNT})))
    in_user = NamespaceType.USER in kinds
    own = kinds if NamespaceType.USER in joined else kinds - joined
    euid, egid = draw(st.integers(0, 5000)), draw(st.integers(0, 5000))
    uids = draw(_maps(euid)) if in_user else []
    gids = draw(_maps(egid)) if in_user else []
    config = Config(
        rootfs=draw(rootfs()),
        readonly_rootfs=draw(st.booleans()),
        namespaces=kinds,
        namespace_paths={kind: f"/run/ns/{kind}" for kind in joined},
        uid_mappings=[] if NamespaceType.USER in joined else uids,
        gid_mappings=[] if NamespaceType.USER in joined else gids,
        time_offsets=draw(_offsets()) if "time" in kinds - joined else {},
        hostname=draw(HOST_NAMES) if NamespaceType.UTS in kinds else None,
        domainname=draw(HOST_NAMES) if NamespaceType.UTS in kinds else None,
        base_mounts=draw(_base_mounts(own)),
        mounts=draw(st.lists(mounts(), max_size=4)),
        devices=draw(devices()),
        masked_paths=draw(st.lists(PATHS, max_size=3)),
        readonly_paths=draw(st.lists(PATHS, max_size=3)),
        loopback=draw(st.booleans()),
        env=draw(_environments()),
        cwd=draw(PATHS | st.just("/")),
        capabilities=draw(capabilities()),
        no_new_privs=draw(st.booleans()),
        apparmor_profile=draw(st.sampled_from([None, "box", "unconfined"])),
        process_label=draw(st.sampled_from([None, "a:b:c:s0:c1,c2"])),
        mount_label=draw(st.sampled_from([None, "a:b:d:s0:c1,c2"])),
        landlock=draw(st.none() | landlocks()),
        rlimits=draw(rlimits()),
        umask=draw(st.integers(0, 0o777)),
        terminal=draw(st.booleans()),
        labels=draw(_environments()),
        **draw(_resources(kinds - joined)),
    )
    return Case(
        config=config,
        process=draw(processes(has_terminal=config.terminal)),
        identity=draw(_identities(uids, gids)),
        facts=Facts(
            euid=euid,
            egid=egid,
            privileged=draw(st.booleans()) if in_user else True,
            template=draw(st.booleans()),
            throttled=draw(st.sampled_from([(), thermal_throttle_paths(2)])),
            security=Security(apparmor=True, selinux=True, landlock_abi=6),
            joined_user=(
                UserMaps(uids=tuple(uids), gids=tuple(gids), setgroups=True)
                if NamespaceType.USER in joined
                else None
            ),
        ),
        gate=draw(st.booleans()),
        detached=draw(st.none() | _detached()),
    )


@st.composite
def _resources(draw: st.DrawFn, kinds: frozenset[NamespaceType]) -> dict[str, Any]:
    """Some of what a process gets of the machine, most of it seldom."""
    own_pids = NamespaceType.PID in kinds
    wishes: dict[str, st.SearchStrategy[Any]] = {
        "oom_score_adj": st.integers(-1000, 1000),
        "coredump_filter": st.integers(0, 511),
        "scheduler": st.sampled_from(
            [
                Scheduler("batch", nice=3),
                Scheduler("fifo", priority=1, flags=["reset_on_fork"]),
                Scheduler("deadline", runtime=2000, deadline=4000),
            ]
        ),
        "io_priority": st.sampled_from(["be", IoPriority("idle", 0)]),
        "cpu_affinity": st.sampled_from(["0", CpuAffinity(initial="1", final="0")]),
        "memory_policy": st.sampled_from([MemoryPolicy("bind", "0,70")]),
        "personality": st.sampled_from(["LINUX32"]),
        "parent_death_signal": st.integers(1, 64),
        "keyring": st.booleans(),
        "ksm": st.booleans(),
        "thp_disable": st.booleans(),
    }
    if own_pids:
        wishes["init"] = wishes["core_scheduling"] = st.booleans()
        if NamespaceType.NETWORK in kinds:
            wishes["sysctl"] = st.just({"net.ipv4.ip_forward": "1"})
    chosen = draw(st.sets(st.sampled_from(sorted(wishes)), max_size=4))
    return {name: draw(wishes[name]) for name in sorted(chosen)}


def _detached() -> st.SearchStrategy[Detached]:
    log = st.builds(
        lambda path, files: Log(path, max_size=4096, max_files=files),
        PATHS,
        st.integers(1, 32),
    )
    return st.builds(Detached, st.none() | log, st.booleans())


def configs() -> st.SearchStrategy[Config]:
    """A valid configuration alone."""
    return cases().map(lambda case: case.config)


@st.composite
def processes(draw: st.DrawFn, *, has_terminal: bool) -> Process:
    """A process with some wishes of its own."""
    own = draw(st.none() | st.booleans())
    terminal = has_terminal if own is None else own
    size = st.none() | st.tuples(st.integers(1, 65535), st.integers(1, 65535))
    return Process(
        draw(st.lists(TEXTS, max_size=3).map(lambda rest: ["sh", *rest])),
        env=draw(st.none() | _environments()),
        cwd=draw(st.none() | PATHS),
        terminal=own,
        console_size=draw(size) if terminal else None,
        no_new_privs=draw(st.none() | st.booleans()),
        apparmor_profile=draw(st.sampled_from([None, "other"])),
        landlock=draw(st.none() | landlocks()),
        rlimits=draw(st.none() | rlimits()),
        pass_fds=draw(st.lists(st.integers(3, 900), max_size=3, unique=True)),
    )


def _environments() -> st.SearchStrategy[dict[str, str]]:
    keys = st.from_regex(r"[A-Z][A-Z0-9_]{0,5}", fullmatch=True)
    return st.dictionaries(keys | st.just("PATH"), TEXTS, max_size=3)


def _identities(
    uids: list[IdMapping], gids: list[IdMapping]
) -> st.SearchStrategy[Identity]:
    highest_uid = sum(m.size for m in uids) - 1 if uids else _MAX_ID
    highest_gid = sum(m.size for m in gids) - 1 if gids else _MAX_ID
    # With one group mapped, setgroups(2) may be denied.
    groups = st.lists(st.integers(0, highest_gid), max_size=3 if highest_gid else 0)
    return st.builds(
        lambda uid, gid, more, home: Identity(
            uid=uid, gid=gid, groups=tuple(more), home=home
        ),
        st.integers(0, highest_uid),
        st.integers(0, highest_gid),
        groups,
        PATHS,
    )
