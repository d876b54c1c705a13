# SPDX-License-Identifier: Apache-2.0
"""C and U: users, groups, capabilities, user namespaces."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.attacks.conftest import Attempt

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")

_USERNS = [*lc.Config().namespaces, "user"]


@pytest.mark.parametrize(
    "user",
    [
        *(
            "0x0",
            "1000\n",
            "\n0",
            "\uff11\uff10\uff10\uff10",
            "1_000",
            " 0",
            "0 ",
            "-1",
            "+0",
            "00",
        ),
        *("4294967295", "4294967296", "2147483648", "1:2:3", "1abc", "1000:", ":-1"),
        *("²", "0\0", "root\0", "root\n", ":4294967295", "1e3", "0.0"),
    ],
)
def test_c01_a_user_that_is_no_user_is_refused(attempt: Attempt, user: str) -> None:
    done = attempt("/attacker", "ids", user=user)
    if user == "1000:":
        assert done.refused or "uid 1000 1000 gid 0 0" in done.out
        return
    assert isinstance(done.error, (lc.ConfigError, lc.UserLookupError)), done.out


@pytest.mark.parametrize("name", ["1000", "2147483648", "4294967296", "01000"])
def test_c02_an_image_cannot_make_a_number_a_name(
    image: Path, attempt: Attempt, name: str
) -> None:
    (image / "etc" / "passwd").write_text(f"{name}:x:0:0::/root:/bin/sh\n")
    (image / "etc" / "group").write_text(f"{name}:x:0:\n")
    done = attempt("/attacker", "ids", user=f"{name}:{name}")
    if name == "1000":
        assert "uid 1000 1000 gid 1000 1000" in done.out
    else:
        assert done.refused


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("/proc/self/fd/0"),
        lambda path: path.mkdir(),
        lambda path: path.write_bytes(b"x" * 64 * 1024 * 1024),
        lambda path: path.write_bytes(b"user:x:4294967296:0::/:\n"),
        lambda path: path.write_bytes(b"user:x:-1:0::/:\n"),
        lambda path: path.write_bytes(b"user:x::0::/:\n"),
        lambda path: path.write_bytes(b"\xff\xfe\0:::::\n" * 1000),
    ],
    ids=["fifo", "endless", "fd", "folder", "huge", "2^32", "-1", "empty", "junk"],
)
def test_c03_a_passwd_file_that_is_no_passwd_file_is_told(
    image: Path, attempt: Attempt, make: Any
) -> None:
    (image / "etc" / "passwd").unlink()
    make(image / "etc" / "passwd")
    done = attempt("/attacker", "ids", user="user")
    assert isinstance(done.error, lc.UserLookupError)
    assert "passwd" in str(done.error)


@pytest.mark.parametrize("groups", [None, [], [5], list(range(100, 140))])
@pytest.mark.parametrize("joined", [False, True])
def test_c04_the_groups_are_exactly_those_asked_for(
    factory: lc.Factory, image: Path, groups: list[int] | None, joined: bool
) -> None:
    before = os.getgroups()
    os.setgroups(range(5000, 5020))
    config = lc.Config(rootfs=str(image), user="1000:1000", additional_groups=groups)
    process = lc.Process(["/test_init"], stdout=lc.PIPE)
    try:
        with factory.create("groups", config) as container:
            if joined:
                container.run(lc.Process(["sleep", "1000"]))
            with (container.exec if joined else container.run)(process) as handle:
                out, _ = handle.communicate(timeout=10)
    finally:
        os.setgroups(before)
    assert sorted(json.loads(out or b"")["groups"]) == sorted(groups or [])


def _file_capability(path: Path) -> None:
    # VFS_CAP_REVISION_2 with the effective bit; CAP_CHOWN permitted.
    data = struct.pack("<IIIII", 0x02000001, 1 << 0, 0, 0, 0)
    os.setxattr(path, "security.capability", data)


def _set_id(path: Path) -> None:
    path.chmod(0o6755)


@pytest.mark.parametrize("gift", [_file_capability, _set_id])
@pytest.mark.parametrize("no_new_privs", [True, False])
def test_c07_a_program_of_the_image_gives_no_privilege(
    image: Path, attempt: Attempt, gift: Any, no_new_privs: bool
) -> None:
    gift(image / "attacker")
    # Nothing is permitted to the user; what execve(2) may give is bounded.
    bounded = lc.Capabilities(bounding=["CHOWN", "SETUID"])
    done = attempt(
        *("/attacker", "ids"),
        user="1000:1000",
        no_new_privs=no_new_privs,
        capabilities=bounded,
    )
    sets = {int(line[7:], 16) for line in done.out.splitlines() if "Cap" in line}
    if no_new_privs:
        assert "uid 1000 1000 gid 1000 1000" in done.out
        assert sets == {0}
    # The control: without it the gift is real, but within the bounding set.
    elif gift is _set_id:
        assert "uid 1000 0 gid 1000 0" in done.out
        assert sets == {1 << 0 | 1 << 7}
    else:
        assert sets == {1 << 0}


def test_c08_in_a_user_namespace_the_gift_is_of_that_namespace(
    image: Path, attempt: Attempt
) -> None:
    _set_id(image / "attacker")
    os.chown(image / "attacker", 100000, 100000)
    os.chmod(image / "attacker", 0o6755)
    maps = [lc.IdMapping(0, 100000, 65536)]
    done = attempt(
        *("/attacker", "ids"),
        user="1000:1000",
        no_new_privs=False,
        namespaces=_USERNS,
        uid_mappings=maps,
        gid_mappings=maps,
    )
    assert "uid 1000 0 gid 1000 0" in done.out


@contextmanager
def _odd_surroundings() -> Iterator[None]:
    umask, nice = os.umask(0o777), os.getpriority(os.PRIO_PROCESS, 0)
    try:
        yield
    finally:
        os.umask(umask)
        os.setpriority(os.PRIO_PROCESS, 0, nice)


def test_c11_the_callers_umask_and_limits_do_not_show(attempt: Attempt) -> None:
    limit = lc.Rlimit("NOFILE", 77, 88)
    with _odd_surroundings():
        done = attempt("/test_init", umask=0o027, rlimits=[limit])
    seen = json.loads(done.out)
    assert (seen["umask"], seen["rlimits"]["nofile"]) == (0o027, [77, 88])


@pytest.mark.parametrize(
    "wishes",
    [
        {"env": {"HOME": "/root\nevil:x:0:0::/:/bin/sh"}},
        {"env": {"A": "b\0c"}},
        {"env": {"": "x"}},
        {"env": ["A"]},
        {"env": ["=x"]},
        {"hostname": "box\n"},
        {"hostname": "b" * 65},
        {"hostname": "a\0b"},
        {"domainname": "a/../b"},
    ],
    ids=str,
)
def test_c14_text_that_could_begin_a_new_entry_is_refused(
    attempt: Attempt, wishes: dict[str, Any]
) -> None:
    done = attempt("true", **wishes)
    assert isinstance(done.error, lc.ConfigError)
    assert next(iter(wishes)) in str(done.error)


# -- U: user namespaces


@pytest.mark.parametrize(
    "rows",
    [
        [(0, 100000, 0)],
        [(0, 100000, 2**32)],
        [(0, 2**32 - 10, 100)],
        [(2**32 - 10, 0, 100)],
        [(0, 100000, 10), (5, 200000, 10)],
        [(0, 100000, 10), (20, 100005, 10)],
        [(1, 100001, 10)],
        [(-1, 100000, 10)],
        [(n * 2, 100000 + n * 2, 1) for n in range(341)],
    ],
    ids=lambda rows: str(rows)[:40],
)
def test_u01_a_map_that_is_none_is_refused(
    attempt: Attempt, rows: list[tuple[int, int, int]]
) -> None:
    maps = [lc.IdMapping(*row) for row in rows]
    done = attempt("true", namespaces=_USERNS, uid_mappings=maps, gid_mappings=maps)
    assert isinstance(done.error, lc.ConfigError)
    assert "uid_mappings" in str(done.error)


def test_u01_root_maps_nothing_without_a_map_or_a_range(attempt: Attempt) -> None:
    done = attempt("true", namespaces=_USERNS)
    assert isinstance(done.error, lc.UnsupportedError)
    assert "uid_mappings" in str(done.error)


def test_u01_340_extents_work(attempt: Attempt, image: Path) -> None:
    # The kernel takes less than a page of text.
    maps = [lc.IdMapping(n * 2, 1000 + n * 2, 1) for n in range(340)]
    done = attempt(
        *("busybox", "wc", "-l", "/proc/self/uid_map"),
        namespaces=_USERNS,
        uid_mappings=maps,
        gid_mappings=maps,
    )
    assert done.out.split()[:1] == ["340"], done.error


@pytest.mark.needs("userns")
def test_u02_u07_groups_are_denied_and_tools_are_not_looked_up(
    unprivileged: Any, image: Path, public_tmp: Path
) -> None:
    """An ordinary user's own group only: setgroups is denied; PATH is hostile."""
    hostile = public_tmp / "hostile-path"
    hostile.mkdir(exist_ok=True)
    for tool in ("newuidmap", "newgidmap", "sh", "mount", "unshare"):
        (hostile / tool).write_text(f"#!/bin/sh\ntouch {hostile}/ran\n")
        (hostile / tool).chmod(0o755)
    hostile.chmod(0o777)
    script = (
        "import libcontainer as lc, os, sys\n"
        f"os.environ['PATH'] = {str(hostile)!r} + ':' + os.environ['PATH']\n"
        f"done = lc.run(['cat', '/proc/self/setgroups'], rootfs=lc.Overlay("
        f"{str(image)!r}), capture_output=True, text=True)\n"
        "print(done.stdout, done.returncode)\n"
        "uid = os.getuid()\n"
        "maps = [lc.IdMapping(0, uid, 1), lc.IdMapping(1, 2000000, 65536)]\n"
        "config = lc.Config(namespaces=[*lc.Config().namespaces, 'user'],"
        " uid_mappings=maps, gid_mappings=maps)\n"
        "try:\n"
        f"    lc.run(['true'], rootfs=lc.Overlay({str(image)!r}), config=config)\n"
        "except lc.LibcontainerError as error:\n"
        "    print(type(error).__name__)\n"
    )
    done = unprivileged(script)
    assert done.stdout.splitlines()[0] == "deny"
    done = unprivileged(script, subids=True)
    assert done.stdout.splitlines()[0] == "allow"
    assert not (hostile / "ran").exists()
    for tool in hostile.iterdir():
        tool.unlink()
    hostile.rmdir()


def test_u08_the_maps_are_never_written_to_another_process(
    factory: lc.Factory, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pid has come to mean somebody else by the time of the write."""
    from libcontainer.host import idmap

    real = idmap.write_maps
    other = subprocess.Popen(["sleep", "1000"])
    spaces = ["unshare", "--user", "sleep", "1000"]
    victim = subprocess.Popen(spaces)

    def late(host_pid: int, pidfd: int, *rest: Any, **keywords: Any) -> Any:
        os.kill(host_pid, 9)
        os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
        return real(victim.pid, pidfd, *rest, **keywords)

    monkeypatch.setattr(idmap, "write_maps", late)
    maps = [lc.IdMapping(0, 100000, 65536)]
    config = lc.Config(
        rootfs=str(image), namespaces=_USERNS, uid_mappings=maps, gid_mappings=maps
    )
    try:
        with factory.create("late", config) as container, pytest.raises(lc.StepError):
            container.run(lc.Process(["true"]))
        assert Path(f"/proc/{victim.pid}/uid_map").read_text() == ""
    finally:
        for process in (other, victim):
            process.kill()
            process.wait()
    assert sys.exc_info() == (None, None, None)
