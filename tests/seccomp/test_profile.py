# SPDX-License-Identifier: Apache-2.0
"""Profiles: from JSON and back, and everything that can be wrong with one."""

from __future__ import annotations

import json
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.config import config_from_json, config_to_json
from libcontainer.config.seccomp import Condition, Seccomp, Syscall, SyscallArg
from libcontainer.validate import validate

OCI: dict[str, Any] = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    "flags": ["SECCOMP_FILTER_FLAG_LOG"],
    "listenerPath": "/run/listener.sock",
    "listenerMetadata": "mine",
    "syscalls": [
        {
            "names": ["mkdir", "mkdirat"],
            "action": "SCMP_ACT_NOTIFY",
            "args": [
                {"index": 1, "value": 511, "valueTwo": 1, "op": "SCMP_CMP_MASKED_EQ"}
            ],
        },
        {"names": ["sync"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5},
    ],
}


def problems(**fields: Any) -> list[str]:
    config = lc.Config(seccomp=Seccomp(**fields))
    return [f"{problem.path}: {problem.message}" for problem in validate(config)]


def test_the_oci_form_arrives_whole_and_goes_back() -> None:
    profile = Seccomp.from_json(OCI)
    assert profile == Seccomp(
        default_action="ERRNO",
        default_errno_ret=38,
        architectures=["X86_64", "X86"],
        flags=["LOG"],
        listener_path="/run/listener.sock",
        listener_metadata="mine",
        syscalls=[
            Syscall(
                names=["mkdir", "mkdirat"],
                action="NOTIFY",
                args=[SyscallArg(1, 511, 1, op="MASKED_EQ")],
            ),
            Syscall(names=["sync"], action="ERRNO", errno_ret=5),
        ],
    )
    assert profile.to_json() == OCI
    assert validate(lc.Config(seccomp=profile)) == []


def test_docker_s_form_arrives_whole() -> None:
    profile = Seccomp.from_json(
        {
            "defaultAction": "SCMP_ACT_ERRNO",
            "archMap": [
                {
                    "architecture": "SCMP_ARCH_X86_64",
                    "subArchitectures": ["SCMP_ARCH_X86"],
                },
                {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": None},
            ],
            "syscalls": [
                {
                    "names": ["ptrace"],
                    "action": "SCMP_ACT_ALLOW",
                    "comment": "since it is safe",
                    "args": None,
                    "includes": {"minKernel": "4.8", "arches": ["amd64", "x32"]},
                    "excludes": {"caps": ["CAP_SYS_ADMIN"]},
                },
                {"name": "sync", "action": "SCMP_ACT_ALLOW", "includes": {}},
            ],
        }
    )
    assert profile.architectures == (
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_X86",
        "SCMP_ARCH_RISCV64",
    )
    assert profile.syscalls == (
        Syscall(
            names=["ptrace"],
            action="ALLOW",
            includes=Condition(architectures=["X86_64", "X32"], min_kernel=(4, 8)),
            excludes=Condition(capabilities=["SYS_ADMIN"]),
        ),
        Syscall(names=["sync"], action="ALLOW"),
    )
    assert validate(lc.Config(seccomp=profile)) == []
    assert Seccomp.from_json(profile.to_json()) == profile


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"defaultActoin": 1}, "seccomp.defaultActoin: is no key of a profile"),
        ({"defaultAction": ...}, "seccomp.defaultAction: is missing"),
        ({"syscalls": {}}, "seccomp.syscalls: must be a sequence"),
        ({"syscalls": [7]}, "seccomp.syscalls[0]: must be an object"),
        ({"syscalls": [{"names": ["a"]}]}, "seccomp.syscalls[0].action: is missing"),
        (
            {"syscalls": [{"names": ["a"], "action": "x", "args": [{"index": 0}]}]},
            "seccomp.syscalls[0].args[0].value: is missing",
        ),
        (
            {
                "syscalls": [
                    {"names": ["a"], "action": "x", "includes": {"minKernel": "new"}}
                ]
            },
            "seccomp.syscalls[0].includes.minKernel: is no version such as 4.8",
        ),
    ],
)
def test_bad_json_is_refused(change: dict[str, Any], expected: str) -> None:
    document = {k: v for k, v in {**OCI, **change}.items() if v is not ...}
    with pytest.raises(lc.ConfigError) as caught:
        Seccomp.from_json(document)
    assert any(
        f"{problem.path}: {problem.message}".startswith(expected)
        for problem in caught.value.problems
    ), caught.value


