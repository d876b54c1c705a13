# SPDX-License-Identifier: Apache-2.0
"""The command line of an ordinary user."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import RunAsUser

pytestmark = pytest.mark.needs("userns", "rootfs")

SCRIPT = """
import json, os, subprocess, sys
from pathlib import Path
rootfs, log = sys.argv[1:]
bundle = Path(os.environ["HOME"]) / "bundle"
bundle.mkdir()
command = [sys.executable, "-m", "libcontainer.commands.oci"]
def call(*words):
    with open(bundle / "said", "w+") as said:
        done = subprocess.run([*command, *words], stdin=subprocess.DEVNULL,
                              stdout=said, stderr=said, timeout=60)
        said.seek(0)
        print(done.returncode, said.read().strip(), flush=True)
call("spec", "--rootless", "--bundle", str(bundle))
path = bundle / "config.json"
content = json.loads(path.read_text())
content["root"]["path"] = rootfs
content["process"] |= {"terminal": False, "args": ["sh", "-c", "id -u; hostname"]}
path.write_text(json.dumps(content))
call("run", "--bundle", str(bundle), "one")
content["process"]["args"] = ["sleep", "1000"]
path.write_text(json.dumps(content))
call("--cgroup-manager", "cgroupfs", "create", "--bundle", str(bundle), "two")
call("start", "two")
call("exec", "two", "cat", "/proc/self/uid_map")
call("list", "--quiet")
call("kill", "two", "KILL")
call("delete", "--force", "two")
call("list", "--quiet")
content["linux"]["resources"] = {"pids": {"limit": 5}}
path.write_text(json.dumps(content))
call("create", "--bundle", str(bundle), "three")
call("list", "--quiet")
"""


def test_the_template_for_an_ordinary_user_runs(
    unprivileged: RunAsUser, busybox_rootfs: Path
) -> None:
    done = unprivileged(SCRIPT, str(busybox_rootfs), "log", timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines[:3] == ["0", "0 0", "libcontainer"]
    assert lines[3:5] == ["0", "0"]
    status, *extents = lines[5].split()
    assert (status, extents[0], extents[2]) == ("0", "0", "1")
    assert lines[6:10] == ["0 two", "0", "0", "0"]
    # A limit that cannot hold is an error, not passed over.
    assert lines[10].startswith("1 libcontainer: limits on resources")
    assert lines[11] == "0"
