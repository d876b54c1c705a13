# SPDX-License-Identifier: Apache-2.0
"""The file with the code of all modules: made, used, and never used when it is old."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import libcontainer

SCRIPT = """
import sys
from libcontainer.commands import codecache
finder = codecache.install()
import libcontainer.commands.sample as sample
print(type(sample.__spec__.loader).__name__, sample.REST)
finder.save()
"""


def run(tree: Path, **changes: str) -> str:
    """Run the script with the package of *tree*; return what it printed."""
    unwanted = {"PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"}
    environment = {k: v for k, v in os.environ.items() if k not in unwanted}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**environment, "PYTHONPATH": str(tree), **changes},
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def copy(tmp_path: Path) -> Path:
    """Return a tree with a copy of what the script needs of the package."""
    source, target = Path(libcontainer.__path__[0]), tmp_path / "libcontainer"
    (target / "commands").mkdir(parents=True)
    (target / "__init__.py").touch()
    for name in ("__init__.py", "codecache.py"):
        shutil.copy(source / "commands" / name, target / "commands" / name)
    (target / "commands" / "sample.py").write_text('REST = "..."')
    return tmp_path


def cache_of(tree: Path) -> list[Path]:
    return list((tree / "libcontainer/commands/__pycache__").glob("commands.*"))


def test_the_second_command_finds_what_the_first_has_loaded(tmp_path: Path) -> None:
    tree = copy(tmp_path)
    assert run(tree) == "SourceFileLoader ..."
    assert len(cache_of(tree)) == 1
    assert run(tree) == "Finder ..."


def test_a_source_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    tree = copy(tmp_path)
    run(tree)
    (tree / "libcontainer/commands/sample.py").write_text('REST = "other"')
    assert run(tree) == "SourceFileLoader other"
    assert run(tree) == "Finder other"


def test_a_file_that_is_cut_or_foreign_is_passed_over(tmp_path: Path) -> None:
    tree = copy(tmp_path)
    run(tree)
    (cache,) = cache_of(tree)
    whole = cache.read_bytes()
    for content in (b"", whole[:40], b"x" * 100, whole[:16] + b"x" * 64):
        cache.write_bytes(content)
        assert run(tree) == "SourceFileLoader ..."
    assert run(tree) == "Finder ..."


def test_who_wants_no_such_files_gets_none(tmp_path: Path) -> None:
    tree = copy(tmp_path)
    assert run(tree, PYTHONDONTWRITEBYTECODE="1") == "SourceFileLoader ..."
    assert cache_of(tree) == []
    prefix = tmp_path / "elsewhere"
    run(tree, PYTHONPYCACHEPREFIX=str(prefix))
    assert cache_of(tree) == []
    assert list(prefix.rglob("commands.*"))
