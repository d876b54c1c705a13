# SPDX-License-Identifier: Apache-2.0
"""A campaign has mounts, processes, links, /sys, /run, /tmp and cgroups to itself.

So what others do on the machine is not taken for what a launch has left, and what a
runtime does leave (the others do) goes with the campaign.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests import leaks, supervisor

_MARK = "LIBCONTAINER_CAMPAIGN"
_SPACES = ("--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child")
_SCRIPT = """
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -m 1777 /run/lock
mkdir /run/tmp
mount -t tmpfs -o mode=1777 tmpfs /run/tmp
case $PWD in /tmp/*) # the tree itself, and its Python
    mkdir -p "/run$PWD"
    mount --rbind "$PWD" "/run$PWD" ;;
esac
mount --move /run/tmp /tmp
rmdir /run/tmp
cd "$PWD"
# A sysfs shows the links of the network namespace that it was mounted in.
mkdir /run/sys
mount -t sysfs -o nosuid,nodev,noexec sysfs /run/sys
for below in fs/cgroup fs/bpf fs/fuse/connections fs/pstore fs/selinux \
    kernel/config kernel/debug kernel/security kernel/tracing; do
    if mountpoint -q "/sys/$below"; then
        mount --rbind "/sys/$below" "/run/sys/$below"
    fi
done
umount -l /sys
mount --move /run/sys /sys
rmdir /run/sys
while read -r from onto; do mount --bind "$from" "$onto"; done <<GROUPS
$LIBCONTAINER_CAMPAIGN
GROUPS
exec "$@"
"""


def alone(module: str, arguments: list[str]) -> int | None:
    """Run a module again, isolated; return its exit code, or None in that run."""
    if _MARK in os.environ:
        if leaks.SUPERVISOR not in os.environ:
            supervisor.supervise()
        return None
    # Ended early it still removes its cgroups; what runs in them ends with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with _groups() as groups:
        lines = "\n".join(f"{group} {mount}" for group, mount in groups)
        again = [sys.executable, "-W", "ignore", "-m", module, *arguments]
        command = ["unshare", *_SPACES, "--mount-proc", "--propagation", "private"]
        return subprocess.run(
            [*_entering(groups), *command, "sh", "-c", _SCRIPT, "sh", *again],
            env=_environment() | {_MARK: lines},
            check=False,
        ).returncode


def _environment() -> dict[str, str]:
    # Who is above a run of tests is not above us.
    return {k: v for k, v in os.environ.items() if k != leaks.SUPERVISOR}


def _entering(groups: list[tuple[str, str]]) -> list[str]:
    files = " ".join(f"{group}/cgroup.procs" for group, _ in groups)
    script = f'for f in {files}; do echo $$ >"$f" || exit 99; done; exec "$@"'
    return ["sh", "-c", script, "sh"]


@contextlib.contextmanager
def _groups() -> Iterator[list[tuple[str, str]]]:
    """A cgroup of our own in every hierarchy, and where that is mounted."""
    made = []
    try:
        for own, mount in _hierarchies():
            group = f"{mount}{own.rstrip('/')}/campaign-{os.getpid()}"
            Path(group).mkdir()
            made.append((group, mount))
            _give_processors(Path(group))
        yield made
    finally:
        for group, _ in made:
            _remove(group)


def _remove(group: str, seconds: float = 10.0) -> None:
    """Remove a cgroup and those below it, once what was in them has ended."""
    end = time.monotonic() + seconds
    while os.path.exists(group) and time.monotonic() < end:
        for folder, _, _ in os.walk(group, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
        time.sleep(0.01)


def _give_processors(group: Path) -> None:
    # A new cpuset of version 1 has none, and takes nobody in until it has.
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (group / name).exists() and not (group / "cgroup.controllers").exists():
            (group / name).write_text((group.parent / name).read_text())


def _hierarchies() -> Iterator[tuple[str, str]]:
    """Our own path in each mounted hierarchy, and its mount point."""
    own = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        own[names] = path
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.split(" ", 2)
        if kind not in {"cgroup", "cgroup2"}:
            continue
        root, mount = fields.split()[3:5]
        words = set(options.split(","))
        names = [
            n for n in own if n and kind == "cgroup" and set(n.split(",")) <= words
        ]
        if kind == "cgroup2":
            names = [""] if "" in own else []
        for name in names[:1]:
            path = own[name]
            yield path.removeprefix(root if root != "/" else ""), mount
