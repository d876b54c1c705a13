# SPDX-License-Identifier: Apache-2.0
"""The parts that find files beneath a root, without a container."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from libcontainer.config import IdMapping
from libcontainer.files.beneath import make_folders, open_beneath, split
from libcontainer.files.changes import Change, find_changes
from libcontainer.files.ids import OVERFLOW_ID, Ids
from libcontainer.files.regular import Creation, open_regular


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    """A directory, by descriptor."""
    (tmp_path / "root").mkdir()
    fd = os.open(tmp_path / "root", os.O_PATH)
    yield fd
    os.close(fd)


def test_ids_are_translated_both_ways() -> None:
    maps = (IdMapping(0, 1000, 1), IdMapping(1, 5000, 10))
    ids = Ids(maps, maps)
    assert ids.on_host((0, 10)) == (1000, 5009)
    assert ids.inside(5009, 1000) == (10, 0)
    assert ids.inside(0, 1) == (OVERFLOW_ID, OVERFLOW_ID)
    for owner in ((11, 0), (0, 11), (-1, 0)):
        with pytest.raises(ValueError, match="the container has no"):
            ids.on_host(owner)
    assert Ids().on_host((7, 8)) == Ids().inside(7, 8) == (7, 8)
    with pytest.raises(ValueError, match="no user"):
        Ids().on_host((-1, 0))


@pytest.mark.parametrize("path", ["/", "", ".", "..", "a/..", "/a/.", "//"])
def test_a_path_without_a_last_name_is_no_entry(path: str) -> None:
    with pytest.raises(ValueError, match="does not name an entry"):
        split(path)


def test_a_path_has_a_folder_and_a_name() -> None:
    assert split("/a/b/") == ("/a", "b")
    assert split("b") == ("/", "b")
    assert split("/b") == ("/", "b")


def test_folders_are_made_inside_whatever_links_say(root: int, tmp_path: Path) -> None:
    inside = tmp_path / "root"
    (inside / "there").mkdir()
    (inside / "up").symlink_to("../../../..")
    (inside / "abs").symlink_to("/there")
    (inside / "lost").symlink_to("/nowhere")
    (inside / "file").touch()
    os.close(make_folders(root, "/abs/a/b", 0o700))
    os.close(make_folders(root, "up/c"))
    assert (inside / "there/a/b").stat().st_mode & 0o777 == 0o700
    assert (inside / "c").is_dir()
    with pytest.raises(OSError) as caught:
        make_folders(root, "/lost/x")
    assert caught.value.errno == errno.ELOOP
    with pytest.raises(NotADirectoryError):
        make_folders(root, "/file/x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["root"]


def test_a_link_that_leads_nowhere_makes_no_file(root: int, tmp_path: Path) -> None:
    (tmp_path / "root" / "lost").symlink_to("/nowhere")
    with pytest.raises(FileNotFoundError):
        open_regular(root, "/lost", os.O_WRONLY, Creation())
    assert os.listdir(tmp_path / "root") == ["lost"]


def test_a_new_file_has_its_mode_whatever_the_umask(root: int, tmp_path: Path) -> None:
    os.close(open_regular(root, "new", os.O_WRONLY, Creation(mode=0o666)))
    assert (tmp_path / "root" / "new").stat().st_mode & 0o7777 == 0o666


def test_a_resolution_into_which_renames_run_goes_on(root: int, tmp_path: Path) -> None:
    inside = tmp_path / "root"
    (inside / "a" / "b").mkdir(parents=True)
    (inside / "a" / "b" / "file").touch()
    (inside / "c").mkdir()
    stop = threading.Event()

    def rename() -> None:
        while not stop.is_set():
            (inside / "c").rename(inside / "d")
            (inside / "d").rename(inside / "c")

    thread = threading.Thread(target=rename)
    thread.start()
    try:
        for _ in range(2000):
            os.close(open_beneath(root, "/a/b/../../a/b/../b/file"))
    finally:
        stop.set()
        thread.join()


def test_trees_are_compared_by_name_kind_owner_and_content(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    for tree in (before, now):
        (tree / "same").mkdir(parents=True)
        (tree / "kind").mkdir()
    (before / "gone").touch()
    (now / "same" / "new").touch()
    (now / "kind").rmdir()
    (now / "kind").touch()
    fds = [os.open(tree, os.O_PATH) for tree in (now, before)]
    try:
        assert find_changes(*fds) == [
            Change("/gone", "deleted"),
            Change("/kind", "changed"),
            Change("/same/new", "added"),
        ]
        assert find_changes(*fds, skipped=frozenset({"/kind", "/same/new"})) == [
            Change("/gone", "deleted")
        ]
        assert find_changes(fds[0], fds[0]) == []
    finally:
        for fd in fds:
            os.close(fd)
