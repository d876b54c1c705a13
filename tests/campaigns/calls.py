# SPDX-License-Identifier: Apache-2.0
"""Every system call of every process of every operation goes wrong, in every way."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.campaigns import trial
from tests.campaigns.arena import Arena, Result, Strike
from tests.campaigns.rows import Rows

ERRNOS = ("EIO", "ENOSPC", "EMFILE", "ENFILE", "ENOMEM", "EPERM", "EINTR", "EAGAIN",
          "ENOSYS", "EBUSY")  # fmt: skip
ACTIONS = ("kill", "EIO", "short", "ENOSYS every", "stop", *ERRNOS[1:])
EVERY = ("kill", *ERRNOS)
"""What is done to every kind of container; the rest to the plain one."""

# The C library aborts a program that these fail in: that is a kill, done elsewhere.
_NEVER_FAIL = {"futex", "rt_sigreturn", "exit", "exit_group",
               # Nor can these: what they return is no error.
               "umask", "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid",
               "getegid", "alarm"}  # fmt: skip
_TRIES = 5
_TRANSFERS = {"read", "write", "pread64", "pwrite64"}
_EXEC = {"execve", "execveat"}


Names = tuple[str, str]
"""An action as it is called, and the call that it is meant for."""


@dataclass(frozen=True)
class Baseline:
    """One kind of operation when nothing goes wrong.

    Attributes:
        kind: of the container.
        command: the operation.
        seen: what is seen inside.
        calls: names of the calls of each process, up to its last execve.
    """

    kind: str
    command: str
    seen: str
    calls: dict[int, list[str]]

    def points(self) -> Iterator[tuple[int, int, str]]:
        """Yield (process, ordinal, name of the call)."""
        for process, names in sorted(self.calls.items()):
            for ordinal, name in enumerate(names, 1):
                yield process, ordinal, name


def baseline(arena: Arena, command: str, kind: str) -> Baseline:
    """Hold a trial without a strike, twice, and check that it goes well."""
    results = []
    for _ in range(2):
        results.append(arena.attempt(command, kind, None))
        wrong = arena.check(results[-1])
        assert not wrong, (kind, command, wrong)
    first, second = (result.outcome.get("seen", "nothing") for result in results)
    assert first == second, (kind, command, first, second)
    assert "exit 0, " in first or command in {"create", "delete"}, first
    by_process: dict[int, list[str]] = {}
    for process, name in results[0].calls:
        by_process.setdefault(process, []).append(name)
    # What follows the last execve are the calls of the user's program; programs of
    # ours, such as the monitor, come by execveat.
    for process, names in by_process.items():
        execs = [i for i, name in enumerate(names) if name == "execve"]
        if process and execs:
            del names[execs[-1] + 1 :]
    return Baseline(kind, command, first, by_process)


def strikes(base: Baseline, action: str) -> Iterator[Strike]:
    """Yield the strikes of one action at every point of an operation."""
    number = getattr(errno, action, None)
    for process, ordinal, name in base.points():
        if number is not None and name in _NEVER_FAIL:
            continue
        if action == "short" and name not in _TRANSFERS:
            continue
        # The library waits for what is stopped until the deadline: a sample.
        if action == "stop" and (process == 0 or ordinal % 12):
            continue
        yield Strike(process, ordinal, str(number) if number else action)


def verdict(
    base: Baseline, strike: Strike, result: Result, wrong: list[str], name: str
) -> str:
    """Return ``good`` or what is wrong."""
    told, text = result.outcome, result.outcome.get("text")
    seen, error = told.get("seen"), told.get("error")
    shifted = result.struck not in {None, name}
    if shifted and result.struck in _NEVER_FAIL and strike.action.isdigit():
        return "good"  # Nothing that can happen.
    if shifted and name in _EXEC and strike.process > 0:
        wrong = [word for word in wrong if word != "hung"]  # The program does.
    # One call later or earlier it may be one of the program that is struck.
    if wrong or (shifted and strike.process > 0):
        return "; ".join(wrong)[:500] or "good"
    if seen is not None and seen != base.seen and not _is_death(base, strike, seen):
        return f"another result: {seen}, not {base.seen}"
    if error is not None and not (told.get("ours") or error in _ANSWERS):
        return f"raised {error}: {text}"
    if error is not None and strike.process > 0 and not _names_step(result):
        return f"no step is named: {error}: {text}"
    return "good"


def _is_death(base: Baseline, strike: Strike, seen: str) -> bool:
    """Tell whether it is the helper's own end that is seen, as it should be."""
    if strike.process == 0:
        return False
    if base.command == "create":
        return seen == "stopped"  # on its way to the gate, or at it
    return strike.action == "kill" and seen in _KILLED


