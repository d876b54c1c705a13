# SPDX-License-Identifier: Apache-2.0
"""Layers become directories, and nothing of a hostile one gets out of its own."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import stat
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libcontainer.errors import ImageError
from libcontainer.image import Policy, Store, unpack
from tests.image.make import FILE, HARD, LINK, Built, digest, entry, folder, layer

Unpack = Callable[..., Path]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of its own."""
    return Store(str(tmp_path / "store"))


@pytest.fixture
def unpacked(store: Store, tmp_path: Path) -> Unpack:
    """Unpack an archive as an image of one layer; return where that is."""

    def run(*entries: Any, data: bytes | None = None, **policy: Any) -> Path:
        path = tmp_path / "layer.tar"
        path.write_bytes(layer(*entries) if data is None else data)
        store.policy = Policy(**policy)
        return Path(unpack(path, store=store).layers[0])

    return run


def everything(root: Path) -> list[str]:
    """The names of all that is in a directory."""
    return sorted(str(p.relative_to(root)) for p in root.rglob("*"))


def test_files_have_what_the_archive_says(unpacked: Unpack) -> None:
    root = unpacked(
        folder("./", 0o750),
        folder("etc", 0o555),
        entry("etc/file", "words\n", mode=0o640, mtime=1000),
        entry("etc/link", "file", type=LINK),
        entry("etc/same", "etc/file", type=HARD),
        entry("made/above", "x", mode=0o4755),
        entry("/absolute", "x"),
        entry("pipe", type=tarfile.FIFOTYPE),
        entry("node", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    )
    found = ["absolute", "etc", "etc/file", "etc/link", "etc/same", "made"]
    assert everything(root) == [*found, "made/above", "pipe"]
    assert stat.S_IMODE(root.stat().st_mode) == 0o750
    status = (root / "etc/file").stat()
    assert (stat.S_IMODE(status.st_mode), status.st_mtime) == (0o640, 1000)
    assert status.st_nlink == 2
    assert os.readlink(root / "etc/link") == "file"
    assert stat.S_IMODE((root / "made/above").stat().st_mode) == 0o755
    assert stat.S_ISFIFO((root / "pipe").stat().st_mode)


def test_set_id_bits_are_kept_only_if_that_is_asked_for(unpacked: Unpack) -> None:
    root = unpacked(entry("tool", mode=0o6755), folder("dir", 0o2775), set_id=True)
    assert stat.S_IMODE((root / "tool").stat().st_mode) == 0o6755
    assert stat.S_IMODE((root / "dir").stat().st_mode) == 0o2775


@pytest.mark.needs("root")
def test_owners_are_the_archives(unpacked: Unpack) -> None:
    root = unpacked(
        folder("home", uid=1000, gid=1001),
        entry("home/file", uid=1000, gid=1001),
        entry("home/link", "file", type=LINK, uid=5, gid=6),
    )
    assert {(p.lstat().st_uid, p.lstat().st_gid) for p in root.rglob("*")} == {
        (1000, 1001),
        (5, 6),
    }
    with pytest.raises(ImageError, match="no possible owner"):
        unpacked(entry("x", uid=2**32))


def test_whiteouts_are_those_of_an_overlay(unpacked: Unpack) -> None:
    root = unpacked(
        entry("a/.wh.gone"),
        folder("b"),
        entry("b/.wh..wh..opq"),
        entry("b/new", "x"),
        entry(".wh..wh.plnk"),
        folder("here"),
        entry("here/file"),
        entry(".wh.here"),
        entry(".wh.later"),
        folder("later"),
        entry("kept"),
        entry(".wh.kept"),
    )
    status = (root / "a/gone").stat()
    assert stat.S_ISCHR(status.st_mode)
    assert status.st_rdev == 0
    for name in ("b", "here", "later"):
        assert os.getxattr(root / name, "user.overlay.opaque") == b"y"
        if os.geteuid() == 0:
            assert os.getxattr(root / name, "trusted.overlay.opaque") == b"y"
    assert (root / "kept").is_file()
    names = ["a", "a/gone", "b", "b/new", "here", "here/file", "kept", "later"]
    assert everything(root) == names


@pytest.mark.parametrize("name", [".wh..", ".wh...", ".wh."])
def test_a_whiteout_of_no_name_is_refused(unpacked: Unpack, name: str) -> None:
    with pytest.raises(ImageError):
        unpacked(entry(f"dir/{name}"))


def test_the_last_of_the_same_name_counts(unpacked: Unpack) -> None:
    root = unpacked(
        entry("file", "first"),
        entry("file", "second"),
        folder("dir"),
        entry("dir/inner"),
        entry("dir", "file now"),
        entry("was-link", "file", type=LINK),
        entry("was-link", "own"),
        entry("hard", "file", type=HARD),
        entry("hard", "apart"),
        entry("self", "x"),
        entry("self", "self", type=HARD),
    )
    texts = {name: (root / name).read_text() for name in everything(root)}
    assert texts == {
        "dir": "file now",
        "file": "second",
        "hard": "apart",
        "self": "x",
        "was-link": "own",
    }


# -- hostile archives


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """What nothing may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "canary").write_text("host\n")
    return tmp_path / "outside"


def _attacks(outside: Path) -> dict[str, list[Any]]:
    up = "../" * 30
    return {
        "dots": [entry("../../outside/canary", "evil")],
        "inner dots": [entry("a/../../outside/canary", "evil")],
        "dots of a folder": [folder("../outside/new")],
        "absolute": [entry(f"{outside}/canary", "evil")],
        "link then write": [
            entry("l", str(outside), type=LINK),
            entry("l/canary", "evil"),
        ],
        "relative link then write": [
            entry("l", f"{up}{outside}", type=LINK),
            entry("l/canary", "evil"),
        ],
        "link to the file": [
            entry("l", f"{outside}/canary", type=LINK),
            entry("l", "evil"),
        ],
        "chain of links": [
            entry("a", "/", type=LINK),
            entry("b", f"a/{up}{str(outside).lstrip('/')}", type=LINK),
            entry("b/canary", "evil"),
        ],
        "hard link out": [
            entry("h", f"{outside}/canary", type=HARD),
            entry("h", "evil"),
        ],
        "hard link by a link": [
            entry("l", str(outside), type=LINK),
            entry("h", "l/canary", type=HARD),
        ],
        "hard link by dots": [entry("h", f"{up}{outside}/canary", type=HARD)],
        "mode of a link": [
            entry("l", str(outside), type=LINK),
            folder("l", 0o777),
            folder("l/", 0o777),
        ],
        "folder becomes a link": [
            folder("d", 0o777),
            entry("d", str(outside), type=LINK),
        ],
        "whiteout by a link": [
            entry("l", str(outside), type=LINK),
            entry("l/.wh.canary"),
        ],
        "opaque by a link": [
            entry("l", str(outside), type=LINK),
            entry("l/.wh..wh..opq"),
        ],
        "magic link": [
            entry("l", "/proc/self/root", type=LINK),
            entry(f"l{outside}/canary", "evil"),
        ],
    }


@pytest.mark.parametrize("name", _attacks(Path("/")))
def test_a_hostile_layer_is_refused_or_contained(
    unpacked: Unpack, store: Store, canary: Path, name: str
) -> None:
    before = canary.stat()
    try:
        unpacked(*_attacks(canary)[name])
    except ImageError:
        assert os.listdir(f"{store.root}/layers") == []
    assert os.listdir(canary) == ["canary"]
    assert (canary / "canary").read_text() == "host\n"
    assert (canary / "canary").stat().st_nlink == 1
    after = canary.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert "user.overlay.opaque" not in os.listxattr(canary)
    assert os.listdir(f"{store.root}/tmp") == []


def test_a_layer_is_bounded_in_bytes_entries_and_depth(
    unpacked: Unpack, store: Store, tmp_path: Path
) -> None:
    with pytest.raises(ImageError, match="more than 1000 bytes"):
        unpacked(entry("a", b"x" * 600), entry("b", b"x" * 600), max_bytes=1000)
    with pytest.raises(ImageError, match="more than 5 entries"):
        unpacked(*(entry(str(n)) for n in range(6)), max_files=5)
    with pytest.raises(ImageError, match="directories deep"):
        unpacked(folder("d/" * 150))
    half = "d/" * 60
    with pytest.raises(ImageError, match="directories deep"):
        unpacked(folder(half), entry("l", half, type=LINK), folder(f"l/{half}"))
    # A bomb: a gigabyte of nothing in a megabyte.
    bomb = tmp_path / "bomb"
    info = tarfile.TarInfo("big")
    info.size = 2**30
    with gzip.open(bomb, "wb", compresslevel=9) as file:
        file.write(info.tobuf())
        for _ in range(64):
            file.write(bytes(2**20))
    with pytest.raises(ImageError, match="more than 10000000 bytes"):
        unpacked(data=bomb.read_bytes(), max_bytes=10**7)
    assert os.listdir(f"{store.root}/layers") == os.listdir(f"{store.root}/tmp") == []


def test_a_header_does_not_take_the_memory_that_it_says(unpacked: Unpack) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 2**33
    data = info.tobuf(format=tarfile.GNU_FORMAT) + b"30 path=x\n" * 100
    tracemalloc.start()
    try:
        with pytest.raises(ImageError):
            unpacked(data=data)
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


def test_a_broken_archive_is_refused_wherever_it_breaks(
    unpacked: Unpack, store: Store
) -> None:
    whole = layer(*(entry(f"{n}", f"{n}" * 700) for n in range(3)))
    # Without the zeros of its end an archive is whole, too.
    last = 3 * (512 + 1024)
    for size in (1, 100, 511, 513, 1000, 1400, 2000, last - 513):
        with pytest.raises(ImageError):
            unpacked(data=whole[:size])
    for at in (0, 100, 1536, 1540, 3072 + 150):
        wrong = bytearray(whole)
        wrong[at] ^= 0xFF
        with pytest.raises(ImageError):
            unpacked(data=bytes(wrong))
    with pytest.raises(ImageError, match="no end-of-archive marker at its end"):
        unpacked(data=whole + b"more")
    assert os.listdir(f"{store.root}/layers") == os.listdir(f"{store.root}/tmp") == []


@pytest.mark.parametrize(
    "headers",
    [
        {"path": "a\0b"},
        {"linkpath": "a\0b"},
        {"mtime": "nan"},
        {"uid": "9" * 30},
        {"size": "-1"},
        {"size": "x"},
        {"path": "../x"},
        {"SCHILY.xattr.user.\0": "x"},
    ],
)
def test_a_header_that_cannot_be_is_an_image_error(
    unpacked: Unpack, headers: dict[str, str]
) -> None:
    kind = LINK if "linkpath" in headers else FILE
    with pytest.raises(ImageError):
        unpacked(entry("file", "target", type=kind, pax_headers=headers))


def test_junk_is_an_image_error_and_nothing_else(
    unpacked: Unpack, store: Store
) -> None:
    source = random.Random(7)
    good = layer(
        folder("d"), entry("d/f", "x"), entry("l", "d", type=LINK), entry("l/.wh.x")
    )
    for _ in range(400):
        data = bytearray(good)
        for _ in range(source.randint(1, 4)):
            data[source.randrange(2560)] = source.randrange(256)
        with contextlib.suppress(ImageError):
            unpacked(data=bytes(data))
    assert os.listdir(f"{store.root}/tmp") == []


def test_gnu_and_pax_names_are_read(unpacked: Unpack, tmp_path: Path) -> None:
    source = tmp_path / "source"
    long = "n" * 120
    (source / long / long).mkdir(parents=True)
    (source / long / long / "file").write_text("deep\n")
    for kind in ("gnu", "pax"):
        subprocess.run(
            ["tar", "-C", source, f"--format={kind}", "-cf", tmp_path / kind, "."],
            check=True,
        )
        root = unpacked(data=(tmp_path / kind).read_bytes())
        assert (root / long / long / "file").read_text() == "deep\n"


def test_a_digest_that_is_wrong_is_refused(store: Store, tmp_path: Path) -> None:
    built = Built([layer(entry("a", "x"))])
    path = built.save_layout(tmp_path / "image")
    for key in built.blobs:
        blob = path / "blobs" / key.replace(":", "/")
        blob.write_bytes(built.blobs[key] + b"\n")
        with pytest.raises(ImageError):
            unpack(path, store=store)
        blob.write_bytes(built.blobs[key])
    # A whole and well compressed layer that is not the one of the configuration.
    other = Built([layer(entry("a", "y"))])
    packed = next(d["digest"] for d in [_layer_of(built)])
    wrong = gzip.compress(other.layers[0])
    (path / "blobs" / packed.replace(":", "/")).write_bytes(wrong)
    with pytest.raises(ImageError, match=r"digest|bytes"):
        unpack(path, store=store)
    assert os.listdir(f"{store.root}/layers") == []
    assert digest(built.layers[0]) != digest(other.layers[0])


def _layer_of(built: Built) -> Any:
    return json.loads(built.manifest)["layers"][0]


def test_a_file_type_is_told_by_the_archive_alone(unpacked: Unpack) -> None:
    root = unpacked(entry("plain", "x", type=FILE))
    assert (root / "plain").is_file()
