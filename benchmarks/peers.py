# SPDX-License-Identifier: Apache-2.0
"""Other runtimes, run as the commands they are, on the same rootfs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bundle import PROGRAM, Bundle
from benchmarks.contender import LaunchError, MissingError


def find_program(name: str) -> str:
    """Return the path of a program.

    Raises:
        MissingError: it is not installed.
    """
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        raise MissingError(f"{name} is not installed")
    return path


def spawn(command: Sequence[str]) -> int:
    """Run a command with all streams on /dev/null; return its exit status."""
    # The cheapest way to start a program that Python has: no thread, no pipe, no
    # Popen object. What a peer needs is not padded with what subprocess needs.
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    pid = os.posix_spawn(command[0], tuple(command), os.environ, file_actions=null)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Command:
    """A peer whose launch is one command that takes no container id."""

    cgroup = False

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._command = (find_program(command[0]), *command[1:])

    def launch(self) -> float:
        """Run the command once; see `Contender.launch`."""
        begin = time.perf_counter_ns()
        code = spawn(self._command)
        taken = time.perf_counter_ns() - begin
        if code != 0:
            raise LaunchError(explain(self._command, code))
        return taken / 1000

    def close(self) -> None:
        """Do nothing: the command left nothing."""


class OciRuntime:
    """A peer with the OCI command line: `run` with a bundle and an id."""

    def __init__(
        self,
        name: str,
        program: str,
        bundle: Bundle,
        *,
        cgroup: bool,
        options: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.cgroup = cgroup
        self._root = bundle.state(name)
        self._base = (find_program(program), "--root", str(self._root), *options)
        self._bundle = bundle.with_cgroup if cgroup else bundle.plain
        self._count = 0

    def launch(self) -> float:
        """Run one container; see `Contender.launch`."""
        self._count += 1
        name = f"bench-{self.name}-{os.getpid()}-{self._count}"
        command = (*self._base, "run", "--bundle", str(self._bundle), name)
        begin = time.perf_counter_ns()
        code = spawn(command)
        taken = time.perf_counter_ns() - begin
        if code != 0:
            self._delete(name)
            raise LaunchError(explain((*command[:-1], f"{name}-again"), code))
        return taken / 1000

    def close(self) -> None:
        """Delete containers that an interrupted run left."""
        for path in self._root.iterdir():
            if path.is_dir():
                self._delete(path.name)

    def _delete(self, name: str) -> None:
        command = [*self._base, "delete", "--force", name]
        subprocess.run(command, capture_output=True, check=False)


class PlainProgram:
    """The limit: subprocess.run of the program itself, without any container."""

    cgroup = False

    def __init__(self, name: str, rootfs: Path) -> None:
        self.name = name
        self._command = [str(rootfs) + PROGRAM]

    def launch(self) -> float:
        """Run the program once; see `Contender.launch`."""
        begin = time.perf_counter_ns()
        done = subprocess.run(self._command, check=False)
        taken = time.perf_counter_ns() - begin
        if done.returncode != 0:
            raise LaunchError(explain(self._command, done.returncode))
        return taken / 1000

    def close(self) -> None:
        """Do nothing: the program left nothing."""


def explain(command: Sequence[str], code: int) -> str:
    """Return why a command fails, by running it once more and reading its output."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (done.stderr or done.stdout).strip().splitlines()
    reason = said[-1] if said else "it said nothing"
    return f"{Path(command[0]).name} exited with {code}: {reason}"


def bwrap_command(rootfs: Path) -> list[str]:
    """Return the bubblewrap command nearest to the OCI default: it masks no paths."""
    return [
        *("bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--ro-bind", str(rootfs), "/", "--proc", "/proc", "--dev", "/dev"),
        *("--mqueue", "/dev/mqueue", "--ro-bind", "/sys", "/sys"),
        *("--hostname", "bench", "--chdir", "/", "--cap-drop", "ALL"),
        *("--", PROGRAM),
    ]


def unshare_command(rootfs: Path) -> list[str]:
    """Return the util-linux command: namespaces, chroot and /proc, no more."""
    return [
        *("unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork"),
        *(f"--root={rootfs}", "--mount-proc", PROGRAM),
    ]
