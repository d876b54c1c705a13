# SPDX-License-Identifier: Apache-2.0
"""A container whose first process is our own: it forwards, reaps and ends right."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.conftest import RunAsUser
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root")

WITH_USER: dict[str, Any] = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, 100000, 65536)],
    "gid_mappings": [lc.IdMapping(0, 100000, 65536)],
}


@pytest.fixture(params=["plain", "user namespace"])
def container(
    request: pytest.FixtureRequest, factory: lc.Factory
) -> Iterator[lc.Container]:
    """A container with an init of ours."""
    base = WITH_USER if request.param == "user namespace" else {}
    with factory.create(new_id(), lc.Config(init=True, **base)) as made:
        yield made


def run(container: lc.Container, script: str, **wishes: Any) -> lc.ProcessHandle:
    """Run a Python script, its output a pipe unless it has a terminal."""
    if not wishes.get("terminal"):
        wishes["stdout"] = lc.PIPE
    return container.run(lc.Process(["python3", "-uc", script], **wishes))


def first_line(handle: lc.ProcessHandle) -> str:
    assert handle.stdout is not None
    return str(handle.stdout.readline().decode().strip())


FAMILY = """
import json, os
def name(pid): return open(f"/proc/{pid}/cmdline").read().split(chr(0))[0]
print(json.dumps({
    "pid": os.getpid(), "parent": os.getppid(), "init": name(1),
    "session": os.getsid(0), "group": os.getpgrp(), "init_session": os.getsid(1),
    "init_fds": sorted(os.listdir("/proc/1/fd")),
    "init_cwd": os.readlink("/proc/1/cwd"),
    "caps": [line for line in open("/proc/1/status") if line.startswith("Cap")]
        == [line for line in open("/proc/self/status") if line.startswith("Cap")],
}))
"""


def test_the_program_is_the_child_of_init_in_its_own_session(
    container: lc.Container,
) -> None:
    with run(container, FAMILY, cwd="/usr") as handle:
        out, _ = handle.communicate()
    seen = json.loads(out or b"")
    assert (seen["pid"], seen["parent"]) == (2, 1)
    assert seen["init"] == "libcontainer-init"
    assert (seen["session"], seen["group"]) == (2, 2)
    assert seen["init_session"] != 2
    # The one fd tells us how the program ended.
    assert len(seen["init_fds"]) == 1
    assert seen["init_cwd"] == "/"
    assert seen["caps"] is True


def test_init_has_the_programs_user_and_keeps_nothing_of_the_plan(
    factory: lc.Factory,
) -> None:
    config = lc.Config(init=True, user=1234)
    with (
        factory.create(new_id(), config) as container,
        run(container, "print(1); import time; time.sleep(1000)") as handle,
    ):
        first_line(handle)
        proc = Path(f"/proc/{handle.host_pid}")
        status = dict(
            line.split(":\t", 1) for line in (proc / "status").read_text().splitlines()
        )
        maps = (proc / "maps").read_text()
        handle.kill()
    assert status["Uid"].split() == ["1234"] * 4
    assert status["NoNewPrivs"].strip() == "1"
    assert "libcontainer-plan" not in maps
    assert int(status["VmRSS"].split()[0]) <= 64


@pytest.mark.parametrize("code", [0, 1, 130, 137, 255])
def test_an_exit_code_is_the_programs(container: lc.Container, code: int) -> None:
    with run(container, f"raise SystemExit({code})") as handle:
        assert handle.wait() == lc.ExitStatus(code=code)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_program_is_told_as_such(
    container: lc.Container, number: signal.Signals
) -> None:
    script = f"import os; os.kill(os.getpid(), {int(number)})"
    with run(container, script) as handle:
        assert handle.wait() == lc.ExitStatus(signal=number)
        assert handle.returncode == -number
    assert container.wait() == lc.ExitStatus(signal=number)


def test_another_program_sees_128_plus_the_signal(factory: lc.Factory) -> None:
    with factory.create(new_id(), lc.Config(init=True)) as container:
        handle = container.run(lc.Process(["sleep", "1000"]))
        container.signal("TERM")
        # The zombie tells what the kernel tells anybody else.
        seen = os.waitid(os.P_PIDFD, handle.pidfd, os.WEXITED | os.WNOWAIT)
        assert seen is not None
        assert (seen.si_code, seen.si_status) == (os.CLD_EXITED, 128 + 15)
        assert handle.wait() == lc.ExitStatus(signal=signal.SIGTERM)
        handle.close()


def test_init_itself_can_be_killed(container: lc.Container) -> None:
    with run(container, "print(1); import time; time.sleep(1000)") as handle:
        first_line(handle)
        handle.kill()
        assert handle.wait() == lc.ExitStatus(signal=signal.SIGKILL)


LISTEN = """
import signal
every = {number for number in signal.valid_signals()} - {signal.SIGKILL, signal.SIGSTOP}
signal.pthread_sigmask(signal.SIG_BLOCK, every)
print("ready")
while True:
    print(int(signal.sigwait(every)))
