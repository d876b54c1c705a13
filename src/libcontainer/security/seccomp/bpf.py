# SPDX-License-Identifier: Apache-2.0
"""Classic BPF as seccomp uses it: a writer of programs, and an interpreter.

Source: the kernel's Documentation/networking/filter.rst and ``struct seccomp_data``.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

MAX_INSTRUCTIONS: Final = 4096
"""BPF_MAXINSNS: the kernel takes no longer program."""

NOTIFY: Final = 0x7FC00000
"""SECCOMP_RET_USER_NOTIF."""

_INSTRUCTION: Final = struct.Struct("=HBBI")
SIZE: Final = _INSTRUCTION.size

_LOAD: Final = 0x20
_JUMP: Final = 0x05
_EQUAL: Final = 0x15
_GREATER: Final = 0x25
_GREATER_EQUAL: Final = 0x35
_BITS_SET: Final = 0x45
_AND: Final = 0x54
_RETURN: Final = 0x06
_FARTHEST: Final = 255
_MARGIN: Final = 8

_WORD: Final = 0xFFFFFFFF
_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_ARGUMENTS_AT: Final = 16
_BIG_ENDIAN: Final = sys.byteorder == "big"


class Instruction(NamedTuple):
    """One instruction: ``struct sock_filter``."""

    code: int
    jump_true: int
    jump_false: int
    k: int


Block = list[Instruction]


class Test(NamedTuple):
    """A condition on one argument.

    Attributes:
        argument: which one, 0 to 5.
        operator: ``SCMP_CMP_*``.
        value: what it is compared with, or the mask of ``SCMP_CMP_MASKED_EQ``.
        two: what the masked argument must be.
        wide: whether the argument has 64 bits; else only the low 32 count.
    """

    argument: int
    operator: str
    value: int
    two: int
    wide: bool


class Writer:
    """Writes a program from its end to its beginning, as jumps only go forward.

    A place is where an instruction stands, counted from the end. Returns are
    shared as far as a jump reaches, which halves the program.
    """

    def __init__(self) -> None:
        self._reversed: Block = []
        self._returns: dict[int, int] = {}

    def answer(self, action: int) -> int:
        """Return the place of an instruction that answers *action*."""
        place = self._returns.get(action)
        # One that is barely in reach would be out of it for the next branch.
        if place is None or len(self._reversed) - place > _FARTHEST - _MARGIN:
            place = self._returns[action] = self._put(_RETURN, k=action)
        return place

    def if_below(self, value: int, then: int, otherwise: int) -> int:
        """Go on by whether the loaded word is below *value*."""
        return self._branch(_GREATER_EQUAL, value, otherwise, then)

    def if_equal(self, value: int, then: int, otherwise: int) -> int:
        """Go on by whether the loaded word is *value*."""
        return self._branch(_EQUAL, value, then, otherwise)

    def go_to(self, place: int) -> int:
        """Go on at a place, which is next or far away."""
        distance = len(self._reversed) - place - 1
        return self._put(_JUMP, k=distance) if distance else place

    def load_number(self) -> int:
        """Load the number of the call."""
        return self._put(_LOAD, k=_NUMBER_AT)

    def load_architecture(self) -> int:
        """Load the architecture of the call."""
        return self._put(_LOAD, k=_ARCHITECTURE_AT)

    def if_argument(self, test: Test, then: int, otherwise: int) -> int:
        """Go on by whether a condition holds."""
        if test.operator in _NEGATED:
            opposite = test._replace(operator=_NEGATED[test.operator])
            return self.if_argument(opposite, otherwise, then)
        if test.operator == "SCMP_CMP_MASKED_EQ":
            return self._masked(test, then, otherwise)
        high, low = test.value >> 32, test.value & _WORD
        code = _COMPARISONS[test.operator]
        place = self._branch(code, low, then, otherwise)
        place = self._put(_LOAD, k=_low_at(test.argument))
        if not test.wide:
            return place
        place = self._branch(_EQUAL, high, place, otherwise)
        if code != _EQUAL:
            self._branch(_GREATER, high, then, place)
        return self._put(_LOAD, k=_high_at(test.argument))

    def program(self) -> Block:
        """Return what has been written, from its beginning."""
        return self._reversed[::-1]

    def _masked(self, test: Test, then: int, otherwise: int) -> int:
        wanted = test.two & test.value
        self._branch(_EQUAL, wanted & _WORD, then, otherwise)
        self._put(_AND, k=test.value & _WORD)
        place = self._put(_LOAD, k=_low_at(test.argument))
        if not test.wide:
            return place
        self._branch(_EQUAL, wanted >> 32, place, otherwise)
        self._put(_AND, k=test.value >> 32)
        return self._put(_LOAD, k=_high_at(test.argument))

    def _branch(self, code: int, value: int, then: int, otherwise: int) -> int:
        then, otherwise = self._in_reach(then), self._in_reach(otherwise)
        here = len(self._reversed)
        return self._put(code, here - then - 1, here - otherwise - 1, value)

    def _in_reach(self, place: int) -> int:
        distance = len(self._reversed) - place
        # The other way of the branch may need a jump as well.
        if distance < _FARTHEST:
            return place
        return self._put(_JUMP, k=distance - 1)

    def _put(
        self, code: int, jump_true: int = 0, jump_false: int = 0, k: int = 0
    ) -> int:
        self._reversed.append(Instruction(code, jump_true, jump_false, k))
        return len(self._reversed) - 1


def _high_at(index: int) -> int:
    return _ARGUMENTS_AT + 8 * index + (0 if _BIG_ENDIAN else 4)


def _low_at(index: int) -> int:
    return _ARGUMENTS_AT + 8 * index + (4 if _BIG_ENDIAN else 0)


_COMPARISONS: Final = {
    "SCMP_CMP_EQ": _EQUAL,
    "SCMP_CMP_GT": _GREATER,
    "SCMP_CMP_GE": _GREATER_EQUAL,
}
_NEGATED: Final = {
    "SCMP_CMP_NE": "SCMP_CMP_EQ",
    "SCMP_CMP_LE": "SCMP_CMP_GT",
    "SCMP_CMP_LT": "SCMP_CMP_GE",
}


def assemble(block: Block) -> bytes:
    """Return a program as the kernel takes it."""
    return b"".join(_INSTRUCTION.pack(*instruction) for instruction in block)


def disassemble(program: bytes) -> Block:
    """Return the instructions of a program.

    Raises:
        ValueError: it is not a whole number of instructions.
    """
    if len(program) % SIZE:
        message = f"{len(program)} bytes are no whole number of instructions"
        raise ValueError(message)
    return [Instruction(*fields) for fields in _INSTRUCTION.iter_unpack(program)]


def answers(program: bytes) -> frozenset[int]:
    """Return every action that a program can answer, without its low 16 bits."""
    return frozenset(
        instruction.k & 0xFFFF0000
        for instruction in disassemble(program)
        if instruction.code == _RETURN
    )


def interpret(
    program: Sequence[Instruction], architecture: int, number: int, args: Sequence[int]
) -> int:
    """Return what a program answers to a call, as the kernel would run it.

    Args:
        program: its instructions.
        architecture: the audit value.
        number: of the call.
        args: six unsigned 64-bit numbers.

    Raises:
        ValueError: an instruction is not of the few that compilers of seccomp
            filters use.
    """
    data = struct.pack("=IIQ6Q", number, architecture, 0, *args)
    accumulator, at = 0, 0
    while True:
        code, jump_true, jump_false, k = program[at]
        at += 1
        if code == _RETURN:
            return k
        if code == _LOAD:
            (accumulator,) = struct.unpack_from("=I", data, k)
        elif code == _AND:
            accumulator &= k
        elif code == _JUMP:
            at += k
        else:
            at += jump_true if _holds(code, accumulator, k) else jump_false


def _holds(code: int, accumulator: int, k: int) -> bool:
    if code == _EQUAL:
        return accumulator == k
    if code == _GREATER_EQUAL:
        return accumulator >= k
    if code == _GREATER:
        return accumulator > k
    if code == _BITS_SET:
        return bool(accumulator & k)
    message = f"unknown instruction {code:#x}"
    raise ValueError(message)
