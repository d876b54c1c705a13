# SPDX-License-Identifier: Apache-2.0
"""Who may import what, where import-linter cannot see it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "libcontainer"

# Each costs more to import than a launch takes.
HEAVY = (
    "attr",
    "attrs",
    "pyroute2",
    "asyncio",
    "jeepney",
    "cffi",
    "_cffi_backend",
    "cgroupspy",
)


def imported_names(path: Path) -> Iterator[str]:
    """Full names of what a file imports, ``from a import b`` as ``a.b``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = path.relative_to(PACKAGE.parent).parts[: -node.level]
                base = ".".join((*package, base)).rstrip(".")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def importers(name: str) -> set[str]:
    """Files of the package that import *name* or something below it."""
    return {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(
            imported == name or imported.startswith(f"{name}.")
            for imported in imported_names(path)
        )
    }


def test_only_the_bindings_import_the_native_module() -> None:
    files = importers("libcontainer._native")
    assert {file for file in files if not file.startswith("bindings/")} == set()


@pytest.mark.parametrize("name", ["pyroute2", "cgroupspy"])
def test_at_most_one_file_imports(name: str) -> None:
    assert len(importers(name)) <= 1


def modules_after(statement: str) -> set[str]:
    """Names of the modules that a fresh interpreter has after *statement*."""
    script = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_import_of_the_package_loads_nothing_heavy() -> None:
    added = modules_after("import libcontainer") - modules_after("pass")
    heavy = {name for name in added if name.partition(".")[0] in HEAVY}
    assert heavy == set(), f"import libcontainer loads {sorted(added)}"


def test_a_run_loads_nothing_that_it_does_not_need() -> None:
    loaded = modules_after("import libcontainer as lc; lc.run; lc.Factory; lc.Popen")
    rare = {"asyncio", "jeepney", "pyroute2", "cgroupspy", "multiprocessing", "pytest"}
    assert {name.partition(".")[0] for name in loaded} & rare == set()
    ours = {name for name in loaded if name.startswith("libcontainer.")}
    for part in ("pool", "containing", "executor", "checks", "asyncrun", "events"):
        assert f"libcontainer.{part}" not in ours


def test_every_file_says_its_licence_first() -> None:
    paths = [
        path
        for folder in ("src", "tests", "docs", "examples", "benchmarks")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".c", ".h"}
    ]
    bare = [
        str(path.relative_to(ROOT))
        for path in paths
        if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:120]
    ]
    assert paths
    assert bare == []


def test_of_pyroute2_only_the_formats_are_loaded() -> None:
    load = "from libcontainer.network._forms import form; form('ifinfmsg')"
    added = modules_after(load) - modules_after("pass")
    assert "pyroute2.netlink.rtnl.ifinfmsg" in added
    assert {"asyncio", "pyroute2.ndb", "pyroute2.iproute"} & added == set()


def test_another_user_of_pyroute2_finds_all_of_it() -> None:
    script = (
        "from libcontainer.network._forms import form; ours = form('ifinfmsg')\n"
        "import pyroute2; from pyroute2 import IPRoute, netlink\n"
        "assert pyroute2.__version__ and pyroute2.netlink is netlink\n"
        "assert netlink.rtnl.ifinfmsg.ifinfmsg is ours\n"
        "assert not hasattr(pyroute2, 'no_such_name')\n"
        "print(len(pyroute2.__all__))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 10
