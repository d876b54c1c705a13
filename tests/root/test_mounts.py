# SPDX-License-Identifier: Apache-2.0
"""Mounts of a container and their options, as a program inside finds them."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

import pytest

import libcontainer as lc
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

RANGE = (lc.IdMapping(0, 100000, 65536),)
KINDS = ("mount", "pid", "network", "ipc", "uts", "cgroup")
Shell = Callable[..., str]


@pytest.fixture
def shell(factory: lc.Factory, busybox_rootfs: Path) -> Shell:
    """Run a script in a container; return what it said."""

    def run(script: str, *mounts: lc.Mount, **fields: object) -> str:
        fields.setdefault("rootfs", lc.Overlay(str(busybox_rootfs)))
        config = lc.Config(mounts=mounts, **fields)  # type: ignore[arg-type]
        done = lc.run(
            ["sh", "-c", script],
            config=config,
            factory=factory,
            stdout=lc.PIPE,
            stderr=lc.STDOUT,
            text=True,
        )
        return str(done.stdout)

    return run


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A shared mount with another one below it, as a host directory."""
    top = tmp_path / "tree"
    top.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "top", top], check=True)
    subprocess.run(["mount", "--make-shared", top], check=True)
    (top / "sub").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "sub", top / "sub"], check=True)
    (top / "file").write_text("top\n")
    (top / "sub" / "file").write_text("sub\n")
    yield top
    subprocess.run(["umount", "-R", top], check=True)


def kernel() -> tuple[int, ...]:
    """Return the first two numbers of the kernel's version."""
    return tuple(int(word) for word in os.uname().release.split(".")[:2])


def options(said: str, path: str) -> set[str]:
    """Return the options of the mount itself, of a line of mountinfo."""
    return set(_line(said, path)[5].split(","))


def superblock(said: str, path: str) -> set[str]:
    """Return the options of the filesystem."""
    return set(_line(said, path)[-1].split(","))


def optional(said: str, path: str) -> set[str]:
    """Return the kinds of propagation."""
    line = _line(said, path)
    return {word.partition(":")[0] for word in line[6 : line.index("-")]}


def _line(said: str, path: str) -> list[str]:
    lines = [line.split() for line in said.splitlines()]
    return [line for line in lines if line[4:5] == [path]][-1]


def bind(source: Path, *words: str, destination: str = "/data") -> lc.Mount:
    return lc.Mount.from_options("bind", source, destination, words)


# -- attributes


@pytest.mark.parametrize(
    "word",
    ["ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"],
)
@pytest.mark.parametrize("recursive", [True, False])
def test_an_attribute_is_of_the_mount_or_of_the_whole_tree(
    shell: Shell, tree: Path, word: str, recursive: bool
) -> None:
    chosen = f"r{word}" if recursive else word
    said = shell("cat /proc/self/mountinfo", bind(tree, "rbind", chosen))
    assert word in options(said, "/data")
    assert (word in options(said, "/data/sub")) is recursive


def test_strictatime_and_relatime_are_chosen(shell: Shell, tree: Path) -> None:
    said = shell("cat /proc/self/mountinfo", bind(tree, "rbind", "rstrictatime"))
    assert "relatime" not in options(said, "/data") | options(said, "/data/sub")
    said = shell("cat /proc/self/mountinfo", bind(tree, "rbind", "rrelatime"))
    assert "relatime" in options(said, "/data")


def test_an_attribute_of_the_source_is_cleared_or_kept(
    shell: Shell, tree: Path
) -> None:
    subprocess.run(["mount", "-o", "remount,bind,nosuid,noexec", tree], check=True)
    said = shell("cat /proc/self/mountinfo", bind(tree, "bind", "suid", "ro"))
    assert "nosuid" not in options(said, "/data")
    assert {"noexec", "ro"} <= options(said, "/data")


