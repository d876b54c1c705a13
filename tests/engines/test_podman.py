# SPDX-License-Identifier: Apache-2.0
"""podman and buildah call the runtime."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.world import World

pytestmark = [pytest.mark.engines, pytest.mark.needs("podman")]

# Root has no CAP_SYS_RESOURCE everywhere: no limit above the hard one.
CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
infra_command = "/bin/sleep"
"""
POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'
WAITS = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done"


class Podman:
    """The program with folders of its own."""

    def __init__(self, world: World, runtime: str, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.prefix = [
            *("podman", "--root", str(folder / "root")),
            *("--runroot", "/run/podman", "--tmpdir", "/run/podman-tmp"),
            *("--storage-driver", "overlay", "--cgroup-manager", "cgroupfs"),
            *("--events-backend", "file", "--runtime", runtime),
        ]
        self.env = {"CONTAINERS_CONF": str(folder / "containers.conf")}

    def __call__(self, *args: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return self.world.run(*self.prefix, *args, env=self.env, **settings)

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
def podman(world: World, runtime: str, image_tree: Path) -> Podman:
    """podman with an image named ``box``."""
    folder = world.data / "podman"
    found = Podman(world, runtime, folder)
    script = (
        f"mkdir -p {folder} /etc/containers && cat >{folder}/containers.conf"
        f" && printf '%s' '{POLICY}' >{folder}/policy.json"
    )
    assert world.run("sh", "-c", script, input=CONF).returncode == 0
    # The machine has a policy of its own, or none.
    bind = f"[ -e /etc/containers/policy.json ] || exit 0; mount --bind {folder}/policy"
    world.run("sh", "-c", f"{bind}.json /etc/containers/policy.json")
    archive = world.data / "image.tar"
    world.run("tar", "-C", str(image_tree), "-cf", str(archive), ".")
    found.said("import", str(archive), "box")
    return found


@pytest.fixture
def running(podman: Podman) -> Iterator[str]:
    """A container that ends with status 3 when it is asked to."""
    podman.said(
        *("run", "-d", "--name", "waits", "--network", "none"),
        *("--health-cmd", "test -e /healthy", "--health-interval", "disable"),
        *("box", "sh", "-c", WAITS),
    )
    yield "waits"
    podman.said("rm", "--force", "--time", "0", "waits")


@pytest.mark.slice
@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("sh", "-c", "exit 7"), 7),
        (("/nope",), 127),
        (("/etc/passwd",), 126),
        (("/tmp",), 126),
    ],
    ids=["program", "missing", "not executable", "directory"],
)
def test_the_exit_status_of_run(
    podman: Podman, command: tuple[str, ...], status: int
) -> None:
    done = podman("run", "--rm", "--network", "none", "box", *command)
    assert done.returncode == status, done.stderr


def test_run_tells_what_is_inside(podman: Podman) -> None:
    script = "id -u; hostname; echo $A; pwd; cat"
    options = ("--user", "user", "--hostname", "inside", "--env", "A=b", "-w", "/tmp")
    said = podman.said(
        *("run", "--rm", "-i", "--network", "none", *options),
        *("box", "sh", "-c", script),
        input="typed",
    )
    assert said.split() == ["1000", "inside", "b", "/tmp", "typed"]


@pytest.mark.slice
def test_a_terminal_of_run(podman: Podman) -> None:
    said = podman.said("run", "--rm", "-t", "--network", "none", "box", "tty")
    assert said.startswith(("/dev/pts/", "/dev/console"))


def test_logs_have_both_streams(podman: Podman) -> None:
    script = "echo out; echo err >&2"
    podman.said("run", "--name", "logs", "--network", "none", "box", "sh", "-c", script)
    done = podman("logs", "logs")
    podman.said("rm", "logs")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


@pytest.mark.slice
def test_exec_has_its_streams_status_and_user(podman: Podman, running: str) -> None:
    done = podman(
        *("exec", "-i", "--user", "1000", "--env", "A=b", "--workdir", "/tmp"),
        *(running, "sh", "-c", "id -u; echo $A; pwd; cat; exit 9"),
        input="typed",
    )
    assert done.returncode == 9, done.stderr
    assert done.stdout.split() == ["1000", "b", "/tmp", "typed"]
    assert podman("exec", running, "/nope").returncode == 127
    assert podman("exec", running, "/etc/passwd").returncode == 126


def test_exec_with_a_terminal(podman: Podman, running: str) -> None:
    assert podman.said("exec", "-t", running, "tty").startswith("/dev/pts/")


