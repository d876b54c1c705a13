# SPDX-License-Identifier: Apache-2.0
"""Tests with containers as fixtures, of the plugin that comes with the library."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

import libcontainer as lc


@pytest.fixture
def service(make_container: Callable[..., lc.Container]) -> lc.Container:
    """A container with something that runs in it; gone after the test."""
    container = make_container(hostname="service")
    container.run(lc.Process(["sleep", "60"]))
    return container


def test_a_program_in_a_container(container: lc.Container) -> None:
    with container.run(lc.Process(["cat", "/proc/1/comm"], stdout=lc.PIPE)) as process:
        assert process.communicate()[0] == b"cat\n"


def test_two_in_one(service: lc.Container) -> None:
    with service.exec(lc.Process(["hostname"], stdout=lc.PIPE)) as process:
        assert process.communicate()[0] == b"service\n"


@pytest.mark.needs_limits
def test_a_limit(run_in_container: Callable[..., lc.Result[bytes]]) -> None:
    done = run_in_container(["sh", "-c", "sleep 1 & sleep 1 & sleep 1"], pids=2)
    assert done.verdict == "pids_limit"


if __name__ == "__main__":
    alone = ["-p", "no:cacheprovider", "--rootdir", "/", "-c", "/dev/null"]
    sys.exit(pytest.main(["-q", *alone, __file__]))
