# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from libcontainer.bindings.fsopen import fsconfig_set_flag, fsopen
from libcontainer.bindings.mount import MountFlag, mount
from libcontainer.bindings.mount_setattr import AT_RECURSIVE, MountAttr, mount_setattr
from libcontainer.bindings.move_mount import move_mount
from libcontainer.bindings.open_tree import OpenTreeFlag, open_tree
from libcontainer.bindings.openat2 import AT_FDCWD, Resolve, openat2
from libcontainer.bindings.pivot_root import pivot_root
from libcontainer.bindings.statfs import PROC_SUPER_MAGIC, fs_type
from libcontainer.bindings.statx import mount_id
from libcontainer.bindings.umount2 import UmountFlag, umount2
from tests.bindings.conftest import InChild

PRIVATE = """
import errno, os, sys
from libcontainer.bindings.clone import CloneFlag
from libcontainer.bindings.fsopen import *
from libcontainer.bindings.mount import MountFlag, mount
from libcontainer.bindings.mount_setattr import *
from libcontainer.bindings.move_mount import MoveMountFlag, move_mount
from libcontainer.bindings.open_tree import OpenTreeFlag, open_tree
from libcontainer.bindings.openat2 import Resolve, openat2
from libcontainer.bindings.pivot_root import pivot_root
from libcontainer.bindings.statfs import TMPFS_MAGIC, fs_type
from libcontainer.bindings.statx import mount_id
from libcontainer.bindings.umount2 import UmountFlag, umount2
from libcontainer.bindings.unshare import unshare
unshare(CloneFlag.NEWNS)
mount(None, "/", None, MountFlag.REC | MountFlag.PRIVATE)
place = sys.argv[1]
def line():
    with open("/proc/thread-self/mountinfo") as lines:
        return [l.split() for l in lines if l.split()[4] == place][-1]
def tmpfs(attributes=0):
    context = fsopen("tmpfs")
    fsconfig_set_string(context, "size", "64k")
    fsconfig_create(context)
    fd = fsmount(context, attributes)
    os.close(context)
    return fd
"""


@pytest.mark.needs("root")
def test_a_filesystem_is_made_detached_and_attached_by_fd(
    in_child: InChild, tmp_path: Path
) -> None:
    script = """
fd = tmpfs(MountAttr.NOSUID | MountAttr.NODEV)
assert not os.get_inheritable(fd)
assert fs_type(fd) == TMPFS_MAGIC
target = os.open(place, os.O_PATH)
move_mount(fd, target)
print(line()[5], mount_id(fd) == int(line()[0]))
print(mount_id(fd, unique=True) != mount_id(fd))
"""
    said = in_child(PRIVATE + script, tmp_path)
    assert said == "rw,nosuid,nodev,relatime True\nTrue\n"


@pytest.mark.needs("root")
def test_attributes_are_changed_and_cleared(in_child: InChild, tmp_path: Path) -> None:
    script = """
fd = tmpfs(MountAttr.NOEXEC)
open(f"/proc/self/fd/{fd}/file", "w").close()
mount_setattr(fd, attr_set=MountAttr.RDONLY | MountAttr.NOSUID,
              attr_clr=MountAttr.NOEXEC, propagation=MountFlag.SHARED,
              flags=AT_RECURSIVE)
move_mount(fd, -100, to_path=place)
print(line()[5], line()[6].startswith("shared:"))
try:
    open(f"{place}/file", "w")
except OSError as error:
    print(errno.errorcode[error.errno])
"""
    said = in_child(PRIVATE + script, tmp_path)
    assert said == "ro,nosuid,relatime True\nEROFS\n"


@pytest.mark.needs("root")
def test_a_tree_is_cloned_recursively_or_not(in_child: InChild, tmp_path: Path) -> None:
    script = """
move_mount(tmpfs(), -100, to_path=place)
os.mkdir(f"{place}/inner")
move_mount(tmpfs(), -100, to_path=f"{place}/inner")
open(f"{place}/inner/file", "w").close()
for flags in (OpenTreeFlag.CLONE, OpenTreeFlag.CLONE | OpenTreeFlag.RECURSIVE):
    fd = open_tree(place, flags)
    assert not os.get_inheritable(fd)
    print(os.listdir(f"/proc/self/fd/{fd}/inner"))
directory = os.open(place, os.O_PATH)
print(os.path.sameopenfile(directory, open_tree("", 0, dirfd=directory)))
"""
    assert in_child(PRIVATE + script, tmp_path) == "[]\n['file']\nTrue\n"


