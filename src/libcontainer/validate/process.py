# SPDX-License-Identifier: Apache-2.0
"""Checks of what runs: its arguments, terminal and descriptors."""

from __future__ import annotations

import re
from typing import Final

from libcontainer.config.convert import is_integer
from libcontainer.config.model import Config
from libcontainer.config.report import Report, join, show
from libcontainer.config.resources import Resources
from libcontainer.config.rules import absolute_path
from libcontainer.process import DEVNULL, PIPE, STDOUT, Log, Process
from libcontainer.validate.pairs import pairs
from libcontainer.validate.resources import report_resources
from libcontainer.validate.settings import check_settings

_PATH: Final = "process"
_MAX_ADDRESS: Final = 107
_FD_NAME: Final = re.compile(r"[!-9;-~]{1,255}")
_LISTEN_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
_MAX_FD: Final = 2**31 - 1
_MAX_CELLS: Final = 65535
_MAX_SOCKET_PATH: Final = 107
MIN_LOG: Final = 4096
MAX_LOGS: Final = 32
_STREAMS: Final = ("stdin", "stdout", "stderr")
_SIDES: Final = ("rows", "columns")


def check_args(config: Config, process: Process, report: Report) -> None:
    """Check for a program and its arguments."""
    path = join(_PATH, "args")
    known = len(report.problems)
    args = report.items(path, process.args, "strings")
    for at, item in args:
        report.text(at, item)
    if len(report.problems) > known:
        return
    if not args:
        report.add(path, "must have at least one string, the program")
    elif not args[0][1]:
        report.add(args[0][0], "must not be empty: it is the program")


def check_process_settings(config: Config, process: Process, report: Report) -> None:
    """Check what the process does not take from the configuration."""
    check_settings(config, process, report, _PATH)


def check_terminal(config: Config, process: Process, report: Report) -> None:
    """Check that a terminal is not asked for along with other streams."""
    if not _has_terminal(config, process):
        return
    for name in _STREAMS:
        if getattr(process, name) is not None:
            report.add(join(_PATH, name), "is the terminal, and cannot be given too")


def check_console_size(config: Config, process: Process, report: Report) -> None:
    """Check the terminal's rows and columns."""
    size: object = process.console_size
    if size is None:
        return
    path = join(_PATH, "console_size")
    sides = report.items(path, size, "rows and columns")
    if isinstance(size, tuple) and len(sides) != len(_SIDES):
        report.add(path, f"must be (rows, columns), not {show(size)}")
    for at, value in sides:
        report.integer(at, value, 1, _MAX_CELLS)
    if not _has_terminal(config, process):
        report.add(path, "is of no use without a terminal")


def check_console_socket(config: Config, process: Process, report: Report) -> None:
    """Check the socket that is to get the terminal."""
    value: object = process.console_socket
    if value is None:
        return
    path = join(_PATH, "console_socket")
    if is_integer(value):
        report.integer(path, value, 0, _MAX_FD)
    elif isinstance(value, str):
        _check_socket_path(report, path, value)
    else:
        report.wrong_type(path, "None, a path or an fd", value)
    if not _has_terminal(config, process):
        report.add(path, "is of no use without a terminal")


def check_log(process: Process, log: object, report: Report) -> None:
    """Check where a detached process is to be logged."""
    if report.instance("log", log, Log) is None or not isinstance(log, Log):
        return
    path = report.line("log.path", log.path)
    if path is not None and (not path.startswith("/") or path.endswith("/")):
        report.add("log.path", f"must be an absolute path of a file, not {show(path)}")
    size = report.integer("log.max_size", log.max_size, 0, 2**63 - 1)
    if size is not None and 0 < size < MIN_LOG:
        report.add("log.max_size", f"must be 0 or at least {MIN_LOG}, not {size}")
    files = report.integer("log.max_files", log.max_files, 1, MAX_LOGS)
    if size == 0 and files is not None and files > 1:
        report.add("log.max_files", "is of no use without a max_size")
    for name in ("stdout", "stderr"):
        if getattr(process, name) is not None:
            report.add(join(_PATH, name), "goes to the log, and cannot be given too")
    if process.console_socket is not None:
        path = join(_PATH, "console_socket")
        report.add(path, "gets the output: there is none left for a log")


def check_stdio(config: Config, process: Process, report: Report) -> None:
    """Check that each stream is something that has a descriptor."""
    for name in _STREAMS:
        value: object = getattr(process, name)
        words = (PIPE, DEVNULL, STDOUT) if name == "stderr" else (PIPE, DEVNULL)
        if value is None or (is_integer(value) and value in words):
            continue
        path = join(_PATH, name)
        if isinstance(value, int):
            report.integer(path, value, 0, _MAX_FD)
        else:
            _check_file(report, path, value)


