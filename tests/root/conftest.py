# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that launch real containers."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.oci_bundles import Oci

Observe = Callable[..., dict[str, Any]]

_numbers = itertools.count()


def new_id() -> str:
    """Return an id that no other test uses."""
    return f"test-{next(_numbers)}"


@pytest.fixture
def factory(state_root: Path) -> Iterator[lc.Factory]:
    """A factory of its own, empty again at the end."""
    state_root.chmod(0o700)
    with lc.Factory(state_root) as made:
        yield made
        assert made.list() == []


@pytest.fixture
def observe(factory: lc.Factory, init_rootfs: Path) -> Observe:
    """Run the test program and return what it saw from inside.

    Keywords named after fields of `Config` go there, all others to `Process`.
    """

    def run(*args: str, expect: int = 0, **wishes: Any) -> dict[str, Any]:
        fields = set(lc.Config.__annotations__)
        for_config = {k: v for k, v in wishes.items() if k in fields}
        for_process = {k: v for k, v in wishes.items() if k not in fields}
        for_config.setdefault("rootfs", lc.Overlay(str(init_rootfs)))
        config = lc.Config(**for_config)
        with factory.create(new_id(), config) as container:
            process = container.run(
                lc.Process(["/test_init", *args], stdout=lc.PIPE, **for_process)
            )
            out, _ = process.communicate()
            assert process.wait().code == expect
            process.close()
        return dict(json.loads(out or b"{}"))

    return run


@pytest.fixture
def shell(factory: lc.Factory, busybox_rootfs: Path) -> Any:
    """Run a shell script in a container, return what it says."""

    def run(script: str, **fields: Any) -> lc.Result:
        fields.setdefault("rootfs", lc.Overlay(str(busybox_rootfs)))
        return lc.run(
            ["sh", "-c", script],
            config=lc.Config(**fields),
            factory=factory,
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def oci(state_root: Path, tmp_path: Path) -> Iterator[Oci]:
    state_root.chmod(0o700)
    oci = Oci(state_root, tmp_path / "log.json")
    yield oci
    for line in oci.said("list", "--quiet").split():
        oci("delete", "--force", line)


@pytest.fixture
def bundle(busybox_rootfs: Path, tmp_path: Path) -> Path:
    """A bundle of its own: `busybox_rootfs` is shared and not written to."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    subprocess.run(["cp", "-a", busybox_rootfs, folder / "rootfs"], check=True)
    return folder
