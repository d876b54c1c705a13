# SPDX-License-Identifier: Apache-2.0
"""Profile to BPF program.

For each ABI of the machine the numbers of its calls are cut into ranges that get
the same answer, and the program is a binary search over the ranges. It answers every
call as libseccomp's program for the same profile does (the tests compare them), but
is shorter: the kernel runs a filter once for every number when it is set.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from typing import Final

from attrs import frozen

from libcontainer.config.seccomp import (
    ACTIONS,
    FLAGS,
    Condition,
    Seccomp,
    Syscall,
    SyscallArg,
)
from libcontainer.errors import ConfigError, Problem, UnsupportedError
from libcontainer.memo import Memo
from libcontainer.security.seccomp import bpf
from libcontainer.security.seccomp.numbers import (
    ARM_PRIVATE,
    MACHINES,
    MULTIPLEXED,
    Abi,
    numbers,
)

_KILL_THREAD: Final = 0
_TAKES_DATA: Final = {"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"}
# With these the call is made, or somebody decides.
_PERMISSIVE: Final = {
    f"SCMP_ACT_{name}" for name in ("ALLOW", "LOG", "TRACE", "NOTIFY")
}
_PASSING: Final = {ACTIONS["SCMP_ACT_ALLOW"], ACTIONS["SCMP_ACT_LOG"]}
_ENOSYS: Final = ACTIONS["SCMP_ACT_ERRNO"] | errno.ENOSYS
_LAST: Final = 0xFFFFFFFF
_TSYNC: Final = 0x01
_NEW_LISTENER: Final = 0x08
_TSYNC_ESRCH: Final = 0x10
_WAIT_KILLABLE = FLAGS["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]


@frozen
class Target:
    """What a profile is compiled for.

    Attributes:
        machine: as uname(2) tells it, such as ``x86_64``.
        kernel: its version, such as (6, 12).
        capabilities: the bounding set of the process.
    """

    machine: str
    kernel: tuple[int, int]
    capabilities: frozenset[str]


@frozen
class Filter:
    """A program for seccomp(2).

    Attributes:
        program: instructions as the kernel takes them.
        flags: ``SECCOMP_FILTER_FLAG_*``.
        notifies: whether it has a listener.
    """

    program: bytes
    flags: int
    notifies: bool

    @property
    def count(self) -> int:
        """How many instructions it has."""
        return len(self.program) // bpf.SIZE


@frozen
class _Rule:
    """What is done with a call if all conditions hold."""

    conditions: tuple[SyscallArg, ...]
    action: int
    wide: bool


_Answer = int | tuple[_Rule, ...]

_filters: Memo[tuple[Seccomp, Target], Filter] = Memo()


def compile_profile(profile: Seccomp, target: Target) -> Filter:
    """Return the filter of a valid profile; the last ones are remembered.

    Raises:
        UnsupportedError: there is no table of system calls for the machine.
        ConfigError: the filter is longer than the kernel takes.
    """
    return remembered(profile, target, lambda: compile_anew(profile, target))


def remembered(profile: Seccomp, target: Target, make: Callable[[], Filter]) -> Filter:
    """Return the filter of a profile, made by *make* if it is not remembered."""
    return _filters.get((profile, target), lambda _: make())


def compile_anew(profile: Seccomp, target: Target) -> Filter:
    """Return the filter of a valid profile; see `compile_profile`."""
    if profile.bpf is None:
        block = _program(profile, target)
        if len(block) > bpf.MAX_INSTRUCTIONS:
            message = (
                f"needs {len(block)} instructions of BPF, the kernel takes"
                f" {bpf.MAX_INSTRUCTIONS}"
            )
            raise ConfigError([Problem("seccomp.syscalls", message)])
        program = bpf.assemble(block)
    else:
        program = profile.bpf
    flags = sum({FLAGS[word] for word in profile.flags})
    notifies = bpf.NOTIFY in bpf.answers(program)
    if notifies:
        _check_hand_over(program, target)
        # The kernel takes both only if a failure is no thread id.
        flags |= _NEW_LISTENER | (_TSYNC_ESRCH if flags & _TSYNC else 0)
    else:
        # It is about who waits for an answer; the kernel refuses it without a listener.
        flags &= ~_WAIT_KILLABLE
    return Filter(program, flags, notifies)


def _check_hand_over(program: bytes, target: Target) -> None:
    """Check that the listener can be sent to whoever will answer.

    The filter is set already when it is.
    """
    own = _own(target)
    number = numbers(own.name)["sendmsg"]
    reply = bpf.interpret(bpf.disassemble(program), own.audit, number, (0,) * 6)
    if reply & 0xFFFF0000 not in _PASSING:
        message = (
            "must allow sendmsg without conditions where it has SCMP_ACT_NOTIFY: the"
            " listener is handed over by it"
        )
        raise ConfigError([Problem("seccomp.syscalls", message)])


def applies(rule: Syscall, target: Target) -> bool:
    """Tell whether a rule is meant for a target."""
    if rule.includes is not None and not _includes(rule.includes, target):
        return False
    return rule.excludes is None or not _excludes(rule.excludes, target)


def _includes(condition: Condition, target: Target) -> bool:
    wanted = condition.architectures
    return (
        condition.capabilities <= target.capabilities
        and (not wanted or _own(target).name in _bare(wanted))
        and (condition.min_kernel is None or condition.min_kernel <= target.kernel)
    )


def _excludes(condition: Condition, target: Target) -> bool:
    return (
        bool(condition.capabilities & target.capabilities)
        or _own(target).name in _bare(condition.architectures)
        or (condition.min_kernel is not None and condition.min_kernel <= target.kernel)
    )


def _bare(words: tuple[str, ...]) -> set[str]:
    return {word.removeprefix("SCMP_ARCH_") for word in words}


def _abis(target: Target) -> tuple[Abi, ...]:
    try:
        return MACHINES[target.machine]
    except KeyError:
        need = f"a machine of {', '.join(MACHINES)}, or a ready program (bpf)"
        raise UnsupportedError(f"seccomp on {target.machine}", need) from None


def _own(target: Target) -> Abi:
    return _abis(target)[0]


def _program(profile: Seccomp, target: Target) -> bpf.Block:
    own = _own(target)
    wanted = _bare(profile.architectures) | {own.name}
    abis = [abi for abi in _abis(target) if abi.name in wanted]
    rules = [rule for rule in profile.syscalls if applies(rule, target)]
    writer = bpf.Writer()
    rest = writer.answer(_KILL_THREAD)
    # What comes first is asked first: the machine's own.
    for audit in reversed(dict.fromkeys(abi.audit for abi in abis)):
        chosen = [abi for abi in abis if abi.audit == audit]
        writer.go_to(_search(writer, _ranges(profile, rules, chosen)))
        rest = writer.if_equal(audit, writer.load_number(), rest)
    writer.load_architecture()
    return writer.program()


def _ranges(
    profile: Seccomp, rules: list[Syscall], abis: list[Abi]
) -> list[tuple[int, _Answer]]:
    """Return (first number, answer) of every range, for ABIs of one audit value."""
    default = _action(profile.default_action, profile.default_errno_ret)
    found: list[tuple[int, _Answer]] = []
    for abi in abis:
        found += _abi_ranges(profile, rules, abi, default)
    end = max(abi.high for abi in abis)
    if end < _LAST:
        found.append((end + 1, _KILL_THREAD))
        # What a tracer leaves when it cancels a call.
        found.append((_LAST, default))
    return _merged(found)


def _merged(found: list[tuple[int, _Answer]]) -> list[tuple[int, _Answer]]:
    # Of two that begin at one number the later says more.
    starts = dict(sorted(found, key=lambda pair: pair[0]))
    merged: list[tuple[int, _Answer]] = []
    for first, reply in starts.items():
        if not merged or merged[-1][1] != reply:
            merged.append((first, reply))
    return merged


def _abi_ranges(
    profile: Seccomp, rules: list[Syscall], abi: Abi, default: int
) -> Iterator[tuple[int, _Answer]]:
    answers = _answers(profile, rules, abi, default)
    # A program has to be told that a call is newer than the profile, so that it
    # falls back on an older one: EPERM would be taken for an answer.
    newer = default
    if profile.default_action not in _PERMISSIVE:
        newer = _ENOSYS
    usual = [number for number in _mentioned(rules, abi) if number < _bound(abi)]
    last = max(usual, default=_LAST)
    yield abi.low, default
    for number in sorted(answers):
        yield number, answers[number]
        if number < abi.high:
            yield number + 1, default if number < last else newer
    if last not in answers and last < abi.high:
        yield last + 1, newer


def _bound(abi: Abi) -> int:
    return ARM_PRIVATE if abi.name == "ARM" else abi.high


def _mentioned(rules: list[Syscall], abi: Abi) -> Iterator[int]:
    known = numbers(abi.name)
    for rule in rules:
        for name in rule.names:
            if name in known:
                yield known[name]


def _answers(
    profile: Seccomp, rules: list[Syscall], abi: Abi, default: int
) -> dict[int, _Answer]:
    found: dict[int, list[_Rule]] = {}
    known = numbers(abi.name)
    for rule in rules:
        action = _action(rule.action, rule.errno_ret)
        if action == default:
            continue
        for name in rule.names:
            if name in known:
                found.setdefault(known[name], []).extend(
                    _split(rule.args, action, wide=abi.wide)
                )
            if abi.name == "X86" and name in MULTIPLEXED:
                number, which = MULTIPLEXED[name]
                chosen = SyscallArg(0, which)
                others = tuple(arg for arg in rule.args if arg.index != 0)
                found.setdefault(number, []).extend(
                    _split((chosen, *others), action, wide=abi.wide)
                )
    return {number: _strongest(listed, default) for number, listed in found.items()}


def _split(args: tuple[SyscallArg, ...], action: int, *, wide: bool) -> list[_Rule]:
    if len({arg.index for arg in args}) == len(args):
        return [_Rule(args, action, wide)]
    return [_Rule((arg,), action, wide) for arg in args]


def _strongest(rules: list[_Rule], default: int) -> _Answer:
    for rule in rules:
        if not rule.conditions:
            return rule.action
    return (*rules, _Rule((), default, wide=False))


def _action(word: str, data: int | None) -> int:
    action = ACTIONS[word]
    if word in _TAKES_DATA:
        action |= errno.EPERM if data is None else data
    return action


def _search(writer: bpf.Writer, ranges: list[tuple[int, _Answer]]) -> int:
    if len(ranges) == 1:
        return _leaf(writer, ranges[0][1])
    middle = len(ranges) // 2
    above = _search(writer, ranges[middle:])
    below = _search(writer, ranges[:middle])
    return writer.if_below(ranges[middle][0], below, above)


def _leaf(writer: bpf.Writer, reply: _Answer) -> int:
    if isinstance(reply, int):
        return writer.answer(reply)
    following = -1
    for rule in reversed(reply):
        then = writer.answer(rule.action)
        for arg in reversed(rule.conditions):
            test = bpf.Test(arg.index, arg.op, arg.value, arg.value_two, rule.wide)
            then = writer.if_argument(test, then, following)
        following = then
    return following
