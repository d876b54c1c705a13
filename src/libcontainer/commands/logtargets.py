# SPDX-License-Identifier: Apache-2.0
"""Where ``--log`` may lead that is no file: the journal, and syslog."""

from __future__ import annotations

import logging
import sys

from libcontainer.commands.phrases import describe
from libcontainer.errors import LibcontainerError
from libcontainer.host import journal


def pass_on(target: str, level: str, text: str) -> None:
    """Pass a message on; that it cannot be is said on standard error.

    Args:
        target: ``journald:NAME`` or ``syslog:NAME``.
        level: ``error`` or ``debug``.
        text: the message.
    """
    kind, _, name = target.partition(":")
    identifier = name or "libcontainer"
    number = logging.getLevelNamesMapping()[level.upper()]
    try:
        if kind == "journald":
            fields = [("MESSAGE", text), ("SYSLOG_IDENTIFIER", identifier)]
            fields.append(("PRIORITY", str(journal.priority_of(number))))
            journal.send_entry(journal.journal_entry(fields))
        else:
            handler = journal.syslog_handler(identifier)
            record = {"msg": text, "levelno": number, "levelname": level.upper()}
            handler.emit(logging.makeLogRecord(record))
            handler.close()
    except (LibcontainerError, OSError) as failed:
        print(f"libcontainer: --log: {describe(failed)}", file=sys.stderr)
