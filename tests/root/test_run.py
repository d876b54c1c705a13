# SPDX-License-Identifier: Apache-2.0
"""`lc.run` is `subprocess.run` in a container of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import libcontainer as lc

pytestmark = pytest.mark.needs("root", "rootfs")

Run = Callable[..., lc.Result]


@pytest.fixture
def run(factory: lc.Factory, busybox_rootfs: Path) -> Run:
    """`lc.run` in the busybox root filesystem; nothing is left after a test."""
    overlay = lc.Overlay(str(busybox_rootfs))

    def call(*args: str, **keywords: object) -> lc.Result:
        return lc.run(args, rootfs=overlay, factory=factory, **keywords)  # type: ignore[arg-type]

    return call


def test_output_is_captured(run: Run) -> None:
    result = run("sh", "-c", "echo out; echo err >&2", capture_output=True)
    assert (result.stdout, result.stderr) == (b"out\n", b"err\n")
    assert result.args == ["sh", "-c", "echo out; echo err >&2"]
    assert result.returncode == 0
    assert result.status == lc.ExitStatus(code=0)
    assert result.wall_seconds > 0


def test_input_is_read_by_the_program(run: Run) -> None:
    assert run("cat", input=b"abc", stdout=lc.PIPE).stdout == b"abc"
    assert run("cat", input=b"", stdout=lc.PIPE).stdout == b""
    text = run("cat", input="äö\r\n", stdout=lc.PIPE, text=True)
    assert text.stdout == "äö\n"
    latin = run("cat", input="ä", stdout=lc.PIPE, encoding="latin-1")
    assert latin.stdout == "ä"
    wrong = run("printf", r"\377", stdout=lc.PIPE, text=True, errors="replace")
    assert wrong.stdout == "\ufffd"


def test_both_outputs_can_be_one(run: Run) -> None:
    result = run("sh", "-c", "echo a; echo b >&2", stdout=lc.PIPE, stderr=lc.STDOUT)
    assert (result.stdout, result.stderr) == (b"a\nb\n", None)


def test_output_goes_into_a_file(run: Run, tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as file:
        run("echo", "hello", stdout=file, check=True)
    assert (tmp_path / "out").read_bytes() == b"hello\n"


def test_a_timeout_ends_the_tree_and_returns_what_was_said(run: Run) -> None:
    script = "echo before; echo err >&2; sleep 1000 & sleep 1000"
    with pytest.raises(lc.TimeoutExpired) as caught:
        run("sh", "-c", script, capture_output=True, timeout=0.5)
    assert caught.value.output == b"before\n"
    assert caught.value.stderr == b"err\n"
    assert caught.value.timeout == 0.5
    assert isinstance(caught.value, subprocess.TimeoutExpired)


def test_check_raises_with_everything(run: Run) -> None:
    with pytest.raises(lc.CalledProcessError) as caught:
        run("sh", "-c", "echo out; exit 3", check=True, capture_output=True, text=True)
    assert isinstance(caught.value, subprocess.CalledProcessError)
    assert (caught.value.returncode, caught.value.stdout) == (3, "out\n")
    assert run("true", check=True).returncode == 0


def test_the_environment_the_directory_and_the_user_are_as_told(run: Run) -> None:
    script = "echo $A $B; pwd; id -u; id -g; hostname"
    wishes = {"env": {"A": "1", "PATH": "/bin"}, "cwd": "/home", "user": "user"}
    result = run("sh", "-c", script, stdout=lc.PIPE, hostname="box", **wishes)
    assert result.stdout.split() == [b"1", b"/home", b"1000", b"1000", b"box"]


def test_a_signal_is_a_negative_return_code(run: Run) -> None:
    # A signal from inside cannot end the first process, so a child gets it.
    assert run("sh", "-c", "sh -c 'kill -9 $$'; exit $?").returncode == 137


def test_arguments_that_exclude_each_other_are_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="stdin and input"):
        run("cat", input=b"", stdin=lc.PIPE)
    with pytest.raises(ValueError, match="capture_output"):
        run("cat", capture_output=True, stdout=lc.PIPE)


def test_a_program_that_is_missing_leaves_no_container(
    run: Run, state_root: Path
) -> None:
    with pytest.raises(FileNotFoundError):
        run("nothing")
    assert os.listdir(state_root) == []


def test_mounts_are_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    result = run(
        "cat", "/mnt/file", mounts=[lc.Mount.bind(tmp_path, "/mnt")], stdout=lc.PIPE
    )
    assert result.stdout == b"content"
