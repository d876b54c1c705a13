# SPDX-License-Identifier: Apache-2.0
"""A list of names as the only way out, held against who wants past it."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.bindings.unshare import unshare
from libcontainer.config import config_from_json, config_to_json
from libcontainer.network.contract import check_strategy
from libcontainer.network.proxyd import (
    Asked,
    BrokenError,
    Client,
    RefusedError,
    Rules,
    is_public,
    split_authority,
)
from libcontainer.validate import validate
from tests.network.conftest import OUTSIDE, links, outside, sh

Make = Callable[..., Any]
CLONE_NEWNS = 0x20000
SITE = "203.0.113.0/24"

# -- the rules alone


def rules(*names: str, networks: tuple[str, ...] = ()) -> Rules:
    return Rules({"names": names, "networks": networks, "ports": [80, 443]})


def finds(*found: str) -> Callable[[str, int], tuple[str, ...]]:
    return lambda name, port: found


PUBLIC = "93.184.215.14"


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("example.org", "example.org"),
        ("EXAMPLE.org.", "example.org"),
        ("a.example.org", "*.example.org"),
        ("a.b.example.org", "*.example.org"),
    ],
)
def test_a_name_of_the_list_is_allowed(host: str, name: str) -> None:
    found = rules(name).addresses(host, 443, finds(PUBLIC))
    assert found == [ipaddress.ip_address(PUBLIC)]


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "badexample.org",
        "example.org.evil.net",
        "example.org..",
        "example.org@evil.net",
        "xexample.org",
        "",
        ".",
        PUBLIC,
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "::1",
        "::ffff:93.184.215.14",
        "localhost",
    ],
)
def test_everything_else_is_refused(host: str) -> None:
    allowed = rules("example.org", "*.example.org")
    with pytest.raises(RefusedError):
        allowed.addresses(host, 443, finds(PUBLIC))


def test_a_port_that_is_not_listed_is_refused() -> None:
    with pytest.raises(RefusedError, match="port 22"):
        rules("example.org").addresses("example.org", 22, finds(PUBLIC))


HIDDEN = [
    "127.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
]


@pytest.mark.parametrize("address", HIDDEN)
def test_a_name_does_not_lead_to_the_site_of_the_host(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(RefusedError, match="no public address"):
        rules("example.org").addresses("example.org", 443, finds(address))


def test_a_name_may_lead_to_a_network_of_the_list() -> None:
    allowed = rules("example.org", networks=("10.1.0.0/16",))
    found = allowed.addresses("example.org", 80, finds("10.2.0.1", "10.1.0.1"))
    assert [str(one) for one in found] == ["10.1.0.1"]
    assert allowed.addresses("10.1.0.9", 80, finds()) != []


NO_TARGETS = (
    *("host", "host:", "host:0", "host:65536", "host:99999", "a/b:80", "[x]:1"),
    *("host:80:80", "user@host:80", "höst:80", ":80", "::1:80", "a%:80", "a b:80"),
    "host:\N{FULLWIDTH DIGIT EIGHT}0",
)


@pytest.mark.parametrize("text", NO_TARGETS)
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(BrokenError):
        split_authority(text)


def asked(data: bytes) -> tuple[Asked | None, bytes]:
    """What the proxy makes of bytes of a client, and what it answers."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        client = Client(theirs, rules())
        try:
            return client._read(), b""
        except BrokenError:
            client.serve()
            theirs.shutdown(socket.SHUT_WR)
            return None, ours.recv(1000)


