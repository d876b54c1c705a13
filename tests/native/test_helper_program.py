# SPDX-License-Identifier: Apache-2.0
"""The program starts with exactly what the plan gives it."""

from __future__ import annotations

import errno
import os
import signal
import socket
from typing import Any

import pytest

from tests.native.helper_driver import (
    ABI,
    ALL_CAPS,
    Plan,
    Slot,
    failure,
    fds,
    hostname,
    identity,
)
from tests.native.small_container import (
    Make,
    Start,
    output_of,
    result_of,
    step_of,
)

SIOCSIFFLAGS = 0x8914

pytestmark = pytest.mark.needs("root")
CAP_NET_RAW, CAP_KILL = 1 << 13, 1 << 5


def test_a_whole_container_runs(run: Start, container: Make) -> None:
    box = container()
    box.namespaces()
    box.root()
    box.devices()
    box.plan.add("CALL", **hostname(b"box"))
    domain = hostname(b"example") | {"mode": ABI["LC_CALL_SETDOMAINNAME"]}
    box.plan.add("CALL", **domain)
    lo = box.plan.slot()
    box.plan.call("SOCKET", socket.AF_INET, socket.SOCK_DGRAM, result=lo)
    up = b"lo".ljust(16, b"\0") + b"\1".ljust(24, b"\0")
    box.plan.call("IOCTL", Slot(lo), SIOCSIFFLAGS, up)
    box.plan.add("UMASK", mode=0o27)
    box.plan.add("LIMIT_FILES", flags=40, arg=50)
    box.finish(
        "echo $$ $(hostname) $(cat /proc/sys/kernel/domainname) $PWD $HOME;"
        "umask; ulimit -n; ulimit -Hn; ls / | tr '\\n' ' '; echo;"
        "stat -c '%n %a %u:%g %t:%T' /dev/*; stat -c '%n %a %u:%g' /dev/shm/deep;"
        "readlink /dev/fd; cat /sys/class/net/lo/flags 2>&1;"
        "ip link show lo | grep -c UP; awk '{print $5}' /proc/self/mountinfo"
    )
    assert output_of(run, box).splitlines() == [
        "1 box example / /",
        "0027",
        "40",
        "50",
        "bin dev etc proc tmp ",
        "/dev/big 666 0:0 103:11170",
        "/dev/fd 777 0:0 0:0",
        "/dev/null 666 7:8 1:3",
        "/dev/shm 1777 0:0 0:0",
        "/dev/shm/deep 700 5:6",
        "/proc/self/fd",
        "cat: can't open '/sys/class/net/lo/flags': No such file or directory",
        "1",
        "/",
        "/proc",
        "/dev",
    ]


def test_only_listed_fds_live_on(run: Start, container: Make) -> None:
    box = container()
    # Unlisted, and inheritable as a careless caller's would be.
    stray = [os.dup(box.write_end) for _ in range(3)]
    unused = box.plan.slot(stray[0])
    box.opened += stray
    box.namespaces()
    box.root()
    box.plan.add("PIVOT")
    box.plan.add("FIND_PROGRAM", list=[b"/bin/busybox"])
    box.plan.add(
        "EXEC",
        list=[b"ls", b"-l", b"/proc/self/fd"],
        list2=[b"A=b"],
        data=fds((box.out, 1), (box.out, 7), (unused, 900)),
    )
    process = run(box.plan, stray)
    assert process.messages() == []
    lines = [line.split() for line in box.read().splitlines() if "->" in line]
    assert process.wait() == 0
    found = {int(line[-3]) for line in lines if line[-1].startswith("pipe:")}
    assert found == {1, 7, 900}
    assert len(lines) == 3


def test_targets_may_collide_with_slots_and_the_control_socket(
    run: Start, container: Make
) -> None:
    box = container()
    box.namespaces()
    box.root()
    box.finish("echo ok; echo ok >&9")
    exec_op = box.plan.ops[-1]
    control = 9
    # Each slot's own number is the target of another one.
    pairs = [(box.out, 1), (box.out, 2), (box.out, control), (box.null, 0)]
    pairs += [(box.out, box.opened[1]), (box.null, box.write_end)]
    exec_op.data = fds(*{target: (slot, target) for slot, target in pairs}.values())
    process = run(box.plan)
    assert process.messages() == []
    assert box.read() == "ok\nok\n"
    assert process.wait() == 0


def test_the_control_socket_itself_may_be_a_target(run: Start, container: Make) -> None:
    box = container()
    box.namespaces()
    box.root()
    box.finish("exit 3")
    # The number the socketpair in the driver is about to get.
    spare = os.dup(0), os.dup(0)
    control = spare[1]
    for fd in spare:
        os.close(fd)
    box.plan.ops[-1].data = fds((box.out, 1), (box.null, control))
    process = run(box.plan)
    assert box.plan.slots[0] == control
    assert process.messages() == []
    assert process.wait() == 3