@pytest.mark.needs("root")
def test_mounts_are_made_bound_and_detached_by_path(
    in_child: InChild, tmp_path: Path
) -> None:
    script = """
mount("none", place, "tmpfs", MountFlag.NODEV, "size=64k,mode=700")
print(line()[5], oct(os.stat(place).st_mode & 0o777))
mount(place, place, None, MountFlag.BIND)
umount2(place)
umount2(place, UmountFlag.DETACH)
try:
    umount2(place, UmountFlag.NOFOLLOW)
except OSError as error:
    print(errno.errorcode[error.errno])
"""
    assert in_child(PRIVATE + script, tmp_path) == "rw,nodev,relatime 0o700\nEINVAL\n"


@pytest.mark.needs("root")
def test_a_filesystem_is_reconfigured(in_child: InChild, tmp_path: Path) -> None:
    script = """
fd = tmpfs()
move_mount(fd, -100, to_path=place)
context = fspick(place)
fsconfig_set_flag(context, "ro")
fsconfig_reconfigure(context)
print(line()[-1].split(",")[0])
context = fspick("", dirfd=fd)
fsconfig_set_flag(context, "rw")
fsconfig_reconfigure(context)
print(line()[-1].split(",")[0])
"""
    assert in_child(PRIVATE + script, tmp_path) == "ro\nrw\n"


@pytest.mark.needs("root")
def test_the_kernels_own_words_are_in_the_error(
    in_child: InChild, tmp_path: Path
) -> None:
    script = """
context = fsopen("tmpfs")
try:
    fsconfig_set_string(context, "size", "huge")
except OSError as error:
    print(error)
print(fs_messages(context))
try:
    fsconfig_set_path(context, "nr_inodes", "/x")
except OSError as error:
    print(error.errno)
"""
    said = in_child(PRIVATE + script, tmp_path).splitlines()
    assert "SET_STRING, 'size', 'huge'): invalid argument [EINVAL]" in said[0]
    assert "tmpfs: Bad value for 'size'" in said[0]
    assert said[1] == "[]"
    assert said[2] == str(errno.EINVAL)


@pytest.mark.needs("root")
def test_an_overlay_takes_its_layers_as_fds(in_child: InChild, tmp_path: Path) -> None:
    script = """
layer = tmpfs()
os.mkdir("work", dir_fd=layer); os.mkdir("upper", dir_fd=layer)
os.mkdir("lower", dir_fd=layer)
context = fsopen("overlay")
move_mount(layer, -100, to_path=place)
for key, name in (("lowerdir+", "lower"), ("upperdir", "upper"), ("workdir", "work")):
    fsconfig_set_fd(context, key, os.open(f"{place}/{name}", os.O_PATH))
fsconfig_create(context)
merged = fsmount(context)
os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=merged))
print(os.listdir(f"{place}/upper"))
"""
    assert in_child(PRIVATE + script, tmp_path) == "['file']\n"


@pytest.mark.needs("root")
def test_the_root_is_exchanged(in_child: InChild, tmp_path: Path) -> None:
    script = """
move_mount(tmpfs(), -100, to_path=place)
os.mkdir(f"{place}/inside")
os.chdir(place)
pivot_root(".", ".")
umount2(".", UmountFlag.DETACH)
print(os.listdir("/"))
"""
    assert in_child(PRIVATE + script, tmp_path) == "['inside']\n"


