# SPDX-License-Identifier: Apache-2.0
"""Plans of small containers around the real helper, for the native tests."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.native.helper_driver import (
    ABI,
    ALL_CAPS,
    MS_PRIVATE,
    NEWIPC,
    NEWNET,
    NEWNS,
    NEWPID,
    NEWUTS,
    Message,
    Plan,
    Run,
    Slot,
    fds,
    identity,
)

Start = Callable[..., Run]
MAKE_DIRECTORY, MAKE_FILE = ABI["LC_MAKE_DIRECTORY"], ABI["LC_MAKE_FILE"]
MAKE_LIKE_SOURCE = ABI["LC_MAKE_LIKE_SOURCE"]
REAL_DIRECTORY = ABI["LC_REAL_DIRECTORY"]
NODEV = 4
RECURSIVE, EMPTY_PATH, NOFOLLOW = 0x8000, 0x1000, 0x100
SET_NO_NEW_PRIVS, SET_KEEPCAPS, CAPBSET_DROP = 38, 8, 24
CAP_AMBIENT, AMBIENT_RAISE, CAPABILITY_VERSION = 47, 2, 0x20080522
MS_REC = 1 << 14


class Container:
    """A plan for a small container, in parts, and the pipe its program writes to."""

    def __init__(self, rootfs: Path, **options: int) -> None:
        self.plan = Plan(**options)  # type: ignore[arg-type]
        self.rootfs = rootfs
        self.read_end, self.write_end = os.pipe()
        self.opened = [self.write_end]
        self.out = self.plan.slot(self.write_end)
        self.null = self.plan.slot(self.open("/dev/null"))
        self.proc = self.plan.slot()
        self.dev = self.plan.slot()

    def open(self, path: str | Path, flags: int = os.O_RDONLY) -> int:
        self.opened.append(os.open(path, flags | os.O_CLOEXEC))
        return self.opened[-1]

    def tree(self, path: Path, attr_set: int = 0) -> int:
        """A slot that CLONE_TREE turns into a detached clone of a host path."""
        slot = self.plan.slot(self.open(path, os.O_PATH))
        self.plan.add("CLONE_TREE", slot=slot, text=os.fsencode(path), flags=RECURSIVE)
        if attr_set:
            data = struct.pack("=4Q", attr_set, 0, 0, 0)
            how = RECURSIVE | EMPTY_PATH
            self.plan.call("MOUNT_SETATTR", Slot(slot), b"\0", how, data, len(data))
        return slot

    def namespaces(self) -> None:
        self.plan.add("CLONE", flags=NEWNS | NEWPID | NEWUTS | NEWIPC | NEWNET)
        self.cut_off()

    def cut_off(self) -> None:
        self.plan.call("MOUNT", 0, b"/\0", 0, MS_REC | MS_PRIVATE)

    def root(self, attr_set: int = 0) -> None:
        root = self.tree(self.rootfs, attr_set)
        self.plan.make_fs(self.proc, b"proc", flags=14)
        self.plan.add("ROOT", slot=root)
        flags = MAKE_DIRECTORY | REAL_DIRECTORY
        self.plan.add("ATTACH", slot=self.proc, text=b"/proc", flags=flags, mode=0o755)

    def devices(self) -> None:
        dev, add, call = self.dev, self.plan.add, self.plan.call
        self.plan.make_fs(dev, b"tmpfs", [b"mode=755"], flags=2)
        call("MKNODAT", Slot(dev), b"null\0", 0o020666, os.makedev(1, 3))
        call("FCHOWNAT", Slot(dev), b"null\0", 7, 8, NOFOLLOW)
        call("MKNODAT", Slot(dev), b"big\0", 0o020666, os.makedev(259, 70000))
        call("MKDIRAT", Slot(dev), b"shm\0", 0o1777)
        call("MKDIRAT", Slot(dev), b"shm/deep\0", 0o700)
        call("FCHOWNAT", Slot(dev), b"shm/deep\0", 5, 6, NOFOLLOW)
        call("SYMLINKAT", b"/proc/self/fd\0", Slot(dev), b"fd\0")
        add("ATTACH", slot=dev, text=b"/dev", flags=REAL_DIRECTORY)

    def finish(self, script: str, **who: Any) -> None:
        add = self.plan.add
        add("PIVOT")
        add("CHDIR", text=b"/")
        self.plan.call("PRCTL", SET_NO_NEW_PRIVS, 1)
        who = {"bounding": ALL_CAPS, **who}
        self.become(flags=ABI["LC_NO_NEW_PRIVS"], **who)
        self.program(script)

    def become(self, flags: int = 0, **who: Any) -> None:
        """Add all calls of an identity, and the look at what came of them."""
        status, call = self.plan.slot(), self.plan.call
        uid, gid = who.get("uid", 0), who.get("gid", 0)
        groups = who.get("groups", ())
        permitted, inheritable = who.get("permitted", 0), who.get("inheritable", 0)
        sets = (who.get("effective", 0), permitted, inheritable)
        self.plan.add("OPEN_PROC", slot=self.proc, slot2=status, text=b"self/status")
        call("PRCTL", CAPBSET_DROP, each=ALL_CAPS & ~who.get("bounding", 0))
        call("PRCTL", SET_KEEPCAPS, 1)
        if not who.get("keep_groups"):
            given = struct.pack(f"={len(groups)}I", *groups)
            call("SETGROUPS", len(groups), given or 0)
        call("SETRESGID", gid, gid, gid)
        call("SETRESUID", uid, uid, uid)
        call("PRCTL", SET_KEEPCAPS, 0)
        halves = [value >> at & 0xFFFFFFFF for at in (0, 32) for value in sets]
        header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
        call("CAPSET", header, struct.pack("=6I", *halves))
        for number in range(64):
            if who.get("ambient", 0) >> number & 1:
                call("PRCTL", CAP_AMBIENT, AMBIENT_RAISE, number)
        data = identity(**who)
        self.plan.add("VERIFY_IDENTITY", slot=status, flags=flags, data=data)

    def program(self, script: str) -> None:
        self.plan.add("FIND_PROGRAM", list=[b"/nothing/sh", b"/bin/sh"])
        self.plan.add(
            "EXEC",
            list=[b"sh", b"-c", script.encode()],
            list2=[b"PATH=/bin", b"HOME=/"],
            data=fds((self.null, 0), (self.out, 1), (self.out, 2)),
        )

    def close(self) -> None:
        while self.opened:
            os.close(self.opened.pop())
        if self.read_end >= 0:
            os.close(self.read_end)
            self.read_end = -1

    def read(self) -> str:
        """All that the program wrote, once every writer is gone."""
        while self.opened:
            os.close(self.opened.pop())
        chunks = iter(lambda: os.read(self.read_end, 65536), b"")
        return b"".join(chunks).decode()


Make = Callable[..., Container]


def output_of(run: Start, box: Container) -> str:
    """Run the container to its end; it must succeed."""
    process = run(box.plan)
    assert process.messages() == []
    text = box.read()
    assert (process.wait(), text) == (0, text)
    return text


def step_of(box: Container, kind: str) -> int:
    """The step of the last operation of that kind."""
    steps = [op.step for op in box.plan.ops if op.kind == ABI["LC_OP_" + kind]]
    return steps[-1]


def result_of(run: Start, box: Container) -> Message:
    """The one failure the helper reports."""
    process = run(box.plan)
    (message,) = process.messages()
    assert process.wait() in (1, 127)
    return message


def resident_kib(pidfd: int) -> int:
    """Memory of a process that belongs to nobody else, in KiB."""
    info = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    (pid,) = (int(line.split()[1]) for line in info.splitlines() if "Pid:" in line[:4])
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(line.split(":") for line in rollup.splitlines()[1:])
    return int(fields["Rss"].split()[0])
