# SPDX-License-Identifier: Apache-2.0
"""Rules of the embedding program, beside our own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc

pytestmark = pytest.mark.needs("root", "rootfs")


def _rules(config: lc.Config) -> Iterator[lc.Problem]:
    if config.hostname is None:
        yield lc.Problem("hostname", "is wanted here")
    if config.resources.memory is None:
        yield lc.Problem("resources.memory", "is wanted here")


def test_every_problem_that_it_finds_is_told_and_nothing_is_made(
    state_root: Path, busybox_rootfs: Path
) -> None:
    state_root.chmod(0o700)
    rootfs = lc.Overlay(str(busybox_rootfs))
    with lc.Factory(state_root, validator=_rules) as factory:
        with pytest.raises(lc.ConfigError) as caught:
            factory.create("box", lc.Config(rootfs=rootfs))
        paths = [problem.path for problem in caught.value.problems]
        assert paths == ["hostname", "resources.memory"]
        assert factory.list() == []
        resources = lc.Resources(memory="64M")
        config = lc.Config(rootfs=rootfs, hostname="box", resources=resources)
        with factory.create("box", config) as box:
            assert box.run(lc.Process(["true"])).wait().code == 0


def test_our_own_rules_cannot_be_left_out(state_root: Path) -> None:
    state_root.chmod(0o700)
    asked = []

    def nothing(config: lc.Config) -> list[lc.Problem]:
        asked.append(config)
        return []

    config = lc.Config(rootfs=lc.Overlay("/nope"))
    with (
        lc.Factory(state_root, validator=nothing) as factory,
        pytest.raises(lc.ConfigError, match="rootfs"),
    ):
        factory.create("box", config)
    assert asked == []
