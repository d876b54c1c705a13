# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/config.md: every field, with its JSON form and default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

import libcontainer as lc
from libcontainer.config import config_to_json
from libcontainer.config.container_schema import CONTAINER

PAGE = Path(__file__).resolve().parent / "reference" / "config.md"

HEAD = """\
# Configuration

Generated from the classes and schemas by `./dev docs`. What each field means, its unit
and what `None` does is in the [API](api.rst).

A configuration has three forms, kept apart, and one plan: `lc.Config` (here), a 1.2.0
`container.json` (below), and a [bundle of the OCI specification](../guide/oci.md).
"""


def _default(value: object) -> str:
    if isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        return "made anew"
    text = json.dumps(value, default=str) if not isinstance(value, str) else repr(value)
    return text if len(text) < 40 else "…"


def _fields(title: str, cls: type) -> Iterator[str]:
    yield f"## `{title}`"
    yield ""
    yield "| field | type | default |"
    yield "|---|---|---|"
    for field in attrs.fields(cls):
        if not field.init:
            continue
        kind = str(field.type).replace("|", "\\|")
        default = "required" if field.default is attrs.NOTHING else None
        if default is None:
            default = f"`{_default(field.default)}`".replace("|", "\\|")
        yield f"| `{field.alias or field.name}` | `{kind}` | {default} |"
    yield ""


def _keys(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    for key, below in schema.items():
        name = f"{path}.{key}" if path else key
        yield f"- `{name}`"
        if below:
            yield from _keys(below, name)


def render() -> str:
    """Return the page."""
    lines = [HEAD]
    for title in (
        "Config",
        "Process",
        "Resources",
        "Mount",
        "Hooks",
        "Seccomp",
        "Veth",
    ):
        lines += _fields(f"lc.{title}", getattr(lc, title))
    lines += [
        "## As JSON",
        "",
        "`Config()`, as `config.json` of a state folder has it:",
        "",
    ]
    text = config_to_json(lc.Config())
    short = {key: value for key, value in text.items() if not isinstance(value, list)}
    lines += ["```json", json.dumps(short, indent=2), "```", ""]
    lines += ["## Keys of `container.json` 1.2.0", "", *_keys(CONTAINER, "")]
    return "\n".join(lines).rstrip("\n") + "\n"


def write() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")
