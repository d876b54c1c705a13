# SPDX-License-Identifier: Apache-2.0
"""What a console socket and a log may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from libcontainer.config import Config
from libcontainer.process import DEVNULL, Log, Process
from libcontainer.validate import validate, validate_log

WRONG_SOCKETS: list[tuple[dict[str, Any], str, str]] = [
    ({"console_socket": "/run/x"}, "process.console_socket", "is of no use without"),
    ({"console_socket": 5}, "process.console_socket", "is of no use without"),
    (
        {"console_socket": "x.sock", "terminal": True},
        "process.console_socket",
        "must be an absolute path, not 'x.sock'",
    ),
    (
        {"console_socket": "", "terminal": True},
        "process.console_socket",
        "must be an absolute path, not ''",
    ),
    (
        {"console_socket": "/" + "x" * 107, "terminal": True},
        "process.console_socket",
        "is 108 bytes long, 107 is the most",
    ),
    (
        {"console_socket": "/" + "é" * 54, "terminal": True},
        "process.console_socket",
        "is 109 bytes long",
    ),
    (
        {"console_socket": "/a\0b", "terminal": True},
        "process.console_socket",
        "has a NUL",
    ),
    (
        {"console_socket": -1, "terminal": True},
        "process.console_socket",
        "must be from 0 to",
    ),
    (
        {"console_socket": 2**31, "terminal": True},
        "process.console_socket",
        "must be from 0 to",
    ),
    (
        {"console_socket": True, "terminal": True},
        "process.console_socket",
        "must be None, a path or an fd, not bool",
    ),
    (
        {"console_socket": b"/run/x", "terminal": True},
        "process.console_socket",
        "must be None, a path or an fd, not bytes",
    ),
]

WRONG_LOGS: list[tuple[Any, str, str]] = [
    ("/var/log/x", "log", "must be a Log, not str"),
    (Log("x"), "log.path", "must be an absolute path of a file, not 'x'"),
    (Log("/var/log/"), "log.path", "must be an absolute path of a file"),
    (Log(""), "log.path", "must be an absolute path of a file"),
    (Log("/a\0"), "log.path", "has a NUL"),
    (Log("/a\nb"), "log.path", "has a line break"),
    (Log(7), "log.path", "must be a string, not int"),  # type: ignore[arg-type]
    (Log("/x", max_size=-1), "log.max_size", "must be from 0 to"),
    (Log("/x", max_size=4095), "log.max_size", "must be 0 or at least 4096, not 4095"),
    (Log("/x", max_size=2**63), "log.max_size", "must be from 0 to"),
    (Log("/x", max_size=True), "log.max_size", "must be an integer, not bool"),
    (Log("/x", max_size="1M"), "log.max_size", "must be an integer"),  # type: ignore[arg-type]
    (Log("/x", max_size=4096, max_files=0), "log.max_files", "must be from 1 to 32"),
    (Log("/x", max_size=4096, max_files=33), "log.max_files", "must be from 1 to 32"),
    (Log("/x", max_files=2), "log.max_files", "is of no use without a max_size"),
]


@pytest.mark.parametrize(("wishes", "path", "message"), WRONG_SOCKETS)
def test_a_wrong_console_socket_is_told(
    wishes: dict[str, Any], path: str, message: str
) -> None:
    (problem,) = validate(Config(), Process(["sh"], **wishes))
    assert problem.path == path
    assert message in problem.message


@pytest.mark.parametrize(
    "console", ["/run/x", Path("/run/x"), 0, 7, "/" + "x" * 106, None]
)
def test_a_good_console_socket_is_no_problem(console: Any) -> None:
    process = Process(["sh"], terminal=True, console_socket=console)
    assert validate(Config(), process) == []


def test_the_terminal_of_the_configuration_counts() -> None:
    assert validate(Config(terminal=True), Process(["sh"], console_socket=3)) == []


@pytest.mark.parametrize(("log", "path", "message"), WRONG_LOGS)
def test_a_wrong_log_is_told(log: Any, path: str, message: str) -> None:
    (problem,) = validate_log(Process(["sh"]), log)
    assert problem.path == path
    assert message in problem.message


def test_every_contradiction_of_a_log_is_told_at_once() -> None:
    process = Process(["sh"], stdout=1, stderr=DEVNULL, terminal=True, console_socket=3)
    paths = [problem.path for problem in validate_log(process, Log("/x"))]
    assert paths == ["process.stdout", "process.stderr", "process.console_socket"]


@pytest.mark.parametrize(
    "log",
    [
        Log("/x"),
        Log(Path("/x")),
        Log("/x", max_size=4096),
        Log("/x", max_size=2**40, max_files=32),
    ],
)
def test_a_good_log_is_no_problem(log: Log) -> None:
    assert validate_log(Process(["sh"]), log) == []
