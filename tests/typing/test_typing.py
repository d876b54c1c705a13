# SPDX-License-Identifier: Apache-2.0
"""Programs that use the library are checked as strictly as it is itself."""

from __future__ import annotations

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
