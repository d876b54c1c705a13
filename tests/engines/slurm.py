# SPDX-License-Identifier: Apache-2.0
"""A cluster of Slurm with one node, a container of this library; as the example."""

from __future__ import annotations

import contextlib
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import evolve

import libcontainer as lc

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = runpy.run_path(str(ROOT / "examples" / "32_slurm.py"))
NAME = "slurm"
USER = "alice"
PEOPLE = f"""
echo '{USER}:x:20001:20001::/home/{USER}:/bin/sh' >>/etc/passwd
echo '{USER}:x:20001:' >>/etc/group
mkdir -p /home/{USER}
chown 20001:20001 /home/{USER}
"""


class Node:
    """The node, with Slurm's daemons in it; every command runs there."""

    def __init__(self, box: lc.Container, factory: lc.Factory) -> None:
        self.box = box
        self.factory = factory

    def words(self, user: str) -> tuple[str, ...]:
        """Return what runs a command there as a user, in the user's home."""
        ours = str(EXAMPLE["OURS"])
        home = "/root" if user == "root" else f"/home/{user}"
        path = f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
        options = ["--cwd", home, "--user", user]
        options += ["--env", f"HOME={home}", "--env", f"PATH={path}"]
        return (ours, "--root", self.factory.root, "exec", *options, NAME)

    def run(
        self, script: str, *, user: str = USER, text: str = "", timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a script of a shell to its end."""
        return subprocess.run(
            [*self.words(user), "sh", "-c", script],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def said(self, script: str, **wishes: Any) -> str:
        """Return what a script prints if it works."""
        done = self.run(script, **wishes)
        assert done.returncode == 0, done.stdout + done.stderr + self.log()
        return done.stdout

    def log(self) -> str:
        """Return what slurmd says went wrong."""
        return self.run("grep error: /var/log/slurm/slurmd.log", user="root").stdout

    def processes(self) -> list[str]:
        """Return the commands of every process there."""
        return self.said("ps ax -o args", user="root").splitlines()

    def left(self) -> str:
        """Return what jobs have left: containers, folders, jobs of Slurm."""
        return self.said(
            f"find /tmp/libcontainer-root /tmp/libcontainer-{USER} -mindepth 1"
            " -maxdepth 1 2>/dev/null;"
            " find /var/spool/slurmd -name 'oci-*'; squeue --noheader",
            user="root",
        )

    def wait_for(self, script: str, text: str) -> None:
        """Wait until a script prints a text."""
        deadline = time.monotonic() + 60
        while (found := self.run(script).stdout.strip()) != text:
            assert time.monotonic() < deadline, found + self.log()
            time.sleep(0.2)

    def wait_until_nothing_is_left(self) -> None:
        """Wait until Slurm has cleaned up."""
        deadline = time.monotonic() + 60
        while found := self.left():
            assert time.monotonic() < deadline, found + self.log()
            time.sleep(0.2)


def _open_the_interpreter() -> str:
    """Return what lets anybody pass to it, in the node alone."""
    folders = Path(sys.base_prefix).resolve().parents
    closed = [str(path) for path in folders if not path.stat().st_mode & 0o001]
    return f"chmod a+x {' '.join(closed)}\n" if closed else ""


@contextlib.contextmanager
def started(folder: Path) -> Iterator[Node]:
    """Start a node whose ``/etc/slurm`` has no ``oci.conf`` yet.

    Args:
        folder: for its files.
    """
    conf = folder / "conf"
    shutil.copytree(EXAMPLE["CONF"], conf)
    (conf / "oci.conf").unlink()
    config = EXAMPLE["NODE"]
    mounts = [lc.Mount.bind(str(conf), "/etc/slurm"), *config.mounts[1:]]
    with (
        lc.Factory(folder / "state") as factory,
        factory.create(NAME, evolve(config, mounts=mounts)) as box,
    ):
        node = Node(box, factory)
        box.run(lc.Process(["sleep", "infinity"]))
        script = f"set -e\n{EXAMPLE['START']}{PEOPLE}{_open_the_interpreter()}"
        done = node.run(script, user="root")
        assert done.returncode == 0, done.stdout + done.stderr
        yield node