# After the last word of the helper its death is that of the program.
_KILLED = {"exit -9, 0 bytes", "exit 137, 0 bytes"}

# The interpreter's own words for a call that failed.
_ANSWERS = {
    *("OSError", "MemoryError", "PermissionError", "BlockingIOError"),
    *("InterruptedError", "BlockingIOError", "FileNotFoundError", "TimeoutError"),
}


def _names_step(result: Result) -> bool:
    told = result.outcome
    text = str(told.get("text"))
    named = ("step", "its gate", "the monitor ended")
    return bool(told.get("step")) or any(word in text for word in named)


def answer(result: Result) -> str:
    """Return in one word what the caller got."""
    if result.struck is None:
        return "not reached"
    if "seen" in result.outcome:
        return "unaffected"
    if "error" in result.outcome:
        return "refused"
    return "caller died"


def hold(
    arena: Arena,
    rows: Rows,
    base: Baseline,
    strike: Strike,
    names: Names,
    *,
    again: bool = False,
) -> None:
    """Hold one trial and write its row."""
    action, name = names
    key = f"{base.kind}/{base.command}/{strike.process}/{strike.ordinal}/{action}"
    if strike.ordinal == 0:
        key += f"/{name}"
    if key in rows or (again and key not in rows.findings):
        return
    for _ in range(_TRIES):
        result = arena.attempt(base.command, base.kind, strike)
        wrong = arena.check(result)
        told = result.outcome
        # On a machine that has no time for us nothing was struck: no trial.
        if result.struck or "LaunchTimeoutError" not in str(told):
            break
    rows.add(
        key,
        verdict(base, strike, result, wrong, name),
        family="calls",
        call=result.struck or name,
        answer=answer(result),
        step=told.get("step"),
        error=told.get("error"),
        text=told.get("text"),
        seconds=round(result.seconds, 3),
    )


def campaign(
    arena: Arena,
    rows: Rows,
    *,
    actions: Sequence[str] = ACTIONS,
    kinds: Sequence[str] = trial.KINDS,
    commands: Sequence[str] = trial.COMMANDS,
    every: int = 1,
    again: bool = False,
) -> None:
    """Hold all trials; with *every* only each so many-th, with *again* the findings."""
    bases = [baseline(arena, c, k) for k in kinds for c in commands]
    for action in actions:
        for base in bases:
            if base.kind != "plain" and action not in EVERY:
                continue
            if action == "ENOSYS every":
                _missing(arena, rows, base)
                continue
            names = {(p, o): name for p, o, name in base.points()}
            for strike in list(strikes(base, action))[::every]:
                name = names[strike.process, strike.ordinal]
                hold(arena, rows, base, strike, (action, name), again=again)


# Older than clone(2) with CLONE_PIDFD, or what no program starts without, or what the
# program that looks around inside asks itself.
_FLOOR = {"poll", "waitid", "pidfd_send_signal", "sendmsg", "recvmsg", "ioctl", "close",
          "read", "write", "openat", "fcntl", "rt_sigprocmask", "mprotect",
          "prlimit64"}  # fmt: skip


def _missing(arena: Arena, rows: Rows, base: Baseline) -> None:
    """Let the kernel lack each call that an operation makes."""
    from tests.campaigns.arena import NUMBERS

    numbers = {name: number for number, name in NUMBERS.items()}
    for name in sorted({name for _, _, name in base.points()} - _NEVER_FAIL - _FLOOR):
        strike = Strike(-1, 0, str(errno.ENOSYS), numbers[name])
        hold(arena, rows, base, strike, ("ENOSYS every", name))