def test_the_environment_is_the_listed_one(run: Start, container: Make) -> None:
    box = container()
    box.namespaces()
    box.root()
    box.finish("")
    box.plan.ops[-1].list = [b"env"]
    box.plan.ops[-2].list = [b"/bin/busybox"]
    assert output_of(run, box) == "PATH=/bin\nHOME=/\n"


def test_identity_is_exact(run: Start, container: Make) -> None:
    box = container()
    box.namespaces()
    box.root()
    sets = {
        "bounding": CAP_KILL | CAP_NET_RAW,
        "effective": CAP_KILL,
        "permitted": CAP_KILL | CAP_NET_RAW,
        "inheritable": CAP_KILL,
        "ambient": CAP_KILL,
    }
    script = "id; grep -E '^(Cap|NoNew|Groups)' /proc/self/status"
    box.finish(script, uid=1000, gid=1001, groups=[30, 20, 10], **sets)
    lines = output_of(run, box).splitlines()
    assert lines[0] == "uid=1000 gid=1001 groups=10,20,30"
    assert [line.split("\t") for line in lines[1:]] == [
        ["Groups:", "10 20 30 "],
        ["CapInh:", f"{CAP_KILL:016x}"],
        ["CapPrm:", f"{CAP_KILL:016x}"],
        ["CapEff:", f"{CAP_KILL:016x}"],
        ["CapBnd:", f"{CAP_KILL | CAP_NET_RAW:016x}"],
        ["CapAmb:", f"{CAP_KILL:016x}"],
        ["NoNewPrivs:", "1"],
    ]


@pytest.mark.parametrize(
    "who",
    [
        {"permitted": CAP_KILL},
        {"bounding": 1 << 63, "permitted": 1 << 63},
        {"bounding": CAP_KILL, "effective": CAP_KILL},
        {"bounding": CAP_KILL, "ambient": CAP_KILL},
    ],
)
def test_an_impossible_identity_is_refused(
    run: Start, container: Make, who: dict[str, int]
) -> None:
    box = container()
    box.namespaces()
    box.root()
    # The first identity leaves nothing that the second could give.
    box.become(bounding=CAP_KILL)
    first = len(box.plan.ops)
    box.become(**who)
    found = result_of(run, box)
    assert found == failure(found.step, errno.EPERM, "CALL")
    assert first < found.step < step_of(box, "VERIFY_IDENTITY")


IS: dict[str, Any] = {
    "uid": 1000,
    "gid": 1001,
    "groups": [30, 20, 10],
    "bounding": CAP_KILL | CAP_NET_RAW,
    "effective": CAP_KILL,
    "permitted": CAP_KILL | CAP_NET_RAW,
    "inheritable": CAP_KILL,
    "ambient": CAP_KILL,
}
DIFFERS: list[dict[str, Any]] = [
    {"uid": 1001},
    {"gid": 1000},
    {"groups": []},
    {"groups": [10, 20]},
    {"groups": [10, 20, 31]},
    {"groups": [10, 20, 30, 40]},
    {"bounding": CAP_KILL},
    {"bounding": 0},
    {"permitted": CAP_KILL},
    {"permitted": CAP_KILL | CAP_NET_RAW | 1, "bounding": ALL_CAPS},
    {"effective": 0},
    {"inheritable": 0},
    {"ambient": 0},
]


@pytest.mark.parametrize("differs", [{}, {"bounding": ALL_CAPS}, *DIFFERS])
def test_what_the_process_is_decides(
    run: Start, container: Make, differs: dict[str, Any]
) -> None:
    box = container()
    box.namespaces()
    box.root()
    box.finish("echo it", **IS)
    op = next(o for o in box.plan.ops if o.kind == ABI["LC_OP_VERIFY_IDENTITY"])
    op.data = identity(**{**IS, **differs})
    if differs not in DIFFERS:
        # A bound that was narrower before is no difference.
        assert output_of(run, box) == "it\n"
        return
    assert result_of(run, box) == failure(op.step, errno.EPERM, "VERIFY")


def test_privileges_that_were_not_given_up_are_seen(
    run: Start, container: Make
) -> None:
    box = container()
    box.namespaces()
    box.root()
    box.become(flags=ABI["LC_NO_NEW_PRIVS"])
    step = step_of(box, "VERIFY_IDENTITY")
    assert result_of(run, box) == failure(step, errno.EPERM, "VERIFY")


def test_the_program_is_told_its_own_pid(run: Start, container: Make) -> None:
    box = container()
    box.plan.add("FIND_PROGRAM", list=[b"/bin/sh"])
    box.plan.add(
        "EXEC",
        list=[b"sh", b"-c", b"echo $LISTEN_PID $$ $HOME"],
        list2=[b"HOME=/"],
        flags=ABI["LC_OWN_PID"],
        data=fds((box.null, 0), (box.out, 1), (box.out, 2)),
    )
    told, pid, home = output_of(run, box).split()
    assert (told, home) == (pid, "/")
    assert int(pid) > 1