def test_exec_detached(podman: Podman, running: str) -> None:
    podman.said("exec", "-d", running, "sh", "-c", "echo x >/tmp/there")
    deadline = time.monotonic() + 20
    while podman("exec", running, "cat", "/tmp/there").stdout != "x\n":
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.slice
def test_stop_lets_the_program_end_itself(podman: Podman, running: str) -> None:
    podman.wait_for(running, lambda found: found["State"]["Running"])
    podman.said("stop", "--time", "20", running)
    assert podman.inspect(running)["State"]["ExitCode"] == 3


def test_kill_ends_it(podman: Podman, running: str) -> None:
    podman.said("kill", running)
    assert podman.said("wait", running) == "137"


@pytest.mark.slice
def test_pause_and_unpause(podman: Podman, running: str) -> None:
    podman.said("pause", running)
    assert podman.inspect(running)["State"]["Status"] == "paused"
    assert podman("exec", running, "true").returncode != 0
    podman.said("unpause", running)
    assert podman.said("exec", running, "echo", "on") == "on"


def test_restart_is_another_process(podman: Podman, running: str) -> None:
    before = podman.inspect(running)["State"]["Pid"]
    podman.said("restart", "--time", "5", running)
    found = podman.inspect(running)["State"]
    assert found["Running"]
    assert found["Pid"] != before


def test_stats_and_top(podman: Podman, running: str) -> None:
    (found,) = json.loads(podman.said("stats", "--no-stream", "--format", "json"))
    assert found["name"] == running
    assert int(found["pids"]) >= 1
    assert "sh -c" in podman.said("top", running, "pid", "args")


def test_update_changes_a_limit(podman: Podman, running: str) -> None:
    podman.said("update", "--cpu-shares", "333", running)
    pid = podman.inspect(running)["State"]["Pid"]
    script = f"cat /sys/fs/cgroup/cpu$(grep ':cpu:' /proc/{pid}/cgroup | cut -d: -f3)"
    assert podman.world.run("sh", "-c", f"{script}/cpu.shares").stdout == "333\n"


def test_a_health_check_is_a_program_inside(podman: Podman, running: str) -> None:
    assert podman("healthcheck", "run", running).returncode == 1
    podman.said("exec", running, "touch", "/healthy")
    assert podman("healthcheck", "run", running).returncode == 0


def test_volumes_and_a_tmpfs(podman: Podman) -> None:
    folder = podman.folder / "volume"
    podman.world.run("mkdir", "-p", folder)
    script = (
        "echo a >/bound/file; echo b >/named/file; echo c >/ro/x || echo refused;"
        " grep ' /fast ' /proc/mounts"
    )
    said = podman.said(
        *("run", "--rm", "--network", "none", "-v", f"{folder}:/bound"),
        *("-v", "named:/named", "-v", f"{folder}:/ro:ro"),
        *("--tmpfs", "/fast:size=1m,mode=700", "box", "sh", "-c", script),
    )
    assert said.startswith("refused\ntmpfs /fast tmpfs")
    assert "size=1024k" in said
    assert podman.world.run("cat", folder / "file").stdout == "a\n"
    again = ("run", "--rm", "--network", "none", "-v", "named:/n", "box")
    assert podman.said(*again, "cat", "/n/file") == "b"
    podman.said("volume", "rm", "named")


def test_a_read_only_root(podman: Podman) -> None:
    script = "touch /x || echo refused; touch /tmp/x && echo fine"
    said = podman.said(
        *("run", "--rm", "--network", "none", "--read-only", "box"),
        *("sh", "-c", script),
    )
    assert said == "refused\nfine"


def test_a_seccomp_profile(podman: Podman) -> None:
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    }
    path = podman.folder / "profile.json"
    podman.world.run("tee", path, input=json.dumps(profile))
    said = podman.said(
        *("run", "--rm", "--network", "none", "--security-opt", f"seccomp={path}"),
        *("box", "sh", "-c", "mkdir /x || echo refused; grep Seccomp: /proc/1/status"),
    )
    assert said.split() == ["refused", "Seccomp:", "2"]


def test_capabilities_and_no_new_privileges(podman: Podman) -> None:
    script = "grep -E 'CapEff|NoNewPrivs' /proc/self/status"
    said = podman.said(
        *("run", "--rm", "--network", "none", "--cap-drop", "all"),
        *("--cap-add", "chown", "--security-opt", "no-new-privileges"),
        *("box", "sh", "-c", script),
    )
    assert said.split() == ["CapEff:", "0000000000000001", "NoNewPrivs:", "1"]


def test_an_init_reaps(podman: Podman) -> None:
    said = podman.said(
        *("run", "--rm", "--network", "none", "--init", "--init-path"),
        *("/usr/bin/tini-static", "box", "cat", "/proc/1/comm"),
    )
    assert said in {"podman-init", "catatonit", "tini"}


