# SPDX-License-Identifier: Apache-2.0
"""Run a second process in a container, and talk to both."""

from __future__ import annotations

import tempfile

import libcontainer as lc


def main() -> None:
    """Let one process write a file that the other one reads."""
    config = lc.Config(rootfs=lc.Overlay("/"), hostname="box")
    with (
        tempfile.TemporaryDirectory() as root,
        lc.Factory(root) as factory,
        factory.create("box", config) as container,
    ):
        container.run(lc.Process(["sleep", "60"]))
        script = "hostname; readlink /proc/1/exe; cat"
        other = container.run(
            lc.Process(["sh", "-c", script], stdin=lc.PIPE, stdout=lc.PIPE)
        )
        out, _ = other.communicate(b"and this came through a pipe\n", 10)
        print((out or b"").decode(), end="")
        print("the second process:", other.wait(10))
        print("the container:", container.status().value)


if __name__ == "__main__":
    main()
