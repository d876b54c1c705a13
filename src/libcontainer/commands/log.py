# SPDX-License-Identifier: Apache-2.0
"""Messages of a command: for people on standard error, for engines in a file.

An engine reads the file: one JSON object a line, ``level``, ``msg``, ``time``.
"""

from __future__ import annotations

import json
import os
import sys

from libcontainer.commands.phrases import describe


class Log:
    """Where the messages of one command go."""

    def __init__(self) -> None:
        self._fd = -1
        self._form = "text"
        self._debug = False

    def open(self, path: str | None, form: str, *, debug: bool) -> None:
        """Write to a file from here on, ``[file:]PATH``; tell more if *debug*.

        Raises:
            OSError: it cannot be opened.
        """
        self._form = form
        self._debug = debug
        if path:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._fd = os.open(path.removeprefix("file:"), flags, 0o644)

    def failed(self, error: BaseException) -> None:
        """Tell why the command failed."""
        text = describe(error)
        print(f"libcontainer: {text}", file=sys.stderr)
        if self._fd >= 0:
            self._append("error", text)

    def debug(self, text: str) -> None:
        """Tell what is going on, to whom wants to know."""
        if self._debug:
            self._append("debug", text)

    def _append(self, level: str, text: str) -> None:
        from datetime import UTC, datetime  # noqa: PLC0415 - loaded for what is told

        now = datetime.now(UTC).isoformat(timespec="seconds")
        if self._form == "json":
            fields = {"level": level, "msg": text, "time": now}
            line = json.dumps(fields, separators=(",", ":"))
        else:
            line = f'time="{now}" level={level} msg={json.dumps(text)}'
        try:
            # In one piece: others write to the same file.
            os.write(2 if self._fd < 0 else self._fd, f"{line}\n".encode())
        except OSError as failed:
            print(f"libcontainer: --log: {failed}", file=sys.stderr)