def test_a_read_only_tree_refuses_writes_below_too(shell: Shell, tree: Path) -> None:
    script = "touch /data/x; touch /data/sub/x; cat /data/sub/file"
    said = shell(script, bind(tree, "rbind", "rro"))
    assert said.count("Read-only file system") == 2
    assert said.endswith("sub\n")
    said = shell(script, bind(tree, "rbind", "ro"))
    assert said.count("Read-only file system") == 1
    assert (tree / "sub" / "x").exists()


def test_symlinks_are_not_followed_on_a_nosymfollow_mount(
    shell: Shell, tree: Path
) -> None:
    (tree / "link").symlink_to("file")
    script = "cat /data/link"
    assert shell(script, bind(tree, "bind")) == "top\n"
    said = shell(script, bind(tree, "bind", "nosymfollow"))
    assert "levels of symbolic links" in said


@pytest.mark.needs("userns")
def test_a_read_only_bind_keeps_what_a_user_namespace_has_locked(
    shell: Shell, tree: Path
) -> None:
    subprocess.run(
        ["mount", "-o", "remount,bind,nosuid,nodev,noexec", tree], check=True
    )
    said = shell(
        "cat /proc/self/mountinfo",
        bind(tree, "bind", "ro"),
        namespaces=[*KINDS, "user"],
        uid_mappings=RANGE,
        gid_mappings=RANGE,
    )
    assert {"ro", "nosuid", "nodev", "noexec"} <= options(said, "/data")


# -- filesystems


def test_flags_of_the_superblock_reach_the_filesystem(shell: Shell) -> None:
    words = ["sync", "dirsync", "lazytime", "mand", "size=64k", "nosuid", "ro"]
    mount = lc.Mount.from_options("tmpfs", "mine", "/data", [*words, "iversion"])
    said = shell("cat /proc/self/mountinfo", mount)
    assert {"sync", "dirsync", "lazytime", "size=64k"} <= superblock(said, "/data")
    assert {"nosuid", "ro"} <= options(said, "/data")
    assert _line(said, "/data")[-2] == "mine"


def test_any_filesystem_of_the_kernel_can_be_mounted(shell: Shell) -> None:
    mount = lc.Mount.from_options("ramfs", "mine", "/data", ["noexec"])
    said = shell("echo hello >/data/x; cat /data/x /proc/self/mountinfo", mount)
    assert said.startswith("hello\n")
    assert _line(said, "/data")[-3] == "ramfs"


def test_an_unknown_filesystem_is_an_error_with_a_hint(shell: Shell) -> None:
    mount = lc.Mount.from_options("nosuchfs", "none", "/data")
    with pytest.raises(lc.StepError, match="no such device") as caught:
        shell("true", mount)
    assert "/proc/filesystems" in str(caught.value.hint)


def test_an_option_the_filesystem_does_not_know_is_an_error(shell: Shell) -> None:
    mount = lc.Mount.from_options("hugetlbfs", "none", "/data", ["nosuchoption"])
    with pytest.raises(lc.StepError, match="configure the filesystem"):
        shell("true", mount)


def test_a_filesystem_of_a_file_of_the_host(shell: Shell, tmp_path: Path) -> None:
    """erofs can be mounted from a plain file, by its host path."""
    image = tmp_path / "image"
    image.write_bytes(b"\0" * 4096)
    mount = lc.Mount.from_options("erofs", image, "/data", ["ro"])
    with pytest.raises(lc.StepError) as caught:
        shell("true", mount)
    # It was found and looked at, and is no filesystem.
    assert caught.value.side == "host"
    assert "make a erofs filesystem" in str(caught.value)


