# SPDX-License-Identifier: Apache-2.0
"""Device rules to the program that cgroup v2 asks about every access. Pure.

The program is eBPF, called with ``struct bpf_cgroup_dev_ctx``: what is asked for
(the kind of node below, the accesses above 16 bits), major and minor number. Each
access that is asked for is decided by the last rule that says something of it; what
no rule allows is refused. Source: cgroup-v2.rst, *Device controller*; bpf(2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

from libcontainer.config.resources import DeviceRule

_INSTRUCTION: Final = struct.Struct("=BBhi")
# Registers, by what they hold.
_ANSWER, _CONTEXT, _KIND, _ASKED, _MAJOR, _MINOR = range(6)
# Operation codes of linux/bpf.h.
_LOAD_WORD: Final = 0x61  # LDX | MEM | W
_COPY: Final = 0xBC  # ALU | MOV | X
_SET: Final = 0xB7  # ALU64 | MOV | K
_AND: Final = 0x54  # ALU | AND | K
_SHIFT_RIGHT: Final = 0x74  # ALU | RSH | K
_IF_NOT: Final = 0x55  # JMP | JNE | K
_IF_ANY: Final = 0x45  # JMP | JSET | K
_GO: Final = 0x05  # JMP | JA
_EXIT: Final = 0x95

_KINDS: Final = {"b": 1, "c": 2}
_ACCESSES: Final = {"m": 1, "r": 2, "w": 4}


def device_program(rules: Iterable[DeviceRule]) -> bytes:
    """Return the instructions that hold a cgroup to *rules*, later before earlier."""
    # loads, and the kind apart from the accesses
    code = [
        _one(_LOAD_WORD, _KIND, _CONTEXT, 0),
        _one(_LOAD_WORD, _MAJOR, _CONTEXT, 4),
        _one(_LOAD_WORD, _MINOR, _CONTEXT, 8),
        _one(_COPY, _ASKED, _KIND),
        _one(_AND, _KIND, value=0xFFFF),
        _one(_SHIFT_RIGHT, _ASKED, value=16),
    ]
    for rule in reversed(tuple(rules)):
        code += _rule(rule)
    code += _answer(0)
    return b"".join(code)


def _rule(rule: DeviceRule) -> list[bytes]:
    accesses = sum(_ACCESSES[letter] for letter in set(rule.access))
    if rule.allow:
        # Those are allowed; if none is left, all are.
        then = [
            _one(_AND, _ASKED, value=~accesses),
            _one(_IF_NOT, _ASKED, jump=2, value=0),
            *_answer(1),
        ]
    else:
        then = [
            _one(_IF_ANY, _ASKED, jump=1, value=accesses),
            _one(_GO, jump=2),
            *_answer(0),
        ]
    wanted = [
        (_KIND, _KINDS.get(rule.type)),
        (_MAJOR, rule.major),
        (_MINOR, rule.minor),
    ]
    conditions = [(register, value) for register, value in wanted if value is not None]
    found = []
    for number, (register, value) in enumerate(conditions):
        past = len(conditions) - number - 1 + len(then)
        found.append(_one(_IF_NOT, register, jump=past, value=value))
    return found + then


def _answer(value: int) -> list[bytes]:
    return [_one(_SET, _ANSWER, value=value), _one(_EXIT)]


def _one(
    code: int, target: int = 0, source: int = 0, jump: int = 0, value: int = 0
) -> bytes:
    return _INSTRUCTION.pack(code, source << 4 | target, jump, value)
