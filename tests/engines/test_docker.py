# SPDX-License-Identifier: Apache-2.0
"""dockerd and its containerd call the runtime."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.world import World

pytestmark = [pytest.mark.engines, pytest.mark.needs("docker")]

WAITS = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done"
CONTAINERFILE = """FROM box
RUN echo one >/one
RUN mkdir /two && cat /one >/two/one
CMD ["cat", "/two/one"]
"""


class Docker:
    """The program, against a dockerd of its own."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.env = {
            "DOCKER_HOST": "unix:///run/docker.sock",
            "DOCKER_CONFIG": str(world.data / "client"),
            "DOCKER_BUILDKIT": "0",
        }

    def __call__(self, *args: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return self.world.run("docker", *args, env=self.env, **settings)

    def said(self, *args: str, **settings: Any) -> str:
        """Return what it prints if it works."""
        done = self(*args, **settings)
        assert done.returncode == 0, done.stderr
        return str(done.stdout).strip()

    def inspect(self, name: str) -> dict[str, Any]:
        """Return what it knows of a container."""
        (found,) = json.loads(self.said("inspect", name))
        return dict(found)

    def wait_for(self, name: str, what: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until what it knows of a container is so."""
        deadline = time.monotonic() + 30
        while not what(found := self.inspect(name)):
            assert time.monotonic() < deadline, found["State"]
            time.sleep(0.1)


@pytest.fixture(scope="module")
def docker(
    world: World, runtime: str, image_tree: Path, public_tmp: Path
) -> Iterator[Docker]:
    """docker with a dockerd that has an image named ``box``."""
    found = Docker(world)
    log = public_tmp / "dockerd.log"
    world.run("mkdir", "-p", world.data / "client")
    conf = {"runtimes": {"tested": {"path": runtime}}, "default-runtime": "tested"}
    world.run("tee", world.data / "daemon.json", input=json.dumps(conf))
    daemon = world.start(
        *("dockerd", "--config-file", world.data / "daemon.json"),
        *("--host", "unix:///run/docker.sock", "--pidfile", "/run/docker.pid"),
        *("--data-root", world.data / "docker", "--exec-root", "/run/docker"),
        *("--exec-opt", "native.cgroupdriver=cgroupfs", "--bip", "10.77.0.1/24"),
        # Root has no CAP_SYS_RESOURCE everywhere.
        *("--oom-score-adjust", "0", "--default-ulimit", "nofile=1024:1024"),
        *("--init-path", "/usr/bin/tini-static", "--storage-driver", "overlay2"),
        log=log,
    )
    deadline = time.monotonic() + 60
    while found("version").returncode != 0:
        assert daemon.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
    archive = world.data / "image.tar"
    world.run("tar", "-C", image_tree, "-cf", archive, ".")
    found.said("import", str(archive), "box")
    yield found
    daemon.terminate()
    daemon.wait(60)


@pytest.fixture
def running(docker: Docker) -> Iterator[str]:
    """A container that ends with status 3 when it is asked to."""
    docker.said(
        *("run", "-d", "--name", "waits", "--network", "none"),
        *("--health-cmd", "test -e /healthy", "--health-interval", "200ms"),
        *("box", "sh", "-c", WAITS),
    )
    yield "waits"
    docker.said("rm", "--force", "waits")


@pytest.mark.parametrize(
    ("command", "status"),
    [(("sh", "-c", "exit 7"), 7), (("/nope",), 127), (("/etc/passwd",), 126)],
    ids=["program", "missing", "not executable"],
)
def test_the_exit_status_of_run(
    docker: Docker, command: tuple[str, ...], status: int
) -> None:
    done = docker("run", "--rm", "--network", "none", "box", *command)
    assert done.returncode == status, done.stderr


def test_run_tells_what_is_inside(docker: Docker) -> None:
    script = "id -u; hostname; echo $A; pwd; cat"
    options = ("--user", "user", "--hostname", "inside", "--env", "A=b", "-w", "/tmp")
    said = docker.said(
        *("run", "--rm", "-i", "--network", "none", *options),
        *("box", "sh", "-c", script),
        input="typed",
    )
    assert said.split() == ["1000", "inside", "b", "/tmp", "typed"]


def test_a_terminal_of_run(docker: Docker) -> None:
    said = docker.said("run", "--rm", "-t", "--network", "none", "box", "tty")
    assert said in {"/dev/pts/0", "/dev/console"}


def test_logs_have_both_streams(docker: Docker) -> None:
    script = "echo out; echo err >&2"
    docker.said("run", "--name", "logs", "--network", "none", "box", "sh", "-c", script)
    done = docker("logs", "logs")
    docker.said("rm", "logs")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_exec_has_its_streams_status_and_user(docker: Docker, running: str) -> None:
    done = docker(
        *("exec", "-i", "--user", "1000", "--env", "A=b", "--workdir", "/tmp"),
        *(running, "sh", "-c", "id -u; echo $A; pwd; cat; exit 9"),
        input="typed",
    )
    assert done.returncode == 9, done.stderr
    assert done.stdout.split() == ["1000", "b", "/tmp", "typed"]
    assert docker("exec", running, "/nope").returncode in {126, 127}
    assert docker("exec", running, "/etc/passwd").returncode == 126


def test_exec_with_a_terminal(docker: Docker, running: str) -> None:
    command = f"docker exec -t {running} tty"
    done = docker.world.run("script", "-qec", command, "/dev/null", env=docker.env)
    assert "/dev/pts/" in done.stdout, done


def test_stop_lets_the_program_end_itself(docker: Docker, running: str) -> None:
    docker.said("stop", "--time", "20", running)
    assert docker.inspect(running)["State"]["ExitCode"] == 3


def test_kill_ends_it(docker: Docker, running: str) -> None:
    docker.said("kill", running)
    assert docker.said("wait", running) == "137"


def test_pause_and_unpause(docker: Docker, running: str) -> None:
    docker.said("pause", running)
    assert docker.inspect(running)["State"]["Status"] == "paused"
    docker.said("unpause", running)
    assert docker.said("exec", running, "echo", "on") == "on"


def test_restart_is_another_process(docker: Docker, running: str) -> None:
    before = docker.inspect(running)["State"]["Pid"]
    docker.said("restart", "--time", "5", running)
    found = docker.inspect(running)["State"]
    assert found["Running"]
    assert found["Pid"] != before


def test_a_restart_policy_starts_what_has_failed(docker: Docker) -> None:
    docker.said(
        *("run", "-d", "--name", "again", "--network", "none"),
        *("--restart", "on-failure:2", "box", "sh", "-c", "exit 5"),
    )
    docker.wait_for("again", lambda found: found["RestartCount"] == 2)
    docker.said("rm", "--force", "again")


def test_stats_and_top(docker: Docker, running: str) -> None:
    said = docker.said("stats", "--no-stream", "--format", "{{json .}}", running)
    assert int(json.loads(said)["PIDs"]) >= 1
    assert "sh -c" in docker.said("top", running)


def test_update_changes_limits(docker: Docker, running: str) -> None:
    limits = ("--cpu-shares", "333", "--memory", "64m", "--memory-swap", "64m")
    docker.said("update", *limits, running)
    script = "cat /sys/fs/cgroup/cpu/cpu.shares; cat"
    script += " /sys/fs/cgroup/memory/memory.limit_in_bytes"
    said = docker.said("exec", running, "sh", "-c", script)
    assert said.split() == ["333", str(64 << 20)]


def test_what_takes_too_much_memory_is_killed(docker: Docker) -> None:
    name = ("--name", "greedy", "--network", "none")
    limits = ("--memory", "16m", "--memory-swap", "16m")
    script = "x=$(yes | head -c 200000000)"
    done = docker("run", *name, *limits, "box", "sh", "-c", script)
    found = docker.inspect("greedy")["State"]
    docker.said("rm", "greedy")
    assert done.returncode == 137
    assert found["OOMKilled"]


def test_a_health_check_is_a_program_inside(docker: Docker, running: str) -> None:
    docker.said("exec", running, "touch", "/healthy")
    docker.wait_for(
        running, lambda found: found["State"]["Health"]["Status"] == ("healthy")
    )


def test_volumes_and_a_tmpfs(docker: Docker) -> None:
    folder = docker.world.data / "volume"
    docker.world.run("mkdir", "-p", folder)
    script = (
        "echo a >/bound/file; echo b >/named/file; echo c >/ro/x || echo refused;"
        " grep ' /fast ' /proc/mounts"
    )
    said = docker.said(
        *("run", "--rm", "--network", "none", "-v", f"{folder}:/bound"),
        *("-v", "named:/named", "-v", f"{folder}:/ro:ro"),
        *("--tmpfs", "/fast:size=1m,mode=700", "box", "sh", "-c", script),
    )
    assert said.startswith("refused\ntmpfs /fast tmpfs")
    assert "size=1024k" in said
    assert docker.world.run("cat", folder / "file").stdout == "a\n"
    again = ("run", "--rm", "--network", "none", "-v", "named:/n", "box")
    assert docker.said(*again, "cat", "/n/file") == "b"
    docker.said("volume", "rm", "named")


def test_a_read_only_root(docker: Docker) -> None:
    said = docker.said(
        *("run", "--rm", "--network", "none", "--read-only", "box"),
        *("sh", "-c", "touch /x || echo refused"),
    )
    assert said == "refused"


def test_a_seccomp_profile(docker: Docker) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    }
    path = docker.world.data / "profile.json"
    docker.world.run("tee", path, input=json.dumps(profile))
    said = docker.said(
        *("run", "--rm", "--network", "none", "--security-opt", f"seccomp={path}"),
        *("box", "sh", "-c", "mkdir /x || echo refused; grep Seccomp: /proc/1/status"),
    )
    assert said.split() == ["refused", "Seccomp:", "2"]


def test_capabilities_and_no_new_privileges(docker: Docker) -> None:
    script = "grep -E 'CapEff|NoNewPrivs' /proc/self/status"
    said = docker.said(
        *("run", "--rm", "--network", "none", "--cap-drop", "all"),
        *("--cap-add", "chown", "--security-opt", "no-new-privileges"),
        *("box", "sh", "-c", script),
    )
    assert said.split() == ["CapEff:", "0000000000000001", "NoNewPrivs:", "1"]


def test_an_init_reaps(docker: Docker) -> None:
    said = docker.said(
        *("run", "--rm", "--network", "none", "--init", "box"),
        *("cat", "/proc/1/comm"),
    )
    assert said in {"docker-init", "tini", "tini-static"}


def test_a_published_port_is_reached(docker: Docker) -> None:
    serve = "mkdir /w; echo served >/w/index.html; httpd -f -p 80 -h /w"
    docker.said("run", "-d", "--name", "web", "-p", "8080:80", "box", "sh", "-c", serve)
    fetch = ("busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/")
    deadline = time.monotonic() + 20
    while (done := docker.world.run(*fetch)).stdout != "served\n":
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)
    other = ("run", "--rm", "--network", "container:web", "box", "wget", "-q", "-O")
    assert docker.said(*other, "-", "http://127.0.0.1/") == "served"
    docker.said("rm", "--force", "web")


def test_the_hosts_namespaces(docker: Docker) -> None:
    said = docker.said(
        *("run", "--rm", "--network", "host", "--pid", "host", "--ipc", "host"),
        *("--uts", "host", "box", "sh", "-c", "hostname; cat /proc/1/comm"),
    )
    assert said.split() == ["world", "tini"]


def test_a_build_of_three_steps(docker: Docker) -> None:
    folder = docker.world.data / "context"
    docker.world.run("mkdir", "-p", folder)
    docker.world.run("tee", folder / "Dockerfile", input=CONTAINERFILE)
    docker.said("build", "--network", "none", "--tag", "built", str(folder))
    assert docker.said("run", "--rm", "--network", "none", "built") == "one"


def test_a_checkpoint_is_not_made(docker: Docker, running: str, is_ours: bool) -> None:
    if not is_ours:
        pytest.skip("runc has it where criu is installed")
    done = docker("checkpoint", "create", running, "point")
    assert done.returncode != 0
    assert docker.inspect(running)["State"]["Running"]


def test_nothing_is_left(docker: Docker) -> None:
    assert docker.said("ps", "-aq") == ""
    left = docker.world.run("find", "/sys/fs/cgroup", "-path", "*/docker/*/*")
    assert left.stdout == ""
