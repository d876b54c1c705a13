# SPDX-License-Identifier: Apache-2.0
"""What a filter answers where libseccomp has no word: newer calls, flags, limits."""

from __future__ import annotations

import errno
import struct

import pytest

import libcontainer as lc
from libcontainer.config.seccomp import Condition, Seccomp, Syscall, SyscallArg
from libcontainer.security.seccomp import bpf
from libcontainer.security.seccomp.compiler import Filter, Target, compile_profile
from libcontainer.security.seccomp.numbers import X32_BIT, call_name, numbers

X86_64, X86, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x00050001, 0x00050026, 0


def target(
    machine: str = "x86_64", *held: str, kernel: tuple[int, int] = (6, 12)
) -> Target:
    return Target(machine, kernel, frozenset(held))


def answer(made: Filter, number: int, *args: int, architecture: int = X86_64) -> int:
    full = (*args, *(0,) * (6 - len(args)))
    return bpf.interpret(bpf.disassemble(made.program), architecture, number, full)


def allow(*names: str, **more: object) -> Syscall:
    return Syscall(names=names, action="ALLOW", **more)  # type: ignore[arg-type]


def test_a_call_that_is_newer_than_the_profile_is_not_there() -> None:
    made = compile_profile(Seccomp(syscalls=[allow("read", "openat2")]), target())
    last = numbers("X86_64")["openat2"]
    assert answer(made, last) == ALLOW
    assert answer(made, last - 1) == EPERM
    assert answer(made, last + 1) == ENOSYS
    assert answer(made, 1000) == ENOSYS
    assert answer(made, X32_BIT) == KILL
    assert answer(made, 1000, architecture=X86) == KILL


def test_each_architecture_has_its_own_newest_call() -> None:
    profile = Seccomp(architectures=["X86", "X32"], syscalls=[allow("read", "statx")])
    made = compile_profile(profile, target())
    for abi, audit in (("X86_64", X86_64), ("X32", X86_64), ("X86", X86)):
        last = numbers(abi)["statx"]
        assert answer(made, last, architecture=audit) == ALLOW
        assert answer(made, last + 1, architecture=audit) == ENOSYS


def test_private_calls_of_arm_make_no_other_call_old() -> None:
    profile = Seccomp(architectures=["ARM"], syscalls=[allow("read", "set_tls")])
    made = compile_profile(profile, target("aarch64"))
    assert answer(made, 0xF0005, architecture=ARM) == ALLOW
    assert answer(made, 3, architecture=ARM) == ALLOW
    assert answer(made, 400, architecture=ARM) == ENOSYS


@pytest.mark.parametrize("word", ["ALLOW", "LOG", "TRACE"])
def test_a_default_that_makes_the_call_hides_none(word: str) -> None:
    rule = Syscall(names="read", action="ERRNO", errno_ret=5)
    made = compile_profile(Seccomp(default_action=word, syscalls=[rule]), target())
    assert answer(made, 0) == 0x00050005
    assert answer(made, 1000) & 0x7FF00000 == 0x7FF00000


def test_the_default_profile_of_each_machine_and_capability() -> None:
    plain = compile_profile(Seccomp.default(), target())
    admin = compile_profile(Seccomp.default(), target("x86_64", "CAP_SYS_ADMIN"))
    known = numbers("X86_64")
    for name in ("mount", "bpf", "setns", "unshare", "fsopen"):
        assert (answer(plain, known[name]), answer(admin, known[name])) == (
            EPERM,
            ALLOW,
        )
    for name in ("io_uring_setup", "keyctl", "kexec_load", "userfaultfd", "ptrace"):
        assert answer(plain, known[name]) == answer(admin, known[name]) == EPERM
    traced = compile_profile(Seccomp.default(), target("x86_64", "CAP_SYS_PTRACE"))
    assert answer(traced, known["ptrace"]) == ALLOW
    assert answer(plain, known["clone"], 0x11) == ALLOW
    assert answer(plain, known["clone"], 0x10000011) == EPERM
    assert answer(plain, known["clone"], 1 << 32 | 0x10000011) == EPERM
    assert answer(plain, known["clone3"]) == ENOSYS
    assert answer(plain, known["ioctl"], 0, 0x5413) == ALLOW
    for command in (0x5412, 0x541C, 1 << 32 | 0x5412, 0xFFFFFFFF00005412):
        assert answer(plain, known["ioctl"], 0, command) == 0x00050000 | errno.EIO
    assert answer(plain, known["socket"], 2) == ALLOW
    for family in (40, 1 << 32 | 40):
        assert answer(plain, known["socket"], family) != ALLOW
    arm = compile_profile(Seccomp.default(), target("aarch64"))
    assert answer(arm, numbers("AARCH64")["mount"], architecture=AARCH64) == EPERM
    assert answer(arm, numbers("ARM")["read"], architecture=ARM) == ALLOW
    assert answer(arm, 0, architecture=X86_64) == KILL