def test_an_overlay_is_mounted_anywhere(shell: Shell, tmp_path: Path) -> None:
    names = ("top", "base: with, marks", "upper", "work")
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / names[0] / "one").write_text("1\n")
    (tmp_path / names[1] / "two").write_text("2\n")
    lower = f"lowerdir={tmp_path}/top:{tmp_path}/base\\: with, marks"
    layers = [lower, f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work"]
    script = "cd /data; cat one two; echo 3 >three"
    said = shell(script, lc.Mount.from_options("overlay", "o", "/data", layers))
    assert said == "1\n2\n"
    assert (tmp_path / "upper" / "three").read_text() == "3\n"
    said = shell(script, lc.Mount.from_options("overlay", "o", "/data", [lower]))
    assert "Read-only file system" in said


def test_a_mount_on_the_root_takes_its_place(
    shell: Shell, busybox_rootfs: Path
) -> None:
    root = lc.Mount.from_options("overlay", "o", "/", [f"lowerdir+={busybox_rootfs}"])
    said = shell("touch /x; cat /proc/self/mountinfo", root, rootfs=lc.Overlay("/var"))
    assert "Read-only file system" in said
    assert _line(said, "/")[-2] == "o"
    assert sum(line.split()[4:5] == ["/"] for line in said.splitlines()) == 1


# -- read-only, late


def test_a_read_only_mount_holds_others(shell: Shell, tmp_path: Path) -> None:
    said = shell(
        "touch /data/x; touch /data/deep/one/x; echo yes >/data/deep/one/two/x;"
        " cat /data/deep/one/two/x",
        lc.Mount.from_options("tmpfs", "t", "/data", ["ro"]),
        lc.Mount.bind(tmp_path, "/data/deep/one", read_only=True),
        lc.Mount.tmpfs("/data/deep/one/two"),
    )
    assert said.count("Read-only file system") == 2
    assert said.endswith("yes\n")


def test_a_read_only_dev_has_its_nodes(shell: Shell) -> None:
    base = [m for m in lc.Config().base_mounts if m.destination != "/dev"]
    dev = lc.Mount.from_options("tmpfs", "dev", "/dev", ["ro", "nosuid", "mode=755"])
    said = shell(
        "echo gone >/dev/null; touch /dev/x; ls /dev/zero",
        base_mounts=[dev, *base],
    )
    assert "Read-only file system" in said
    assert said.endswith("/dev/zero\n")


def test_a_remount_changes_the_mount_before_it(shell: Shell) -> None:
    said = shell(
        "touch /data/x; cat /proc/self/mountinfo",
        lc.Mount.from_options("tmpfs", "t", "/data", ["nosuid", "size=8k"]),
        lc.Mount.from_options("none", None, "/data", ["remount", "ro", "size=16k"]),
    )
    assert {"ro", "nosuid"} <= options(said, "/data")
    assert "size=16k" in superblock(said, "/data")
    assert "Read-only file system" in said


# -- propagation


def test_a_slave_sees_what_the_host_mounts_and_a_private_one_does_not(
    factory: lc.Factory, busybox_rootfs: Path, tree: Path
) -> None:
    words = {"/private": "rprivate", "/slave": "rslave", "/shared": "rshared"}
    mounts = [bind(tree, "rbind", word, destination=to) for to, word in words.items()]
    (tree / "later").mkdir()
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), mounts=mounts)
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "100"]))
        subprocess.run(["mount", "-t", "tmpfs", "later", tree / "later"], check=True)
        process = container.run(
            lc.Process(["cat", "/proc/self/mountinfo"], stdout=lc.PIPE)
        )
        said = process.communicate()[0].decode()
        process.close()
    points = {line.split()[4] for line in said.splitlines()}
    assert {"/slave/later", "/shared/later"} <= points
    assert "/private/later" not in points
    assert optional(said, "/private") == set()
    assert optional(said, "/slave") == {"master"}
    assert optional(said, "/shared") == {"shared"}
    assert optional(said, "/private/sub") == set()


def test_a_shared_mount_gives_the_host_what_the_container_mounts(
    shell: Shell, tree: Path
) -> None:
    for word, expected in (("rshared", True), ("rslave", False)):
        target = tree / word
        target.mkdir()
        shell(
            f"mount -t tmpfs inside /data/{word}",
            bind(tree, "rbind", word),
            capabilities=["CAP_SYS_ADMIN"],
        )
        assert os.path.ismount(target) is expected
        if expected:
            subprocess.run(["umount", target], check=True)


