# SPDX-License-Identifier: Apache-2.0
"""H and S: environment, the helper itself, and calls that reach past the mounts."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.attacks.conftest import SECRET, Attempt, Canary
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")

_LOADER = {
    "LD_PRELOAD": "/tmp/evil.so",
    "LD_LIBRARY_PATH": "/tmp",
    "LD_AUDIT": "/tmp/evil.so",
    "GCONV_PATH": "/tmp",
    "LOCPATH": "/tmp",
    "PYTHONPATH": "/tmp",
    "PYTHONSTARTUP": "/tmp/evil.py",
    "TMPDIR": "/nonexistent",
    "BASH_ENV": "/tmp/evil.sh",
    "LISTEN_FDS": "3",
}


def test_h01_the_callers_environment_is_neither_used_nor_passed_on(
    attempt: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in _LOADER.items():
        monkeypatch.setenv(name, value)
    done = attempt("busybox", "env", env={"ONLY": "this"})
    assert sorted(done.out.split()) == ["HOME=/root", "ONLY=this"]


def test_h01_what_the_config_gives_does_not_reach_the_helper(
    factory: lc.Factory, image: Path
) -> None:
    # Seen while it waits at the gate, where it still is the helper.
    config = lc.Config(rootfs=str(image), env=_LOADER)
    with factory.create(new_id(), config) as container:
        init = container.prepare(lc.Process(["true"]))
        base = Path(f"/proc/{init.host_pid}")
        assert (base / "environ").read_bytes() == b""
        assert (base / "cmdline").read_bytes().split(b"\0")[0] == b"libcontainer-init"
        init.kill()


def test_h02_modules_beside_the_caller_are_not_imported(
    tmp_path: Path, state_root: Path, image: Path
) -> None:
    state_root.chmod(0o700)
    for name in ("json", "subprocess", "attrs", "cffi", "secrets", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('hijacked')\n")
    (tmp_path / "libcontainer").mkdir()
    (tmp_path / "libcontainer" / "__init__.py").write_text("raise SystemExit('h')\n")
    script = (
        "import libcontainer as lc\n"
        f"with lc.Factory({str(state_root)!r}) as factory:\n"
        f"    done = lc.run(['echo', 'fine'], rootfs={str(image)!r}, factory=factory,"
        " capture_output=True)\n"
        "print(done.stdout)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "b'fine\\n'\n", done.stderr


@pytest.mark.parametrize(
    ("env", "works"),
    [
        ([], True),
        (["A=" + "x" * 100_000], True),
        (["A=" + "x" * 2_000_000], False),
        ([f"K{n}=v" for n in range(20_000)], True),
        (["A=b=c"], True),
        (["A"], False),
        (["=b"], False),
        (["A=b\0"], False),
    ],
    ids=["none", "100 kB", "2 MB", "many", "two =", "no =", "no name", "NUL"],
)
def test_h05_environments(attempt: Attempt, env: list[str], works: bool) -> None:
    done = attempt("true", process={"env": env})
    assert done.refused != works, str(done.error)[:200]


def test_h10_the_helper_run_by_hand_does_nothing(tmp_path: Path) -> None:
    from libcontainer.bindings.helper import sealed_helper

    fd = sealed_helper()
    program = tmp_path / "helper"
    program.write_bytes(os.pread(fd, 1 << 20, 0))
    os.close(fd)
    program.chmod(0o4755)
    os.link(program, tmp_path / "linked")
    for name in ("helper", "linked"):
        for args in ([], ["0"], ["1"], ["99"], ["-1"], ["0", "1"], ["/etc/passwd"]):
            done = subprocess.run(
                [tmp_path / name, *args],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=10,
            )
            assert (done.returncode, done.stdout, done.stderr) == (125, b"", b"")


def test_h11_two_launches_at_once_share_nothing(
    factory: lc.Factory, image: Path
) -> None:
    said: dict[int, Any] = {}

    def launch(number: int) -> None:
        for turn in range(8):
            word = f"secret-{number}-{turn}"
            process = lc.Process(
                ["sh", "-c", "echo $WORD; cat; ls /proc/self/fd | busybox wc -l"],
                env={"WORD": word, "PATH": "/bin"},
                stdin=lc.PIPE,
                stdout=lc.PIPE,
            )
            config = lc.Config(rootfs=lc.Overlay(str(image)))
            with (
                factory.create(f"h11-{number}-{turn}", config) as container,
                container.run(process) as handle,
            ):
                out, _ = handle.communicate(f"{word}\n".encode(), timeout=20)
            said[number, turn] = (word, (out or b"").decode().split())  # type: ignore[index]

    threads = [threading.Thread(target=launch, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 32
    for word, lines in said.values():
        assert lines == [word, word, "4"]


def _handle(attacker: Path, path: Path) -> list[str]:
    done = subprocess.run(
        [attacker, "handle-of", path], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_s04_a_file_handle_opens_nothing(
    image: Path, attacker: Path, canary: Canary, attempt: Attempt
) -> None:
    number, handle = _handle(attacker, canary.path / "secret")
    done = attempt("/attacker", "open-handle", number, handle, "/")
    assert "EPERM" in done.out
    assert SECRET not in done.out


def test_s04_control(
    image: Path, attacker: Path, canary: Canary, attempt: Attempt
) -> None:
    """With CAP_DAC_READ_SEARCH it opens any file of the filesystem."""
    number, handle = _handle(attacker, canary.path / "secret")
    done = attempt(
        *("/attacker", "open-handle", number, handle, "/"),
        capabilities=["DAC_READ_SEARCH"],
    )
    assert SECRET in done.out
