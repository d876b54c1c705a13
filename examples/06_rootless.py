# SPDX-License-Identifier: Apache-2.0
"""A container in a user namespace: root inside, an ordinary user outside."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import libcontainer as lc


def make_rootfs(folder: str) -> lc.Config:
    """Show the host's programs in an empty folder.

    An unprivileged caller cannot use ``/`` itself: the kernel does not show it
    what lies beneath the mounts of somebody else.
    """
    for path in ("bin", "sbin", "lib", "lib64"):
        if Path("/", path).is_symlink():
            Path(folder, path).symlink_to(Path("/", path).readlink())
    shown = [path for path in ("/usr", "/etc") if Path(path).is_dir()]
    return lc.Config(
        rootfs=lc.Overlay(folder),
        hostname="box",
        mounts=[lc.Mount.bind(path, path, read_only=True) for path in shown],
        namespaces=[*lc.Config().namespaces, "user"],
        uid_mappings=[lc.IdMapping(0, os.geteuid(), 1)],
        gid_mappings=[lc.IdMapping(0, os.getegid(), 1)],
    )


def main() -> None:
    """Map one id: the caller is uid 0 in the container and nobody else exists."""
    script = "id; hostname; echo the map:; cat /proc/self/uid_map"
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory() as root,
        lc.Factory(root) as factory,
    ):
        done = lc.run(
            ["sh", "-c", script],
            config=make_rootfs(folder),
            factory=factory,
            capture_output=True,
            text=True,
            check=True,
        )
    print(done.stdout, end="")


if __name__ == "__main__":
    main()
