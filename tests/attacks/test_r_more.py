# SPDX-License-Identifier: Apache-2.0
"""F, H, P, S, X: the rest of the corpus that needs a launch."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.attacks.conftest import HANG_SECONDS, SECRET, Attempt, Canary
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")


# -- P: paths and mounts


def test_p15_the_console_is_the_terminal_itself(
    factory: lc.Factory, image: Path
) -> None:
    """Whatever the image has as /dev/pts/N or /dev/console, the terminal is ours."""
    for name in ("pts", "pts/0", "console", "ptmx"):
        path = image / "dev" / name
        path.parent.mkdir(exist_ok=True)
        path.mkdir() if name == "pts" else path.write_text("fake")
    process = lc.Process(["busybox", "stat", "-L", "-c", "%t:%T", "/proc/self/fd/0",
                          "/dev/console"], terminal=True)  # fmt: skip
    with (
        factory.create(new_id(), lc.Config(rootfs=str(image))) as container,
        container.run(process) as handle,
    ):
        assert handle.terminal is not None
        handle.wait(HANG_SECONDS)
        said = os.read(handle.terminal, 200).decode().split()
    # Both are the same slave of a pty (major 136).
    assert said[0] == said[1]
    assert said[0].startswith("88:")


def test_p16_a_volume_with_a_proc_of_its_own_in_two_containers(
    factory: lc.Factory, image: Path, public_tmp: Path, canary: Canary
) -> None:
    """What one plants in a shared volume does not redirect what the other writes."""
    volume = public_tmp / f"volume-{new_id()}"
    volume.mkdir()
    (volume / "self").symlink_to(canary.path)
    (volume / "sys").symlink_to(canary.path)
    (volume / "proc").symlink_to("/proc")
    for where in ("/mnt", "/mnt/proc"):
        config = lc.Config(rootfs=str(image), sysctl={"net.ipv4.ip_forward": "1"},
                           mounts=[lc.Mount.bind(str(volume), "/mnt")])  # fmt: skip
        words = ["cat", "/proc/sys/net/ipv4/ip_forward"]
        process = lc.Process(words, stdout=lc.PIPE, stdin=lc.DEVNULL)
        with (
            factory.create(new_id(), config) as container,
            container.run(process) as handle,
        ):
            out, _ = handle.communicate(timeout=HANG_SECONDS)
        assert out == b"1\n", where
    subprocess.run(["rm", "-rf", volume], check=True)


def test_p21_flags_that_a_user_namespace_locks_stay(
    attempt: Attempt, bait: Path, mounted: Callable[[Path], None]
) -> None:
    mounted(bait / "folder")
    subprocess.run(["mount", "-o", "remount,ro,nosuid", bait / "folder"], check=True)
    maps = [lc.IdMapping(0, 100000, 65536)]
    done = attempt(
        *("sh", "-c", "mount -o remount,bind,rw,suid /mnt 2>&1; busybox touch /mnt/x"),
        namespaces=[*lc.Config().namespaces, "user"],
        uid_mappings=maps,
        gid_mappings=maps,
        capabilities=["SYS_ADMIN"],
        mounts=[lc.Mount.bind(str(bait / "folder"), "/mnt", read_only=True)],
    )
    assert done.refused or done.code != 0
    assert os.listdir(bait / "folder") == []


def test_p23_p24_a_source_that_the_image_swaps_is_the_one_that_was_opened(
    factory: lc.Factory, image: Path, public_tmp: Path, canary: Canary
) -> None:
    """A source is opened once, before the container; a later swap is not seen."""
    source = public_tmp / f"source-{new_id()}"
    source.mkdir()
    (source / "name").write_text("first")
    config = lc.Config(rootfs=str(image), mounts=[lc.Mount.bind(str(source), "/mnt")])
    words = lc.Process(["cat", "/mnt/name", "/mnt/secret"], stdout=lc.PIPE,
                       stderr=lc.DEVNULL, stdin=lc.DEVNULL)  # fmt: skip
    with (
        factory.create(new_id(), config) as container,
        container.prepare(words) as handle,
    ):
        source.rename(source.with_suffix(".old"))
        source.symlink_to(canary.path)
        container.start()
        out, _ = handle.communicate(timeout=HANG_SECONDS)
    assert out == b"first"
    source.unlink()
    subprocess.run(["rm", "-rf", source.with_suffix(".old")], check=True)


@pytest.mark.parametrize(
    "name", ["a:b", "a,b", "a\\b", "a=b", "a b", "lowerdir=x", '"']
)
def test_p26_names_of_layers_mean_themselves(
    attempt: Attempt, public_tmp: Path, image: Path, name: str
) -> None:
    layer = public_tmp / f"layer-{new_id()}" / name
    layer.mkdir(parents=True)
    (layer / "marked").write_text("yes")
    done = attempt("cat", "/marked", rootfs=lc.Overlay([str(layer), str(image)]))
    assert done.out == "yes"


@pytest.mark.parametrize(
    "maps",
    [
        [(0, 0, 10), (5, 100, 10)],
        [(0, 0, 10), (20, 5, 10)],
        [(0, 0, 0)],
        [(0, 2**32 - 2, 10)],
        [(2**32 - 1, 0, 1)],
    ],
)
def test_p31_an_id_mapped_mount_with_a_map_that_is_none_is_refused(
    attempt: Attempt, bait: Path, maps: list[tuple[int, int, int]]
) -> None:
    words = "idmap=uids=" + "#".join(f"{a}-{b}-{c}" for a, b, c in maps)
    words += ";gids=0-0-1"
    try:
        mount = lc.Mount.from_options("bind", str(bait), "/mnt", ["bind", words])
    except (lc.ConfigError, ValueError):
        return
    assert attempt("true", mounts=[mount]).refused


def test_p33_what_is_covered_stays_covered(attempt: Attempt, image: Path) -> None:
    """No mount of ours lies over a secret that unmounting would uncover."""
    (image / "mnt" / "below").write_text("below")
    done = attempt(
        *("sh", "-c", "busybox umount /mnt 2>&1; busybox umount -l /mnt 2>&1; ls /mnt"),
        mounts=[lc.Mount.tmpfs("/mnt")],
    )
    assert "below" not in done.out


@pytest.mark.parametrize("tail", ["/", "//", "/.", "/./", "/../x/"])
def test_p36_a_slash_behind_a_link_changes_nothing(
    attempt: Attempt, image: Path, canary: Canary, tmp_path: Path, tail: str
) -> None:
    (image / "x").symlink_to(canary.path)
    done = attempt("true", mounts=[lc.Mount.bind(str(tmp_path), f"/x{tail}")])
    assert done.refused or done.code == 0
    done = attempt("cat", "secret", process={"cwd": f"/x{tail}"})
    assert SECRET not in done.out


# -- F: descriptors


def test_f05_a_directory_that_is_passed_is_what_was_asked_for(
    factory: lc.Factory, image: Path, canary: Canary
) -> None:
    """Only descriptors that are named are there; a name is the caller's own word."""
    held = os.open(canary.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        outcomes = []
        for fds in ((), (held,)):
            words = lc.Process(["sh", "-c", f"cat /proc/self/fd/{held}/secret"],
                               stdout=lc.PIPE, stderr=lc.DEVNULL, stdin=lc.DEVNULL,
                               pass_fds=fds)  # fmt: skip
            with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
                try:
                    with container.run(words) as handle:
                        out, _ = handle.communicate(timeout=HANG_SECONDS)
                except lc.ConfigError:
                    out = b""
            outcomes.append(SECRET.encode() in (out or b""))
    finally:
        os.close(held)
    assert outcomes[0] is False


def test_f06_the_runtime_cannot_be_overwritten_from_inside(
    factory: lc.Factory, image: Path
) -> None:
    """CVE-2019-5736: the program is a link to the runtime's own file."""
    (image / "bin" / "evil").write_text("#!/proc/self/exe\n")
    (image / "bin" / "evil").chmod(0o755)
    (image / "bin" / "link").symlink_to("/proc/self/exe")
    helper = Path(lc.__file__).parent
    before = {p: p.stat().st_mtime_ns for p in helper.glob("*.so")}
    script = (
        "for p in /proc/[0-9]*/exe; do (echo x > $p) 2>/dev/null && echo wrote; done"
    )
    for args in (["/bin/evil"], ["/bin/link"], ["sh", "-c", script]):
        words = lc.Process(args, stdout=lc.PIPE, stderr=lc.DEVNULL, stdin=lc.DEVNULL)
        with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
            try:
                with container.run(words) as handle:
                    out, _ = handle.communicate(timeout=HANG_SECONDS)
            except lc.LibcontainerError:
                continue
        assert b"wrote" not in (out or b"")
    assert {p: p.stat().st_mtime_ns for p in helper.glob("*.so")} == before


def test_f11_a_mounted_socket_passes_what_the_kernel_lets_it(
    factory: lc.Factory, image: Path, public_tmp: Path
) -> None:
    """A socket of the host in the container is a way for descriptors: as asked for."""
    path = public_tmp / f"socket-{new_id()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        bind = lc.Mount.bind(str(path), "/mnt/socket")
        (image / "mnt" / "socket").write_text("")
        config = lc.Config(rootfs=str(image), mounts=[bind])
        words = ["busybox", "sh", "-c", "echo hello | busybox nc local:/mnt/socket"]
        with factory.create(new_id(), config) as container:
            container.run(lc.Process(words, stdin=lc.DEVNULL)).wait(HANG_SECONDS)
    path.unlink()


# -- H: hooks and tools


@pytest.mark.parametrize(
    "path", ["hook", "./hook", "", "/bin", "/etc/passwd", "/no", "a\0"]
)
def test_h04_a_hook_that_is_no_program_is_refused_or_fails(
    attempt: Attempt, path: str
) -> None:
    done = attempt("true", hooks=lc.Hooks(create_runtime=(lc.Hook(path),)))
    assert isinstance(done.error, (lc.ConfigError, lc.HookError))


def test_h07_tools_of_the_image_or_of_the_directory_are_not_run(
    image: Path, public_tmp: Path, state_root: Path
) -> None:
    """PATH begins with a dot, and every tool that we could want lies in the way."""
    folder = public_tmp / f"tools-{new_id()}"
    folder.mkdir()
    for name in ("newuidmap", "newgidmap", "ip", "nft", "mount", "nsenter", "busybox"):
        (folder / name).write_text(f"#!/bin/sh\n: > {folder}/ran-{name}\n")
        (folder / name).chmod(0o755)
    script = (
        "import sys, libcontainer as lc\n"
        "maps = [lc.IdMapping(0, 100000, 65536)]\n"
        "config = lc.Config(rootfs=sys.argv[1], uid_mappings=maps, gid_mappings=maps,"
        " namespaces=[*lc.Config().namespaces, 'user'])\n"
        "with lc.Factory(sys.argv[2]) as f, f.create('box', config) as c:\n"
        "    c.run(lc.Process(['/bin/true'], stdin=lc.DEVNULL)).wait(10)\n"
    )
    state_root.chmod(0o700)
    command = [sys.executable, "-W", "ignore", "-I", "-c", script, image, state_root]
    subprocess.run(command, check=True, cwd=folder, env={"PATH": f".::{folder}"})
    assert [p.name for p in folder.iterdir() if p.name.startswith("ran-")] == []
    subprocess.run(["rm", "-rf", folder], check=True)


def test_h09_data_is_never_an_option_of_the_helper(attempt: Attempt) -> None:
    """CVE-2024-32462: what is given goes by the plan, not by its arguments."""
    done = attempt("/test_init", "--exit", "3", "--bind", "/", process={"cwd": "/"})
    assert done.code == 3
    for name in ("--help", "-v", "--", "-"):
        assert attempt(name).refused


# -- S: what a filter is made of


@pytest.mark.parametrize("count", [100, 1000, 10_000])
def test_s10_a_filter_of_any_size_is_taken_or_refused(
    attempt: Attempt, count: int
) -> None:
    rules = [
        {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [
            {"index": 0, "value": n, "op": "SCMP_CMP_EQ"}]}
        for n in range(100_000, 100_000 + count)
    ]  # fmt: skip
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}
    done = attempt("true", seccomp=lc.Seccomp.from_json(profile))
    if count >= 10_000:
        assert done.refused
    assert done.refused or done.code == 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_s08_a_listener_that_dies_lets_nobody_hang(
    factory: lc.Factory, image: Path
) -> None:
    """The call of the program fails or waits; the container can be ended."""
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}]}  # fmt: skip

    def dies(*_: Any) -> None:
        raise SystemExit

    config = lc.Config(rootfs=str(image), seccomp=lc.Seccomp.from_json(profile))
    words = lc.Process(["mkdir", "/mnt/x"], stdin=lc.DEVNULL, notify=dies,
                       stderr=lc.DEVNULL)  # fmt: skip
    begun = time.monotonic()
    with factory.create(new_id(), config) as container:
        handle = container.run(words)
        time.sleep(0.3)
        container.delete(force=True)
        handle.close()
    assert time.monotonic() - begun < HANG_SECONDS


# -- X: joining


def test_x04_a_paused_container_takes_nobody(factory: lc.Factory, image: Path) -> None:
    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        container.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        try:
            container.pause()
        except lc.UnsupportedError:
            return
        with pytest.raises(lc.StateError):
            container.exec(lc.Process(["true"]))
        container.resume()
        assert container.exec(lc.Process(["true"])).wait(HANG_SECONDS).code == 0


def test_x14_a_joined_process_that_is_dropped_does_not_stop_a_delete(
    factory: lc.Factory, image: Path
) -> None:
    """Another object of the same container reaps what this one has let go of."""
    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        container.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        container.exec(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        begun = time.monotonic()
        factory.load(container.id).delete(force=True)
        assert time.monotonic() - begun < HANG_SECONDS / 2
