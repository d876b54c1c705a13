# SPDX-License-Identifier: Apache-2.0
"""What runc makes of a command line or a bundle, and this command too."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from libcontainer.commands import oci_update
from libcontainer.commands.oci_events import seconds_of
from tests.oci_bundles import Oci, cgroup_of, document, write
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

DEVNULL = subprocess.DEVNULL


def _start(oci: Oci, bundle: Path, content: dict[str, Any], *options: str) -> str:
    """Run a container in the background; return its id."""
    box = new_id()
    write(bundle, content)
    command = [*oci.prefix, *options, "run", "-d", "-b", str(bundle), box]
    subprocess.run(command, stdin=DEVNULL, stdout=DEVNULL, check=True, timeout=20)
    return box


def _said(oci: Oci, bundle: Path, content: dict[str, Any]) -> str:
    """Return what the program of a bundle prints."""
    write(bundle, content)
    return oci.said("run", "-b", str(bundle), new_id())


# -- words of the command line


def test_a_flag_takes_the_booleans_of_go(oci: Oci, bundle: Path) -> None:
    write(bundle, document("true"))
    for word in ("t", "T", "TRUE", "True", "1", "f", "F", "FALSE", "False", "0"):
        box = new_id()
        oci.said("run", f"--keep={word}", "-b", str(bundle), box)
        is_kept = word.lower() in {"t", "true", "1"}
        assert oci("delete", box).returncode == int(not is_kept)


def test_help_is_a_command_too(oci: Oci) -> None:
    assert oci.said("help") == oci.said("h") == oci.said("--help")
    assert oci.said("help", "run") == oci.said("h", "run") == oci.said("run", "--help")
    done = oci("help", "nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No help topic for 'nope'" in done.stderr


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("5", 5), ("0.5", 0.5), ("5s", 5), ("1m30s", 90), ("1h", 3600)),
        *(("100us", 1e-4), ("100\u00b5s", 1e-4), ("1.5h0.5m", 5430), (".5s", 0.5)),
    ],
)
def test_an_interval_is_a_duration_of_go(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "1m30", "s", "1x", "9999999h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a time such as 5s or 1m30s"):
        seconds_of(text)


# -- errors are sentences


def test_what_the_system_refuses_is_a_sentence(
    oci: Oci, bundle: Path, tmp_path: Path
) -> None:
    def failed(*words: str) -> str:
        done = oci(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "Errno" not in done.stderr
        assert len(done.stderr.splitlines()) == 1
        return done.stderr

    box = new_id()
    missing = "no such file or directory [ENOENT]"
    hint = "hint: --bundle names the directory that has it"
    for words in (("run", box), ("spec", "--check")):
        said = failed(*words, "-b", "/nope")
        assert f"read '/nope/config.json': {missing} {hint}" in said
    assert f"write '/nope/config.json': {missing}" in failed("spec", "-b", "/nope")
    oci.said("spec", "-b", str(tmp_path))
    said = failed("spec", "-b", str(tmp_path))
    assert "File config.json exists. Remove it first" in said
    write(bundle, document("true"))
    said = failed("run", "--pid-file", "/nope/pid", "-b", str(bundle), box)
    assert f"write --pid-file '/nope/pid': {missing}" in said
    assert oci.said("list", "-q") == ""
    said = failed("--root", "/nope/nope", "list")
    assert "'/nope/nope': No such file or directory [ENOENT]" in said


# -- cgroups


@pytest.mark.needs("cgroup1")
@pytest.mark.parametrize("path", ["lctest.slice:cri-containerd:abc", "a:b"])
def test_a_colon_in_a_path_is_one_where_systemd_makes_no_cgroups(
    oci: Oci, bundle: Path, path: str
) -> None:
    content = document("grep", ":pids:", "/proc/self/cgroup")
    content["linux"]["cgroupsPath"] = path
    kinds = content["linux"]["namespaces"]
    content["linux"]["namespaces"] = [k for k in kinds if k["type"] != "cgroup"]
    assert _said(oci, bundle, content).endswith(f"/{path}\n")


def test_what_a_cgroup_needs_is_told_in_words_of_the_command(
    oci: Oci, bundle: Path
) -> None:
    content = document("true")
    content["linux"]["cgroupsPath"] = "a"
    write(bundle, content)
    done = oci("--cgroup-manager=disabled", "run", "-b", str(bundle), new_id())
    assert done.returncode == 1
    assert "another --cgroup-manager" in done.stderr
    assert "factory" not in done.stderr.lower()


# -- exec


def test_exec_keeps_the_groups_of_the_containers_program(
    oci: Oci, bundle: Path
) -> None:
    (bundle / "rootfs/etc").mkdir(exist_ok=True)
    (bundle / "rootfs/etc/passwd").write_text("bob:x:1000:1234::/:/bin/sh\n")
    content = document("sleep", "1000")
    content["process"]["user"] = {"uid": 0, "gid": 7, "additionalGids": [3, 4]}
    box = _start(oci, bundle, content)
    for words, said in (
        ((), "0 7 7 3 4"),
        (("-u", "1000"), "1000 7 7 3 4"),
        (("-u", "4242"), "4242 7 7 3 4"),
        (("-u", "1000:5"), "1000 5 5 3 4"),
        (("-g", "5", "-g", "6,3"), "0 7 7 3 4 5 6"),
        (("-u", "1000", "-g", "5"), "1000 7 7 3 4 5"),
    ):
        script = "echo $(id -u) $(id -g) $(id -G)"
        assert oci.said("exec", *words, box, "sh", "-c", script) == f"{said}\n"
    # A name is the image's, and so is its group.
    assert oci.said("exec", "-u", "bob", box, "id", "-g") == "1234\n"


# -- update


@pytest.mark.needs("cgroup1")
def test_what_says_nothing_changes_nothing(oci: Oci, bundle: Path) -> None:
    content = document("sleep", "1000")
    content["linux"]["resources"] = {
        "memory": {"limit": 64 << 20, "reservation": 32 << 20, "swap": 96 << 20},
        "cpu": {"shares": 100, "quota": 50000, "period": 200000},
        "pids": {"limit": 20},
    }
    box = _start(oci, bundle, content)
    pid = json.loads(oci.said("state", box))["pid"]
    files = [
        cgroup_of(pid, name.partition(".")[0]) / name
        for name in (
            *("memory.limit_in_bytes", "memory.soft_limit_in_bytes"),
            *("memory.memsw.limit_in_bytes", "cpu.shares", "cpu.cfs_quota_us"),
            *("cpu.cfs_period_us", "cpuset.cpus", "pids.max"),
        )
    ]

    def limits() -> list[str]:
        return [file.read_text().strip() for file in files]

    before = limits()
    empty = ("--memory", "--memory-swap", "--memory-reservation", "--cpuset-cpus")
    zero = ("--cpu-share", "--cpu-quota", "--cpu-period", "--pids-limit", "--memory")
    oci.said("update", *(f"{name}=" for name in empty), box)
    oci.said("update", *(f"{name}=0" for name in zero), "--blkio-weight=0", box)
    oci.said("update", "-r", "-", box, input="null\n")
    oci.said("update", "-r", "-", box, input='{"pids": {}, "cpu": null}')
    assert limits() == before
    # What is in the file counts, and only that.
    limit = '{"pids": {"limit": 30}}'
    oci.said("update", "-r", "-", "--pids-limit", "7", "--memory=1g", box, input=limit)
    assert limits() == [*before[:-1], "30"]
    assert "--memory, --pids-limit is passed over" in oci.messages()[-1]["msg"]
    oci.said("update", "--memory", "0.0625g", "--memory-swap", "0.5 GiB", box)
    assert limits()[0] == str(64 << 20)
    assert limits()[2] == str(512 << 20)


@pytest.mark.parametrize("text", ["1.5.5g", "x", "-2", "1e9", "g", "1x"])
def test_what_is_no_size_is_refused(oci: Oci, text: str) -> None:
    done = oci("update", f"--memory={text}", "nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--memory takes a size such as 512m or 1.5g, or -1" in done.stderr


@pytest.mark.parametrize("text", ["1.5g", "1.5G", "1.5 GiB", "1536MB", "1610612736"])
def test_a_size_may_have_a_fraction(text: str) -> None:
    assert oci_update._size("--memory", text) == 1610612736


# -- events


@pytest.mark.needs("cgroup1")
def test_events_have_the_words_of_runc(oci: Oci, bundle: Path) -> None:
    content = document("sleep", "1000")
    content["linux"]["resources"] = {"cpu": {"cpus": "0"}}
    box = _start(oci, bundle, content)
    data = json.loads(oci.said("events", "--stats", box))["data"]
    folder = cgroup_of(json.loads(oci.said("state", box))["pid"], "memory")
    limit = int((folder / "memory.limit_in_bytes").read_text())
    assert data["memory"]["usage"]["limit"] == limit
    assert data["memory"]["kernel"]["limit"] == limit
    assert data["cpuset"]["cpus"] == [0]
    assert data["cpuset"]["sched_relax_domain_level"] == -1
    assert data["network_interfaces"] is None
