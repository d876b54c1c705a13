# SPDX-License-Identifier: Apache-2.0
"""The programs and commands in the pages run and print what the pages say."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs import blocks

RunAsUser = Callable[..., "subprocess.CompletedProcess[str]"]

ROOT = Path(__file__).resolve().parents[2]
# Written from the code, and compared with it by test_generated.py and others.
GENERATED = {
    "docs/explain/order.md",
    "docs/explain/lifecycle.md",
    "docs/reference/config.md",
    "docs/reference/libcontainer.md",
    "docs/reference/nsinit.md",
}
PAGES = {
    name: path.read_text()
    for path in sorted(
        path
        for place in ("*.md", "docs/**/*.md", "examples/**/*.md", "benchmarks/*.md")
        for path in ROOT.glob(place)
    )
    if (name := str(path.relative_to(ROOT))) not in GENERATED
}
# What a page needs besides root.
NEEDS = {
    "docs/guide/checkpoint.md": ("criu",),
}
# Their blocks run where an engine does; the test there takes them from the page.
ELSEWHERE = {
    "docs/how/dask.md": "tests/contrib/test_pages.py",
    "docs/how/engines.md": "tests/engines/test_page.py",
    "docs/how/ray.md": "tests/contrib/test_pages.py",
    "docs/how/slurm.md": "tests/engines/test_slurm.py",
}
BLOCKS = {
    name: found
    for name, text in PAGES.items()
    if name not in ELSEWHERE and (found := blocks.runnable(text))
}
RUNNING = {
    name: own
    for name, found in BLOCKS.items()
    if (own := [block for block in found if not block.needs])
}
# Of other machines: `./dev vm` has them.
SPECIAL = sorted(
    {(name, block.needs) for name in BLOCKS for block in BLOCKS[name] if block.needs}
)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_the_page_runs_or_says_what_it_is(page: str) -> None:
    assert blocks.strays(PAGES[page]) == []
    assert re.findall(r"(?<=[.:\n]\n\n) {4}\S.*", PAGES[page]) == []


def test_the_pages_are_found() -> None:
    assert {"README.md", "docs/tutorial.md", "docs/how/check.md"} <= set(RUNNING)
    assert set(NEEDS) <= set(RUNNING)


@pytest.mark.parametrize("page", ELSEWHERE)
def test_the_test_of_an_engine_runs_the_blocks_of_the_page(page: str) -> None:
    assert blocks.runnable(PAGES[page])
    test = (ROOT / ELSEWHERE[page]).read_text()
    assert Path(page).name in test
    assert "blocks.failure" in test


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=pytest.mark.needs(*NEEDS.get(page, ())))
        for page in RUNNING
    ],
)
def test_a_program_of_the_page_prints_what_the_page_says(
    page: str, tmp_path: Path
) -> None:
    """Do as a reader does: one block after the other, in one folder."""
    tmp_path.chmod(0o755)
    found = (blocks.failure(block, tmp_path) for block in RUNNING[page])
    assert [text for text in found if text is not None] == []


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    ("page", "needs"),
    [
        pytest.param(*one, marks=pytest.mark.needs(*one[1]), id=f"{one[0]}-{one[1][0]}")
        for one in SPECIAL
    ],
)
def test_a_block_for_another_machine_does_what_the_page_says(
    page: str, needs: tuple[str, ...], tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    own = [block for block in BLOCKS[page] if block.needs == needs]
    found = [blocks.failure(block, tmp_path) for block in own]
    assert found == [None] * len(own)


@pytest.mark.needs("root", "userns")
def test_the_program_of_the_page_without_root_runs_without_root(
    unprivileged: RunAsUser,
) -> None:
    block = blocks.runnable(PAGES["docs/how/rootless.md"])[0]
    done = unprivileged(block.text)
    assert (done.stderr, done.stdout) == ("", block.output)


def test_a_block_that_does_something_else_is_noticed(tmp_path: Path) -> None:
    good = "```python\nprint(1)\n```\n\n```\n1\n```\n\n```console\n$ echo a b\na ...\n"
    good += "$ false\n$ echo $?\n1\n```\n"
    assert [blocks.failure(one, tmp_path) for one in blocks.runnable(good)] == [
        None
    ] * 2
    bad = good.replace("print(1)", "print(2)").replace("a ...", "b ...")
    bad += "\n```sh\nfalse\ntrue\n```\n"
    assert all(blocks.failure(one, tmp_path) for one in blocks.runnable(bad))
    assert len(blocks.runnable(bad)) == 3
    assert len(blocks.strays("```\nls\n```\n")) == 1
