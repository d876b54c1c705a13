# SPDX-License-Identifier: Apache-2.0
"""The monitor alone: what it takes for a word, and what it does without one."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libcontainer.plan import wire

pytestmark = pytest.mark.needs("compiler")

_HERE = (0, 1, -1, -1, -1)
_NOBODY = 2**22 + 1  # above every pid

Start = Callable[[], tuple[subprocess.Popen[bytes], socket.socket]]


@pytest.fixture
def start(monitor: Path) -> Iterator[Start]:
    """Start it; give it and our end of its socket, after its first message."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin() -> tuple[subprocess.Popen[bytes], socket.socket]:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        limit = struct.pack("@ll", 0, 300_000)
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        with theirs:
            process = subprocess.Popen([str(monitor)], stdin=theirs, close_fds=True)
        begun.append(process)
        data, fds, _, _ = socket.recv_fds(ours, wire.MESSAGE_SIZE, 1)
        assert wire.decode_message(data)[0] == wire.CLONED
        assert os.readlink(f"/proc/self/fd/{fds[0]}") == "anon_inode:[pidfd]"
        os.close(fds[0])
        return process, ours

    yield begin
    for process in begun:
        process.kill()
        process.wait()


def word(
    *,
    fds: tuple[int, ...] = _HERE,
    names: tuple[str, ...] = (),
) -> bytes:
    """Return a word about an init that is no child of the monitor."""
    return wire.encode_watch(_NOBODY, 0, fds, names, terminal=False)


def tell(ours: socket.socket, message: bytes, folder: Path) -> None:
    """Send a word with two fds, the second of them the folder's."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        socket.send_fds(ours, [message], [fd, fd])
    finally:
        os.close(fd)


def test_the_end_of_an_init_that_is_gone_is_written_down(
    start: Start, tmp_path: Path
) -> None:
    process, ours = start()
    with ours:
        tell(ours, word(names=("log", "log.1")), tmp_path)
        assert process.wait(10) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["exit"]


WRONG = {
    "nothing": b"",
    "half a word": word()[:40],
    "another kind": b"\0" * len(word()),
    "a fd that did not come": word(fds=(0, 2, -1, -1, -1)),
    "a negative fd": word(fds=(0, 1, -2, -1, -1)),
    "33 names": word(names=("x",) * 33),
    "a name without an end": word(names=("log",))[:-1],
    "fewer names than it says": word(names=("log", ""))[:-1],
}


@pytest.mark.parametrize("what", WRONG)
def test_another_word_ends_it_and_nothing_is_done(
    start: Start, tmp_path: Path, what: str
) -> None:
    process, ours = start()
    with ours:
        if WRONG[what]:
            tell(ours, WRONG[what], tmp_path)
        else:
            ours.close()
        assert process.wait(10) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_caller_that_says_nothing_is_not_waited_for_for_ever(start: Start) -> None:
    process, ours = start()
    with ours:
        assert process.wait(10) == 1
