# SPDX-License-Identifier: Apache-2.0
"""The feature list is complete, honest and in step with its page."""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

COUNTS = {
    "CF": 18,
    "NS": 23,
    "MT": 40,
    "DV": 18,
    "ND": 21,
    "CG": 26,
    "RS": 36,
    "ST": 29,
    "PR": 40,
    "TT": 9,
    "EX": 21,
    "SC": 26,
    "HK": 7,
    "LC": 33,
    "CK": 21,
    "RD": 5,
    "LB": 14,
    "C": 30,
}


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """The generator, loaded from docs/ where it is not importable by name."""
    spec = importlib.util.spec_from_file_location(
        "features", ROOT / "docs" / "features.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@functools.cache
def functions_in(path: Path) -> frozenset[str]:
    """Names of the tests in a file, ``Class::method`` for methods."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}::{item.name}"
                for item in node.body
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return frozenset(names)


def missing_test(node_id: str) -> str | None:
    """Return what is wrong with a node id, or None if its test exists."""
    file, _, rest = node_id.partition("::")
    function = rest.partition("[")[0]
    path = ROOT / file
    if not file.startswith("tests/") or not path.is_file():
        return f"{node_id}: no such file"
    if not function.rpartition("::")[2].startswith("test_"):
        return f"{node_id}: does not name a test function"
    if function not in functions_in(path):
        return f"{node_id}: {file} has no function {function!r}"
    return None


def test_every_feature_is_listed_exactly_once(page: ModuleType) -> None:
    ids = [row.id for row in page.read_features()]
    wanted = [
        f"{group}-{number:02d}"
        for group, count in COUNTS.items()
        for number in range(1, count + 1)
    ]
    assert [id_ for id_, times in Counter(ids).items() if times > 1] == []
    assert sorted(ids) == sorted(wanted)


def test_every_state_is_a_legal_word(page: ModuleType) -> None:
    wrong = {
        row.id: row.state
        for row in page.read_features()
        if row.state not in page.STATES
    }
    assert wrong == {}


def test_every_feature_has_a_name(page: ModuleType) -> None:
    assert [row.id for row in page.read_features() if not row.feature.strip()] == []


def test_no_feature_is_called_yes_without_a_test(page: ModuleType) -> None:
    rows = page.read_features()
    unproven = [
        row.id for row in rows if row.state in {"yes", "part"} and not row.tests
    ]
    assert unproven == []


def test_every_limit_and_impossibility_is_explained(page: ModuleType) -> None:
    rows = page.read_features()
    bare = [
        row.id for row in rows if row.state in {"part", "impossible"} and not row.note
    ]
    assert bare == []


def test_every_named_test_exists(page: ModuleType) -> None:
    complaints = [
        f"{row.id}: {complaint}"
        for row in page.read_features()
        for test in row.tests
        if (complaint := missing_test(test)) is not None
    ]
    assert complaints == []


def test_a_test_that_does_not_exist_is_noticed() -> None:
    here = "tests/project/test_features.py"
    assert missing_test(f"{here}::test_every_named_test_exists") is None
    assert missing_test(f"{here}::test_every_named_test_exists[case]") is None
    assert missing_test(f"{here}::test_nowhere") is not None
    assert missing_test(f"{here}::missing_test") is not None
    assert missing_test("tests/nowhere.py::test_x") is not None
    assert missing_test("docs/features.py::read_features") is not None


def test_the_page_is_in_step_with_the_csv(page: ModuleType) -> None:
    written = page.PAGE.read_text(encoding="utf-8")
    assert written == page.render(page.read_features()), "run ./dev docs"