def test_unbindable_is_of_the_mount_or_of_the_tree(shell: Shell, tree: Path) -> None:
    said = shell("cat /proc/self/mountinfo", bind(tree, "rbind", "runbindable"))
    assert optional(said, "/data") == optional(said, "/data/sub") == {"unbindable"}
    said = shell("cat /proc/self/mountinfo", bind(tree, "rbind", "unbindable"))
    assert optional(said, "/data") == {"unbindable"}
    # Never a peer of the host's mount: see Mount.propagation.
    assert "shared" not in optional(said, "/data/sub")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("private", set()),
        ("slave", {"master"}),
        ("rslave", {"master"}),
        ("shared", {"shared", "master"}),
        ("unbindable", {"unbindable"}),
    ],
)
def test_the_root_has_the_propagation_that_is_chosen(
    shell: Shell, busybox_rootfs: Path, tree: Path, word: str, expected: set[str]
) -> None:
    subprocess.run(["cp", "-a", f"{busybox_rootfs}/.", tree], check=True)
    said = shell(
        "cat /proc/self/mountinfo",
        rootfs=lc.Directory(str(tree)),
        rootfs_propagation=word,
    )
    assert optional(said, "/") == expected


# -- id maps


OWNERS = "stat -c '%u:%g' /data/file"


def test_an_id_mapped_bind_shows_other_owners(shell: Shell, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 5, 6)
    maps = lc.IdMap(RANGE, (lc.IdMapping(0, 200000, 100),))
    mount = lc.Mount(destination="/data", type="bind", source=tmp_path, idmap=maps)
    said = shell(f"{OWNERS}; cat /proc/self/mountinfo", mount)
    assert said.startswith("100005:200006\n")
    assert "idmapped" in options(said, "/data")
    inline = "idmap=uids=0-300000-10;gids=5-7-2"
    assert shell(OWNERS, bind(tmp_path, "bind", inline)) == "300005:8\n"
    assert ((tmp_path / "file").stat().st_uid, shell(OWNERS, bind(tmp_path))) == (
        5,
        "5:6\n",
    )


def test_relative_ids_are_those_of_the_container(shell: Shell, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 5, 6)
    user = {
        "namespaces": [*KINDS, "user"],
        "uid_mappings": RANGE,
        "gid_mappings": RANGE,
    }
    # Groups are not named: they get the container's own maps.
    relative = bind(tmp_path, "bind", "idmap=uids=@5-30-1#0-100000-1")
    assert shell(OWNERS, relative, **user) == "30:6\n"
    os.chown(tmp_path, 5, 6)
    both = bind(tmp_path, "bind", "idmap=uids=@5-0-1;gids=@6-0-1")
    script = f"{OWNERS}; echo >/data/new && stat -c '%u' /data/new"
    assert shell(script, both, **user) == "0:0\n0\n"
    assert (tmp_path / "new").stat().st_uid == 5


def test_an_id_mapped_bind_with_the_containers_own_maps(
    shell: Shell, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 5, 6)
    user = {
        "namespaces": [*KINDS, "user"],
        "uid_mappings": RANGE,
        "gid_mappings": RANGE,
    }
    script = f"{OWNERS}; echo >/data/new && stat -c '%u' /data/new"
    said = shell(script, bind(tmp_path, "bind", "idmap"), **user)
    assert said == "5:6\n0\n"
    assert (tmp_path / "new").stat().st_uid == 0
    assert shell(OWNERS, bind(tmp_path, "bind"), **user) == "65534:65534\n"


