# SPDX-License-Identifier: Apache-2.0
"""Mounts go where the plan says and nowhere else."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from tests.native.helper_driver import Slot, failure
from tests.native.small_container import (
    MAKE_DIRECTORY,
    MAKE_FILE,
    MAKE_LIKE_SOURCE,
    REAL_DIRECTORY,
    Make,
    Start,
    output_of,
    result_of,
    step_of,
)

AT_FDCWD = -100

pytestmark = pytest.mark.needs("root")


def test_bind_mounts_make_their_targets_and_keep_their_attributes(
    run: Start, container: Make, tmp_path: Path
) -> None:
    directory, file = tmp_path / "data", tmp_path / "file"
    directory.mkdir()
    (directory / "x").write_text("inside")
    file.write_text("content")
    box = container()
    box.namespaces()
    shared, single = box.tree(directory, 1), box.tree(file)
    box.root()
    for text in (b"/a/b/c", b"/second"):
        box.plan.add(
            "ATTACH", slot=shared, text=text, flags=MAKE_LIKE_SOURCE, mode=0o700
        )
    box.plan.add("ATTACH", slot=single, text=b"/e/f", flags=MAKE_FILE, mode=0o600)
    box.finish("cat /a/b/c/x /second/x /e/f; touch /second/y 2>&1; echo more >>/e/f")
    text = output_of(run, box)
    assert text.startswith("insideinsidecontent")
    assert "Read-only file system" in text
    assert file.read_text() == "contentmore\n"
    assert (box.rootfs / "a").stat().st_mode & 0o777 == 0o755
    assert (box.rootfs / "a/b/c").stat().st_mode & 0o777 == 0o700
    assert (box.rootfs / "e/f").stat().st_mode & 0o777 == 0o600


def test_symlinks_of_the_image_stay_inside_it(
    run: Start, container: Make, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    box = container()
    (box.rootfs / "link").symlink_to(outside)
    (box.rootfs / "up").symlink_to("../../../../../../" + str(outside))
    inside = box.rootfs / str(outside)[1:]
    inside.mkdir(parents=True)
    box.namespaces()
    tree = box.tree(tmp_path / "outside")
    box.root()
    for text in (b"/link/new", b"/up/second"):
        box.plan.add("ATTACH", slot=tree, text=text, flags=MAKE_DIRECTORY, mode=0o755)
    box.finish("true")
    output_of(run, box)
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in inside.iterdir()) == ["new", "second"]


@pytest.mark.parametrize("target", [b"/proc", b"/proc/sub"])
def test_a_symlink_where_a_real_directory_must_be_is_refused(
    run: Start, container: Make, target: bytes
) -> None:
    box = container()
    (box.rootfs / "proc").rmdir()
    (box.rootfs / "proc").symlink_to("tmp")
    box.namespaces()
    box.root()
    box.plan.ops[-1].text = target
    assert result_of(run, box) == failure(
        step_of(box, "ATTACH"), errno.ELOOP, "RESOLVE"
    )


@pytest.mark.parametrize(
    ("source", "target", "flags", "expected"),
    [
        ("file", b"/tmp", 0, (errno.EISDIR, "ATTACH")),
        ("dir", b"/bin/busybox", 0, (errno.ENOTDIR, "ATTACH")),
        ("dir", b"/none", 0, (errno.ENOENT, "RESOLVE")),
        ("dir", b"/bin/busybox/x", MAKE_DIRECTORY, (errno.ENOTDIR, "RESOLVE")),
        ("dir", b"/bin/busybox", REAL_DIRECTORY, (errno.ENOTDIR, "RESOLVE")),
        ("dir", b"/loop", MAKE_DIRECTORY, (errno.ELOOP, "RESOLVE")),
        ("dir", b"/" + b"x" * 300, MAKE_DIRECTORY, (errno.ENAMETOOLONG, "RESOLVE")),
    ],
)
def test_a_target_that_does_not_fit_is_refused(  # noqa: PLR0917
    run: Start,
    container: Make,
    tmp_path: Path,
    source: str,
    target: bytes,
    flags: int,
    expected: tuple[int, str],
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dir").mkdir()
    box = container()
    (box.rootfs / "loop").symlink_to("loop")
    box.namespaces()
    tree = box.tree(tmp_path / source)
    box.root()
    box.plan.add("ATTACH", slot=tree, text=target, flags=flags)
    assert result_of(run, box) == failure(step_of(box, "ATTACH"), *expected)


def test_masked_and_readonly_paths(run: Start, container: Make) -> None:
    box = container()
    (box.rootfs / "etc/secret").write_text("secret")
    (box.rootfs / "tmp/inner").mkdir()
    box.namespaces()
    empty = box.plan.slot()
    box.plan.make_fs(empty, b"tmpfs", [b"mode=755"], flags=1)
    null = box.tree(Path("/dev/null"))
    box.root()
    for path in (
        b"/etc/secret",
        b"/tmp/inner",
        b"/proc/scsi",
        b"/absent",
        b"/bin/sh/x",
    ):
        box.plan.add("MASK", slot=empty, slot2=null, text=path)
    box.plan.add("READONLY", text=b"/etc")
    box.plan.add("READONLY", text=b"/absent")
    box.finish(
        "cat /etc/secret; ls /tmp/inner; touch /tmp/inner/x 2>&1; touch /etc/x 2>&1;"
        "touch /tmp/x && echo fine"
    )
    assert output_of(run, box).splitlines() == [
        "touch: /tmp/inner/x: Read-only file system",
        "touch: /etc/x: Read-only file system",
        "fine",
    ]


def test_a_mask_that_is_not_the_null_device_is_refused(
    run: Start, container: Make
) -> None:
    box = container()
    box.namespaces()
    zero = box.tree(Path("/dev/zero"))
    box.plan.add("VERIFY_NODE", slot=zero, flags=1 << 32 | 3)
    step = step_of(box, "VERIFY_NODE")
    assert result_of(run, box) == failure(step, errno.ENODEV, "VERIFY")


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("layers", [1, 3, 120])
def test_overlay(
    run: Start, container: Make, tmp_path: Path, upper: bool, layers: int
) -> None:
    box = container()
    lowers = []
    box.namespaces()
    for number in range(layers - 1):
        lower = tmp_path / f"layer{number}"
        lower.mkdir()
        (lower / "which").write_text(f"{number}\n")
        (lower / f"only{number}").touch()
        lowers.append(box.tree(lower))
    lowers.append(box.tree(box.rootfs))
    scratch, root, above = box.plan.slot(), box.plan.slot(), -1
    box.plan.make_fs(scratch, b"tmpfs")
    box.plan.call("MOVE_MOUNT", Slot(scratch), b"\0", AT_FDCWD, b"/\0", 4)
    if upper:
        for name in ("upper", "work"):
            (tmp_path / "keep" / name).mkdir(parents=True)
        above = box.tree(tmp_path / "keep")
    names = [b"l%d" % number for number in range(len(lowers))]
    make = {"flags": MAKE_DIRECTORY, "mode": 0o700, "slot2": scratch}
    for name, lower_slot in zip(names, lowers, strict=True):
        box.plan.add("ATTACH", slot=lower_slot, text=name, **make)
    prefix = b""
    if upper:
        box.plan.add("ATTACH", slot=above, text=b"u", **make)
        prefix = b"u/"
    else:
        for path in (b"upper\0", b"work\0"):
            box.plan.call("MKDIRAT", Slot(scratch), path, 0o755)
    box.plan.call("FCHDIR", Slot(scratch))
    options = [b"upperdir=" + prefix + b"upper", b"workdir=" + prefix + b"work"]
    joined = b"lowerdir=" + b":".join(names)
    each = [b"lowerdir+=" + name for name in names]
    lower_options = [joined] if len(joined) < 256 else each
    options = [*lower_options, *options]
    box.plan.make_fs(root, b"overlay", options)
    box.plan.make_fs(box.proc, b"proc")
    box.plan.add("ROOT", slot=root)
    box.plan.add("ATTACH", slot=box.proc, text=b"/proc")
    box.finish(
        "cat /which; ls -d /only*; echo new > /new; grep -c . /proc/self/mountinfo"
    )
    lines = output_of(run, box).splitlines()
    numbers = range(layers - 1)
    assert [line for line in lines if line.startswith("/only")] == sorted(
        f"/only{number}" for number in numbers
    )
    assert lines[-1] == "2"
    if layers > 1:
        assert lines[0] == "0"
    assert not (box.rootfs / "new").exists()
    assert (tmp_path / "keep/upper/new").exists() == upper


def test_a_source_that_was_replaced_is_refused(
    run: Start, container: Make, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    box = container()
    box.namespaces()
    box.tree(tmp_path / "one")
    box.plan.ops[-1].text = os.fsencode(tmp_path / "two")
    step = step_of(box, "CLONE_TREE")
    assert result_of(run, box) == failure(step, errno.ESTALE, "VERIFY")