def test_a_path_is_opened_within_its_bounds(tmp_path: Path) -> None:
    (tmp_path / "root" / "etc").mkdir(parents=True)
    (tmp_path / "root" / "etc" / "file").write_text("inside")
    (tmp_path / "root" / "link").symlink_to("/etc/file")
    root = os.open(tmp_path / "root", os.O_PATH)
    try:
        fd = openat2(root, "../../link", os.O_RDONLY, resolve=Resolve.IN_ROOT)
        assert not os.get_inheritable(fd)
        with os.fdopen(fd) as file:
            assert file.read() == "inside"
        with pytest.raises(OSError, match="BENEATH") as caught:
            openat2(root, "link", os.O_RDONLY, resolve=Resolve.BENEATH)
        assert caught.value.errno == errno.EXDEV
        with pytest.raises(OSError, match="NO_SYMLINKS") as caught:
            openat2(root, b"link", os.O_RDONLY, resolve=Resolve.NO_SYMLINKS)
        assert caught.value.errno == errno.ELOOP
        flags = os.O_CREAT | os.O_WRONLY | os.O_EXCL
        os.close(openat2(root, "new", flags, mode=0o640))
        assert (tmp_path / "root" / "new").exists()
    finally:
        os.close(root)


def test_an_unknown_open_flag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="openat2") as caught:
        openat2(AT_FDCWD, tmp_path, 1 << 40)
    assert caught.value.errno == errno.EINVAL


def test_procfs_is_told_by_its_type() -> None:
    fd = os.open("/proc", os.O_PATH)
    try:
        assert fs_type(fd) == PROC_SUPER_MAGIC
    finally:
        os.close(fd)


def test_the_mount_id_is_that_of_mountinfo() -> None:
    lines = Path("/proc/thread-self/mountinfo").read_text().splitlines()
    ids = [int(line.split()[0]) for line in lines if line.split()[4] == "/proc"]
    fd = os.open("/proc", os.O_PATH)
    try:
        assert mount_id(fd) == ids[-1]
    finally:
        os.close(fd)


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    ("call", "number", "text"),
    [
        (
            lambda: mount("/nope", "/nope", "tmpfs", MountFlag.NODEV, "secret=1"),
            errno.ENOENT,
            "mount('/nope', '/nope', 'tmpfs', NODEV): no such file or directory",
        ),
        (
            lambda: umount2("/nope", UmountFlag.DETACH | UmountFlag.NOFOLLOW),
            errno.ENOENT,
            "umount2('/nope', DETACH|NOFOLLOW): ",
        ),
        (
            lambda: open_tree(Path("/nope"), OpenTreeFlag.CLONE),
            errno.ENOENT,
            "open_tree(AT_FDCWD, '/nope', CLONE): ",
        ),
        (
            lambda: move_mount(997, 998),
            errno.EBADF,
            "move_mount(997, '', 998, '', F_EMPTY_PATH|T_EMPTY_PATH): ",
        ),
        (
            lambda: mount_setattr(
                -100, "/nope", attr_set=MountAttr.RDONLY, flags=AT_RECURSIVE
            ),
            errno.ENOENT,
            "mount_setattr(AT_FDCWD, '/nope', RECURSIVE, 'set RDONLY', 'clear none', ",
        ),
        (lambda: fsopen("nopefs"), errno.ENODEV, "fsopen('nopefs'): no such device"),
        (lambda: fsconfig_set_flag(997, "ro"), errno.EBADF, "(997, SET_FLAG, 'ro')"),
        (lambda: pivot_root("/nope", "/"), errno.ENOENT, "pivot_root('/nope', '/'): "),
        (lambda: fs_type(997), errno.EBADF, "fstatfs(997): bad file descriptor"),
        (lambda: mount_id(997), errno.EBADF, "statx(997, 'STATX_MNT_ID'): "),
    ],
)
def test_an_error_has_the_number_and_the_calls_arguments(
    call: object, number: int, text: str
) -> None:
    assert callable(call)
    with pytest.raises(OSError, match=r"\[E[A-Z]+\]") as caught:
        call()
    assert caught.value.errno == number
    assert text in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_null_byte_in_a_path_is_refused() -> None:
    for call in (
        lambda: open_tree("/tmp\0/x", 0),
        lambda: umount2(b"/tmp\0"),
        lambda: mount(None, "/nope", "tmp\0fs"),
        lambda: openat2(AT_FDCWD, "a\0b", os.O_RDONLY),
    ):
        with pytest.raises(ValueError, match="null byte"):
            call()
