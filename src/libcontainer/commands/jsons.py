# SPDX-License-Identifier: Apache-2.0
"""What a command loads in place of ``json``: its C parts, without the rest.

The rest is there to compile regular expressions, and to say what is wrong with a text.
It is loaded for a text with which something is wrong, and says the same.
"""

from __future__ import annotations

import _json

from libcontainer.commands.imports import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_SPACE = " \t\n\r"
_CONSTANTS = {"-Infinity": -float("inf"), "Infinity": float("inf"), "NaN": float("nan")}


class _How:
    """How the scanner is to read."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = _CONSTANTS.__getitem__

    def __init__(self, **wishes: Any) -> None:  # noqa: ANN401
        self.memo: dict[str, str] = {}
        vars(self).update(wishes)


def loads(text: str | bytes, **wishes: Any) -> Any:  # noqa: ANN401
    """Return what a text of JSON is, as `json.loads` does, with its keywords."""
    try:
        read = str(text, "utf-8") if isinstance(text, bytes) else text
        start = len(read) - len(read.lstrip(_SPACE))
        how: Any = _How(**wishes)
        value, end = _json.make_scanner(how)(read, start)
        if not read[end:].strip(_SPACE):
            return value
    except (StopIteration, UnicodeDecodeError, SystemError):
        # The scanner has no error to raise as long as the module is not loaded.
        pass
    # It is in another encoding, or no JSON: either is for the module itself.
    return whole("json").loads(text, **wishes)


def dumps(
    value: Any,  # noqa: ANN401
    *,
    indent: int | str | None = None,
    separators: tuple[str, str] | None = None,
    ensure_ascii: bool = True,
    sort_keys: bool = False,
) -> str:
    """Return the text of JSON that a value is, as `json.dumps` does."""
    encode = _json.encode_basestring_ascii if ensure_ascii else _json.encode_basestring
    if indent is not None:
        step = " " * indent if isinstance(indent, int) else indent
        if separators is None and not sort_keys and _is_plain(value):
            return "".join(_lines(value, "\n", step, encode))
        wishes = {"separators": separators, "sort_keys": sort_keys}
        return str(
            whole("json").dumps(
                value, indent=indent, ensure_ascii=ensure_ascii, **wishes
            )
        )
    item, key = separators or (", ", ": ")
    make = _json.make_encoder(
        {},
        _refuse,
        encode,
        None,
        key,
        item,
        sort_keys,
        False,
        True,
    )
    return "".join(make(value, 0))


def _refuse(value: object) -> None:
    message = f"Object of type {type(value).__name__} is not JSON serializable"
    raise TypeError(message)


def _is_plain(value: object) -> bool:
    """Tell whether a value is of the types that are written most."""
    if isinstance(value, dict):
        return all(type(k) is str and _is_plain(v) for k, v in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, bool)


def _lines(
    value: Any,  # noqa: ANN401
    line: str,
    step: str,
    encode: Callable[[str], str],
) -> Iterator[str]:
    if isinstance(value, str):
        yield encode(value)
    elif not isinstance(value, dict | list | tuple):
        yield dumps(value)
    elif not value:
        yield "{}" if isinstance(value, dict) else "[]"
    else:
        inner, before = line + step, "{" if isinstance(value, dict) else "["
        for each in value:
            yield before + inner
            before = ","
            if isinstance(value, dict):
                yield f"{encode(each)}: "
                yield from _lines(value[each], inner, step, encode)
            else:
                yield from _lines(each, inner, step, encode)
        yield line + ("}" if isinstance(value, dict) else "]")
