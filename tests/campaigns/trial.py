# SPDX-License-Identifier: Apache-2.0
"""One operation of the library in a process of its own, which is to be harmed."""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import libcontainer as lc

BEGIN, END = 0x7157, 0x7158
NAME = "box"
DEADLINE_SECONDS = 2.0
HANG_SECONDS = 10.0
_STATUS = (
    *("Umask", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NStgid"),
    *("NoNewPrivs", "Seccomp", "Seccomp_filters", "SigBlk", "SigIgn", "SigCgt"),
)
_VOLATILE = ("monotonic", "boottime", "pid", "cgroup", "ppid", "pgid", "sid")

Outcome = dict[str, Any]
Seen = tuple[bytes, int]
"""The output of the program that tells all, and how it ended."""


def mark(which: int) -> None:
    """Tell the tracer where counting begins and ends."""
    try:
        os.lseek(-77, which, os.SEEK_SET)
    except OSError:
        return


class Trial:
    """An operation, what comes before it, and how its result is told.

    Args:
        root: of a factory.
        rootfs: with ``/test_init`` in it.
        kind: ``plain``, ``user`` (a user namespace) or ``detached`` (a monitor).
    """

    def __init__(self, root: str, rootfs: str, kind: str) -> None:
        self.factory = lc.Factory(root, deadline_seconds=DEADLINE_SECONDS)
        self.config = config_of(rootfs, kind)
        self.detach = kind == "detached"
        self.container: lc.Container | None = None
        self.handle: lc.ProcessHandle | None = None
        self.launched = False

    def _make(self) -> lc.Container:
        self.container = self.factory.create(NAME, self.config)
        return self.container

    def _process(self) -> lc.Process:
        return lc.Process(["/test_init"], stdin=lc.DEVNULL, stdout=lc.PIPE)

    def _tell(self, handle: lc.ProcessHandle) -> Seen:
        self.launched = True
        out, _ = handle.communicate(timeout=5)
        status = handle.wait(5)
        handle.close()
        return out or b"", status.returncode

    def set_up(self, command: str) -> None:
        """Do what comes before."""
        if command in {"start", "exec", "delete"}:
            container = self._make()
            if command == "start":
                self.handle = container.prepare(self._process(), detach=self.detach)
            else:
                sleeper = lc.Process(["sleep", "1000"], stdin=lc.DEVNULL)
                container.run(sleeper, detach=self.detach)

    def operate(self, command: str) -> str | Seen:
        """Do it; return what was seen from inside, or the state that it led to."""
        if command == "run":
            return self._tell(self._make().run(self._process(), detach=self.detach))
        if command == "create":
            self._make().prepare(self._process(), detach=self.detach)
            self.launched = True
            return str(self.factory.load(NAME).status())
        assert self.container is not None
        if command == "exec":
            return self._tell(self.container.exec(self._process()))
        if command == "start":
            assert self.handle is not None
            self.container.start()
            return self._tell(self.handle)
        self.container.delete(force=True)
        return "gone"

    def clean(self) -> None:
        """Take back what an operation that failed has left, as a user would."""
        if NAME in self.factory:
            self.factory.load(NAME).delete(force=True)


COMMANDS = ("run", "create", "start", "exec", "delete")
KINDS = ("plain", "user", "detached")


def config_of(rootfs: str, kind: str) -> lc.Config:
    """Return the configuration of a kind of trial."""
    wishes: dict[str, Any] = {"seccomp": lc.Seccomp.default()}
    if kind == "user":
        mapping = [lc.IdMapping(0, 100000, 65536)]
        wishes["namespaces"] = [*lc.Config().namespaces, "user"]
        wishes["uid_mappings"] = wishes["gid_mappings"] = mapping
    return lc.Config(
        rootfs=lc.Overlay(rootfs),
        hostname="box",
        mounts=[lc.Mount.tmpfs("/mnt")],
        resources=lc.Resources(pids=50),
        **wishes,
    )


def fingerprint(out: bytes, code: int) -> str:
    """Return what the program saw, without what differs from launch to launch."""
    try:
        seen = json.loads(out)
    except ValueError:
        return f"exit {code}, {len(out)} bytes"
    for name in _VOLATILE:
        seen.pop(name, None)
    seen["namespaces"] = sorted(
        kind
        for kind, number in seen["namespaces"].items()
        if os.path.exists(f"/proc/self/ns/{kind}")
        and os.stat(f"/proc/self/ns/{kind}").st_ino != number
    )
    seen["status"] = {name: seen["status"].get(name) for name in _STATUS}
    seen["keyrings"] = {k: v < 0 for k, v in seen["keyrings"].items()}
    seen["fds"] = {k: v["flags"] for k, v in seen["fds"].items()}
    # Ids, device numbers, and the names of what is mounted differ.
    rows = [re.sub(r"^\d+ \d+ \S+", "", row) for row in seen["mountinfo"]]
    seen["mountinfo"] = sorted(
        re.sub(r"[\w./:-]*tmp/[\w./:-]*", "", row) for row in rows
    )
    text = json.dumps(seen, sort_keys=True)
    if folder := os.environ.get("LIBCONTAINER_FINGERPRINTS"):
        name = hashlib.sha256(text.encode()).hexdigest()[:12]
        Path(folder, name).write_text(json.dumps(seen, sort_keys=True, indent=1))
    return f"exit {code}, " + hashlib.sha256(text.encode()).hexdigest()[:12]


def children() -> set[str]:
    """Return the pids of the calling thread's children, zombies too."""
    return set(Path("/proc/thread-self/children").read_text().split())


def perform(
    trial: Trial,
    command: str,
    limit: Callable[[Trial], None] | None = None,
    after: Callable[[Trial], None] | None = None,
) -> Outcome:
    """Operate between the two marks; tell the outcome and what is left in here.

    Args:
        trial: what is done.
        command: which of its operations.
        limit: what is called before, if anything.
        after: what is called after, if anything.
    """
    trial.set_up(command)
    before = children()
    fds = len(os.listdir("/proc/self/fd"))
    outcome: Outcome = {}
    if limit is not None:
        limit(trial)
    failure: BaseException | None = None
    seen: str | Seen = ""
    mark(BEGIN)
    try:
        seen = trial.operate(command)
    except BaseException as error:
        failure = error
        if os.environ.get("LIBCONTAINER_TRACEBACKS"):
            traceback.print_exc()
    mark(END)
    if after is not None:
        after(trial)
    if failure is None:
        return {"seen": seen if isinstance(seen, str) else fingerprint(*seen)}
    outcome |= describe(failure)
    # The frames of a failure keep what was in them; it is told by now.
    failure = None
    trial.factory.close()
    if command in {"run", "create", "exec"} and not trial.launched:
        outcome["stray"] = len(children() - before)
        outcome["fds"] = len(os.listdir("/proc/self/fd")) - fds
    try:
        trial.clean()
    except BaseException as error:
        outcome["uncleaned"] = f"{type(error).__name__}: {error}"
    return outcome


def describe(error: BaseException) -> Outcome:
    """Return what an error says, as data."""
    step = getattr(error, "title", None)
    number = getattr(error, "errno", None)
    return {
        "error": type(error).__name__,
        "ours": isinstance(error, lc.LibcontainerError),
        "errno": number if isinstance(number, int) else None,
        "step": str(step) if step else None,
        "text": str(error)[:300],
    }


def in_child(body: Callable[[], Outcome], result: int, gate: int) -> None:
    """Wait at the gate, do it, write the outcome as JSON, and end."""
    # Where it hangs, before it is ended.
    faulthandler.dump_traceback_later(HANG_SECONDS - 2)
    try:
        os.read(gate, 1)
        outcome = body()
    except BaseException as error:
        outcome = {"broken": f"{type(error).__name__}: {error}"}
    try:
        os.write(result, json.dumps(outcome).encode())
    finally:
        os._exit(0)