@pytest.mark.parametrize(
    "profile",
    [
        None,
        Seccomp.default(),
        Seccomp.from_json(OCI),
        Seccomp(bpf=b"\6\0\0\0\0\0\xff\x7f"),
        Seccomp(
            syscalls=[
                Syscall(
                    names="sync",
                    action="LOG",
                    includes=Condition(capabilities=["KILL"], min_kernel=(5, 4)),
                )
            ]
        ),
    ],
)
def test_the_state_file_keeps_it(profile: Seccomp | None) -> None:
    config = lc.Config(seccomp=profile)
    text = json.dumps(config_to_json(config))
    assert config_from_json(json.loads(text)) == config


def test_a_ready_program_has_no_oci_form() -> None:
    with pytest.raises(ValueError, match="no form in the OCI"):
        Seccomp(bpf=b"12345678").to_json()


def test_words_are_taken_in_their_short_form() -> None:
    assert Seccomp(default_action="allow").default_action == "SCMP_ACT_ALLOW"
    assert Seccomp(architectures=["x86"]).architectures == ("SCMP_ARCH_X86",)
    assert Seccomp(flags=["log"]).flags == ("SECCOMP_FILTER_FLAG_LOG",)
    assert SyscallArg(0, 1, op="ne").op == "SCMP_CMP_NE"


