# SPDX-License-Identifier: Apache-2.0
"""Z: how things end, and who is told."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

import libcontainer as lc
from tests.attacks.conftest import HANG_SECONDS, Canary
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")

_NOT_ENDING = {"CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "WINCH"}
_ENDS = [n for n in signal.Signals if n.name.removeprefix("SIG") not in _NOT_ENDING]


def test_z01_z02_every_exit_code_is_told(factory: lc.Factory, image: Path) -> None:
    """Programs that end at once, one after the other in one container."""
    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        container.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        for code in range(256):
            words = lc.Process(["sh", "-c", f"exit {code}"], stdin=lc.DEVNULL)
            with container.exec(words) as handle:
                assert handle.wait(HANG_SECONDS) == lc.ExitStatus(code=code)


def test_z02_every_signal_is_told(factory: lc.Factory, image: Path) -> None:
    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        container.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        for number in _ENDS:
            words = lc.Process(["/test_init", "--kill", str(int(number))],
                               stdin=lc.DEVNULL, stdout=lc.DEVNULL)  # fmt: skip
            with container.exec(words) as handle:
                assert handle.wait(HANG_SECONDS).signal == number


@pytest.mark.parametrize(
    ("content", "mode", "kind"),
    [
        (b"no program\n", 0o755, lc.ProgramFormatError),
        (b"", 0o755, lc.ProgramFormatError),
        (b"\x7fELF" + b"\0" * 200, 0o755, lc.ProgramFormatError),
        (b"#!/bin/nothing\n", 0o755, lc.ProgramFormatError),
        (b"#!/bin/sh\n", 0o644, lc.ProgramNotExecutableError),
        (None, 0, lc.ProgramNotFoundError),
    ],
)
def test_z02_a_program_that_cannot_be_is_told_apart(
    factory: lc.Factory,
    image: Path,
    content: bytes | None,
    mode: int,
    kind: type[Exception],
) -> None:
    program = image / "bin" / "odd"
    if content is not None:
        program.write_bytes(content)
        program.chmod(mode)
    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        with pytest.raises(kind):
            container.run(lc.Process(["/bin/odd"]))
        assert container.status() is lc.Status.CREATING
        container.run(lc.Process(["true"])).wait(HANG_SECONDS)


def test_z07_everybody_who_waits_is_told(factory: lc.Factory, image: Path) -> None:
    told: list[lc.ExitStatus] = []
    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        words = lc.Process(["sh", "-c", "sleep 0.2; exit 9"], stdin=lc.DEVNULL)
        handle = container.run(words)
        threads = [
            threading.Thread(target=lambda: told.append(handle.wait(HANG_SECONDS)))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_SECONDS)
        handle.close()
    assert told == [lc.ExitStatus(code=9)] * 20


def test_z08_who_does_not_end_when_asked_is_ended(
    factory: lc.Factory, image: Path
) -> None:
    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        init = container.run(lc.Process(["/attacker", "stubborn"], stdout=lc.PIPE))
        assert init.stdout is not None
        init.stdout.readline()
        init.terminate()
        with pytest.raises(lc.TimeoutExpired):
            init.wait(0.1)
        begun = time.monotonic()
        init.kill()
        assert init.wait(HANG_SECONDS).signal == 9
        assert time.monotonic() - begun < HANG_SECONDS / 2
        init.close()


def test_z09_a_delete_does_not_follow_links_of_the_image(
    factory: lc.Factory, image: Path, canary: Canary
) -> None:
    """The image is the caller's: nothing of it is removed, nor what it points at."""
    (image / "mnt" / "link").symlink_to(canary.path)
    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        words = ["sh", "-c", f"ln -s {canary.path} /etc/link; rm -rf /etc/passwd"]
        container.run(lc.Process(words, stdin=lc.DEVNULL)).wait(HANG_SECONDS)
    assert (image / "mnt" / "link").is_symlink()
    assert (image / "etc" / "link").is_symlink()


def test_z09_a_planted_link_in_the_state_folder_is_removed_not_followed(
    factory: lc.Factory, canary: Canary
) -> None:
    container = factory.create("box", lc.Config())
    (Path(container.path) / "planted").symlink_to(canary.path / "secret")
    container.delete()
    assert not Path(container.path).exists()
