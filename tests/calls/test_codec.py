# SPDX-License-Identifier: Apache-2.0
"""What goes into a container and what comes out, without a container."""

from __future__ import annotations

import functools
import json
import math
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import libcontainer as lc
from libcontainer.calls import inside
from libcontainer.calls.outcome import decode
from libcontainer.calls.sending import encode_call
from tests.plan.strategies import EXAMPLES

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
_KEYS = st.none() | st.booleans() | st.integers() | st.text() | st.binary()
PLAIN = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(_KEYS | st.tuples(_KEYS), inner)
        | st.sets(_KEYS)
        | st.frozensets(_KEYS)
    ),
)


def answered(
    function: Callable[..., Any], *args: Any, trusted: bool = False, **keywords: Any
) -> Any:
    """What a call comes to, both sides being here."""
    request = encode_call(function, args, keywords, sys.path)
    return decode(inside.answer(request, trusted=trusted), trust=trusted)


def kinds(value: Any) -> Any:
    """The types all the way down: 1, 1.0 and True are equal and not the same."""
    if isinstance(value, dict):
        return dict, [(kinds(key), kinds(item)) for key, item in value.items()]
    if isinstance(value, set | frozenset):
        return type(value), sorted(str(kinds(item)) for item in value)
    if isinstance(value, list | tuple):
        return type(value), [kinds(item) for item in value]
    return type(value)


@EXAMPLES
@given(PLAIN)
def test_plain_data_comes_out_as_it_was(value: Any) -> None:
    text = inside.to_json(inside.to_plain(value))
    assert json.loads(text) == inside.to_plain(value)
    same = inside.from_plain(json.loads(text))
    assert same == value
    assert kinds(same) == kinds(value)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_that_json_lacks_come_out_too(value: float) -> None:
    assert repr(answered(lambda: value)) == repr(value)


@pytest.mark.parametrize(
    "value", [object(), Path("/"), {1: object()}, int, print, threading.Lock, range(3)]
)
def test_what_is_not_plain_is_refused_unless_trusted(value: Any) -> None:
    with pytest.raises(TypeError, match="is no plain value"):
        inside.to_plain(value)


def test_a_value_that_holds_itself_is_an_error() -> None:
    def loop() -> list[Any]:
        found: list[Any] = []
        found.append(found)
        return found

    with pytest.raises((TypeError, RecursionError)):
        answered(loop)


@EXAMPLES
@given(st.binary(max_size=300))
def test_an_answer_of_junk_is_an_error_and_nothing_else(junk: bytes) -> None:
    for message in (junk, inside.PLAIN + junk, inside.PICKLED + junk):
        with pytest.raises(lc.CallError):
            decode(message, trust=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "7",
        "[]",
        '["value"]',
        '["value", {"nope": 1}]',
        '["value", {"tuple": 1}]',
        '["value", {"set": [[]]}]',
        '["value", {"set": [{"dict": []}]}]',
        '["value", {"bytes": "zz"}]',
        '["value", {"complex": [1, "x"]}]',
        '["value", {"a": 1, "b": 2}]',
        '["value", {}]',
        '["value", ' + "[" * 100000 + "]" * 100000 + "]",
        '["value", ' + "9" * 5000 + "]",
        '["error", 1]',
        '["error", ["builtins"]]',
        '["error", []]',
    ],
)
def test_an_answer_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(lc.CallError):
        decode(inside.PLAIN + text.encode(), trust=False)


