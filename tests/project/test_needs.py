# SPDX-License-Identifier: Apache-2.0
"""The ``needs`` marker and the leak fixture, in test runs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LACKING = """
from tests import capabilities
capabilities.CHECKS["moon"] = lambda: "it is far away"
"""


def run_tests(
    directory: Path, source: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run pytest with the project's configuration on one file."""
    file = directory / "test_inner.py"
    file.write_text(f"import pytest\n{source}")
    options = ["-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    options += ["--rootdir", str(ROOT), "-p", "tests.conftest"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_a_test_whose_need_is_not_met_is_skipped_with_the_reason(
    tmp_path: Path,
) -> None:
    source = f"{LACKING}\n@pytest.mark.needs('moon')\ndef test_x(): assert False\n"
    done = run_tests(tmp_path, source, LIBCONTAINER_MUST_RUN="")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "needs 'moon': it is far away" in done.stdout


def test_a_skip_of_what_must_run_is_a_failure(tmp_path: Path) -> None:
    source = f"{LACKING}\n@pytest.mark.needs('moon')\ndef test_x(): pass\n"
    done = run_tests(tmp_path, source, LIBCONTAINER_MUST_RUN="root,moon")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "must run, but needs 'moon': it is far away" in done.stdout


def test_an_unknown_need_is_a_failure(tmp_path: Path) -> None:
    source = "@pytest.mark.needs('rooot')\ndef test_x(): pass\n"
    done = run_tests(tmp_path, source)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no such word" in done.stdout


@pytest.mark.needs("root")
def test_a_privileged_test_that_leaks_fails(tmp_path: Path) -> None:
    source = (
        "import os\n@pytest.mark.needs('root')\n"
        "def test_x(): os.open('/dev/null', os.O_RDONLY)\n"
    )
    done = run_tests(tmp_path, source)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the test left something behind" in done.stdout
    assert "-> /dev/null" in done.stdout
