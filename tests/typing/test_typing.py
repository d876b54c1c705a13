# SPDX-License-Identifier: Apache-2.0
"""Programs that use the library are checked as strictly as it is itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "src"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["program.py", "mistakes.py"])
def test_mypy_finds_nothing_but_what_a_program_marks(name: str, tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text(
        f"[mypy]\nstrict = true\nmypy_path = {SOURCE}\ncache_dir = {tmp_path}/cache\n"
        "[mypy-libcontainer.*]\nfollow_imports = silent\n"
    )
    command = [sys.executable, "-m", "mypy", "--config-file", str(config)]
    done = subprocess.run(
        [*command, str(HERE / name)], capture_output=True, text=True, check=False
    )
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["program.py", "mistakes.py"])
def test_pyright_finds_the_same(name: str, tmp_path: Path) -> None:
    pytest.importorskip("basedpyright", reason="basedpyright is an extra of the tests")
    settings = {
        "include": [str(HERE / name)],
        "extraPaths": [str(SOURCE)],
        "typeCheckingMode": "standard",
        # What mypy calls each mistake is not what this one does.
        "enableTypeIgnoreComments": False,
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--outputjson"]
    done = subprocess.run(
        [*command, "-p", str(tmp_path), "--pythonpath", sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    said = json.loads(done.stdout)["generalDiagnostics"]
    found = {one["range"]["start"]["line"] for one in said}
    lines = (HERE / name).read_text().splitlines()
    marked = {number for number, line in enumerate(lines) if "# type: ignore" in line}
    assert found == marked, said