"""


def test_every_signal_but_three_reaches_the_program(container: lc.Container) -> None:
    kept = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
    with run(container, LISTEN) as handle:
        assert first_line(handle) == "ready"
        for number in sorted(signal.valid_signals() - kept):
            handle.signal(number)
            assert first_line(handle) == str(int(number))
        handle.signal(signal.SIGCHLD)
        handle.signal(signal.SIGUSR2)
        assert first_line(handle) == str(int(signal.SIGUSR2))
        handle.kill()


def test_a_signal_before_the_program_is_there_is_not_lost(
    container: lc.Container,
) -> None:
    handle = container.prepare(lc.Process(["sleep", "1000"]))
    container.signal("USR1")
    container.start()
    with handle:
        assert handle.wait(10) == lc.ExitStatus(signal=signal.SIGUSR1)


ORPHANS = """
import os, time
def zombies():
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = open(f"/proc/{name}/stat").read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == 1 and int(name) not in (1, os.getpid()):
            found.append(fields[0])
    return found
for _ in range(50):
    middle = os.fork()
    if middle == 0:
        if os.fork() == 0:
            os._exit(7)
        os._exit(0)
    os.waitpid(middle, 0)
deadline = time.monotonic() + 10
while zombies() and time.monotonic() < deadline:
    time.sleep(0.01)
print(zombies())
"""


def test_orphans_are_reaped(container: lc.Container) -> None:
    with run(container, ORPHANS) as handle:
        out, _ = handle.communicate()
    assert out == b"[]\n"


def test_what_is_left_ends_with_the_program(container: lc.Container) -> None:
    script = "import os\nif os.fork() == 0:\n while True: pass\nprint(1)"
    with run(container, script) as handle:
        assert handle.wait(10) == lc.ExitStatus(code=0)


TERMINAL = """
import os, time
tty = os.open("/dev/tty", os.O_RDWR)
print(os.getsid(0) == os.getpid() == os.tcgetpgrp(tty) == os.getpgrp())
time.sleep(1000)
"""


def test_the_program_is_in_the_foreground_of_its_terminal(
    container: lc.Container,
) -> None:
    with run(container, TERMINAL, terminal=True) as handle:
        assert handle.terminal is not None
        assert os.read(handle.terminal, 100).strip() == b"True"
        os.write(handle.terminal, b"\x03")
        read = b""
        with contextlib.suppress(OSError):
            while chunk := os.read(handle.terminal, 1000):
                read += chunk
        assert b"KeyboardInterrupt" in read
        assert handle.wait(10) in (
            lc.ExitStatus(code=1),
            lc.ExitStatus(signal=signal.SIGINT),
        )


def test_a_program_that_cannot_be_executed_leaves_no_init(
    container: lc.Container,
) -> None:
    with pytest.raises(lc.ProgramNotFoundError):
        container.run(lc.Process(["/no/such/program"]))
    assert container.status() is lc.Status.CREATING


def test_further_processes_join_beside_the_program(container: lc.Container) -> None:
    container.run(lc.Process(["sleep", "1000"]))
    process = lc.Process(["cat", "/proc/1/comm", "/proc/2/comm"], stdout=lc.PIPE)
    with container.exec(process) as handle:
        out, _ = handle.communicate()
    assert (out or b"").split()[1] == b"sleep"


def test_init_waits_at_the_gate_and_starts_once(container: lc.Container) -> None:
    handle = container.prepare(lc.Process(["sh", "-c", "exit 5"]))
    assert container.status() is lc.Status.CREATED
    container.start()
    with handle:
        assert handle.wait() == lc.ExitStatus(code=5)


ORDINARY = """
import attrs, sys
import libcontainer as lc
from libcontainer.oneshot.wishes import default_config
config = attrs.evolve(default_config(), rootfs=sys.argv[1], init=True)
with lc.Factory() as factory, factory.create("box", config) as container:
    handle = container.run(lc.Process(["sleep", "1000"]))
    with container.exec(lc.Process(["sh", "-c", "exit 6"])) as other:
        print(other.wait())
    handle.terminate()
    print(handle.wait())
"""


@pytest.mark.needs("rootfs")
def test_an_ordinary_user_can_join_a_container_with_an_init(
    unprivileged: RunAsUser, busybox_rootfs: Path
) -> None:
    done = unprivileged(ORDINARY, str(busybox_rootfs))
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "ExitStatus(code=6, signal=None, core=False)",
        "ExitStatus(code=None, signal=15, core=False)",
    ]


@pytest.mark.parametrize("no_new_privs", [True, False])
def test_an_init_below_the_default_filter(
    factory: lc.Factory, init_rootfs: Path, no_new_privs: bool
) -> None:
    """The filter may be on before the program is cloned, and has no clone3."""
    config = lc.Config(
        rootfs=lc.Overlay(str(init_rootfs)),
        init=True,
        seccomp=lc.Seccomp.default(),
        no_new_privs=no_new_privs,
    )
    with (
        factory.create(new_id(), config) as container,
        container.run(lc.Process(["sh", "-c", "exit 5"])) as handle,
    ):
        assert handle.wait(10).code == 5
