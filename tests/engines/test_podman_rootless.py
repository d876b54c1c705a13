# SPDX-License-Identifier: Apache-2.0
"""podman of an ordinary user, in a user namespace with ids of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.capabilities import UNPRIVILEGED_ID
from tests.engines.world import World

pytestmark = [pytest.mark.engines, pytest.mark.needs("podman", "subids")]

CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
"""
POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'
WAITS = "trap 'exit 3' TERM; echo up; while :; do sleep 0.05; done"
# $1 is the folder of the user: it exists in the world alone.
SETUP = f"""
set -e
id={UNPRIVILEGED_ID}
mkdir -p "$1" /run/user/$id /etc/containers
for name in passwd group subuid subgid; do
    cat /etc/$name >"$1/$name" 2>/dev/null || :
    touch /etc/$name
done
echo "lcuser:x:$id:$id::$1/home:/bin/sh" >>"$1/passwd"
echo "lcuser:x:$id:" >>"$1/group"
echo "lcuser:2000000:65536" | tee "$1/subuid" >"$1/subgid"
for name in passwd group subuid subgid; do
    mount --bind "$1/$name" /etc/$name
done
mkdir -p "$1/home/.config/containers"
cat >"$1/home/.config/containers/containers.conf"
printf '%s' '{POLICY}' >"$1/home/.config/containers/policy.json"
chown -R $id:$id "$1/home" /run/user/$id
chmod 755 "$1"
chmod 666 /dev/net/tun 2>/dev/null || :
[ -n "$3" ] || exit 0
mkdir /run/python
mount --bind "$2" /run/python
mount -t tmpfs -o mode=755 private "$3"
mkdir -p "$2"
mount --bind /run/python "$2"
"""


def _closed_to_others(path: Path) -> str:
    """Return the first directory on the way that others cannot pass, or nothing."""
    for folder in reversed(path.parents):
        if not folder.stat().st_mode & 0o001:
            return str(folder)
    return ""


class Podman:
    """The program as an ordinary user."""

    def __init__(self, world: World, runtime: str, folder: Path) -> None:
        self.world = world
        self.home = folder / "home"
        user = str(UNPRIVILEGED_ID)
        self.prefix = [
            *("setpriv", "--reuid", user, "--regid", user, "--clear-groups"),
            *("podman", "--cgroup-manager", "cgroupfs", "--events-backend", "file"),
            *("--storage-driver", "overlay", "--runtime", runtime),
        ]
        self.env = {
            "HOME": str(self.home),
            "XDG_RUNTIME_DIR": f"/run/user/{user}",
            "USER": "lcuser",
        }

    def __call__(self, *args: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return self.world.run(*self.prefix, *args, env=self.env, **settings)

    def said(self, *args: str, **settings: Any) -> str:
        """Return what it prints if it works."""
        done = self(*args, **settings)
        assert done.returncode == 0, done.stderr
        return str(done.stdout).strip()


@pytest.fixture(scope="module")
def podman(world: World, runtime: str, image_tree: Path) -> Podman:
    """podman of that user with an image named ``box``."""
    folder = world.data / "user"
    python = Path(sys.base_prefix).resolve()
    closed = _closed_to_others(python)
    made = world.run("sh", "-c", SETUP, "sh", folder, python, closed, input=CONF)
    assert made.returncode == 0, made.stderr
    found = Podman(world, runtime, folder)
    archive = world.data / "image.tar"
    world.run("tar", "-C", str(image_tree), "-cf", str(archive), ".")
    found.said("import", str(archive), "box")
    return found


@pytest.fixture
def running(podman: Podman) -> Iterator[str]:
    """A container that ends with status 3 when it is asked to."""
    run = ("run", "-d", "--name", "waits", "--network", "none", "box")
    podman.said(*run, "sh", "-c", WAITS)
    yield "waits"
    podman.said("rm", "--force", "--time", "0", "waits")


def test_run_maps_the_ids_of_the_user(podman: Podman) -> None:
    script = "cat /proc/self/uid_map; touch /x; stat -c %u:%g /x; exit 7"
    done = podman("run", "--rm", "--network", "none", "box", "sh", "-c", script)
    assert done.returncode == 7, done.stderr
    first, second, owner = done.stdout.splitlines()
    assert first.split() == ["0", str(UNPRIVILEGED_ID), "1"]
    assert second.split() == ["1", "2000000", "65536"]
    assert owner == "0:0"


def test_run_as_another_user(podman: Podman) -> None:
    said = podman.said(
        "run", "--rm", "--network", "none", "--user", "user", "box", "id"
    )
    assert said.startswith("uid=1000(user)")


def test_the_users_own_id_inside(podman: Podman) -> None:
    keep = ("--userns", "keep-id", "--network", "none")
    assert podman.said("run", "--rm", *keep, "box", "id", "-u") == str(UNPRIVILEGED_ID)


def test_exec_logs_and_stop(podman: Podman, running: str) -> None:
    done = podman("exec", running, "sh", "-c", "id -u; exit 9")
    assert (done.returncode, done.stdout) == (9, "0\n"), done.stderr
    assert podman.said("exec", "-t", running, "tty").startswith("/dev/pts/")
    assert podman.said("logs", running) == "up"
    podman.said("stop", "--time", "20", running)
    assert podman.said("inspect", "--format", "{{.State.ExitCode}}", running) == "3"


def test_kill_and_restart(podman: Podman, running: str) -> None:
    podman.said("kill", running)
    assert podman.said("wait", running) == "137"
    podman.said("start", running)
    assert podman.said("exec", running, "echo", "on") == "on"


def test_a_volume_of_the_user(podman: Podman) -> None:
    folder = podman.home / "volume"
    user = podman.prefix[:6]
    podman.world.run(*user, "mkdir", "-p", folder)
    podman.said(
        *("run", "--rm", "--network", "none", "-v", f"{folder}:/v"),
        *("box", "sh", "-c", "echo x >/v/x"),
    )
    stat = podman.world.run("stat", "-c", "%u", folder / "x")
    assert stat.stdout == f"{UNPRIVILEGED_ID}\n"


def test_a_published_port_is_reached(podman: Podman) -> None:
    serve = "mkdir /w; echo served >/w/index.html; httpd -f -p 80 -h /w"
    options = ("--name", "web", "--network", "slirp4netns", "-p", "8088:80")
    podman.said("run", "-d", *options, "box", "sh", "-c", serve)
    fetch = ("busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8088/")
    deadline = time.monotonic() + 20
    while (done := podman.world.run(*fetch)).stdout != "served\n":
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)
    podman.said("rm", "--force", "--time", "0", "web")


def test_a_build(podman: Podman) -> None:
    folder = podman.home / "context"
    user = podman.prefix[:6]
    podman.world.run(*user, "mkdir", "-p", folder)
    text = 'FROM localhost/box\nRUN echo one >/one\nCMD ["cat", "/one"]\n'
    podman.world.run(*user, "tee", folder / "Containerfile", input=text)
    podman.said("build", "--network", "none", "--tag", "built", str(folder))
    assert podman.said("run", "--rm", "--network", "none", "built") == "one"
