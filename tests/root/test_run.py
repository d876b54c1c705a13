# SPDX-License-Identifier: Apache-2.0
"""`lc.run` is `subprocess.run` in a container of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


FILL = "x=$(head -c 100000000 /dev/zero | tr '\\0' x)"


@pytest.mark.parametrize(
    ("script", "limits", "verdict"),
    [
        ("exit 3", {"memory": "64M"}, "exited"),
        ("exit 0", {}, "exited"),
        ("sh -c 'kill -KILL $$'; exit 9", {"pids": 50}, "exited"),
        (FILL, {"memory": "32M"}, "oom"),
        (
            "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait",
            {"pids": 4},
            "pids_limit",
        ),
    ],
)
def test_the_verdict_is_the_kernels(
    run: Run, script: str, limits: dict[str, Any], verdict: str
) -> None:
    result = run("sh", "-c", script, stderr=lc.DEVNULL, **limits)
    assert result.verdict == verdict
    assert (result.stats is not None) == bool(limits)


def test_a_signal_from_outside_is_a_verdict(run: Run) -> None:
    result = run("sh", "-c", "ulimit -t 1; while :; do :; done")
    assert result.status.signal is not None
    assert result.verdict == "signalled"


def test_a_timeout_and_a_failed_setup_are_verdicts(run: Run) -> None:
    with pytest.raises(lc.TimeoutExpired) as late:
        run("sh", "-c", "while :; do :; done", timeout=0.5)
    assert late.value.verdict == lc.Verdict.TIMEOUT
    assert late.value.usage is not None
    assert 0.5 <= late.value.usage.wall_seconds < 10
    with pytest.raises(lc.ProgramNotFoundError) as missing:
        run("nothing")
    assert missing.value.verdict == lc.Verdict.SETUP
    with pytest.raises(lc.CalledProcessError) as failed:
        run("sh", "-c", FILL, check=True, memory="32M")
    assert failed.value.verdict == lc.Verdict.OOM


_RUNS = """
import sys
import libcontainer as lc
factory = lc.Factory(sys.argv[1])
rootfs = lc.Overlay(sys.argv[2])
kept = factory.create("kept", lc.Config(rootfs=rootfs))
kept.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL, stdout=lc.DEVNULL))
lc.run(["sh", "-c", "echo; sleep 1000"], rootfs=rootfs, factory=factory)
"""


def test_what_a_killed_program_ran_is_ended_by_who_recovers(
    factory: lc.Factory, state_root: Path, busybox_rootfs: Path
) -> None:
    words = [sys.executable, "-c", _RUNS, str(state_root), str(busybox_rootfs)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == b"\n"
        # As long as the program lives they are its own.
        assert factory.recover() == ()
        program.kill()
    (gone,) = factory.recover()
    assert gone.startswith("run-")
    (kept,) = factory.list()
    assert (kept.id, kept.status()) == ("kept", lc.Status.RUNNING)
    kept.delete(force=True)


def test_the_usage_is_that_of_all_its_processes(run: Run) -> None:
    # The work is a grandchild's, which init does not wait for.
    script = "(sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done' &) ; sleep 2"
    used = run("sh", "-c", script).usage
    assert 2 <= used.wall_seconds < 20
    assert used.cpu_seconds is not None
    assert 0.05 < used.cpu_seconds < used.wall_seconds * 2
    assert used.memory_peak is not None
    assert 100_000 < used.memory_peak < 100 << 20


def test_limits_are_those_of_the_cgroup(run: Run) -> None:
    result = run("true", memory="64M", cpus=0.5, pids=20)
    assert result.stats is not None
    assert result.stats.memory.limit == 64 << 20
    assert result.stats.pids.limit == 20
    assert result.stats.cpu.usage > 0


@pytest.mark.parametrize(
    ("limits", "path"),
    [
        ({"memory": "lots"}, "resources.memory"),
        ({"cpus": 0}, "cpus"),
        ({"pids": "x"}, "resources.pids"),
    ],
)
def test_a_limit_that_is_none_is_refused(
    run: Run, limits: dict[str, Any], path: str
) -> None:
    with pytest.raises(lc.ConfigError, match=path):
        run("true", **limits)


@pytest.mark.parametrize("cpus", [0, 0.001, -1, float("nan"), float("inf"), "x", True])
def test_processors_that_are_too_few_are_told_by_their_keyword(
    run: Run, cpus: object
) -> None:
    with pytest.raises(lc.ConfigError, match=r"^cpus: must be a number, 0\.01 or more"):
        run("true", cpus=cpus)


def test_processors_may_be_a_text(run: Run) -> None:
    assert run("true", cpus="0.5").returncode == 0


@pytest.mark.parametrize("memory", [0, "4k"])
def test_a_limit_that_is_too_small_to_start_is_told(
    run: Run, factory: lc.Factory, memory: object
) -> None:
    hint = r"\nhint: out of memory: the limit of \d+ bytes is too small to start$"
    with pytest.raises(lc.HelperError, match=hint):
        run("true", memory=memory)
    config = lc.Config(resources=lc.Resources(memory="64M"))
    process = lc.Process(["true"], resources=lc.Resources(memory=0))
    with factory.create("box", config) as box:
        box.run(lc.Process(["sleep", "60"]))
        with pytest.raises(lc.HelperError, match=hint):
            box.exec(process)


@pytest.mark.parametrize(
    ("keywords", "name"),
    [
        ({"stdin": 777}, "stdin"),
        ({"stderr": 777}, "stderr"),
        ({"pass_fds": [0, 777]}, r"pass_fds\[1\]"),
    ],
)
def test_a_descriptor_that_is_not_open_is_named(
    run: Run, keywords: dict[str, Any], name: str
) -> None:
    with pytest.raises(lc.ConfigError, match=f"{name}: fd 777 is not open"):
        run("true", **keywords)


def test_what_is_of_a_wrong_type_is_told_as_such(run: Run, factory: lc.Factory) -> None:
    anything: Any = lc
    with pytest.raises(TypeError, match=r"^config must be a Config, not dict$"):
        run("true", config={})
    with pytest.raises(TypeError, match=r"^factory must be a Factory, not str$"):
        anything.run(["true"], factory="/x")
    with pytest.raises(TypeError, match=r"^config must be a Config, not dict$"):
        factory.create("box", {})  # type: ignore[arg-type]
    told = pytest.raises(TypeError, match=r"^process must be a Process, not list$")
    with factory.create("box", lc.Config()) as box:
        words: Any = ["true"]
        for verb in (box.run, box.prepare, box.explain):
            with told:
                verb(words)
        box.run(lc.Process(["sleep", "60"]))
        with told:
            box.exec(words)
        with told:
            lc.Supervisor(box, words)
        with pytest.raises(TypeError, match=r"^resources must be a Resources"):
            box.update({"memory": 1})  # type: ignore[arg-type]
    with told:
        lc.Pool(lc.Config(), words, factory=factory)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: lc.run(["true"], mem="1M"),
            r"^run\(\) got an .* argument 'mem'; did you mean 'memory'\?",
        ),
        (lambda: lc.run(["true"], timeot=1), "did you mean 'timeout'"),
        (lambda: lc.Popen(["true"], timeout=1), r"which is one of run\(\): wait"),
        (lambda: lc.Popen(["true"], capture_output=True), "stdout=PIPE and stderr="),
        (lambda: lc.contained(env={}), r"^contained\(\) .* which is about a program"),
        (lambda: lc.contained(mem=1), "did you mean 'memory'"),
        (lambda: lc.ContainerExecutor(mem=1), r"^ContainerExecutor\(\) got an"),
    ],
)
def test_an_unknown_keyword_is_that_of_what_was_called(
    call: Callable[[], object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        call()
