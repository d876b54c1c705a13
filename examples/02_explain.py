# SPDX-License-Identifier: Apache-2.0
"""Print every step that a launch would take, without taking one."""

from __future__ import annotations

import tempfile

import libcontainer as lc


def main() -> None:
    """Explain a container that has a read-only root and one writable folder."""
    with tempfile.TemporaryDirectory() as data, tempfile.TemporaryDirectory() as root:
        config = lc.Config(
            rootfs=lc.Overlay("/"),
            hostname="box",
            mounts=[lc.Mount.bind(data, "/mnt")],
        )
        with lc.Factory(root) as factory, factory.create("box", config) as container:
            print(container.explain(lc.Process(["/bin/true"])))


if __name__ == "__main__":
    main()
