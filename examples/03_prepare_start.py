# SPDX-License-Identifier: Apache-2.0
"""Prepare a container, look at it while it waits, then let it go."""

from __future__ import annotations

import tempfile

import libcontainer as lc


def main() -> None:
    """Follow the states of one container from the first to the last."""
    config = lc.Config(rootfs=lc.Overlay("/"), hostname="box")
    with tempfile.TemporaryDirectory() as root, lc.Factory(root) as factory:
        container = factory.create("box", config)
        print("made:     ", container.status().value)
        init = container.prepare(lc.Process(["sleep", "60"]))
        print("prepared: ", container.status().value)
        container.start()
        print("started:  ", container.status().value)
        container.signal("KILL")
        print("ended by: ", init.wait(10))
        print("ended:    ", container.status().value)
        container.delete()
        print("deleted:  ", "box" not in factory)


if __name__ == "__main__":
    main()
