# SPDX-License-Identifier: Apache-2.0
"""The plugin of pytest that comes with the library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import leaks

pytestmark = pytest.mark.needs("root")

TESTS = """
import os, pytest
import libcontainer as lc

ROOTS = []

def test_containers(container, make_container, container_factory):
    other = make_container(hostname="other")
    assert {c.id for c in container_factory} == {container.id, other.id}
    other.run(lc.Process(["sleep", "1000"]))
    ROOTS.append(container_factory.root)

def test_they_are_gone():
    assert os.listdir(ROOTS[0]) == []

def test_run(run_in_container):
    done = run_in_container(["echo", "hi"], capture_output=True, text=True)
    assert done.stdout == "hi\\n"

@pytest.mark.needs_containers
def test_that_is_run():
    pass

@pytest.mark.needs_userns
def test_with_user_namespaces():
    pass
"""


def run_pytest(folder: Path, *words: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != leaks.SUPERVISOR}
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--strict-markers", "-W", "error", *words, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
    )
    return done.stdout + done.stderr


def test_containers_are_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    assert "5 passed" in run_pytest(tmp_path)


def test_what_does_not_work_is_skipped_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "import libcontainer.pytest_plugin as plugin\n"
        "plugin._NEEDS['needs_limits'] = ('sub-ids', 'x')\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\n@pytest.mark.needs_limits\ndef test_it(): pass\n"
    )
    said = run_pytest(tmp_path)
    # Root has no ranges of its own in /etc/subuid here, or it has.
    assert "1 passed" in said or "needs_limits: " in said
    assert "uid_mappings" in said or "1 passed" in said


def test_it_can_be_left_out_as_here(
    tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    assert not pytestconfig.pluginmanager.hasplugin("libcontainer")
    (tmp_path / "test_it.py").write_text("def test_it(container): pass\n")
    said = run_pytest(tmp_path, "-p", "no:libcontainer")
    assert "fixture 'container' not found" in said


def test_it_loads_nothing_of_the_library_before_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    names = [n for n in sys.modules if n.startswith('libcontainer.')]\n"
        "    assert sorted(names) == ['libcontainer._version',"
        " 'libcontainer.pytest_plugin']\n"
    )
    assert "1 passed" in run_pytest(tmp_path)
