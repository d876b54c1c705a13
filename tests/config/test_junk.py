# SPDX-License-Identifier: Apache-2.0
"""Any value in any field is a list of problems, never another exception."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libcontainer.config import (
    Capabilities,
    Config,
    Device,
    Directory,
    IdMapping,
    Mount,
    MountAttr,
    Overlay,
    Propagation,
    Rlimit,
)
from libcontainer.config.container_json import (
    config_from_container_json,
    parse_container_json,
    to_container_json,
)
from libcontainer.config.container_schema import CONTAINER, Schema
from libcontainer.config.memory import MemoryPolicy, Personality
from libcontainer.config.scheduling import CpuAffinity, IoPriority, Scheduler
from libcontainer.errors import ConfigError, Problem
from libcontainer.process import Process
from libcontainer.validate import validate

WORDS = st.sampled_from(
    ["mount", "user", "/", "/dev", "/proc", "bind", "tmpfs", "c", "0", "0:0", "KILL"]
)
ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**4000)
    | st.floats()
    | st.text()
    | st.text(st.characters())
    | st.binary(max_size=8)
    | WORDS
)
JUNK = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.integers(), inner, max_size=4)
    ),
    max_leaves=8,
)

CLASSES: list[type[Any]] = [
    Capabilities,
    CpuAffinity,
    Device,
    Directory,
    IdMapping,
    IoPriority,
    MemoryPolicy,
    Mount,
    Overlay,
    Personality,
    Rlimit,
    Scheduler,
]


def objects(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Objects of a class of ours with junk in each field."""
    fields = {field.name: JUNK for field in attrs.fields(kind)}
    return st.fixed_dictionaries(fields).map(lambda values: kind(**values))


ANY = (
    JUNK
    | st.one_of([objects(kind) for kind in CLASSES])
    | st.sampled_from([*MountAttr, *Propagation])
)
VALUES = ANY | st.lists(ANY, max_size=4)


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(Config)])
@settings(max_examples=40, deadline=None)
@given(value=VALUES)
def test_junk_in_a_field_of_a_config_never_raises(name: str, value: object) -> None:
    fields: dict[str, Any] = {name: value}
    assert all(isinstance(p, Problem) for p in validate(Config(**fields)))


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(Process)])
@settings(max_examples=40, deadline=None)
@given(value=VALUES)
def test_junk_in_a_field_of_a_process_never_raises(name: str, value: object) -> None:
    fields: dict[str, Any] = {"args": ["ls"], name: value}
    problems = validate(Config(), Process(**fields))
    assert all(isinstance(problem, Problem) for problem in problems)


@settings(max_examples=200, deadline=None)
@given(
    values=st.fixed_dictionaries(
        {}, optional={field.name: VALUES for field in attrs.fields(Config)}
    )
)
def test_junk_in_several_fields_never_raises(values: dict[str, Any]) -> None:
    problems = validate(Config(**values), Process(["ls"]))
    assert all(str(problem) for problem in problems)


def documents(schema: Schema) -> st.SearchStrategy[Any]:
    """Documents with the known keys, and junk or the right form below them."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        key: JUNK if below is None else JUNK | documents(below) | lists(below)
        for key, below in schema.items()
    }
    return st.fixed_dictionaries({}, optional=fields)


def lists(schema: Schema) -> st.SearchStrategy[Any]:
    """Lists of such documents."""
    return st.lists(documents(schema), max_size=2)


@settings(max_examples=300, deadline=None)
@given(document=documents(CONTAINER))
def test_junk_in_a_container_json_is_read_or_refused(document: dict[str, Any]) -> None:
    try:
        config = config_from_container_json(document, "/srv").config
    except ConfigError:
        return
    assert all(isinstance(problem, Problem) for problem in validate(config))


@settings(max_examples=300, deadline=None)
@given(data=st.binary() | st.text().map(str.encode))
def test_junk_as_a_file_is_parsed_or_refused(data: bytes) -> None:
    try:
        document = parse_container_json(data)
    except ConfigError:
        return
    assert to_container_json(document)
