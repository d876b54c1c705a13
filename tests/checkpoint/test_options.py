# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint can be asked for besides, each seen to make a difference."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

import libcontainer as lc
from tests.checkpoint.test_checkpoint import (
    SECONDS,
    config_of,
    in_new_network,
    numbers,
    restored,
    start,
)

pytestmark = pytest.mark.needs("root", "rootfs", "compiler", "criu")


@pytest.mark.parametrize("mode", ["soft", "full"])
def test_every_way_with_cgroups_brings_the_container_back_into_its_own(
    factory: lc.Factory,
    rootfs: Path,
    tmp_path: Path,
    options: lc.CriuOptions,
    mode: str,
) -> None:
    config, image = config_of(rootfs), tmp_path / "image"
    asked = attrs.evolve(options, manage_cgroups=mode)
    with factory.create("old", config) as container:
        numbers(start(container), 2)
        container.checkpoint(image, asked)
    with restored(factory, config, image, asked) as container:
        assert container.init is not None
        numbers(container.init, 2)
        assert container.init.host_pid in container.processes()


@pytest.mark.needs("nft")
@pytest.mark.parametrize("lock", ["nftables", "skip"])
def test_connections_are_held_in_the_way_that_is_asked_for(
    factory: lc.Factory,
    rootfs: Path,
    tmp_path: Path,
    options: lc.CriuOptions,
    lock: str,
) -> None:
    config, image = config_of(rootfs), tmp_path / "image"
    asked = attrs.evolve(options, tcp_established=True, network_lock=lock)
    with factory.create("old", config) as container:
        numbers(start(container, "tcp"), 2)
        container.checkpoint(image, asked)
    with restored(factory, config, image, asked) as container:
        assert container.init is not None
        assert len(numbers(container.init, 3)) == 3


def test_a_connection_can_come_back_closed(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    config, image = config_of(rootfs), tmp_path / "image"
    with factory.create("old", config) as container:
        numbers(start(container, "tcp"), 2)
        container.checkpoint(image, attrs.evolve(options, tcp_established=True))
    closes = attrs.evolve(options, tcp_close=True)
    with restored(factory, config, image, closes) as container:
        assert container.init is not None
        assert container.init.wait(SECONDS).returncode in {2, 3, -13}


def test_a_socket_of_outside_is_connected_again(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    (tmp_path / "sockets").mkdir()
    image = tmp_path / "image"
    # By the same name on both sides: CRIU has the one that the other end is bound to.
    place = tmp_path / "sockets"
    mounts = [lc.Mount.bind(place, place)]
    # CRIU looks for the other end in the container's own network namespace.
    shared = lc.Config().namespaces - {"network"}
    config = config_of(rootfs, mounts=mounts, namespaces=shared)
    takes = attrs.evolve(options, external_unix_sockets=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as outside:
        outside.bind(str(tmp_path / "sockets" / "numbers"))
        outside.settimeout(SECONDS)
        with factory.create("old", config) as container:
            start(container, "unix", str(place / "numbers"))
            assert struct.unpack("i", outside.recv(4)) == (1,)
            with pytest.raises(lc.CriuError):
                container.checkpoint(tmp_path / "refused", options)
            container.checkpoint(image, takes)
        last = drained(outside)
        with restored(factory, config, image, takes):
            (following,) = struct.unpack("i", outside.recv(4))
            assert following == last + 1


def drained(outside: socket.socket) -> int:
    """Return the last number that has come."""
    last = 0
    while select.select([outside], [], [], 0)[0]:
        (last,) = struct.unpack("i", outside.recv(4))
    return last


def test_a_network_can_come_back_empty(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    config, image = config_of(rootfs), tmp_path / "image"
    empty = attrs.evolve(options, empty_network=True)
    with factory.create("old", config) as container:
        numbers(start(container), 2)
        container.checkpoint(image, empty)
    with restored(factory, config, image, empty) as container:
        show = container.run(lc.Process(["ip", "addr", "show", "lo"], stdout=lc.PIPE))
        said = show.communicate()[0].decode()
        assert "lo:" in said
        assert "127.0.0.1" not in said


@contextlib.contextmanager
def page_server(criu: str, folder: Path, port: int) -> Iterator[None]:
    """Take pages for an image in *folder*."""
    command = [criu, "page-server", "-D", str(folder), "--port", str(port)]
    command += ["--address", "127.0.0.1", "-o", "server.log"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        deadline = time.monotonic() + SECONDS
        while f":{port:04X} " not in Path("/proc/thread-self/net/tcp").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield
        assert server.wait(SECONDS) == 0


def test_memory_can_go_to_a_page_server(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    image, pages = tmp_path / "image", tmp_path / "pages"
    pages.mkdir(0o700)

    def work() -> None:
        config = config_of(rootfs)
        sends = attrs.evolve(options, page_server=("127.0.0.1", 9701))
        with factory.create("old", config) as container:
            numbers(start(container), 3)
            with page_server(options.criu, pages, 9701):
                container.checkpoint(image, sends)
        moved = [path for path in pages.iterdir() if path.name.startswith("pagemap")]
        assert moved
        assert not [path for path in image.iterdir() if path.name.startswith("pages-")]
        for path in pages.glob("page*.img"):
            path.rename(image / path.name)
        with restored(factory, config, image, options) as container:
            assert container.init is not None
            assert int(numbers(container.init, 1)[0]) > 3

    in_new_network(work)


@pytest.mark.needs("criu_memory")
def test_what_a_later_image_holds_is_punched_out_of_the_earlier(
    factory: lc.Factory, rootfs: Path, tmp_path: Path, options: lc.CriuOptions
) -> None:
    (tmp_path / "images").mkdir()
    first, second = tmp_path / "images" / "first", tmp_path / "images" / "second"
    config = config_of(rootfs)

    def blocks() -> int:
        return sum(path.stat().st_blocks for path in first.glob("pages-*.img"))

    with factory.create("old", config) as container:
        numbers(start(container), 2)
        container.checkpoint(first, attrs.evolve(options, pre_dump=True))
        before = blocks()
        wishes: dict[str, Any] = {"parent": "../first", "auto_dedup": True}
        container.checkpoint(second, attrs.evolve(options, **wishes))
        assert blocks() < before
    with restored(factory, config, second, options) as container:
        assert container.init is not None
        assert int(numbers(container.init, 1)[0]) > 2
