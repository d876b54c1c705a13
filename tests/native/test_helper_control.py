# SPDX-License-Identifier: Apache-2.0
"""The helper waits, goes on, gives up and fails as its caller may rely on."""

from __future__ import annotations

import errno
import os
import socket
import time
from pathlib import Path

import pytest

from tests.native.helper_driver import (
    ABI,
    MESSAGE,
    Message,
    Plan,
    Run,
    call,
    failure,
    fds,
    receive,
    send_go,
)
from tests.native.small_container import (
    Make,
    Start,
    output_of,
    resident_kib,
)

pytestmark = pytest.mark.needs("root")
AT_BARRIER = ABI["LC_AT_BARRIER"]


def test_a_barrier_waits_for_go(run: Start, container: Make) -> None:
    box = container()
    box.namespaces()
    box.plan.add("BARRIER")
    box.root()
    box.finish("exit 9")
    process = run(box.plan)
    cloned = process.receive()
    assert cloned is not None
    assert cloned.name == "CLONED"
    assert process.receive() == Message(AT_BARRIER, 3, 0, 0)
    process.go()
    assert process.receive() is None
    assert process.wait() == 9


def test_a_caller_that_goes_away_ends_the_helper(run: Start, container: Make) -> None:
    box = container()
    box.namespaces()
    box.plan.add("BARRIER")
    process = run(box.plan)
    process.receive()
    process.receive()
    process.control.close()
    assert process.wait() == 1


def test_anything_but_go_at_a_barrier_is_a_failure(run: Start) -> None:
    plan = Plan()
    plan.add("BARRIER")
    process = run(plan)
    process.receive()
    process.control.send(b"hello")
    assert process.messages() == [failure(1, errno.EPROTO, "CALL")]
    assert process.wait() == 1


def test_the_deadline_ends_a_wait_and_names_the_step(
    run: Start, container: Make
) -> None:
    box = container(deadline_ms=200)
    box.namespaces()
    box.plan.add("BARRIER")
    process = run(box.plan)
    process.receive()
    assert process.receive() == Message(AT_BARRIER, 3, 0, 0)
    assert process.messages() == [failure(3, errno.ETIMEDOUT, "CALL")]
    assert process.wait() == 1


def test_the_deadline_ends_with_exec(run: Start, container: Make) -> None:
    box = container(deadline_ms=400)
    box.namespaces()
    box.root()
    box.finish("sleep 1; echo alive")
    assert output_of(run, box) == "alive\n"


def test_the_gate_waits_without_deadline_for_the_one_who_says_go(
    run: Start, container: Make, tmp_path: Path
) -> None:
    path = str(tmp_path / "gate")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(8)
    box = container(deadline_ms=300)
    box.namespaces()
    box.root()
    box.plan.add("PIVOT")
    gate = box.plan.slot(listener.fileno())
    box.plan.add("BARRIER")
    box.plan.add("LET_GO", data=fds((gate, 0), (box.null, 1), (box.out, 2)))
    box.plan.add("GATE", slot=gate)
    box.program("exit 5")
    process = run(box.plan)
    listener.close()
    process.receive()
    process.receive()
    process.go()
    time.sleep(0.5)

    def connect() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(20)
        connection.connect(path)
        return connection

    connect().close()
    with connect() as wrong:
        wrong.send(b"something else")
        assert wrong.recv(1) == b""
    with connect() as silent:
        assert silent.recv(1) == b""
    with connect() as starter:
        # The caller may be gone by now.
        process.control.close()
        rss = resident_kib(process.pidfd)
        send_go(starter)
        assert receive(starter) is None
    assert process.wait() == 5
    assert rss <= 64


def test_a_failure_after_the_gate_goes_to_the_starter(
    run: Start, container: Make, tmp_path: Path
) -> None:
    path = str(tmp_path / "gate")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(1)
    box = container()
    box.namespaces()
    box.plan.add("GATE", slot=box.plan.slot(listener.fileno()))
    box.plan.add("FIND_PROGRAM", list=[b"/no/such/program"])
    process = run(box.plan)
    listener.close()
    process.receive()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as starter:
        starter.connect(path)
        send_go(starter)
        assert receive(starter) == failure(4, errno.ENOENT, "CALL")
    assert process.messages() == []
    assert process.wait() == 1


def _take_plan() -> Plan:
    plan = Plan()
    first, _ = plan.slot(), plan.slot()
    plan.add("TAKE", slot=first, arg=2)
    plan.add(
        "CALL",
        mode=ABI["LC_CALL_WRITE"],
        flags=0b10 | 1 << 8,
        data=call(first + 1, 48, 5, memory=b"hello\0\0\0"),
    )
    return plan


def _go(process: Run, *fds: int) -> None:
    go = MESSAGE.pack(ABI["LC_GO"], 0, 0, 0)
    socket.send_fds(process.control, [go], fds)


def test_what_the_caller_opens_meanwhile_is_taken(run: Start) -> None:
    process = run(_take_plan())
    ours, theirs = os.pipe()
    _go(process, ours, theirs)
    os.close(theirs)
    assert os.read(ours, 9) == b"hello"
    assert process.messages() == []
    assert process.wait() == 0
    os.close(ours)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_descriptors_is_a_failure(run: Start, count: int) -> None:
    process = run(_take_plan())
    _go(process, *[process.control.fileno()] * count)
    assert process.messages() == [failure(1, errno.EPROTO, "CALL")]
    assert process.wait() == 1


def test_who_waits_for_descriptors_ends_with_its_caller(run: Start) -> None:
    process = run(_take_plan())
    process.control.close()
    assert process.wait() == 1
