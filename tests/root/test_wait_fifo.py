# SPDX-License-Identifier: Apache-2.0
"""A further process whose program waits until somebody reads a fifo."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import libcontainer as lc
from libcontainer import Seccomp, Syscall
from libcontainer.security.seccomp.notify import Answer, Continue, Request
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")


@pytest.fixture
def container(factory: lc.Factory, init_rootfs: Path) -> Iterator[lc.Container]:
    """A container that runs."""
    config = lc.Config(rootfs=lc.Overlay(str(init_rootfs)))
    with factory.create(new_id(), config) as made:
        made.run(lc.Process(["sleep", "1000"]))
        yield made


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    """A fifo that any user can reach."""
    path = tmp_path / "go"
    os.mkfifo(path)
    path.chmod(0o622)
    for folder in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    return path


def _waiting(
    container: lc.Container, fifo: Path, *args: str, **wishes: Any
) -> lc.ProcessHandle:
    process = lc.Process(args, wait_fifo=str(fifo), stdout=lc.PIPE, **wishes)
    return container.exec(process)


@pytest.mark.parametrize(
    "wishes", [{}, {"user": "7:8", "capabilities": []}], ids=["root", "a user"]
)
def test_the_program_runs_once_the_fifo_is_read(
    container: lc.Container, fifo: Path, wishes: dict[str, Any]
) -> None:
    with _waiting(container, fifo, "id", "-u", **wishes) as process:
        with pytest.raises(lc.TimeoutExpired):
            process.wait(0.2)
        # What is there until then is the helper, and it is what the program will be.
        status = Path(f"/proc/{process.host_pid}/status").read_text()
        assert "Name:\ttrue" not in status
        assert fifo.read_bytes() == b""
        out, _ = process.communicate()
        assert process.wait() == lc.ExitStatus(code=0)
    assert (out or b"").decode().strip() == wishes.get("user", "0").partition(":")[0]


def test_the_launch_has_its_deadline_and_the_wait_has_none(
    state_root: Path, container: lc.Container, fifo: Path
) -> None:
    with (
        lc.Factory(state_root, deadline_seconds=1.0) as hasty,
        hasty.load(container.id) as same,
        _waiting(same, fifo, "true") as process,
    ):
        with pytest.raises(lc.TimeoutExpired):
            process.wait(1.5)
        assert fifo.read_bytes() == b""
        assert process.wait() == lc.ExitStatus(code=0)


def test_signals_wait_with_it_but_for_sigkill(
    container: lc.Container, fifo: Path
) -> None:
    with _waiting(container, fifo, "sleep", "1000") as process:
        process.terminate()
        with pytest.raises(lc.TimeoutExpired):
            process.wait(0.2)
        assert fifo.read_bytes() == b""
        assert process.wait() == lc.ExitStatus(signal=signal.SIGTERM)
    with _waiting(container, fifo, "sleep", "1000") as process:
        process.kill()
        assert process.wait() == lc.ExitStatus(signal=signal.SIGKILL)


def test_a_program_that_is_not_there_is_told_at_once(
    container: lc.Container, fifo: Path
) -> None:
    with pytest.raises(lc.ProgramNotFoundError):
        _waiting(container, fifo, "nothing")


def test_a_fifo_that_the_user_may_not_write_to_ends_the_process(
    container: lc.Container, fifo: Path
) -> None:
    fifo.chmod(0o600)
    with _waiting(container, fifo, "true", user="7", capabilities=[]) as process:
        assert process.wait(10) == lc.ExitStatus(code=1)


def test_what_is_no_fifo_is_refused(container: lc.Container, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(lc.StepError, match="it is not a fifo") as caught:
        _waiting(container, tmp_path / "file", "true")
    assert caught.value.errno == errno.EINVAL
    with pytest.raises(lc.StepError, match="open the fifo") as caught:
        _waiting(container, tmp_path / "none", "true")
    assert caught.value.errno == errno.ENOENT


def test_a_container_that_is_deleted_takes_the_waiting_process_along(
    container: lc.Container, fifo: Path
) -> None:
    with _waiting(container, fifo, "true") as process:
        container.delete(force=True)
        assert process.wait(10) == lc.ExitStatus(signal=signal.SIGKILL)


def test_it_is_of_a_further_process_without_a_listener(
    factory: lc.Factory, init_rootfs: Path, fifo: Path
) -> None:
    notify = Syscall(names="sync", action="NOTIFY")
    config = lc.Config(
        rootfs=lc.Overlay(str(init_rootfs)),
        seccomp=Seccomp(default_action="ALLOW", syscalls=[notify]),
    )

    def answer(request: Request) -> Answer:
        return Continue()

    waits = lc.Process(["sleep", "1000"], wait_fifo=str(fifo), notify=answer)
    with factory.create(new_id(), config) as made:
        with pytest.raises(lc.ConfigError, match=r"wait_fifo: is of a further"):
            made.run(waits)
        made.run(evolve(waits, wait_fifo=None))
        with pytest.raises(lc.ConfigError, match=r"wait_fifo: .* SCMP_ACT_NOTIFY"):
            made.exec(waits)
