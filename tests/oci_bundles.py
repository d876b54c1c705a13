# SPDX-License-Identifier: Apache-2.0
"""Bundles of the OCI specification for tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from libcontainer.oci.template import template

COMMAND = [sys.executable, "-m", "libcontainer.commands.program"]


def document(*args: str, **changes: Any) -> dict[str, Any]:
    """Return a configuration that runs a program without a terminal."""
    found = template(rootless=False, uid=0, gid=0)
    found["process"] |= {"terminal": False, "args": list(args)}
    found["root"]["readonly"] = False
    return found | changes


def write(bundle: Path, content: object) -> Path:
    """Write the configuration of a bundle."""
    bundle.mkdir(exist_ok=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (bundle / "config.json").write_text(text)
    return bundle


class Oci:
    """The command with a root of its own."""

    def __init__(self, root: Path, log: Path) -> None:
        self.prefix = [*COMMAND, "--root", str(root), "--log", str(log)]
        self.prefix += ["--log-format", "json"]
        self.log = log

    def __call__(self, *args: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        settings.setdefault("stdin", subprocess.DEVNULL)
        if "input" in settings:
            settings.pop("stdin")
        return subprocess.run(
            [*self.prefix, *args],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=dict(os.environ),
            **settings,
        )

    def said(self, *args: str, **settings: Any) -> str:
        """Return what a command that works prints."""
        done = self(*args, **settings)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def messages(self) -> list[dict[str, str]]:
        """Return the lines of the log."""
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().splitlines()]


def cgroup_of(pid: int, controller: str) -> Path:
    """Return the directory of a process' cgroup that has a controller."""
    unified = ""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return Path(f"/sys/fs/cgroup/{names}{path}")
        unified = path if not names else unified
    return Path(f"/sys/fs/cgroup{unified}")
