# SPDX-License-Identifier: Apache-2.0
"""Pods: containerd's CRI plugin, as a kubelet calls it, with our containers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs import blocks
from tests.engines.images import write_image
from tests.engines.world import World

pytestmark = [pytest.mark.engines, pytest.mark.needs("containerd", "cni", "grpc")]

SOCKET = "/run/containerd/socket"
HANDLER = "libcontainer"
PLACE = "/usr/local/bin/libcontainer"
IMAGE = "example.org/box:latest"
PAUSE = "example.org/pause:1"
POD, CONTAINER = 0, 1
MIB = 1 << 20
PAGE = Path(__file__).parents[2].joinpath("docs", "how", "kubernetes.md").read_text()
BLOCKS = {word: text for word, text, *_ in blocks.fences(PAGE)}
# What the page says, and what is of this machine: after the first line, and at the end.
FIRST = """
oom_score = 0
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.devmapper"]
"""
LAST = """
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{data}/cni"
"""
NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            "ipam": {"type": "host-local", "subnet": "10.88.0.0/24"},
        }
    ],
}


class Node:
    """A node of a cluster: containerd, as its kubelet sees it."""

    def __init__(self, world: World, cri: Any) -> None:
        self.world = world
        self.cri = cri

    def config(self, name: str) -> dict[str, Any]:
        """Return the configuration of a pod whose containers share their pids."""
        options = {"network": POD, "pid": POD, "ipc": POD}
        return {
            "metadata": {"name": name, "uid": f"uid-{name}", "namespace": "default"},
            "hostname": name,
            "log_directory": str(self.world.data / "logs"),
            "linux": {
                "cgroup_parent": f"/kubepods/{name}",
                "security_context": {"namespace_options": options},
            },
        }

    def start(self, pod: str, name: str, *command: str, memory: int = 0) -> str:
        """Start a container in a pod; return its id."""
        config = {
            "metadata": {"name": name},
            "image": {"image": IMAGE},
            "command": list(command),
            "log_path": f"{name}.log",
            "linux": {
                "resources": {"memory_limit_in_bytes": memory},
                "security_context": {"namespace_options": {"pid": POD}},
            },
        }
        made = self.cri(
            "CreateContainer",
            pod_sandbox_id=pod,
            config=config,
            sandbox_config=self.config("pod"),
        ).container_id
        self.cri("StartContainer", container_id=made)
        return str(made)

    def status(self, container: str) -> Any:
        """Return how a container is."""
        return self.cri("ContainerStatus", container_id=container).status

    def ended(self, container: str) -> Any:
        """Wait for the end of a container; return how it is."""
        deadline = time.monotonic() + 30
        while (status := self.status(container)).state != 2:
            assert time.monotonic() < deadline, status
            time.sleep(0.1)
        return status

    def said(self, container: str, *command: str) -> str:
        """Return what a command in a container prints."""
        done = self.cri("ExecSync", container_id=container, cmd=command, timeout=30)
        assert done.exit_code == 0, done
        return str(done.stdout.decode())


@pytest.fixture(scope="module")
def node(
    world: World, runtime: str, image_tree: Path, public_tmp: Path
) -> Iterator[Node]:
    """A node whose containerd has the images."""
    from tests.engines.cri import Cri

    world.run("mkdir", "-p", world.data / "cni", world.data / "logs")
    world.run("tee", world.data / "cni" / "1.conflist", input=json.dumps(NETWORK))
    conf = world.data / "containerd.toml"
    first, rest = BLOCKS["toml"].split("\n", 1)
    text = f"{first}\n{FIRST}{rest}{LAST.format(pause=PAUSE, data=world.data)}"
    assert f'BinaryName = "{PLACE}"' in text
    text = text.replace(PLACE, runtime)
    world.run("tee", conf, input=text)
    log = public_tmp / "containerd.log"
    daemon = world.start(
        *("containerd", "--config", conf, "--root", world.data / "containerd"),
        *("--state", "/run/containerd/state", "--address", SOCKET),
        log=log,
    )
    ctr = ("ctr", "--address", SOCKET, "--namespace", "k8s.io")
    deadline = time.monotonic() + 60
    while world.run(*ctr, "version").returncode != 0:
        assert daemon.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    for name, command in ((IMAGE, ["sh"]), (PAUSE, ["sleep", "1000000"])):
        archive = write_image(world, image_tree, name, command)
        done = world.run(*ctr, "images", "import", archive)
        assert done.returncode == 0, done.stderr
    cri = Cri(f"/proc/{world.pid}/root{SOCKET}")
    yield Node(world, cri)
    cri.close()
    daemon.terminate()
    daemon.wait(30)


@pytest.fixture(scope="module")
def pod(node: Node) -> Iterator[str]:
    """A pod; it is stopped and removed at the end."""
    config = node.config("pod")
    made = node.cri("RunPodSandbox", config=config, runtime_handler=HANDLER)
    yield made.pod_sandbox_id
    node.cri("StopPodSandbox", pod_sandbox_id=made.pod_sandbox_id)
    node.cri("RemovePodSandbox", pod_sandbox_id=made.pod_sandbox_id)


@pytest.fixture(scope="module")
def first(node: Node, pod: str) -> str:
    """A container of the pod."""
    return node.start(pod, "first", "sleep", "1000", memory=64 * MIB)


@pytest.fixture(scope="module")
def second(node: Node, pod: str) -> str:
    """Another one."""
    return node.start(pod, "second", "sleep", "2000")


def test_the_node_is_ready(node: Node) -> None:
    conditions = node.cri("Status").status.conditions
    assert {c.type: c.status for c in conditions} == {
        "RuntimeReady": True,
        "NetworkReady": True,
    }


def test_a_pod_is_ready_and_has_an_address(node: Node, pod: str) -> None:
    status = node.cri("PodSandboxStatus", pod_sandbox_id=pod).status
    assert (status.state, status.runtime_handler) == (0, HANDLER)
    assert status.network.ip.startswith("10.88.0.")


def test_containers_of_a_pod_share_what_a_pod_shares(
    node: Node, first: str, second: str
) -> None:
    def namespaces(container: str) -> dict[str, str]:
        names = ("net", "ipc", "pid", "uts", "mnt", "cgroup")
        paths = [f"/proc/self/ns/{name}" for name in names]
        lines = node.said(container, "stat", "-c", "%N", *paths).splitlines()
        return {line.split("'")[1].rpartition("/")[2]: line for line in lines}

    one, two = namespaces(first), namespaces(second)
    assert {name for name in one if one[name] == two[name]} >= {"net", "ipc", "pid"}
    assert one["mnt"] != two["mnt"]


def test_they_see_each_other(node: Node, first: str, second: str) -> None:
    assert "sleep 1000" in node.said(second, "ps", "-o", "args")
    assert "sleep 2000" in node.said(first, "ps", "-o", "args")
    assert node.said(first, "hostname") == "pod\n"


def test_they_talk_by_the_pods_loopback(node: Node, first: str, second: str) -> None:
    script = "mkdir -p /tmp/w && echo by loopback >/tmp/w/x && httpd -p 8080 -h /tmp/w"
    node.said(second, "sh", "-c", script)
    url = "http://127.0.0.1:8080/x"
    assert node.said(first, "wget", "-q", "-O", "-", url) == "by loopback\n"


def test_the_node_reaches_the_pod(node: Node, pod: str, second: str) -> None:
    script = "mkdir -p /tmp/v && echo by address >/tmp/v/x && httpd -p 8081 -h /tmp/v"
    node.said(second, "sh", "-c", script)
    ip = node.cri("PodSandboxStatus", pod_sandbox_id=pod).status.network.ip
    url = f"http://{ip}:8081/x"
    done = node.world.run("busybox", "wget", "-q", "-O", "-", url)
    assert done.stdout == "by address\n", done.stderr


def test_exec_has_its_streams_and_status(node: Node, first: str) -> None:
    command = ["sh", "-c", "echo out; echo err >&2; exit 7"]
    done = node.cri("ExecSync", container_id=first, cmd=command, timeout=30)
    assert (done.stdout, done.stderr, done.exit_code) == (b"out\n", b"err\n", 7)


def test_an_exec_that_takes_too_long_is_killed(node: Node, first: str) -> None:
    import grpc

    command = ["sleep", "777"]
    with pytest.raises(grpc.RpcError) as caught:
        node.cri("ExecSync", container_id=first, cmd=command, timeout=1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "sleep 777" not in node.said(first, "ps", "-o", "args")


def test_what_a_container_prints_is_in_its_log(node: Node, pod: str) -> None:
    made = node.start(pod, "prints", "sh", "-c", "echo a line; exit 3")
    status = node.ended(made)
    assert (status.exit_code, status.reason) == (3, "Error")
    log = node.world.run("cat", node.world.data / "logs" / "prints.log").stdout
    assert log.rstrip().endswith("stdout F a line")
    node.cri("RemoveContainer", container_id=made)


def test_stats_are_those_of_the_cgroup(node: Node, first: str) -> None:
    stats = node.cri("ContainerStats", container_id=first).stats
    assert stats.cpu.usage_core_nano_seconds.value > 0
    assert 0 < stats.memory.working_set_bytes.value < 64 * MIB


def test_limits_are_changed_while_it_runs(node: Node, first: str) -> None:
    def limit() -> str:
        pattern = f"/sys/fs/cgroup/memory/kubepods/pod/{first}/memory.limit_in_bytes"
        return node.world.run("cat", pattern).stdout

    assert limit() == f"{64 * MIB}\n"
    node.cri(
        "UpdateContainerResources",
        container_id=first,
        linux={"memory_limit_in_bytes": 96 * MIB, "cpu_quota": 50000},
    )
    assert limit() == f"{96 * MIB}\n"


def test_one_over_its_memory_is_told_to_be_so(node: Node, pod: str, first: str) -> None:
    eats = "head -c 200000000 /dev/zero | tail -c 199999999 >/dev/null"
    made = node.start(pod, "eats", "sh", "-c", f"exec sh -c '{eats}'", memory=16 * MIB)
    status = node.ended(made)
    assert (status.exit_code != 0, status.reason) == (True, "OOMKilled")
    assert node.status(first).state == 1
    node.cri("RemoveContainer", container_id=made)


def test_one_is_asked_to_stop_and_then_made_to(node: Node, pod: str) -> None:
    waits = "trap 'exit 5' TERM; while :; do sleep 0.05; done"
    made = node.start(pod, "stops", "sh", "-c", waits)
    node.cri("StopContainer", container_id=made, timeout=20)
    assert node.ended(made).exit_code == 5
    node.cri("RemoveContainer", container_id=made)
    stubborn = node.start(pod, "stays", "sh", "-c", waits.replace("exit 5", ""))
    node.cri("StopContainer", container_id=stubborn, timeout=1)
    assert node.ended(stubborn).exit_code == 137
    node.cri("RemoveContainer", container_id=stubborn)


def test_a_pod_goes_with_all_that_is_in_it(node: Node) -> None:
    config = node.config("other")
    other = node.cri("RunPodSandbox", config=config, runtime_handler=HANDLER)
    made = node.start(other.pod_sandbox_id, "in-other", "sleep", "3000")
    node.cri("StopPodSandbox", pod_sandbox_id=other.pod_sandbox_id)
    node.cri("RemovePodSandbox", pod_sandbox_id=other.pod_sandbox_id)
    listed = {found.id for found in node.cri("ListContainers").containers}
    assert made not in listed
    ids = {found.id for found in node.cri("ListPodSandbox").items}
    assert other.pod_sandbox_id not in ids
    left = node.world.run("find", "/sys/fs/cgroup", "-path", f"*/*{made}*")
    assert left.stdout == ""
    assert "sleep 3000" not in node.world.run("ps", "ax", "-o", "args").stdout


def test_a_handler_that_nobody_knows_is_refused(node: Node) -> None:
    import grpc

    with pytest.raises(grpc.RpcError, match="nobody"):
        config = node.config("third")
        node.cri("RunPodSandbox", config=config, runtime_handler="nobody")


def test_the_pages_objects_name_the_handler_of_the_node() -> None:
    runtime_class, pod = BLOCKS["yaml"].split("---\n")
    assert f"\nhandler: {HANDLER}\n" in runtime_class
    assert f"\n  name: {HANDLER}\n" in runtime_class
    assert f"\n  runtimeClassName: {HANDLER}\n" in pod
