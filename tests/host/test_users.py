# SPDX-License-Identifier: Apache-2.0
"""Users and groups of a container, and the care its files are read with."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from libcontainer.config import Config, Overlay
from libcontainer.errors import StepError, UserLookupError
from libcontainer.host.rootfiles import (
    MAX_FILE_BYTES,
    Seen,
    open_root,
    read_layered,
)
from libcontainer.host.users import (
    identity_in_container,
    identity_in_rootfs,
    read_capped,
    resolve_user,
)
from libcontainer.plan.facts import Identity
from libcontainer.process import Process

PASSWD = b"""\
# comment:x:0:0::/:
root:x:0:0:root:/root:/bin/sh

daemon:x:1:2:daemon:/usr/sbin:/sbin/nologin
1000:x:0:0:a name of digits:/evil:
2147483648:x:0:0::/evil:
user:x:1000:100::/home/user:/bin/sh
twin:x:1000:7::/home/twin:
short:x:5
bad:x:zero:0::/bad:
huge:x:4294967295:0::/huge:
relative:x:20:20::home:
line:x:21:21::/a\rb:
latin:x:22:22::/\xff:
"""

GROUP = b"""\
#root:x:9:
root:x:0:
daemon:x:2:
wheel:x:10:user, daemon,
audio:x:11:user
audio2:x:11:user
0:x:99:
broken:x:many:broken
big:x:4294967295:
"""


def files(**contents: bytes | None) -> Callable[[str], bytes | None]:
    """Return a reader of /etc with some contents."""
    known = {"etc/passwd": PASSWD, "etc/group": GROUP}
    known |= {f"etc/{name}": data for name, data in contents.items()}  # type: ignore[misc]
    return known.get


def resolve(spec: str, groups: list[int] | None = None) -> Identity:
    """Look a user up in the files above."""
    return resolve_user(spec, groups, files())


def identity(
    uid: int, gid: int, groups: tuple[int, ...] = (), home: str = "/"
) -> Identity:
    """Return an identity."""
    return Identity(uid=uid, gid=gid, groups=groups, home=home)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("", identity(0, 0, (), "/root")),
        ("0", identity(0, 0, (), "/root")),
        ("root", identity(0, 0, (), "/root")),
        ("0:0", identity(0, 0, (), "/root")),
        (":wheel", identity(0, 10, (), "/root")),
        ("daemon", identity(1, 2, (10,), "/usr/sbin")),
        ("user", identity(1000, 100, (10, 11), "/home/user")),
        ("1000", identity(1000, 100, (10, 11), "/home/user")),
        ("user:audio", identity(1000, 11, (), "/home/user")),
        ("user:77", identity(1000, 77, (), "/home/user")),
        ("user:0", identity(1000, 0, (), "/home/user")),
        ("12345", identity(12345, 0)),
        ("12345:5", identity(12345, 5)),
        ("twin", identity(1000, 7, (), "/home/twin")),
        ("relative", identity(20, 20)),
        ("line", identity(21, 21)),
        ("latin", identity(22, 22)),
    ],
)
def test_a_user_has_these_numbers(spec: str, expected: Identity) -> None:
    assert resolve(spec) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nobody", "user 'nobody' is not in the container's /etc/passwd"),
        ("user:nogroup", "group 'nogroup' is not in the container's /etc/group"),
        ("user:big", "group 'big' has no valid id"),
        ("short", "user 'short' has no valid ids"),
        ("bad", "user 'bad' has no valid ids"),
        ("huge", "user 'huge' has no valid ids"),
        ("5", "user '5' has no valid ids"),
        ("2147483648", "user: must be from 0 to 2147483647"),
        ("1abc", "user: is neither a number nor a name: '1abc'"),
        ("0x0", "is neither a number nor a name"),
        ("\uff11", "is neither a number nor a name"),
        ("1:2:3", "is neither a number nor a name"),
        ("a\nb", "has a line break"),
    ],
)
def test_a_user_that_is_not_there_is_never_root(spec: str, message: str) -> None:
    with pytest.raises(UserLookupError) as caught:
        resolve(spec)
    assert message in str(caught.value)
    assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize("groups", [[], [1], [4, 3, 4]])
def test_given_groups_are_all_there_are(groups: list[int]) -> None:
    assert resolve("user", groups).groups == tuple(groups)


def test_a_group_with_a_bad_number_is_not_left_out() -> None:
    # Left out, a file that denies the group could be read.
    passwd = b"broken:x:30:30::/:"
    with pytest.raises(UserLookupError, match="'broken' has no valid id"):
        resolve_user("broken", None, files(passwd=passwd))


def test_without_files_only_numbers_are_known() -> None:
    absent = files(passwd=None, group=None)
    assert resolve_user("7:8", None, absent) == identity(7, 8)
    assert resolve_user("7", None, absent) == identity(7, 0)
    with pytest.raises(UserLookupError):
        resolve_user("root", None, absent)
    with pytest.raises(UserLookupError):
        resolve_user("7:root", None, absent)


def test_a_line_that_is_too_long_is_refused() -> None:
    passwd = b"\n" + b"a" * 4097
    with pytest.raises(UserLookupError, match="line 2 is longer than 4096 bytes"):
        resolve_user("root", None, files(passwd=passwd))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with an empty /etc."""
    (tmp_path / "root" / "etc").mkdir(parents=True)
    return tmp_path / "root"


