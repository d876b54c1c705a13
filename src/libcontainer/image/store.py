# SPDX-License-Identifier: Apache-2.0
"""Where images are kept, unpacked: each layer once, by the digest of its content.

    images/NAME.json        what an image is made of; the name is quoted
    layers/sha256-…/        the files of a layer, as overlayfs takes them
    locks/sha256-…          who unpacks that layer
    tmp/                    what is not whole yet

The directory is its owner's alone. What is in ``images`` and ``layers`` has come there
by one rename(2) and is whole; what a killed program has left is in ``tmp``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import stat
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import define

from libcontainer.bindings.renameat2 import RenameFlag, renameat2
from libcontainer.errors import ImageError
from libcontainer.files.beneath import FOLDER
from libcontainer.files.copy import remove_tree
from libcontainer.image.digests import Readable, check_digest, digest_of
from libcontainer.image.model import Image, ImageConfig
from libcontainer.image.unpack import Policy, read_layer

_FOLDERS: Final = ("images", "layers", "locks", "tmp")
_MAX_NAME: Final = 200
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def default_root() -> str:
    """Return where images of this user are kept."""
    if os.geteuid() == 0:
        return "/var/lib/libcontainer/images"
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return f"{home}/libcontainer/images"


class Store:
    """Images that are unpacked on this machine.

    It may be shared between threads, and its directory between processes. A layer
    that several images have is there once.

    Args:
        root: its directory, a host path; made 0700 if it is absent. None: that of
            `default_root`. It must be on a filesystem that an overlay can be made of.
        policy: what is taken of images.

    Raises:
        ImageError: the directory is not the caller's own, or others may write to it.
    """

    def __init__(
        self, root: str | None = None, *, policy: Policy | None = None
    ) -> None:
        self.root = os.path.abspath(root or default_root())
        self.policy = policy or Policy()
        os.makedirs(self.root, 0o700, exist_ok=True)
        with self._opened() as fd:
            for name in _FOLDERS:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=fd)

    # -- images

    def get(self, name: str) -> Image:
        """Return an image.

        Raises:
            ImageError: there is none of this name, or its layers are not there.
        """
        with self._opened() as fd:
            try:
                data = _read(fd, f"images/{_file_name(name)}")
            except FileNotFoundError:
                message = f"there is no image {name!r}"
                raise ImageError(message) from None
        return self._image(json.loads(data))

    def images(self) -> list[Image]:
        """Return all images, by name."""
        found = []
        with self._opened() as fd:
            for name in sorted(os.listdir(f"/proc/self/fd/{fd}/images")):
                with contextlib.suppress(FileNotFoundError):
                    data = _read(fd, f"images/{name}")
                    found.append(self._image(json.loads(data)))
        return found

    def remove(self, name: str) -> None:
        """Forget an image; its layers stay until `collect`.

        Raises:
            ImageError: there is none of this name.
        """
        with self._locked(fcntl.LOCK_EX) as fd:
            try:
                os.unlink(f"images/{_file_name(name)}", dir_fd=fd)
            except FileNotFoundError:
                message = f"there is no image {name!r}"
                raise ImageError(message) from None

    def collect(self) -> list[str]:
        """Remove layers that no image has, and what killed programs have left.

        A container on such a layer must not run any more. Waits for pulls in progress.

        Returns:
            The digests of the layers that are gone.
        """
        with self._locked(fcntl.LOCK_EX) as fd:
            used = {path for image in self.images() for path in image.layers}
            gone = []
            for folder in ("layers", "tmp", "locks"):
                with _folder(fd, folder) as inside:
                    for name in os.listdir(inside):
                        if folder == "layers" and f"{self.root}/layers/{name}" in used:
                            continue
                        self.remove_entry(inside, folder, name)
                        if folder == "layers":
                            gone.append(name.replace("-", ":", 1))
            return sorted(gone)

    # -- what puts images in

    @contextlib.contextmanager
    def filling(self) -> Iterator[Filling]:
        """Add layers and images in a block; nothing is collected meanwhile."""
        with self._locked(fcntl.LOCK_SH) as fd:
            yield Filling(self, fd)

    def layer_path(self, diff_id: str) -> str:
        """Return where a layer is, or would be: a host path."""
        return f"{self.root}/layers/{check_digest(diff_id).replace(':', '-')}"

    @property
    def needs_mapping(self) -> bool:
        """Whether its files have owners that the caller alone could not give them."""
        return self.policy.owners and os.geteuid() != 0

    def remove_entry(self, fd: int, folder: str, name: str) -> None:
        """Remove what is in one of its directories, whoever it belongs to."""
        try:
            remove_tree(fd, name)
        except PermissionError:
            if os.geteuid() == 0:
                raise
            from libcontainer.image.mapped import remove_mapped  # noqa: PLC0415 - rare

            remove_mapped(f"{self.root}/{folder}", [name])

    # -- parts

    def _image(self, document: dict[str, Any]) -> Image:
        settings = ImageConfig.read(document["config"].encode())
        layers = tuple(self.layer_path(one) for one in reversed(settings.diff_ids))
        for path in layers:
            if not os.path.isdir(path):
                message = f"image {document['name']!r}: its layer {path!r} is missing"
                raise ImageError(message)
        return Image(
            name=document["name"],
            layers=layers,
            settings=settings,
            digest=document["digest"],
        )

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        fd = os.open(self.root, FOLDER)
        try:
            found = os.fstat(fd)
            if found.st_uid != os.geteuid() or found.st_mode & (
                stat.S_IWGRP | stat.S_IWOTH
            ):
                message = f"{self.root!r} must belong to the caller alone"
                raise ImageError(message)
            yield fd
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[int]:
        with self._opened() as fd:
            fcntl.flock(fd, how)
            yield fd


@define
class Filling:
    """What adds to a store, which is locked against `Store.collect` meanwhile."""

    store: Store
    fd: int

    def has_layer(self, diff_id: str) -> bool:
        """Tell whether a layer is there already."""
        return os.path.isdir(self.store.layer_path(diff_id))

    def add_layer(
        self,
        open_blob: Callable[[], contextlib.AbstractContextManager[Readable]],
        *,
        diff_id: str | None,
        digest: str | None = None,
        size: int | None = None,
    ) -> str:
        """Unpack a layer unless it is there; return its digest.

        Args:
            open_blob: opens the archive, compressed or not; called if it is needed.
            diff_id: digest of the archive itself; None where nobody has told.
            digest: of what is opened, or None.
            size: of what is opened, or None.

        Raises:
            ImageError: it is broken, or not what its digests say; nothing is left.
        """
        if diff_id is None:
            return self._unpack(open_blob, None, digest, size)
        with self._alone(check_digest(diff_id)):
            if not self.has_layer(diff_id):
                self._unpack(open_blob, diff_id, digest, size)
        return diff_id

    def add_image(self, name: str, config: bytes, digest: str | None = None) -> Image:
        """Name an image whose layers are there; it replaces one of this name.

        Raises:
            ImageError: *config* is wrong, or a layer is missing.
        """
        document = {"name": name, "config": config.decode(), "digest": digest}
        image = self.store._image(document)  # noqa: SLF001 - the other half of it
        fresh = f"tmp/{secrets.token_hex(8)}"
        fd = os.open(fresh, _NEW, 0o600, dir_fd=self.fd)
        with open(fd, "w", encoding="utf-8") as file:
            json.dump(document, file)
        place = f"images/{_file_name(name)}"
        os.rename(fresh, place, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        return image

    @contextlib.contextmanager
    def spare(self) -> Iterator[str]:
        """Give the host path of a file that is removed after the block."""
        fresh = f"tmp/{secrets.token_hex(8)}"
        try:
            yield f"{self.store.root}/{fresh}"
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=self.fd)

    def _unpack(
        self,
        open_blob: Callable[[], contextlib.AbstractContextManager[Readable]],
        diff_id: str | None,
        digest: str | None,
        size: int | None,
    ) -> str:
        fresh = secrets.token_hex(8)
        with _folder(self.fd, "tmp") as tmp:
            os.mkdir(fresh, 0o700, dir_fd=tmp)
            try:
                with open_blob() as blob, _folder(tmp, fresh) as root:
                    found = self._read(blob, (root, fresh), (diff_id, digest, size))
                    if os.fstat(root).st_mode & 0o777 == 0o700:
                        os.fchmod(root, 0o755)  # where the archive says nothing of it
                self._keep(tmp, fresh, found)
            except BaseException:
                with contextlib.suppress(FileNotFoundError, ImageError):
                    self.store.remove_entry(tmp, "tmp", fresh)
                raise
        return found

    def _read(
        self,
        blob: Readable,
        place: tuple[int, str],
        expected: tuple[str | None, str | None, int | None],
    ) -> str:
        store = self.store
        if not store.needs_mapping:
            return read_layer(blob, place[0], expected, store.policy)
        from libcontainer.image.mapped import unpack_mapped  # noqa: PLC0415 - rare

        path = f"{store.root}/tmp/{place[1]}"
        return unpack_mapped(blob, path, expected, store.policy)

    def _keep(self, tmp: int, fresh: str, diff_id: str) -> None:
        with _folder(self.fd, "layers") as layers:
            try:
                name = diff_id.replace(":", "-")
                renameat2(tmp, fresh, layers, name, RenameFlag.NOREPLACE)
            except OSError as error:
                if error.errno not in {errno.EEXIST, errno.ENOTEMPTY}:
                    raise
                # Somebody was faster, with the same content.
                self.store.remove_entry(tmp, "tmp", fresh)

    @contextlib.contextmanager
    def _alone(self, digest: str) -> Iterator[None]:
        name = f"locks/{digest.replace(':', '-')}"
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=self.fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _file_name(name: str) -> str:
    """Return the name of an image's file.

    Raises:
        ImageError: it cannot be the name of an image.
    """
    if not name or "\0" in name or len(name) > _MAX_NAME:
        message = f"not a name for an image: {name[:100]!r}"
        raise ImageError(message)
    quoted = urllib.parse.quote(name, safe="")
    if len(quoted) > _MAX_NAME:
        return f"{digest_of(name.encode()).replace(':', '-')}.json"
    return f"{quoted}.json"


def _read(fd: int, name: str) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with open(os.open(name, flags, dir_fd=fd), "rb") as file:
        return file.read()


@contextlib.contextmanager
def _folder(fd: int, name: str) -> Iterator[int]:
    below = os.open(name, FOLDER, dir_fd=fd)
    try:
        yield below
    finally:
        os.close(below)
