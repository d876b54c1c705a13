# SPDX-License-Identifier: Apache-2.0
"""A container in a user namespace: root inside, an ordinary user outside."""

from __future__ import annotations

import os
import tempfile

import libcontainer as lc


def main() -> None:
    """Map one id: the caller is uid 0 in the container and nobody else exists."""
    config = lc.Config(
        rootfs=lc.Overlay("/"),
        hostname="box",
        namespaces=[*lc.Config().namespaces, "user"],
        uid_mappings=[lc.IdMapping(0, os.geteuid(), 1)],
        gid_mappings=[lc.IdMapping(0, os.getegid(), 1)],
    )
    script = "id; echo the map:; cat /proc/self/uid_map"
    with tempfile.TemporaryDirectory() as root, lc.Factory(root) as factory:
        done = lc.run(
            ["sh", "-c", script],
            config=config,
            factory=factory,
            capture_output=True,
            text=True,
            check=True,
        )
    print(done.stdout, end="")


if __name__ == "__main__":
    main()
