# SPDX-License-Identifier: Apache-2.0
"""Messages of a command: for people on standard error, for engines in a file.

An engine reads the file: one JSON object a line, ``level``, ``msg``, ``time``.
"""

from __future__ import annotations

import errno
import json
import sys

from libcontainer.errors import ConfigError, ProgramError, StateError

# Engines look for these words to choose an exit status.
_PROGRAM = {
    errno.ENOENT: "executable file not found in $PATH",
    errno.EACCES: "permission denied",
}


class Log:
    """Where the messages of one command go."""

    def __init__(self, path: str | None, form: str, *, debug: bool) -> None:
        self._path = path
        self._form = form
        self._debug = debug

    def failed(self, error: BaseException) -> None:
        """Tell why the command failed."""
        text = describe(error)
        print(f"libcontainer: {text}", file=sys.stderr)
        if self._path is not None:
            self._append("error", text)

    def _append(self, level: str, text: str) -> None:
        import datetime  # noqa: PLC0415 - only for who keeps a log

        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        line = json.dumps({"level": level, "msg": text, "time": now})
        if self._form == "text":
            line = f'time="{now}" level={level} msg={json.dumps(text)}'
        try:
            with open(str(self._path), "a") as file:
                file.write(line + "\n")
        except OSError as failed:
            print(f"libcontainer: --log: {failed}", file=sys.stderr)


def describe(error: BaseException) -> str:
    """Return an error as one line."""
    if isinstance(error, ProgramError) and error.errno in _PROGRAM:
        return f"{_PROGRAM[error.errno]}: {error}"
    if isinstance(error, StateError) and error.verb == "signal":
        return f"container not running: {error}"
    if isinstance(error, ConfigError):
        return "; ".join(str(problem) for problem in error.problems)
    return " ".join(str(error).split("\n"))
