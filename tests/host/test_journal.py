# SPDX-License-Identifier: Apache-2.0
"""Messages and output for the journal and syslog, as those who listen get them."""

from __future__ import annotations

import logging
import os
import re
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.commands.log import Log
from libcontainer.host import journal
from libcontainer.host.journal import (
    JournalHandler,
    journal_entry,
    journal_stream,
    priority_of,
    send_entry,
    syslog_handler,
)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket as journald and syslog have one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "socket"))
        end.settimeout(10)
        yield end


def parse(entry: bytes) -> list[tuple[str, str]]:
    """Read an entry as the protocol says."""
    found = []
    while entry:
        line, _, rest = entry.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + size], rest[8 + size :]
            assert rest[:1] == b"\n"
            rest = rest[1:]
        found.append((name.decode(), value.decode()))
        entry = rest
    return found


@pytest.mark.parametrize(
    "fields",
    [
        [],
        [("MESSAGE", "text")],
        [("MESSAGE", "a=b"), ("EMPTY", "")],
        [("MESSAGE", "two\nlines\n"), ("AFTER", "é")],
        [("A_1", "\n"), ("A_1", "PRIORITY=0\nMESSAGE=forged")],
    ],
)
def test_an_entry_says_what_it_was_given(fields: list[tuple[str, str]]) -> None:
    assert parse(journal_entry(fields)) == fields


@pytest.mark.parametrize("name", ["", "_PID", "a", "A=B", "A\n", "0A", "A" * 65])
def test_a_field_that_the_journal_would_drop_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no field"):
        journal_entry([(name, "x")])
    with pytest.raises(ValueError, match="no field"):
        JournalHandler(fields={name: "x"})


def test_a_message_of_logging_is_an_entry(
    listener: socket.socket, tmp_path: Path
) -> None:
    handler = JournalHandler(
        "box", fields={"CONTAINER": "b1"}, address=str(tmp_path / "socket")
    )
    logger = logging.getLogger("libcontainer.test")
    logger.addHandler(handler)
    try:
        logger.warning("it is %s\nand more", "so")
    finally:
        logger.removeHandler(handler)
    found = dict(parse(listener.recv(65536)))
    assert found["MESSAGE"] == "it is so\nand more"
    assert found["PRIORITY"] == "4"
    assert found["SYSLOG_IDENTIFIER"] == "box"
    assert found["CONTAINER"] == "b1"
    assert found["CODE_FILE"] == __file__
    assert found["LOGGER"] == "libcontainer.test"


def test_an_entry_of_any_size_arrives(listener: socket.socket, tmp_path: Path) -> None:
    fields = [("MESSAGE", "x" * (4 << 20))]
    before = len(os.listdir("/proc/self/fd"))
    send_entry(journal_entry(fields), str(tmp_path / "socket"))
    data, fds, _, _ = socket.recv_fds(listener, 65536, 1)
    assert data == b""
    with open(fds[0], "rb") as file:
        assert parse(file.read()) == fields
    assert len(os.listdir("/proc/self/fd")) == before


def test_levels_are_those_of_syslog() -> None:
    levels = [logging.CRITICAL, logging.ERROR, logging.WARNING, logging.INFO, 5]
    assert [priority_of(level) for level in levels] == [2, 3, 4, 6, 7]


def test_a_stream_tells_who_it_is_first(tmp_path: Path) -> None:
    address = str(tmp_path / "stream")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(address)
        server.listen()
        with journal_stream("web", priority=3, address=address) as stream:
            subprocess.run(["echo", "said"], stdout=stream, check=True)
        with server.accept()[0] as end:
            assert end.makefile().read() == "web\n\n3\n1\n0\n0\n0\nsaid\n"


@pytest.mark.parametrize(("name", "priority"), [("a\nb", 6), ("a", 8), ("a", -1)])
def test_a_stream_is_not_talked_out_of_its_header(name: str, priority: int) -> None:
    with pytest.raises(ValueError, match="identifier"):
        journal_stream(name, priority=priority)


def test_without_a_journal_it_is_said(tmp_path: Path) -> None:
    nobody = str(tmp_path / "nobody")
    with pytest.raises(lc.UnsupportedError, match="journal"):
        send_entry(b"", nobody)
    with pytest.raises(lc.UnsupportedError, match="journal"):
        journal_stream("x", address=nobody)
    with pytest.raises(lc.UnsupportedError, match="syslog"):
        syslog_handler("x", nobody)


def test_the_commands_messages_go_where_log_says(
    listener: socket.socket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = str(tmp_path / "socket")
    monkeypatch.setattr(journal.send_entry, "__defaults__", (address,))
    monkeypatch.setattr(journal.syslog_handler, "__defaults__", (address,))
    error = lc.ContainerNotFoundError("box")

    def tell(target: str) -> None:
        log = Log()
        log.open(target, "text", debug=False)
        log.failed(error)

    tell("journald:engine")
    entry = dict(parse(listener.recv(65536)))
    assert entry["SYSLOG_IDENTIFIER"] == "engine"
    assert "'box'" in entry["MESSAGE"]
    tell("syslog:engine")
    line = listener.recv(65536).decode()
    assert re.match(r"<27>engine: .*'box'", line)
    monkeypatch.setattr(journal.send_entry, "__defaults__", ("/nobody",))
    tell("journald:")
    assert "--log: the journal" in capsys.readouterr().err


@pytest.mark.needs("root", "rootfs", "journald")
def test_the_output_of_a_container_is_in_the_journal(busybox_rootfs: Path) -> None:
    name = f"lc-test-{os.getpid()}"
    with journal_stream(name) as stream:
        command = ["sh", "-c", "echo from inside; echo '<3>an error'"]
        lc.run(command, rootfs=lc.Overlay(str(busybox_rootfs)), stdout=stream)
    logger = logging.getLogger("libcontainer.test")
    handler = JournalHandler(name)
    logger.addHandler(handler)
    logger.error("x" * 300_000)
    logger.removeHandler(handler)
    deadline = time.monotonic() + 30
    while True:
        command = ["journalctl", "-t", name, "-o", "cat", "--all"]
        said = subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout
        if len(said) > 300_000:
            break
        assert time.monotonic() < deadline, said[:1000]
        time.sleep(0.2)
    assert said.startswith("from inside\nan error\nxxx")
