# SPDX-License-Identifier: Apache-2.0
"""What a command has done is done at once by the next, and only if nothing changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.test_codecache import cache_of, copy

SCRIPT = """
import sys
from libcontainer.commands import imports
importer = imports.install(["--root", "/nowhere", *sys.argv[1:]])
at_once = [name for name in ("First", "second", "COUNT")
           if name in vars(sys.modules.get("libcontainer.sample", sys.implementation))]
print("at once:", *at_once)
from libcontainer import sample
for word in sys.argv[2:]:
    print(sample.do(word))
importer.save(sys.argv[1])
"""

SAMPLE = """
from libcontainer.other import Base, number
COUNT = [print("counted")] * 2
class First(Base):
    def use(self): return number() + len(COUNT)
def second(): return "second " + str(First().use())
def do(word): return First().use() if word == "first" else second()
print(isinstance(First(), Base))
"""

OTHER = """
class Base: ...
def number(): return 40
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a tree with two modules besides those of the commands."""
    tree = copy(tmp_path)
    (tree / "libcontainer" / "sample.py").write_text(SAMPLE)
    (tree / "libcontainer" / "other.py").write_text(OTHER)
    return tree


def run(tree: Path, *words: str, **changes: str) -> list[str]:
    unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    done = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT, *words],
        env={**environment, "PYTHONPATH": str(tree), **changes},
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_the_next_command_of_the_name_does_it_at_once(tree: Path) -> None:
    first = run(tree, "one", "first")  # keeps the code
    assert first == ["at once:", "counted", "True", "42"]
    # As the code is loaded piece by piece, nothing is counted before it is asked for.
    assert run(tree, "one", "first") == ["at once:", "True", "counted", "42"]
    again = ["True", "counted", "at once: First COUNT", "42"]
    assert run(tree, "one", "first") == again
    assert run(tree, "one", "first") == again
    # Of another name it is another's.
    assert run(tree, "two", "first") == ["at once:", "True", "counted", "42"]
    assert run(tree, "other", "first")[0] == "at once:"


def test_what_it_does_besides_is_done_too(tree: Path) -> None:
    for _ in range(2):
        run(tree, "one", "first")
    assert run(tree, "one", "first", "second")[2:] == [
        *("at once: First COUNT", "42", "second 42")
    ]
    (kept,) = [path for path in cache_of(tree) if path.suffix == ".one"]
    before = kept.stat().st_mtime_ns
    assert run(tree, "one", "second")[-1] == "second 42"
    assert kept.stat().st_mtime_ns == before


def test_a_command_that_did_little_is_no_measure_for_the_next(tree: Path) -> None:
    many = "".join(f"def f{n}(): return {n}\n" for n in range(200))
    every = "sum(globals()['__getattr__'](f'f{n}')() for n in range(200))"
    source = tree / "libcontainer" / "sample.py"
    source.write_text(f"{many}def do(word): return {every} if word == 'all' else 0\n")
    for _ in range(2):
        run(tree, "one", "none")
    (kept,) = [path for path in cache_of(tree) if path.suffix == ".one"]
    small = kept.stat().st_size
    assert run(tree, "one", "all")[-1] == "19900"
    large = kept.stat().st_size
    assert large > small
    assert run(tree, "one", "none")[-1] == "0"
    assert kept.stat().st_size == large


@pytest.mark.parametrize("name", ["sample", "other", "commands/rewrite"])
def test_a_source_that_has_changed_is_done_anew(tree: Path, name: str) -> None:
    for _ in range(3):
        run(tree, "one", "first")
    source = tree / "libcontainer" / f"{name}.py"
    source.write_text(source.read_text().replace("return 40", "return 50") + "\n")
    said = run(tree, "one", "first")
    assert said[0] == "at once:"
    assert said[-1] == ("52" if name == "other" else "42")
    for _ in range(2):
        said = run(tree, "one", "first")
    assert "at once: First COUNT" in said


@pytest.mark.parametrize("spoil", ["cut", "foreign", "empty", "another's"])
def test_a_file_that_is_no_good_is_passed_over(tree: Path, spoil: str) -> None:
    for _ in range(3):
        run(tree, "one", "first")
    (file,) = [path for path in cache_of(tree) if path.suffix == ".one"]
    data = file.read_bytes()
    bad = {
        "cut": data[: len(data) // 2],
        "foreign": b"\0" * len(data),
        "empty": b"",
        "another's": b"\0\0\0\0" + data[4:],
    }
    file.write_bytes(bad[spoil])
    assert run(tree, "one", "first") == ["at once:", "True", "counted", "42"]
    assert "at once: First COUNT" in run(tree, "one", "first")


def test_a_module_that_its_package_hides_stays_hidden(tree: Path) -> None:
    package = tree / "libcontainer" / "pack"
    package.mkdir()
    (package / "told.py").write_text("def told(): return 'told'\nNUMBER = int('3')\n")
    (package / "__init__.py").write_text(
        "def __getattr__(name):\n"
        "    if name != 'told': raise AttributeError(name)\n"
        "    from importlib import import_module\n"
        "    found = getattr(import_module('libcontainer.pack.told'), name)\n"
        "    globals()[name] = found\n"
        "    return found\n"
    )
    (tree / "libcontainer" / "sample.py").write_text(
        "from libcontainer.pack import told\n"
        "def do(word): return told() + str(number())\n"
        "def number():\n"
        "    from libcontainer.pack.told import NUMBER\n"
        "    return NUMBER\n"
    )
    for _ in range(4):
        assert run(tree, "one", "first")[-1] == "told3"


def test_a_step_that_fails_is_told_to_who_needs_it(tree: Path) -> None:
    source = tree / "libcontainer" / "sample.py"
    source.write_text(
        "import os\n"
        "VALUE = int(os.environ['VALUE'])\n"
        "def do(word): return VALUE if word == 'value' else 'none'\n"
    )
    for _ in range(3):
        run(tree, "one", "value", VALUE="7")
    assert run(tree, "one", "no", VALUE="x")[-1] == "none"
    with pytest.raises(AssertionError, match="invalid literal"):
        run(tree, "one", "value", VALUE="x")


def test_who_wants_no_such_files_gets_none(tree: Path) -> None:
    for _ in range(3):
        run(tree, "one", "first", PYTHONDONTWRITEBYTECODE="1")
    assert cache_of(tree) == []
