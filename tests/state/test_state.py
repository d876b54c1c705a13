# SPDX-License-Identifier: Apache-2.0
"""The state file: what is written is read, and nothing else is believed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libcontainer.errors import InvalidIdError, StateFileError
from libcontainer.state import (
    MAX_ID,
    SCHEMA,
    ProcessRecord,
    State,
    check_id,
    dump,
    parse,
)
from libcontainer.status import Status

RECORD = ProcessRecord(host_pid=7, start_time=8, boot_id="b")
STATE = State(
    id="box",
    created=1.5,
    owner_uid=0,
    creator=RECORD,
    status=Status.CREATED,
    init=RECORD,
    args=("sh", "-c", "é"),
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
RECORDS = st.builds(
    ProcessRecord,
    host_pid=st.integers(1, 2**22),
    start_time=st.integers(0, 2**63),
    boot_id=st.text(max_size=36),
)
STATES = st.builds(
    State,
    id=st.from_regex(r"[A-Za-z0-9_+][A-Za-z0-9_+.-]{0,20}", fullmatch=True),
    created=st.floats(0, 2**40),
    owner_uid=st.integers(0, 2**32 - 2),
    creator=RECORDS,
    status=st.sampled_from(Status),
    init=st.none() | RECORDS,
    monitor=st.none() | RECORDS,
    companions=st.lists(RECORDS, max_size=2).map(tuple),
    mount_namespace=st.none() | st.integers(1, 2**64 - 1),
    args=st.lists(st.text(max_size=8), max_size=3).map(tuple),
    bound=st.booleans(),
    unknown=st.dictionaries(
        st.text(max_size=5).map("x-{}".format), st.none() | st.text(), max_size=2
    ),
)


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(dump(STATE))
    return found


@settings(deadline=None)
@given(STATES)
def test_what_is_written_is_read(state: State) -> None:
    assert parse(dump(state)) == state


def test_keys_of_a_later_version_are_kept() -> None:
    data = json.dumps({**document(), "later": {"a": [1]}}).encode()
    state = parse(data)
    assert state.unknown == {"later": {"a": [1]}}
    assert json.loads(dump(state))["later"] == {"a": [1]}


def test_a_newer_schema_is_refused() -> None:
    data = json.dumps({**document(), "schema": SCHEMA + 1}).encode()
    with pytest.raises(StateFileError, match=f"schema {SCHEMA + 1} is newer"):
        parse(data)


def test_a_file_cut_at_any_byte_is_refused() -> None:
    data = dump(STATE)
    for size in range(len(data)):
        with pytest.raises(StateFileError):
            parse(data[:size])


@pytest.mark.parametrize("key", sorted(document()))
def test_a_missing_key_is_refused(key: str) -> None:
    short = document()
    del short[key]
    with pytest.raises(StateFileError):
        parse(json.dumps(short).encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_bytes_of_unknown_origin_are_refused_and_nothing_worse(data: bytes) -> None:
    with pytest.raises(StateFileError):
        parse(data)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(document())), JSON)
def test_a_value_of_any_type_is_read_or_refused(key: str, value: object) -> None:
    data = json.dumps({**document(), key: value}).encode()
    try:
        state = parse(data)
    except StateFileError:
        return
    assert isinstance(state.id, str)
    assert isinstance(state.owner_uid, int)
    assert isinstance(state.created, float | int)
    assert all(isinstance(arg, str) for arg in state.args)
    assert parse(dump(state)) == state


@pytest.mark.parametrize("value", [1, "yes", None, []])
def test_bound_is_true_or_false(value: object) -> None:
    with pytest.raises(StateFileError, match="bound"):
        parse(json.dumps({**document(), "bound": value}).encode())


@pytest.mark.parametrize("name", ["host_pid", "start_time"])
@pytest.mark.parametrize("value", [float("inf"), "7", None, True, [7]])
def test_a_process_is_known_by_numbers_only(name: str, value: object) -> None:
    creator = {**document()["creator"], name: value}
    with pytest.raises(StateFileError, match=name):
        parse(json.dumps({**document(), "creator": creator}).encode())


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(StateFileError):
        parse(b"[" * 200_000)


@pytest.mark.parametrize(
    "good", ["a", "A-z_0+9.x", "..a", "...", ".new-1", "+", "a" * MAX_ID]
)
def test_an_id_of_the_alphabet_is_allowed(good: str) -> None:
    assert check_id(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        *("", ".", "..", "-a", "a/b", "/", "a b", "a\n", "a\0", "é", "a,b", "~"),
        *("\u0663", "a" * 256, None, 7, b"a", ["a"]),
    ],
)
def test_any_other_id_is_refused(bad: object) -> None:
    with pytest.raises(InvalidIdError) as caught:
        check_id(bad)
    assert isinstance(caught.value, ValueError)
    (problem,) = caught.value.problems
    assert problem.path == "id"
    assert repr(bad) in problem.message
