# SPDX-License-Identifier: Apache-2.0
"""Containers that are written down and come back, by a CRIU that works here."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest

import libcontainer as lc
from libcontainer.bindings.unshare import unshare

pytestmark = pytest.mark.needs("root", "rootfs", "compiler", "criu")

# Long enough for an emulated machine.
SECONDS = 120

STREAMS: dict[str, Any] = {"stdin": lc.DEVNULL, "stdout": lc.PIPE, "stderr": lc.DEVNULL}


def numbers(handle: lc.ProcessHandle, count: int) -> list[str]:
    assert handle.stdout is not None
    return [handle.stdout.readline().decode().strip() for _ in range(count)]


def config_of(rootfs: Path, **fields: Any) -> lc.Config:
    return lc.Config(rootfs=str(rootfs), hostname="box", **fields)


def start(container: lc.Container, *words: str, **more: Any) -> lc.ProcessHandle:
    streams = {**STREAMS, **more}
    return container.run(lc.Process(["/program", *words], **streams))


def restored(
    factory: lc.Factory, config: lc.Config, image: Path, options: lc.CriuOptions
) -> lc.Container:
    process = lc.Process(["-"], **STREAMS)
    return factory.restore("back", config, image, process, options)


def test_a_counter_goes_on_where_it_was(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    config, image = config_of(rootfs), tmp_path / "image"
    with factory.create("old", config) as container:
        handle = start(container)
        first = numbers(handle, 5)
        container.checkpoint(image, options)
        assert handle.wait(SECONDS).signal == 9
        assert container.status() is lc.Status.STOPPED
        assert handle.stdout is not None
        first += handle.stdout.read().decode().split()
    with restored(factory, config, image, options) as container:
        assert container.init is not None
        more = numbers(container.init, 5)
        assert [int(n) for n in first + more] == list(range(1, len(first) + 6))
        assert container.status() is lc.Status.RUNNING
        container.init.kill()
        assert container.wait(SECONDS).signal == 9


def test_a_restored_container_is_one_like_any_other(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    limits = lc.Resources(memory="64M", pids=32)
    config, image = config_of(rootfs, resources=limits), tmp_path / "image"
    with factory.create("old", config) as container:
        start(container)
        container.checkpoint(image, options)
    with restored(factory, config, image, options) as container:
        assert container.stats().memory.limit == 64 * lc.MIB
        assert container.init is not None
        assert container.init.host_pid in container.processes()
        container.pause()
        assert container.status() is lc.Status.PAUSED
        container.resume()
        inside = container.run(lc.Process(["hostname"], stdout=lc.PIPE))
        assert inside.communicate()[0] == b"box\n"
        container.update(lc.Resources(memory="32M"))
        assert container.stats().memory.limit == 32 * lc.MIB
        own = f"/proc/{container.init.host_pid}/ns"
        for kind in ("mnt", "pid", "net", "ipc", "uts", "cgroup"):
            assert os.readlink(f"{own}/{kind}") != os.readlink(f"/proc/self/ns/{kind}")
    assert container.id not in factory


def test_a_container_can_be_left_running(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    config, image = config_of(rootfs), tmp_path / "image"
    with factory.create("old", config) as container:
        handle = start(container)
        container.checkpoint(image, attrs.evolve(options, leave_running=True))
        assert container.status() is lc.Status.RUNNING
        said = [int(n) for n in numbers(handle, 20)]
        assert said == list(range(1, 21))
        with restored(factory, config, image, options) as twin:
            assert twin.init is not None
            assert int(numbers(twin.init, 1)[0]) > 1


def test_a_tcp_connection_inside_survives(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    config, image = config_of(rootfs), tmp_path / "image"
    keeps = attrs.evolve(options, tcp_established=True)
    with factory.create("old", config) as container:
        handle = start(container, "tcp")
        numbers(handle, 3)
        with pytest.raises(lc.CriuError, match="dump"):
            container.checkpoint(tmp_path / "refused", options)
        assert container.status() is lc.Status.RUNNING
        last = int(numbers(handle, 1)[0])
        container.checkpoint(image, keeps)
        assert handle.stdout is not None
        last = int((handle.stdout.read().split() or [last])[-1])
    with restored(factory, config, image, keeps) as container:
        assert container.init is not None
        assert [int(n) for n in numbers(container.init, 3)] == [
            last + 1,
            last + 2,
            last + 3,
        ]


@pytest.mark.parametrize(
    "held", [("lock", "file_locks"), ("ghost", "link_remap")], ids=str
)
def test_what_a_program_holds_comes_back(
    factory: lc.Factory,
    rootfs: Path,
    tmp_path: Path,
    options: lc.CriuOptions,
    held: tuple[str, str],
) -> None:
    program, field = held
    config, image = config_of(rootfs), tmp_path / "image"
    takes = attrs.evolve(options, **{field: True})
    with factory.create("old", config) as container:
        handle = start(container, program)
        numbers(handle, 3)
        container.checkpoint(image, takes)
    back = takes if program == "lock" else options
    with restored(factory, config, image, back) as container:
        assert container.init is not None
        words = numbers(container.init, 2)[1].split()
        assert int(words[0]) > 3
        assert words[1:] == (["kept"] if program == "ghost" else [])


@pytest.mark.needs("criu_memory")
def test_memory_is_written_ahead(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    config = config_of(rootfs)
    (tmp_path / "images").mkdir()
    first, second = tmp_path / "images" / "first", tmp_path / "images" / "second"
    with factory.create("old", config) as container:
        handle = start(container)
        numbers(handle, 2)
        container.checkpoint(first, attrs.evolve(options, pre_dump=True))
        numbers(handle, 2)
        container.checkpoint(second, attrs.evolve(options, parent="../first"))
    assert os.readlink(second / "parent") == "../first"
    with restored(factory, config, second, options) as container:
        assert container.init is not None
        assert int(numbers(container.init, 1)[0]) > 4


def test_a_terminal_comes_back_with_its_container(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    config, image = config_of(rootfs), tmp_path / "image"
    with factory.create("old", config) as container:
        process = lc.Process(["/program"], terminal=True)
        handle = container.run(process)
        assert handle.terminal is not None
        before = os.read(handle.terminal, 4096)
        container.checkpoint(image, attrs.evolve(options, shell_job=True))
    assert b"1" in before
    job = attrs.evolve(options, shell_job=True)
    with factory.restore("back", config, image, None, job) as container:
        assert container.init is not None
        terminal = container.init.terminal
        assert terminal is not None
        text = b""
        while text.count(b"\n") < 3:
            text += os.read(terminal, 4096)
        assert int(text.split()[1]) > 1


def test_binds_and_limits_are_those_of_the_configuration(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "mark").write_text("two")
    image = tmp_path / "image"

    def bound(name: str) -> lc.Config:
        return config_of(rootfs, mounts=[lc.Mount.bind(tmp_path / name, "/data")])

    with factory.create("old", bound("one")) as container:
        start(container)
        container.checkpoint(image, options)
    with restored(factory, bound("two"), image, options) as container:
        inside = container.run(lc.Process(["cat", "/data/mark"], stdout=lc.PIPE))
        assert inside.communicate()[0] == b"two"


def test_an_image_with_more_rights_than_the_configuration_never_runs(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    image = tmp_path / "image"
    every = lc.Capabilities.of("SYS_ADMIN", "CHOWN", "KILL", "SETPCAP", "NET_RAW")
    loose = config_of(rootfs, capabilities=every, no_new_privs=False)
    canary = rootfs / "canary"
    command = ["sh", "-c", "while true; do echo x >>/canary; done"]
    with factory.create("old", loose) as container:
        container.run(lc.Process(command, **STREAMS))
        time.sleep(0.05)
        container.checkpoint(image, options)
    before = canary.read_bytes()
    with pytest.raises(lc.CriuError, match=r"no_new_privs is not set.*CAP_SYS_ADMIN"):
        restored(factory, config_of(rootfs), image, options)
    with pytest.raises(lc.CriuError, match="has no seccomp filter"):
        filtered = attrs.evolve(loose, seccomp=lc.Seccomp.default())
        restored(factory, filtered, image, options)
    assert canary.read_bytes() == before
    # The same image comes back where it is allowed to.
    with restored(factory, loose, image, options):
        deadline = time.monotonic() + SECONDS
        while canary.read_bytes() == before and time.monotonic() < deadline:
            time.sleep(0.01)
    assert canary.read_bytes() != before


@pytest.mark.parametrize(
    "forged",
    [
        ({"mounts": ["/etc/shadow"]}, "not in the configuration"),
        ({"mounts": ["/data]:/etc"]}, "in its name"),
        ({"mounts": ["/x", "/x"]}, "twice"),
        ({"streams": ["file[1:2]:/etc/shadow", None, None]}, "a key"),
        ({"streams": [None]}, "streams"),
        ({"schema": 2}, "schema"),
        ({"args": "sh"}, "must be texts"),
    ],
)
def test_a_forged_note_in_the_image_is_refused(
    factory: lc.Factory,
    rootfs: Path,
    tmp_path: Path,
    options: lc.CriuOptions,
    forged: tuple[dict[str, Any], str],
) -> None:
    change, message = forged
    image = tmp_path / "image"
    image.mkdir()
    note = {"schema": 1, "mounts": [], "streams": [None] * 3, "args": ["sh"], **change}
    (image / "libcontainer.json").write_text(json.dumps(note))
    with pytest.raises(lc.CriuError, match=message):
        restored(factory, config_of(rootfs), image, options)


def test_an_image_of_links_is_refused(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    config, image = config_of(rootfs), tmp_path / "image"
    with factory.create("old", config) as container:
        start(container)
        container.checkpoint(image, options)
    target = image / "inventory.img"
    target.rename(tmp_path / "elsewhere")
    target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(lc.CriuError, match="no plain file"):
        restored(factory, config, image, options)
    target.unlink()
    (tmp_path / "elsewhere").rename(target)
    os.chown(target, 1234, 1234)
    with pytest.raises(lc.CriuError, match="somebody else's"):
        restored(factory, config, image, options)


@pytest.mark.parametrize("name", ["core-1.img", "inventory.img", "pstree.img"])
def test_a_broken_image_leaves_nothing(
    factory: lc.Factory,
    rootfs: Path,
    tmp_path: Path,
    options: lc.CriuOptions,
    name: str,
) -> None:
    config, image = config_of(rootfs), tmp_path / "image"
    with factory.create("old", config) as container:
        start(container)
        container.checkpoint(image, options)
    data = (image / name).read_bytes()
    (image / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(lc.CriuError, match="restore"):
        restored(factory, config, image, options)
    assert factory.list() == []


def test_what_cannot_come_back_is_refused_before_criu(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    with factory.create("old", lc.Config(rootfs=lc.Overlay(str(rootfs)))) as container:
        start(container)
        with pytest.raises(lc.UnsupportedError, match="a rootfs that lasts"):
            container.checkpoint(tmp_path / "image", options)
        with pytest.raises(lc.UnsupportedError, match="install criu"):
            container.checkpoint(tmp_path / "image", lc.CriuOptions(criu="no-criu"))
        assert container.status() is lc.Status.RUNNING
    assert not (tmp_path / "image").exists()


def test_an_overlay_with_an_upper_directory_comes_back(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    (tmp_path / "upper").mkdir()
    (tmp_path / "work").mkdir()
    layers = lc.Overlay(str(rootfs), str(tmp_path / "upper"), str(tmp_path / "work"))
    config, image = lc.Config(rootfs=layers), tmp_path / "image"
    with factory.create("old", config) as container:
        start(container)
        container.run(lc.Process(["touch", "/written"])).wait()
        container.checkpoint(image, options)
    with restored(factory, config, image, options) as container:
        listing = container.run(lc.Process(["ls", "/"], stdout=lc.PIPE))
        assert "written" in listing.communicate()[0].decode().split()


def test_a_user_namespace_comes_back_with_its_maps(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    for path in (rootfs, *rootfs.rglob("*")):
        os.chown(path, 100_000, 100_000, follow_symlinks=False)
    maps = [lc.IdMapping(0, 100_000, 65_536)]
    config = config_of(
        rootfs,
        namespaces=[*lc.Config().namespaces, "user"],
        uid_mappings=maps,
        gid_mappings=maps,
    )
    image = tmp_path / "image"
    with factory.create("old", config) as container:
        start(container)
        container.checkpoint(image, options)
    with restored(factory, config, image, options) as container:
        assert container.init is not None
        assert (image.stat().st_uid, image.stat().st_mode & 0o777) == (0, 0o700)
        text = Path(f"/proc/{container.init.host_pid}/uid_map").read_text()
        assert text.split() == ["0", "100000", "65536"]
        inside = container.run(lc.Process(["id", "-u"], stdout=lc.PIPE))
        assert inside.communicate()[0] == b"0\n"


@pytest.mark.needs("nft")
def test_a_connection_over_a_bridge_survives(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    image, keeps = tmp_path / "image", attrs.evolve(options, tcp_established=True)

    def work() -> None:
        networks = [
            lc.Veth(
                bridge="lcck0",
                create_bridge=True,
                bridge_addresses=["10.77.3.1/24"],
                addresses=["10.77.3.2/24"],
                gateways=["10.77.3.1"],
            )
        ]
        config = config_of(rootfs, networks=networks)
        with ExitStack() as ends:
            server = ends.enter_context(socket.create_server(("0.0.0.0", 7001)))
            server.settimeout(SECONDS)
            with factory.create("old", config) as container:
                start(container, "talk", "10.77.3.1")
                peer = ends.enter_context(server.accept()[0])
                assert peer.getpeername()[0] == "10.77.3.2"
                peer.settimeout(SECONDS)
                first = answer(peer, 3)
                container.checkpoint(image, keeps)
            with restored(factory, config, image, keeps) as container:
                assert answer(peer, 5) == list(range(first[-1] + 1, first[-1] + 6))
                assert "eth0" in container.network_stats()

    in_new_network(work)


def answer(peer: socket.socket, count: int) -> list[int]:
    """Send every number back as the next one, as the program expects it."""
    found = []
    for _ in range(count):
        (number,) = struct.unpack("i", peer.recv(4, socket.MSG_WAITALL))
        peer.sendall(struct.pack("i", number + 1))
        found.append(number)
    return found


def in_new_network(work: Callable[[], None]) -> None:
    """Run *work* in a thread that is its own host: with ``lo`` alone."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            unshare(0x40000000)
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            work()
            links = json.loads(subprocess.check_output(["ip", "-j", "link"]))
            assert [link["ifname"] for link in links] == ["lo"]
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


def test_a_joined_network_namespace_is_joined_again(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    image = tmp_path / "image"
    with subprocess.Popen(["unshare", "--net", "sleep", "60"]) as holder:
        path = f"/proc/{holder.pid}/ns/net"
        deadline = time.monotonic() + SECONDS
        while os.readlink(path) == os.readlink("/proc/self/ns/net"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        config = config_of(rootfs, namespace_paths={"network": path})
        with factory.create("old", config) as container:
            start(container)
            container.checkpoint(image, options)
        with restored(factory, config, image, options) as container:
            assert container.init is not None
            inside = os.readlink(f"/proc/{container.init.host_pid}/ns/net")
            assert inside == os.readlink(path)
        holder.kill()
