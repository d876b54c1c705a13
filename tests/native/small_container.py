# SPDX-License-Identifier: Apache-2.0
"""Plans of small containers around the real helper, for the native tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

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
    attributes,
    fds,
    identity,
)

Start = Callable[..., Run]
MAKE_DIRECTORY, MAKE_FILE = ABI["LC_MAKE_DIRECTORY"], ABI["LC_MAKE_FILE"]
MAKE_LIKE_SOURCE = ABI["LC_MAKE_LIKE_SOURCE"]
REAL_DIRECTORY = ABI["LC_REAL_DIRECTORY"]
NODEV = 4


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
        text, data = os.fsencode(path), attributes(attr_set, recursive=1)
        self.plan.add("CLONE_TREE", slot=slot, text=text, data=data)
        return slot

    def namespaces(self) -> None:
        self.plan.add("CLONE", flags=NEWNS | NEWPID | NEWUTS | NEWIPC | NEWNET)
        self.plan.add("PROPAGATION", flags=MS_PRIVATE)

    def root(self, attr_set: int = 0) -> None:
        root = self.tree(self.rootfs, attr_set)
        self.plan.add("MAKE_FS", slot=self.proc, text=b"proc", flags=14)
        self.plan.add("ROOT", slot=root)
        flags = MAKE_DIRECTORY | REAL_DIRECTORY
        self.plan.add("ATTACH", slot=self.proc, text=b"/proc", flags=flags, mode=0o755)

    def devices(self) -> None:
        dev, add = self.dev, self.plan.add
        add("MAKE_FS", slot=dev, text=b"tmpfs", list=[b"mode=755"], flags=2)
        device = {"slot": dev, "mode": 0o020666}
        add("MKNOD", text=b"null", flags=1 << 32 | 3, arg=7 << 32 | 8, **device)
        add("MKNOD", text=b"big", flags=259 << 32 | 70000, **device)
        add("MKDIR", slot=dev, text=b"shm", mode=0o1777)
        add("MKDIR", slot=dev, text=b"shm/deep", mode=0o700, arg=5 << 32 | 6)
        add("SYMLINK", slot=dev, text=b"fd", text2=b"/proc/self/fd")
        add("ATTACH", slot=dev, text=b"/dev", flags=REAL_DIRECTORY)

    def finish(self, script: str, **sets: int) -> None:
        add = self.plan.add
        add("PIVOT")
        add("CHDIR", text=b"/")
        add("NO_NEW_PRIVS")
        self.become(identity(bounding=ALL_CAPS, **sets))
        self.program(script)

    def become(self, data: bytes) -> None:
        status = self.plan.slot()
        self.plan.add("OPEN_PROC", slot=self.proc, slot2=status, text=b"self/status")
        self.plan.add("IDENTITY", slot=status, data=data)

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
