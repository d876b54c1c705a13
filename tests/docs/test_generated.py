# SPDX-License-Identifier: Apache-2.0
"""The pages that come from the code say what the code says now."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def generators() -> Iterator[Any]:
    sys.path.insert(0, str(DOCS))
    names = ("order", "lifecycle", "fields", "commands", "api")
    yield {name: importlib.import_module(name) for name in names}
    sys.path.remove(str(DOCS))
    for name in names:
        sys.modules.pop(name)


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("order", "explain/order.md"),
        ("lifecycle", "explain/lifecycle.md"),
        ("fields", "reference/config.md"),
    ],
)
def test_a_page_is_what_its_generator_writes(
    generators: dict[str, ModuleType], name: str, page: str
) -> None:
    assert (DOCS / page).read_text() == generators[name].render()


def test_the_drawing_of_the_states_is_what_the_table_says(
    generators: dict[str, ModuleType],
) -> None:
    drawing = (DOCS / "explain" / "lifecycle.svg").read_text()
    assert drawing == generators["lifecycle"].draw()


@pytest.mark.parametrize("name", ["libcontainer", "nsinit"])
def test_the_page_of_a_command_is_what_its_parser_says(
    generators: dict[str, ModuleType], name: str
) -> None:
    commands = generators["commands"]
    page = (DOCS / "reference" / f"{name}.md").read_text()
    assert page == commands.render(name, commands.PARSERS[name]())


def test_every_public_class_and_function_has_its_entry(
    generators: dict[str, ModuleType],
) -> None:
    import libcontainer as lc

    api = generators["api"]
    text = api.render_api() + api.render_errors()
    names = [name for name in lc.__all__ if callable(getattr(lc, name))]
    assert [name for name in names if f":: libcontainer.{name}\n" not in text] == []
    assert "\nMore\n----" not in text, "a module has no section in docs/api.py"
