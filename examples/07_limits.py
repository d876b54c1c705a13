# SPDX-License-Identifier: Apache-2.0
"""Limit a container, measure it, and see the kernel hold it to the limit."""

from __future__ import annotations

import tempfile

import libcontainer as lc


def main() -> None:
    """Fill more memory than allowed, and read what became of it."""
    limits = lc.Resources(memory="32M", memory_swap="32M", pids=16)
    config = lc.Config(rootfs=lc.Overlay("/"), resources=limits)
    fill = "x=$(head -c 100000000 /dev/zero | tr '\\0' x)"
    with (
        tempfile.TemporaryDirectory() as root,
        lc.Factory(root) as factory,
        factory.create("limited", config) as container,
    ):
        process = container.run(lc.Process(["sh", "-c", fill], stderr=lc.DEVNULL))
        print("it ended:", process.wait(30))
        memory = container.stats().memory
        print("limit:", memory.limit, "killed for it:", memory.oom_kills > 0)


if __name__ == "__main__":
    main()