@contextlib.contextmanager
def opened(root: Path) -> Iterator[int]:
    """Open a root for a block."""
    fd = open_root(str(root))
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.fixture
def root_fd(root: Path) -> Iterator[int]:
    """The same, open."""
    with opened(root) as fd:
        yield fd


def test_a_file_is_read_whole(root: Path, root_fd: int) -> None:
    data = b"x" * MAX_FILE_BYTES
    (root / "etc/passwd").write_bytes(data)
    assert read_capped(root_fd, "etc/passwd") == data


@pytest.mark.parametrize("path", ["etc/passwd", "nope/passwd", "etc/file/passwd"])
def test_a_file_that_is_not_there_is_none(path: str, root: Path, root_fd: int) -> None:
    (root / "etc/file").touch()
    assert read_capped(root_fd, path) is None


def test_a_file_that_is_too_large_is_refused(root: Path, root_fd: int) -> None:
    with open(root / "etc/passwd", "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(UserLookupError, match="larger than 1048576 bytes"):
        read_capped(root_fd, "etc/passwd")


@pytest.mark.parametrize("kind", ["fifo", "directory", "socket", "endless link"])
def test_what_is_no_regular_file_is_refused_without_waiting(
    kind: str, root: Path, root_fd: int
) -> None:
    path = root / "etc/passwd"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server, opened(root) as fd:
            server.bind(f"/proc/self/fd/{fd}/etc/passwd")
    else:
        path.symlink_to("passwd")
    with pytest.raises(UserLookupError, match="read /etc/passwd of the container: "):
        read_capped(root_fd, "etc/passwd")


@pytest.mark.needs("root")
def test_a_device_is_refused(root: Path, root_fd: int) -> None:
    os.mknod(root / "etc/passwd", 0o20666, os.makedev(1, 5))
    with pytest.raises(UserLookupError, match="no regular file"):
        read_capped(root_fd, "etc/passwd")


@pytest.mark.parametrize("target", ["/secret", "../../secret", "../../../../secret"])
def test_a_link_does_not_lead_out_of_the_root(
    target: str, root: Path, root_fd: int, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_bytes(b"the host's")
    (root / "secret").write_bytes(b"the container's")
    (root / "etc/passwd").symlink_to(target)
    assert read_capped(root_fd, "etc/passwd") == b"the container's"


def test_a_magic_link_is_refused() -> None:
    with (
        opened(Path("/")) as fd,
        pytest.raises(UserLookupError, match=r"\[ELOOP\]"),
    ):
        read_capped(fd, "proc/self/exe")


def make_layer(path: Path, files: dict[str, bytes]) -> Path:
    """Make a layer of an overlay."""
    (path / "etc").mkdir(parents=True)
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def layered(*paths: Path) -> bytes | None:
    """Read /etc/passwd of an overlay."""
    with opened(paths[0]) as top, opened(paths[1]) as base:
        return read_layered([top, base], "etc/passwd")


def test_the_topmost_layer_that_has_the_file_counts(tmp_path: Path) -> None:
    top = make_layer(tmp_path / "top", {"etc/passwd": b"top"})
    base = make_layer(tmp_path / "base", {"etc/passwd": b"base"})
    empty = make_layer(tmp_path / "empty", {})
    assert layered(top, base) == b"top"
    assert layered(empty, base) == b"base"
    assert layered(top, empty) == b"top"
    assert layered(empty, empty) is None


def test_a_directory_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    top = make_layer(tmp_path / "top", {})
    base = make_layer(tmp_path / "base", {"etc/passwd": b"base"})
    (top / "etc/passwd").mkdir()
    with pytest.raises(UserLookupError, match="no regular file"):
        layered(top, base)


@pytest.mark.needs("root")
@pytest.mark.parametrize("whiteout", ["etc/passwd", "etc"])
def test_a_whiteout_hides_the_file_below(whiteout: str, tmp_path: Path) -> None:
    top = make_layer(tmp_path / "top", {})
    base = make_layer(tmp_path / "base", {"etc/passwd": b"base"})
    if whiteout == "etc":
        (top / "etc").rmdir()
    os.mknod(top / whiteout, 0o20000, os.makedev(0, 0))
    assert layered(top, base) is None


@pytest.mark.needs("root")
def test_an_opaque_directory_hides_the_file_below(tmp_path: Path) -> None:
    top = make_layer(tmp_path / "top", {})
    base = make_layer(tmp_path / "base", {"etc/passwd": b"base"})
    os.setxattr(top / "etc", "trusted.overlay.opaque", b"y")
    assert layered(top, base) is None


def test_a_file_in_the_place_of_a_directory_hides_what_is_below(
    tmp_path: Path,
) -> None:
    top, base = tmp_path / "top", make_layer(tmp_path / "base", {"etc/passwd": b"x"})
    top.mkdir()
    (top / "etc").write_bytes(b"")
    assert layered(top, base) is None


@pytest.mark.parametrize("link", ["etc/passwd", "etc"])
def test_a_link_in_an_upper_layer_is_refused(link: str, tmp_path: Path) -> None:
    top = make_layer(tmp_path / "top", {})
    base = make_layer(tmp_path / "base", {"etc/passwd": b"base"})
    if link == "etc":
        (top / "etc").rmdir()
    (top / link).symlink_to("elsewhere")
    with pytest.raises(UserLookupError, match=f"/{link} is a link within a layer"):
        layered(top, base)


def test_the_rootfs_decides_who_a_user_is(root: Path) -> None:
    (root / "etc/passwd").write_bytes(b"me:x:7:8::/me:\n")
    config = Config(rootfs=root, user="me", additional_groups=[9])
    assert identity_in_rootfs(config, Process(["id"])) == identity(7, 8, (9,), "/me")
    other = Process(["id"], user="5:6", additional_groups=[])
    assert identity_in_rootfs(config, other) == identity(5, 6)


def test_an_overlay_is_read_from_its_upper_layer_down(tmp_path: Path) -> None:
    upper = make_layer(tmp_path / "upper", {"etc/passwd": b"me:x:1:1::/upper:"})
    base = make_layer(tmp_path / "base", {"etc/passwd": b"me:x:2:2::/base:"})
    with_upper = Config(rootfs=Overlay(base, upper=upper, work="/w"), user="me")
    assert identity_in_rootfs(with_upper, Process(["id"])).home == "/upper"
    without = Config(rootfs=Overlay(base), user="me")
    assert identity_in_rootfs(without, Process(["id"])).home == "/base"


def test_the_default_finds_roots_home() -> None:
    found = identity_in_rootfs(Config(), Process(["id"]))
    assert (found.uid, found.gid, found.groups) == (0, 0, ())
    assert found.home.startswith("/")


def test_a_running_process_is_looked_into_by_its_root() -> None:
    found = identity_in_container(Config(user="root"), Process(["id"]), os.getpid())
    assert (found.uid, found.gid) == (0, 0)


def test_a_root_that_is_not_there_is_a_failed_step() -> None:
    with pytest.raises(StepError, match=r"open the container's root '/nope'") as caught:
        identity_in_rootfs(Config(rootfs="/nope"), Process(["id"]))
    assert "[ENOENT]" in str(caught.value)
    with pytest.raises(StepError):
        identity_in_container(Config(), Process(["id"]), 2**22)


def test_a_file_that_has_not_changed_is_read_once(root_fd: int, root: Path) -> None:
    file = root / "etc" / "passwd"
    file.write_bytes(b"one")
    seen = Seen()
    # It may be written to again within the same tick of the clock.
    assert read_capped(root_fd, "etc/passwd", seen) == b"one"
    assert seen.get(file.stat()) is None
    time.sleep(2.1)
    assert read_capped(root_fd, "etc/passwd", seen) == b"one"
    assert seen.get(file.stat()) == b"one"
    assert read_capped(root_fd, "etc/passwd", seen) == b"one"
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_capped(root_fd, "etc/passwd", seen) == b"two"
