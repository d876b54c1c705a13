# SPDX-License-Identifier: Apache-2.0
"""A pool whose containers begin where a warm one was written down."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import libcontainer as lc

pytestmark = pytest.mark.needs("root", "rootfs", "compiler", "criu", "cgroup1")

# It says that it is warm, and then answers each line.
PROGRAM = """
import sys
value = len(sys.modules)
print("warm", flush=True)
for line in sys.stdin:
    print(eval(line), flush=True)
"""
FOLDERS = ("/usr", "/lib", "/lib64", sys.base_prefix)


@pytest.fixture
def config(rootfs: Path) -> lc.Config:
    """The rootfs with this interpreter in it, read-only."""
    found = dict.fromkeys(os.path.realpath(path) for path in FOLDERS)
    mounts = [
        lc.Mount.bind(path, path, read_only=True, recursive=False)
        for path in found
        if os.path.isdir(path)
    ]
    for name in ("lib", "lib64"):
        target = rootfs / name
        if os.path.islink(f"/{name}") and not target.exists():
            target.symlink_to(os.readlink(f"/{name}"))
    return lc.Config(rootfs=str(rootfs), mounts=mounts)


def piped() -> lc.Process:
    python = os.path.realpath(sys.executable)
    streams = {"stdin": lc.PIPE, "stdout": lc.PIPE, "stderr": lc.DEVNULL}
    return lc.Process([python, "-I", "-S", "-c", PROGRAM], **streams)


def ask(container: lc.Container, line: bytes) -> bytes:
    init = container.init
    assert init is not None
    assert init.stdin is not None
    assert init.stdout is not None
    init.stdin.write(line)
    return bytes(init.stdout.readline())


def test_every_container_of_the_pool_is_warm(
    factory: lc.Factory, config: lc.Config, tmp_path: Path, options: lc.CriuOptions
) -> None:
    image = tmp_path / "warm"
    with factory.create("template", config) as container:
        init = container.run(piped())
        assert init.stdout is not None
        assert init.stdout.readline() == b"warm\n"
        container.checkpoint(image, options)
    settings = {"factory": factory, "template": image, "criu": options}
    with lc.Pool(config, piped(), 2, **settings) as pool:
        for number in range(4):
            with pool.take(timeout=300) as container:
                assert container.status() is lc.Status.RUNNING
                assert ask(container, b"value > 10\n") == b"True\n"
                assert ask(container, f"{number} * 7\n".encode()) == (
                    f"{number * 7}\n".encode()
                )
        waiting = [box for box in factory if box.id.startswith("pool-")]
        assert {box.status() for box in waiting} <= {
            lc.Status.PAUSED,
            lc.Status.RUNNING,
            lc.Status.CREATING,
        }


def test_a_template_that_is_not_there_is_told_at_once(
    factory: lc.Factory, config: lc.Config, tmp_path: Path, options: lc.CriuOptions
) -> None:
    settings = {"factory": factory, "template": tmp_path / "rootfs", "criu": options}
    with pytest.raises(lc.CriuError, match=r"no plain file"):
        lc.Pool(config, piped(), **settings)
    assert factory.list() == []
