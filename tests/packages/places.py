# SPDX-License-Identifier: Apache-2.0
"""Puts a wheel into fresh interpreters and fresh Debians, and uses it there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

OLDEST = (3, 11)
SUITES = ("bookworm", "trixie")
# One container and the report of what works: what a user would try first.
TRY = (
    "import libcontainer as lc; d = lc.run(['/bin/sh', '-c', 'echo $$'],"
    " capture_output=True, text=True); print('ran', d.stdout.strip(), d.returncode)"
)


def interpreters() -> Iterator[tuple[str, str]]:
    """Yield version and path of each interpreter that the wheel is for."""
    names = [f"python3.{minor}" for minor in range(OLDEST[1], 20)]
    pyenv = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    found = [shutil.which(name) for name in names] + [str(path) for path in pyenv]
    seen = set()
    for path in filter(None, found):
        ask = "import sys; print('%d.%d.%d' % sys.version_info[:3])"
        done = subprocess.run(
            [path, "-c", ask], capture_output=True, text=True, check=False
        )
        version = done.stdout.strip()
        numbers = tuple(int(part) for part in version.split(".") if part.isdigit())
        if done.returncode == 0 and numbers >= OLDEST and version not in seen:
            seen.add(version)
            yield version, path


def try_interpreter(python: str, wheel: Path) -> str:
    """Install the wheel into a new environment of an interpreter, and use it."""
    with tempfile.TemporaryDirectory(prefix="lc-package-") as folder:
        _run([python, "-m", "venv", folder])
        own = f"{folder}/bin/python"
        _run([own, "-m", "pip", "install", "-q", "--disable-pip-version-check", wheel])
        _run([own, "-m", "libcontainer", "check"])
        return _run([own, "-c", TRY]).strip()


def _fill(house: Path, version: str, wheel: Path) -> None:
    """Collect what the wheel needs on another Python, for a place without network."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    # It has no wheel of its own on the index.
    _run([*pip, "wheel", "-q", "--no-deps", "-w", house, "cgroupspy"])
    download = [*pip, "download", "-q", "-d", house, "--find-links", house]
    only = ["--only-binary", ":all:", "--python-version", version]
    _run([*download, *only, wheel])


def try_debian(suite: str, wheel: Path, folder: Path) -> str:
    """Install the wheel into a fresh Debian, offline, and use it there.

    The Debian is entered with namespaces of its own and all of root's privileges:
    it stands for a machine, and runs containers itself.
    """
    root = folder / suite
    make = ["mmdebstrap", "-q", "--variant=minbase", "--include=python3-venv"]
    _run([*make, suite, root])
    house = root / "wheels"
    house.mkdir()
    version = _run([*_enter(root), "python3", "-c", _VERSION]).strip()
    _fill(house, version, wheel)
    script = (
        "python3 -m venv /v && /v/bin/pip install -q --no-index --find-links /wheels"
        " libcontainer && /v/bin/python -m libcontainer check >/dev/null"
        f" && /v/bin/python -c {_quoted(TRY)}"
    )
    said = _run([*_enter(root), "sh", "-c", script]).strip()
    return f"Python {version}: {said}"


_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"


def _quoted(text: str) -> str:
    return '"' + text.replace("$", "\\$") + '"'


def _enter(root: Path) -> list[str]:
    mounts = (
        f"mount --rbind {root} {root} && cd {root} && mount -t proc proc proc"
        " && mount --rbind /sys sys && mount --rbind /dev dev"
        " && mkdir -p old && pivot_root . old && umount -l /old"
        ' && exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"'
    )
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation"]
    return [*unshare, "private", "sh", "-c", mounts, "enter"]


def _run(command: list[object]) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        env={key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)[:300]}\n{done.stdout}{done.stderr}")
    return done.stdout
