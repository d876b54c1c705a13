# SPDX-License-Identifier: Apache-2.0
"""Files of a container from outside: what is there, and what a hostile one tries."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.files.moving import give_name
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

USER: dict[str, Any] = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, 100000, 65536)],
    "gid_mappings": [lc.IdMapping(0, 200000, 65536)],
}


@pytest.fixture(params=["root", "user namespace"])
def box(
    factory: lc.Factory, busybox_rootfs: Path, request: Any
) -> Iterator[lc.Container]:
    """A container that sleeps, with and without a user namespace."""
    wishes = USER if request.param == "user namespace" else {}
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), **wishes)
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        yield container


def sh(container: lc.Container, script: str) -> str:
    """What a script says that runs in a running container."""
    process = lc.Process(["sh", "-c", script], stdout=lc.PIPE)
    with container.exec(process) as handle:
        out, _ = handle.communicate()
        assert handle.wait().code == 0
    return (out or b"").decode()


def test_what_is_written_is_seen_inside_with_its_owner(box: lc.Container) -> None:
    box.fs.write("/new", "words\n")
    box.fs.write("/other", b"\0", permissions=0o600, owner=(5, 6))
    assert sh(box, "cat /new; stat -c '%u:%g %a' /new /other") == (
        "words\n0:0 644\n5:6 600\n"
    )
    box.fs.write("/other", "longer")
    with box.fs.open("/other", "a") as file:
        file.write(" still\n")
    assert sh(box, "cat /other; stat -c '%u:%g %a' /other") == (
        "longer still\n5:6 600\n"
    )
    with pytest.raises(FileExistsError, match=r"open in the container.*EEXIST"):
        box.fs.open("/other", "x")
    with box.fs.open("/other", "r+b") as file:
        file.seek(7)
        file.write(b"STILL")
    assert box.fs.read("/other") == b"longer STILL\n"
    with box.fs.open("/third", "x", encoding="latin-1") as file:
        file.write("\xe9")
    assert box.fs.read("/third") == b"\xe9"


def test_what_is_made_inside_is_seen_from_outside(box: lc.Container) -> None:
    sh(
        box,
        "mkdir -p /a/b; echo one >/a/b/one; ln -s b /a/link; chown 7:8 /a/b/one;"
        "chmod 4750 /a/b/one; mkfifo /a/fifo",
    )
    assert box.fs.read("/a/link/one") == b"one\n"
    assert box.fs.read("a/b/../b/one") == b"one\n"
    assert box.fs.listdir("/a") == ["b", "fifo", "link"]
    found = box.fs.stat("/a/b/one")
    assert (found.kind, found.mode, found.uid, found.gid) == ("file", 0o4750, 7, 8)
    assert found.size == 4
    assert box.fs.stat("/a/link").kind == "directory"
    assert box.fs.stat("/a/link", follow=False).target == "b"
    assert box.fs.readlink("/a/link") == "b"
    assert box.fs.stat("/a/fifo").kind == "fifo"
    assert box.fs.exists("/a/b")
    assert not box.fs.exists("/a/c")
    assert not box.fs.exists("/a/b/one/more")
    assert list(box.fs.walk("/a")) == [
        ("/a", ["b"], ["fifo", "link"]),
        ("/a/b", [], ["one"]),
    ]
    box.fs.remove("/a", recursive=True)
    assert sh(box, "ls -d /a || echo gone") == "gone\n"


def test_directories_are_made_and_removed(box: lc.Container) -> None:
    box.fs.mkdir("/x/y/z", parents=True, owner=(3, 4), permissions=0o710)
    box.fs.mkdir("/x/y/z", parents=True)
    assert sh(box, "stat -c '%u:%g %a' /x /x/y/z") == "3:4 710\n3:4 710\n"
    with pytest.raises(FileExistsError):
        box.fs.mkdir("/x")
    with pytest.raises(OSError, match="ENOTEMPTY"):
        box.fs.remove("/x")
    box.fs.remove("/x/y/z")
    assert box.fs.listdir("/x/y") == []
    with pytest.raises(FileNotFoundError, match=r"remove in the container.*ENOENT"):
        box.fs.remove("/x/y/z")


def test_the_mounts_of_a_running_container_are_there(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("volume\n")
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        mounts=[lc.Mount.bind(tmp_path, "/data", read_only=True)],
    )
    with factory.create(new_id(), config) as container:
        container.prepare(lc.Process(["sleep", "1000"]))
        assert container.fs.read("/data/file") == b"volume\n"
        with pytest.raises(OSError, match="EROFS"):
            container.fs.write("/data/file", "no")
        container.fs.write("/tmp/before", "start\n")
        container.start()
        assert sh(container, "cat /tmp/before") == "start\n"
        assert "/proc" not in [
            path
            for path, folders, _ in container.fs.walk()
            if folders and "self" in path
        ]


@pytest.mark.parametrize("box", ["root"], indirect=True)
def test_a_directory_that_cannot_be_renamed_gets_its_name(box: lc.Container) -> None:
    # One that comes from a lower layer, which an overlay renames nowhere.
    init = box.state().init
    assert init is not None
    parent = os.open(f"/proc/{init.host_pid}/root", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(OSError, match="cross-device"):
            os.rename("etc", "new", src_dir_fd=parent, dst_dir_fd=parent)
        give_name(parent, "etc", "new", replace=False)
        assert sh(box, "ls -A /new; stat -c '%u %a' /new") == "group\npasswd\n0 755\n"
        assert not box.fs.exists("/etc")
        with pytest.raises(FileExistsError):
            give_name(parent, "home", "new", replace=False)
    finally:
        os.close(parent)


def test_a_tree_goes_in_and_out(box: lc.Container, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "file").write_text("deep\n")
    (source / "tool").write_text("#!/bin/sh\necho ran\n")
    (source / "tool").chmod(0o4755)
    (source / "link").symlink_to("/etc/passwd")
    os.mkfifo(source / "fifo")
    copied = box.fs.copy_in(source, "/opt-tree", owner=(9, 9))
    assert (copied.files, copied.left_out) == (5, (f"{source}/fifo",))
    said = sh(
        box,
        "/opt-tree/tool; cat /opt-tree/sub/file; readlink /opt-tree/link;"
        "stat -c '%u:%g %a' /opt-tree /opt-tree/tool",
    )
    assert said == "ran\ndeep\n/etc/passwd\n9:9 755\n9:9 755\n"
    with pytest.raises(FileExistsError):
        box.fs.copy_in(source, "/opt-tree")
    target = tmp_path / "target"
    copied = box.fs.copy_out("/opt-tree", target)
    assert copied.left_out == ("/opt-tree/link",)
    assert sorted(p.name for p in target.rglob("*")) == ["file", "sub", "tool"]
    assert {p.stat().st_uid for p in target.rglob("*")} == {os.geteuid()}
    with_links = tmp_path / "with-links"
    box.fs.copy_out("/opt-tree", with_links, links=True)
    assert os.readlink(with_links / "link") == "/etc/passwd"
    with pytest.raises(FileExistsError):
        box.fs.copy_out("/opt-tree", target)
    assert not [name for name in box.fs.listdir("/") if name.endswith(".copy")]


def test_a_file_takes_the_place_of_another_at_once(
    box: lc.Container, tmp_path: Path
) -> None:
    (tmp_path / "new").write_text("new\n")
    sh(box, "echo kept >/kept; ln -s /kept /link; echo old >/file")
    box.fs.copy_in(tmp_path / "new", "/link")
    box.fs.copy_in(tmp_path / "new", "/file")
    assert sh(box, "cat /kept /link /file; readlink /link || echo file") == (
        "kept\nnew\nnew\nfile\n"
    )


# -- what a container may try


def test_no_link_leads_out(box: lc.Container, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("host\n")
    up = "../" * 20
    sh(
        box,
        f"ln -s {canary} /abs; ln -s {up}{canary} /rel; ln -s {tmp_path} /dir;"
        f"ln -s /proc/1/root{canary} /magic; ln -s /proc/self/root /self",
    )
    for path in ("/abs", "/rel", "/dir/canary", "/magic", f"/self{canary}"):
        with pytest.raises(OSError):
            box.fs.read(path)
        with pytest.raises(OSError):
            box.fs.write(path, "changed")
        with pytest.raises(OSError):
            box.fs.copy_out(path, tmp_path / "out")
    assert canary.read_text() == "host\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["canary"]
    # A copy replaces the link, wherever it leads.
    box.fs.copy_in(canary, "/abs")
    assert sh(box, "cat /abs") == "host\n"


def test_what_is_no_regular_file_is_neither_opened_nor_waited_for(
    box: lc.Container, tmp_path: Path
) -> None:
    sh(box, "mkfifo /fifo; mkdir /tree; mkfifo /tree/fifo; echo x >/tree/file")
    began = time.monotonic()
    for path, kind in (("/fifo", "fifo"), ("/dev/zero", "character device")):
        for mode in ("rb", "wb", "ab", "r+b"):
            with pytest.raises(PermissionError, match=f"is a {kind}: only regular"):
                box.fs.open(path, mode)
        with pytest.raises(PermissionError, match=kind):
            box.fs.copy_out(path, tmp_path / "out")
    assert box.fs.copy_out("/tree", tmp_path / "tree").left_out == ("/tree/fifo",)
    with pytest.raises(IsADirectoryError):
        box.fs.open("/tree")
    assert time.monotonic() - began < 5


def test_the_kernels_own_files_are_left_alone(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    # With a procfs that it may write to: done by the caller it would be the host's.
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)), masked_paths=[], readonly_paths=[]
    )
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        sh(container, "ln -s /proc/1/comm /log; ln -s /proc/cpuinfo /k")
        for path in ("/log", "/proc/1/comm", "/proc/1/coredump_filter"):
            with pytest.raises(PermissionError, match="filesystem of the kernel"):
                container.fs.write(path, "9")
        assert sh(container, "cat /proc/1/comm") == "sleep\n"
        with pytest.raises(PermissionError, match="filesystem of the kernel"):
            container.fs.read("/k", limit=10)
        with pytest.raises(PermissionError, match="filesystem of the kernel"):
            container.fs.copy_out("/proc", tmp_path / "proc")
        copied = container.fs.copy_out("/", tmp_path / "all", max_bytes=2**26)
        assert {"/proc", "/sys", "/dev"} <= set(copied.left_out)


def test_a_copy_is_bounded_in_bytes_and_in_files(
    box: lc.Container, tmp_path: Path
) -> None:
    sh(
        box,
        "mkdir /many; cd /many; seq 1 50 | while read i; do echo $i >$i; done;"
        "truncate -s 1099511627776 /holes",
    )
    began = time.monotonic()
    target = tmp_path / "out"
    with pytest.raises(lc.CopyLimitError, match="more than 1048576 bytes"):
        box.fs.copy_out("/holes", target, max_bytes=2**20)
    with pytest.raises(lc.CopyLimitError, match="more than 10 files"):
        box.fs.copy_out("/many", target, max_files=10)
    with pytest.raises(lc.CopyLimitError, match="more than 20 bytes"):
        box.fs.copy_out("/many", target, max_bytes=20)
    with pytest.raises(lc.CopyLimitError):
        box.fs.listdir("/many", limit=10)
    with pytest.raises(OSError, match="larger than 100"):
        box.fs.read("/holes", limit=100)
    deep = "; ".join(["mkdir d && cd d"] * 140)
    sh(box, f"cd /many; {deep}")
    with pytest.raises(lc.CopyLimitError, match="deep"):
        box.fs.copy_out("/many", target)
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - began < 20
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").write_text("x" * 100)
    with pytest.raises(lc.CopyLimitError):
        box.fs.copy_in(tmp_path / "in", "/in", max_bytes=50)
    assert not [n for n in box.fs.listdir("/") if n == "in" or n.endswith(".copy")]


_EXCHANGE = """
mkdir -p /a/dir /b; echo inside >/a/dir/file; ln -s {host} /b/dir
while :; do mv /a/dir /a/was; mv /b/dir /a/dir; mv /a/was /b/was
mv /a/dir /b/dir; mv /b/was /a/dir; done
"""


def test_a_container_that_exchanges_directories_and_links_gets_nothing_out(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    host = tmp_path / "host"
    host.mkdir()
    (host / "file").write_text("secret\n")
    (tmp_path / "source").write_text("poison\n")
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    tried = got = 0
    with factory.create(new_id(), config) as container:
        script = _EXCHANGE.format(host=host)
        container.run(lc.Process(["sh", "-c", script], stderr=lc.DEVNULL))
        deadline = time.monotonic() + 60
        while (tried < 300 or got == 0) and time.monotonic() < deadline:
            tried += 1
            try:
                seen = container.fs.read("/a/dir/file")
                got += 1
                assert seen == b"inside\n"
                container.fs.write("/a/dir/made", "poison\n")
                container.fs.copy_in(tmp_path / "source", "/a/dir/copied")
                container.fs.remove("/a/dir/copied")
                container.fs.copy_out("/a/dir", tmp_path / "out")
                copied = {p.read_text() for p in (tmp_path / "out").iterdir()}
                assert "secret\n" not in copied
            except (FileNotFoundError, NotADirectoryError):
                pass
            finally:
                subprocess.run(["rm", "-rf", tmp_path / "out"], check=True)
    assert got > 0
    assert [p.name for p in host.iterdir()] == ["file"]
    assert (host / "file").read_text() == "secret\n"


# -- containers that do not run


def test_a_kept_layer_is_there_before_and_after(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    upper, work = tmp_path / "upper", tmp_path / "work"
    upper.mkdir()
    work.mkdir()
    rootfs = lc.Overlay(str(busybox_rootfs), upper=upper, work=work)
    with factory.create(new_id(), lc.Config(rootfs=rootfs)) as container:
        container.fs.write("/before", "before\n")
        assert container.fs.exists("/bin/sh")
        run = container.run(
            lc.Process(["sh", "-c", "cat /before; echo said >/after"], stdout=lc.PIPE)
        )
        assert run.communicate()[0] == b"before\n"
        run.wait()
        assert container.status() is lc.Status.STOPPED
        assert container.fs.read("/after") == b"said\n"
        container.fs.remove("/bin/sh")
        assert not container.fs.exists("/bin/sh")
    assert (busybox_rootfs / "bin" / "sh").exists()


def test_a_directory_is_there_without_a_process_and_a_lost_layer_is_not(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", busybox_rootfs, root], check=True)
    with factory.create(new_id(), lc.Config(rootfs=str(root), **USER)) as container:
        container.fs.write("/made", "x", owner=(1, 2))
        status = (root / "made").stat()
        assert (status.st_uid, status.st_gid) == (100001, 200002)
        with pytest.raises(ValueError, match="no user 70000"):
            container.fs.write("/made", "x", owner=(70000, 0))
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with factory.create(new_id(), config) as container:
        with pytest.raises(lc.UnsupportedError, match="throw-away layer"):
            container.fs.read("/made")
        container.run(lc.Process(["true"])).wait()
        with pytest.raises(lc.UnsupportedError, match="throw-away layer"):
            container.fs.listdir()


@pytest.mark.parametrize("path", ["", "a\0b", b"/x", 3])
def test_what_is_no_path_is_refused_before_anything_is_opened(
    factory: lc.Factory, busybox_rootfs: Path, path: Any
) -> None:
    config = lc.Config(rootfs=str(busybox_rootfs))
    with factory.create(new_id(), config) as container:
        for call in (container.fs.read, container.fs.stat, container.fs.mkdir):
            with pytest.raises((TypeError, ValueError)):
                call(path)
        with pytest.raises(ValueError, match="does not name an entry"):
            container.fs.remove("/bin/..")
        with pytest.raises(ValueError, match="invalid mode"):
            container.fs.open("/x", "q")


def test_several_threads_use_the_files_of_one_container(box: lc.Container) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                box.fs.write(f"/t{number}", f"{turn}\n")
                assert box.fs.read(f"/t{number}") == f"{turn}\n".encode()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
