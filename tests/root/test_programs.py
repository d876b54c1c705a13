# SPDX-License-Identifier: Apache-2.0
"""How programs are run, how they end, and what `run` makes of it."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

_MIB = 1024 * 1024


@pytest.fixture
def config(init_rootfs: Path) -> lc.Config:
    """The configuration of a default container with programs that fail."""
    programs = init_rootfs / "programs"
    if not programs.exists():
        programs.mkdir()
        texts = {
            "no_interpreter": "#!/nothing\n",
            "no_format": "\x7fELF of another machine",
            "empty": "",
            "not_executable": "#!/bin/sh\n",
        }
        for name, text in texts.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o644 if name == "not_executable" else 0o755)
        (programs / "folder").mkdir()
        (programs / "loop").symlink_to("loop")
    return lc.Config(rootfs=lc.Overlay(str(init_rootfs)))


@pytest.fixture
def running(factory: lc.Factory, config: lc.Config) -> Iterator[lc.Container]:
    """A container with a process."""
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        yield container


_WRONG = [
    ("/programs/nothing", lc.ProgramNotFoundError),
    ("nothing", lc.ProgramNotFoundError),
    ("/programs/not_executable", lc.ProgramNotExecutableError),
    ("/programs/folder", lc.ProgramNotExecutableError),
    ("/programs/loop", lc.ProgramError),
    ("/programs/no_interpreter", lc.ProgramFormatError),
    ("/programs/no_format", lc.ProgramFormatError),
    ("/programs/empty", lc.ProgramFormatError),
]


@pytest.mark.parametrize(("program", "error"), _WRONG)
def test_why_a_program_cannot_be_run_is_told(
    factory: lc.Factory, config: lc.Config, program: str, error: type[lc.ProgramError]
) -> None:
    with factory.create(new_id(), config) as container:
        with pytest.raises(error) as caught:
            container.run(lc.Process([program]))
        assert type(caught.value) is error
        assert repr(program) in str(caught.value)
        assert container.status() is lc.Status.CREATING


@pytest.mark.parametrize(("program", "error"), _WRONG)
def test_why_a_program_cannot_be_run_is_told_by_exec(
    running: lc.Container, program: str, error: type[lc.ProgramError]
) -> None:
    with pytest.raises(error) as caught:
        running.exec(lc.Process([program]))
    assert type(caught.value) is error
    assert running.status() is lc.Status.RUNNING


@pytest.mark.parametrize(("program", "error"), _WRONG)
def test_why_a_program_cannot_be_run_is_told_by_prepare_or_start(
    factory: lc.Factory, config: lc.Config, program: str, error: type[lc.ProgramError]
) -> None:
    with factory.create(new_id(), config) as container:
        with pytest.raises(error) as caught:
            container.prepare(lc.Process([program]))
            container.start()
        assert type(caught.value) is error
        is_late = error is lc.ProgramFormatError
        after = lc.Status.STOPPED if is_late else lc.Status.CREATING
        assert container.status() is after


@pytest.mark.parametrize("code", [0, 1, 2, 42, 126, 127, 128, 137, 254, 255])
def test_an_exit_code_is_what_the_program_gave(
    running: lc.Container, config: lc.Config, factory: lc.Factory, code: int
) -> None:
    process = lc.Process(["sh", "-c", f"exit {code}"])
    assert running.exec(process).wait() == lc.ExitStatus(code=code)
    with factory.create(new_id(), config) as container:
        assert container.run(process).wait() == lc.ExitStatus(code=code)
        assert container.wait() == lc.ExitStatus(code=code)


@pytest.mark.parametrize("number", [1, 2, 3, 6, 9, 11, 15, signal.SIGRTMIN + 1])
def test_a_signal_is_what_ended_the_program(running: lc.Container, number: int) -> None:
    limits = [lc.Rlimit("core", 0, 0)]
    process = running.exec(lc.Process(["sleep", "1000"], rlimits=limits))
    process.signal(number)
    status = process.wait()
    assert (status.code, status.signal) == (None, number)
    assert (status.returncode, status.shell) == (-number, 128 + number)
    assert process.returncode == -number


def test_exec_joins_every_namespace_and_sees_the_first_process(
    running: lc.Container,
) -> None:
    assert running.init is not None
    script = "for n in /proc/self/ns/*; do echo $n $(readlink $n); done; ps -o args"
    with running.exec(lc.Process(["sh", "-c", script], stdout=lc.PIPE)) as process:
        out, _ = process.communicate()
    lines = (out or b"").decode().splitlines()
    inside = dict(line.split() for line in lines if line.startswith("/proc"))
    base = f"/proc/{running.init.host_pid}/ns"
    assert inside == {
        f"/proc/self/ns/{name}": os.readlink(f"{base}/{name}")
        for name in os.listdir(base)
    }
    assert inside["/proc/self/ns/pid"] != os.readlink("/proc/self/ns/pid")
    assert "sleep 1000" in lines


@pytest.mark.parametrize("gate", [False, True])
@pytest.mark.parametrize(
    "wishes",
    [
        {"args": []},
        {"args": ["a\0b"]},
        {"args": ["true"], "cwd": "relative"},
        {"args": ["true"], "env": {"A=B": "c"}},
        {"args": ["true"], "user": "-1"},
        {"args": ["true"], "capabilities": ["CAP_NOTHING"]},
        {"args": ["true"], "umask": 0o1000},
        {"args": ["true"], "user": "nobody-of-this-name"},
        {"args": ["true"], "stdout": 9999},
        {"args": ["true"], "pass_fds": [9999]},
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_process_that_is_wrong_changes_nothing(
    factory: lc.Factory, config: lc.Config, wishes: dict[str, Any], gate: bool
) -> None:
    with factory.create(new_id(), config) as container:
        before = Path(container.path, "state.json").read_bytes()
        with pytest.raises((lc.LibcontainerError, OSError, ValueError)):
            (container.prepare if gate else container.run)(lc.Process(**wishes))
        assert sorted(os.listdir(container.path)) == ["config.json", "state.json"]
        assert Path(container.path, "state.json").read_bytes() == before
        assert container.run(lc.Process(["true"])).wait() == lc.ExitStatus(code=0)


@pytest.mark.parametrize(
    "wishes",
    [
        {"rootfs": "/nothing"},
        {"rootfs": "/etc/passwd"},
        {"rootfs": "relative"},
        {"hostname": "a b"},
        {"namespaces": []},
        {"mounts": [lc.Mount.bind("/nothing", "/mnt")]},
        {"mounts": [lc.Mount.tmpfs("/tmp/../..")]},
        {"namespaces": [*lc.Config().namespaces, "user"]},
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_configuration_that_is_wrong_makes_no_folder(
    factory: lc.Factory, init_rootfs: Path, wishes: dict[str, Any]
) -> None:
    fields = {"rootfs": lc.Overlay(str(init_rootfs)), **wishes}
    with pytest.raises(lc.ConfigError) as caught:
        factory.create(new_id(), lc.Config(**fields))
    assert caught.value.problems
    assert os.listdir(factory.root) == []


def test_init_can_be_waited_for_while_a_further_process_is_not(
    factory: lc.Factory, config: lc.Config
) -> None:
    with factory.create(new_id(), config) as container:
        init = container.run(lc.Process(["sleep", "0.2"]))
        further = container.exec(lc.Process(["sleep", "1000"]))
        assert init.wait(10) == lc.ExitStatus(code=0)
        assert further.wait() == lc.ExitStatus(signal=9)


def test_communicate_moves_much_data_both_ways(running: lc.Container) -> None:
    data = os.urandom(_MIB) * 5
    process = running.exec(
        lc.Process(
            ["sh", "-c", "tee /proc/self/fd/2"],
            stdin=lc.PIPE,
            stdout=lc.PIPE,
            stderr=lc.PIPE,
        )
    )
    with process:
        assert process.communicate(data, 60) == (data, data)
        assert process.wait() == lc.ExitStatus(code=0)


def test_handles_refuse_pickling_and_values_do_not(running: lc.Container) -> None:
    for thing in (running, running.init):
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(thing)
    process = lc.Process(["true"], env={"A": "B"})
    for value in (running.config, running.state(), process, lc.ExitStatus(code=3)):
        assert pickle.loads(pickle.dumps(value)) == value
