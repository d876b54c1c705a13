# SPDX-License-Identifier: Apache-2.0
"""libseccomp as the reference: the same profile, compiled by it."""

from __future__ import annotations

import ctypes
import ctypes.util
import os

from libcontainer.config.seccomp import ACTIONS, Seccomp, Syscall
from libcontainer.security.seccomp import bpf
from libcontainer.security.seccomp.compiler import Target, applies
from libcontainer.security.seccomp.numbers import MACHINES

_OPS = {
    f"SCMP_CMP_{name}": number
    for number, name in enumerate(
        ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"), start=1
    )
}
_ERROR = -10_000


class _Arg(ctypes.Structure):
    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def load() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    library.seccomp_syscall_resolve_name.restype = ctypes.c_int
    library.seccomp_syscall_resolve_num_arch.restype = ctypes.c_void_p
    for name in (
        *("arch_add", "arch_remove", "attr_set", "rule_add_array", "export_bpf"),
        "release",
    ):
        getattr(library, f"seccomp_{name}").argtypes = None
    return library


def _check(result: int, what: str) -> None:
    if result != 0:
        message = f"{what}: {os.strerror(-result)}"
        raise OSError(-result, message)


def compile_profile(library: ctypes.CDLL, profile: Seccomp, target: Target) -> list:
    """Return libseccomp's program, fed as runc feeds it."""
    default = _action(profile.default_action, profile.default_errno_ret)
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(default)))
    assert context.value
    try:
        own = MACHINES[target.machine][0].name
        _check(library.seccomp_arch_remove(context, ctypes.c_uint32(0)), "remove")
        family = {abi.name for abi in MACHINES[target.machine]}
        wanted = {word.removeprefix("SCMP_ARCH_") for word in profile.architectures}
        for name in sorted((wanted & family) | {own}):
            token = library.seccomp_arch_resolve_name(name.lower().encode())
            _check(library.seccomp_arch_add(context, ctypes.c_uint32(token)), name)
        for rule in profile.syscalls:
            if applies(rule, target):
                _add(library, context, rule, default)
        return _export(library, context)
    finally:
        library.seccomp_release(context)


def _add(
    library: ctypes.CDLL, context: ctypes.c_void_p, rule: Syscall, default: int
) -> None:
    action = _action(rule.action, rule.errno_ret)
    if action == default:
        return
    indexes = [arg.index for arg in rule.args]
    groups = [rule.args]
    if len(set(indexes)) != len(indexes):
        groups = [(arg,) for arg in rule.args]
    for name in rule.names:
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number == -1:
            continue
        for group in groups:
            array = (_Arg * max(1, len(group)))(
                *(_Arg(a.index, _OPS[a.op], a.value, a.value_two) for a in group)
            )
            result = library.seccomp_rule_add_array(
                context, ctypes.c_uint32(action), number, len(group), array
            )
            _check(result, f"{name} {group}")


def _action(word: str, data: int | None) -> int:
    action = ACTIONS[word]
    if word in {"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"}:
        action |= 1 if data is None else data
    return action


def _export(library: ctypes.CDLL, context: ctypes.c_void_p) -> list:
    fd = os.memfd_create("bpf", os.MFD_CLOEXEC)
    try:
        _check(library.seccomp_export_bpf(context, fd), "export")
        return bpf.disassemble(os.pread(fd, 1 << 20, 0))
    finally:
        os.close(fd)


def resolve(library: ctypes.CDLL, abi: str, number: int) -> str | None:
    """Return the name libseccomp has for a number."""
    token = library.seccomp_arch_resolve_name(abi.lower().encode())
    address = library.seccomp_syscall_resolve_num_arch(
        ctypes.c_uint32(token), ctypes.c_int(number)
    )
    return ctypes.string_at(address).decode() if address else None