def check_pass_fds(config: Config, process: Process, report: Report) -> None:
    """Check for descriptors, none of them twice."""
    seen: dict[int, str] = {}
    path = join(_PATH, "listen_fds")
    for at, name, value in pairs(report, path, process.listen_fds):
        text = report.line(at, name)
        if text is not None and not _FD_NAME.fullmatch(text):
            report.add(at, f"is no name of an fd: {show(text)}")
        _take_fd(report, at, value, seen)
    if process.listen_fds:
        _check_listen_env(config, process, report)
    path = join(_PATH, "pass_fds")
    for at, value in report.items(path, process.pass_fds, "fds"):
        _take_fd(report, at, value, seen)


def _take_fd(report: Report, path: str, value: object, seen: dict[int, str]) -> None:
    fd = report.integer(path, value, 0, _MAX_FD)
    if fd is None:
        return
    if fd in seen:
        report.add(path, f"{fd} is {seen[fd]} already")
    seen.setdefault(fd, path)


def _check_listen_env(config: Config, process: Process, report: Report) -> None:
    env: object = config.env if process.env is None else process.env
    for at, key, _ in pairs(Report(), join(_PATH, "env"), env):
        if key in _LISTEN_VARIABLES:
            report.add(at, f"{key} is set by listen_fds")


def check_pidfd_socket(config: Config, process: Process, report: Report) -> None:
    """Check for an fd, or a path that fits into a socket's address."""
    value: object = process.pidfd_socket
    path = join(_PATH, "pidfd_socket")
    if value is None:
        return
    if is_integer(value):
        report.integer(path, value, 0, _MAX_FD)
    elif not isinstance(value, str):
        report.wrong_type(path, "a path or an fd", value)
    elif absolute_path(report, path, value) and len(value.encode()) > _MAX_ADDRESS:
        report.add(path, f"is longer than {_MAX_ADDRESS} bytes: {show(value)}")


def check_wait_fifo(config: Config, process: Process, report: Report) -> None:
    """Check for an absolute path of a file."""
    value: object = process.wait_fifo
    path = join(_PATH, "wait_fifo")
    if value is None:
        return
    if not isinstance(value, str):
        report.wrong_type(path, "a path", value)
    elif absolute_path(report, path, value) and value.endswith("/"):
        report.add(path, f"must be the path of a fifo, not {show(value)}")


def _has_terminal(config: Config, process: Process) -> bool:
    own: object = process.terminal
    return (config.terminal if own is None else own) is True


def _check_socket_path(report: Report, path: str, value: str) -> None:
    text = report.text(path, value)
    if text is None:
        return
    size = len(text.encode())
    if not text.startswith("/"):
        report.add(path, f"must be an absolute path, not {show(text)}")
    elif size > _MAX_SOCKET_PATH:
        most = f"{_MAX_SOCKET_PATH} is the most for a socket (unix(7))"
        report.add(path, f"is {size} bytes long, {most}")


def _check_file(report: Report, path: str, value: object) -> None:
    fileno: object = getattr(value, "fileno", None)
    if not callable(fileno):
        report.wrong_type(
            path, "None, PIPE, DEVNULL, an fd or an object with fileno()", value
        )
        return
    try:
        fd: object = fileno()
    except Exception as error:
        report.add(path, f"has no file descriptor: {show(error)}")
        return
    report.integer(path, fd, 0, _MAX_FD)


def check_own_cgroup(config: Config, process: Process, report: Report) -> None:
    """Check the cgroup that a further process is to enter, and limits of its own."""
    path: object = process.cgroup
    at = join(_PATH, "cgroup")
    if path is not None and report.line(at, path) is not None:
        words = [word.rpartition(":") for word in str(path).split(";")]
        # The container's own is meant by "."; for some hierarchies by no path as well.
        others = [
            below for _, colon, below in words if below != "." and (below or not colon)
        ]
        names = [name for below in others for name in below.split("/")]
        if any(name in {"", ".", ".."} for name in names):
            report.add(
                at, f"must be a relative path without '.', '..', not {show(path)}"
            )
    if process.resources is None:
        return
    at = join(_PATH, "resources")
    resources = report.instance(at, process.resources, Resources)
    if resources is not None:
        report_resources(at, resources, report)
        if resources.devices:
            report.add(join(at, "devices"), "are the container's, not a process's")
