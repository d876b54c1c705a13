# SPDX-License-Identifier: Apache-2.0
"""C, K, N, S, U, X: what the program has, whichever way it came to be there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.attacks.conftest import HANG_SECONDS, Attempt
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")

_SAME = (
    *("uid", "gid", "groups", "no_new_privs", "seccomp", "securebits", "umask"),
    *("rlimits", "dev", "uid_map", "gid_map", "keepcaps", "blocked_signals", "env"),
    *("ignored_signals", "hostname", "cwd", "oom_score_adj", "dumpable", "cgroup"),
)
_STATUS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
           "Groups", "Umask", "SigBlk", "SigIgn", "SigCgt")  # fmt: skip


def _both(
    factory: lc.Factory, image: Path, **wishes: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the first process sees, and what one that joins it sees."""
    config = lc.Config(rootfs=str(image), **wishes)
    seen = []
    words = lc.Process(["/test_init"], stdout=lc.PIPE, stdin=lc.DEVNULL)
    stays = lc.Process(["/test_init", "--sleep", "20"], stdout=lc.PIPE,
                       stdin=lc.DEVNULL)  # fmt: skip
    with factory.create(new_id(), config) as container, container.run(stays) as first:
        assert first.stdout is not None
        seen.append(json.loads(first.stdout.readline()))
        with container.exec(words) as joined:
            out, _ = joined.communicate(timeout=HANG_SECONDS)
        seen.append(json.loads(out or b""))
        first.kill()
    return seen[0], seen[1]


_KINDS: dict[str, dict[str, Any]] = {
    "root": {},
    "another user": {"user": "1000:1000"},
    "with capabilities": {"user": "1000:1000", "capabilities": ["KILL", "CHOWN"]},
    "with groups": {"user": "1000:1000", "additional_groups": [7, 8]},
    "filtered": {"seccomp": lc.Seccomp.default()},
    "user namespace": {
        "namespaces": [*lc.Config().namespaces, "user"],
        "uid_mappings": [lc.IdMapping(0, 100000, 65536)],
        "gid_mappings": [lc.IdMapping(0, 100000, 65536)],
    },
}


@pytest.mark.parametrize("kind", _KINDS)
def test_x14_c05_x03_who_joins_has_what_the_first_has(
    factory: lc.Factory, image: Path, kind: str
) -> None:
    first, joined = _both(factory, image, **_KINDS[kind])
    for name in _SAME:
        assert first.get(name) == joined.get(name), name
    for name in _STATUS:
        assert first["status"].get(name) == joined["status"].get(name), name
    # A cgroup namespace shows each its own root; all of them are the same.
    assert first["namespaces"] == joined["namespaces"]
    assert first["mountinfo"] == joined["mountinfo"]
    assert first["status"]["CapInh"].strip("0") == ""


def test_c12_c04_no_group_but_those_asked_for(attempt: Attempt) -> None:
    before = os.getgroups()
    os.setgroups([*range(5000, 5020)])
    try:
        for wanted, seen in (((), []), ((7,), [7]), (None, [])):
            done = attempt("/test_init", user="1000:1000", additional_groups=wanted)
            # The kernel counts the primary one where a set-id program looks.
            assert set(json.loads(done.out)["groups"]) <= {*seen, 1000}
    finally:
        os.setgroups(before)


def test_c13_the_callers_keyring_is_out_of_reach(attempt: Attempt, image: Path) -> None:
    outside = subprocess.run([image / "test_init"], capture_output=True, check=True)
    rings = [json.loads(said)["keyrings"]["session"]
             for said in (outside.stdout, attempt("/test_init").out)]  # fmt: skip
    assert rings[0] != rings[1]


@pytest.mark.parametrize(
    "option", ["hidepid=2", "hidepid=invisible", "subset=pid"]
)  # fmt: skip
def test_k05_options_of_procfs_are_honoured(attempt: Attempt, option: str) -> None:
    mounts = [m for m in lc.Config().base_mounts if m.type != "proc"]
    proc = lc.Mount(destination="/proc", type="proc", data=(option,))
    done = attempt("cat", "/proc/self/mounts", base_mounts=[proc, *mounts],
                   masked_paths=[], readonly_paths=[])  # fmt: skip
    words = {"hidepid=2": "invisible", "hidepid=invisible": "invisible"}
    row = next(r for r in done.out.splitlines() if " /proc proc " in r)
    assert words.get(option, option) in row or "hidepid=2" in row


