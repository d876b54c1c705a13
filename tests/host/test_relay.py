# SPDX-License-Identifier: Apache-2.0
"""The relay between two terminals: what it copies, and what it puts back."""

from __future__ import annotations

import os
import pty
import select
import termios
import threading
import time
from collections.abc import Iterator

import pytest
from attrs import define

from libcontainer.host.relay import Relay

OFLAG = 1


@define
class Desk:
    """A caller's terminal and a container's, both ends of each."""

    keyboard: int
    caller: int
    master: int
    slave: int

    def relay(self, **wishes: object) -> Relay:
        """Return a relay between the two."""
        merged = {"stdin": self.caller, "stdout": self.caller, **wishes}
        return Relay(self.master, terminal=self.master, **merged)  # type: ignore[arg-type]

    def hang_up(self) -> None:
        """End the container's side."""
        os.close(self.slave)
        self.slave = -1


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Two terminals."""
    made = Desk(*pty.openpty(), *pty.openpty())
    yield made
    for fd in (made.keyboard, made.caller, made.master, made.slave):
        if fd >= 0:
            os.close(fd)


@pytest.fixture
def end() -> Iterator[tuple[int, int]]:
    """A pipe that stands for a process: its end is readable when it is closed."""
    read, write = os.pipe()
    yield read, write
    os.close(read)


def read_until(fd: int, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        assert select.select([fd], [], [], 20)[0], seen
        seen += os.read(fd, 1000)
    return seen


def test_output_waits_for_a_reader_that_is_slow(
    desk: Desk, end: tuple[int, int]
) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    size = 300_000
    relay = desk.relay(stdout=write)
    relay.normalise()
    ended: list[bool] = []
    thread = in_thread(lambda: ended.append(relay.run(end[0])))

    def say() -> None:
        left = b"x" * size
        while left:
            left = left[os.write(desk.slave, left) :]

    speaker = in_thread(say)
    deadline = time.monotonic() + 20
    while select.select([], [write], [], 0)[1]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    seen = 0
    while seen < size:
        assert select.select([read], [], [], 20)[0], seen
        seen += len(os.read(read, 65536))
    speaker.join()
    os.close(end[1])
    thread.join()
    assert ended == [True]
    os.close(read)
    os.close(write)


def in_thread(work: object) -> threading.Thread:
    thread = threading.Thread(target=work)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_output_and_keys_go_through_and_the_mode_comes_back(desk: Desk) -> None:
    before = termios.tcgetattr(desk.caller)
    termios.tcsetwinsize(desk.caller, (31, 87))
    ended: list[bool] = []
    thread = in_thread(lambda: ended.append(desk.relay().run()))
    os.write(desk.slave, b"prompt")
    assert read_until(desk.keyboard, b"prompt") == b"prompt"
    assert termios.tcgetattr(desk.caller) != before
    os.write(desk.keyboard, b"\x03typed\n")
    # Raw on our side: the interrupt key is the container's to understand.
    os.write(desk.keyboard, b"more\r")
    assert read_until(desk.slave, b"more\n") in (b"typed\nmore\n", b"more\n")
    assert termios.tcgetwinsize(desk.slave) == (31, 87)
    desk.hang_up()
    thread.join(20)
    assert ended == [True]
    assert termios.tcgetattr(desk.caller) == before


def test_the_detach_keys_end_it_and_the_rest_is_not_lost(desk: Desk) -> None:
    before = termios.tcgetattr(desk.caller)
    ended: list[bool] = []
    relay = desk.relay(detach_keys="ctrl-p,ctrl-q")
    thread = in_thread(lambda: ended.append(relay.run()))
    os.write(desk.slave, b"x")
    read_until(desk.keyboard, b"x")
    os.write(desk.keyboard, b"line\n\x10\x11")
    thread.join(20)
    assert ended == [False]
    assert termios.tcgetattr(desk.caller) == before
    assert read_until(desk.slave, b"line\n") == b"line\n"


def test_without_keys_nothing_that_is_typed_ends_it(desk: Desk) -> None:
    relay = desk.relay()
    thread = in_thread(relay.run)
    os.write(desk.slave, b"x")
    read_until(desk.keyboard, b"x")
    # Not the second key of docker's: that one lets a stopped output go on.
    os.write(desk.keyboard, b"\x10\x05end\n")
    assert read_until(desk.slave, b"end\n") == b"\x10\x05end\n"
    desk.hang_up()
    thread.join(20)


@pytest.mark.parametrize("where", ["on_wake", "stdout"])
def test_the_mode_comes_back_after_an_error(
    desk: Desk, end: tuple[int, int], where: str
) -> None:
    before = termios.tcgetattr(desk.caller)
    read, write = end
    os.close(write)

    def fail() -> None:
        raise KeyboardInterrupt

    if where == "on_wake":
        with pytest.raises(KeyboardInterrupt):
            desk.relay().run(wake=read, on_wake=fail)
    else:
        os.write(desk.slave, b"output")
        with open("/dev/full", "wb") as full, pytest.raises(OSError, match="space"):
            desk.relay(stdout=full.fileno()).run()
    assert termios.tcgetattr(desk.caller) == before


def test_carriage_returns_are_kept_out_of_a_file(desk: Desk) -> None:
    read, write = os.pipe()
    relay = desk.relay(stdout=write)
    relay.normalise()
    assert not termios.tcgetattr(desk.slave)[OFLAG] & termios.ONLCR
    os.write(desk.slave, b"one\ntwo\n")
    desk.hang_up()
    assert relay.run()
    os.close(write)
    assert os.read(read, 100) == b"one\ntwo\n"
    os.close(read)


def test_a_terminal_keeps_its_carriage_returns(desk: Desk) -> None:
    os.write(desk.slave, b"one\n")
    desk.hang_up()
    assert desk.relay().run()
    assert read_until(desk.keyboard, b"\n") == b"one\r\n"


def test_what_a_process_wrote_last_is_not_lost(
    desk: Desk, end: tuple[int, int]
) -> None:
    read, write = end
    os.write(desk.slave, b"last words")
    os.close(write)
    assert desk.relay().run(read)
    assert read_until(desk.keyboard, b"words") == b"last words"


def test_the_end_of_the_input_is_told_and_output_goes_on(desk: Desk) -> None:
    read, write = os.pipe()
    typed, keyboard = os.pipe()
    os.write(keyboard, b"input\n")
    os.close(keyboard)
    thread = in_thread(desk.relay(stdin=typed, stdout=write).run)
    assert os.read(desk.slave, 100) == b"input\n"
    assert os.read(desk.slave, 100) == b""
    os.write(desk.slave, b"after")
    assert b"after" in read_until(read, b"after")
    desk.hang_up()
    thread.join(20)
    for fd in (read, write, typed):
        os.close(fd)


def test_a_container_that_reads_nothing_does_not_stop_its_output(desk: Desk) -> None:
    # More than any terminal keeps for a reader.
    typed, keyboard = os.pipe()
    read, write = os.pipe()
    relay = desk.relay(stdin=typed, stdout=write)
    mode = termios.tcgetattr(desk.slave)
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(desk.slave, termios.TCSANOW, mode)
    thread = in_thread(relay.run)
    feeder = in_thread(lambda: os.write(keyboard, b"k" * 40000))
    feeder.join(20)
    os.write(desk.slave, b"still here")
    assert b"still here" in read_until(read, b"still here")
    desk.hang_up()
    thread.join(20)
    assert not thread.is_alive()
    for fd in (typed, keyboard, read, write):
        os.close(fd)


def test_without_a_terminal_nothing_is_read_from_the_caller(desk: Desk) -> None:
    output, write = os.pipe()
    os.write(desk.keyboard, b"\x10\x11\n")
    os.write(write, b"said")
    os.close(write)
    relay = Relay(output, terminal=None, stdin=desk.caller, stdout=desk.caller)
    relay.normalise()
    relay.resize()
    assert relay.run()
    os.close(output)
    assert select.select([desk.caller], [], [], 5)[0]


def test_bad_keys_are_refused_at_once(desk: Desk) -> None:
    with pytest.raises(ValueError, match="no detach key"):
        desk.relay(detach_keys="ctrl-1")
