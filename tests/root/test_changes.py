# SPDX-License-Identifier: Apache-2.0
"""What a container has changed: told, kept as a layer, thrown away."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.root.conftest import new_id
from tests.root.test_files import USER, sh

pytestmark = pytest.mark.needs("root", "rootfs")


@pytest.fixture
def image(busybox_rootfs: Path, tmp_path: Path) -> Path:
    """A layer with something to change in it."""
    top = tmp_path / "image"
    (top / "data" / "sub").mkdir(parents=True)
    for name in ("kept", "written", "owned", "gone", "data/gone", "data/sub/kept"):
        (top / name).write_text(f"{name}\n")
    (top / "moved").mkdir()
    (top / "moved" / "file").write_text("file\n")
    (top / "link").symlink_to("kept")
    return top


@pytest.fixture(params=["throw-away", "kept", "user namespace", "one layer"])
def box(
    factory: lc.Factory,
    busybox_rootfs: Path,
    image: Path,
    tmp_path: Path,
    request: Any,
) -> Iterator[lc.Container]:
    """A container that sleeps, on each kind of overlay."""
    lower: list[Path] = [image, busybox_rootfs]
    wishes: dict[str, Any] = {}
    if request.param == "one layer":
        subprocess.run(["cp", "-a", f"{busybox_rootfs}/.", image], check=True)
        lower = [image]
    if request.param == "kept":
        (tmp_path / "upper").mkdir()
        (tmp_path / "work").mkdir()
        wishes = {"upper": tmp_path / "upper", "work": tmp_path / "work"}
    rootfs = lc.Overlay(lower, **wishes)
    user = USER if request.param == "user namespace" else {}
    if user and tuple(map(int, os.uname().release.split(".")[:2])) < (6, 6):
        pytest.skip("a tmpfs keeps no user.* attributes before Linux 6.6")
    if user:
        subprocess.run(["chown", "-hR", "100000:200000", image], check=True)
    with factory.create(new_id(), lc.Config(rootfs=rootfs, **user)) as container:
        container.run(lc.Process(["sleep", "1000"]))
        yield container


_CHANGE = """
echo more >>/written; chown 3:4 /owned; rm /gone /data/gone; mkdir -p /new/deep
echo x >/new/deep/file; ln -sfn /etc /link; rm -r /moved; echo now a file >/moved
rm -r /data/sub; mkdir /data/sub; echo other >/data/sub/other; chmod 700 /data
touch /plain; mkfifo /new/fifo; cat /kept >/dev/null
"""

_CHANGES = [
    ("/data", "changed"),
    ("/data/gone", "deleted"),
    ("/data/sub/kept", "deleted"),
    ("/data/sub/other", "added"),
    ("/gone", "deleted"),
    ("/link", "changed"),
    ("/moved", "changed"),
    ("/new", "added"),
    ("/new/deep", "added"),
    ("/new/deep/file", "added"),
    ("/new/fifo", "added"),
    ("/owned", "changed"),
    ("/plain", "added"),
    ("/written", "changed"),
]


def told(container: lc.Container) -> list[tuple[str, str]]:
    """The changes of a container as pairs."""
    return [(change.path, change.kind) for change in container.changes()]


def test_nothing_has_changed_at_first(box: lc.Container) -> None:
    assert box.changes() == []


def test_every_change_is_told_and_nothing_else(box: lc.Container) -> None:
    sh(box, _CHANGE)
    assert told(box) == _CHANGES
    # The same content, written again with the time of before: it is another file.
    sh(
        box,
        "touch -r /kept /t; cat /kept >/u; cat /u >/kept; touch -r /t /kept; rm /t /u",
    )
    assert lc.Change("/kept", "changed") in box.changes()


_LOOK = (
    "find / -xdev \\( -path /proc -o -path /sys -o -path /dev \\) -prune -o -print |"
    " sort | xargs stat -c '%n %F %a %u:%g'; cat /written /new/deep/file /moved"
)


def test_a_commit_is_a_layer_with_which_it_is_the_same(
    box: lc.Container, factory: lc.Factory, tmp_path: Path
) -> None:
    sh(box, _CHANGE)
    sh(box, "chmod 4755 /new/deep/file")
    layer = tmp_path / "layer"
    copied = box.commit(layer)
    assert copied.files == len(_CHANGES)
    gone = (layer / "gone").stat()
    assert stat.S_ISCHR(gone.st_mode)
    assert gone.st_rdev == 0
    assert isinstance(box.config.rootfs, lc.Overlay)
    rootfs = lc.Overlay([str(layer), *box.config.rootfs.lower])
    user = {}
    if box.config.uid_mappings:
        user = USER
    with factory.create(new_id(), lc.Config(rootfs=rootfs, **user)) as other:
        other.run(lc.Process(["sleep", "1000"]))
        assert sh(other, _LOOK) == sh(box, _LOOK)
        assert other.changes() == []
    with pytest.raises(FileExistsError):
        box.commit(layer)


def test_a_commit_that_is_too_large_leaves_nothing(
    box: lc.Container, tmp_path: Path
) -> None:
    sh(box, "truncate -s 1000000 /large; touch /a /b /c")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(lc.CopyLimitError, match="more than 1000 bytes"):
        box.commit(tmp_path / "layer", max_bytes=1000)
    with pytest.raises(lc.CopyLimitError, match="more than 2 files"):
        box.commit(tmp_path / "layer", max_files=2)
    assert sorted(tmp_path.iterdir()) == before


def test_what_has_changed_is_there_after_the_end_and_can_be_rolled_back(
    factory: lc.Factory, busybox_rootfs: Path, image: Path, tmp_path: Path
) -> None:
    upper, work = tmp_path / "upper", tmp_path / "work"
    upper.mkdir()
    work.mkdir()
    rootfs = lc.Overlay([image, busybox_rootfs], upper=upper, work=work)
    with factory.create(new_id(), lc.Config(rootfs=rootfs)) as container:
        init = container.run(lc.Process(["sleep", "1000"]))
        sh(container, _CHANGE)
        with pytest.raises(lc.StateError, match="running"):
            container.rollback()
        init.kill()
        init.wait()
        assert [
            (change.path, change.kind) for change in container.changes()
        ] == _CHANGES
        container.commit(tmp_path / "layer")
        container.rollback()
        assert container.changes() == []
        assert os.listdir(upper) == []
        assert container.fs.read("/gone") == b"gone\n"
    # It can be used again.
    with factory.create(new_id(), lc.Config(rootfs=rootfs)) as container:
        assert container.run(lc.Process(["test", "-e", "/gone"])).wait().code == 0


def test_only_an_overlay_knows_what_has_changed(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    with factory.create(new_id(), lc.Config(rootfs=str(busybox_rootfs))) as container:
        for call in (container.changes, container.rollback):
            with pytest.raises(lc.UnsupportedError, match="Overlay"):
                call()
        with pytest.raises(lc.UnsupportedError, match="Overlay"):
            container.commit(tmp_path / "layer")
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with factory.create(new_id(), config) as container:
        container.rollback()
        container.run(lc.Process(["true"])).wait()
        with pytest.raises(lc.UnsupportedError, match="throw-away layer"):
            container.changes()


def test_a_full_layer_is_an_error_of_the_program(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs), size=2**20))
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        script = "dd if=/dev/zero of=/big bs=64k count=32 2>&1 || true"
        assert "No space left" in sh(container, script)
        with pytest.raises(OSError, match="ENOSPC"):
            container.fs.write("/other", b"x" * 2**20)


def test_a_container_that_was_deleted_elsewhere_is_not_found(
    box: lc.Container, factory: lc.Factory, tmp_path: Path
) -> None:
    found = factory.load(box.id)
    box.delete(force=True)
    for verb in (found.changes, lambda: found.commit(tmp_path / "l"), found.rollback):
        with pytest.raises(lc.ContainerNotFoundError):
            verb()
