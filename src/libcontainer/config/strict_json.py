# SPDX-License-Identifier: Apache-2.0
"""Reads JSON strictly: what two readers could understand differently is refused.

The input is bytes of unknown origin. It is measured before it is parsed, so
that no size, depth or number can hurt the program that embeds us.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from libcontainer.config.report import show
from libcontainer.errors import ConfigError, Problem

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 64
_MAX_DIGITS: Final = 20

# A string counts as one token, also one that is never closed; the possessive
# quantifiers keep the time linear.
_TOKEN: Final = re.compile(
    r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|(?P<open>[\[{])|(?P<close>[\]}])', re.DOTALL
)


def parse_strict_json(data: bytes, name: str) -> dict[str, Any]:
    """Return the object that a JSON text is.

    Args:
        data: the text, in UTF-8.
        name: what the text is called in a problem of its form.

    Raises:
        ConfigError: it is not UTF-8 or begins with a byte order mark, is no
            JSON or no object, is larger than 16 MiB or deeper than 64; a key is
            twice in one object; a number is not finite or has more than 20
            digits; a string has a NUL or is not Unicode text.
    """
    try:
        document = _parse(data)
    except _RefusedError as error:
        raise ConfigError([Problem(name, str(error))]) from None
    # Bad characters come of escapes only: raw ones the parser has refused.
    problems = list(_bad_texts("", document)) if b"\\u" in data else []
    if problems:
        raise ConfigError(problems)
    return document


class _RefusedError(Exception):
    """The text is not of the strict form."""


def _parse(data: bytes) -> dict[str, Any]:
    text = _decode(data)
    _check_depth(text)
    try:
        document = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except json.JSONDecodeError as error:
        _refuse(f"line {error.lineno} column {error.colno}: {_lower(error.msg)}")
    if not isinstance(document, dict):
        _refuse("must be an object")
    return document


def _refuse(message: str) -> NoReturn:
    raise _RefusedError(message)


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        _refuse(f"is larger than {MAX_BYTES} bytes")
    if data.startswith(b"\xef\xbb\xbf"):
        _refuse("line 1 column 1: byte order mark")
    try:
        return data.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        # All before the bad byte is good, so it can be counted in characters.
        where = _position(data[: error.start].decode(), None)
        _refuse(f"{where}: not UTF-8: byte {data[error.start]:#04x}")


def _check_depth(text: str) -> None:
    if _is_shallow(text):
        return
    depth = 0
    for token in _TOKEN.finditer(text):
        if token["open"]:
            depth += 1
            if depth > MAX_DEPTH:
                where = _position(text, token.start())
                _refuse(f"{where}: deeper than {MAX_DEPTH} levels")
        elif token["close"]:
            depth -= 1


def _is_shallow(text: str) -> bool:
    """Tell whether it is not too deep, as a text is that is no attack.

    Without a regular expression: to load what compiles one takes a command longer
    than all that it does with the text.
    """
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return True
    if "\\" in text:
        text = text.replace("\\\\", "").replace('\\"', "")
    depth = 0
    for bracket in "".join("".join(text.split('"')[::2]).split()):
        if bracket in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return False
        elif bracket in "]}":
            depth -= 1
    return True


def _position(text: str, end: int | None) -> str:
    before = text[:end]
    line = before.count("\n") + 1
    column = len(before) - (before.rfind("\n") + 1) + 1
    return f"line {line} column {column}"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            _refuse(f"key {show(key)} is twice in one object")
        found[key] = value
    return found


def _constant(word: str) -> NoReturn:
    _refuse(f"{word} is no JSON number")


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        _refuse(f"number {show(digits)} is too large")
    return number


def _integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        _refuse(f"number {show(digits)} has more than {_MAX_DIGITS} characters")
    return int(digits)


def _bad_texts(path: str, value: object) -> Iterator[Problem]:
    if isinstance(value, str):
        problem = _bad_text(value)
        if problem:
            yield Problem(path, problem)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _bad_texts(f"{path}[{number}]", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            problem = _bad_text(key)
            if problem:
                yield Problem(path, f"key {show(key)} {problem}")
            else:
                yield from _bad_texts(f"{path}.{key}" if path else key, item)


def _bad_text(text: str) -> str:
    if "\0" in text:
        return f"has a NUL: {show(text)}"
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"is no Unicode text: {show(text)}"
    return ""
