# SPDX-License-Identifier: Apache-2.0
"""The program of device rules, run instruction by instruction."""

from __future__ import annotations

import os
import struct
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import libcontainer as lc
from libcontainer.bindings.bpf import load_cgroup_device
from libcontainer.cgroups.device_program import device_program
from libcontainer.cgroups.devices import default_rules

BITS = {"m": 1, "r": 2, "w": 4}
KINDS = {"b": 1, "c": 2}


def _run(  # noqa: C901 - one branch an instruction
    program: bytes, kind: str, asked: int, major: int, minor: int
) -> int:
    """Return what a program answers; as bpf(2) and instruction-set.rst say."""
    context = struct.pack("=III", asked << 16 | KINDS[kind], major, minor)
    code = [
        struct.unpack_from("=BBhi", program, at) for at in range(0, len(program), 8)
    ]
    registers = [0] * 11
    at = 0
    for _ in range(len(code) + 1):
        operation, both, jump, value = code[at]
        target, source = both & 15, both >> 4
        at += 1
        if operation == 0x61:
            (registers[target],) = struct.unpack_from("=I", context, jump)
        elif operation == 0xBC:
            registers[target] = registers[source] & 0xFFFFFFFF
        elif operation == 0xB7:
            registers[target] = value
        elif operation == 0x54:
            registers[target] = registers[target] & value & 0xFFFFFFFF
        elif operation == 0x74:
            registers[target] = (registers[target] & 0xFFFFFFFF) >> value
        elif operation == 0x15:
            at += jump if registers[target] == value else 0
        elif operation == 0x55:
            at += jump if registers[target] != value else 0
        elif operation == 0x45:
            at += jump if registers[target] & value else 0
        elif operation == 0x05:
            at += jump
        elif operation == 0x95:
            return registers[0]
        else:
            pytest.fail(f"no such instruction: {operation:#x}")
    pytest.fail("the program has a loop")


def _may(
    rules: tuple[lc.DeviceRule, ...], kind: str, asked: int, major: int, minor: int
) -> bool:
    """Read the rules as they are meant: each access has its last word."""
    for letter, bit in BITS.items():
        if not asked & bit:
            continue
        allowed = False
        for rule in rules:
            if (
                letter in rule.access
                and rule.type in {"a", kind}
                and rule.major in {None, major}
                and rule.minor in {None, minor}
            ):
                allowed = rule.allow
        if not allowed:
            return False
    return True


NUMBERS = st.none() | st.sampled_from([0, 1, 2, 255, 4095, 1048575])
RULES = st.lists(
    st.builds(
        lc.DeviceRule,
        st.booleans(),
        type=st.sampled_from("abc"),
        major=NUMBERS,
        minor=NUMBERS,
        access=st.sampled_from(["r", "w", "m", "rw", "rm", "wm", "rwm"]),
    ),
    max_size=12,
).map(tuple)


@settings(deadline=None)
@given(RULES)
def test_every_access_is_decided_by_its_last_rule(
    rules: tuple[lc.DeviceRule, ...],
) -> None:
    program = device_program(rules)
    for kind, asked, major, minor in product("bc", range(1, 8), (0, 1, 3), (0, 1, 255)):
        answer = _run(program, kind, asked, major, minor)
        assert answer == int(_may(rules, kind, asked, major, minor))


def _reached(program: bytes) -> set[int]:
    """Return the instructions that some way through a program comes to."""
    code = [
        struct.unpack_from("=BBhi", program, at) for at in range(0, len(program), 8)
    ]
    found: set[int] = set()
    ways = [0]
    while ways:
        at = ways.pop()
        if at in found:
            continue
        found.add(at)
        operation, _, jump, _ = code[at]
        if operation in {0x15, 0x55, 0x45, 0x05}:
            ways.append(at + 1 + jump)
        if operation not in {0x05, 0x95}:
            ways.append(at + 1)
    return found


ALL = lc.DeviceRule(allow=True)
SOME = lc.DeviceRule(allow=True, type="c", major=1, minor=3)


@settings(deadline=None)
@given(RULES)
@example((ALL,))
@example((SOME, ALL, SOME))
@example((lc.DeviceRule(allow=True, type="c"), SOME))
def test_no_instruction_is_never_reached(rules: tuple[lc.DeviceRule, ...]) -> None:
    # The kernel would refuse the whole program.
    program = device_program(rules)
    assert _reached(program) == set(range(len(program) // 8))


@pytest.mark.needs("root")
@settings(deadline=None, max_examples=30)
@given(RULES)
@example((ALL,))
@example((SOME, ALL, SOME))
@example((lc.DeviceRule(allow=True, type="c"), SOME))
def test_the_kernel_takes_every_program(rules: tuple[lc.DeviceRule, ...]) -> None:
    os.close(load_cgroup_device(device_program(rules)))


@pytest.mark.parametrize(
    ("kind", "major", "minor", "asked", "allowed"),
    [
        ("c", 1, 3, "rw", True),
        ("c", 1, 3, "rwm", True),
        ("c", 136, 7, "rw", True),
        ("c", 1, 11, "m", True),
        ("c", 1, 11, "r", False),
        ("c", 1, 11, "rm", False),
        ("b", 8, 0, "m", True),
        ("b", 8, 0, "w", False),
        ("b", 1, 3, "r", False),
    ],
)
def test_a_container_has_its_standard_devices_and_no_others(
    kind: str, major: int, minor: int, asked: str, allowed: bool
) -> None:
    program = device_program(default_rules(lc.Config().devices))
    bits = sum(BITS[letter] for letter in asked)
    assert _run(program, kind, bits, major, minor) == int(allowed)


def test_the_standard_program_is_short() -> None:
    # The kernel's check of it is most of what a cgroup costs.
    rules = (lc.DeviceRule(allow=False), *default_rules(lc.Config().devices))
    assert len(device_program(rules)) // 8 <= 40


def test_nothing_is_allowed_without_a_rule() -> None:
    assert _run(device_program(()), "c", 2, 1, 3) == 0
