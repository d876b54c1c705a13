# SPDX-License-Identifier: Apache-2.0
"""The table of the corpus: each known attack has its tests, or a reason."""

from __future__ import annotations

import ast
import csv
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("corpus.csv")
ROWS = list(csv.DictReader(TABLE.read_text().splitlines()))
# How many cases of each letter there are; a case that is dropped is missed here.
COUNTS = {"P": 34, "F": 10, "K": 6, "C": 12, "U": 8, "G": 11, "S": 11, "T": 6, "X": 11,
          "H": 9, "J": 12, "I": 7, "N": 6, "D": 7, "Z": 7, "L": 7, "E": 11}  # fmt: skip


@cache
def functions(file: str) -> frozenset[str]:
    """Return the names of the functions of a file of tests."""
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(n.name for n in tree.body if isinstance(n, ast.FunctionDef))


def test_no_case_is_missing() -> None:
    letters = [row["id"][0] for row in ROWS]
    assert {letter: letters.count(letter) for letter in COUNTS} == COUNTS
    assert len({row["id"] for row in ROWS}) == len(ROWS) == sum(COUNTS.values())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_case_has_tests_that_are_there_or_a_reason(row: dict[str, str]) -> None:
    assert row["attack"]
    assert row["tests"] or len(row["reason"]) > 20
    for test in row["tests"].split():
        file, _, name = test.partition("::")
        assert name in functions(file), test
