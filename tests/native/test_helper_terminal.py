# SPDX-License-Identifier: Apache-2.0
"""The program gets a terminal of its own, made in the container."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import struct
import termios

import pytest

from tests.native.helper_driver import (
    Slot,
    failure,
    fds,
)
from tests.native.small_container import (
    EMPTY_PATH,
    MAKE_DIRECTORY,
    MAKE_FILE,
    Container,
    Make,
    Start,
    result_of,
    step_of,
)

pytestmark = pytest.mark.needs("root")
OPEN = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
BENEATH, DEVPTS = 8, 0x1CD1
TIOCSPTLCK, TIOCGPTPEER = 0x40045431, 0x5441


def ptmx(box: Container, path: bytes, slot: int) -> None:
    """Open what is to be a ptmx, and see that it is one."""
    how = struct.pack("=3Q", OPEN, 0, BENEATH)
    box.plan.call("OPENAT2", Slot(box.dev), path + b"\0", how, len(how), result=slot)
    box.plan.add("VERIFY_NODE", slot=slot, flags=5 << 32 | 2, arg=DEVPTS)


def with_terminal(box: Container, *, console: bool, size: tuple[int, int]) -> int:
    """Add /dev with its own devpts and a terminal; return the terminal's slot."""
    pts, terminal, master = box.plan.slot(), box.plan.slot(), box.plan.slot()
    box.namespaces()
    box.root()
    box.devices()
    options = [b"newinstance", b"ptmxmode=666", b"mode=620"]
    box.plan.make_fs(pts, b"devpts", options, flags=0)
    box.plan.add(
        "ATTACH", slot=pts, slot2=box.dev, text=b"pts", flags=MAKE_DIRECTORY, mode=0o755
    )
    ptmx(box, b"pts/ptmx", master)
    plan = box.plan
    plan.call("IOCTL", Slot(master), TIOCSPTLCK, struct.pack("=i", 0))
    if size != (0, 0):
        plan.call(
            "IOCTL", Slot(master), termios.TIOCSWINSZ, struct.pack("=4H", *size, 0, 0)
        )
    plan.call("IOCTL", Slot(master), TIOCGPTPEER, OPEN, result=terminal)
    plan.call("FCHOWNAT", Slot(terminal), b"\0", 1000, 5, EMPTY_PATH)
    if console:
        tree = plan.slot()
        how = 1 | os.O_CLOEXEC | EMPTY_PATH
        plan.call("OPEN_TREE", Slot(terminal), b"\0", how, result=tree)
        place = {"slot2": box.dev, "text": b"console"}
        plan.add("ATTACH", slot=tree, flags=MAKE_FILE, mode=0o600, **place)
    plan.call("SETSID")
    plan.call("IOCTL", Slot(terminal), termios.TIOCSCTTY)
    plan.add("TELL", slot=master)
    return terminal


def read_all(master: int) -> str:
    """What the terminal shows until its last user is gone."""
    shown = b""
    # A master without slaves is an error to read, and a hang-up to poll.
    while select.select([master], [], [], 20)[0]:
        with contextlib.suppress(OSError):
            shown += os.read(master, 4096)
            continue
        break
    return shown.decode().replace("\r\n", "\n")


def test_the_program_runs_on_its_own_terminal(run: Start, container: Make) -> None:
    box = container()
    terminal = with_terminal(box, console=True, size=(33, 77))
    box.finish(
        "tty; stty size; stat -c '%t:%T %u:%g %a' /dev/pts/0 /dev/console;"
        "cut -d' ' -f5-8 /proc/self/stat; read line; echo got $line; ls -1 /dev/pts"
    )
    box.plan.ops[-1].data = fds((terminal, 0), (terminal, 1), (terminal, 2))
    process = run(box.plan)
    process.receive()
    message = process.receive()
    assert message is not None
    assert message.name == "TERMINAL_FD"
    assert message.step == step_of(box, "TELL")
    try:
        os.write(message.fd, b"hello\n")
        lines = [line for line in read_all(message.fd).splitlines() if line != "hello"]
    finally:
        os.close(message.fd)
    assert lines[:4] == [
        "/dev/pts/0",
        "33 77",
        "88:0 1000:5 620",
        "88:0 1000:5 620",
    ]
    # A session of its own whose controlling terminal (136:0) is this one.
    _, session, tty, foreground = lines[4].split()
    assert (session, tty) == ("1", str(136 << 8))
    assert foreground == "1"
    assert lines[5:] == ["got hello", "0", "ptmx"]
    assert process.messages() == []
    assert process.wait() == 0


def test_without_console_nothing_is_bound_on_dev_console(
    run: Start, container: Make
) -> None:
    box = container()
    with_terminal(box, console=False, size=(0, 0))
    box.finish("ls /dev/console 2>&1; echo done")
    process = run(box.plan)
    process.receive()
    message = process.receive()
    assert message is not None
    os.close(message.fd)
    assert process.messages() == []
    assert box.read() == "ls: /dev/console: No such file or directory\ndone\n"
    assert process.wait() == 0


@pytest.mark.parametrize("fake", [b"null", b"file"])
def test_anything_but_a_ptmx_is_refused(
    run: Start, container: Make, fake: bytes
) -> None:
    box = container()
    box.namespaces()
    box.root()
    box.devices()
    box.plan.call("MKNODAT", Slot(box.dev), b"file\0", 0o100600)
    ptmx(box, fake, box.plan.slot())
    step = step_of(box, "VERIFY_NODE")
    assert result_of(run, box) == failure(step, errno.ENODEV, "VERIFY")