@pytest.mark.parametrize(
    "key",
    [
        *(
            "kernel.core_pattern",
            "kernel.modprobe",
            "vm.overcommit_memory",
            "fs.file-max",
        ),
        *(
            "kernel/core_pattern",
            "net.ipv4/../../kernel/core_pattern",
            "../kernel.hotplug",
        ),
        *("net..ipv4", ".net.ipv4", "net.ipv4.", "", "net", "net.ipv4\0", "net.ipv4\n"),
        *("KERNEL.core_pattern", "kernel.shm_rmid_forced+kernel.core_pattern", "sys.x"),
        *("net.ipv4.conf.*.forwarding/", "user.max_user_namespaces", "dev.tty.ldisc"),
    ],
)
def test_k03_a_kernel_parameter_of_the_host_is_refused(
    attempt: Attempt, key: str
) -> None:
    """CVE-2022-0811: nor is it hidden in the name or in the value of another."""
    before = Path("/proc/sys/kernel/core_pattern").read_text()
    for sysctl in ({key: "1"}, {"net.ipv4.ip_forward": f"1+{key}=x"},
                   {"net.ipv4.ip_forward": f"1\n{key} = x"}):  # fmt: skip
        assert attempt("true", sysctl=sysctl).refused, sysctl
    assert Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_k04_a_fake_proc_of_the_image_gets_no_label_or_parameter(
    attempt: Attempt, image: Path
) -> None:
    """What is written to procfs goes to one of our own, or the launch fails."""
    fake = image / "proc" / "sys" / "net" / "ipv4"
    fake.mkdir(parents=True)
    (fake / "ip_forward").write_text("0")
    done = attempt("cat", "/proc/sys/net/ipv4/ip_forward",
                   sysctl={"net.ipv4.ip_forward": "1"})  # fmt: skip
    assert done.refused or done.out == "1\n"
    assert (fake / "ip_forward").read_text() == "0"


def test_n01_there_is_no_abstract_socket_of_ours(
    factory: lc.Factory, image: Path
) -> None:
    def abstract() -> set[str]:
        rows = Path("/proc/net/unix").read_text().splitlines()[1:]
        return {row.split()[7] for row in rows if row.count("@")}

    before = abstract()
    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        container.prepare(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL), detach=True)
        assert abstract() <= before
        container.start()
        assert abstract() <= before


@pytest.mark.parametrize(
    "name",
    ["../eth0", "eth0/..", "a" * 16, "a\0", "a\n", "", ".", "..", "a b", "a:b", "a/b",
     "%d%d", "\u00e9" * 9],
)  # fmt: skip
def test_n02_a_name_of_a_link_that_is_none_is_refused(
    attempt: Attempt, name: str
) -> None:
    done = attempt("true", networks=[lc.Veth(name=name)])
    assert isinstance(done.error, lc.ConfigError)


@pytest.mark.parametrize("joined", [False, True])
def test_s09_the_filter_is_nothing_that_could_be_written(
    factory: lc.Factory, image: Path, joined: bool
) -> None:
    """It comes with the plan, by a sealed memory file; the image has none of it."""
    config = lc.Config(rootfs=str(image), seccomp=lc.Seccomp.default())
    before = sorted(str(path) for path in image.rglob("*"))
    with factory.create(new_id(), config) as container:
        init = container.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        handle = init
        if joined:
            handle = container.exec(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        status = Path(f"/proc/{handle.host_pid}/status").read_text()
        assert "Seccomp:\t2" in status
        assert sorted(str(path) for path in image.rglob("*")) == before


def test_u04_root_of_the_host_is_mapped_only_if_that_was_said(
    attempt: Attempt, bait: Path
) -> None:
    (bait / "secret").chmod(0o600)
    space = [*lc.Config().namespaces, "user"]
    bind = [lc.Mount.bind(str(bait), "/mnt", read_only=True)]
    outcomes = []
    for first in (100000, 0):
        maps = [lc.IdMapping(0, first, 65536)]
        done = attempt("cat", "/mnt/secret", namespaces=space, uid_mappings=maps,
                       gid_mappings=maps, mounts=bind)  # fmt: skip
        outcomes.append("canary" in done.out)
    assert outcomes == [False, True]


@pytest.mark.parametrize("kind", ["user", "mount", "pid", "network"])
@pytest.mark.parametrize("path", ["/proc/1/ns/{}", "/etc/passwd", "/proc/self/fd/0"])
def test_u05_what_is_joined_must_be_such_a_namespace(
    attempt: Attempt, kind: str, path: str
) -> None:
    words = {"mount": "mnt", "network": "net"}
    where = path.format(words.get(kind, kind))
    if kind != "user" and "/ns/" in path:
        return  # The configuration may give the host's away; only not by accident.
    done = attempt("true", namespaces=[*lc.Config().namespaces, "user"],
                   namespace_paths={kind: where})  # fmt: skip
    assert done.refused


def test_u06_more_extents_than_five_map_what_they_say(attempt: Attempt) -> None:
    """CVE-2018-18955: sorted in the kernel, looked up in two directions."""
    maps = [lc.IdMapping(n * 10, 200000 + n * 100, 10) for n in range(8)]
    script = "for n in 0 5 13 27 75; do : > /mnt/$n; chown $n /mnt/$n; done;"
    script += " busybox stat -c '%n %u' /mnt/*"
    done = attempt("sh", "-c", script, namespaces=[*lc.Config().namespaces, "user"],
                   uid_mappings=maps, gid_mappings=maps,
                   mounts=[lc.Mount.tmpfs("/mnt")],
                   capabilities=["CHOWN", "DAC_OVERRIDE"])  # fmt: skip
    seen = dict(line.split() for line in done.out.splitlines())
    assert seen == {f"/mnt/{n}": str(n) for n in (0, 5, 13, 27, 75)}
