# SPDX-License-Identifier: Apache-2.0
"""Both commands write containers down and bring them back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.oci_bundles import Oci, document, write

pytestmark = pytest.mark.needs("root", "rootfs", "compiler", "criu")

# Long enough for an emulated machine.
SECONDS = 120

NSINIT = [sys.executable, "-m", "libcontainer.commands.nsinit"]
SAMPLE = Path(__file__).resolve().parents[2] / "examples/sample_configs/minimal.json"


def last_number(path: Path) -> int:
    words = path.read_text().split()
    return int(words[-1]) if words else 0


def wait_for(path: Path, least: int) -> int:
    deadline = time.monotonic() + SECONDS
    while not path.exists() or last_number(path) < least:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return last_number(path)


def wait_for_file(path: Path) -> str:
    """Wait for a file that is written while the program counts already."""
    deadline = time.monotonic() + SECONDS
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return path.read_text()


def test_the_oci_command(
    state_root: Path, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    state_root.chmod(0o700)
    oci = Oci(state_root, tmp_path / "log")
    bundle = write(
        tmp_path / "bundle",
        document("/program", root={"path": str(rootfs), "readonly": False}),
    )
    output, image = tmp_path / "output", tmp_path / "image"
    criu = ("--criu", options.criu)
    with output.open("wb") as file:
        null = subprocess.DEVNULL
        detached: dict[str, Any] = {"stdout": file, "stderr": null, "stdin": null}
        run = [*oci.prefix, "run", "-d", "-b", str(bundle), "one"]
        subprocess.run(run, check=True, **detached)
        wait_for(output, 3)
        oci.said(*criu, "checkpoint", "--image-path", str(image), "one")
        before = last_number(output)
        assert oci.said("list", "-q") == ""
        back = [*oci.prefix, *criu, "restore", "-d", "-b", str(bundle)]
        back += ["--image-path", str(image), "--pid-file", str(tmp_path / "pid"), "two"]
        done = subprocess.run(back, check=False, **detached)
        assert done.returncode == 0, oci.log.read_text()
    assert wait_for(output, before + 3) > before
    numbers = [int(word) for word in output.read_text().split()]
    assert numbers == list(range(1, len(numbers) + 1))
    state = json.loads(oci.said("state", "two"))
    assert state["status"] == "running"
    assert str(state["pid"]) == (tmp_path / "pid").read_text()
    oci.said("pause", "two")
    oci.said("resume", "two")
    assert oci.said("exec", "two", "echo", "inside") == "inside\n"
    oci.said("delete", "--force", "two")


def test_nsinit(rootfs: Path, tmp_path: Path, options: lc.CriuOptions) -> None:
    config = json.loads(SAMPLE.read_text()) | {"tty": False, "user": "root"}
    (rootfs / "container.json").write_text(json.dumps(config))
    output, image = tmp_path / "output", str(tmp_path / "image")
    criu = ["--criu", options.criu, "--image-path", image]
    null = subprocess.DEVNULL
    with output.open("wb") as file:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": file}
        streams |= {"stderr": null, "cwd": rootfs, "env": dict(os.environ)}
        first = subprocess.Popen([*NSINIT, "exec", "--", "/program"], **streams)
        wait_for(output, 3)
        subprocess.run([*NSINIT, "checkpoint", *criu], check=True, **streams)
        assert first.wait(SECONDS) == 128 + signal.SIGKILL
        before = last_number(output)
        second = subprocess.Popen([*NSINIT, "restore", *criu], **streams)
        wait_for(output, before + 3)
        state = json.loads(wait_for_file(rootfs / "state.json"))
        os.kill(state["init_pid"], signal.SIGKILL)
        assert second.wait(SECONDS) == 128 + signal.SIGKILL
    numbers = [int(word) for word in output.read_text().split()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert not (rootfs / "state.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--page-server", "here"), "is no ADDRESS:PORT"),
        (("--page-server", "::1:99999"), "page_server[1]: must be from 1"),
        (("--parent-path", "/x"), "parent: must be relative"),
    ],
)
def test_wrong_options_are_one_line(
    state_root: Path, rootfs: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    state_root.chmod(0o700)
    oci = Oci(state_root, tmp_path / "log")
    bundle = write(
        tmp_path / "bundle",
        document("/program", root={"path": str(rootfs), "readonly": False}),
    )
    run = [*oci.prefix, "run", "-d", "-b", str(bundle), "one"]
    null = subprocess.DEVNULL
    subprocess.run(run, check=True, stdin=null, stdout=null, stderr=null)
    done = oci("checkpoint", *words, "one")
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert json.loads(oci.said("state", "one"))["status"] == "running"
    oci.said("delete", "--force", "one")