def test_the_default_profile_is_small() -> None:
    assert compile_profile(Seccomp.default(), target()).count < 450


def test_conditions_of_rules() -> None:
    where = Condition(
        capabilities=["SYS_TIME"], architectures=["X86_64"], min_kernel=(5, 9)
    )
    profile = Seccomp(
        syscalls=[
            allow("stime", "settimeofday", includes=where),
            allow("sync", excludes=Condition(capabilities=["KILL", "CHOWN"])),
        ]
    )
    known = numbers("X86_64")

    def answers(*held: str, kernel: tuple[int, int] = (5, 9)) -> tuple[int, int]:
        made = compile_profile(profile, target("x86_64", *held, kernel=kernel))
        return answer(made, known["settimeofday"]), answer(made, known["sync"])

    assert answers("CAP_SYS_TIME") == (ALLOW, ALLOW)
    assert answers() == (ENOSYS, ALLOW)
    assert answers("CAP_SYS_TIME", kernel=(5, 8)) == (ENOSYS, ALLOW)
    assert answers("CAP_SYS_TIME", "CAP_KILL") == (ALLOW, EPERM)


def test_flags() -> None:
    def flags(*words: str, action: str = "ALLOW") -> int:
        rules = [Syscall(names="mkdir", action=action), allow("sendmsg")]
        return compile_profile(Seccomp(flags=words, syscalls=rules), target()).flags

    assert flags() == 0
    assert flags("LOG", "SPEC_ALLOW", "TSYNC") == 0x07
    # The kernel refuses it where there is no listener.
    assert flags("LOG", "WAIT_KILLABLE_RECV") == 0x02
    assert flags("WAIT_KILLABLE_RECV", action="NOTIFY") == 0x28
    assert flags("LOG", action="NOTIFY") == 0x0A
    # The kernel refuses a listener with TSYNC alone.
    assert flags("TSYNC", action="NOTIFY") == 0x19


def test_a_ready_program_is_taken_as_it_is() -> None:
    program = struct.pack("=HBBI", 0x06, 0, 0, ALLOW)
    made = compile_profile(Seccomp(bpf=program, flags=["LOG"]), target("riscv64"))
    assert made == Filter(program, 2, notifies=False)


def test_a_machine_without_a_table_is_refused() -> None:
    with pytest.raises(lc.UnsupportedError, match="seccomp on riscv64"):
        compile_profile(Seccomp.default(), target("riscv64"))


def test_a_filter_that_the_kernel_would_not_take_is_refused() -> None:
    rules = [allow("read", args=[SyscallArg(0, value)]) for value in range(10_000)]
    with pytest.raises(lc.ConfigError, match="the kernel takes 4096"):
        compile_profile(Seccomp(syscalls=rules), target())
    fits = [allow("read", args=[SyscallArg(0, value)]) for value in range(900)]
    made = compile_profile(Seccomp(syscalls=fits), target())
    assert [answer(made, 0, value) for value in (0, 899, 900)] == [ALLOW, ALLOW, EPERM]


@pytest.mark.parametrize(
    "profile",
    [
        Seccomp(default_action="NOTIFY"),
        Seccomp(syscalls=[Syscall(names="mkdir", action="NOTIFY")]),
        Seccomp(
            default_action="ALLOW", syscalls=[Syscall(names="sendmsg", action="NOTIFY")]
        ),
    ],
)
def test_the_listener_must_find_its_way_out(profile: Seccomp) -> None:
    with pytest.raises(lc.ConfigError, match="must allow sendmsg"):
        compile_profile(profile, target())


def test_a_compiled_filter_is_kept() -> None:
    one, two = (Seccomp(syscalls=[allow("read")]) for _ in range(2))
    assert compile_profile(one, target()) is compile_profile(two, target())


def test_calls_have_names() -> None:
    assert call_name(X86_64, 0) == "read"
    assert call_name(X86_64, X32_BIT | 520) == "execve"
    assert call_name(X86, 102) == "socketcall"
    assert call_name(X86_64, 1000) is None
    assert call_name(1, 0) is None
