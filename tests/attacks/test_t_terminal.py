# SPDX-License-Identifier: Apache-2.0
"""T: the terminal, and what our own messages carry to it."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

import libcontainer as lc
from tests.attacks.conftest import HANG_SECONDS, Attempt
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")

_TYPED = "touch /tmp/typed"

# Runs a launch on a terminal of its own and says what could be read from it after.
_ON_A_TERMINAL = """
import os, select, sys
import libcontainer as lc
root, rootfs, joined, terminal = sys.argv[1:]
own = dict(terminal=True) if terminal == "own" else dict()
config = lc.Config(rootfs=rootfs)
with lc.Factory(root) as factory, factory.create("tty", config) as container:
    words = lc.Process(["/attacker", "type", "typed"], **own)
    if joined == "joined":
        container.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        handle = container.exec(words)
    else:
        handle = container.run(words)
    handle.wait(10)
    handle.close()
ready, _, _ = select.select([0], [], [], 0.2)
sys.stderr.write("READ:" + (os.read(0, 100).decode() if ready else "nothing") + "\\n")
"""


def _on_a_terminal(*args: str) -> tuple[str, str]:
    """Return what a command wrote to its terminal and to its standard error."""
    master, slave = pty.openpty()
    command = ["setsid", "--ctty", *args]
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=subprocess.PIPE, text=True
    )
    os.close(slave)
    shown = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ready, _, _ = select.select([master], [], [], 0.1)
        try:
            chunk = os.read(master, 4096) if ready else b""
        except OSError:
            break
        shown += chunk
        if process.poll() is not None and not ready:
            break
    _, said = process.communicate(timeout=5)
    os.close(master)
    return shown.decode(errors="replace"), said


@pytest.mark.parametrize("joined", ["first", "joined"])
def test_t01_nothing_is_typed_into_the_callers_terminal(
    image: Path, state_root: Path, joined: str
) -> None:
    """With a terminal of its own the program cannot reach the caller's."""
    state_root.chmod(0o700)
    args = [sys.executable, "-c", _ON_A_TERMINAL, str(state_root), str(image)]
    _, said = _on_a_terminal(*args, joined, "own")
    assert "READ:nothing" in said


@pytest.mark.parametrize("joined", ["first", "joined"])
def test_t01_even_a_descriptor_of_the_callers_terminal_is_not_the_controlling_one(
    image: Path, state_root: Path, joined: str
) -> None:
    state_root.chmod(0o700)
    args = [sys.executable, "-c", _ON_A_TERMINAL, str(state_root), str(image)]
    shown, said = _on_a_terminal(*args, joined, "inherited")
    assert "TIOCSTI EPERM" in shown
    assert "READ:nothing" in said


def test_t01_control(attacker: Path) -> None:
    """On this kernel a program in the caller's session can type for it."""
    script = f"{attacker} type typed; read -t 1 line; echo got:$line >&2"
    shown, said = _on_a_terminal("bash", "-c", script)
    if "EIO" in shown:
        pytest.skip("dev.tty.legacy_tiocsti is off")
    assert "TIOCSTI ok" in shown, (shown, said)


@pytest.mark.parametrize("where", ["args", "cwd", "user", "id", "mount"])
def test_t02_escape_sequences_are_not_passed_on_in_errors(
    attempt: Attempt, factory: lc.Factory, tmp_path: Path, where: str
) -> None:
    nasty = "\x1b]0;title\x07\x1b[2J\nline"
    error: Exception | None
    if where == "id":
        with pytest.raises(lc.LibcontainerError) as caught:
            factory.create(nasty, lc.Config())
        error = caught.value
    elif where == "mount":
        mount = lc.Mount.bind(str(tmp_path / nasty), "/mnt")
        error = attempt("true", mounts=[mount]).error
    elif where == "args":
        error = attempt(f"/{nasty}").error
    elif where == "user":
        error = attempt("true", user=nasty).error
    else:
        error = attempt("true", process={"cwd": nasty}).error
    assert error is not None
    assert not [c for c in str(error) if not c.isprintable() and c != "\n"]
    assert "\nline" not in str(error)


@pytest.mark.parametrize(
    ("size", "good"),
    [((1, 1), True), ((65535, 65535), True), ((0, 80), False), ((65536, 1), False),
     ((-1, 1), False), ((1,), False)],
)  # fmt: skip
def test_t07_sizes_of_the_terminal(
    factory: lc.Factory, image: Path, size: tuple[int, ...], good: bool
) -> None:
    config = lc.Config(rootfs=str(image))
    process = lc.Process(["/test_init"], terminal=True, console_size=size)
    with factory.create(new_id(), config) as container:
        if not good:
            with pytest.raises(lc.ConfigError, match="console_size"):
                container.run(process)
            return
        with container.run(process) as handle:
            assert handle.terminal is not None
            said = ""
            while '"rows"' not in said or "}" not in said.partition('"rows"')[2]:
                said += os.read(handle.terminal, 4096).decode()
            os.close(os.dup(handle.terminal))
            handle.kill()
    assert f'"rows":{size[0]},"columns":{size[1]}' in said


def test_t08_the_terminal_belongs_to_the_user(factory: lc.Factory, image: Path) -> None:
    config = lc.Config(rootfs=str(image), user="1000:1000")
    process = lc.Process(
        ["busybox", "stat", "-c", "%u:%g %a %t", "/proc/self/fd/0", "-L"], terminal=True
    )
    with (
        factory.create(new_id(), config) as container,
        container.run(process) as handle,
    ):
        assert handle.terminal is not None
        handle.wait(HANG_SECONDS)
        assert os.read(handle.terminal, 100).decode().split()[:2] == ["1000:5", "620"]


def test_t04_a_terminal_that_nobody_reads_does_not_hold_up_a_delete(
    factory: lc.Factory, image: Path
) -> None:
    config = lc.Config(rootfs=str(image))
    with factory.create(new_id(), config) as container:
        process = lc.Process(["busybox", "yes"], terminal=True)
        handle = container.run(process)
        time.sleep(0.1)
        container.delete(force=True)
    with pytest.raises(ProcessLookupError):
        os.kill(handle.host_pid, 0)
