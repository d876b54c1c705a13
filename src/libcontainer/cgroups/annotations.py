# SPDX-License-Identifier: Apache-2.0
"""Properties of a systemd unit that annotations of a container ask for. Pure.

Source: runc's ``org.systemd.property.NAME``, whose values are GVariant text; crun's
``run.oci.systemd.subgroup``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from libcontainer.cgroups.unit import Property
from libcontainer.errors import ConfigError, Problem

PROPERTY: Final = "org.systemd.property."
SUBGROUP: Final = "run.oci.systemd.subgroup"
_NAME: Final = re.compile(r"[A-Z][A-Za-z0-9]{2,63}")
_FOLDER: Final = re.compile(r"(?!\.\.?$)(?!cgroup\.)[A-Za-z0-9_.-]{1,255}")
_NUMBER: Final = re.compile(r"(?:(uint32|int32|uint64|int64|byte) +)?(-?[0-9]{1,20})")
_TEXT: Final = re.compile(r"'([^'\\]*)'|\"([^\"\\]*)\"")
_SIGNATURES: Final = {
    "uint32": ("u", 0, 2**32 - 1),
    "int32": ("i", -(2**31), 2**31 - 1),
    "uint64": ("t", 0, 2**64 - 1),
    "int64": ("x", -(2**63), 2**63 - 1),
    "byte": ("y", 0, 255),
    "": ("i", -(2**31), 2**31 - 1),
}


def annotated_properties(labels: Iterable[tuple[str, str]]) -> tuple[Property, ...]:
    """Return the properties that annotations name.

    A property of seconds, ``TimeoutStopSec``, becomes that of microseconds which
    the bus has.

    Raises:
        ConfigError: a name or a value is wrong; all problems at once.
    """
    found, problems = [], []
    for key, text in labels:
        if not key.startswith(PROPERTY):
            continue
        name = key.removeprefix(PROPERTY)
        try:
            found.append(_property(name, text.strip()))
        except ValueError as error:
            problems.append(Problem(f"labels[{key!r}]", str(error)))
    if problems:
        raise ConfigError(problems)
    return tuple(found)


def annotated_subgroup(labels: Iterable[tuple[str, str]]) -> str:
    """Return the name of the cgroup within the unit that annotations ask for.

    Raises:
        ConfigError: it is no name of a directory.
    """
    name = dict(labels).get(SUBGROUP, "")
    check_subgroup(name, f"labels[{SUBGROUP!r}]")
    return name


def check_subgroup(name: str, path: str) -> None:
    """Raise `ConfigError` for what is not the name of a directory; empty is none."""
    if name and not _FOLDER.fullmatch(name):
        problem = f"must be one name of a directory, not {name!r}"
        raise ConfigError([Problem(path, problem)])


def _property(name: str, text: str) -> Property:
    if not _NAME.fullmatch(name):
        message = "is not followed by the name of a property"
        raise ValueError(message)
    signature, value = _value(text)
    if name.endswith("Sec") and not name.endswith("USec"):
        if signature not in {"i", "u", "x", "t", "y"} or value < 0:  # type: ignore[operator]
            message = f"must be seconds, not {text!r}"
            raise ValueError(message)
        return f"{name.removesuffix('Sec')}USec", "t", int(str(value)) * 1_000_000
    return name, signature, value


def _value(text: str) -> tuple[str, object]:
    if text in {"true", "false"}:
        return "b", text == "true"
    if quoted := _TEXT.fullmatch(text):
        return "s", quoted[1] if quoted[1] is not None else quoted[2]
    if number := _NUMBER.fullmatch(text):
        signature, low, high = _SIGNATURES[number[1] or ""]
        value = int(number[2])
        if low <= value <= high:
            return signature, value
    if text.startswith("[") and text.endswith("]"):
        inner = text[1:-1].strip()
        items = [_value(item.strip()) for item in _items(inner)]
        kinds = {signature for signature, _ in items}
        if len(kinds) == 1 and kinds <= {"s", "i", "u", "x", "t", "b"}:
            return f"a{kinds.pop()}", [value for _, value in items]
    message = (
        f"must be a value in GVariant text such as \"uint64 5\" or 'x', not {text!r}"
    )
    raise ValueError(message)


def _items(text: str) -> list[str]:
    """Split at commas that are outside of quotes."""
    return [
        part for part in re.findall(r"(?:'[^']*'|\"[^\"]*\"|[^,'\"])+", text) if part
    ]
