# SPDX-License-Identifier: Apache-2.0
"""What a command loads in place of the standard library's modules does the same."""

from __future__ import annotations

import contextlib
import copy
import enum
import functools
import importlib
import json
import math
import re
import signal
import subprocess
import sys
import threading
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer
from libcontainer.commands import codecache
from libcontainer.commands.stand_ins import StandIn, stand_ins

ENUMERATIONS = """
import importlib, json, pkgutil, sys
if sys.argv[1] == "stand-ins":
    from libcontainer.commands import imports
    imports.install()
import libcontainer.bindings, libcontainer
names = [f"libcontainer.bindings.{m.name}"
         for m in pkgutil.iter_modules(libcontainer.bindings.__path__)]
names += ["libcontainer.status", "libcontainer.verdict",
          "libcontainer.config.mounts", "libcontainer.config.namespaces",
          "libcontainer.cgroups.hierarchy", "libcontainer.cgroups.watch",
          "libcontainer.events", "libcontainer.plan.steps"]
seen = {}
def attempt(function):
    try:
        return str(function())
    except Exception as error:
        return f"{type(error).__name__}: {error}"
for name in names:
    module = importlib.import_module(name)
    late = vars(module).get("__late__")
    for key, what in () if late is None else late.late.items():
        if type(what) is bytes:
            getattr(module, key)  # which makes it
    for cls in list(vars(module).values()):
        if not isinstance(cls, type) or not hasattr(cls, "__members__"):
            continue
        if not cls.__members__:
            continue
        one = next(iter(cls))
        seen[cls.__module__ + "." + cls.__qualname__] = found = [
            [[k, m.name, m.value, repr(m), str(m), f"{m}", m in cls, cls[k] is m,
              cls(m.value) is m, hash(m) == hash(m), isinstance(m, cls), bool(m)]
             for k, m in cls.__members__.items()],
            len(cls), [m.name for m in cls], attempt(lambda: cls("no such thing")),
            attempt(lambda: cls["none"]), json.dumps(one.value), one == cls(one.value),
            one.__class__ is cls, one in {one: 1}, type(one).__name__,
            [kind.__name__ for kind in cls.__mro__ if kind in (int, str)],
        ]
        if int in cls.__mro__ and type(one | one) is cls:
            every = list(cls)
            both = every[0] | every[-1]
            rest = [both, both & every[0], both ^ every[0], both & ~every[0],
                    every[0] | 0, 0 | every[0], cls(0), cls(int(both)),
                    every[0] & 0x40000000]
            found += [[repr(x), str(x), int(x), x.name, type(x).__name__] for x in rest]
            found += [every[0] in both, [m.name for m in both], both == int(both),
                      bool(cls(0)), int(~every[0]) & int(both)]
print(json.dumps(seen))
"""


def said(how: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", ENUMERATIONS, how],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_enumeration_is_the_same() -> None:
    usual, others = said("usual"), said("stand-ins")
    assert len(usual) > 25
    assert others == usual


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What stands in, by module."""
    nowhere = str(tmp_path_factory.mktemp("cache") / "none")
    return stand_ins(codecache.Cache(nowhere))


def test_a_name_that_is_not_there_is_the_modules_own(little: dict[str, Any]) -> None:
    assert little["enum"].auto is enum.auto
    assert little["typing"].get_type_hints is typing.get_type_hints
    assert little["contextlib"].ExitStack is contextlib.ExitStack
    assert little["json"].JSONDecodeError is json.JSONDecodeError
    assert little["signal"].Signals is signal.Signals
    assert little["math"].ceil is math.ceil
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = little["math"].nothing


def test_what_is_there_is_a_name_of_the_module(little: dict[str, Any]) -> None:
    for name, stand_in in little.items():
        if isinstance(stand_in, StandIn):
            real = importlib.import_module(name)
            names = stand_in._names
            ours = set(names() if callable(names) else names)
            assert all(getattr(stand_in, key) is not None for key in ours)
            assert {key for key in ours if not hasattr(real, key)} == set(), name


@pytest.mark.parametrize("which", ["usual", "ours"])
def test_context_managers(little: dict[str, Any], which: str) -> None:
    module = contextlib if which == "usual" else little["contextlib"]
    seen: list[object] = []

    @module.contextmanager  # type: ignore[untyped-decorator]
    def manager(kind: str) -> Iterator[str]:
        """Say so."""
        try:
            yield kind
        except KeyError as error:
            seen.append(error)
            if kind == "other":
                raise ValueError(kind) from error
            if kind == "again":
                raise
            if kind == "two":
                yield kind
        finally:
            seen.append("end")

    assert (manager.__name__, manager.__doc__) == ("manager", "Say so.")
    with manager("plain") as got:
        assert got == "plain"
    with manager("taken"):
        raise KeyError(1)
    with pytest.raises(ValueError, match="other"), manager("other"):
        raise KeyError(2)
    problem = KeyError(3)
    with pytest.raises(KeyError) as raised, manager("again"):
        raise problem
    assert raised.value is problem
    with pytest.raises(RuntimeError, match="didn't stop"), manager("two"):
        raise KeyError(4)
    with pytest.raises(OSError, match="5"), manager("plain"):
        raise OSError("5")
    with pytest.raises(StopIteration), manager("plain"):
        raise StopIteration
    assert seen.count("end") == 7

    @module.contextmanager
    def none() -> Iterator[None]:
        yield from ()

    with pytest.raises(RuntimeError, match="didn't yield"), none():
        pass
    with module.suppress(KeyError, OSError):
        raise FileNotFoundError
    with pytest.raises(ValueError, match="6"), module.suppress(KeyError):
        raise ValueError("6")
    with module.nullcontext(7) as seven:
        assert seven == 7


@pytest.mark.parametrize("which", ["usual", "ours"])
def test_named_tuples_and_protocols(little: dict[str, Any], which: str) -> None:
    module: Any = typing if which == "usual" else little["typing"]

    class Pair(module.NamedTuple):  # type: ignore[misc]
        """Two."""

        one: int
        two: str = "2"

        def both(self) -> str:
            return f"{self.one}{self.two}"

    assert (Pair(1), Pair(1, "2"), Pair(two="2", one=1)) == ((1, "2"),) * 3
    assert (Pair(1).one, Pair(1).two, Pair(1).both()) == (1, "2", "12")
    assert repr(Pair(1)).endswith("Pair(one=1, two='2')")
    assert (Pair._fields, Pair.__doc__, Pair.__match_args__) == (
        *(("one", "two"), "Two."),
        ("one", "two"),
    )
    assert Pair(1)._asdict() == {"one": 1, "two": "2"}
    changed = Pair(1)._replace(one=3)
    assert (type(changed), changed) == (Pair, (3, "2"))
    # Python 3.13 has the second.
    with pytest.raises((ValueError, TypeError), match="three"):
        Pair(1)._replace(three=3)
    for wrong in ({}, {"one": 1, "three": 3}):
        with pytest.raises(TypeError):
            Pair(**wrong)
    with pytest.raises(TypeError):
        Pair(1, "2", 3)

    @module.runtime_checkable
    class Closes(module.Protocol):  # type: ignore[misc]
        def close(self) -> None: ...

    assert isinstance(threading, Closes) is False
    with Path("/dev/null").open() as file:
        assert isinstance(file, Closes)
    kind = module.TypeVar("kind", bound=int)

    class Holder(module.Generic[kind]):  # type: ignore[misc]
        pass

    generic: Any = Holder
    assert isinstance(generic[int](), Holder)
    assert module.cast(int, "x") == "x"


@pytest.mark.parametrize("which", ["usual", "ours"])
def test_functions(little: dict[str, Any], which: str) -> None:
    module: Any = functools if which == "usual" else little["functools"]
    calls: list[int] = []

    @module.cache  # type: ignore[untyped-decorator]
    def double(number: int) -> int:
        """Twice."""
        calls.append(number)
        return 2 * number

    assert (double(2), double(2), calls, double.__doc__) == (4, 4, [2], "Twice.")
    double.cache_clear()
    assert (double(2), calls) == (4, [2, 2])
    assert module.lru_cache(maxsize=1)(abs)(-3) == 3
    assert module.partial(int, base=2)("11") == 3


def test_deep_copies_are_deep(little: dict[str, Any]) -> None:
    value = {"a": [1, {"b": None}], "c": 1.5, "d": (1, [2])}
    made = little["copy"].deepcopy(value)
    assert made == copy.deepcopy(value) == value
    made["a"][1]["b"] = made["d"][1].append(3) or 1
    assert value == {"a": [1, {"b": None}], "c": 1.5, "d": (1, [2])}


class Sample(enum.IntEnum):
    A = 1


VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        -1,
        10**30,
        1.5,
        float("inf"),
        "",
        'é\u2028\x00"\\/',
        [],
        {},
    ),
    *([[]], {"a": {}}, [1, [2, {"b": [3, "x"]}], {}], {"a": [1], "b": {"c": None}}),
    *(
        (1, 2),
        {1: 2, None: 3, False: 4},
        [1.25, {"z": 1, "a": 2}],
        Sample.A,
    ),
]
WISHES = [
    *({}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}),
    *({"ensure_ascii": False}, {"indent": 1, "ensure_ascii": False}),
    *({"sort_keys": False, "indent": 0}, {"indent": 2, "separators": (",", ":")}),
]


@pytest.mark.parametrize("wishes", WISHES, ids=str)
def test_json_is_written_alike(little: dict[str, Any], wishes: dict[str, Any]) -> None:
    for value in VALUES:
        expected = json.dumps(value, **wishes)
        assert little["json"].dumps(value, **wishes) == expected
        assert str(little["json"].loads(expected)) == str(json.loads(expected))
    for wrong in (object(), [object()], {"a": {1, 2}}):
        with pytest.raises(TypeError) as ours:
            little["json"].dumps(wrong, **wishes)
        with pytest.raises(TypeError) as usual:
            json.dumps(wrong, **wishes)
        assert str(ours.value) == str(usual.value)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "{", '{"a":}', '{"a" 1}', "[1,]", "nul", "1 2", '"\\x"', '"a\nb"'),
        *(' \n{"a": 1}\t', b'{"a": "\xc3\xa9"}', b"\xff\xfe1\x00", b"\xff", "\ufeff1"),
        *("[NaN, Infinity, -Infinity]", '"\\ud800"', "1e999", '{"a":1,"a":2}'),
    ],
)
def test_json_is_read_alike(little: dict[str, Any], text: str | bytes) -> None:
    def attempt(module: Any, **wishes: Any) -> str:
        try:
            return str(module.loads(text, **wishes))
        except ValueError as error:
            return f"{type(error).__name__} {error}"

    assert attempt(little["json"]) == attempt(json)
    wishes = {"object_pairs_hook": list, "parse_float": str, "parse_int": str}
    wishes["parse_constant"] = str
    assert attempt(little["json"], **wishes) == attempt(json, **wishes)


def test_json_is_refused_alike_by_a_command_that_has_not_loaded_it() -> None:
    script = """
import sys
from libcontainer.commands import jsons
for text in ("[1", "{", "[1,]", "1 2", "", "[nul]"):
    assert "json" not in sys.modules
    try:
        jsons.loads(text)
    except ValueError as error:
        assert type(error).__name__ == "JSONDecodeError", error
    else:
        raise SystemExit(text)
    for name in [name for name in sys.modules if name.startswith("json")]:
        del sys.modules[name]
"""
    subprocess.run([sys.executable, "-S", "-c", script], check=True, env=_env())


def _env() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(libcontainer.__path__[0]).parent)}


@pytest.mark.parametrize(
    ("pattern", "flags", "text"),
    [
        *(
            (r"(?P<a>x+)|(y)", 0, "xxy"),
            (rb"[0-9]{1,3}", 0, b"127"),
            (r"a.b", 16, "a\nb"),
        ),
        *((r"^é\w$", 2 | 8, "\nÉß"), ("", 0, ""), (r"(?i:K)(?=l)\B", 0, "kl")),
        (r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|(?P<open>[\[{])', 16, '["a{"{'),
    ],
)
def test_patterns_that_were_kept_match_alike(
    *,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pattern: str | bytes,
    flags: int,
    text: Any,
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    cache = codecache.Cache(str(tmp_path / "file"))
    cache.add_pattern(pattern, flags)
    cache.save()
    kept: Any = codecache.Cache(str(tmp_path / "file")).pattern(pattern, flags)
    usual: Any = re.compile(pattern, flags)
    assert kept == usual
    assert kept.groupindex == usual.groupindex

    def found(one: Any) -> list[object]:
        return [(m.span(), m.groups(), m.groupdict()) for m in one.finditer(text)]

    assert found(kept) == found(usual) != []
    assert kept.sub(text[:0], text) == usual.sub(text[:0], text)


def test_whoever_else_imports_gets_the_modules_themselves() -> None:
    script = """
import sys
from libcontainer.commands import imports
imports.install()
from libcontainer import status, errors
from libcontainer.config import model
import enum, typing, json, re, contextlib
assert not issubclass(status.Status, enum.Enum)
assert typing.get_type_hints and json.JSONDecoder and re.Scanner and enum.auto
assert contextlib.ExitStack and model.Protocol is not typing.Protocol
assert all(type(sys.modules[n]).__name__ == "module"
           for n in ("enum", "typing", "json", "re", "contextlib"))
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_modules_that_import_each_other_and_threads() -> None:
    script = """
import sys, threading
from libcontainer.commands import imports
imports.install()
seen = []
def load():
    from libcontainer.container import Container
    seen.append(Container.create if hasattr(Container, "create") else Container)
threads = [threading.Thread(target=load) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
assert len(set(map(id, seen))) == 1 and len(seen) == 8
import importlib
import libcontainer.status
assert importlib.reload(libcontainer.status).Status
try:
    importlib.import_module("libcontainer.nothing")
except ModuleNotFoundError as error:
    assert error.name == "libcontainer.nothing", error.name
else:
    raise SystemExit("found")
import inspect, libcontainer.container
assert "class Container" in inspect.getsource(libcontainer.container)
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_types(little: dict[str, Any]) -> None:
    assert little["types"].SimpleNamespace is types.SimpleNamespace
    assert little["types"].MappingProxyType is types.MappingProxyType
