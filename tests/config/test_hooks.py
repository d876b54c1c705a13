# SPDX-License-Identifier: Apache-2.0
"""Hooks as configuration: what is kept, what is refused, what is saved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.config import UnavailableHook, config_from_json, config_to_json
from libcontainer.validate import validate


def function(state: Mapping[str, Any]) -> None:
    """A hook in the program."""


def _problems(**kinds: Any) -> list[str]:
    return [str(problem) for problem in validate(lc.Config(hooks=lc.Hooks(**kinds)))]


def test_hooks_take_what_is_natural_to_write() -> None:
    hook = lc.Hook("/bin/true", args=["true", "-x"], env={"A": "b"}, timeout=3)
    assert hook == lc.Hook("/bin/true", ("true", "-x"), [("A", "b")], 3)
    assert hook == lc.Hook("/bin/true", ("true", "-x"), ["A=b"], 3)
    assert lc.Hooks(poststop=[hook]).poststop == (hook,)


def test_a_hook_without_arguments_is_called_by_its_path() -> None:
    assert lc.Hook("/bin/true").argv == ("/bin/true",)
    assert lc.Hook("/bin/true", ["name"]).argv == ("name",)


@pytest.mark.parametrize(
    ("hook", "problem"),
    [
        (lc.Hook("true"), "path: must be an absolute path, not 'true'"),
        (lc.Hook(7), "path: must be a string, not int"),
        (lc.Hook("/a\0b"), "path: has a NUL: '/a\\x00b'"),
        (lc.Hook("/a", [1]), "args[0]: must be a string, not int"),
        (lc.Hook("/a", "b"), "args: must be a sequence of strings, not one string"),
        (lc.Hook("/a", env=["X"]), "env[0]: has no '=': 'X'"),
        (lc.Hook("/a", env={"": "x"}), "env[0]: is no name of a variable: ''"),
        (lc.Hook("/a", timeout=0), "timeout: must be from 1 to 604800, not 0"),
        (lc.Hook("/a", timeout=-1), "timeout: must be from 1 to 604800, not -1"),
        (
            lc.Hook("/a", timeout=604801),
            "timeout: must be from 1 to 604800, not 604801",
        ),
        (lc.Hook("/a", timeout=True), "timeout: must be an integer, not bool"),
        (lc.Hook("/a", timeout="1"), "timeout: must be an integer, not str"),
    ],
)
@pytest.mark.parametrize("kind", ["prestart", "create_container", "poststop"])
def test_what_is_wrong_with_a_hook_is_told_with_its_place(
    kind: str, hook: lc.Hook, problem: str
) -> None:
    good = lc.Hook("/bin/true")
    assert _problems(**{kind: [good, hook]}) == [f"hooks.{kind}[1].{problem}"]


@pytest.mark.parametrize("kind", ["create_container", "start_container"])
def test_a_function_cannot_run_in_the_container(kind: str) -> None:
    wrong = f"hooks.{kind}[0]: must be a Hook: no function can run in the container"
    assert _problems(**{kind: [function]}) == [wrong]


@pytest.mark.parametrize(
    "kind", ["prestart", "create_runtime", "poststart", "poststop"]
)
def test_a_function_can_be_a_hook_of_the_host(kind: str) -> None:
    assert _problems(**{kind: [function, print]}) == []


def test_other_types_are_refused() -> None:
    assert _problems(prestart=["/bin/true"]) == [
        "hooks.prestart[0]: must be a Hook or a function, not str"
    ]
    assert _problems(prestart=7) == [
        "hooks.prestart: must be a sequence of Hook, not int"
    ]
    config = lc.Config(hooks={"prestart": []})
    assert [str(p) for p in validate(config)] == ["hooks: must be a Hooks, not dict"]


def test_there_is_a_most_of_each_kind() -> None:
    many = [lc.Hook("/bin/true")] * 256
    assert _problems(poststop=many) == [
        "hooks.poststop: has 256 hooks, 255 is the most"
    ]
    assert _problems(poststop=many[:255]) == []


def test_hooks_survive_the_state_file() -> None:
    hooks = lc.Hooks(
        prestart=[lc.Hook("/a", ["a"], {"K": "V=W"}, 9)],
        start_container=[lc.Hook("/b")],
    )
    config = lc.Config(hooks=hooks)
    text = json.dumps(config_to_json(config))
    assert config_from_json(json.loads(text)) == config


def test_of_a_function_the_state_file_keeps_the_name() -> None:
    config = lc.Config(hooks=lc.Hooks(poststop=[function, lc.Hook("/a")]))
    again = config_from_json(json.loads(json.dumps(config_to_json(config))))
    lost = UnavailableHook(f"{__name__}.function")
    assert again.hooks.poststop == (lost, lc.Hook("/a"))
    assert config_from_json(config_to_json(again)) == again
    assert validate(again) == []


def test_a_state_file_of_an_older_version_has_no_hooks() -> None:
    document = config_to_json(lc.Config())
    assert document.pop("hooks") == {}
    assert config_from_json(document) == lc.Config()
