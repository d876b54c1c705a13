# SPDX-License-Identifier: Apache-2.0
"""Hostile images and processes, and the files that they must not reach.

An attack aims at a canary that its test made, never at a file of the machine. The
verdict is one of two: refused with an error of ours, or run, contained. That the
attack is real is shown where it can be: by the same image under a runtime that is
known to fall for it (`weak`), or without the one defence that a test is about.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from benchmarks.bundle import oci_config
from tests.root.conftest import factory, new_id

__all__ = ["factory"]

SECRET = "the canary's own words"
HANG_SECONDS = 10.0

_APPLETS = "cat chmod chown echo head id kill ln ls mkdir mount rm sh sleep test true"


@dataclass(frozen=True)
class Outcome:
    """What became of a launch.

    Attributes:
        error: why it was refused, or None.
        out: what the program said.
        code: how it ended.
    """

    error: lc.LibcontainerError | None = None
    out: str = ""
    code: int | None = None

    @property
    def refused(self) -> bool:
        """Whether there was no program at all."""
        return self.error is not None


@dataclass(frozen=True)
class Canary:
    """A directory of the host that no container has anything to do with."""

    path: Path

    def snapshot(self) -> dict[str, tuple[object, ...]]:
        """Return everything about every file of it."""
        found: dict[str, tuple[object, ...]] = {}
        for path in (self.path, *self.path.rglob("*")):
            status = path.lstat()
            content = b""
            if path.is_file() and not path.is_symlink():
                content = hashlib.sha256(path.read_bytes()).digest()
            found[str(path)] = (
                status.st_mode,
                status.st_uid,
                status.st_gid,
                status.st_nlink,
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
                content,
            )
        return found


def make_canary(parent: Path) -> Canary:
    """Make a canary in a directory of its own."""
    path = Path(tempfile.mkdtemp(prefix="canary-", dir=parent))
    path.chmod(0o755)
    (path / "secret").write_text(SECRET)
    (path / "folder").mkdir()
    (path / "folder" / "secret").write_text(SECRET)
    return Canary(path)


@pytest.fixture
def canary(public_tmp: Path) -> Iterator[Canary]:
    """What must be exactly the same after the attack."""
    made = make_canary(public_tmp)
    before = made.snapshot()
    yield made
    after = made.snapshot()
    shutil.rmtree(made.path)
    assert after == before, "the canary was changed"


@pytest.fixture
def bait(public_tmp: Path) -> Iterator[Path]:
    """A second canary, for the runtime that is to fall for the attack."""
    made = make_canary(public_tmp)
    yield made.path
    shutil.rmtree(made.path)


@pytest.fixture(scope="session")
def attacker(public_tmp: Path) -> Path:
    """The static program with the attacks."""
    program = public_tmp / "attacker"
    source = Path(__file__).parent / "attacker.c"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-static"]
    subprocess.run(["gcc", *flags, "-o", program, source], check=True)
    return program


@pytest.fixture
def image(public_tmp: Path, attacker: Path, test_init: Path) -> Iterator[Path]:
    """A root filesystem for one test, which may spoil it as it likes."""
    path = Path(tempfile.mkdtemp(prefix="image-", dir=public_tmp))
    path.chmod(0o755)
    for name in ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "mnt"):
        (path / name).mkdir()
    shutil.copy(str(shutil.which("busybox")), path / "bin" / "busybox")
    for name in _APPLETS.split():
        (path / "bin" / name).symlink_to("busybox")
    shutil.copy(attacker, path / "attacker")
    shutil.copy(test_init, path / "test_init")
    (path / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (path / "etc" / "group").write_text("root:x:0:\n")
    yield path
    # Python's own way would recurse too deep for some of them.
    subprocess.run(["rm", "-rf", path], check=True)


Attempt = Callable[..., Outcome]


@pytest.fixture
def attempt(factory: lc.Factory, image: Path) -> Attempt:
    """Launch ``args`` in the image; keywords go to `Config`, *process* to `Process`."""

    def run(
        *args: str, process: dict[str, Any] | None = None, **wishes: Any
    ) -> Outcome:
        wishes.setdefault("rootfs", str(image))
        streams = {"stdin": lc.DEVNULL, "stdout": lc.PIPE, "stderr": lc.STDOUT}
        words = lc.Process(args, **(streams | (process or {})))
        try:
            with (
                factory.create(new_id(), lc.Config(**wishes)) as container,
                container.run(words) as handle,
            ):
                out, _ = handle.communicate(timeout=HANG_SECONDS)
                status = handle.wait(HANG_SECONDS)
        except lc.TimeoutExpired:
            raise  # It hangs.
        except lc.LibcontainerError as error:
            return Outcome(error)
        return Outcome(None, (out or b"").decode(errors="replace"), status.returncode)

    return run


Weak = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def weak(public_tmp: Path, image: Path) -> Iterator[Weak]:
    """Run the image under crun 1.8.1 as Debian has it, which is known to be weak.

    It runs in namespaces of its own, so whatever it leaves is gone with them.
    """
    if shutil.which("crun") is None:
        pytest.skip("crun is not installed")
    folder = Path(tempfile.mkdtemp(prefix="weak-", dir=public_tmp))

    def run(
        *args: str, mounts: Sequence[dict[str, Any]] | None = None, **process: Any
    ) -> subprocess.CompletedProcess[str]:
        config: dict[str, Any] = oci_config(image, cgroup=False)
        config["process"].update(args=list(args), **process)
        config["root"]["readonly"] = False
        if mounts is not None:
            config["mounts"] = list(mounts)
        (folder / "config.json").write_text(json.dumps(config))
        # crun refuses the layout with both versions of cgroups.
        script = (
            "! test -d /sys/fs/cgroup/unified ||"
            " mount -t tmpfs none /sys/fs/cgroup/unified;"
            f" exec crun --root {folder}/state --cgroup-manager=disabled"
            f" run --bundle {folder} {new_id()}"
        )
        spaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        return subprocess.run(
            ["unshare", *spaces, "--propagation", "private", "sh", "-c", script],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )

    yield run
    shutil.rmtree(folder)


@pytest.fixture
def bwrap(image: Path) -> Weak:
    """Run the image under bubblewrap 0.8, which is known to be weak."""
    if shutil.which("bwrap") is None:
        pytest.skip("bwrap is not installed")

    def run(program: str, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bwrap", "--bind", str(image), "/", *options, "--", program],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )

    return run


@pytest.fixture
def mounted() -> Iterator[Callable[[Path], None]]:
    """Mount a tmpfs on a directory of the host, for the length of the test."""
    done: list[Path] = []

    def mount(path: Path) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "none", path], check=True)
        done.append(path)

    yield mount
    for path in done:
        subprocess.run(["umount", path], check=True)
