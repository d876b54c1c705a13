# SPDX-License-Identifier: Apache-2.0
"""Markers and fixtures for all tiers of the tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import capabilities, leaks, supervisor

ROOT = Path(__file__).resolve().parents[1]
PRIVILEGED = ("root", "userns")

UNPRIVILEGED_ID = capabilities.UNPRIVILEGED_ID
SUBIDS = "2000000:65536"

RunAsUser = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers and put a supervisor above the run."""
    config.addinivalue_line(
        "markers",
        "needs(*words): skip where the machine lacks one of "
        f"{', '.join(capabilities.CHECKS)}; fail instead if the word is in "
        "LIBCONTAINER_MUST_RUN",
    )
    config.addinivalue_line("markers", "slow: takes more than a few seconds")
    config.addinivalue_line("markers", "engines: an engine calls the runtime")
    config.addinivalue_line("markers", "slice: of the engines, what every run has")
    if leaks.SUPERVISOR not in os.environ:
        supervisor.supervise()


def needed_words(item: pytest.Item) -> list[str]:
    """Return all words of the ``needs`` markers on a test."""
    return [str(word) for mark in item.iter_markers("needs") for word in mark.args]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail, a test whose needs are not met."""
    must_run = os.environ.get("LIBCONTAINER_MUST_RUN", "").replace(",", " ").split()
    for word in needed_words(item):
        if word not in capabilities.CHECKS:
            pytest.fail(f"needs({word!r}): no such word", pytrace=False)
        reason = capabilities.lacking(word)
        if reason is None:
            continue
        if word in must_run:
            pytest.fail(f"must run, but needs {word!r}: {reason}", pytrace=False)
        pytest.skip(f"needs {word!r}: {reason}")


@pytest.fixture(scope="session")
def warm() -> None:
    """Launch twice, so that what the library keeps for good is there already."""
    if capabilities.lacking("root") is not None:
        return
    # The second launch makes the template, which the default factory keeps.
    script = "import libcontainer as lc; lc.run(['true']); lc.run(['true'])"
    with contextlib.suppress(Exception):
        # That a launch works at all is asserted by the tests of lc.run.
        exec(compile(script, "warm", "exec"), {})


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a privileged test that leaves anything behind."""
    item: pytest.Item = request.node
    privileged = any(word in PRIVILEGED for word in needed_words(item))
    if not privileged and not item.path.is_relative_to(ROOT / "tests" / "root"):
        yield
        return
    request.getfixturevalue("warm")
    watch = [
        Path(request.getfixturevalue(name))
        for name in ("state_root",)
        if name in request.fixturenames
    ]
    # Files of a test in its own directories are its business, mounts are not.
    mounts = [
        Path(request.getfixturevalue(name))
        for name in ("public_tmp", "tmp_path")
        if name in request.fixturenames
    ]
    before = leaks.take(watch, mounts)
    yield
    complaints = leaks.settled(before, watch, mounts)
    if complaints:
        pytest.fail("the test left something behind:\n" + "\n".join(complaints), False)


