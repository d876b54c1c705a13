# SPDX-License-Identifier: Apache-2.0
"""I: ids, the state directory, and who else works on the same container."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.state import check_id
from tests.attacks.conftest import HANG_SECONDS, Canary
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")

_BAD_IDS = (
    *("", ".", "..", "../x", "a/b", "/a", "a/", "a\n", "\na", "-rf", "--help"),
    *("a\0", "a" * 1025, "\U0001f600", "\uff11", "\u0661", "a b", "a\tb", ",new-1-2"),
    *("a\udc80", "~", "$(id)", "a;b", "*", "a\\b", "\x1b[2J", "a:b"),
)


@pytest.mark.parametrize("name", _BAD_IDS)
def test_i01_an_id_that_could_be_something_else_is_refused(
    factory: lc.Factory, name: str
) -> None:
    for verb in (lambda: factory.create(name, lc.Config()), lambda: factory.load(name)):
        with pytest.raises(lc.InvalidIdError):
            verb()
    assert os.listdir(factory.root) == []


def test_i01_generated() -> None:
    """Every character of the first planes, alone and at each place."""
    good = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
    for code in (*range(0x3000), *range(0xD7F0, 0xE010), 0xFF11, 0x1D7CF, 0x10FFFF):
        for text in (chr(code), f"a{chr(code)}", f"{chr(code)}a", f"a{chr(code)}a"):
            try:
                check_id(text)
            except lc.InvalidIdError:
                continue
            assert set(text) <= good | set("_+-."), hex(code)
            assert text[0] != "-", text


@pytest.mark.parametrize("how", ["symlink", "others may write", "foreign", "file"])
def test_i02_a_state_directory_that_is_not_ours_is_refused(
    canary: Canary, public_tmp: Path, how: str
) -> None:
    root = public_tmp / f"state-{how.replace(' ', '-')}"
    if how == "symlink":
        root.symlink_to(canary.path)
    elif how == "file":
        root.write_text("")
    else:
        root.mkdir(mode=0o700)
        root.chmod(0o777 if how == "others may write" else 0o700)
        if how == "foreign":
            os.chown(root, 20001, 20001)
    with (
        lc.Factory(root) as factory,
        pytest.raises((lc.StateFileError, OSError)),
    ):
        factory.create("box", lc.Config())
    if root.is_dir() and not root.is_symlink():
        assert os.listdir(root) == []


@pytest.mark.parametrize("made", ["symlink", "file", "fifo", "foreign directory"])
def test_i02_a_name_that_somebody_took_first_is_not_used(
    factory: lc.Factory, canary: Canary, made: str
) -> None:
    entry = Path(factory.root) / "box"
    if made == "symlink":
        entry.symlink_to(canary.path / "folder")
    elif made == "file":
        entry.write_text("")
    elif made == "fifo":
        os.mkfifo(entry)
    else:
        entry.mkdir()
        os.chown(entry, 20001, 20001)
    with pytest.raises(lc.ContainerExistsError):
        factory.create("box", lc.Config())
    with pytest.raises((lc.ContainerNotFoundError, lc.StateFileError)):
        factory.load("box")
    if entry.is_dir() and not entry.is_symlink():
        entry.rmdir()
    else:
        entry.unlink()


@pytest.mark.parametrize("what", ["log", "pid file"])
@pytest.mark.parametrize("how", ["symlink", "fifo"])
def test_i07_a_planted_name_in_a_shared_directory_is_not_followed(  # noqa: PLR0917 - fixtures and cases
    factory: lc.Factory, image: Path, canary: Canary, public_tmp: Path, what: str,
    how: str,
) -> None:  # fmt: skip
    from libcontainer.host.pidfile import write_pid_file

    place = public_tmp / f"planted-{new_id()}"
    if how == "symlink":
        place.symlink_to(canary.path / "secret")
    else:
        os.mkfifo(place)
    if what == "pid file":
        # Replaced by rename: what was there is not opened.
        write_pid_file(str(place), 1)
        assert place.read_text() == "1"
        assert not place.is_symlink()
    else:
        config = lc.Config(rootfs=str(image))
        with factory.create(new_id(), config) as container:
            process = lc.Process(["true"], stdin=lc.DEVNULL)
            with pytest.raises((lc.LibcontainerError, OSError)):
                container.run(process, detach=True, log=str(place))
    place.unlink(missing_ok=True)


@pytest.mark.parametrize("option", ["size=4k", "nr_inodes=1", "ro"])
def test_i08_a_state_file_system_that_takes_nothing(
    public_tmp: Path, option: str
) -> None:
    root = public_tmp / f"full-{option.replace('=', '-')}"
    root.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", f"mode=700,{option}", "none", root]
    subprocess.run(mount, check=True)
    try:
        with lc.Factory(root) as factory, pytest.raises(lc.StepError) as caught:
            factory.create("box", lc.Config())
        assert str(root) in caught.value.title
        assert os.listdir(root) == []
    finally:
        subprocess.run(["umount", root], check=True)


_HOLDS = """
import sys, time
from libcontainer.host.store import Store
folder = Store(sys.argv[1]).open("box")
with folder.locked(timeout=1):
    print("held", flush=True)
    time.sleep(1000)
"""


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_i10_who_holds_the_lock_is_killed_or_stopped(
    factory: lc.Factory, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    from libcontainer import container as module

    monkeypatch.setattr(module, "LOCK_SECONDS", 0.3)
    container = factory.create("box", lc.Config())
    command = [sys.executable, "-W", "ignore", "-c", _HOLDS, factory.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        if how == "stopped":
            holder.send_signal(signal.SIGSTOP)
            begun = time.monotonic()
            with pytest.raises(lc.LockTimeoutError):
                container.delete()
            assert time.monotonic() - begun < HANG_SECONDS
        holder.kill()
    container.delete()


_VERBS: dict[str, Callable[[lc.Container], object]] = {
    "delete": lambda c: c.delete(force=True),
    "exec": lambda c: c.exec(lc.Process(["true"], stdin=lc.DEVNULL)).wait(10),
    "state": lambda c: c.state(),
    "kill": lambda c: c.signal("KILL"),
}


def test_i05_z04_everybody_does_everything_at_once(
    factory: lc.Factory, image: Path
) -> None:
    """A slice of the campaign of load: threads in each other's way."""
    from concurrent.futures import ThreadPoolExecutor

    config = lc.Config(rootfs=str(image))

    def act(number: int) -> str:
        try:
            if number % 6 == 0:
                factory.create("box", config).run(
                    lc.Process(["sleep", "1000"], stdin=lc.DEVNULL)
                ).close()
            else:
                verb = list(_VERBS.values())[number % len(_VERBS)]
                verb(factory.load("box"))
        except lc.LibcontainerError as error:
            return type(error).__name__
        return "done"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(act, range(120), timeout=60))
    assert answers.count("done") > 5
    for container in factory:
        container.delete(force=True)
