# SPDX-License-Identifier: Apache-2.0
"""Messages of a command: for people on standard error, for engines in a file.

An engine reads the file: one JSON object a line, ``level``, ``msg``, ``time``.
"""

from __future__ import annotations

import os
import sys

from libcontainer.commands.phrases import describe, shown


class Log:
    """Where the messages of one command go."""

    def __init__(self) -> None:
        self._fd = -1
        self._target: str | None = None
        self._form = "text"
        self._debug = False

    def open(self, path: str | None, form: str, *, debug: bool) -> None:
        """Write to a file from here on, ``[file:]PATH``; tell more if *debug*.

        ``journald:NAME`` and ``syslog:NAME`` are no files.

        Raises:
            OSError: it cannot be opened.
        """
        self._form = form
        self._debug = debug
        if path and path.startswith(("journald:", "syslog:")):
            self._target = path
        elif path:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            try:
                self._fd = os.open(path.removeprefix("file:"), flags, 0o644)
            except OSError as error:
                name = f"--log={path}"
                raise OSError(error.errno, error.strerror, name) from error

    def failed(self, error: BaseException) -> None:
        """Tell why the command failed."""
        print(shown(error), file=sys.stderr)
        if self._fd >= 0 or self._target is not None:
            self._append("error", describe(error))

    def warn(self, text: str) -> None:
        """Tell what is passed over though it was asked for."""
        self._append("warning", text)

    def debug(self, text: str) -> None:
        """Tell what is going on, to whom wants to know."""
        if self._debug:
            self._append("debug", text)

    def _append(self, level: str, text: str) -> None:
        if self._target is not None:
            from libcontainer.commands.logtargets import pass_on  # noqa: PLC0415

            pass_on(self._target, level, text)
            return
        import json  # noqa: PLC0415 - loaded for what is told
        from datetime import UTC, datetime  # noqa: PLC0415

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
            print(f"libcontainer: --log: {describe(failed)}", file=sys.stderr)
