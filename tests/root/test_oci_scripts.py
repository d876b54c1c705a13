# SPDX-License-Identifier: Apache-2.0
"""What scripts that were written for another runtime look for in a container."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.oci_bundles import Oci, document, write
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

DEVNULL = subprocess.DEVNULL
KMSG = {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11}
SYSLOG = ["CAP_SYSLOG"]


def _content(*words: str, **linux: Any) -> dict[str, Any]:
    content = document(*words)
    content["linux"] |= linux
    return content


def _run(
    oci: Oci, bundle: Path, content: dict[str, Any], *options: str
) -> subprocess.CompletedProcess[str]:
    write(bundle, content)
    return oci("run", *options, "-b", str(bundle), new_id())


def _said(oci: Oci, bundle: Path, content: dict[str, Any], *options: str) -> str:
    done = _run(oci, bundle, content, *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _start(oci: Oci, bundle: Path, content: dict[str, Any]) -> str:
    box = new_id()
    write(bundle, content)
    subprocess.run(
        [*oci.prefix, "run", "-d", "-b", str(bundle), box],
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=DEVNULL,
        check=True,
        timeout=60,
    )
    return box


def _refused(oci: Oci, bundle: Path, content: dict[str, Any]) -> str:
    done = _run(oci, bundle, content)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def _debugged(oci: Oci, *words: str) -> str:
    # Without --log, so that it is said on standard error.
    line = [*oci.prefix[:5], "--debug", *words]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60)
    return done.stderr


# -- the log


def test_debug_has_the_words_that_scripts_wait_for(oci: Oci, bundle: Path) -> None:
    write(bundle, _content("true", seccomp={"defaultAction": "SCMP_ACT_ALLOW"}))
    told = _debugged(oci, "run", "-b", str(bundle), new_id())
    assert '"seccomp filter flags: 4"' in told
    words = "init: closing the pipe to signal completion"
    for line in ("nsexec container setup", "child process in init()", words):
        assert f'msg="{line}"' in told
    content = _content("sleep", "100")
    content["process"]["execCPUAffinity"] = {"initial": "0"}
    told = _debugged(oci, "exec", _start(oci, bundle, content), "true")
    for line in ("nsexec: affinity: 0x1", "setns_init: about to exec"):
        assert f'msg="{line}"' in told


def test_a_capability_that_is_not_raised_is_a_warning(oci: Oci, bundle: Path) -> None:
    content = _content("grep", "Cap", "/proc/self/status")
    sets = {name: ["CAP_SYS_ADMIN"] for name in ("bounding", "inheritable")}
    others = ["CAP_SYS_ADMIN", "CAP_KILL"]
    content["process"]["capabilities"] = sets | {"permitted": others, "ambient": others}
    done = _run(oci, bundle, content)
    assert (done.returncode, done.stderr) == (0, "")
    told = [line["msg"] for line in oci.messages() if line["level"] == "warning"]
    assert any("can't raise ambient capability CAP_KILL: " in line for line in told)
    found = dict(line.split(":\t") for line in done.stdout.splitlines())
    assert {int(mask, 16) for mask in found.values()} == {1 << 21}


@pytest.mark.parametrize(
    ("linux", "words"),
    [
        (
            {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["x"]}},
            "invalid memory policy flag",
        ),
        (
            {"memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0-9876543210"}},
            "invalid memory policy node",
        ),
        (
            {"netDevices": {"x0": {}}, "namespaces": [{"type": "mount"}]},
            "unable to move network devices without a NET namespace",
        ),
        (
            {
                "seccomp": {
                    "defaultAction": "SCMP_ACT_ALLOW",
                    "listenerPath": "/nosuch",
                    "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}],
                }
            },
            "failed to connect with seccomp agent",
        ),
    ],
)
def test_what_is_wrong_is_said_in_known_words(
    oci: Oci, bundle: Path, linux: dict[str, Any], words: str
) -> None:
    assert words in _refused(oci, bundle, _content("true", **linux))


def test_a_proc_that_is_a_symlink_and_a_hook_that_is_killed(
    oci: Oci, bundle: Path
) -> None:
    content = _content("true")
    content["hooks"] = {
        "startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "kill -SYS $$"]}]
    }
    said = _refused(oci, bundle, content)
    assert "error running startContainer hook #0" in said
    assert "bad system call" in said
    rootfs = bundle / "rootfs"
    (rootfs / "proc").rmdir()
    (rootfs / "proc").symlink_to("/tmp")
    assert "must be mounted on ordinary directory" in _refused(oci, bundle, content)


# -- mounts


def test_a_tmpfs_has_the_permissions_of_what_it_covers(oci: Oci, bundle: Path) -> None:
    (bundle / "rootfs" / "there").mkdir(mode=0o710)
    content = _content("sh", "-c", "stat -c %a $0 $1 $2; grep ' /there ' /proc/mounts")
    content["process"]["args"] += ["/there", "/there/a/b", "/tmp"]
    content["mounts"] += [
        {"destination": "/there", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/there/a/b", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/tmp", "type": "tmpfs", "options": ["mode=0500"]},
    ]
    *modes, line = _said(oci, bundle, content).splitlines()
    assert modes == ["710", "1777", "500"]
    assert "mode=710" in line


def test_dev_shows_the_source_that_it_was_given(oci: Oci, bundle: Path) -> None:
    content = _content("grep", " /dev ", "/proc/mounts")
    dev = next(m for m in content["mounts"] if m["destination"] == "/dev")
    dev["options"] = [*dev.get("options", ()), "ro"]
    assert _said(oci, bundle, content).startswith(f"{dev['source']} /dev tmpfs ro,")


def test_no_whole_proc_can_be_mounted_where_chroot_leaves_one(
    oci: Oci, bundle: Path
) -> None:
    content = _content("unshare", "-mrpf", "mount", "-t", "proc", "none", "/proc")
    content["linux"]["maskedPaths"] = ["/proc/keys"]
    for name in ("bounding", "permitted", "effective"):
        content["process"]["capabilities"][name] = ["CAP_SETFCAP"]
    for options in ((), ("--no-pivot",)):
        done = _run(oci, bundle, content, *options)
        assert done.returncode == 1
        assert "mount: " in done.stderr


# -- devices


def test_a_node_may_be_anywhere(oci: Oci, bundle: Path) -> None:
    node = {"path": "/data/x/null", "type": "c", "major": 1, "minor": 3, "uid": 7}
    content = _content("stat", "-c", "%F %t:%T %a %u", "/data/x/null", devices=[node])
    content["root"]["readonly"] = True
    said = _said(oci, bundle, content)
    assert said == "character special file 1:3 666 7\n"
    # It is there now, and the same.
    assert _said(oci, bundle, content) == said


def test_a_node_that_is_something_else_is_refused(oci: Oci, bundle: Path) -> None:
    node = {"path": "/data", "type": "c", "major": 1, "minor": 3}
    content = _content("true", devices=[node])
    place = bundle / "rootfs" / "data"
    place.touch()
    assert "/data has incorrect ftype" in _refused(oci, bundle, content)
    place.unlink()
    os.mknod(place, 0o020666, os.makedev(1, 5))
    words = "/data has incorrect major:minor: 1:5 doesn't match expected 1:3"
    assert words in _refused(oci, bundle, content)


def test_a_node_is_no_permission(oci: Oci, bundle: Path) -> None:
    rules: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    content = _content("head", "-c1", "/dev/kmsg", devices=[KMSG])
    for name in ("bounding", "permitted", "effective"):
        content["process"]["capabilities"][name] = SYSLOG
    content["linux"]["resources"] = {"devices": rules}
    done = _run(oci, bundle, content)
    assert done.returncode != 0
    assert "Operation not permitted" in done.stderr
    rules.append({"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"})
    assert "Operation not permitted" not in _run(oci, bundle, content).stderr


# -- processes


def test_an_empty_home_and_the_processors_of_the_caller(oci: Oci, bundle: Path) -> None:
    content = _content("sh", "-c", "echo $HOME; grep Cpus_allowed_list: $0")
    content["process"]["args"].append("/proc/self/status")
    content["process"]["env"] = ["PATH=/bin", "HOME=/override", "HOME="]
    write(bundle, content)
    own = os.sched_getaffinity(0)
    line = [*oci.prefix, "run", "-b", str(bundle), new_id()]
    done = subprocess.run(
        ["taskset", "-c", str(min(own)), *line],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    home, processors = done.stdout.splitlines()
    assert home == "/root"
    everything = Path("/proc/self/status").read_text()
    assert f"{processors}\n" in everything


def test_a_shell_with_a_terminal_ends_with_the_input_of_its_caller(
    oci: Oci, bundle: Path
) -> None:
    content = _content("sh")
    content["process"]["terminal"] = True
    write(bundle, content)
    line = [*oci.prefix, "run", "-b", str(bundle), new_id()]
    done = subprocess.run(
        line, stdin=DEVNULL, capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr


# -- cgroups


def _group(oci: Oci, box: str, controller: str) -> Path:
    pid = json.loads(oci.said("state", box))["pid"]
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return Path(f"/sys/fs/cgroup/{names}{path}")
    pytest.skip("cgroup v2")


def test_a_cgroup_that_nobody_named_has_the_name_of_its_container(
    oci: Oci, bundle: Path
) -> None:
    box = _start(oci, bundle, _content("sleep", "100"))
    pid = json.loads(oci.said("state", box))["pid"]
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    # Beside v1, v2 is not used.
    used = [line for line in lines if len(lines) == 1 or not line.startswith("0:")]
    assert {line.rpartition("/")[2] for line in used} == {box}


def test_swap_and_burst_count_with_what_holds_already(oci: Oci, bundle: Path) -> None:
    resources = {"memory": {"limit": 32 << 20}, "cpu": {"quota": 50000}}
    box = _start(oci, bundle, _content("sleep", "100", resources=resources))
    memory, cpu = _group(oci, box, "memory"), _group(oci, box, "cpu")
    oci.said("update", "--memory", "48M", box)
    swap = memory / "memory.memsw.limit_in_bytes"
    if swap.exists():
        oci.said("update", "--memory-swap", str(64 << 20), box)
        assert swap.read_text() == f"{64 << 20}\n"
    assert (memory / "memory.limit_in_bytes").read_text() == f"{48 << 20}\n"
    done = oci("update", "--memory-swap", str(40 << 20), box)
    assert "must be 50331648 or more" in done.stderr
    oci.said("update", "--cpu-burst", "40000", box)
    assert (cpu / "cpu.cfs_burst_us").read_text() == "40000\n"


def test_a_parent_that_others_left_without_processors_is_filled(
    oci: Oci, bundle: Path
) -> None:
    own = Path("/proc/self/cgroup").read_text().partition(":cpuset:")[2]
    hierarchy = Path("/sys/fs/cgroup/cpuset")
    if not hierarchy.is_dir() or not own:
        pytest.skip("cgroup v2")
    relative = own.partition("\n")[0].strip("/")
    pod = hierarchy / relative / f"lc-pod-{os.getpid()}"
    (pod / "inner").mkdir(parents=True)
    try:
        content = _content("true")
        path = f"/{relative}/{pod.name}/inner/box".replace("//", "/")
        content["linux"]["cgroupsPath"] = path
        assert _said(oci, bundle, content) == ""
        assert (pod / "inner" / "cpuset.mems").read_text().strip()
    finally:
        for folder in (pod / "inner", pod):
            folder.rmdir()
