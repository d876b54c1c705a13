# SPDX-License-Identifier: Apache-2.0
"""What several tests of this folder need."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path

import pytest

APPLETS = ("sh", "echo", "cat", "id", "touch", "ls", "head", "tail", "sleep", "pwd")


@pytest.fixture(scope="module")
def ray_image(public_tmp: Path) -> Path:
    """The archive of a small root filesystem."""
    folder = Path(tempfile.mkdtemp(dir=public_tmp))
    folder.chmod(0o755)
    tree = folder / "tree"
    for name in ("bin", "etc", "work", "tmp"):
        (tree / name).mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), tree / "bin" / "busybox")
    for name in APPLETS:
        (tree / "bin" / name).symlink_to("busybox")
    archive = folder / "box.tar"
    with tarfile.open(archive, "w") as file:
        file.add(tree, ".")
    return archive