def test_an_id_mapped_bind_with_the_maps_of_a_joined_namespace(
    factory: lc.Factory, shell: Shell, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").touch()
    os.chown(tmp_path / "file", 5, 6)
    kinds = [*KINDS, "user"]
    config = lc.Config(namespaces=kinds, uid_mappings=RANGE, gid_mappings=RANGE)
    with factory.create(new_id(), config) as other:
        init = other.run(lc.Process(["sleep", "1000"]))
        paths = {"user": f"/proc/{init.host_pid}/ns/user"}
        user = {"namespaces": kinds, "namespace_paths": paths}
        assert shell(OWNERS, bind(tmp_path, "bind", "idmap"), **user) == "5:6\n"
        relative = bind(tmp_path, "bind", "idmap=uids=@5-30-1")
        assert shell(OWNERS, relative, **user) == "30:6\n"


def test_ridmap_maps_the_mounts_below_too(shell: Shell, tree: Path) -> None:
    if kernel() < (6, 3):
        pytest.skip("a tmpfs takes no id map before Linux 6.3")
    script = "stat -c '%u' /data/file /data/sub/file"
    maps = "=uids=0-100000-10;gids=0-100000-10"
    assert shell(script, bind(tree, "rbind", f"idmap{maps}")) == "100000\n0\n"
    assert shell(script, bind(tree, "rbind", f"ridmap{maps}")) == "100000\n100000\n"


@pytest.mark.parametrize("kind", ["directory", "overlay", "upper"])
def test_an_id_mapped_root_belongs_to_the_container(
    shell: Shell, busybox_rootfs: Path, tmp_path: Path, kind: str
) -> None:
    tmp_path.chmod(0o755)
    rootfs: lc.Directory | lc.Overlay = lc.Directory(str(busybox_rootfs), lc.IdMap())
    if kind == "overlay":
        rootfs = lc.Overlay(str(busybox_rootfs), idmap=lc.IdMap())
    if kind == "upper":
        for name in ("upper", "work"):
            (tmp_path / name).mkdir()
        rootfs = lc.Overlay(
            str(busybox_rootfs),
            str(tmp_path / "upper"),
            str(tmp_path / "work"),
            idmap=lc.IdMap(),
        )
    said = shell(
        "stat -c '%u:%g' /bin /etc/passwd; touch /tmp/mine; stat -c %u /tmp/mine;"
        " rm /tmp/mine; cat /proc/self/uid_map",
        rootfs=rootfs,
        namespaces=[*KINDS, "user"],
        uid_mappings=RANGE,
        gid_mappings=RANGE,
    )
    assert said.splitlines()[:3] == ["0:0", "0:0", "0"]
    assert said.split()[-3:] == ["0", "100000", "65536"]
    assert (busybox_rootfs / "etc" / "passwd").stat().st_uid == 0


def test_a_filesystem_without_id_maps_is_an_error_with_a_hint(shell: Shell) -> None:
    with pytest.raises(lc.StepError) as caught:
        shell("true", bind(Path("/proc/sys"), "bind", "idmap=uids=0-1-1;gids=0-1-1"))
    assert caught.value.side == "host"
    assert "id-mapped" in str(caught.value.hint)


# -- symlinks


def test_a_dangling_link_of_the_image_is_followed_inside(
    shell: Shell, busybox_rootfs: Path, tmp_path: Path
) -> None:
    source = tmp_path / "resolv.conf"
    source.write_text("nameserver 192.0.2.1\n")
    layer = tmp_path / "layer"
    (layer / "etc").mkdir(parents=True)
    (layer / "etc" / "resolv.conf").symlink_to("../run/far/stub.conf")
    (layer / "etc" / "absolute").symlink_to("/run/other/stub.conf")
    (layer / "etc" / "chain").symlink_to("absolute2")
    (layer / "etc" / "absolute2").symlink_to("/run/third/directory/")
    said = shell(
        "cat /etc/resolv.conf /run/far/stub.conf /etc/absolute /run/other/stub.conf;"
        " ls /run/third/directory",
        bind(source, "bind", "ro", destination="/etc/resolv.conf"),
        bind(source, "bind", "ro", destination="/etc/absolute"),
        bind(layer, "bind", "ro", destination="/etc/chain"),
        rootfs=lc.Overlay([str(layer), str(busybox_rootfs)]),
    )
    assert said == "nameserver 192.0.2.1\n" * 4 + "etc\n"


def test_a_link_that_leads_to_itself_is_an_error(
    shell: Shell, busybox_rootfs: Path, tmp_path: Path
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    layers = lc.Overlay([str(tmp_path), str(busybox_rootfs)])
    with pytest.raises(lc.StepError, match="ELOOP"):
        shell("true", bind(tmp_path, "bind", destination="/loop"), rootfs=layers)


def test_a_link_itself_is_the_source_or_the_destination(
    shell: Shell, busybox_rootfs: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to("/nowhere")
    (tmp_path / "file").write_text("here\n")
    layers = lc.Overlay([str(tmp_path), str(busybox_rootfs)])
    said = shell(
        "readlink /other; cat /link",
        bind(tmp_path / "link", "bind", "src-nofollow", destination="/other"),
        bind(tmp_path / "file", "bind", "dest-nofollow", destination="/link"),
        rootfs=layers,
    )
    assert said == "/nowhere\nhere\n"


def test_a_symlink_of_the_host_is_made_anew(
    shell: Shell, busybox_rootfs: Path, tmp_path: Path
) -> None:
    source, image = tmp_path / "source", tmp_path / "image"
    source.mkdir()
    (image / "there").mkdir(parents=True)
    (source / "link").symlink_to("../nowhere")
    (source / "file").write_text("here\n")
    (image / "there" / "same").symlink_to("../nowhere")
    (image / "out").symlink_to("/there")
    layers = lc.Overlay([str(image), str(busybox_rootfs)])
    said = shell(
        "readlink /new/folder/link; readlink /there/same; readlink /there/other;"
        "cat /plain",
        bind(source / "link", "bind", "copy-symlink", destination="/new/folder/link"),
        bind(source / "link", "bind", "copy-symlink", destination="/there/same"),
        bind(source / "link", "bind", "copy-symlink", destination="/out/other"),
        bind(source / "file", "bind", "copy-symlink", destination="/plain"),
        rootfs=layers,
    )
    assert said == "../nowhere\n../nowhere\n../nowhere\nhere\n"
    with pytest.raises(lc.StepError, match=r"make the symlink '/bin/sh'.*EEXIST"):
        shell(
            "true",
            bind(source / "link", "bind", "copy-symlink", destination="/bin/sh"),
            rootfs=layers,
        )


# -- tmpcopyup


def test_a_tmpfs_begins_with_what_the_image_has(
    shell: Shell, busybox_rootfs: Path, tmp_path: Path
) -> None:
    top = tmp_path / "data"
    (top / "sub").mkdir(parents=True)
    top.chmod(0o750)
    os.chown(top, 7, 8)
    (top / "file").write_text("image\n")
    os.chown(top / "file", 5, 6)
    (top / "file").chmod(0o4640)
    (top / "sub" / "empty").touch()
    (top / "link").symlink_to("/etc/shadow")
    os.mkfifo(top / "fifo")
    layers = lc.Overlay([str(tmp_path), str(busybox_rootfs)])
    said = shell(
        "cat /data/file; stat -c '%u:%g %a' /data /data/file; ls /data /data/sub;"
        " readlink /data/link; touch /data/x; cat /proc/self/mountinfo",
        lc.Mount.from_options("tmpfs", "t", "/data", ["tmpcopyup", "ro", "size=64k"]),
        lc.Mount.from_options("tmpfs", "t", "/nothing/there", ["tmpcopyup"]),
        rootfs=layers,
    )
    assert said.startswith("image\n7:8 750\n5:6 4640\n")
    assert "file\nlink\nsub\n" in said
    assert "\nempty\n/etc/shadow\n" in said
    assert "fifo" not in said
    assert "Read-only file system" in said
    assert _line(said, "/data")[-3] == "tmpfs"
    assert (top / "file").read_text() == "image\n"


def test_a_tmpfs_too_small_for_the_image_is_an_error(
    shell: Shell, busybox_rootfs: Path, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "big").write_bytes(b"x" * 100_000)
    layers = lc.Overlay([str(tmp_path), str(busybox_rootfs)])
    mount = lc.Mount.from_options("tmpfs", "t", "/data", ["tmpcopyup", "size=8k"])
    with pytest.raises(lc.StepError, match="copy what the image has") as caught:
        shell("true", mount, rootfs=layers)
    assert caught.value.errno == errno.ENOSPC


# -- cgroups


# In a v1 hierarchy, or in v2 itself, which may have no directory yet.
CGROUPS = (
    "cat /proc/self/mountinfo; cd /sys/fs/cgroup;"
    " test -e cgroup.procs || cd $(ls | head -n 1); mkdir x"
)


def _cgroup(*words: str) -> lc.Mount:
    return lc.Mount.from_options("cgroup", "cgroup", "/sys/fs/cgroup", words)


@pytest.mark.parametrize("user", [False, True])
def test_a_cgroup_mount_shows_the_containers_own_cgroup(
    shell: Shell, user: bool
) -> None:
    ids = {"uid_mappings": RANGE, "gid_mappings": RANGE} if user else {}
    script = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null"
    said = shell(
        f"{script}; {CGROUPS}",
        _cgroup("nosuid", "noexec", "nodev", "ro"),
        namespaces=[*KINDS, *(["user"] if user else [])],
        resources=lc.Resources(pids=123),
        **ids,
    )
    assert said.startswith("123\n")
    assert {"ro", "nosuid", "noexec", "nodev"} <= options(said, "/sys/fs/cgroup")
    own = [line.split() for line in said.splitlines() if " - cgroup" in line]
    # The root of each is the container's: nothing above it can be seen.
    assert own
    assert {line[3] for line in own} == {"/"}
    assert all("ro" in line[5].split(",") for line in own)
    assert "Read-only file system" in said


def test_without_a_cgroup_namespace_the_hosts_is_read_only(shell: Shell) -> None:
    namespaces = [kind for kind in KINDS if kind != "cgroup"]
    said = shell(CGROUPS, _cgroup(), namespaces=namespaces)
    lines = [line.split() for line in said.splitlines() if " - cgroup" in line]
    assert lines
    # On v1 the container's own directories are bound, to be written as was asked.
    own = [line for line in lines if PurePath(line[3]).name.startswith("libcontainer-")]
    assert all("ro" in line[5].split(",") for line in lines if line not in own)
    assert {line[8] for line in own} <= {"cgroup"}
    if not own:
        assert "Read-only file system" in said
    said = shell(CGROUPS, _cgroup("ro"), namespaces=namespaces)
    lines = [line.split() for line in said.splitlines() if " - cgroup" in line]
    assert all("ro" in line[5].split(",") for line in lines)
    assert "Read-only file system" in said


# -- the root by chroot


def test_the_root_is_entered_by_chroot(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    script = "ls /bin/busybox; cat /proc/self/mountinfo; ls /.. | tr '\\n' ' '"
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), no_pivot_root=True)
    with factory.create(new_id(), config) as container:
        assert "chroot(2)" in container.explain(lc.Process(["true"]))
        container.run(lc.Process(["sleep", "100"]))
        process = container.run(lc.Process(["sh", "-c", script], stdout=lc.PIPE))
        said = process.communicate()[0].decode()
        process.close()
    lines = said.splitlines()
    assert lines[0] == "/bin/busybox"
    # The same root for what joins, and nothing of the host beneath it.
    assert "/" in {line.split()[4] for line in lines[1:-1]}
    assert "bin" in lines[-1].split()
    assert "boot" not in lines[-1].split()
