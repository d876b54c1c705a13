# SPDX-License-Identifier: Apache-2.0
"""Unpacks the archive of one layer into a directory, which nothing in it can leave.

Every name is resolved beneath that directory by descriptor. What the archive says of
owners and whiteouts becomes what overlayfs understands, so that the directory is a
layer of an overlay as it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tarfile
from collections.abc import Iterator

from attrs import field, frozen

from libcontainer.bindings.openat2 import Resolve, openat2
from libcontainer.errors import ImageError
from libcontainer.files.beneath import FOLDER, LOOK, make_folders, open_beneath, opened
from libcontainer.files.copy import remove_tree
from libcontainer.image.archive import entries_of
from libcontainer.image.compression import decompressed
from libcontainer.image.digests import Measured, Readable

MAX_BYTES = 16 * 1024**3
MAX_FILES = 500_000
_MAX_DEPTH = 100
_MAX_ID = 2**32 - 2
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_SET_ID = stat.S_ISUID | stat.S_ISGID
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ONE_NAME = Resolve.BENEATH | Resolve.NO_MAGICLINKS
_XATTR = "SCHILY.xattr."
_CAPABILITY = "security.capability"


@frozen(kw_only=True)
class Policy:
    """What is taken of the layers of an image, and how much.

    Attributes:
        set_id: whether set-id bits and capabilities of files are kept. Processes of a
            container gain nothing by them unless ``no_new_privs`` is off.
        owners: whether files belong to whom the archive says; else all belong to the
            caller, who is the container's root then. A caller who is not root has it
            done by a process in a user namespace with the ids of `subid_mappings`,
            which a container gets too; nobody else can remove such files.
        max_bytes: most bytes that the files of a layer may hold.
        max_files: most entries that a layer may have.
    """

    set_id: bool = False
    owners: bool = field(factory=lambda: os.geteuid() == 0)
    max_bytes: int = MAX_BYTES
    max_files: int = MAX_FILES


def read_layer(
    blob: Readable,
    root: int,
    expected: tuple[str | None, str | None, int | None],
    policy: Policy,
    *,
    own_root: bool = True,
) -> str:
    """Unpack a layer, and check that it is what it should be; return its digest.

    Args:
        blob: the archive, compressed or not.
        root: fd of the directory.
        expected: digest of the archive, digest and size of the blob, each or None.
        policy: what is taken.
        own_root: whether the directory itself gets the owner that the archive says.

    Raises:
        ImageError: it is broken, too large, or something else.
        OSError: the kernel refused something.
    """
    diff_id, digest, size = expected
    outer = Measured(blob, (digest or "sha256:").partition(":")[0], size)
    algorithm = (diff_id or "sha256:").partition(":")[0]
    # What is unpacked is bounded; so is what stands between it.
    most = policy.max_bytes + 4096 * policy.max_files
    inner = Measured(decompressed(outer), algorithm, most)
    Unpacker(root, policy, own_root=own_root).unpack(inner)
    inner.finish(diff_id)
    outer.finish(digest, size)
    return inner.digest


class Unpacker:
    """One layer, and what it has cost so far.

    Attributes:
        left_out: devices and sockets, which a container does not take from an image.
    """

    def __init__(self, root: int, policy: Policy, *, own_root: bool) -> None:
        self._root = root
        self._own_root = own_root
        self._base = os.readlink(f"/proc/self/fd/{root}").count("/")
        self._policy = policy
        self._size = self._files = 0
        # Modes and times of directories hold once everything is in them.
        self._folders: dict[str, tarfile.TarInfo] = {}
        self.left_out: list[str] = []

    def unpack(self, stream: Readable) -> None:
        """Unpack an archive to its end.

        Raises:
            ImageError: it is broken, too large, or would leave its directory.
            OSError: the kernel refused something.
        """
        for entry, content in entries_of(stream):
            name = _clean(entry.name)
            self._files += 1
            if self._files > self._policy.max_files:
                message = f"a layer has more than {self._policy.max_files} entries"
                raise ImageError(message)
            try:
                self._entry(entry, name, content)
            except (ValueError, OverflowError) as error:
                # A NUL in a text, a time that is none.
                message = f"unpack {name!r}: {error}"
                raise ImageError(message) from error
            except OSError as error:
                if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE}:
                    raise
                message = f"unpack {name!r}: {os.strerror(error.errno or 0).lower()}"
                raise ImageError(message) from error
        for name in sorted(self._folders, reverse=True):
            self._finish_folder(name, self._folders[name])

    def _entry(self, entry: tarfile.TarInfo, name: str, content: Readable) -> None:
        if name == ".":
            if entry.isdir():
                self._folders[name] = entry
            return
        folder, _, last = name.rpartition("/")
        parent = make_folders(self._root, folder)
        try:
            self._check_depth(parent, name)
            if last.startswith(_WHITEOUT):
                self._whiteout(parent, last)
            else:
                self._put(entry, (parent, last), name, content)
        finally:
            os.close(parent)

    def _check_depth(self, parent: int, name: str) -> None:
        # By where it is, as links may lead deeper than any name does. What is deeper
        # could not be removed again.
        depth = os.readlink(f"/proc/self/fd/{parent}").count("/") - self._base
        if depth > _MAX_DEPTH:
            message = f"more than {_MAX_DEPTH} directories deep: {name[:200]!r}"
            raise ImageError(message)

    def _put(
        self,
        entry: tarfile.TarInfo,
        place: tuple[int, str],
        name: str,
        content: Readable,
    ) -> None:
        parent, last = place
        if entry.isdir():
            self._folder(entry, place, name)
            return
        if entry.islnk():
            self._hard_link(entry, place)
            return
        _make_way(parent, last)
        if entry.isreg():
            self._file(entry, place, content)
        elif entry.issym():
            os.symlink(entry.linkname, last, dir_fd=parent)
            self._own(entry, place)
            _set_times(entry, place)
        elif entry.isfifo():
            os.mkfifo(last, 0o600, dir_fd=parent)
            self._own(entry, place)
            os.chmod(last, self._mode(entry), dir_fd=parent)
            _set_times(entry, place)
        else:
            self.left_out.append(name)

    def _folder(
        self, entry: tarfile.TarInfo, place: tuple[int, str], name: str
    ) -> None:
        parent, last = place
        found = _mode_at(parent, last)
        if found is None or not stat.S_ISDIR(found):
            hides = found is not None and _is_whiteout(parent, last)
            _make_way(parent, last)
            os.mkdir(last, 0o700, dir_fd=parent)
            if hides:
                self._make_opaque(parent, last)
        self._folders[name] = entry

    def _file(
        self, entry: tarfile.TarInfo, place: tuple[int, str], content: Readable
    ) -> None:
        self._size += entry.size
        if self._size > self._policy.max_bytes:
            message = f"a layer has more than {self._policy.max_bytes} bytes"
            raise ImageError(message)
        fd = os.open(place[1], _NEW, 0o600, dir_fd=place[0])
        with open(fd, "wb", buffering=0) as file:
            while data := content.read(1 << 20):
                left = memoryview(data)
                while left:
                    left = left[file.write(left) :]
            if self._policy.owners:
                os.chown(fd, *_owner(entry))
            os.chmod(fd, self._mode(entry))
            self._set_attributes(entry, fd)
            os.utime(fd, ns=(_mtime(entry), _mtime(entry)))

    def _hard_link(self, entry: tarfile.TarInfo, place: tuple[int, str]) -> None:
        # Both names are of this layer; a link at the end of either is meant itself.
        target = _clean(entry.linkname)
        folder, _, last = target.rpartition("/")
        with opened(self._root, folder or "/", LOOK | os.O_DIRECTORY) as other:
            mode = _mode_at(other, last)
            if mode is None or stat.S_ISDIR(mode) or _is_whiteout(other, last):
                message = f"{entry.name!r} is a link to {target!r}, which is not there"
                raise ImageError(message)
            fresh = ".wh..wh.link"  # a name that no entry can have
            os.link(
                last,
                fresh,
                src_dir_fd=other,
                dst_dir_fd=place[0],
                follow_symlinks=False,
            )
        try:
            _make_way(*place)
            os.rename(fresh, place[1], src_dir_fd=place[0], dst_dir_fd=place[0])
        finally:
            # Renaming a link upon another of the same inode leaves both.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=place[0])

    def _whiteout(self, parent: int, last: str) -> None:
        if last == _OPAQUE:
            self._make_opaque(parent, ".")
            return
        hidden = last.removeprefix(_WHITEOUT)
        if hidden.startswith(_WHITEOUT):
            return  # of aufs, and of no meaning here
        if hidden in {"", ".", ".."}:
            message = f"not a whiteout: {last!r}"
            raise ImageError(message)
        found = _mode_at(parent, hidden)
        # It hides what is below this layer, not what is in it.
        if found is None:
            os.mknod(hidden, stat.S_IFCHR, 0, dir_fd=parent)
        elif stat.S_ISDIR(found):
            self._make_opaque(parent, hidden)

    def _make_opaque(self, parent: int, name: str) -> None:
        with _opened_folder(parent, name) as folder:
            # The one is for overlays of the host's root, the other for those that are
            # mounted in a user namespace.
            os.setxattr(folder, "user.overlay.opaque", b"y")
            with contextlib.suppress(PermissionError):
                os.setxattr(folder, "trusted.overlay.opaque", b"y")

    def _finish_folder(self, name: str, entry: tarfile.TarInfo) -> None:
        try:
            fd = open_beneath(self._root, name, FOLDER)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}:
                return  # something else has taken its place
            raise
        try:
            if self._policy.owners and (self._own_root or name != "."):
                os.chown(fd, *_owner(entry))
            os.chmod(fd, self._mode(entry))
            self._set_attributes(entry, fd)
            os.utime(fd, ns=(_mtime(entry), _mtime(entry)))
        finally:
            os.close(fd)

    def _own(self, entry: tarfile.TarInfo, place: tuple[int, str]) -> None:
        if self._policy.owners:
            os.chown(place[1], *_owner(entry), dir_fd=place[0], follow_symlinks=False)

    def _mode(self, entry: tarfile.TarInfo) -> int:
        mode = entry.mode & 0o7777
        if entry.isdir():
            # Who has no privilege could not look into it, nor remove it.
            return mode if self._policy.owners else mode | stat.S_IRWXU
        if self._policy.set_id:
            return mode
        return mode & ~_SET_ID

    def _set_attributes(self, entry: tarfile.TarInfo, fd: int) -> None:
        for key, value in entry.pax_headers.items():
            name = key.removeprefix(_XATTR)
            wanted = name.startswith("user.") and not name.startswith("user.overlay.")
            if name == _CAPABILITY and self._policy.set_id and self._policy.owners:
                wanted = True
            if name != key and wanted:
                os.setxattr(fd, name, value.encode("utf-8", "surrogateescape"))


def _clean(name: str) -> str:
    """Return a name without a leading slash; ``.`` is the directory itself.

    Raises:
        ImageError: it leads upwards.
    """
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if len(parts) > _MAX_DEPTH:
        message = f"more than {_MAX_DEPTH} directories deep: {name[:200]!r}"
        raise ImageError(message)
    if ".." in parts or "\0" in name:
        message = f"a name in the layer leads out of it: {name!r}"
        raise ImageError(message)
    return "/".join(parts) or "."


def _owner(entry: tarfile.TarInfo) -> tuple[int, int]:
    if not (0 <= entry.uid <= _MAX_ID and 0 <= entry.gid <= _MAX_ID):
        message = f"{entry.name!r} has no possible owner: {entry.uid}:{entry.gid}"
        raise ImageError(message)
    return entry.uid, entry.gid


def _mtime(entry: tarfile.TarInfo) -> int:
    # Any time that a filesystem of today can hold.
    return int(min(max(entry.mtime, 0), 2**33) * 1_000_000_000)


def _set_times(entry: tarfile.TarInfo, place: tuple[int, str]) -> None:
    times = (_mtime(entry), _mtime(entry))
    os.utime(place[1], ns=times, dir_fd=place[0], follow_symlinks=False)


def _make_way(parent: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        remove_tree(parent, name)


def _mode_at(parent: int, name: str) -> int | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None


def _is_whiteout(parent: int, name: str) -> bool:
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


@contextlib.contextmanager
def _opened_folder(parent: int, name: str) -> Iterator[int]:
    fd = openat2(parent, name, FOLDER, resolve=_ONE_NAME)
    try:
        yield fd
    finally:
        os.close(fd)
