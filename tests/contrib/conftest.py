# SPDX-License-Identifier: Apache-2.0
"""What several tests of this folder need."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

APPLETS = ("sh", "echo", "cat", "id", "touch", "ls", "head", "tail", "sleep", "pwd")


@pytest.fixture(scope="module")
def ray_image(public_tmp: Path) -> Path:
    """The archive of a small root filesystem."""
    tree = public_tmp / "tree"
    for name in ("bin", "etc", "work", "tmp"):
        (tree / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), tree / "bin" / "busybox")
    for name in APPLETS:
        (tree / "bin" / name).symlink_to("busybox")
    archive = public_tmp / "box.tar"
    with tarfile.open(archive, "w") as file:
        file.add(tree, ".")
    return archive
