# SPDX-License-Identifier: Apache-2.0
"""The fixtures that the privileged tests stand on do what they say."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

RunAsUser = Callable[..., "subprocess.CompletedProcess[str]"]
SUBIDS = Path("/etc/subuid")


def report_of(program: Path, *args: str, **options: Any) -> dict[str, Any]:
    """Run the test program and return what it saw."""
    done = subprocess.run(
        [program, *args], stdout=subprocess.PIPE, check=True, **options
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.needs("compiler")
def test_the_test_program_sees_what_python_sees(test_init: Path) -> None:
    report = report_of(test_init, cwd="/", env={"NAME": 'quote " and \x01'})
    assert report["uid"] == list(os.getresuid())
    assert report["groups"] == os.getgroups()
    assert report["ppid"] == os.getpid()
    assert report["cwd"] == "/"
    assert report["env"] == ['NAME=quote " and \x01']
    assert report["args"] == [str(test_init)]
    assert report["hostname"] == os.uname().nodename
    assert report["namespaces"]["mnt"] == os.stat("/proc/self/ns/mnt").st_ino
    assert report["mountinfo"] == Path("/proc/self/mountinfo").read_text().splitlines()
    null = report["dev"]["null"]
    assert (null["type"], null["major"], null["minor"]) == ("char", 1, 3)
    assert report["tty"] is None


@pytest.mark.needs("compiler")
def test_the_test_program_lists_its_descriptors(test_init: Path) -> None:
    with open("/dev/zero", "rb") as file:
        number = file.fileno()
        report = report_of(test_init, stdin=subprocess.DEVNULL, pass_fds=[number])
    assert set(report["fds"]) == {"0", "1", "2", str(number)}
    assert report["fds"][str(number)]["target"] == "/dev/zero"


@pytest.mark.needs("compiler")
def test_a_probe_tells_what_is_refused(test_init: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    missing = tmp_path / "missing"
    paths = [str(tmp_path), str(file), str(missing), f"{file}/below"]
    probes = report_of(test_init, "--probe", *paths)["probes"]
    folder, regular, absent, below = (probes[path] for path in paths)
    assert (folder["read"], folder["write"], folder["create"]) == (None, "EISDIR", None)
    assert (regular["read"], regular["write"], regular["create"]) == (None, None, None)
    assert (absent["stat"], absent["read"]) == ("ENOENT", "ENOENT")
    assert absent["create"] is None
    assert below["create"] == "ENOTDIR"
    assert not missing.exists()


@pytest.mark.needs("compiler")
def test_the_test_program_ends_as_it_is_told(test_init: Path) -> None:
    def code(*args: str) -> int:
        return subprocess.run(
            [test_init, *args], stdout=subprocess.DEVNULL, check=False
        ).returncode

    assert code("--exit", "7") == 7
    assert code("--kill", "15") == -15


@pytest.mark.needs("root", "rootfs")
def test_the_busybox_root_runs_a_shell(busybox_rootfs: Path) -> None:
    command = ["chroot", str(busybox_rootfs), "/bin/sh", "-c", "id -un; ls /"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "root"
    assert {"dev", "proc", "sys", "tmp"} <= set(done.stdout.split())


@pytest.mark.needs("root")
def test_the_unprivileged_user_has_no_rights(unprivileged: RunAsUser) -> None:
    script = (
        "import os, sys\n"
        "status = open('/proc/self/status').read()\n"
        "print(os.getuid(), os.getgid(), os.getgroups(), sys.argv[1:])\n"
        "print([l.split()[1] for l in status.splitlines() if l[:6] == 'CapEff'])\n"
        "open(os.environ['HOME'] + '/mine', 'w').close()\n"
        "import attrs, libcontainer\n"
    )
    done = unprivileged(script, "word")
    assert done.stderr == ""
    assert done.stdout == "20001 20001 [] ['word']\n['0000000000000000']\n"


@pytest.mark.needs("root", "subids", "userns")
def test_the_unprivileged_user_can_have_a_range_of_ids(
    unprivileged: RunAsUser,
) -> None:
    before = SUBIDS.read_bytes()
    script = (
        "import subprocess\n"
        "child = subprocess.Popen(['unshare', '--user', 'sleep', '30'])\n"
        "import os, time\n"
        "own = os.readlink('/proc/self/ns/user')\n"
        "while os.readlink(f'/proc/{child.pid}/ns/user') == own: time.sleep(0.01)\n"
        "done = subprocess.run(['newuidmap', str(child.pid), '0', '2000000', '1000'])\n"
        "child.kill(); child.wait()\n"
        "print(done.returncode)\n"
    )
    assert unprivileged(script, subids=True).stdout == "0\n"
    assert SUBIDS.read_bytes() == before
    assert unprivileged(script).stdout == "1\n"


@pytest.mark.slow
@pytest.mark.needs("root", "debian")
def test_the_debian_root_runs_bash(debian_rootfs: Path) -> None:
    script = ". /etc/os-release; echo $ID"
    command = ["chroot", str(debian_rootfs), "/bin/bash", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "debian\n"
