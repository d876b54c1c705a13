# SPDX-License-Identifier: Apache-2.0
"""Unpack an image into a store and run it twice.

One of a registry works the same: image = lc.image.pull("quay.io/path/name:tag").
"""

from __future__ import annotations

import io
import tarfile
import tempfile

import libcontainer as lc


def build(path: str) -> None:
    """Write a root filesystem with one tool, as an archive."""
    text = b"made of an image\n"
    with tarfile.open(path, "w") as archive:
        archive.add("/bin/busybox", "bin/busybox")
        link = tarfile.TarInfo("bin/sh")
        link.type, link.linkname = tarfile.SYMTYPE, "busybox"
        archive.addfile(link)
        note = tarfile.TarInfo("etc/motd")
        note.size = len(text)
        archive.addfile(note, io.BytesIO(text))


def main() -> None:
    """Change a file in one container, and look at it in the next."""
    with tempfile.TemporaryDirectory() as folder:
        build(f"{folder}/rootfs.tar")
        store = lc.image.Store(f"{folder}/store")
        image = lc.image.unpack(f"{folder}/rootfs.tar", store=store, name="tools")
        config = lc.Config.from_image(image)
        for script in ("cat /etc/motd; echo changed >/etc/motd", "cat /etc/motd"):
            done = lc.run(
                ["/bin/sh", "-c", script], config=config, capture_output=True, text=True
            )
            print(image.name, "says:", done.stdout, end="")


if __name__ == "__main__":
    main()
