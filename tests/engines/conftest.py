# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests in which real engines call the runtime.

Each module runs twice: with ours, and with runc as the control. What passes with
the one must pass with the other. `./dev engines` runs them all; any other run
only the slice of them that is marked ``slice``, with ours.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.world import World

RUNTIMES = ("ours", "runc")


ALL = "LIBCONTAINER_ENGINES"


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what only `./dev engines` runs."""
    if os.environ.get(ALL):
        return
    here = Path(__file__).parent
    left_out = [
        item
        for item in items
        if item.path.is_relative_to(here)
        and ("runc" in item.name or item.get_closest_marker("slice") is None)
    ]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="module", params=RUNTIMES)
def runtime(request: pytest.FixtureRequest) -> str:
    """The path of the runtime that an engine is to call."""
    if request.param == "ours":
        return str(Path(sys.executable).with_name("libcontainer"))
    found = shutil.which("runc")
    if found is None:
        pytest.skip("no runc, the control")
    return found


@pytest.fixture(scope="module")
def is_ours(runtime: str) -> bool:
    """Whether it is our own."""
    return Path(runtime).name == "libcontainer"


@pytest.fixture(scope="module")
def world(public_tmp: Path, runtime: str) -> Iterator[World]:
    """A world of its own for the engine of one module."""
    del runtime
    folder = public_tmp / "world"
    with World(folder) as made:
        yield made
    folder.rmdir()


APPLETS = (
    *("sh", "ls", "echo", "cat", "sleep", "id", "true", "false", "stty", "tty"),
    *("env", "ps", "wget", "httpd", "mount", "touch", "hostname", "kill", "grep"),
    *("mkdir", "rm", "stat", "df", "head", "yes", "chmod", "test", "top", "nc"),
)


@pytest.fixture(scope="module")
def image_tree(world: World) -> Path:
    """The files of an image, in the world's folder."""
    tree = world.data / "tree"
    script = (
        f"mkdir -p {tree}/bin {tree}/etc {tree}/tmp {tree}/home {tree}/root &&"
        f" chmod 1777 {tree}/tmp && cp {shutil.which('busybox')} {tree}/bin/busybox &&"
        f" for name in {' '.join(APPLETS)}; do"
        f" ln -s busybox {tree}/bin/$name; done &&"
        f" printf 'root:x:0:0:root:/root:/bin/sh\\nuser:x:1000:1000::/home:/bin/sh\\n'"
        f" >{tree}/etc/passwd && printf 'root:x:0:\\nuser:x:1000:\\n' >{tree}/etc/group"
    )
    done = world.run("sh", "-c", script)
    assert done.returncode == 0, done.stderr
    return tree
