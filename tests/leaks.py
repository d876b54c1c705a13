# SPDX-License-Identifier: Apache-2.0
"""The leak oracle: what a test left behind on the machine.

`take` lists everything that a launch could leave: mounts, namespaces, cgroups,
network links, processes, descriptors, threads, files, and the attributes of
the calling process that the library promises not to touch. `compare` tells
two such lists apart.

The machine may be busy with other work, also with another run of these same
tests. So a process counts only if it descends from `SUPERVISOR` (to which
orphans are handed, see tests/conftest.py), a namespace only if such a process
is in it, and a file or a mount in a shared scratch directory only if it is in
a watched directory or has one of our prefixes.
"""

from __future__ import annotations

import gc
import os
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SUPERVISOR = "LIBCONTAINER_TESTS_SUPERVISOR"
SETTLE_SECONDS = 5.0

PREFIXES = ("libcontainer", "nsinit", "lc-")
SCRATCH = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/root/.cache", "/home")
SHARED_DIRECTORIES = ("/tmp", "/dev/shm", "/run", "/run/netns")
STATE_ROOT = Path("/run/libcontainer")

# Something of these kinds that is gone afterwards is as bad as something new.
KEPT = frozenset({"mount", "link", "caller"})

CALLER_FIELDS = (
    "Umask",
    "SigBlk",
    "SigIgn",
    "SigCgt",
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
)


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is there at one moment, as readable lines by kind."""

    lines: dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    parent: int
    started: str
    state: str
    name: str


def take(watch: Sequence[Path] = (), mounts: Sequence[Path] = ()) -> Inventory:
    """List what is there now.

    Args:
        watch: directories whose whole content counts, such as a state root.
        mounts: directories below which mounts count though others' do not.
    """
    tree = _own_processes()
    return Inventory(
        {
            "mount": frozenset(_mounts((*watch, *mounts))),
            "namespace": frozenset(_namespaces(tree)),
            "cgroup": frozenset(_cgroups(tree)),
            "link": frozenset(_links()),
            "process": frozenset(_describe(process) for process in tree),
            "descriptor": frozenset(_descriptors()),
            "memory file": frozenset(_memory_files()),
            "thread": frozenset(_threads()),
            "file": frozenset(_files(watch)),
            "caller": frozenset(_caller()),
        }
    )


def compare(before: Inventory, after: Inventory) -> list[str]:
    """Return one readable line for each thing that is new or missing."""
    complaints = []
    for kind, then in before.lines.items():
        now = after.lines[kind]
        complaints += [f"new {kind}: {line}" for line in sorted(now - then)]
        if kind in KEPT:
            complaints += [f"gone {kind}: {line}" for line in sorted(then - now)]
    return complaints


def settled(
    before: Inventory,
    watch: Sequence[Path] = (),
    mounts: Sequence[Path] = (),
    timeout_seconds: float = SETTLE_SECONDS,
) -> list[str]:
    """Compare with *before* until nothing differs or the time is up.

    Namespaces and orphans go a little after the call that ended them.
    """
    deadline = time.monotonic() + timeout_seconds
    complaints = compare(before, take(watch, mounts))
    while complaints and time.monotonic() < deadline:
        # An exception that a test has caught keeps its frames in a cycle.
        gc.collect()
        time.sleep(0.05)
        complaints = compare(before, take(watch, mounts))
    return complaints


def _read(path: str) -> str:
    """Read a file of /proc; what vanished meanwhile reads as empty."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _listing(path: str | Path) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _all_processes() -> dict[int, _Process]:
    found = {}
    for entry in _listing("/proc"):
        if not entry.isdigit():
            continue
        # The name may hold blanks and parentheses: the last ")" ends it.
        head, _, rest = _read(f"/proc/{entry}/stat").rpartition(")")
        if rest:
            fields = rest.split()
            found[int(entry)] = _Process(
                pid=int(entry),
                parent=int(fields[1]),
                started=fields[19],
                state=fields[0],
                name=head.partition("(")[2],
            )
    return found


