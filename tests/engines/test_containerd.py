# SPDX-License-Identifier: Apache-2.0
"""containerd's shim calls the runtime, and ``ctr`` containerd."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.images import write_image
from tests.engines.world import World

pytestmark = [pytest.mark.engines, pytest.mark.needs("containerd")]

# Root has no CAP_SYS_RESOURCE everywhere: the shim's score stays what it is.
CONF = """
version = 2
oom_score = 0
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.devmapper"]
"""
IMAGE = "example.org/box:latest"
WAITS = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done"


class Ctr:
    """The program, against a containerd of its own."""

    def __init__(self, world: World, runtime: str) -> None:
        self.world = world
        self.runtime = runtime
        self.prefix = ["ctr", "--address", "/run/containerd/socket"]

    def __call__(self, *args: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return self.world.run(*self.prefix, *args, **settings)

    def said(self, *args: str, **settings: Any) -> str:
        """Return what it prints if it works."""
        done = self(*args, **settings)
        assert done.returncode == 0, done.stderr
        return str(done.stdout).strip()

    def run(self, *args: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run a container of the image: options, id, program."""
        options = ["--runc-binary", self.runtime]
        at = next(at for at, word in enumerate(args) if not word.startswith("-"))
        return self("run", *options, *args[:at], IMAGE, *args[at:], **settings)

    def status(self, name: str) -> str:
        """Return how containerd says that a task is."""
        for line in self.said("tasks", "ls").splitlines():
            words = line.split()
            if words[0] == name:
                return words[2]
        return "none"

    def wait_for(self, name: str, status: str) -> None:
        """Wait until a task is so."""
        deadline = time.monotonic() + 30
        while (found := self.status(name)) != status:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)


@pytest.fixture(scope="module")
def ctr(
    world: World, runtime: str, image_tree: Path, public_tmp: Path
) -> Iterator[Ctr]:
    """ctr with a containerd that has the image."""
    found = Ctr(world, runtime)
    conf = world.data / "containerd.toml"
    world.run("tee", conf, input=CONF)
    log = public_tmp / "containerd.log"
    daemon = world.start(
        *("containerd", "--config", conf, "--root", world.data / "containerd"),
        *("--state", "/run/containerd/state", "--address", "/run/containerd/socket"),
        log=log,
    )
    deadline = time.monotonic() + 60
    while found("version").returncode != 0:
        assert daemon.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    found.said("images", "import", str(write_image(world, image_tree, IMAGE)))
    yield found
    daemon.terminate()
    daemon.wait(30)


@pytest.fixture
def running(ctr: Ctr) -> Iterator[str]:
    """A container that ends with status 3 when it is asked to."""
    done = ctr.run("--detach", "waits", "sh", "-c", WAITS)
    assert done.returncode == 0, done.stderr
    yield "waits"
    ctr("tasks", "kill", "--signal", "SIGKILL", "waits")
    ctr("tasks", "delete", "--force", "waits")
    ctr.said("containers", "delete", "waits")


