# SPDX-License-Identifier: Apache-2.0
"""F: descriptors, the program's file, the working directory."""

from __future__ import annotations

import json
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.attacks.conftest import HANG_SECONDS, SECRET, Attempt, Canary
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")


@contextmanager
def _inheritable(*fds: int) -> Iterator[None]:
    try:
        for fd in fds:
            os.set_inheritable(fd, True)
        yield
    finally:
        for fd in fds:
            os.close(fd)


@pytest.mark.parametrize("number", [0, 3, 7, 8, 9, 64, 1023])
@pytest.mark.parametrize(
    "base", ["/proc/self/fd", "/proc/1/fd", "/proc/thread-self/fd"]
)
def test_f01_a_working_directory_behind_a_descriptor_is_refused(
    attempt: Attempt, canary: Canary, base: str, number: int
) -> None:
    with _inheritable(os.open(canary.path, os.O_RDONLY)):
        done = attempt("cat", "secret", process={"cwd": f"{base}/{number}"})
    assert isinstance(done.error, lc.ConfigError)


@pytest.mark.parametrize("joined", [False, True])
def test_f02_nor_does_a_symlink_of_the_image_lead_there(
    factory: lc.Factory, image: Path, canary: Canary, joined: bool
) -> None:
    for number in range(3, 32):
        (image / f"fd{number}").symlink_to(f"/proc/self/fd/{number}")
    config = lc.Config(rootfs=str(image))
    fds = [os.open(canary.path, os.O_RDONLY) for _ in range(16)]
    with _inheritable(*fds), factory.create(new_id(), config) as container:
        if joined:
            container.run(lc.Process(["sleep", "1000"]))
        for number in range(3, 32):
            process = lc.Process(["cat", "secret"], cwd=f"/fd{number}")
            with pytest.raises(lc.StepError, match="ELOOP"):
                (container.exec if joined else container.run)(process)


def test_f04_only_the_planned_descriptors_are_there(
    attempt: Attempt, canary: Canary
) -> None:
    one, other = socket.socketpair()
    held = [
        os.open("/", os.O_RDONLY),
        os.open("/proc", os.O_PATH),
        os.open(canary.path / "secret", os.O_RDWR),
        os.dup(one.fileno()),
        os.dup2(1, 1000),
    ]
    with _inheritable(*held), one, other:
        done = attempt("/test_init")
    fds = json.loads(done.out)["fds"]
    assert set(fds) == {"0", "1", "2"}
    assert not any(str(canary.path) in fd["target"] for fd in fds.values())


def test_f04_control(image: Path, canary: Canary, bwrap: object) -> None:
    # A descriptor that a program inherits leads out, whatever it is confined by.
    import subprocess

    with _inheritable(fd := os.open(canary.path, os.O_RDONLY)):
        done = subprocess.run(
            [
                *("bwrap", "--bind", str(image), "/", "--proc", "/proc"),
                *("--", "cat", f"/proc/self/fd/{fd}/secret"),
            ],
            capture_output=True,
            text=True,
            check=False,
            pass_fds=[fd],
        )
    assert done.stdout == SECRET


_WATCHED = 200


_OWN_USERS: dict[str, Any] = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, 0, 65536)],
    "gid_mappings": [lc.IdMapping(0, 0, 65536)],
    "capabilities": ["SYS_PTRACE", "DAC_OVERRIDE", "KILL", "DAC_READ_SEARCH"],
}


@pytest.mark.parametrize(
    "ways", ["l", "s", "f"], ids=["links", "ptrace", "pidfd_getfd"]
)
@pytest.mark.parametrize("wishes", [{}, _OWN_USERS], ids=["default", "user namespace"])
def test_f07_f08_x01_a_process_that_joins_shows_nothing_of_the_host(
    factory: lc.Factory, image: Path, canary: Canary, ways: str, wishes: dict[str, Any]
) -> None:
    """Root inside watches every process that joins.

    Where there is a user namespace it may trace all of that. Without one nobody
    with CAP_SYS_PTRACE is inside: it would hold for the whole host.
    """
    config = lc.Config(rootfs=str(image), **wishes)
    process = lc.Process(["/attacker", "spy", ways], stdout=lc.PIPE)
    held = os.open(canary.path, os.O_RDONLY)
    # The container ends what runs in it, also where something fails here.
    with _inheritable(held), factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        spy = container.exec(process)
        assert spy.stdout is not None
        assert spy.stdout.readline() == b"ready\n"
        for number in range(_WATCHED):
            # The last ones live long enough to be seen for certain.
            seconds = "0.05" if number > _WATCHED - 5 else "0"
            container.exec(lc.Process(["sleep", seconds])).wait(HANG_SECONDS)
        spy.signal("TERM")
        seen = spy.stdout.read().decode(errors="replace")
        spy.wait(HANG_SECONDS)
        spy.close()
    lines = set(seen.splitlines())
    # It does see what it may: the programs of the image.
    assert any(line.endswith("/bin/busybox") or "null" in line for line in lines)
    for word in ("memfd", "libcontainer", str(canary.path), str(image), "/work", ".so"):
        assert not any(word in line for line in lines), word
    assert not any("socket:" in line for line in lines if ways != "l"), lines


def test_f10_very_many_open_descriptors_of_the_caller_are_all_closed(
    attempt: Attempt,
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(hard, 20000) - 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with _inheritable(*(os.open("/dev/null", os.O_RDONLY) for _ in range(count))):
            done = attempt("/test_init")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert set(json.loads(done.out)["fds"]) == {"0", "1", "2"}


def test_f13_a_helper_that_crashes_leaves_no_core(
    factory: lc.Factory, image: Path
) -> None:
    import signal

    pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    before = resource.getrlimit(resource.RLIMIT_CORE)
    infinity = resource.RLIM_INFINITY
    resource.setrlimit(resource.RLIMIT_CORE, (infinity, before[1]))
    there = set(os.listdir("."))
    try:
        for step in (12, 20, 28):
            factory._launcher.fault = (step, -signal.SIGSEGV)
            config = lc.Config(rootfs=str(image))
            with (
                factory.create(new_id(), config) as container,
                pytest.raises(lc.LibcontainerError),
            ):
                container.run(lc.Process(["true"]))
    finally:
        factory._launcher.fault = (0, 0)
        resource.setrlimit(resource.RLIMIT_CORE, before)
    assert "core" not in os.listdir(image), pattern
    assert set(os.listdir(".")) == there
