# SPDX-License-Identifier: Apache-2.0
"""Feeding and draining a process: no deadlock, nothing lost."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest

from libcontainer.errors import TimeoutExpired
from libcontainer.host.streams import Exchange

BIG = os.urandom(1 << 20)


class Peer:
    """A process that is a thread: it has the other ends of real pipes."""

    def __init__(self, work: Callable[[int, int, int], None]) -> None:
        self.args = ("peer",)
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        self.stdin: IO[Any] | None = os.fdopen(ours_in, "wb", buffering=0)
        self.stdout: IO[Any] | None = os.fdopen(ours_out, "rb")
        self.stderr: IO[Any] | None = os.fdopen(ours_err, "rb")
        self._fds = (theirs_in, theirs_out, theirs_err)
        self._work = work
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def wait(self, timeout: float | None = None) -> object:
        self._thread.join(timeout)
        if self._thread.is_alive():
            raise TimeoutExpired(["peer"], timeout or 0.0)
        return 0

    def _run(self) -> None:
        try:
            self._work(*self._fds)
        finally:
            for fd in self._fds:
                os.close(fd)


@pytest.fixture(autouse=True)
def no_fd_is_left() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


def write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def echo(stdin: int, stdout: int, stderr: int) -> None:
    write_all(stderr, BIG)
    while data := os.read(stdin, 4096):
        write_all(stdout, data)


def exchange(
    peer: Peer, data: bytes | None, timeout: float
) -> tuple[bytes | None, bytes | None]:
    return Exchange(peer, data or b"").run(timeout)


def test_large_data_goes_all_ways_at_once() -> None:
    assert exchange(Peer(echo), BIG, 60) == (BIG, BIG)


@pytest.mark.parametrize("nothing", [None, b""])
def test_without_input_the_process_reads_the_end(nothing: bytes | None) -> None:
    def work(stdin: int, stdout: int, stderr: int) -> None:
        write_all(stdout, b"end" if os.read(stdin, 1) == b"" else b"data")

    assert exchange(Peer(work), nothing, 60) == (b"end", b"")


def test_a_process_that_does_not_read_is_no_error() -> None:
    def work(stdin: int, stdout: int, stderr: int) -> None:
        write_all(stdout, b"no thanks")

    assert exchange(Peer(work), BIG, 60) == (b"no thanks", b"")


def test_a_timeout_keeps_what_was_read_and_can_be_gone_on_from() -> None:
    go = threading.Event()

    def work(stdin: int, stdout: int, stderr: int) -> None:
        write_all(stdout, b"first")
        write_all(stderr, b"error")
        go.wait(60)
        write_all(stdout, b" then")

    peer = Peer(work)
    with pytest.raises(TimeoutExpired) as caught:
        exchange(peer, None, 0.2)
    assert caught.value.cmd == ["peer"]
    assert caught.value.timeout == 0.2
    assert (caught.value.output, caught.value.stderr) == (b"first", b"error")
    go.set()
    assert exchange(peer, None, 60) == (b" then", b"")


def test_a_process_that_outlives_its_streams_times_out_with_them() -> None:
    go = threading.Event()
    peer = Peer(lambda stdin, stdout, stderr: None)

    def wait(timeout: float | None = None) -> object:
        peer._thread.join()
        if not go.is_set():
            raise TimeoutExpired(["peer"], timeout or 0.0)
        return 0

    peer.wait = wait  # type: ignore[method-assign]
    with pytest.raises(TimeoutExpired) as caught:
        exchange(peer, b"x", 5)
    assert (caught.value.output, caught.value.stderr) == (b"", b"")
    go.set()


def test_a_stream_that_is_not_there_is_none() -> None:
    peer = Peer(echo)
    assert peer.stderr is not None
    assert peer.stdin is not None
    drain = threading.Thread(target=peer.stderr.read)
    drain.start()
    full, peer.stderr = peer.stderr, None
    assert exchange(peer, b"abc", 60) == (b"abc", None)
    drain.join()
    full.close()