def test_write_proc_reaches_procfs_and_nothing_else(
    run: Start, container: Make
) -> None:
    box = container()
    box.namespaces()
    box.root()
    write = {"slot": box.proc, "text2": b"17"}
    box.plan.add(
        "WRITE_PROC", text=b"sys/kernel/shm_rmid_forced", slot=box.proc, text2=b"1"
    )
    box.plan.add("WRITE_PROC", text=b"self/oom_score_adj", **write)
    box.finish("cat /proc/self/oom_score_adj /proc/sys/kernel/shm_rmid_forced")
    assert output_of(run, box) == "17\n1\n"


@pytest.mark.parametrize(
    ("text", "value", "error", "where"),
    [
        (b"/etc/passwd", b"x", errno.EXDEV, "RESOLVE"),
        (b"../etc/passwd", b"x", errno.EXDEV, "RESOLVE"),
        (b"self/root/etc", b"x", errno.ELOOP, "RESOLVE"),
        (b"self/oom_score_adj", b"word", errno.EINVAL, "CALL"),
    ],
)
def test_write_proc_names_what_went_wrong(  # noqa: PLR0917
    run: Start, container: Make, text: bytes, value: bytes, error: int, where: str
) -> None:
    box = container()
    box.namespaces()
    box.root()
    box.plan.add("WRITE_PROC", slot=box.proc, text=text, text2=value)
    step = step_of(box, "WRITE_PROC")
    assert result_of(run, box) == failure(step, error, where)


@pytest.mark.parametrize(
    ("candidates", "error"),
    [
        ([b"/none", b"/bin/sh/x"], errno.ENOENT),
        ([b"/none", b"/etc/plain", b"/none2"], errno.EACCES),
        ([b"/bin"], errno.EACCES),
        ([b"/" + b"x" * 300], errno.ENAMETOOLONG),
    ],
)
def test_a_program_that_is_not_there_is_told_apart(
    run: Start, container: Make, candidates: list[bytes], error: int
) -> None:
    box = container()
    (box.rootfs / "etc/plain").write_text("no program")
    box.namespaces()
    box.root()
    box.finish("")
    box.plan.ops[-2].list = candidates
    expected = failure(step_of(box, "FIND_PROGRAM"), error, "CALL")
    assert result_of(run, box) == expected


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("not a program", errno.ENOEXEC),
        ("#!/no/interpreter\n", errno.ENOENT),
        ("", errno.ENOEXEC),
    ],
)
def test_an_execve_that_fails_is_reported(
    run: Start, container: Make, content: str, error: int
) -> None:
    box = container()
    (box.rootfs / "odd").write_text(content)
    (box.rootfs / "odd").chmod(0o755)
    box.namespaces()
    box.root()
    box.finish("")
    box.plan.ops[-2].list = [b"/odd"]
    process = run(box.plan)
    expected = failure(step_of(box, "EXEC"), error, "EXECVE")
    assert process.messages() == [expected]
    assert process.wait() == 127


def test_chdir_makes_the_directory_and_stays_inside(
    run: Start, container: Make
) -> None:
    box = container()
    (box.rootfs / "away").symlink_to("/../../tmp")
    box.namespaces()
    box.root()
    box.finish("pwd; cd /; stat -c %a /new/work")
    chdir = next(op for op in box.plan.ops if op.kind == ABI["LC_OP_CHDIR"])
    chdir.text = b"/away/../new/work"
    assert output_of(run, box) == "/new/work\n755\n"


def test_signal_dispositions_and_masks_do_not_reach_the_program(
    run: Start, container: Make
) -> None:
    box = container()
    box.namespaces()
    box.root()
    box.finish("")
    box.plan.ops[-1].list = [
        b"grep",
        b"-E",
        b"^Sig(Blk|Ign|Cgt|Pnd)",
        b"/proc/1/status",
    ]
    box.plan.ops[-2].list = [b"/bin/busybox"]
    numbers = {*range(1, 65)} - {signal.SIGKILL, signal.SIGSTOP, 32, 33}
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        process = run(box.plan)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGALRM, before)
    assert process.messages() == []
    assert {line.split()[1] for line in box.read().splitlines()} == {"0" * 16}
    assert process.wait() == 0


def test_the_helper_is_not_dumpable_at_a_barrier(run: Start) -> None:
    plan = Plan()
    plan.add("BARRIER")
    process = run(plan)
    process.receive()
    os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            os.listdir(f"/proc/{process.process.pid}/fd")
    finally:
        os.seteuid(0)
    process.go()
    assert process.wait() == 0
