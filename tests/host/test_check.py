# SPDX-License-Identifier: Apache-2.0
"""What only the host can tell of a configuration."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from libcontainer.config import Config, Mount, Overlay
from libcontainer.host.check import check_host


def messages(config: Config) -> list[str]:
    """Return the problems as text."""
    return [str(problem) for problem in check_host(config)]


def test_the_default_has_no_problem() -> None:
    assert check_host(Config()) == []


def test_everything_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    config = Config(
        rootfs=Overlay([tmp_path, "/nope"], upper=file, work="/nope/work"),
        mounts=[
            Mount.bind(tmp_path, "/a"),
            Mount.tmpfs("/tmp"),
            Mount.bind("/nope", "/b"),
            Mount.bind(file, "/c"),
            Mount.bind(file / "below", "/d"),
        ],
    )
    assert messages(config) == [
        "rootfs.lower[1]: '/nope' does not exist",
        f"rootfs.upper: '{file}' is not a directory",
        "rootfs.work: '/nope/work' does not exist",
        "mounts[2].source: '/nope' does not exist",
        f"mounts[4].source: look at '{file}/below': not a directory [ENOTDIR]",
    ]


def test_a_base_mount_has_its_own_path(tmp_path: Path) -> None:
    config = Config(rootfs=tmp_path, base_mounts=[Mount.bind("/nope", "/x")])
    assert messages(config) == ["base_mounts[0].source: '/nope' does not exist"]


def test_a_missing_rootfs_is_told_once() -> None:
    assert messages(Config(rootfs="/nope")) == ["rootfs.path: '/nope' does not exist"]


def test_a_file_is_no_rootfs(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert messages(Config(rootfs=file)) == [
        f"rootfs.path: '{file}' is not a directory"
    ]


@pytest.mark.parametrize("path", ["/", "//", "/proc/..", "link"])
def test_the_hosts_own_root_is_refused_by_any_name(path: str, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/")
    (message,) = messages(Config(rootfs=str(link) if path == "link" else path))
    assert message.endswith("use Overlay.host()")


def test_nothing_is_opened(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    # To open it would wait for a writer for ever.
    assert check_host(Config(rootfs=tmp_path, mounts=[Mount.bind(fifo, "/x")])) == []


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="a second filesystem")
def test_what_an_overlay_works_with_is_on_one_mount(tmp_path: Path) -> None:
    upper, work = tmp_path / "upper", tmp_path / "work"
    for folder in (upper, work):
        folder.mkdir()
    overlay = Overlay("/", upper=upper, work=work)
    assert messages(Config(rootfs=overlay)) == []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        if os.stat(other).st_dev == os.stat(tmp_path).st_dev:
            pytest.skip("the same filesystem")
        overlay = Overlay("/", upper=upper, work=other)
        assert messages(Config(rootfs=overlay)) == [
            f"rootfs.work: '{other}' must be on the same mount as upper, '{upper}'"
        ]
