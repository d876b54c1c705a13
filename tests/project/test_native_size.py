# SPDX-License-Identifier: Apache-2.0
"""What runs beside a container stays so small that a reader can hold it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

NATIVE = Path(__file__).resolve().parents[2] / "src" / "libcontainer" / "native"
# Lines that are neither blank nor a comment, headers and tables included. Lower them
# when something is taken away.
LINES = {"helper": 1742, "monitor": 225}
FUNCTION = 60


def _code(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("//")]


@pytest.mark.parametrize("program", LINES)
def test_a_program_is_small(program: str) -> None:
    count = sum(len(_code(path)) for path in (NATIVE / program).glob("*.[ch]"))
    assert LINES[program] // 2 < count <= LINES[program]


def _functions(text: str) -> dict[str, int]:
    """Return the lines of each function, from its name to its last brace."""
    found = re.finditer(
        r"^[\w ]+[ *](\w+)\([^;{]*?\)\n\{\n.*?^\}$", text, re.MULTILINE | re.DOTALL
    )
    return {match[1]: match[0].count("\n") + 1 for match in found}


def test_no_function_is_long() -> None:
    sizes: dict[str, int] = {}
    for path in [*NATIVE.glob("helper/*.c"), *NATIVE.glob("monitor/*.c")]:
        sizes |= _functions(path.read_text())
    assert {"op_exec", "plan_parse", "helper_start", "hear"} <= sizes.keys()
    assert {name: size for name, size in sizes.items() if size > FUNCTION} == {}
