# SPDX-License-Identifier: Apache-2.0
"""What a process gets as its streams, and that nothing of it is left open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from libcontainer.host.stdio import Stdio
from libcontainer.process import DEVNULL, PIPE, STDOUT, Process

SLOTS = ((0, 10), (1, 11), (2, 12))


@pytest.fixture(autouse=True)
def no_fd_is_left() -> Iterator[None]:
    before = os.listdir("/proc/self/fd")
    yield
    assert os.listdir("/proc/self/fd") == before


def target(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")


def test_without_a_wish_the_streams_are_the_callers() -> None:
    with Stdio(Process(["x"]), terminal=False) as stdio:
        assert stdio.given(SLOTS) == {10: 0, 11: 1, 12: 2}
        assert (stdio.stdin, stdio.stdout, stdio.stderr) == (None, None, None)


def test_a_pipe_has_its_other_end_here() -> None:
    process = Process(["x"], stdin=PIPE, stdout=PIPE, stderr=PIPE)
    stdio = Stdio(process, terminal=False)
    given = stdio.given(SLOTS)
    assert stdio.stdin is not None
    assert stdio.stdout is not None
    assert stdio.stderr is not None
    stdio.stdin.write(b"in")
    assert os.read(given[10], 9) == b"in"
    os.write(given[11], b"out")
    os.write(given[12], b"err")
    stdio.release()
    assert (stdio.stdout.read(), stdio.stderr.read()) == (b"out", b"err")
    with pytest.raises(BrokenPipeError):
        stdio.stdin.write(b"more")
    stdio.close()


def test_nothing_is_the_null_device_opened_the_right_way() -> None:
    process = Process(["x"], stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
    with Stdio(process, terminal=False) as stdio:
        given = stdio.given(SLOTS)
        assert {target(fd) for fd in given.values()} == {"/dev/null"}
        assert os.read(given[10], 1) == b""
        assert os.write(given[11], b"x") == 1
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(given[10], b"x")


@pytest.mark.parametrize("stdout", [PIPE, DEVNULL, None])
def test_errors_may_go_where_the_output_goes(stdout: int | None) -> None:
    process = Process(["x"], stdout=stdout, stderr=STDOUT)
    with Stdio(process, terminal=False) as stdio:
        given = stdio.given(SLOTS)
        assert given[11] == given[12]
        assert stdio.stderr is None
    stdio.close()


def test_a_file_and_a_number_stay_the_callers(tmp_path: Path) -> None:
    with open(tmp_path / "out", "wb") as file, open(tmp_path / "in", "wb") as other:
        process = Process(
            ["x"], stdin=file, stdout=file.fileno(), pass_fds=[other.fileno()]
        )
        with Stdio(process, terminal=False) as stdio:
            given = stdio.given((*SLOTS[:2], (3, 13)))
            number = file.fileno()
            assert given == {10: number, 11: number, 13: other.fileno()}
        stdio.close()
        file.write(b"still open")


def test_a_terminal_takes_the_place_of_the_streams() -> None:
    with Stdio(Process(["x"], pass_fds=[7]), terminal=True) as stdio:
        assert stdio.given(((3, 10),)) == {10: 7}


def test_what_was_opened_is_closed_when_a_later_wish_fails() -> None:
    class Broken:
        def fileno(self) -> int:
            raise OSError("no descriptor")

    process = Process(["x"], stdin=PIPE, stdout=DEVNULL, stderr=Broken())
    with pytest.raises(OSError, match="no descriptor"):
        Stdio(process, terminal=False)


def test_an_error_in_the_block_closes_both_ends() -> None:
    process = Process(["x"], stdin=PIPE, stdout=PIPE)
    stdio = Stdio(process, terminal=False)
    with pytest.raises(KeyError), stdio:
        raise KeyError
    assert stdio.stdin is not None
    assert stdio.stdin.closed