def test_run_passes_streams_and_the_exit_status_on(ctr: Ctr) -> None:
    done = ctr.run("--rm", "one", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


def test_run_of_what_is_not_there_is_an_error(ctr: Ctr) -> None:
    done = ctr.run("--rm", "two", "/nope")
    assert done.returncode == 1
    assert "not found" in done.stderr or "no such file" in done.stderr
    assert "two" not in ctr.said("containers", "ls", "-q").split()


def test_run_with_a_terminal(ctr: Ctr) -> None:
    inner = " ".join(
        [*ctr.prefix, "run", "--runc-binary", ctr.runtime, "--rm", "-t", IMAGE]
    )
    done = ctr.world.run("script", "-qec", f"{inner} three tty", "/dev/null")
    assert "/dev/pts/" in done.stdout, done


def test_run_with_options_of_the_container(ctr: Ctr) -> None:
    script = "echo $A; pwd; touch /x || echo refused"
    done = ctr.run(
        *("--rm", "--read-only", "--env=A=b", "--cwd=/tmp"),
        *("four", "sh", "-c", script),
    )
    assert done.stdout.split() == ["b", "/tmp", "refused"], done.stderr


def test_exec_has_its_streams_and_status(ctr: Ctr, running: str) -> None:
    prefix = ("tasks", "exec", "--exec-id", "e1", "--user", "1000", "--cwd", "/tmp")
    done = ctr(*prefix, running, "sh", "-c", "id -u; pwd; echo err >&2; exit 9")
    assert (done.returncode, done.stdout, done.stderr) == (9, "1000\n/tmp\n", "err\n")
    missing = ctr("tasks", "exec", "--exec-id", "e2", running, "/nope")
    assert missing.returncode != 0
    assert "not found" in missing.stderr or "no such file" in missing.stderr


def test_exec_with_a_terminal(ctr: Ctr, running: str) -> None:
    command = " ".join([*ctr.prefix, "tasks exec --exec-id e3 -t", running, "tty"])
    done = ctr.world.run("script", "-qec", command, "/dev/null")
    assert "/dev/pts/" in done.stdout, done


def test_pause_and_resume(ctr: Ctr, running: str) -> None:
    ctr.said("tasks", "pause", running)
    assert ctr.status(running) == "PAUSED"
    ctr.said("tasks", "resume", running)
    assert ctr.status(running) == "RUNNING"


def test_ps_and_metrics(ctr: Ctr, running: str) -> None:
    title, first, *_ = ctr.said("tasks", "ps", running).splitlines()
    assert title.split()[0] == "PID"
    assert int(first.split()[0]) > 1
    metrics = json.loads(ctr.said("tasks", "metrics", "--format", "json", running))
    assert metrics["pids"]["current"] >= 1


def test_a_signal_lets_the_program_end_itself(ctr: Ctr, running: str) -> None:
    ctr.said("tasks", "exec", "--exec-id", "e4", running, "true")
    ctr.said("tasks", "kill", "--signal", "SIGTERM", running)
    ctr.wait_for(running, "STOPPED")
    assert "exit code 3" in ctr("tasks", "delete", running).stderr


def test_a_task_is_killed_with_all_its_processes(ctr: Ctr, running: str) -> None:
    ctr.said("tasks", "exec", "--detach", "--exec-id", "e5", running, "sleep", "1000")
    ctr.said("tasks", "kill", "--all", "--signal", "SIGKILL", running)
    ctr.wait_for(running, "STOPPED")


def test_a_task_starts_again_in_its_container(ctr: Ctr, running: str) -> None:
    ctr.said("tasks", "kill", "--signal", "SIGKILL", running)
    ctr.wait_for(running, "STOPPED")
    ctr("tasks", "delete", running)
    ctr.said("tasks", "start", "--detach", running)
    ctr.wait_for(running, "RUNNING")


def test_limits_are_in_the_cgroup(ctr: Ctr) -> None:
    limit = f"--memory-limit={64 << 20}"
    done = ctr.run("--rm", limit, "five", "grep", ":memory:", "/proc/self/cgroup")
    assert done.stdout.rpartition(":")[2] == "/default/five\n", done.stderr
    script = "grep . /sys/fs/cgroup/memory/default/six/memory.limit_in_bytes"
    assert ctr.run("--detach", limit, "six", "sleep", "1000").returncode == 0
    assert ctr.world.run("sh", "-c", script).stdout == f"{64 << 20}\n"
    ctr.said("tasks", "delete", "--force", "six")
    ctr.said("containers", "delete", "six")


def test_a_mount_and_the_hosts_network(ctr: Ctr) -> None:
    folder = ctr.world.data / "mounted"
    ctr.world.run("mkdir", "-p", folder)
    mount = f"type=bind,src={folder},dst=/m,options=rbind:rw"
    done = ctr.run(
        *("--rm", "--net-host", f"--mount={mount}", "six"),
        *("sh", "-c", "echo x >/m/x; cat /proc/net/dev | head -n 3"),
    )
    assert "lo:" in done.stdout, done.stderr
    assert ctr.world.run("cat", folder / "x").stdout == "x\n"


def test_a_user_namespace(ctr: Ctr) -> None:
    # The image is chowned as the snapshot is made.
    done = ctr.run(
        *("--rm", "--uidmap=0:300000:1000", "--gidmap=0:300000:1000"),
        *("seven", "cat", "/proc/self/uid_map"),
    )
    assert done.stdout.split() == ["0", "300000", "1000"], done.stderr


def test_the_default_seccomp_profile(ctr: Ctr) -> None:
    done = ctr.run("--rm", "--seccomp", "eight", "grep", "Seccomp:", "/proc/1/status")
    assert done.stdout.split() == ["Seccomp:", "2"], done.stderr


def test_a_checkpoint_is_refused_with_a_reason(
    ctr: Ctr, running: str, is_ours: bool
) -> None:
    if not is_ours:
        pytest.skip("runc has it where criu is installed")
    done = ctr("tasks", "checkpoint", running)
    assert done.returncode != 0
    assert "checkpoint" in done.stderr
    assert ctr.status(running) == "RUNNING"


def test_nothing_is_left(ctr: Ctr) -> None:
    assert ctr.said("containers", "ls", "-q") == ""
    left = ctr.world.run("find", "/sys/fs/cgroup", "-path", "*/default/*/*")
    assert left.stdout == ""
