# SPDX-License-Identifier: Apache-2.0
"""P: hostile root filesystems, paths and mounts."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import libcontainer as lc
from tests.attacks.conftest import SECRET, Attempt, Canary, Weak

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")

_NO_DEV = [
    mount for mount in lc.Config().base_mounts if "/dev" not in mount.destination
]
_NO_PROC = [mount for mount in lc.Config().base_mounts if mount.destination != "/proc"]


def _replace(path: Path, target: str | Path) -> None:
    """Put a symlink in the place of an empty directory."""
    path.rmdir()
    path.symlink_to(target)


# -- P01, P02: the image's /dev and what lies in it


@pytest.mark.parametrize("mounted", [True, False])
@pytest.mark.parametrize("relative", [True, False])
def test_p01_dev_is_a_symlink_out(
    image: Path, canary: Canary, attempt: Attempt, mounted: bool, relative: bool
) -> None:
    target = Path("../" * 20 + str(canary.path)) if relative else canary.path
    _replace(image / "dev", target)
    wishes = {} if mounted else {"base_mounts": _NO_DEV}
    assert attempt("true", **wishes).refused


def test_p01_control(image: Path, bait: Path, weak: Weak) -> None:
    _replace(image / "dev", bait)
    before = set(os.listdir(bait))
    weak("true", mounts=[{"destination": "/proc", "type": "proc", "source": "proc"}])
    assert set(os.listdir(bait)) > before


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("name", ["dev/console", "dev/pts", "dev/shm", "etc/hostname"])
def test_p02_a_symlink_to_a_file_that_is_not_there(
    image: Path, canary: Canary, attempt: Attempt, name: str, terminal: bool
) -> None:
    (image / name).symlink_to(canary.path / "absent")
    process = {"terminal": terminal}
    if terminal:
        process |= {"stdout": None, "stderr": None, "stdin": None}
    done = attempt("true", process=process, hostname="box")
    assert (done.error, done.code) == (None, 0)


# -- P03, P04: the null device


def _regular(path: Path) -> None:
    path.write_text("not null")


def _directory(path: Path) -> None:
    path.mkdir()


def _zero(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


@pytest.mark.parametrize("make", [_regular, _directory, os.mkfifo, _zero])
def test_p04_the_images_dev_null_is_something_else(
    image: Path, attempt: Attempt, make: Callable[[Path], None]
) -> None:
    make(image / "dev" / "null")
    done = attempt("/test_init", "--probe", "/dev/null", "/proc/keys")
    assert done.error is None
    assert '"/dev/null":{"stat":null,"type":"char"' in done.out
    # The mask of /proc/keys is the real one: the same device.
    assert '"/proc/keys":{"stat":null,"type":"char"' in done.out
    assert '"major":1,"minor":3' in done.out


def test_p03_the_images_dev_null_is_a_link_to_a_bound_file(
    image: Path, canary: Canary, attempt: Attempt
) -> None:
    (image / "dev" / "null").symlink_to("/mnt/secret")
    done = attempt(
        *("sh", "-c", "echo changed > /dev/null; ls -l /proc/self/fd/"),
        mounts=[lc.Mount.bind(str(canary.path), "/mnt", read_only=True)],
        process={"stdin": None},
        base_mounts=_NO_DEV,
    )
    assert done.error is None
    assert "/mnt/secret" not in done.out


# -- P05, P06: /proc and /sys


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
@pytest.mark.parametrize("kind", ["absolute", "relative", "chain", "file"])
def test_p05_a_kernel_directory_is_not_a_directory(
    image: Path, canary: Canary, attempt: Attempt, name: str, kind: str
) -> None:
    (image / "fake").mkdir()
    target = {"absolute": "/fake", "relative": "fake", "chain": "second"}.get(kind)
    (image / name).rmdir()
    if target is None:
        (image / name).write_text("")
    else:
        (image / name).symlink_to(target)
    (image / "second").symlink_to(canary.path)
    done = attempt("true")
    assert done.refused
    assert f"/{name}" in str(done.error)


@pytest.mark.parametrize("name", ["proc", "sys"])
def test_p05_control(image: Path, weak: Weak, name: str) -> None:
    (image / "fake").mkdir()
    _replace(image / name, "/fake")
    # It mounts through the link, and so leaves it to the image what /proc is.
    mount = {"destination": f"/{name}", "type": "tmpfs", "source": "none"}
    done = weak("cat", "/proc/self/mountinfo", mounts=[
        {"destination": "/real", "type": "proc", "source": "proc"}, mount,
    ])  # fmt: skip
    again = weak("ls", "/fake", mounts=[mount])
    assert (done.returncode, again.returncode) != (0, None)
    assert again.returncode == 0, again.stderr


# -- P07, P08, P10, P11: where a mount goes


_SOURCES = ("folder", "secret")


@pytest.mark.parametrize("source", _SOURCES)
@pytest.mark.parametrize("where", ["/out/x", "/mnt/up/x", "/mnt/abs", "/mnt/a/b/c"])
def test_p07_p08_a_destination_with_a_symlink_stays_inside(  # noqa: PLR0917
    image: Path,
    canary: Canary,
    attempt: Attempt,
    tmp_path: Path,
    source: str,
    where: str,
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret").write_text("mounted")
    (tmp_path / "folder" / "secret").write_text("mounted")
    (image / "out").symlink_to(canary.path)
    (image / "mnt" / "up").symlink_to("../" * 20 + str(canary.path))
    (image / "mnt" / "abs").symlink_to(canary.path / "folder")
    (image / "mnt" / "a").symlink_to(canary.path)
    mount = lc.Mount.bind(str(tmp_path / source), where)
    done = attempt(
        *("/attacker", "look", f"{where}/secret", where, f"{canary.path}/secret"),
        mounts=[mount],
    )
    assert SECRET not in done.out
    if done.error is None:
        assert "mounted" in done.out


def test_p07_control(image: Path, bait: Path, tmp_path: Path, bwrap: Weak) -> None:
    (image / "mnt" / "up").symlink_to(f"/oldroot{bait}")
    bwrap("true", "--dir", "/mnt/up/made")
    assert (bait / "made").is_dir()


@pytest.mark.parametrize(
    "where", ["../../x", "/a/../../x", ".", "", "x", "/", "//", "/.", "/a/..", "/\0"]
)
def test_p10_a_destination_that_is_no_place_is_refused(
    attempt: Attempt, tmp_path: Path, where: str
) -> None:
    done = attempt("true", mounts=[lc.Mount.bind(str(tmp_path), where)])
    assert isinstance(done.error, lc.ConfigError)
    assert "mounts[0].destination" in str(done.error)


@pytest.mark.parametrize("where", ["//x", "/x/", "/./x", "/mnt//deep//x/."])
def test_p10_a_destination_is_normalised_inside(
    attempt: Attempt, tmp_path: Path, where: str
) -> None:
    (tmp_path / "file").write_text("mounted")
    done = attempt("cat", f"{where}/file", mounts=[lc.Mount.bind(str(tmp_path), where)])
    assert (done.error, done.out) == (None, "mounted")


@pytest.mark.parametrize("what", ["self", "loop", "deep"])
def test_p11_chains_and_loops_of_symlinks_are_told(
    image: Path, attempt: Attempt, tmp_path: Path, what: str
) -> None:
    (image / "self").symlink_to("self")
    (image / "loop").symlink_to("pool")
    (image / "pool").symlink_to("loop")
    (image / "deep").symlink_to("l0")
    for number in range(41):
        (image / f"l{number}").symlink_to(f"l{number + 1}")
    (image / "l41").mkdir()
    done = attempt("true", mounts=[lc.Mount.bind(str(tmp_path), f"/{what}/x")])
    assert "ELOOP" in str(done.error)
    assert f"/{what}/x" in str(done.error)


# -- P17, P22: over /proc, over each other


@pytest.mark.parametrize(
    "where",
    [
        "/proc/self",
        "/proc/1",
        "/proc/sys",
        "/proc/self/attr/current",
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/core_pattern",
        "/proc//self",
        "/proc/./self",
    ],
)
@pytest.mark.parametrize("kind", ["bind", "tmpfs", "proc"])
def test_p17_a_mount_inside_proc_is_refused(
    attempt: Attempt, tmp_path: Path, where: str, kind: str
) -> None:
    source = str(tmp_path) if kind == "bind" else None
    mount = lc.Mount(destination=where, type=kind, source=source)
    done = attempt("true", mounts=[mount])
    assert isinstance(done.error, lc.ConfigError)
    assert "/proc" in str(done.error)


@pytest.mark.parametrize("kind", ["bind", "tmpfs", "sysfs"])
def test_p17_proc_itself_is_only_procfs(
    attempt: Attempt, tmp_path: Path, kind: str
) -> None:
    source = str(tmp_path) if kind == "bind" else None
    mount = lc.Mount(destination="/proc", type=kind, source=source)
    assert isinstance(attempt("true", mounts=[mount]).error, lc.ConfigError)


def test_p17_a_link_of_the_image_does_not_lead_a_mount_into_proc(
    image: Path, attempt: Attempt, tmp_path: Path
) -> None:
    (tmp_path / "fake").write_text("fake")
    (image / "mnt" / "attr").symlink_to("/proc/self/attr")
    (image / "mnt" / "trigger").symlink_to("/proc/sys/kernel/core_pattern")
    for where in ("/mnt/attr/current", "/mnt/trigger"):
        mount = lc.Mount.bind(str(tmp_path / "fake"), where)
        done = attempt("cat", "/proc/self/attr/current", where, mounts=[mount])
        assert done.refused, f"{where}: {done.out}"


def test_p22_a_later_mount_covers_an_earlier_one(
    attempt: Attempt, tmp_path: Path
) -> None:
    for name in ("first", "second", "second/below"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(name)
    binds = [("second/below", "/mnt/below"), ("first", "/mnt"), ("second", "/mnt")]
    done = attempt(
        *("sh", "-c", "cat /mnt/name /mnt/below/name"),
        mounts=[lc.Mount.bind(str(tmp_path / name), where) for name, where in binds],
    )
    assert done.out == "secondsecond/below"


# -- P19, P20: propagation and read-only trees


def test_p19_a_mount_of_the_container_stays_in_it(
    attempt: Attempt, public_tmp: Path
) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    # Whoever may mount, inside, may not reach a parent that is shared outside.
    done = attempt(
        *("sh", "-c", "mount -t tmpfs none /mnt && echo mounted"),
        capabilities=["SYS_ADMIN"],
    )
    assert done.out == "mounted\n"
    assert Path("/proc/self/mountinfo").read_text() == before


def test_p20_read_only_holds_for_what_is_mounted_below(
    attempt: Attempt, canary: Canary, mounted: Callable[[Path], None]
) -> None:
    mounted(canary.path / "folder")
    script = "echo x > /mnt/new || echo x > /mnt/folder/new || echo refused"
    bind = lc.Mount.bind(str(canary.path), "/mnt", read_only=True)
    done = attempt("sh", "-c", script, mounts=[bind])
    assert done.out.endswith("refused\n")
    assert done.out.count("Read-only") == 2


# -- P23, P25, P28, P29: sources and options


@pytest.mark.parametrize("kind", ["fifo", "socket", "deleted", "missing", "relative"])
def test_p23_an_odd_source_is_bound_or_refused_but_never_hangs(
    attempt: Attempt, tmp_path: Path, kind: str
) -> None:
    source = tmp_path / "source"
    listener = socket.socket(socket.AF_UNIX)
    try:
        if kind == "fifo":
            os.mkfifo(source)
        elif kind == "socket":
            listener.bind(str(source))
        name = "source" if kind == "relative" else str(source)
        done = attempt("true", mounts=[lc.Mount.bind(name, "/mnt/x")])
    finally:
        listener.close()
    assert done.refused == (kind not in {"fifo", "socket"})


@pytest.mark.parametrize(
    "option",
    [
        "size=-1",
        "size=99999999999999999999",
        "mode=7777777",
        "mode=rwx",
        "uid=4294967296",
        "uid=-1",
        "size=1m,uid=0",
        "nr_inodes=x",
        "unknown=1",
        "size=1\n",
        "",
    ],
)
def test_p25_a_tmpfs_option_that_is_wrong_is_refused_by_name(
    attempt: Attempt, option: str
) -> None:
    mount = lc.Mount(destination="/mnt", type="tmpfs", data=[option])
    done = attempt("true", mounts=[mount])
    assert isinstance(done.error, lc.ConfigError)
    assert "mounts[0].data[0]" in str(done.error)


@pytest.mark.parametrize("source", ["file", "folder"])
def test_p28_a_file_and_a_directory_do_not_fit(
    image: Path, attempt: Attempt, tmp_path: Path, source: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (image / "mnt" / "file").write_text("")
    (image / "mnt" / "folder").mkdir()
    other = "folder" if source == "file" else "file"
    bind = lc.Mount.bind(str(tmp_path / source), f"/mnt/{other}")
    done = attempt("true", mounts=[bind])
    words = "EISDIR" if source == "file" else "ENOTDIR"
    assert words in str(done.error)
    assert f"/mnt/{other}" in str(done.error)


@pytest.mark.parametrize(
    ("where", "works"),
    [
        ("/mnt/" + "n" * 255, True),
        ("/mnt/" + "n" * 256, False),
        ("/" + "d/" * 2000 + "x", True),
        ("/" + "d/" * 2100 + "x", False),
        ("/mnt/" + "é" * 127, True),
        ("/mnt/" + "é" * 128, False),
    ],
    ids=["255", "256", "2000 deep", "over 4096", "254 bytes", "256 bytes"],
)
def test_p29_long_names_and_deep_paths(
    attempt: Attempt, tmp_path: Path, where: str, works: bool
) -> None:
    done = attempt("true", mounts=[lc.Mount.bind(str(tmp_path), where)])
    assert done.refused != works, str(done.error)[:500]


def test_p29_a_thousand_mounts(attempt: Attempt, tmp_path: Path) -> None:
    mounts = [lc.Mount.bind(str(tmp_path), f"/mnt/{n}") for n in range(1000)]
    done = attempt("sh", "-c", "ls /mnt | busybox wc -l", mounts=mounts)
    assert done.out == "1000\n"


# -- P32, P33, P34, P35, P37: masks, the way up, an image without /proc


def test_p32_masked_paths_that_repeat_or_lead_elsewhere(
    image: Path, canary: Canary, attempt: Attempt
) -> None:
    (image / "etc" / "hidden").write_text("image's own")
    (image / "etc" / "link").symlink_to("hidden")
    (image / "out").symlink_to(canary.path)
    done = attempt(
        *("cat", "/etc/hidden", "/etc/link", f"{canary.path}/secret", "/proc/keys"),
        masked_paths=[
            *("/etc/link", "/etc/link", "/etc/hidden", "/out/secret", "/etc/hidden/x"),
            *("/absent/deep", "/proc/keys", "/proc/keys"),
        ],
        readonly_paths=["/out", "/etc/link", "/absent", "/proc/sys", "/proc/sys"],
    )
    assert done.error is None
    assert "image's own" not in done.out
    assert SECRET not in done.out


def test_p34_a_directory_that_is_moved_out_leads_nowhere(
    image: Path, canary: Canary, attempt: Attempt, public_tmp: Path
) -> None:
    # Rename the working directory out of the bind mount, then climb.
    (image / "mnt" / "in").mkdir()
    script = "cd /mnt/in/deep && echo ready && sleep 0.3 && cat ../../../*/secret"
    volume = public_tmp / "volume-p34"
    (volume / "in" / "deep").mkdir(parents=True)
    target = public_tmp / "moved-p34"
    import threading
    import time

    def move() -> None:
        time.sleep(0.15)
        (volume / "in" / "deep").rename(target)

    mover = threading.Thread(target=move)
    mover.start()
    try:
        done = attempt(
            *("sh", "-c", script), mounts=[lc.Mount.bind(str(volume), "/mnt")]
        )
    finally:
        mover.join()
        target.rmdir()
        (volume / "in").rmdir()
        volume.rmdir()
    assert done.out.startswith("ready")
    assert SECRET not in done.out


def test_p35_an_image_that_brings_its_own_proc_changes_nothing(
    image: Path, canary: Canary, attempt: Attempt
) -> None:
    descriptors = image / "proc" / "self" / "fd"
    descriptors.mkdir(parents=True)
    (image / "proc" / "thread-self").symlink_to("self")
    for number in range(64):
        (descriptors / str(number)).symlink_to("/mnt")
    done = attempt(
        *("sh", "-c", "echo x > /new || echo x > /mnt/new"),
        base_mounts=_NO_PROC,
        masked_paths=[],
        readonly_paths=[],
        readonly_rootfs=True,
        mounts=[lc.Mount.bind(str(canary.path), "/mnt", read_only=True)],
    )
    assert done.out.count("Read-only file system") == 2


def test_p37_a_set_id_file_of_an_owner_who_is_not_mapped_gives_nothing(
    image: Path, attempt: Attempt
) -> None:
    (image / "attacker").chmod(0o4755)
    maps = [lc.IdMapping(0, 100000, 65536)]
    done = attempt(
        *("/attacker", "ids"),
        namespaces=[*lc.Config().namespaces, "user"],
        uid_mappings=maps,
        gid_mappings=maps,
        no_new_privs=False,
        user="1000:1000",
    )
    # The owner is not mapped, so the set-id bit has no meaning.
    assert "uid 1000 1000" in done.out
    assert "CapEff:\t0000000000000000" in done.out