def _own_processes() -> list[_Process]:
    """Descendants of the supervisor, zombies of this process included.

    Orphans that the supervisor is about to reap are left out.
    """
    everyone = _all_processes()
    root = int(os.environ.get(SUPERVISOR, os.getpid()))
    children: dict[int, list[_Process]] = {}
    for process in everyone.values():
        children.setdefault(process.parent, []).append(process)
    tree: list[_Process] = []
    waiting = list(children.get(root, ()))
    while waiting:
        process = waiting.pop()
        waiting += children.get(process.pid, ())
        reaped_soon = process.state in "ZX" and process.parent != os.getpid()
        if not reaped_soon:
            tree.append(process)
    return tree


def _describe(process: _Process) -> str:
    zombie = ", zombie" if process.state in "ZX" else ""
    return f"{process.pid} ({process.name}), start time {process.started}{zombie}"


def _namespaces(tree: Iterable[_Process]) -> Iterator[str]:
    for process in tree:
        base = f"/proc/{process.pid}/task"
        for thread in _listing(base):
            for kind in _listing(f"{base}/{thread}/ns"):
                target = _link(f"{base}/{thread}/ns/{kind}")
                if target:
                    yield target


def _is_foreign(path: str, watch: Sequence[Path]) -> bool:
    """Whether *path* is in a scratch directory that others use too."""
    if any(Path(path).is_relative_to(directory) for directory in watch):
        return False
    for scratch in SCRATCH:
        if path.startswith(f"{scratch}/"):
            name = path[len(scratch) + 1 :].partition("/")[0]
            return not name.startswith(PREFIXES)
    return False


def _mounts(watch: Sequence[Path]) -> Iterator[str]:
    for line in _read("/proc/self/mountinfo").splitlines():
        fields, _, filesystem = line.partition(" - ")
        mount_id, _, _, root, point, options, *propagation = fields.split()
        if not _is_foreign(point, watch):
            words = " ".join([options, *propagation])
            yield f"{point} (id {mount_id}, of {root}, {words}, {filesystem})"


def _cgroup_mounts() -> Iterator[str]:
    for line in _read("/proc/self/mountinfo").splitlines():
        fields, _, filesystem = line.partition(" - ")
        if filesystem.startswith(("cgroup ", "cgroup2 ")):
            yield fields.split()[4]


def _cgroups(tree: Iterable[_Process]) -> Iterator[str]:
    """Cgroup directories, except those that only others' processes are in."""
    own = {str(process.pid) for process in tree}
    for mount in _cgroup_mounts():
        for directory, names, _ in os.walk(mount):
            names.sort()
            members = set(_read(f"{directory}/cgroup.procs").split())
            if not members or members & own:
                yield directory


def _links() -> Iterator[str]:
    # Not of /sys, which shows the network namespace of whoever has mounted it.
    for index, name in socket.if_nameindex():
        yield f"{name} (index {index})"


def _descriptors() -> Iterator[str]:
    for number in _listing("/proc/self/fd"):
        target = _link(f"/proc/self/fd/{number}")
        # The descriptor of the listing itself is closed by now.
        if target:
            yield f"{number} -> {target}"


def _memory_files() -> Iterator[str]:
    for line in _read("/proc/self/maps").splitlines():
        if "/memfd:" in line:
            yield line


def _threads() -> Iterator[str]:
    for thread in _listing("/proc/self/task"):
        yield f"{thread} ({_read(f'/proc/self/task/{thread}/comm').strip()})"


def _below(directory: Path) -> Iterator[str]:
    for base, directories, files in os.walk(directory):
        for name in (*directories, *files):
            yield f"{base}/{name}"


def _files(watch: Sequence[Path]) -> Iterator[str]:
    for directory in SHARED_DIRECTORIES:
        for name in _listing(directory):
            if name.startswith(PREFIXES) or directory == "/run/netns":
                yield f"{directory}/{name}"
    for watched in (STATE_ROOT, *watch):
        yield from _below(watched)


def _caller() -> Iterator[str]:
    yield f"cwd {_link('/proc/self/cwd')}"
    yield f"root {_link('/proc/self/root')}"
    for line in _read("/proc/self/status").splitlines():
        name, _, value = line.partition(":")
        if name in CALLER_FIELDS:
            yield f"{name} {' '.join(value.split())}"
