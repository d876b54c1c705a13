# SPDX-License-Identifier: Apache-2.0
"""Device rules to the program that cgroup v2 asks about every access. Pure.

The program is eBPF, called with ``struct bpf_cgroup_dev_ctx``: what is asked for
(the kind of node below, the accesses above 16 bits), major and minor number. Each
access that is asked for is decided by the last rule that says something of it; what
no rule allows is refused. Source: cgroup-v2.rst, *Device controller*; bpf(2).

The kernel checks every way through a program when it is loaded, which takes longer
than all else that is done for a cgroup. So rules that allow all of some devices stand
together, and what they have in common is asked once.
"""

from __future__ import annotations

import itertools
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
_IF: Final = 0x15  # JMP | JEQ | K
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
    # Of the first ones, those that deny say what holds without them.
    said = tuple(itertools.dropwhile(lambda rule: not rule.allow, rules))
    for is_whole, some in itertools.groupby(reversed(said), key=_allows_all):
        rules = tuple(some)
        if is_whole and any(map(_is_of_all, rules)):
            # The kernel refuses a program with instructions that it never comes to.
            return b"".join((*code, *_answer(1)))
        if is_whole:
            code += _any_of(rules)
        else:
            code += itertools.chain.from_iterable(map(_rule, rules))
    code += _answer(0)
    return b"".join(code)


def _allows_all(rule: DeviceRule) -> bool:
    return rule.allow and set(rule.access) == set(_ACCESSES)


def _is_of_all(rule: DeviceRule) -> bool:
    return rule.type not in _KINDS and rule.major is None and rule.minor is None


def _any_of(rules: tuple[DeviceRule, ...]) -> list[bytes]:
    """Allow everything of what one of *rules* is about; their order does not matter."""
    found: dict[int | None, dict[int | None, list[int | None]]] = {}
    for rule in rules:
        majors = found.setdefault(_KINDS.get(rule.type), {})
        majors.setdefault(rule.major, []).append(rule.minor)
    code = []
    for kind, majors in found.items():
        if None in majors.get(None, ()):
            # What all of them are allowed is not asked of one of them.
            code += _only(_KIND, kind, _answer(1))
            continue
        below = []
        for major, minors in majors.items():
            below += _only(_MAJOR, major, _any_minor(minors))
        code += _only(_KIND, kind, below)
    return code


def _any_minor(minors: list[int | None]) -> list[bytes]:
    *others, last = minors if None not in minors else [None]
    found = [
        _one(_IF, _MINOR, jump=len(others) - number, value=minor or 0)
        for number, minor in enumerate(others)
    ]
    return found + _only(_MINOR, last, _answer(1))


def _only(register: int, value: int | None, then: list[bytes]) -> list[bytes]:
    """Return *then* for one value of a register alone; None is any."""
    if value is None:
        return then
    return [_one(_IF_NOT, register, jump=len(then), value=value), *then]


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
    for register, value in (
        (_MINOR, rule.minor),
        (_MAJOR, rule.major),
        (_KIND, _KINDS.get(rule.type)),
    ):
        then = _only(register, value, then)
    return then


def _answer(value: int) -> list[bytes]:
    return [_one(_SET, _ANSWER, value=value), _one(_EXIT)]


def _one(
    code: int, target: int = 0, source: int = 0, jump: int = 0, value: int = 0
) -> bytes:
    return _INSTRUCTION.pack(code, source << 4 | target, jump, value)
