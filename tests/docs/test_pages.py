# SPDX-License-Identifier: Apache-2.0
"""The pages name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
)


def test_every_path_of_the_map_exists() -> None:
    page = (ROOT / "docs" / "where.md").read_text()
    paths = re.findall(r"`([^`]+)`", page)
    assert len(paths) > 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_every_link_of_the_page_leads_somewhere(name: str) -> None:
    page = ROOT / name
    targets = re.findall(r"\]\(([^)#]+)", page.read_text())
    local = [target for target in targets if "://" not in target]
    # Written by each build of the site, and not kept.
    local = [target for target in local if not target.endswith(".rst")]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_every_page_is_reached_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    trees = re.findall(r"```{toctree}\n(?::.*\n)*\n((?:.+\n)*)```", index.read_text())
    names = [name for tree in trees for name in tree.split()]
    reached = {index.parent / f"{name}.md" for name in names} | {index}
    pages = set((ROOT / "docs").rglob("*.md"))
    assert sorted(str(page) for page in pages - reached) == []


def test_the_page_of_design_names_every_package() -> None:
    page = (ROOT / "docs" / "explain" / "design.md").read_text()
    layout = page.partition("## Layout")[2]
    source = ROOT / "src" / "libcontainer"
    packages = [path.parent.name for path in source.glob("*/__init__.py")]
    assert len(packages) > 15
    assert [name for name in packages if f" {name}/ " not in layout] == []
    for name in re.findall(r"(?<![\w/.`])(\w+\.py)", layout):
        assert (source / name).is_file(), name


def test_the_page_of_design_counts_the_operations() -> None:
    header = (ROOT / "src" / "libcontainer" / "native" / "plan_abi.h").read_text()
    last = re.search(r"LC_OP_LAST = (\d+)", header)
    said = re.search(
        r"with (\d+)\s+operations",
        (ROOT / "docs" / "explain" / "design.md").read_text(),
    )
    assert last is not None
    assert said is not None
    assert said[1] == last[1]
