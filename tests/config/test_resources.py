# SPDX-License-Identifier: Apache-2.0
"""What a process gets of the machine: what may be written, kept and refused."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.config import config_from_json, config_to_json
from libcontainer.config.convert import SIGNAL_NUMBERS
from libcontainer.config.numbers import numbers_mask, to_numbers
from libcontainer.config.sysctl import sysctl_path
from libcontainer.validate import validate

WITHOUT = {
    kind: [name for name in lc.Config().namespaces if name != kind]
    for kind in ("pid", "ipc", "network")
}
MAPS: dict[str, Any] = {
    "uid_mappings": [lc.IdMapping(0, 100000, 10)],
    "gid_mappings": [lc.IdMapping(0, 100000, 10)],
}

FULL = lc.Config(
    init=True,
    sysctl={"net.ipv4.ip_forward": 1, "kernel.sem": "32000 1024000000 500 32000"},
    oom_score_adj=-1000,
    scheduler=lc.Scheduler("fifo", priority=99, flags=["reset_on_fork"]),
    io_priority=lc.IoPriority("rt", 7),
    cpu_affinity=lc.CpuAffinity(initial=0, final="0-3,7"),
    core_scheduling=True,
    memory_policy=lc.MemoryPolicy("bind", [0, 1], flags=["static_nodes"]),
    personality=lc.Personality("linux32", ["addr_no_randomize"]),
    keyring=False,
    parent_death_signal="kill",
    ksm=True,
    thp_disable=True,
    coredump_filter=0x33,
    notify_socket="/run/systemd/notify",
)


def scheduler(policy: Any = "other", **fields: Any) -> dict[str, Any]:
    return {"scheduler": lc.Scheduler(policy, **fields)}


def io(*fields: Any) -> dict[str, Any]:
    return {"io_priority": lc.IoPriority(*fields)}


def memory(*fields: Any, flags: Any = ()) -> dict[str, Any]:
    return {"memory_policy": lc.MemoryPolicy(*fields, flags=flags)}


def deadline(runtime: int, until: int, period: int = 0) -> dict[str, Any]:
    return scheduler("deadline", runtime=runtime, deadline=until, period=period)


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"oom_score_adj": 1001}, "oom_score_adj", "must be from -1000 to 1000"),
    ({"oom_score_adj": -1001}, "oom_score_adj", "must be from -1000 to 1000"),
    ({"oom_score_adj": "7"}, "oom_score_adj", "must be an integer, not str"),
    ({"oom_score_adj": True}, "oom_score_adj", "must be an integer, not bool"),
    ({"scheduler": 3}, "scheduler", "must be a Scheduler, not int"),
    (scheduler("iso"), "scheduler.policy", "must be one of SCHED_OTHER, SCHED_FIFO"),
    (scheduler(7), "scheduler.policy", "must be a string, not int"),
    (scheduler(nice=20), "scheduler.nice", "must be from -20 to 19"),
    (scheduler(nice=-21), "scheduler.nice", "must be from -20 to 19"),
    (scheduler("idle", nice=1), "scheduler.nice", "has no effect with SCHED_IDLE"),
    (
        scheduler("rr", nice=1, priority=1),
        "scheduler.nice",
        "has no effect with SCHED_RR",
    ),
    ({"scheduler": "fifo"}, "scheduler.priority", "must be from 1 to 99, not 0"),
    (scheduler("rr", priority=100), "scheduler.priority", "must be from 1 to 99"),
    (scheduler(priority=5), "scheduler.priority", "must be 0 with SCHED_OTHER"),
    (scheduler(flags="x"), "scheduler.flags", "must be a sequence of flags"),
    (scheduler(flags=["x"]), "scheduler.flags[0]", "must be one of SCHED_FLAG_RESET"),
    (scheduler(flags=["reclaim"] * 2), "scheduler.flags[1]", "is there already"),
    (scheduler(runtime=1), "scheduler.runtime", "must be 0 with SCHED_OTHER"),
    (deadline(1023, 5000), "scheduler.runtime", "must be from 1024"),
    (deadline(6000, 5000), "scheduler.runtime", "must not be above deadline"),
    (deadline(2000, 5000, 4000), "scheduler.deadline", "must not be above period"),
    (deadline(2000, 2**63), "scheduler.deadline", "must be from 1024 to"),
    ({"io_priority": 4}, "io_priority", "must be a IoPriority, not int"),
    (io("none"), "io_priority.class_", "must be one of IOPRIO_CLASS_RT"),
    (io("be", 8), "io_priority.priority", "must be from 0 to 7"),
    (io("idle", 1), "io_priority.priority", "must be from 0 to 0"),
    ({"cpu_affinity": ""}, "cpu_affinity.final", "must be a text like '0-3,7'"),
    ({"cpu_affinity": "3-1"}, "cpu_affinity.final", "must be a text like"),
    ({"cpu_affinity": "0, 1"}, "cpu_affinity.final", "must be a text like"),
    ({"cpu_affinity": "8192"}, "cpu_affinity.final", "a number above 8191"),
    ({"cpu_affinity": -1}, "cpu_affinity.final", "must be numbers or a text"),
    ({"cpu_affinity": []}, "cpu_affinity.final", "must be numbers or a text"),
    ({"cpu_affinity": [0, "1"]}, "cpu_affinity.final", "must be numbers or a text"),
    ({"cpu_affinity": lc.CpuAffinity()}, "cpu_affinity", "must have initial or final"),
    (
        {"cpu_affinity": lc.CpuAffinity(initial="x", final=0)},
        "cpu_affinity.initial",
        "must be a text like",
    ),
    ({"memory_policy": "bind"}, "memory_policy", "must be a MemoryPolicy, not str"),
    (memory("near", "0"), "memory_policy.mode", "must be one of MPOL_DEFAULT"),
    (memory("bind"), "memory_policy.nodes", "is needed with MPOL_BIND"),
    (memory("local", "0"), "memory_policy.nodes", "is of no use with MPOL_LOCAL"),
    (memory("bind", "1024"), "memory_policy.nodes", "a number above 1023"),
    (memory("bind", "a"), "memory_policy.nodes", "must be a text like"),
    (
        memory("default", flags=["static_nodes"]),
        "memory_policy.flags",
        "are of no use with MPOL_DEFAULT",
    ),
    (
        memory("bind", "0", flags=["static_nodes", "relative_nodes"]),
        "memory_policy.flags",
        "exclude each other",
    ),
    (
        memory("interleave", "0", flags=["numa_balancing"]),
        "memory_policy.flags",
        "is not for MPOL_INTERLEAVE",
    ),
    ({"personality": 8}, "personality", "must be a Personality, not int"),
    ({"personality": "BSD"}, "personality.domain", "must be one of LINUX, LINUX32"),
    (
        {"personality": lc.Personality("LINUX", ["MMAP_PAGE_ZERO"])},
        "personality.flags[0]",
        "must be one of ADDR_NO_RANDOMIZE",
    ),
    ({"keyring": 1}, "keyring", "must be true or false, not int"),
    ({"ksm": "yes"}, "ksm", "must be true or false, not str"),
    ({"thp_disable": 0}, "thp_disable", "must be true or false, not int"),
    ({"parent_death_signal": "kll"}, "parent_death_signal", "unknown signal 'kll'"),
    ({"parent_death_signal": 0}, "parent_death_signal", "must be from 1 to 64"),
    ({"parent_death_signal": 65}, "parent_death_signal", "must be from 1 to 64"),
    ({"coredump_filter": -1}, "coredump_filter", "must be from 0 to 511"),
    ({"coredump_filter": 512}, "coredump_filter", "must be from 0 to 511"),
]

ONLY_CONFIG: list[tuple[dict[str, Any], str, str]] = [
    ({"init": 1}, "init", "must be true or false, not int"),
    ({"init": True, "namespaces": WITHOUT["pid"]}, "init", "needs a 'pid' namespace"),
    (
        {"core_scheduling": True, "namespaces": WITHOUT["pid"]},
        "core_scheduling",
        "needs a 'pid' namespace of its own",
    ),
    ({"core_scheduling": None}, "core_scheduling", "must be true or false"),
    ({"notify_socket": 7}, "notify_socket", "must be a string, not int"),
    ({"notify_socket": "x"}, "notify_socket", "must be an absolute path"),
    ({"notify_socket": ""}, "notify_socket", "must be an absolute path"),
    ({"notify_socket": "@"}, "notify_socket", "has no name after '@'"),
    ({"notify_socket": "@" + "a" * 107}, "notify_socket", "is longer than 107 bytes"),
    ({"notify_socket": "/x\n"}, "notify_socket", "has a line break"),
    (
        {
            "notify_socket": "/x",
            "namespace_paths": {"mount": "/run/ns/mount"},
            "rootfs": "/",
            **dict.fromkeys(("base_mounts", "devices"), ()),
            **dict.fromkeys(("masked_paths", "readonly_paths"), ()),
        },
        "notify_socket",
        "needs a mount namespace that is not joined",
    ),
    (
        {"init": True, "namespace_paths": {"pid": "/run/ns/pid"}},
        "init",
        "needs a 'pid' namespace of its own",
    ),
    (
        {"notify_socket": "/x", "env": {"NOTIFY_SOCKET": "/y"}},
        "env[0]",
        "is set by notify_socket",
    ),
    (
        {"notify_socket": "/x", "mounts": [lc.Mount.bind("/dev", "/dev")]},
        "notify_socket",
        "needs a /dev of the container's own",
    ),
    (
        {"notify_socket": "/x", "mounts": [lc.Mount.bind("/y", "/dev/notify")]},
        "notify_socket",
        "is the destination of a mount",
    ),
    (
        {"notify_socket": "/x", "devices": [lc.Device("/dev/notify", "c", 1, 3)]},
        "notify_socket",
        "is the path of a device",
    ),
    ({"sysctl": 7}, "sysctl", "must be a sequence of entries, not int"),
    ({"sysctl": ["net.x"]}, "sysctl[0]", "has no '='"),
    ({"sysctl": {"net.x": None}}, "sysctl[0]", "must be a string, not NoneType"),
    ({"sysctl": {7: "1"}}, "sysctl[0]", "must be a string, not int"),
    ({"sysctl": {"net.x": "1\n2"}}, "sysctl[0]", "has a line break"),
    ({"sysctl": {"net..x": 1}}, "sysctl[0]", "is no name of a kernel parameter"),
    ({"sysctl": {"net.x+kernel.core_pattern": 1}}, "sysctl[0]", "is no name"),
    ({"sysctl": {"net/../kernel/sem": 1}}, "sysctl[0]", "is no name"),
    ({"sysctl": {"net/./x": 1}}, "sysctl[0]", "is no name"),
    ({"sysctl": {"/net/x": 1}}, "sysctl[0]", "is no name"),
    ({"sysctl": {"": 1}}, "sysctl[0]", "is no name"),
    ({"sysctl": {"net.x": 1, "net/x": 2}}, "sysctl[1]", "'net/x' is 'net.x' already"),
    ({"sysctl": {"kernel.pid_max": 1}}, "sysctl[0]", "is the whole host's"),
    ({"sysctl": {"vm.swappiness": 1}}, "sysctl[0]", "is the whole host's"),
    ({"sysctl": {"kernel.shm": 1}}, "sysctl[0]", "is the whole host's"),
    ({"sysctl": {"fs.mqueue": 1}}, "sysctl[0]", "is the whole host's"),
    ({"sysctl": {"net": 1}}, "sysctl[0]", "is the whole host's"),
    ({"sysctl": {"kernel.hostname": "x"}}, "sysctl[0]", "is set by the field hostname"),
    (
        {"sysctl": {"kernel/domainname": "x"}},
        "sysctl[0]",
        "is set by the field domainname",
    ),
    (
        {"sysctl": {"net.x": 1}, "namespaces": WITHOUT["network"]},
        "sysctl[0]",
        "needs a 'network' namespace of its own",
    ),
    (
        {"sysctl": {"kernel.sem": 1}, "namespaces": WITHOUT["ipc"]},
        "sysctl[0]",
        "needs a 'ipc' namespace of its own",
    ),
    (
        {"sysctl": {"fs.mqueue.msg_max": 1}, "namespaces": WITHOUT["ipc"]},
        "sysctl[0]",
        "needs a 'ipc' namespace of its own",
    ),
    (
        {
            "sysctl": {"net.x": 1},
            "namespaces": ["mount", "network", "user"],
            "base_mounts": [],
            **MAPS,
        },
        "sysctl",
        "in a user namespace needs a 'pid' namespace of its own",
    ),
]


@pytest.mark.parametrize(("fields", "path", "message"), WRONG + ONLY_CONFIG)
def test_a_wrong_field_is_one_problem_at_its_path(
    fields: dict[str, Any], path: str, message: str
) -> None:
    (problem,) = validate(lc.Config(**fields))
    assert problem.path == path
    assert message in problem.message


@pytest.mark.parametrize(("fields", "path", "message"), WRONG)
def test_a_process_is_checked_as_a_configuration_is(
    fields: dict[str, Any], path: str, message: str
) -> None:
    (problem,) = validate(lc.Config(), lc.Process(["true"], **fields))
    assert problem.path == f"process.{path}"
    assert message in problem.message


def test_all_that_may_be_asked_for_is_valid_and_survives_json() -> None:
    assert validate(FULL) == []
    written = json.loads(json.dumps(config_to_json(FULL)))
    assert config_from_json(written) == FULL
    assert hash(FULL) == hash(config_from_json(written))


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"scheduler": "batch"}, lc.Scheduler("SCHED_BATCH")),
        ({"io_priority": "be"}, lc.IoPriority("IOPRIO_CLASS_BE", 4)),
        ({"cpu_affinity": [3, 0, 1]}, lc.CpuAffinity(final="0-1,3")),
        ({"cpu_affinity": 5}, lc.CpuAffinity(final="5")),
        ({"cpu_affinity": range(4)}, lc.CpuAffinity(final="0-3")),
        ({"personality": "linux32"}, lc.Personality("LINUX32")),
        ({"parent_death_signal": "SIGTERM"}, 15),
        ({"sysctl": {"net.x": 1}}, (("net.x", "1"),)),
        ({"sysctl": ["net.x=1"]}, (("net.x", "1"),)),
    ],
)
def test_short_forms_are_taken(fields: dict[str, Any], kept: object) -> None:
    (name,) = fields
    assert getattr(lc.Config(**fields), name) == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("0", "0"),
        ("0-0", "0"),
        ("3,1,2", "1-3"),
        ("0-3,2-9", "0-9"),
        ("007", "7"),
        ({1, 5}, "1,5"),
        ("0-999999999", "0-999999999"),
    ],
)
def test_numbers_are_kept_in_their_shortest_form(written: Any, kept: str) -> None:
    assert to_numbers(written) == kept


@pytest.mark.parametrize(
    "junk", ["", "-1", "1-", ",", "1,", "٣", "1\n", None, -1, True, 1.0, [True], b"1"]
)
def test_what_is_no_set_of_numbers_passes_unchanged(junk: Any) -> None:
    assert to_numbers(junk) is junk


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("0", b"\x01" + bytes(7)),
        ("0-3,7", b"\x8f" + bytes(7)),
        ("63", bytes(7) + b"\x80"),
        ("64", bytes(8) + b"\x01" + bytes(7)),
    ],
)
def test_a_mask_is_whole_words(text: str, mask: bytes) -> None:
    assert numbers_mask(text) == mask


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding"),
        ("net", "net"),
    ],
)
def test_the_first_separator_of_a_parameter_decides(name: str, path: str) -> None:
    assert sysctl_path(name) == path


def test_signals_have_the_kernels_numbers() -> None:
    for name, number in SIGNAL_NUMBERS.items():
        assert signal.Signals[name] == number


PROCESS_WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"listen_fds": 3}, "listen_fds", "must be a sequence of entries, not int"),
    ({"listen_fds": ["web"]}, "listen_fds[0]", "has no '='"),
    ({"listen_fds": {"a:b": 3}}, "listen_fds[0]", "is no name of an fd"),
    ({"listen_fds": {"": 3}}, "listen_fds[0]", "is no name of an fd"),
    ({"listen_fds": {"a" * 256: 3}}, "listen_fds[0]", "is no name of an fd"),
    ({"listen_fds": {"web": -1}}, "listen_fds[0]", "must be from 0 to"),
    ({"listen_fds": {"web": "3"}}, "listen_fds[0]", "must be an integer, not str"),
    ({"listen_fds": [3, 3]}, "listen_fds[1]", "3 is process.listen_fds[0] already"),
    (
        {"listen_fds": [3], "pass_fds": [3]},
        "pass_fds[0]",
        "3 is process.listen_fds[0] already",
    ),
    (
        {"listen_fds": [3], "env": {"LISTEN_PID": "1"}},
        "env[0]",
        "LISTEN_PID is set by listen_fds",
    ),
    ({"wait_fifo": 3}, "wait_fifo", "must be a path, not int"),
    ({"wait_fifo": "go"}, "wait_fifo", "must be an absolute path"),
    ({"wait_fifo": "/tmp/"}, "wait_fifo", "must be the path of a fifo"),
    ({"cgroup": "memory:../x"}, "cgroup", "must be a relative path"),
    ({"pidfd_socket": 1.5}, "pidfd_socket", "must be a path or an fd, not float"),
    ({"pidfd_socket": True}, "pidfd_socket", "must be a path or an fd, not bool"),
    ({"pidfd_socket": -1}, "pidfd_socket", "must be from 0 to"),
    ({"pidfd_socket": "run/x"}, "pidfd_socket", "must be an absolute path"),
    ({"pidfd_socket": "/" + "a" * 107}, "pidfd_socket", "is longer than 107 bytes"),
]


@pytest.mark.parametrize(("fields", "path", "message"), PROCESS_WRONG)
def test_a_wrong_field_of_a_process_is_one_problem_at_its_path(
    fields: dict[str, Any], path: str, message: str
) -> None:
    (problem,) = validate(lc.Config(), lc.Process(["true"], **fields))
    assert problem.path == f"process.{path}"
    assert message in problem.message


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ([3, 5], (("unknown", 3), ("unknown", 5))),
        ({"web": 3, "admin": 4}, (("web", 3), ("admin", 4))),
        ([("web", 3)], (("web", 3),)),
    ],
)
def test_sockets_to_serve_are_taken_with_and_without_names(
    written: Any, kept: object
) -> None:
    assert lc.Process(["true"], listen_fds=written).listen_fds == kept
