# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests that make launches fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from tests.faults import launches


@pytest.fixture
def factory(state_root: Path) -> Iterator[lc.Factory]:
    """A factory of its own, empty again at the end."""
    state_root.chmod(0o700)
    with lc.Factory(state_root) as made:
        yield made
        assert made.list() == []


@pytest.fixture(params=launches.KINDS)
def launch(
    request: pytest.FixtureRequest, factory: lc.Factory, busybox_rootfs: Path
) -> Iterator[launches.Launches]:
    """A launch of each kind, in a container that is deleted at the end."""
    made = launches.make(factory, busybox_rootfs, request.param)
    yield made
    made.container.delete(force=True)
