# SPDX-License-Identifier: Apache-2.0
"""What came of a call: the bytes of a process that may be hostile."""

from __future__ import annotations

import builtins
import json
import pickle
from typing import Any

from libcontainer.calls.inside import PICKLED, PLAIN, TRACEBACK_MOST, from_plain
from libcontainer.errors import CallError, RemoteError

_NOT_RAISED = (StopIteration, StopAsyncIteration)


def decode(message: bytes, *, trust: bool) -> Any:  # noqa: ANN401 - the function's
    """Return the value that a function has returned, or raise what it has raised.

    Args:
        message: what came out of the container.
        trust: whether that may be unpickled, which runs code of its choice here.

    Raises:
        CallError: it is no answer.
        Exception: what the function raised; a class that is not of the language
            comes as a `RemoteError` if not trusted.
    """
    form, body = message[:1], message[1:]
    if form == PICKLED and trust:
        return _unpickled(body)
    if form != PLAIN:
        message_text = "the answer is pickled, and is not trusted"
        raise CallError(message_text)
    try:
        kind, value = json.loads(body)
        if kind == "value":
            return from_plain(value)
        error = _exception(*value)
    except (ValueError, TypeError, KeyError, RecursionError) as problem:
        text = f"the answer cannot be read: {problem}"
        raise CallError(text) from problem
    raise error


def _unpickled(body: bytes) -> Any:  # noqa: ANN401
    try:
        ok, value = pickle.loads(body)  # noqa: S301 - the caller has asked for it
    except Exception as problem:
        text = f"the answer cannot be unpickled: {problem}"
        raise CallError(text) from problem
    if ok:
        return value
    raise value


def _exception(
    module: str,
    name: str,
    args: Any,  # noqa: ANN401 - plain values
    text: str,
    trace: str,
) -> Exception:
    told = (str(module), str(name), _shown(text), _shown(trace))
    kind = getattr(builtins, told[1], None) if module == "builtins" else None
    error: Exception | None = None
    if kind is not None and _is_exception(kind) and args is not None:
        try:
            error = kind(*from_plain(args))
        except (TypeError, ValueError):
            error = None
    if error is None:
        return RemoteError(*told)
    error.add_note(f"In the container:\n{told[3]}")
    return error


def _is_exception(kind: Any) -> bool:  # noqa: ANN401
    return (
        isinstance(kind, type)
        and issubclass(kind, Exception)
        and not issubclass(kind, _NOT_RAISED)
    )


def _shown(text: object) -> str:
    """Return foreign text without what a terminal would obey."""
    kept = str(text)[-TRACEBACK_MOST:]
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode()
        for c in kept
    )