def test_limits_are_in_the_cgroup(podman: Podman) -> None:
    script = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/cpu/cpu.shares"
    said = podman.said(
        *("run", "--rm", "--network", "none", "--pids-limit", "44"),
        *("--cpu-shares", "555", "box", "sh", "-c", script),
    )
    assert said.split() == ["44", "555"]


def test_a_published_port_is_reached(podman: Podman) -> None:
    serve = "mkdir /w; echo served >/w/index.html; httpd -f -p 80 -h /w"
    podman.said("run", "-d", "--name", "web", "-p", "8080:80", "box", "sh", "-c", serve)
    fetch = ("busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/")
    deadline = time.monotonic() + 20
    while (done := podman.world.run(*fetch)).stdout != "served\n":
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)
    podman.said("rm", "--force", "--time", "0", "web")


def test_the_hosts_network(podman: Podman) -> None:
    said = podman.said(
        *("run", "--rm", "--network", "host", "box", "cat", "/proc/net/dev")
    )
    host = podman.world.run("cat", "/proc/net/dev").stdout
    assert len(said.splitlines()) == len(host.splitlines())


def test_a_user_namespace(podman: Podman) -> None:
    said = podman.said(
        *("run", "--rm", "--network", "none"),
        *("--uidmap", "0:300000:1000", "--gidmap", "0:300000:1000"),
        *("box", "sh", "-c", "cat /proc/self/uid_map; touch /x; stat -c %u /x"),
    )
    assert said.split() == ["0", "300000", "1000", "0"]


def test_a_pod_of_two_shares_its_network(podman: Podman) -> None:
    podman.said(
        *("pod", "create", "--name", "pod", "--infra-image", "localhost/box"),
        *("--share", "net,ipc,uts", "--network", "none"),
        *("--infra-command", "/bin/sleep 1000"),
    )
    serve = "mkdir /w; echo shared >/w/index.html; httpd -f -p 90 -h /w"
    podman.said("run", "-d", "--pod", "pod", "--name", "one", "box", "sh", "-c", serve)
    fetch = "until wget -q -O - http://127.0.0.1:90/; do sleep 0.1; done"
    assert podman.said("run", "--rm", "--pod", "pod", "box", "sh", "-c", fetch) == (
        "shared"
    )
    podman.said("pod", "pause", "pod")
    podman.said("pod", "unpause", "pod")
    podman.said("pod", "rm", "--force", "--time", "0", "pod")


CONTAINERFILE = """FROM localhost/box
RUN echo one >/one
RUN mkdir /two && cat /one >/two/one
CMD ["cat", "/two/one"]
"""


def test_a_build_of_three_steps(podman: Podman) -> None:
    folder = podman.folder / "context"
    podman.world.run("mkdir", "-p", folder)
    podman.world.run("tee", folder / "Containerfile", input=CONTAINERFILE)
    podman.said("build", "--network", "none", "--tag", "built", str(folder))
    assert podman.said("run", "--rm", "--network", "none", "built") == "one"


def test_buildah_runs_a_program_in_what_it_builds(podman: Podman) -> None:
    prefix = ["buildah", "--root", str(podman.folder / "root"), "--runroot"]
    prefix += ["/run/podman", "--storage-driver", "overlay"]
    made = podman.world.run(*prefix, "from", "localhost/box", env=podman.env)
    assert made.returncode == 0, made.stderr
    name = made.stdout.strip()
    runtime = podman.prefix[-1]
    run = ("run", "--isolation", "oci", "--runtime", runtime, "--network", "none")
    done = podman.world.run(*prefix, *run, name, "echo", "made", env=podman.env)
    assert (done.returncode, done.stdout) == (0, "made\n"), done.stderr
    failed = podman.world.run(
        *prefix, *run, name, "--", "sh", "-c", "exit 5", env=podman.env
    )
    assert failed.returncode == 5
    podman.world.run(*prefix, "rm", name, env=podman.env)


def test_files_are_copied_in_and_out(podman: Podman, running: str) -> None:
    path = podman.folder / "file"
    podman.world.run("tee", path, input="text")
    podman.said("cp", str(path), f"{running}:/tmp/file")
    assert podman.said("exec", running, "cat", "/tmp/file") == "text"


def test_a_checkpoint_is_refused_with_a_reason(
    podman: Podman, running: str, is_ours: bool
) -> None:
    if not is_ours:
        pytest.skip("runc has it where criu is installed")
    done = podman("container", "checkpoint", running)
    assert done.returncode != 0
    assert "checkpoint" in done.stderr
    assert podman.inspect(running)["State"]["Running"]


def test_nothing_is_left(podman: Podman) -> None:
    assert podman.said("ps", "-aq") == ""
    left = podman.world.run("find", "/sys/fs/cgroup", "-name", "libpod-*")
    assert left.stdout == ""
