# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks network`: what a veth costs, against none and against ip(8)."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType

from benchmarks.bundle import PROGRAM, Bundle, make_bundle
from benchmarks.contender import LaunchError, MissingError
from benchmarks.ours import import_library
from benchmarks.output import say
from benchmarks.sampling import rotations
from benchmarks.stats import Summary, ratio, summarise
from benchmarks.table import Cell, format_table

BRIDGE = "lcbench0"
GATEWAY, ADDRESS = "10.97.0.1", "10.97.0.2/24"
PAIR = ("lcbench1", "lcbench2")
NONE, VETH, IP, BATCH = "no network", "veth", "ip, six times", "ip -batch, twice"

Times = Mapping[str, list[tuple[float, float]]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of this benchmark."""
    parser.add_argument("--runs", type=int, default=40, help="samples of each")


def ip(*words: str, said: str | None = None) -> None:
    """Run the command; *said* is its standard input."""
    done = subprocess.run(
        ["ip", *words], input=said, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LaunchError(f"ip {' '.join(words)}: {done.stderr.strip()}")


@contextlib.contextmanager
def bridge() -> Iterator[None]:
    """Make the bridge that all are connected to."""
    try:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
    except FileNotFoundError as error:
        raise MissingError("ip: apt-get install iproute2") from error
    try:
        yield
    finally:
        ip("link", "del", BRIDGE)


class Containers:
    """create and run of one container, then delete: two times, in milliseconds."""

    def __init__(self, bundle: Bundle, library: ModuleType) -> None:
        self._lc = library
        self._factory = library.Factory(str(bundle.state("net")), cgroups="disabled")
        rootfs = str(bundle.rootfs)
        link = library.Veth(bridge=BRIDGE, addresses=ADDRESS, gateways=GATEWAY)
        self._configs = {
            NONE: library.Config(rootfs=rootfs),
            VETH: library.Config(rootfs=rootfs, networks=[link]),
        }

    def sample(self, name: str) -> tuple[float, float]:
        """Launch one and take it down."""
        begin = time.perf_counter()
        container = self._factory.create("net", self._configs[name])
        try:
            process = container.run(self._lc.Process([PROGRAM]))
            made = time.perf_counter()
            process.wait()
        finally:
            ended = time.perf_counter()
            container.delete(force=True)
        return (made - begin) * 1000, (time.perf_counter() - ended) * 1000


@contextlib.contextmanager
def namespace() -> Iterator[str]:
    """Yield the pid of a process in a network namespace of its own."""
    script = "echo; exec sleep 1000"
    command = ["unshare", "--net", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout is not None:
                process.stdout.readline()
            yield str(process.pid)
        finally:
            process.kill()


def by_ip(pid: str) -> None:
    """Connect a namespace by one command a step, as a script does."""
    outer, inner = PAIR
    enter = ["nsenter", "-t", pid, "-n", "ip"]
    peer = ("type", "veth", "peer", "name", inner, "netns", pid)
    ip("link", "add", outer, *peer)
    ip("link", "set", outer, "master", BRIDGE)
    ip("link", "set", outer, "up")
    subprocess.run([*enter, "addr", "add", ADDRESS, "dev", inner], check=True)
    subprocess.run([*enter, "link", "set", inner, "up"], check=True)
    subprocess.run([*enter, "route", "add", "default", "via", GATEWAY], check=True)


def by_batch(pid: str) -> None:
    """Connect a namespace by two processes that are told all of it."""
    outer, inner = PAIR
    ip(
        "-batch",
        "-",
        said=f"link add {outer} type veth peer name {inner} netns {pid}\n"
        f"link set {outer} master {BRIDGE}\nlink set {outer} up\n",
    )
    subprocess.run(
        ["nsenter", "-t", pid, "-n", "ip", "-batch", "-"],
        input=f"addr add {ADDRESS} dev {inner}\nlink set {inner} up\n"
        f"route add default via {GATEWAY}\n",
        text=True,
        check=True,
    )


def sample_ip(connect: Callable[[str], None]) -> tuple[float, float]:
    """Connect a namespace and disconnect it; the namespace itself is not counted."""
    with namespace() as pid:
        begin = time.perf_counter()
        connect(pid)
        made = time.perf_counter()
        ip("link", "del", PAIR[0])
        return (made - begin) * 1000, (time.perf_counter() - made) * 1000


def network_table(times: Times) -> str:
    """Return the table: medians, what a veth adds, how many times as much ip takes."""
    figures = {
        name: tuple(summarise([one[way] for one in values]) for way in (0, 1))
        for name, values in times.items()
    }
    added = [_less(of, to) for of, to in zip(figures[VETH], figures[NONE], strict=True)]
    rows = [_row(name, *both) for name, both in figures.items()]
    rows.append(_row("veth adds", *added))
    head = ["network", "n", "up: min ms", "median", "down: min ms", "median"]
    compared = [
        f"{name} takes {ratio(figures[name][0], added[0]) or 0:.1f} times what a veth"
        " adds"
        for name in (IP, BATCH)
        if name in figures
    ]
    return "\n".join([format_table(head, rows), *compared])


def _row(name: str, up: Summary, down: Summary) -> list[Cell]:
    return [name, up.count, up.minimum, up.median, down.minimum, down.median]


def _less(one: Summary, other: Summary) -> Summary:
    return Summary(
        one.count, one.minimum - other.minimum, one.median - other.median, 0.0
    )


def run(options: argparse.Namespace) -> int:
    """Measure, in turn, and print the table; return the exit status."""
    times: dict[str, list[tuple[float, float]]] = {}
    with make_bundle() as bundle, bridge():
        containers = Containers(bundle, import_library())
        samplers: dict[str, Callable[[], tuple[float, float]]] = {
            NONE: lambda: containers.sample(NONE),
            VETH: lambda: containers.sample(VETH),
            IP: lambda: sample_ip(by_ip),
            BATCH: lambda: sample_ip(by_batch),
        }
        for sampler in samplers.values():
            sampler()
        for order in rotations(list(samplers), options.runs):
            for name in order:
                times.setdefault(name, []).append(samplers[name]())
    say(network_table({name: times[name] for name in samplers}) + "\n")
    return 0
