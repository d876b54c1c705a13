# SPDX-License-Identifier: Apache-2.0
"""Builds the packages: an sdist, and a wheel for each machine with a compiler."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Any fixed moment: the times in the archives come from it.
EPOCH = "1767225600"
COMPILERS = {"x86_64": "x86_64-linux-gnu-gcc", "aarch64": "aarch64-linux-gnu-gcc"}
_TAG = re.compile(r'platform tag:\s+"(manylinux_\d+_\d+_\w+)"')


def build_sdist(folder: Path) -> Path:
    """Build the source package."""
    _run([sys.executable, "-m", "build", "-q", "--sdist", "--outdir", folder, ROOT])
    sdist = next(folder.glob("*.tar.gz"))
    _normalise(sdist)
    return sdist


def _normalise(sdist: Path) -> None:
    """Write an archive anew, without what differs from build to build."""
    with tarfile.open(sdist) as old:
        members = sorted(old.getmembers(), key=lambda member: member.name)
        contents = [(member, old.extractfile(member)) for member in members]
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as new:
            for member, content in contents:
                member.mtime = int(EPOCH)
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                member.pax_headers = {}
                new.addfile(member, content)
    sdist.write_bytes(gzip.compress(data.getvalue(), mtime=int(EPOCH)))


def machines() -> list[str]:
    """Return the machines that a wheel can be built for here, this one first."""
    own = platform.machine()
    others = [name for name, cc in COMPILERS.items() if shutil.which(cc)]
    return [own, *(name for name in others if name != own)]


def build_wheel(sdist: Path, folder: Path, machine: str) -> Path:
    """Build a wheel from the source package; its name says where it runs."""
    settings = {}
    if machine != platform.machine():
        compiler = COMPILERS[machine]
        settings = {"CC": compiler, "LDSHARED": f"{compiler} -shared"}
        settings["_PYTHON_HOST_PLATFORM"] = f"linux-{machine}"
    with tempfile.TemporaryDirectory() as scratch:
        shutil.unpack_archive(sdist, scratch, filter="data")
        (source,) = Path(scratch).iterdir()
        command = [sys.executable, "-m", "build", "-q", "--wheel", "--no-isolation"]
        _run([*command, "--outdir", scratch, source], **settings)
        (wheel,) = Path(scratch).glob("*.whl")
        return Path(shutil.copy(_tagged(wheel), folder))


def _tagged(wheel: Path) -> Path:
    """Return the wheel under the name of the oldest C library it works with."""
    said = _run([sys.executable, "-m", "auditwheel", "show", wheel])
    found = _TAG.search(" ".join(said.split()))
    if found is None:
        raise SystemExit(f"{wheel.name} fits no manylinux tag:\n{said}")
    tags = [sys.executable, "-m", "wheel", "tags", "--remove"]
    name = _run([*tags, "--platform-tag", found[1], wheel]).split()[-1]
    return wheel.with_name(name)


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def packages(folder: Path) -> Iterator[tuple[Path, bool]]:
    """Build each package twice; yield it, and whether both are the same bytes."""
    with tempfile.TemporaryDirectory() as second:
        sdist = build_sdist(folder)
        again = build_sdist(Path(second))
        yield sdist, checksum(sdist) == checksum(again)
        for machine in machines():
            wheel = build_wheel(sdist, folder, machine)
            again = build_wheel(sdist, Path(second), machine)
            yield wheel, checksum(wheel) == checksum(again)


def _run(command: list[object], **settings: str) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout
