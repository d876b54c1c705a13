# SPDX-License-Identifier: Apache-2.0
"""The journal of systemd and syslog, for the library's messages and for output.

Source: systemd's *Native Journal Protocol*; no library of systemd is needed.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
import struct
from collections.abc import Iterable, Mapping
from logging.handlers import SysLogHandler
from typing import Final

from libcontainer.bindings.memfd import sealed_memfd
from libcontainer.errors import UnsupportedError

_SOCKET: Final = "/run/systemd/journal/socket"
_STREAM: Final = "/run/systemd/journal/stdout"
_SYSLOG: Final = "/dev/log"
_SIZE: Final = struct.Struct("<Q")
# What systemd accepts of a client; others it drops without a word.
_FIELD: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_TOO_LARGE: Final = frozenset({errno.EMSGSIZE, errno.ENOBUFS})
_PRIORITIES: Final = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
)
_DEBUG: Final = 7


def journal_entry(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return an entry in the journal's own form. Pure.

    Args:
        fields: names, of ``A-Z 0-9 _``, and values; a name may come again.

    Raises:
        ValueError: a name is not allowed.
    """
    parts = []
    for name, value in fields:
        if not _FIELD.fullmatch(name):
            message = f"the journal has no field {name!r}"
            raise ValueError(message)
        data = value.encode("utf-8", "replace")
        if b"\n" in data:
            parts.append(name.encode() + b"\n" + _SIZE.pack(len(data)) + data + b"\n")
        else:
            parts.append(name.encode() + b"=" + data + b"\n")
    return b"".join(parts)


def send_entry(entry: bytes, address: str = _SOCKET) -> None:
    """Send an entry to the journal; one too long for a datagram goes by memory file.

    Raises:
        UnsupportedError: there is no journal.
        OSError: it takes nothing.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
        try:
            end.connect(address)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise UnsupportedError("the journal", "systemd-journald") from error
        try:
            end.send(entry)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            memory = sealed_memfd("journal-entry", entry)
            try:
                socket.send_fds(end, [b""], [memory])
            finally:
                os.close(memory)


class JournalHandler(logging.Handler):
    """Sends messages of `logging` to the journal of systemd.

    ``logging.getLogger("libcontainer").addHandler(JournalHandler())``

    Args:
        identifier: what the entries are found by: ``journalctl -t IDENTIFIER``.
        fields: further fields of every entry.
        address: the journal's socket, a host path.

    Raises:
        ValueError: a field's name is not allowed.
    """

    def __init__(
        self,
        identifier: str = "libcontainer",
        *,
        fields: Mapping[str, str] | None = None,
        address: str = _SOCKET,
    ) -> None:
        super().__init__()
        self._fields = [("SYSLOG_IDENTIFIER", identifier), *(fields or {}).items()]
        self._address = address
        journal_entry(self._fields)

    def emit(self, record: logging.LogRecord) -> None:
        """Send a message; what fails is a matter of `logging.Handler.handleError`."""
        try:
            found = [
                ("MESSAGE", self.format(record)),
                ("PRIORITY", str(priority_of(record.levelno))),
                ("LOGGER", record.name),
                ("CODE_FILE", record.pathname),
                ("CODE_LINE", str(record.lineno)),
                ("CODE_FUNC", record.funcName or ""),
                *self._fields,
            ]
            send_entry(journal_entry(found), self._address)
        except Exception:
            self.handleError(record)


def priority_of(level: int) -> int:
    """Return the priority of syslog(3) for a level of `logging`."""
    return next((number for least, number in _PRIORITIES if level >= least), _DEBUG)


def journal_stream(
    identifier: str, *, priority: int = 6, address: str = _STREAM
) -> socket.socket:
    """Return what each line written to becomes an entry of the journal.

    ``Process(args, stdout=journal_stream("web"))``: nothing stands between the
    container and the journal, and the caller may end. Close it after the launch.

    Args:
        identifier: as for `JournalHandler`.
        priority: of every line, 0 to 7; a line may begin with its own, as ``<3>``.
        address: the journal's socket, a host path.

    Raises:
        ValueError: *identifier* has a new line, or *priority* is none.
        UnsupportedError: there is no journal.
    """
    if "\n" in identifier or "\0" in identifier or priority not in range(8):
        message = f"not an identifier and a priority: {identifier!r}, {priority!r}"
        raise ValueError(message)
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        end.connect(address)
        # Unit, priority, prefixes of lines are read, nothing is passed on.
        head = f"{identifier}\n\n{priority}\n1\n0\n0\n0\n"
        end.sendall(head.encode())
        end.shutdown(socket.SHUT_RD)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        end.close()
        raise UnsupportedError("the journal", "systemd-journald") from error
    except BaseException:
        end.close()
        raise
    return end


def syslog_handler(identifier: str, address: str = _SYSLOG) -> SysLogHandler:
    """Return a handler of `logging` for the local syslog.

    Raises:
        UnsupportedError: there is no syslog.
    """
    # The handler itself would pass over a syslog that is not there.
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
            end.connect(address)
    except OSError as error:
        raise UnsupportedError("syslog", f"a daemon at {address}") from error
    handler = SysLogHandler(address, facility=SysLogHandler.LOG_DAEMON)
    handler.ident = f"{identifier}: "
    return handler
