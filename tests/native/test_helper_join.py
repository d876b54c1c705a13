# SPDX-License-Identifier: Apache-2.0
"""Joining a container that runs, and containers of an unprivileged user."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.native.helper_driver import (
    NEWIPC,
    NEWNET,
    NEWNS,
    NEWPID,
    NEWUSER,
    NEWUTS,
    Run,
    Slot,
    hostname,
)
from tests.native.small_container import (
    Make,
    Start,
    output_of,
)

pytestmark = pytest.mark.needs("root")
ALL = NEWNS | NEWPID | NEWUTS | NEWIPC | NEWNET
NOBODY = 65534
SET_DUMPABLE = 4


def test_a_process_joins_a_running_container(run: Start, container: Make) -> None:
    first = container()
    first.namespaces()
    first.root()
    first.plan.add("CALL", **hostname(b"first"))
    first.finish("echo up; sleep 60")
    running = run(first.plan)
    assert running.messages() == []
    assert os.read(first.read_end, 3) == b"up\n"

    second = container()
    target = second.plan.slot(running.pidfd)
    second.plan.call("SETNS", Slot(target), ALL)
    second.plan.add("CLONE")
    second.plan.make_fs(second.proc, b"proc")
    second.plan.add("CHDIR", text=b"/made/here")
    second.become(uid=1, gid=2)
    # The shell may still be about to become what it sleeps with.
    sees = "until ps -o args | grep -q '[s]leep 60'; do usleep 9999; done; echo 1"
    second.program(f"hostname; pwd; id -u; {sees}")
    # The pidfd is the first run's own: only its number is lent.
    assert output_of(run, second) == "first\n/made/here\n1\n1\n"


def write_maps(process: Run, user: int) -> None:
    """Write the id maps of the clone the way that user may."""
    info = Path(f"/proc/self/fdinfo/{process.pidfd}").read_text()
    (pid,) = (int(line.split()[1]) for line in info.splitlines() if line[:4] == "Pid:")
    maps = {"setgroups": "deny", "uid_map": f"0 {user} 1", "gid_map": f"0 {user} 1"}
    os.setegid(user)
    os.seteuid(user)
    try:
        for name, text in maps.items():
            Path(f"/proc/{pid}/{name}").write_text(text)
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_an_unprivileged_user_gets_a_container(
    run: Start, container: Make, tmp_path: Path
) -> None:
    box = container()
    os.chmod(box.rootfs, 0o777)
    for path in (tmp_path, *tmp_path.parents):
        if str(path).startswith("/tmp/"):
            os.chmod(path, 0o755)
    box.plan.add("CLONE", flags=ALL | NEWUSER)
    box.plan.call("PRCTL", SET_DUMPABLE, 1)
    box.plan.add("BARRIER")
    box.plan.call("SETRESGID")
    box.plan.call("SETRESUID")
    box.plan.call("PRCTL", SET_DUMPABLE, 0)
    box.cut_off()
    null = box.tree(Path("/dev/null"))
    box.root(attr_set=2)
    box.plan.add("MASK", slot=box.proc, slot2=null, text=b"/etc/hidden")
    (box.rootfs / "etc/hidden").write_text("secret")
    box.finish(
        "id; cat /etc/hidden; cat /proc/self/uid_map; grep CapEff /proc/self/status",
        keep_groups=1,
    )
    process = run(box.plan, user=NOBODY)
    process.receive()
    process.receive()
    write_maps(process, NOBODY)
    process.go()
    assert process.messages() == []
    lines = box.read().splitlines()
    assert process.wait() == 0
    assert lines[0].startswith("uid=0 gid=0")
    assert [line.split() for line in lines[1:]] == [
        ["0", str(NOBODY), "1"],
        ["CapEff:", "0" * 16],
    ]
