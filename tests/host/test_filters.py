# SPDX-License-Identifier: Apache-2.0
"""Compiled filters on disk: found again, and never used if they are not ours."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

import libcontainer
from libcontainer import Seccomp, Syscall
from libcontainer.host import filters
from libcontainer.host.filters import FilterFolder
from libcontainer.security.seccomp.compiler import (
    Filter,
    Target,
    compile_anew,
    compile_profile,
)

TARGET = Target("x86_64", (6, 18), frozenset({"CAP_CHOWN", "CAP_KILL"}))
PROFILE = Seccomp(
    default_action="SCMP_ACT_ALLOW",
    syscalls=[Syscall(names=["mkdir", "rmdir"], action="SCMP_ACT_ERRNO", errno_ret=18)],
)
MADE = compile_anew(PROFILE, TARGET)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a directory for filters; it is not there yet."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path / "of" / "filters"


def kept(path: Path, profile: Seccomp = PROFILE, target: Target = TARGET) -> Path:
    """Keep a filter; return its file."""
    before = set(path.iterdir()) if path.exists() else set()
    FilterFolder(str(path)).keep(profile, target, compile_anew(profile, target))
    (file,) = set(path.iterdir()) - before
    return file


def found(path: Path) -> Filter | None:
    return FilterFolder(str(path)).find(PROFILE, TARGET)


def test_a_filter_is_found_again_to_the_byte(path: Path) -> None:
    assert found(path) is None
    file = kept(path)
    assert found(path) == MADE
    assert file.read_bytes().endswith(MADE.program)
    assert file.stat().st_mode & 0o777 == 0o644
    assert path.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "flags", [(), ("SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC")]
)
def test_its_flags_and_its_listener_are_kept(
    path: Path, flags: tuple[str, ...]
) -> None:
    notify = [Syscall(names=["mkdir"], action="SCMP_ACT_NOTIFY")]
    profile = evolve(PROFILE, syscalls=notify, flags=flags)
    kept(path, profile)
    again = FilterFolder(str(path)).find(profile, TARGET)
    assert again == compile_anew(profile, TARGET)
    assert again.notifies


def test_a_filter_that_cannot_be_kept_leaves_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "rename", refuse)
    FilterFolder(str(path)).keep(PROFILE, TARGET, MADE)
    assert list(path.iterdir()) == []


def test_a_compiler_that_lies_in_no_files_compiles_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    profile = evolve(PROFILE, default_errno_ret=77)
    monkeypatch.setattr(filters.seccomp, "__file__", "/nowhere/archive/__init__.py")
    filters.make_ready(profile, TARGET)
    assert compile_profile(profile, TARGET) == compile_anew(profile, TARGET)


def test_who_hears_of_it_makes_no_other_filter(path: Path) -> None:
    kept(path)
    listens = evolve(PROFILE, listener_path="/run/s", listener_metadata="x")
    assert FilterFolder(str(path)).find(listens, TARGET) == MADE


@pytest.mark.parametrize(
    "other",
    [
        (evolve(PROFILE, default_action="SCMP_ACT_LOG"), TARGET),
        (evolve(PROFILE, syscalls=PROFILE.syscalls * 2), TARGET),
        (evolve(PROFILE, flags=["SECCOMP_FILTER_FLAG_LOG"]), TARGET),
        (evolve(PROFILE, architectures=["SCMP_ARCH_X86"]), TARGET),
        (Seccomp(bpf=MADE.program), TARGET),
        (PROFILE, evolve(TARGET, machine="aarch64")),
        (PROFILE, evolve(TARGET, kernel=(6, 17))),
        (PROFILE, evolve(TARGET, capabilities=frozenset({"CAP_KILL"}))),
    ],
)
def test_another_profile_or_target_has_another_filter(
    path: Path, other: tuple[Seccomp, Target]
) -> None:
    kept(path)
    assert FilterFolder(str(path)).find(*other) is None


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8])


def lengthen(file: Path) -> None:
    file.write_bytes(file.read_bytes() + bytes(8))


def flip(at: int) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        data = bytearray(file.read_bytes())
        data[at] ^= 1
        file.write_bytes(data)

    change.__name__ = f"a bit at {at} is another"
    return change


def of_another(file: Path) -> None:
    other = kept(file.parent, evolve(PROFILE, default_action="SCMP_ACT_LOG"))
    other.rename(file)


def link(file: Path) -> None:
    file.rename(file.parent.parent / "elsewhere")
    file.symlink_to("../elsewhere")


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o644)


def directory(file: Path) -> None:
    file.unlink()
    file.mkdir(mode=0o755)


def others_write_file(file: Path) -> None:
    file.chmod(0o646)


def group_writes_file(file: Path) -> None:
    file.chmod(0o664)


def others_write_folder(file: Path) -> None:
    file.parent.chmod(0o757)


def group_writes_folder(file: Path) -> None:
    file.parent.chmod(0o775)


def link_to_folder(file: Path) -> None:
    folder = file.parent
    folder.rename(folder.parent / "elsewhere")
    folder.symlink_to("elsewhere")


def empty(file: Path) -> None:
    file.write_bytes(b"")


BAD = [
    *(cut, lengthen, empty, of_another, link, fifo, directory, link_to_folder),
    *(others_write_file, group_writes_file, others_write_folder, group_writes_folder),
    *map(flip, (0, 31, 32, 36, 37, -1)),
]


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_what_is_not_ours_is_not_used(
    path: Path, spoil: Callable[[Path], None]
) -> None:
    file = kept(path)
    assert found(path) == MADE
    spoil(file)
    assert found(path) is None


@pytest.mark.needs("root")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_somebody_elses_is_not_used(path: Path, what: str) -> None:
    file = kept(path)
    os.chown(file if what == "file" else path, 20001, 20001)
    assert found(path) is None
    if what == "folder":  # Nor is anything put there.
        file.unlink()
        FilterFolder(str(path)).keep(PROFILE, TARGET, MADE)
        assert list(path.iterdir()) == []


def test_a_spoilt_file_is_replaced(path: Path) -> None:
    file = kept(path)
    cut(file)
    FilterFolder(str(path)).keep(PROFILE, TARGET, MADE)
    assert found(path) == MADE
    assert list(path.iterdir()) == [file]


def test_the_folder_does_not_grow_for_ever(path: Path) -> None:
    path.mkdir(parents=True, mode=0o755)
    for number in range(70):
        FilterFolder(str(path)).keep(
            evolve(PROFILE, default_errno_ret=number + 1), TARGET, MADE
        )
    assert len(list(path.iterdir())) == 6


def test_who_wants_no_compiled_code_gets_none(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    FilterFolder(str(path)).keep(PROFILE, TARGET, MADE)
    assert not path.exists()


PLANS = """
import json
import libcontainer as lc
from libcontainer.host import filters
from libcontainer.plan import Facts, Identity, compile_create, merge
from libcontainer.security.seccomp.compiler import Target
from tests.host.test_filters import PROFILE, TARGET
filters.make_ready(PROFILE, TARGET)
config = lc.Config(rootfs="/srv", seccomp=PROFILE, capabilities=TARGET.capabilities)
settings = merge(config, lc.Process(["true"]), Identity(
    uid=0, gid=0, groups=(), home="/"))
