# SPDX-License-Identifier: Apache-2.0
"""The names that a program may rely on.

``UPDATE_GOLDEN=1`` writes ``public_api.txt`` anew; a line that vanishes from it
breaks somebody's program.
"""

from __future__ import annotations

import copy
import enum
import importlib
import inspect
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given

import libcontainer
from libcontainer import Config, Factory, Overlay
from libcontainer.config import config_from_json, config_to_json
from tests.plan.strategies import EXAMPLES, configs

GOLDEN = Path(__file__).with_name("public_api.txt")
CLASSES = [
    value
    for name in libcontainer.__all__
    if inspect.isclass(value := getattr(libcontainer, name))
]


def api_lines() -> Iterator[str]:
    """Yield a line for each public name, attribute and method."""
    for name in sorted(libcontainer.__all__):
        value = getattr(libcontainer, name)
        if inspect.isclass(value):
            bases = [b.__name__ for b in value.__bases__ if b is not object]
            yield f"class {name}({', '.join(bases)})"
            yield from (f"    {line}" for line in class_lines(value))
        elif callable(value):
            yield f"def {name}({parameters(value)})"
        else:
            yield name


def own(kind: type[Any]) -> dict[str, Any]:
    """Return what a class has, and what it has from parts without a public name."""
    found: dict[str, Any] = {}
    for part in reversed(kind.__mro__):
        is_ours = part.__module__.startswith("libcontainer.")
        if part is kind or (is_ours and part not in CLASSES):
            found |= vars(part)
    return found


def class_lines(kind: type[Any]) -> list[str]:
    """Return a line for each public attribute that a class itself defines."""
    found = []
    if issubclass(kind, enum.Enum):
        return [f"{item.name} = {item.value!r}" for item in kind] + extras(kind)
    if "__init__" in own(kind):
        found.append(f"({parameters(own(kind)['__init__'])})")
    annotated = [n for n in inspect.get_annotations(kind) if not n.startswith("_")]
    names = {n for n in own(kind) if not n.startswith("_")} - set(annotated)
    if not attrs.has(kind):
        found += annotated
    return found + [describe(kind, name) for name in sorted(names)]


def extras(kind: type[enum.Enum]) -> list[str]:
    """Return a line for each property of an enum."""
    names = sorted(n for n, v in vars(kind).items() if isinstance(v, property))
    return [describe(kind, name) for name in names if not name.startswith("_")]


def describe(kind: type[Any], name: str) -> str:
    value = own(kind)[name]
    if isinstance(value, staticmethod | classmethod):
        return f"@{type(value).__name__} {name}({parameters(value.__func__)})"
    if inspect.isfunction(value):
        return f"{name}({parameters(value)})"
    return name


def parameters(function: Any) -> str:
    """Return the parameters as they are called: names, kinds, who is optional."""
    words, is_keyword_only = [], False
    for item in inspect.signature(function).parameters.values():
        if item.kind is item.KEYWORD_ONLY and not is_keyword_only:
            is_keyword_only = True
            words.append("*")
        word = {item.VAR_POSITIONAL: "*", item.VAR_KEYWORD: "**"}.get(item.kind, "")
        optional = "=..." if item.default is not item.empty else ""
        words.append(f"{word}{item.name}{optional}")
    return ", ".join(words)


def test_the_public_names_are_those_that_were_promised() -> None:
    text = "\n".join(api_lines()) + "\n"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_every_name_is_there_and_only_once() -> None:
    assert len(set(libcontainer.__all__)) == len(libcontainer.__all__)
    assert dir(libcontainer) == sorted(libcontainer.__all__)
    for name in libcontainer.__all__:
        assert getattr(libcontainer, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'libcontainer' has no attribute 'nope'"):
        libcontainer.nope  # noqa: B018


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    code = (
        "import sys, libcontainer;"
        "print(*sorted(n for n in sys.modules if n.startswith('libcontainer.')))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["libcontainer._version"]


def test_the_lazy_names_and_the_typed_names_are_the_same() -> None:
    source = Path(libcontainer.__file__).read_text()
    block = source.split("if TYPE_CHECKING:")[1].split("\nKIB")[0]
    typed = {w.strip(" ,()") for w in block.replace("import", ",").split(",")}
    lazy = {name for names in libcontainer._HOMES.values() for name in names}
    own = {"GIB", "KIB", "MIB", "__version__"}
    assert lazy | own == set(libcontainer.__all__)
    for home, names in libcontainer._HOMES.items():
        module = importlib.import_module(f"libcontainer.{home}")
        assert all(hasattr(module, name) for name in names)
        assert all(any(name in word.split() for word in typed) for name in names)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_public_object_is_documented(kind: type[Any]) -> None:
    assert kind.__doc__
    for name, value in own(kind).items():
        if name.startswith("_") or isinstance(value, enum.Enum):
            continue
        target = getattr(value, "__func__", value)
        if inspect.isfunction(target) or isinstance(target, property):
            assert inspect.getdoc(target), name


@pytest.mark.parametrize(
    "kind", [k for k in CLASSES if attrs.has(k)], ids=lambda kind: kind.__name__
)
def test_every_field_is_documented(kind: type[Any]) -> None:
    # What a class has from another is documented there.
    families = [k for k in kind.__mro__ if attrs.has(k)]
    source = "".join(inspect.getsource(k) for k in families)
    doc = kind.__doc__ or ""
    for field in attrs.fields(kind):
        after = source.partition(f"\n    {field.name}: ")[2].partition('"""')
        own = after[1] and "\n    def " not in after[0] and ":\n" not in after[0][-3:]
        assert own or f"{field.name}:" in doc, field.name


@EXAMPLES
@given(configs())
def test_a_configuration_outlives_copy_pickle_and_json(config: Config) -> None:
    for same in (
        copy.copy(config),
        copy.deepcopy(config),
        pickle.loads(pickle.dumps(config)),
        config_from_json(json.loads(json.dumps(config_to_json(config)))),
    ):
        assert same == config
        assert hash(same) == hash(config)


def test_a_pickled_configuration_may_be_read_by_another_process() -> None:
    # Hashes of texts differ from process to process, and must not travel.
    config = Config(hostname="box", rootfs=Overlay("/a"))
    hash(config)
    code = (
        "import pickle, sys; from libcontainer import Config, Overlay;"
        "config = pickle.load(sys.stdin.buffer);"
        "fresh = Config(hostname='box', rootfs=Overlay('/a'));"
        "assert {config: 1}[fresh] == 1"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps(config),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "error",
    [
        libcontainer.ConfigError([libcontainer.Problem("a", "b")]),
        libcontainer.StateError("box", "running", "start"),
        libcontainer.StepError(2, "open '/x'", index=3, total=9, hint="look"),
        libcontainer.ProgramNotFoundError(2, "find the program 'x'"),
        libcontainer.UnsupportedError("a", "b"),
        libcontainer.ContainerNotFoundError("box"),
        libcontainer.ContainerExistsError("box"),
        libcontainer.UserLookupError("no user"),
        libcontainer.TimeoutExpired(["x"], 1.5, b"out", b"err"),
        libcontainer.CalledProcessError(3, ["x"], b"out", b"err"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_outlives_pickle(error: libcontainer.LibcontainerError) -> None:
    same = pickle.loads(pickle.dumps(error))
    assert type(same) is type(error)
    assert (str(same), vars(same)) == (str(error), vars(error))


def test_what_owns_a_process_or_a_lock_cannot_be_pickled(tmp_path: Path) -> None:
    with Factory(tmp_path) as factory:
        container = factory.create("box", Config())
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(container)
        container.delete()