class Trap:
    """Pickled, it runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("import sys; sys.was_trapped = True",)


def test_a_pickle_that_was_not_asked_for_is_not_read() -> None:
    message = inside.PICKLED + pickle.dumps((True, Trap()))
    with pytest.raises(lc.CallError, match="is not trusted"):
        decode(message, trust=False)
    assert not hasattr(sys, "was_trapped")


@pytest.mark.parametrize(
    "name",
    [
        "print",
        "exec",
        "SystemExit",
        "KeyboardInterrupt",
        "GeneratorExit",
        "BaseException",
        "StopIteration",
        "int",
        "__import__",
        "nope",
    ],
)
def test_only_exceptions_of_the_language_are_made_of_a_name(name: str) -> None:
    told = ["error", ["builtins", name, ["x"], "text", "trace"]]
    with pytest.raises(lc.RemoteError) as caught:
        decode(inside.PLAIN + json.dumps(told).encode(), trust=False)
    assert (caught.value.name, caught.value.message) == (name, "text")


def test_foreign_text_cannot_speak_to_a_terminal() -> None:
    told = ["error", ["m", "N", None, "\x1b]0;title\x07", "\x1b[2J\u202eline\n"]]
    with pytest.raises(lc.RemoteError) as caught:
        decode(inside.PLAIN + json.dumps(told).encode(), trust=False)
    assert caught.value.message == r"\x1b]0;title\x07"
    assert str(caught.value).endswith("\\x1b[2J\\u202eline\n")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a", 1),
        KeyError("k"),
        FileNotFoundError(2, "No such file", "/x"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ZeroDivisionError(),
    ],
)
def test_an_exception_of_the_language_is_raised_as_itself(error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        answered(fail)
    assert caught.value.args == error.args
    assert "in fail" in caught.value.__notes__[0]


class OwnError(Exception):
    """Of this module."""


def test_any_other_exception_is_told() -> None:
    def fail() -> None:
        raise OwnError("reason")

    with pytest.raises(lc.RemoteError, match="reason") as caught:
        answered(fail)
    assert (caught.value.module, caught.value.name) == (__name__, "OwnError")
    assert "in fail" in caught.value.trace
    with pytest.raises(OwnError, match="reason"):
        answered(fail, trusted=True)
    assert pickle.loads(pickle.dumps(caught.value)).trace == caught.value.trace


def test_trust_brings_any_object() -> None:
    assert answered(Path, "/a", trusted=True) == Path("/a")
    with pytest.raises(TypeError, match="is no plain value"):
        answered(Path, "/a")


# -- functions

BASE = 7


def by_name(value: int) -> int:
    return value + BASE


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def other(*args: Any) -> Any:
        message = "the wrapper is not for the container"
        raise AssertionError(message)

    return other


@decorated
def wrapped(value: int) -> int:
    return value * 2


def test_functions_go_by_name_where_they_have_one() -> None:
    assert answered(by_name, 1) == 8
    assert answered(wrapped.__wrapped__, 4) == 8  # type: ignore[attr-defined]
    assert answered(len, "four") == 4
    assert answered("a-b".split, "-") == ["a", "b"]
    assert answered(functools.partial(by_name, 3)) == 10


def test_lambdas_and_inner_functions_go_by_value() -> None:
    offset = 30

    def even(n: int) -> bool:
        return n == 0 or odd(n - 1)

    def odd(n: int) -> bool:
        return n != 0 and even(n - 1)

    def inner(value: int, *, more: int = 2) -> Any:
        return [by_name(value), offset, more, math.floor(2.5), even(10), OFTEN]

    assert answered(inner, 1) == [8, 30, 2, 2, True, {"a": 1}]
    assert answered(lambda x: x + offset, 1) == 31


OFTEN = {"a": 1}


def test_a_coroutine_function_is_run_to_its_end() -> None:
    async def soon(value: int) -> int:
        return value + 1

    # In a process of its own, as here a loop may be running.
    assert answered(soon, 1) == 2


@pytest.mark.parametrize(
    ("value", "words"),
    [(threading.Lock(), "lock"), (open, None), (iter([]), None)],
)
def test_what_cannot_be_sent_is_told_before_anything_is_done(
    value: Any, words: str | None
) -> None:
    if words is None:
        assert encode_call(repr, (value,), {}, ())
        return
    with pytest.raises(TypeError, match=f"cannot send the call.*{words}"):
        encode_call(repr, (value,), {}, ())

    def holds() -> Any:
        return value

    with pytest.raises(TypeError, match=r"cannot send what .*holds\(\) holds"):
        encode_call(holds, (), {}, ())


def test_a_function_of_a_script_goes_with_what_it_names() -> None:
    script = """
import sys
from libcontainer.calls import inside
from libcontainer.calls.outcome import decode
from libcontainer.calls.sending import encode_call
import math as m
BASE = 5
def count(n): return BASE if n == 0 else 1 + count(n - 1)
def main(n): return [count(n), m.ceil(1.5), unset() if n > 100 else None]
class Own: pass
request = encode_call(main, (3,), {}, sys.path)
BASE = 0
print(decode(inside.answer(request, trusted=False), trust=False))
try:
    encode_call(main, (Own(),), {}, ())
except TypeError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.stdout.splitlines()) == (
        "",
        [
            "[8, 2, None]",
            "cannot send the call into a container:"
            " class Own is of __main__: put it into a module",
        ],
    )
