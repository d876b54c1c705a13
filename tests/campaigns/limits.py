# SPDX-License-Identifier: Apache-2.0
"""The machine has nothing left: descriptors, room, processes, namespaces, an answer."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import libcontainer as lc
from tests.campaigns import trial
from tests.campaigns.arena import Arena, Result
from tests.campaigns.rows import Rows

_CLONE_NEWUSER = 0x10000000
_SPACES = ("mnt", "pid", "net", "ipc", "uts", "cgroup")
_COMMANDS = ("run", "create", "exec")

Limit = Callable[[trial.Trial], None]


def _files(count: int) -> Limit:
    def set_limit(_one: trial.Trial) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))

    return set_limit


def _spaces(kind: str) -> Limit:
    """No more namespaces of a kind, for a caller who is root of its own."""

    def set_limit(_one: trial.Trial) -> None:
        # Its thread would be in the way.
        faulthandler.cancel_dump_traceback_later()
        uid, gid = os.getuid(), os.getgid()
        deadline = time.monotonic() + 5
        while ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER) != 0:
            if time.monotonic() > deadline:
                raise OSError(ctypes.get_errno(), "unshare")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        Path(f"/proc/sys/user/max_{kind}_namespaces").write_text("0")

    return set_limit


def _processes(group: Path) -> Limit:
    def set_limit(_one: trial.Trial) -> None:
        (group / "cgroup.procs").write_text(str(os.getpid()))

    return set_limit


def _nobody_answers(one: trial.Trial) -> None:
    """The console socket is there, and nobody takes what comes."""
    path = f"{one.factory.root}/../console-{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(0)
    # The queue is full: a further connection waits.
    fill = [socket.socket(socket.AF_UNIX) for _ in range(2)]
    for end in fill:
        end.setblocking(False)
        end.connect_ex(path)
    process = lc.Process(["true"], terminal=True, console_socket=path)
    one._process = lambda: process  # type: ignore[method-assign]
    one.kept = (listener, fill)  # type: ignore[attr-defined]


def _let_go(one: trial.Trial) -> None:
    listener, fill = one.kept  # type: ignore[attr-defined]
    for end in (listener, *fill):
        end.close()


def _hold(
    arena: Arena,
    rows: Rows,
    key: str,
    limit: Limit,
    *,
    after: Limit | None = None,
    again: bool = True,
) -> Result | None:
    command = key.split("/")[1]
    if key in rows:
        return None

    def body() -> trial.Outcome:
        one = arena.make("plain")
        return trial.perform(one, command, limit, after)

    result = arena.untraced(body)
    wrong = arena.check(result, again=again)
    told = result.outcome
    answer = "unaffected" if "seen" in told else "refused"
    if "error" in told and not (told.get("ours") or told.get("errno")):
        wrong.append(f"raised {told['error']}: {told.get('text')}")
    if result.seconds > trial.HANG_SECONDS:
        wrong.append(f"took {result.seconds:.1f} s")
    rows.add(key, "; ".join(wrong)[:500] or "good", family="limits", answer=answer,
             error=told.get("error"), text=told.get("text"), step=told.get("step"),
             seconds=round(result.seconds, 3))  # fmt: skip
    return result


def campaign(arena: Arena, rows: Rows, *, every: int = 1) -> None:
    """Sweep every limit."""
    for command in _COMMANDS:
        for count in range(6, 61, every):
            _hold(arena, rows, f"limits/{command}/files {count}", _files(count),
                  after=_files(1024))  # fmt: skip
        for kind in _SPACES:
            _hold(arena, rows, f"limits/{command}/no {kind} namespaces", _spaces(kind))
    _hold(arena, rows, "limits/run/nobody takes the terminal", _nobody_answers,
          after=_let_go)  # fmt: skip
    for count in range(1, 11):
        with_group = list(_groups(count))
        for group in with_group:
            arena.remember()
            for command in _COMMANDS:
                _hold(arena, rows, f"limits/{command}/processes {count}",
                      _processes(group))  # fmt: skip
            group.rmdir()
    _rooms(arena, rows, every)


def _groups(count: int) -> Iterator[Path]:
    """A cgroup in which so many processes may be, if there is such a hierarchy."""
    for base in ("/sys/fs/cgroup/pids", "/sys/fs/cgroup"):
        group = Path(base) / f"limit-{count}"
        if (Path(base) / "pids.max").exists() or base.endswith("pids"):
            group.mkdir()
            if (group / "pids.max").exists():
                (group / "pids.max").write_text(str(count))
                yield group
                return
            group.rmdir()


def _rooms(arena: Arena, rows: Rows, every: int) -> None:
    """The state directory is on a file system that is all but full."""
    options = [f"size={n * 4}k" for n in range(1, 12, every)]
    options += [f"nr_inodes={n}" for n in range(1, 12, every)]
    options += ["ro"]
    for option in options:
        for command in ("run", "create"):
            mount = ["mount", "-t", "tmpfs", "-o", f"mode=700,{option}", "none"]
            subprocess.run([*mount, arena.root], check=True)
            arena.remember()
            _hold(arena, rows, f"limits/{command}/state on {option}", _nothing,
                  again=False)  # fmt: skip
            subprocess.run(["umount", "-l", arena.root], check=True)
            arena.remember()


def _nothing(_one: trial.Trial) -> None:
    return
