# SPDX-License-Identifier: Apache-2.0
"""Measurements as a table for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from attrs import fields, has


def html_table(value: Any) -> str:  # noqa: ANN401 - any attrs object
    """Return an HTML table of an attrs object: one row for each number it has."""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>"
        for name, text in _rows(value, "")
    )
    head = escape(type(value).__name__)
    return f"<table><tr><th colspan=2>{head}</th></tr>{rows}</table>"


def _rows(value: Any, prefix: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    for attribute in fields(type(value)):
        name, inner = attribute.name, getattr(value, attribute.name)
        if has(type(inner)):
            yield from _rows(inner, f"{prefix}{name}.")
        elif inner is not None and inner != ():
            yield f"{prefix}{name}", _text(inner)


def _text(value: Any) -> str:  # noqa: ANN401
    return f"{value:,}" if type(value) is int else str(value)
