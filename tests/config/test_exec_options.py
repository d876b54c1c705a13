# SPDX-License-Identifier: Apache-2.0
"""Options of ``nsinit exec`` to the process they mean."""

from __future__ import annotations

import argparse

import pytest

import libcontainer as lc
from libcontainer.commands.argparsed import add_to
from libcontainer.commands.exec_options import PROCESS, process_of


def _process(*words: str, config: lc.Config | None = None) -> lc.Process:
    parser = argparse.ArgumentParser()
    add_to(parser, PROCESS)
    return process_of(parser.parse_args(words), ["true"], config or lc.Config())


def test_without_options_everything_is_the_containers() -> None:
    assert _process() == lc.Process(["true"])


def test_labels_of_options_are_fields_of_the_process() -> None:
    process = _process("--apparmor", "profile", "--process-label", "u:r:t:s0")
    expected = lc.Process(
        ["true"], apparmor_profile="profile", process_label="u:r:t:s0"
    )
    assert process == expected


def test_variables_go_over_the_containers_by_key() -> None:
    config = lc.Config(env={"A": "1", "B": "2"})
    process = _process("--env", "B=x=y", "--env", "C=", config=config)
    assert process.env == (("A", "1"), ("B", "x=y"), ("C", ""))


def test_capabilities_are_added_but_never_outlast_the_program() -> None:
    config = lc.Config(capabilities=["KILL"])
    sets = _process(
        "--cap", "sys_time", "--cap", "CAP_CHOWN", config=config
    ).capabilities
    assert sets is not None
    names = {"CAP_KILL", "CAP_SYS_TIME", "CAP_CHOWN"}
    assert sets.bounding == sets.effective == sets.permitted == names
    assert sets.inheritable == sets.ambient == frozenset()


@pytest.mark.parametrize(
    ("words", "groups"),
    [(["7"], (7,)), (["7,8"], (7, 8)), (["7", "8,9"], (7, 8, 9))],
)
def test_groups_may_be_given_in_both_ways(
    words: list[str], groups: tuple[int, ...]
) -> None:
    given = [part for word in words for part in ("--additional-gids", word)]
    assert _process(*given).additional_groups == groups


def test_groups_are_added_to_those_of_the_container() -> None:
    config = lc.Config(additional_groups=[3, 7])
    process = _process("-g", "7,8", config=config)
    assert process.additional_groups == (3, 7, 8)


@pytest.mark.parametrize("word", ["", "wheel", "-1", "1,,2", "\u0661"])
def test_groups_must_be_numbers(word: str) -> None:
    with pytest.raises(ValueError, match="--additional-gids takes numbers"):
        _process(f"--additional-gids={word}")
