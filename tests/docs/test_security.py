# SPDX-License-Identifier: Apache-2.0
"""The page of security names code and tests that are there, for every rule."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "explain" / "security.md").read_text()
RULES = re.findall(r"^\| R(\d+) .*?\| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)


def test_every_rule_is_there_once() -> None:
    assert [int(number) for number, _, _ in RULES] == list(range(1, 26))


def test_the_code_of_every_rule_is_there() -> None:
    for number, code, _ in RULES:
        paths = re.findall(r"`([^`]+)`", code)
        assert paths, number
        assert [path for path in paths if not (ROOT / path).exists()] == [], number


def test_the_test_of_every_rule_is_there() -> None:
    for number, _, tests in RULES:
        for name in re.findall(r"`([^`]+)`", tests):
            file, _, function = name.partition("::")
            tree = ast.parse((ROOT / file).read_text())
            names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
            assert function in names, (number, name)