@pytest.fixture
def state_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty directory for a Factory; it must be empty again at the end."""
    path = tmp_path_factory.mktemp("state", numbered=True)
    path.chmod(0o711)
    return path


@pytest.fixture(scope="session")
def public_tmp() -> Iterator[Path]:
    """A directory that other users can reach, unlike pytest's own ones."""
    path = Path(tempfile.mkdtemp(prefix="lctests-"))
    path.chmod(0o755)
    yield path
    # To follow a mount that was left here would delete what is mounted.
    if f" {path}/" in Path("/proc/self/mountinfo").read_text():
        pytest.fail(f"something is still mounted below {path}")
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def busybox_rootfs(public_tmp: Path) -> Path:
    """A small root filesystem: static busybox, passwd, group, the mount points."""
    if reason := capabilities.lacking("rootfs"):
        pytest.skip(reason)
    rootfs = public_tmp / "busybox"
    for name in ("bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "var"):
        (rootfs / name).mkdir(parents=True)
    (rootfs / "tmp").chmod(0o1777)
    busybox = rootfs / "bin" / "busybox"
    shutil.copy(str(shutil.which("busybox")), busybox)
    applets = subprocess.run(
        [busybox, "--list"], capture_output=True, text=True, check=True
    )
    for applet in applets.stdout.split():
        if applet != "busybox":
            (rootfs / "bin" / applet).symlink_to("busybox")
    (rootfs / "etc" / "passwd").write_text(
        "root:x:0:0:root:/root:/bin/sh\n"
        "daemon:x:1:1:daemon:/usr/sbin:/bin/sh\n"
        "user:x:1000:1000:user:/home:/bin/sh\n"
    )
    (rootfs / "etc" / "group").write_text(
        "root:x:0:\ndaemon:x:1:\nuser:x:1000:\naudio:x:29:user\nvideo:x:44:user\n"
    )
    return rootfs


@pytest.fixture(scope="session")
def debian_rootfs() -> Path:
    """A Debian root filesystem, made once and kept in the user's cache."""
    for word in ("root", "debian"):
        if reason := capabilities.lacking(word):
            pytest.skip(f"needs {word!r}: {reason}")
    rootfs = Path.home() / ".cache" / "libcontainer-tests" / "bookworm-mount"
    if not (rootfs / "etc" / "os-release").is_file():
        rootfs.parent.mkdir(parents=True, exist_ok=True)
        fresh = rootfs.with_name(f"{rootfs.name}.{os.getpid()}")
        subprocess.run(
            [
                "mmdebstrap",
                "--variant=essential",
                "--include=mount",
                "--quiet",
                "bookworm",
                str(fresh),
            ],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        fresh.rename(rootfs)
    return rootfs


@pytest.fixture(scope="session")
def test_init(public_tmp: Path) -> Path:
    """The static program that says as JSON what it sees from inside."""
    if reason := capabilities.lacking("compiler"):
        pytest.skip(reason)
    program = public_tmp / "test_init"
    source = ROOT / "tests" / "native" / "test_init.c"
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-static"]
    subprocess.run(["gcc", *flags, "-o", program, source], check=True)
    return program


@pytest.fixture(scope="session")
def init_rootfs(busybox_rootfs: Path, test_init: Path) -> Path:
    """The busybox root filesystem with the test program as /test_init."""
    target = busybox_rootfs / "test_init"
    if not target.exists():
        shutil.copy(test_init, target)
    return busybox_rootfs


def _as_user(folder: Path, *, subids: bool) -> list[str]:
    """Return a command prefix that makes root the user ``lctest``.

    The user exists in a mount namespace only: its files are bound over those of
    the machine, which stay as they are.
    """
    user, home = f"{UNPRIVILEGED_ID}:{UNPRIVILEGED_ID}", folder / "home"
    passwd = Path("/etc/passwd").read_text() + f"lctest:x:{user}::{home}:/bin/sh\n"
    texts = {
        "passwd": passwd,
        "subuid": f"lctest:{SUBIDS}\n" if subids else "",
        "subgid": f"lctest:{SUBIDS}\n" if subids else "",
    }
    script = "set -e; "
    for name, text in texts.items():
        if (Path("/etc") / name).exists():
            (folder / name).write_text(text)
            script += f"mount --bind {folder / name} /etc/{name}; "
    script += _reachable_interpreter(folder)
    script += 'exec "$@"'
    inner = ["sh", "-c", script, "sh", *capabilities.as_unprivileged()]
    return ["unshare", "--mount", "--", *inner]


def in_roots_home() -> list[Path]:
    """Return what of this run is where only root can reach it: interpreter and tree."""
    home = Path("/root")
    if not home.exists() or home.stat().st_mode & 0o001:
        return []
    return [p for p in (Path(sys.base_prefix), ROOT) if p.is_relative_to(home)]


def _reachable_interpreter(folder: Path) -> str:
    """Return what lets anybody execute an interpreter that is in root's home.

    The user reads it by a capability, which a user namespace of its own takes away.
    """
    kept = {folder / f"kept{n}": path for n, path in enumerate(in_roots_home())}
    if not kept:
        return ""
    for path in kept:
        path.mkdir(exist_ok=True)
    return "; ".join(
        (
            *(f"mount --bind {path} {place}" for place, path in kept.items()),
            "mount -t tmpfs -o mode=755 tmpfs /root",
            *(f"mkdir -p {path}" for path in kept.values()),
            *(f"mount --bind {place} {path}" for place, path in kept.items()),
            "",
        )
    )


@pytest.fixture
def unprivileged(public_tmp: Path) -> Iterator[RunAsUser]:
    """Run a Python script as an ordinary user: ``unprivileged(script, *args)``.

    With ``subids=True`` the user has a range in /etc/subuid and /etc/subgid. As
    root the user is ``lctest``, uid 20001; else it is the caller.
    """
    folder = Path(tempfile.mkdtemp(dir=public_tmp))
    folder.chmod(0o755)
    home = folder / "home"
    home.mkdir()

    def run(
        script: str, *args: str, subids: bool = False, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *args]
        if os.geteuid() == 0:
            os.chown(home, UNPRIVILEGED_ID, UNPRIVILEGED_ID)
            command = [*_as_user(folder, subids=subids), *command]
        environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "XDG_RUNTIME_DIR": str(home),
            leaks.SUPERVISOR: os.environ[leaks.SUPERVISOR],
        }
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            cwd="/",
            env=environment,
        )

    yield run
    shutil.rmtree(folder)
