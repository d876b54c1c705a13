# SPDX-License-Identifier: Apache-2.0
"""The file with the code of all modules: made, used, and never used when it is old."""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
from pathlib import Path

import libcontainer

SCRIPT = """
import sys
from libcontainer.commands import imports
importer = imports.install()
known = importer._cache.is_known("libcontainer.commands.sample")
import libcontainer.commands.sample as sample
print("kept" if known else "read", sample.REST, sample.PATTERN.fullmatch("xay")["one"])
print("re" in sys.modules, sample.__spec__.origin == sample.__file__, sample.which())
importer.save()
"""

SAMPLE = """
import re
import typing
PATTERN = re.compile("x(?P<one>[a-z]|[0-9]{2})Y", re.IGNORECASE)
REST = "..."
def which():
    return typing.TYPE_CHECKING, typing.__name__ in vars(__import__("sys"))["modules"]
"""


def run(tree: Path, **changes: str) -> list[str]:
    """Run the script with the package of *tree*; return what it printed."""
    unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    done = subprocess.run(
        [sys.executable, "-S", "-c", SCRIPT],
        env={**environment, "PYTHONPATH": str(tree), **changes},
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def first(tree: Path, **changes: str) -> str:
    return run(tree, **changes)[0]


def copy(tmp_path: Path) -> Path:
    """Return a tree with a copy of what the script needs of the package."""
    source, target = Path(libcontainer.__path__[0]), tmp_path / "libcontainer"
    target.mkdir(parents=True)
    shutil.copytree(source / "commands", target / "commands")
    shutil.rmtree(target / "commands" / "__pycache__", ignore_errors=True)
    (target / "__init__.py").touch()
    (target / "commands" / "sample.py").write_text(SAMPLE)
    return tmp_path


def cache_of(tree: Path) -> list[Path]:
    return list((tree / "libcontainer/commands/__pycache__").glob("commands.*"))


def test_the_second_command_finds_what_the_first_has_loaded(tmp_path: Path) -> None:
    tree = copy(tmp_path)
    assert run(tree) == ["read ... a", "True True (False, False)"]
    assert len(cache_of(tree)) == 1
    # Not even what compiles regular expressions is loaded any more.
    assert run(tree) == ["kept ... a", "False True (False, False)"]


def test_a_source_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    tree = copy(tmp_path)
    run(tree)
    text = SAMPLE.replace("...", "other")
    (tree / "libcontainer/commands/sample.py").write_text(text)
    assert first(tree) == "read other a"
    assert first(tree) == "kept other a"


def test_a_file_that_is_cut_or_foreign_is_passed_over(tmp_path: Path) -> None:
    tree = copy(tmp_path)
    run(tree)
    (cache,) = cache_of(tree)
    whole = cache.read_bytes()
    other = marshal.dumps({"libcontainer": 1})
    older = whole[:4] + len(other).to_bytes(12, "little") + other
    broken = (b"", whole[:40], b"x" * 100, whole[:16] + b"x" * 64, whole[:-9], older)
    for content in broken:
        cache.write_bytes(content)
        assert first(tree) == "read ... a"
    assert first(tree) == "kept ... a"


def test_a_tree_that_was_moved_is_another(tmp_path: Path) -> None:
    tree = copy(tmp_path / "one")
    run(tree)
    other = tmp_path / "other"
    shutil.copytree(tree, other)
    sample = other / "libcontainer/commands/sample.py"
    assert first(other) == "kept ... a"
    sample.write_text(SAMPLE.replace("...", "moved"))
    assert first(other) == "read moved a"
    assert first(tree) == "kept ... a"


def test_who_may_not_write_there_goes_without(tmp_path: Path) -> None:
    tree = copy(tmp_path)
    (tree / "libcontainer/commands/__pycache__").write_text("no folder")
    assert first(tree) == "read ... a"
    assert first(tree) == "read ... a"


def test_who_wants_no_such_files_gets_none(tmp_path: Path) -> None:
    tree = copy(tmp_path)
    assert first(tree, PYTHONDONTWRITEBYTECODE="1") == "read ... a"
    assert cache_of(tree) == []
    prefix = tmp_path / "elsewhere"
    run(tree, PYTHONPYCACHEPREFIX=str(prefix))
    assert cache_of(tree) == []
    assert list(prefix.rglob("commands.*"))
