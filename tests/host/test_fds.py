# SPDX-License-Identifier: Apache-2.0
"""No descriptor of the library is ever 0, 1 or 2."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

from libcontainer.host.fds import above_stdio, close_all, is_open

CLOSED_STREAMS = """
import os, fcntl, sys
from libcontainer.host.fds import above_stdio
from libcontainer.host.stdio import Stdio
from libcontainer.process import PIPE, Process
answer = os.dup2(1, 9)
for fd in (0, 1, 2):
    os.close(fd)
fd = above_stdio(os.open("/dev/null", os.O_RDONLY))
assert fd > 2, fd
assert fcntl.fcntl(fd, fcntl.F_GETFD) == fcntl.FD_CLOEXEC
assert not any(os.path.exists(f"/proc/self/fd/{n}") for n in (0, 1, 2))
for wishes in ({}, {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE}):
    with Stdio(Process(["x"], **wishes), terminal=False) as stdio:
        given = stdio.given(((0, 10), (1, 11), (2, 12)))
        assert min(given.values()) > 2, given
        assert not any(os.path.exists(f"/proc/self/fd/{n}") for n in (0, 1, 2))
        if wishes:
            ours = (stdio.stdin, stdio.stdout, stdio.stderr)
            assert min(stream.fileno() for stream in ours) > 2
    stdio.close()
os.write(answer, b"good")
"""


def test_a_descriptor_above_2_is_left_as_it_is() -> None:
    fd = os.open(os.devnull, os.O_RDONLY)
    assert above_stdio(fd) == fd
    assert is_open(fd)
    close_all([fd, fd])
    assert not is_open(fd)


def test_closed_standard_streams_are_never_taken() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CLOSED_STREAMS)],
        capture_output=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == (b"good", b"")