def test_a_request_for_a_whole_url_is_made_one_for_its_server() -> None:
    request = (
        b"GET http://example.org/a?b=http://c/ HTTP/1.1\r\nHost: other.net\r\n"
        b"Proxy-Authorization: Basic x\r\nConnection: keep-alive\r\nAccept: */*\r\n"
        b"\r\nrest"
    )
    found, _ = asked(request)
    assert found is not None
    assert (found.host, found.port) == ("example.org", 80)
    assert found.first == (
        b"GET /a?b=http://c/ HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n"
        b"Connection: close\r\n\r\nrest"
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"GET http://user@example.org/ HTTP/1.1\r\n\r\n",
        b"GET ftp://example.org/ HTTP/1.1\r\n\r\n",
        b"GET http://example.org/ HTTP/2\r\n\r\n",
        b"CONNECT example.org HTTP/1.1\r\n\r\n",
        b"CONNECT  example.org:443 HTTP/1.1\r\n\r\n",
        b"CONNECT example.org:443\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\n" + b"x" * 20000,
        b"\x05",
        b"\x05\x01\x02",
        b"\x05\x01\x00\x05\x02\x00\x01" + bytes(6),
        b"\x05\x01\x00\x05\x01\x00\x09" + bytes(6),
        b"\x05\x01\x00\x05\x01\x00\x03\x04a\x00b:\x00\x50",
        b"\x04\x01\x00\x50" + bytes(5),
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    found, _ = asked(data)
    assert found is None


def test_a_wrong_configuration_is_refused() -> None:
    def problems(*networks: Any) -> str:
        return "\n".join(str(p) for p in validate(lc.Config(networks=networks)))

    for name in ("", "*", "*.", "a..b", "a b", "1.2.3.4", "0x7f.0x1", "a/b", "x" * 254):
        text = problems(lc.Proxy(names=[name]))
        assert text.startswith("networks[0].names[0]: "), name
    assert "target_ports: leaves nothing" in problems(lc.Proxy(target_ports=[]))
    assert "target_ports[0]: must be from 1" in problems(lc.Proxy(target_ports=[0]))
    assert "port: must be from 1024" in problems(lc.Proxy(port=80))
    assert "networks[0]: must be such as" in problems(lc.Proxy(networks=["x"]))
    assert problems(lc.Proxy(), lc.Loopback(), lc.Dummy(name="d0")) == ""
    for around in (lc.Veth(), lc.Pasta(), lc.Proxy(port=3129)):
        assert "is a way around the proxy" in problems(lc.Proxy(), around)


def test_its_configuration_comes_back() -> None:
    proxy = lc.Proxy(names="a.example", target_ports=[8443], port=4000)
    config = lc.Config(networks=[proxy])
    text = json.dumps(config_to_json(config))
    assert config_from_json(json.loads(text)) == config
    assert proxy.environment["https_proxy"] == "http://127.0.0.1:4000"


# -- the proxy of a container

real = pytest.mark.needs("root", "rootfs")
SERVE = (
    "import http.server, sys\n"
    "class Handler(http.server.BaseHTTPRequestHandler):\n"
    "    def do_GET(self):\n"
    "        self.send_response(200)\n"
    "        self.end_headers()\n"
    "        self.wfile.write(f'{self.headers[\"Host\"]} {self.path}\\n'.encode())\n"
    "    def log_message(self, *args): pass\n"
    "server = http.server.HTTPServer(('203.0.113.9', 80), Handler)\n"
    "print('ready', flush=True)\n"
    "server.serve_forever()\n"
)


def know(folder: Path, text: str) -> None:
    """Let the host of this thread know names."""
    unshare(CLONE_NEWNS)
    sh("mount", "--make-rprivate", "/")
    (folder / "hosts").write_text(text)
    sh("mount", "--bind", str(folder / "hosts"), "/etc/hosts")


class Site:
    """An outside with a web server, and names for it."""

    def __init__(self, folder: Path) -> None:
        know(
            folder,
            f"{OUTSIDE} good.example bad.example deep.good.example\n"
            "127.0.0.1 localhost rebind.example\n",
        )


@pytest.fixture
def site(tmp_path: Path) -> Callable[[], Iterator[None]]:
    import contextlib

    @contextlib.contextmanager
    def make() -> Iterator[None]:
        Site(tmp_path)
        with outside() as there:
            command = [*there, sys.executable, "-c", SERVE]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
                assert server.stdout is not None
                try:
                    assert server.stdout.readline() == b"ready\n"
                    yield
                finally:
                    server.kill()

    return make


PROXY = lc.Proxy(
    names=["good.example", "*.good.example", "rebind.example"], networks=[SITE]
)


def ask(one: Any, *lines: str) -> str:
    """What the proxy answers to lines of a request."""
    text = "\\r\\n".join([*lines, "", ""])
    said = one.sh(f"printf '{text}' | nc -w5 127.0.0.1 3128", expect=None)
    return str(said).replace("\r\n", "\n")


@real
def test_only_the_names_of_the_list_are_reached(
    box: Make, gone: Make, site: Make
) -> None:
    with site():
        one = box(PROXY)
        for host in ("good.example", "deep.good.example"):
            said = ask(one, f"GET http://{host}/page HTTP/1.1")
            assert said.startswith("HTTP/1.0 200 OK\n")
            assert said.endswith(f"\n\n{host} /page\n")
        said = ask(one, "GET http://bad.example/page HTTP/1.1")
        assert said.startswith("HTTP/1.1 403 Forbidden\n")
        assert said.endswith("libcontainer proxy: bad.example is not in the list\n")
        # By address, because its network is listed.
        assert "/page" in ask(one, f"GET http://{OUTSIDE}/page HTTP/1.1")
        said = ask(
            one,
            "CONNECT good.example:80 HTTP/1.1",
            "",
            "GET /x HTTP/1.0",
            "Host: y",
        )
        assert said.startswith("HTTP/1.1 200 Connection established\n\nHTTP/1.0 200")
        assert said.endswith("y /x\n")
        gone(one)


@real
def test_there_is_no_way_around_it(box: Make, gone: Make, site: Make) -> None:
    with site(), socket.create_server(("127.0.0.1", 80)) as secret:
        secret.setblocking(False)
        one = box(PROXY)
        assert one.sh("ls /sys/class/net") == "lo\n"
        assert one.sh("ip route") == ""
        for attempt in (
            f"nc -w2 {OUTSIDE} 80 </dev/null",
            f"ping -c1 -W1 {OUTSIDE}",
            "nslookup good.example 203.0.113.9",
            "ping6 -c1 -W1 2001:db8::9",
            "ip route add default dev lo && nc -w2 203.0.113.9 80 </dev/null",
        ):
            one.sh(f"timeout 5 sh -c '{attempt}'", expect=None)
            assert "page" not in one.sh(f"timeout 5 sh -c '{attempt}'", expect=None)
        # The host's own loopback, by a name that is allowed, by number, by tricks.
        for target in (
            "rebind.example:80",
            "127.0.0.1:80",
            "[::1]:80",
            "[::ffff:127.0.0.1]:80",
            "0.0.0.0:80",
            "2130706433:80",
            "localhost:80",
            "good.example:22",
            "10.0.0.1:80",
        ):
            said = ask(one, f"CONNECT {target} HTTP/1.1")
            assert said.startswith("HTTP/1.1 403 "), (target, said)
        with pytest.raises(BlockingIOError):
            secret.accept()
        gone(one)


SOCKS = (
    "printf '\\005\\001\\000\\005\\001\\000\\003\\014{}\\000\\120GET / HTTP/1.0\\r\\n"
    "Host: s\\r\\n\\r\\n' | nc -w5 127.0.0.1 3128 | tail -c +13"
)


@real
def test_it_speaks_socks(box: Make, gone: Make, site: Make) -> None:
    with site():
        one = box(PROXY)
        assert one.sh(SOCKS.format("good.example")).endswith("s /\n")
        assert one.sh(SOCKS.format("evil.example")) == ""
        gone(one)


@real
def test_it_is_nobody_and_has_nothing(box: Make, gone: Make, site: Make) -> None:
    with site():
        one = box(PROXY)
        _, record = one.container.state().companions
        status = Path(f"/proc/{record.host_pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        assert fields["Uid"].split() == ["65534"] * 4
        assert fields["Gid"].split() == ["65534"] * 4
        assert fields["Groups"].split() == []
        assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
        folder = f"/proc/{record.host_pid}/fd"
        kinds = [os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder)]
        # Rules, the word that it was ready, messages, and the socket it listens on.
        assert len(kinds) == 4, kinds
        gone(one)


@real
def test_many_connections_at_once(box: Make, gone: Make, site: Make) -> None:
    with site():
        one = box(PROXY)
        # More than it answers at once: those that say nothing are in the way for a
        # while only, and are let go of when they end.
        one.sh(
            "for i in $(seq 150); do nc 127.0.0.1 3128 </dev/zero >/dev/null & done;"
            " sleep 1; kill $(jobs -p); wait"
        )
        assert one.sh(SOCKS.format("good.example")).endswith("s /\n")
        gone(one)


@real
def test_it_ends_with_the_container_and_keeps_the_contract(
    factory: lc.Factory,
) -> None:
    check_strategy(PROXY, factory, links)


@real
def test_the_caller_may_end_before(factory: lc.Factory, state_root: Path) -> None:
    script = (
        "import sys, libcontainer as lc\n"
        "factory = lc.Factory(sys.argv[1])\n"
        "config = lc.Config(networks=[lc.Proxy()])\n"
        "box = factory.create('left', config)\n"
        "box.run(lc.Process(['sleep', '1000']), detach=True)\n"
    )
    sh(sys.executable, "-c", script, str(state_root))
    with factory.load("left") as container:
        pids = [record.host_pid for record in container.state().companions]
        assert all(Path(f"/proc/{pid}/exe").exists() for pid in pids)
        ask = ["sh", "-c", "echo | nc -w2 127.0.0.1 3128"]
        busybox = ["busybox", *ask]
        process = container.exec(lc.Process(busybox, stdout=lc.PIPE))
        out, _ = process.communicate()
        process.wait()
        assert out is not None
        assert out.startswith(b"HTTP/1.1 400 ")
    assert not any(Path(f"/proc/{pid}/exe").exists() for pid in pids)


ROOTLESS = """
import json, os, sys
import libcontainer as lc

spaces = [*lc.Config().namespaces, "user"]
config = lc.Config(
    rootfs=lc.Overlay(sys.argv[1]), networks=[lc.Proxy(names=["good.example"])],
    namespaces=spaces,
    uid_mappings=[lc.IdMapping(0, os.getuid(), 1)],
    gid_mappings=[lc.IdMapping(0, os.getgid(), 1)],
)
with lc.Factory() as factory, factory.create("rootless", config) as container:
    script = "printf 'CONNECT bad.example:443 HTTP/1.1\\r\\n\\r\\n' | nc 127.0.0.1 3128"
    process = lc.Process(["sh", "-c", script], stdout=lc.PIPE)
    handle = container.run(process)
    print(handle.communicate()[0].decode().splitlines()[0])
    handle.wait()
"""


@real
@pytest.mark.needs("userns")
def test_no_privilege_is_needed(
    unprivileged: Make, busybox_rootfs: Path, tmp_path: Path
) -> None:
    from tests.network.test_usermode import open_to_users

    open_to_users(tmp_path)
    done = unprivileged(ROOTLESS, str(busybox_rootfs))
    assert done.stdout == "HTTP/1.1 403 Forbidden\n", done.stderr