ONE = Syscall(names="sync", action="ALLOW")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"default_action": "DENY"}, "seccomp.default_action: must be one of"),
        ({"default_action": 5}, "seccomp.default_action: must be a string"),
        (
            {"default_action": "ALLOW", "default_errno_ret": 1},
            "seccomp.default_errno_ret: cannot go with SCMP_ACT_ALLOW",
        ),
        ({"default_errno_ret": 4096}, "seccomp.default_errno_ret: must be from 0 to"),
        ({"default_errno_ret": True}, "seccomp.default_errno_ret: must be an integer"),
        ({"architectures": ["PDP11"]}, "seccomp.architectures[0]: must be one of"),
        ({"architectures": "X86"}, "seccomp.architectures: must be a sequence"),
        ({"flags": ["NEW_LISTENER"]}, "seccomp.flags[0]: must be one of"),
        (
            {"flags": ["LOG", "LOG"]},
            "seccomp.flags[1]: SECCOMP_FILTER_FLAG_LOG is given",
        ),
        ({"unknown_syscalls": "warn"}, "seccomp.unknown_syscalls: must be one of"),
        ({"listener_path": "rel"}, "seccomp.listener_path: must be an absolute path"),
        ({"listener_metadata": "x"}, "seccomp.listener_metadata: is of no use"),
        ({"syscalls": [7]}, "seccomp.syscalls[0]: must be a Syscall"),
        (
            {"syscalls": [Syscall(names=[], action="ALLOW")]},
            "seccomp.syscalls[0].names: must have at least one",
        ),
        (
            {"syscalls": [Syscall(names=["", 7], action="ALLOW")]},
            "seccomp.syscalls[0].names[1]: must be a string",
        ),
        (
            {"syscalls": [Syscall(names="sync", action="NO")]},
            "seccomp.syscalls[0].action: must be one of",
        ),
        (
            {"syscalls": [Syscall(names="sync", action="KILL", errno_ret=1)]},
            "seccomp.syscalls[0].errno_ret: cannot go with SCMP_ACT_KILL",
        ),
        (
            {"syscalls": [Syscall(names="sync", action="ALLOW", args=[7])]},
            "seccomp.syscalls[0].args[0]: must be a SyscallArg",
        ),
        *(
            (
                {"syscalls": [Syscall(names="sync", action="ALLOW", args=[arg])]},
                f"seccomp.syscalls[0].args[0].{expected}",
            )
            for arg, expected in (
                (SyscallArg(6, 0), "index: must be from 0 to 5"),
                (SyscallArg(0, -1), "value: must be from 0 to"),
                (SyscallArg(0, 2**64), "value: must be from 0 to"),
                (SyscallArg(0, "1"), "value: must be an integer"),  # type: ignore[arg-type]
                (SyscallArg(0, 1, 2), "value_two: is of no use with SCMP_CMP_EQ"),
                (SyscallArg(0, 1, op="~"), "op: must be one of"),
            )
        ),
        (
            {
                "syscalls": [
                    Syscall(
                        names="sync",
                        action="ALLOW",
                        includes=Condition(capabilities=["FLY"]),
                    )
                ]
            },
            "seccomp.syscalls[0].includes.capabilities: unknown capability",
        ),
        (
            {
                "syscalls": [
                    Syscall(
                        names="sync",
                        action="ALLOW",
                        excludes=Condition(min_kernel=(5,)),  # type: ignore[arg-type]
                    )
                ]
            },
            "seccomp.syscalls[0].excludes.min_kernel: must be two numbers",
        ),
        ({"bpf": b""}, "seccomp.bpf: 0 bytes are no program"),
        ({"bpf": b"1234567"}, "seccomp.bpf: 7 bytes are no program"),
        ({"bpf": b"12345678" * 4097}, "seccomp.bpf: has 4097 instructions"),
        ({"bpf": "12345678"}, "seccomp.bpf: must be bytes"),
        ({"bpf": b"12345678", "syscalls": [ONE]}, "seccomp.bpf: cannot go with rules"),
    ],
)
def test_what_is_wrong_is_told(fields: dict[str, Any], expected: str) -> None:
    found = problems(**fields)
    assert any(text.startswith(expected) for text in found), found
    config = lc.Config(seccomp=Seccomp(**fields))
    assert validate(config, lc.Process(["x"]))


def test_it_must_be_a_profile() -> None:
    (problem,) = validate(lc.Config(seccomp={"defaultAction": "x"}))  # type: ignore[arg-type]
    assert (problem.path, problem.message) == ("seccomp", "must be a Seccomp, not dict")


def test_an_unknown_call_is_left_out_or_told() -> None:
    rules = [Syscall(names=["sync", "snyc"], action="ALLOW")]
    assert problems(syscalls=rules) == []
    assert problems(syscalls=rules, unknown_syscalls="error") == [
        "seccomp.syscalls[0].names[1]: unknown system call 'snyc'"
    ]


NOTIFYING = Seccomp(
    default_action="ALLOW", syscalls=[Syscall(names="mkdir", action="NOTIFY")]
)
LISTENED = Seccomp.from_json({**OCI, "defaultErrnoRet": 1})


@pytest.mark.parametrize(
    ("profile", "handler", "expected"),
    [
        (None, None, None),
        (NOTIFYING, print, None),
        (LISTENED, None, None),
        (NOTIFYING, None, "is missing: the profile has SCMP_ACT_NOTIFY"),
        (NOTIFYING, "print", "must be a callable, not str"),
        (LISTENED, print, "cannot be given too"),
        (Seccomp(), print, "is of no use: no rule has SCMP_ACT_NOTIFY"),
        (None, print, "is of no use without a seccomp profile"),
    ],
)
def test_exactly_one_answers(
    profile: Seccomp | None, handler: Any, expected: str | None
) -> None:
    config = lc.Config(seccomp=profile)
    found = validate(config, lc.Process(["x"], notify=handler))
    texts = [(problem.path, problem.message) for problem in found]
    if expected is None:
        assert texts == []
    else:
        ((path, message),) = texts
        assert path == "process.notify"
        assert message.startswith(expected)
