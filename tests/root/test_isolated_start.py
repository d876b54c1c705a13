# SPDX-License-Identifier: Apache-2.0
"""The installed command is not led astray by where, or with what, it is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.oci_bundles import document, write
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

COMMAND = Path(sys.executable).with_name("libcontainer")
HOSTILE = "open({marker!r}, 'w').close(); raise SystemExit('led astray')\n"
NAMES = ("json", "os", "libcontainer", "attrs", "sitecustomize", "usercustomize", "re")


@pytest.fixture
def hostile(tmp_path: Path, busybox_rootfs: Path) -> Path:
    """A bundle full of modules that nobody is to import."""
    for name in NAMES:
        text = HOSTILE.format(marker=str(tmp_path / "marker"))
        (tmp_path / f"{name}.py").write_text(text)
    site = tmp_path / ".local" / "lib"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (site / version / "site-packages").mkdir(parents=True)
    text = HOSTILE.format(marker=str(tmp_path / "marker"))
    (site / version / "site-packages" / "usercustomize.py").write_text(text)
    content = document("echo", "fine")
    content["root"]["path"] = str(busybox_rootfs)
    return write(tmp_path, content)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"PYTHONPATH": "."},
        {"PYTHONHOME": "/nonexistent"},
        {"PYTHONSTARTUP": "json.py", "PYTHONINSPECT": "1", "PYTHONSAFEPATH": ""},
        {"HOME": ".", "PYTHONUSERBASE": ".local"},
    ],
    ids=lambda value: " ".join(value) or "plain",
)
def test_the_current_directory_and_the_environment_do_not_count(
    hostile: Path, state_root: Path, variables: dict[str, str]
) -> None:
    done = subprocess.run(
        [COMMAND, "--root", state_root, "run", new_id()],
        cwd=hostile,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")
    assert not (hostile / "marker").exists()


def test_a_link_to_it_is_it(hostile: Path, state_root: Path) -> None:
    link = hostile / "link"
    link.symlink_to(COMMAND)
    words = [link, "--root", state_root, "list", "-f", "json"]
    assert json.loads(subprocess.check_output(words, cwd=hostile)) == []


def test_both_commands_are_isolated() -> None:
    for name in ("libcontainer", "nsinit"):
        assert " -I " in COMMAND.with_name(name).read_text()


def test_a_command_loads_only_what_it_needs() -> None:
    script = (
        "import sys; from libcontainer.commands.oci import main;"
        " main(['--version']); print(*sys.modules)"
    )
    said = subprocess.check_output([sys.executable, "-I", "-c", script], text=True)
    loaded = set(said.split())
    assert not loaded & {"attrs", "attr", "argparse", "json", "asyncio", "typing"}
    assert "libcontainer.config" not in loaded
