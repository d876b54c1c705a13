# SPDX-License-Identifier: Apache-2.0
"""A small world for one engine: nothing that it does reaches the machine.

It has mounts, processes, a network and cgroups of its own; ``/run``, and a folder
for the engine's data, are empty there. A reaper is its first process: when that is
killed, everything that was started in it ends.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

_NAMESPACES = ("--mount", "--pid", "--net", "--cgroup", "--ipc", "--uts")
_numbers = itertools.count()

# Run in the new world before anything else: $1 is the folder for data.
_SETUP = """
set -e
umount -R /sys/fs/cgroup
while IFS=: read -r _ names path; do
    case $names in
        '') kind=cgroup2 folder=unified options=rw ;;
        name=*) kind=cgroup folder=${names#name=} options=none,$names ;;
        *) kind=cgroup folder=$names options=$names ;;
    esac
    if [ "$kind" = cgroup2 ] && [ "$(wc -l </proc/self/cgroup)" -eq 1 ]; then
        mount -t cgroup2 cgroup /sys/fs/cgroup
        mkdir /sys/fs/cgroup/world
        echo $$ >/sys/fs/cgroup/world/cgroup.procs
        continue
    fi
    mountpoint -q /sys/fs/cgroup || mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
    mkdir "/sys/fs/cgroup/$folder"
    mount -t $kind -o "$options" cgroup "/sys/fs/cgroup/$folder"
done </proc/self/cgroup
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=755 data "$1"
mkdir -m 1777 /run/lock
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward
hostname world
echo ready
exec tini -s -- sleep infinity
"""


def _hierarchies() -> Iterator[tuple[str, Path]]:
    """Yield the controllers of every hierarchy and our own directory there."""
    mounted = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind in {"cgroup", "cgroup2"}:
            root, point = before.split()[3:5]
            mounted[kind, frozenset(options.split(","))] = (root, point)
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        for (kind, options), (root, point) in mounted.items():
            words = set(names.split(",")) if names else set()
            if (kind == "cgroup2") == (not names) and words <= options:
                below = os.path.relpath(path, root) if root != "/" else path.strip("/")
                yield names, Path(point, below)
                break


class World:
    """One such world; leave it to end all that is in it.

    Attributes:
        data: a folder for the engine, in it alone.
    """

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        self._cgroups: list[Path] = []
        self._process: subprocess.Popen[str] | None = None
        self._pid = 0

    def __enter__(self) -> Self:
        name = f"lcengine-{os.getpid()}-{next(_numbers)}"
        for controllers, own in _hierarchies():
            made = own / name
            made.mkdir()
            self._cgroups.append(made)
            if controllers == "cpuset":
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (made / file).write_text((own / file).read_text())
        unshare = ["unshare", *_NAMESPACES, "--fork", "--kill-child", "--mount-proc"]
        unshare += ["--propagation", "private", "sh", "-c", _SETUP, "sh"]
        self._process = subprocess.Popen(
            self._joined([*unshare, str(self.data)]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        children = f"/proc/{self._process.pid}/task/{self._process.pid}/children"
        self._pid = int(Path(children).read_text())
        return self

    @property
    def pid(self) -> int:
        """The pid of its first process, out here."""
        return self._pid

    def _joined(self, command: Sequence[str]) -> list[str]:
        """Return a command that puts itself in the cgroups first."""
        files = " ".join(str(path / "cgroup.procs") for path in self._cgroups)
        script = f'for file in {files}; do echo $$ >"$file"; done; exec "$@"'
        return ["sh", "-c", script, "sh", *command]

    def command(self, command: Sequence[str]) -> list[str]:
        """Return what runs a command in the world."""
        enter = ["nsenter", "-t", str(self._pid), "-m", "-p", "-n", "-C", "-i", "-u"]
        return self._joined([*enter, "--wd=/", *command])

    def run(
        self,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        timeout: float = 120,
        **settings: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        if "input" not in settings:
            settings.setdefault("stdin", subprocess.DEVNULL)
        settings.setdefault("capture_output", True)
        return subprocess.run(
            self.command([str(word) for word in command]),
            text=True,
            check=False,
            timeout=timeout,
            env={**os.environ, **(env or {})},
            **settings,
        )

    def start(self, *command: str | Path, log: Path) -> subprocess.Popen[str]:
        """Start a daemon; it ends with the world."""
        with log.open("w") as file:
            return subprocess.Popen(
                self.command([str(word) for word in command]),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                text=True,
            )

    def __exit__(self, *_: object) -> None:
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
        if self._process is not None:
            self._process.communicate(timeout=60)
        for path in self._cgroups:
            _remove(path)
        shutil.rmtree(self.data)


def _remove(top: Path) -> None:
    """Remove a cgroup and what engines have left below it."""
    for state in top.rglob("freezer.state"):
        state.write_text("THAWED")
    deadline = time.monotonic() + 20
    while True:
        try:
            for base, _, _ in os.walk(top, topdown=False):
                os.rmdir(base)
        except OSError:
            # What was killed a moment ago is still there.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
