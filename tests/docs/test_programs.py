# SPDX-License-Identifier: Apache-2.0
"""The programs in the pages run and print what the pages say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = re.compile(r"```python\n(.*?)```\n\n```\n(.*?)```", re.DOTALL)
# A new operation, or a kernel with another file to mask, moves every later step.
STEP = re.compile(r"step \d+/\d+")
PAGES = {
    "README.md": 2,
    "docs/tutorial.md": 5,
    "docs/how/debug-start.md": 1,
    "docs/how/files.md": 2,
    "docs/how/images.md": 1,
    "docs/guide/security.md": 1,
    "docs/guide/seccomp.md": 3,
    "docs/guide/statistics.md": 5,
    "docs/guide/python.md": 5,
}


@pytest.mark.parametrize("page", PAGES)
def test_every_program_of_the_page_has_its_output_below(page: str) -> None:
    text = (ROOT / page).read_text()
    assert len(PROGRAM.findall(text)) == text.count("```python") == PAGES[page]


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    ("page", "number"),
    [(page, number) for page, count in PAGES.items() for number in range(count)],
)
def test_a_program_of_the_page_prints_what_the_page_says(
    page: str, number: int
) -> None:
    program, output = PROGRAM.findall((ROOT / page).read_text())[number]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert STEP.sub("step", done.stdout) == STEP.sub("step", output)
