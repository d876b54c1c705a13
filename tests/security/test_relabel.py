# SPDX-License-Identifier: Apache-2.0
"""Folders of the host are labelled for containers, and nothing else is.

The kernel keeps the attribute without SELinux too, for the host's root.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.files.relabel import relabel

LABEL = "system_u:object_r:container_file_t:s0:c1,c2"
pytestmark = pytest.mark.needs("root")


def label_of(path: Path) -> str | None:
    """The label of a file, or None."""
    try:
        return os.getxattr(path, "security.selinux", follow_symlinks=False).decode()
    except OSError:
        return None


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A tree with all that can be in the way."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "canary").touch()
    tree = tmp_path / "data"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").touch()
    (tree / "link").symlink_to(outside)
    (tree / "file-link").symlink_to(outside / "canary")
    os.link(outside / "canary", tree / "hard")
    os.mkfifo(tree / "fifo")
    return tree


@pytest.mark.parametrize(("shared", "level"), [(False, "s0:c1,c2"), (True, "s0")])
def test_the_tree_gets_the_label_and_nothing_beyond_it(
    data: Path, shared: bool, level: str
) -> None:
    before = label_of(data.parent / "outside")
    assert relabel(data, LABEL, shared=shared) == [str(data / "hard")]
    wanted = f"system_u:object_r:container_file_t:{level}\0"
    for name in (".", "sub", "sub/file", "fifo"):
        assert label_of(data / name) == wanted
    assert label_of(data.parent / "outside") == before
    assert label_of(data.parent / "outside" / "canary") != wanted
    assert label_of(data.parent) != wanted


def test_a_file_alone_is_labelled(data: Path) -> None:
    assert relabel(data / "sub" / "file", LABEL) == []
    assert label_of(data / "sub" / "file") == f"{LABEL}\0"
    assert label_of(data / "sub") != f"{LABEL}\0"


@pytest.mark.parametrize("path", ["/", "/etc", "/usr/bin", "/proc/self", "/dev/null"])
def test_what_is_the_systems_is_never_relabelled(path: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="relabel"):
        relabel(path, LABEL)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(ValueError, match="relabel"):
        relabel(tmp_path / "link", LABEL)


def test_a_wrong_label_or_too_many_files_are_refused(data: Path) -> None:
    with pytest.raises(ValueError, match="a label is"):
        relabel(data, "nonsense")
    with pytest.raises(lc.CopyLimitError, match="more than 2 files"):
        relabel(data, LABEL, max_files=2)
    with pytest.raises(FileNotFoundError):
        relabel(data / "none", LABEL)