facts = Facts(euid=0, egid=0, privileged=True, template=True,
              machine=TARGET.machine, kernel=TARGET.kernel)
plan = compile_create(config, settings, facts, gate=False)
(program,) = (s.action.program for s in plan.steps
              if type(s.action).__name__ == "Seccomp")
folder = filters.FilterFolder()
print(json.dumps([program.hex(), folder._path, filters._key(PROFILE, TARGET).hex()]))
"""


def plan(prefix: Path, tree: Path | None = None) -> tuple[str, Path, str]:
    """Return the filter of a plan that another process has made, and its place."""
    root = Path(__file__).resolve().parents[2]
    places = [str(tree)] if tree else []
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONHASHSEED"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment["PYTHONPYCACHEPREFIX"] = str(prefix)
    environment["PYTHONPATH"] = ":".join([*places, str(root)])
    done = subprocess.run(
        [sys.executable, "-c", PLANS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    program, folder, key = json.loads(done.stdout)
    return program, Path(folder), key


def test_the_next_process_uses_what_the_first_has_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    prefix = tmp_path / "prefix"
    program, folder, key = plan(prefix)
    assert program == MADE.program.hex()
    assert folder.is_relative_to(prefix)
    assert [file.name for file in folder.iterdir()] == [key]
    # Of another filter under its name one sees that it is the file that is used.
    other = compile_anew(evolve(PROFILE, default_action="SCMP_ACT_LOG"), TARGET)
    FilterFolder(str(folder)).keep(PROFILE, TARGET, other)
    assert plan(prefix)[0] == other.program.hex()
    # And of a spoilt one that it is not.
    cut(folder / key)
    assert plan(prefix)[0] == MADE.program.hex()
    assert plan(prefix) == (program, folder, key)


def test_a_compiler_that_has_changed_compiles_anew(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    source = Path(libcontainer.__path__[0])
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, tree / "libcontainer", ignore=ignored)
    keys = [plan(tmp_path / "prefix", tree)[2]]
    for name in ("security/seccomp/compiler.py", "config/seccomp.py", "_version.py"):
        file = tree / "libcontainer" / name
        text = file.read_text()
        # A release has another version, a change another size or time.
        was, now = ("__version__ = ", "__version__ = 'x' + ")
        file.write_text(text.replace(was, now) if name[0] == "_" else text + "\n")
        keys.append(plan(tmp_path / "prefix", tree)[2])
    assert len(set(keys)) == 4
