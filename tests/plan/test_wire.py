# SPDX-License-Identifier: Apache-2.0
"""The bytes of a plan: read back by the C compiler's layout and by the helper."""

from __future__ import annotations

import ctypes
import os
import posixpath
import re
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from libcontainer._native import ffi
from libcontainer.plan import Plan, Side, ops, wire
from libcontainer.plan.ops import Op
from libcontainer.plan.record import Record
from libcontainer.plan.steps import CONTROL_SLOT, RecordState
from tests.plan.samples import SAMPLES
from tests.plan.strategies import EXAMPLES, Case, cases

NATIVE = Path(__file__).resolve().parents[2] / "src" / "libcontainer" / "native"
KINDS: list[type[Op]] = [
    kind
    for kind in vars(ops).values()
    if isinstance(kind, type) and issubclass(kind, Op) and kind is not Op
]

# The others are carried out by plain system calls, and what these can do.
CARRIED = [kind for kind in KINDS if kind.KIND]

Accepts = Callable[[bytes], bool]


def enum_of(name: str) -> dict[str, int]:
    """Return an enum of ``plan_abi.h`` as the C compiler has it."""
    return dict(ffi.typeof(f"enum {name}").relements)


@pytest.fixture(scope="module")
def accepts(tmp_path_factory: pytest.TempPathFactory) -> Accepts:
    """The helper's own parser, as a function."""
    library = tmp_path_factory.mktemp("parser") / "plan.so"
    command = ["gcc", "-std=c11", "-O1", "-shared", "-fPIC", "-o", str(library)]
    subprocess.run([*command, str(NATIVE / "helper" / "plan.c")], check=True)
    parse = ctypes.CDLL(str(library)).plan_parse

    def call(data: bytes) -> bool:
        # Room for `struct plan`; the plan itself is aligned by being a number.
        state = (ctypes.c_uint64 * 64)()
        image = (ctypes.c_uint64 * (len(data) // 8 + 1))()
        ctypes.memmove(image, data, len(data))
        return bool(parse(state, image, ctypes.c_size_t(len(data))) == 0)

    return call


def encoded(plan: Plan) -> bytes:
    """Return a plan whose given slots have numbers from 100."""
    fds = [100 + i if slot.given else -1 for i, slot in enumerate(plan.slots)]
    return wire.Image(plan).fill(fds, deadline_ms=1234)


class Decoder:
    """Reads a plan with the C compiler's own offsets."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.keep = ffi.from_buffer(data)
        self.head = ffi.cast("struct lc_plan *", self.keep)
        slots = ffi.cast("int32_t *", self.keep + self.head.slots)
        self.slots = [slots[i] for i in range(self.head.nslots)]
        all_ops = ffi.cast("struct lc_op *", self.keep + self.head.ops)
        self.ops = [all_ops[i] for i in range(self.head.nops)]

    def texts(self, offset: int, count: int) -> tuple[str, ...]:
        """Return a list of strings."""
        return tuple(
            item.decode() for item in self.data[offset:].split(b"\0", count)[:count]
        )

    def struct(self, op: Any, name: str) -> Any:
        """Return the struct that an operation points to."""
        assert op.data % 8 == 0
        assert op.data_size >= ffi.sizeof(f"struct {name}")
        return ffi.cast(f"struct {name} *", self.keep + op.data)

    def numbers(self, op: Any, name: str, form: str) -> tuple[int, ...]:
        """Return the numbers after the struct that an operation points to."""
        start = op.data + ffi.sizeof(f"struct {name}")
        return struct.unpack(
            f"={(op.data + op.data_size - start) // 4}{form}",
            self.data[start : op.data + op.data_size],
        )


@pytest.mark.parametrize("kind", CARRIED, ids=lambda kind: kind.__name__)
def test_an_operation_has_one_word_in_python_and_in_c(kind: type[Op]) -> None:
    words = re.findall("[A-Z][a-z]+", kind.__name__)
    name = "_".join(words).upper()
    enum = enum_of("lc_op_kind")
    # A setter is named after what is set, where that alone is clear.
    found = enum.get(f"LC_OP_{name}", enum.get(f"LC_OP_{name.removeprefix('SET_')}"))
    assert found == kind.KIND
    stem = next(n for n, v in enum.items() if v == found and n != "LC_OP_LAST")
    table = (NATIVE / "helper" / "operations.h").read_text()
    assert f"X({stem.removeprefix('LC_OP_')}, op_" in table


def test_a_call_has_one_number_in_python_and_in_c() -> None:
    names = enum_of("lc_call")
    del names["LC_CALL_LAST"]
    assert {f"LC_CALL_{name.upper()}": n for name, n in ops.CALLS.items()} == names
    assert list(ops.CALLS.values()) == list(range(1, len(names) + 1))


def test_every_kind_of_the_header_has_a_class_and_a_man_page() -> None:
    numbers = set(enum_of("lc_op_kind").values())
    assert sorted(kind.KIND for kind in CARRIED) == sorted(numbers)
    assert all(re.fullmatch(r"[a-z0-9_]+\([2-7]\)", kind.MAN) for kind in KINDS)


def test_the_parts_of_a_step_are_those_of_the_header() -> None:
    places = enum_of("lc_where")
    assert sorted(places.values()) == list(range(len(wire.WHERE)))
    assert places["LC_WHERE_VERIFY"] == wire.WHERE_VERIFY
    assert places["LC_WHERE_EXECVE"] == wire.WHERE_EXECVE
    for name, number in places.items():
        word = name.removeprefix("LC_WHERE_").lower()[:4]
        if word not in ("call", "pars", "fds"):
            assert word in wire.WHERE[number]


def test_messages_and_limits_are_those_of_the_header() -> None:
    limits, kinds = enum_of("lc_limits"), enum_of("lc_message_kind")
    assert (limits["LC_ABI"], limits["LC_MAGIC"]) == (wire.ABI, wire.MAGIC)
    assert limits["LC_MAX_SIZE"] == wire.MAX_SIZE
    assert kinds == {
        "LC_CLONED": wire.CLONED,
        "LC_AT_BARRIER": wire.AT_BARRIER,
        "LC_FAILED": wire.FAILED,
        "LC_TERMINAL_FD": wire.TERMINAL_FD,
        "LC_LISTENER_FD": wire.LISTENER_FD,
        "LC_GO": wire.GO,
    }
    assert ffi.sizeof("struct lc_message") == wire.MESSAGE_SIZE
    assert wire.decode_message(wire.GO_MESSAGE) == (wire.GO, 0, 0, 0)
    with pytest.raises(ValueError, match="message of 15 bytes, expected 16"):
        wire.decode_message(wire.GO_MESSAGE[:-1])


def test_flags_of_attach_are_those_of_the_header() -> None:
    assert enum_of("lc_attach") == {
        "LC_MAKE_DIRECTORY": ops.MAKE_DIRECTORY,
        "LC_MAKE_FILE": ops.MAKE_FILE,
        "LC_MAKE_LIKE_SOURCE": ops.MAKE_LIKE_SOURCE,
        "LC_REAL_DIRECTORY": ops.REAL_DIRECTORY,
        "LC_ON_PROC": ops.ON_PROC,
        "LC_NO_FOLLOW": ops.NO_FOLLOW,
    }


@EXAMPLES
@given(cases())
def test_what_is_encoded_is_what_is_decoded(case: Case) -> None:
    for plan in (case.create(), case.join()):
        check_round_trip(plan)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_helper_accepts_every_kind_of_plan(name: str, accepts: Accepts) -> None:
    assert accepts(encoded(SAMPLES[name]()))


@EXAMPLES
@given(case=cases())
def test_the_helper_accepts_the_plan_of_any_configuration(
    accepts: Accepts, case: Case
) -> None:
    assert accepts(encoded(case.create()))
    assert accepts(encoded(case.join()))


def test_the_parser_of_this_test_can_refuse(accepts: Accepts) -> None:
    data = encoded(SAMPLES["default"]())
    assert not accepts(data[:-1])
    assert not accepts(b"\0" + data[1:])


def test_a_fault_is_told_in_the_header() -> None:
    plan = SAMPLES["default"]()
    data = wire.Image(plan).fill([9] * len(plan.slots), fault=(5, -9))
    head = Decoder(data).head
    assert (head.fault_step, head.fault) == (5, -9)


def test_a_plan_that_is_too_large_is_refused() -> None:
    plan = SAMPLES["default"]()
    last = plan.steps[-1]
    huge = ops.Exec(("x" * wire.MAX_SIZE,), (), ())
    steps = (*plan.steps[:-1], type(last)(last.index, last.stage, last.side, huge))
    with pytest.raises(OverflowError, match="larger than"):
        wire.Image(Plan(steps, plan.slots, plan.stdio))


def test_an_image_may_be_filled_again() -> None:
    plan = SAMPLES["default"]()
    image = wire.Image(plan)
    first = image.fill([9] * len(plan.slots), deadline_ms=5, fault=(1, 2))
    fresh = wire.Image(plan).fill([8] * len(plan.slots))
    assert image.fill([8] * len(plan.slots)) == fresh != first
    assert wire.encode(plan, [8] * len(plan.slots)) == fresh


def check_round_trip(plan: Plan) -> None:
    decoded = Decoder(encoded(plan))
    head = decoded.head
    assert (head.magic, head.abi) == (0x4C435031, 1)
    assert (head.size, head.control) == (len(decoded.data), CONTROL_SLOT)
    assert (head.deadline_ms, head.fault_step, head.fault) == (1234, 0, 0)
    assert decoded.slots == [
        100 + i if slot.given else -1 for i, slot in enumerate(plan.slots)
    ]
    steps = [step for step in plan.steps if step.side is Side.INIT]
    rest = list(decoded.ops)
    for step in steps:
        assert isinstance(step.action, Op)
        assert not isinstance(step.action, RecordState)
        records = step.action.records()
        found, rest = rest[: len(records)], rest[len(records) :]
        for op, record in zip(found, records, strict=True):
            assert op.step == step.index
            assert op.kind == (record.kind or step.action.KIND)
            check_fields(decoded, op, record)
        if step.action.KIND:
            check_data(decoded, found[0], step.action)
        if isinstance(step.action, ops.MakeFs):
            made = [called(decoded, op) for op in found]
            check_filesystem([call for call in made if call], step.action)
        if isinstance(step.action, ops.SetIdentity):
            check_identity(decoded, found[-1], step.action)
            check_becoming([called(decoded, op) for op in found], step.action)
        check_calls([called(decoded, op) for op in found], step.action)
    assert rest == []


def check_fields(decoded: Decoder, op: Any, record: Record) -> None:
    assert (op.mode, op.slot, op.slot2) == (record.mode, record.slot, record.slot2)
    assert (op.flags, op.arg) == (record.flags, record.arg)
    assert decoded.texts(op.strings, op.count) == record.strings
    assert (op.strings == 0) == (op.count == 0)
    assert (op.data == 0) == (op.data_size == 0)


def called(decoded: Decoder, op: Any) -> tuple[Any, ...]:
    """Return the name and the arguments of a call, without the zeros at its end.

    A pointer is the string that it leads to, a slot is a `SlotRef`.
    """
    if op.kind != ops.Call.KIND:
        return ()
    values: list[Any] = [int(v) for v in decoded.struct(op, "lc_arguments").value]
    for index, value in enumerate(values):
        if op.flags >> index & 1:
            values[index] = ffi.string(decoded.keep + op.data + value)
        elif op.flags >> 8 + index & 1:
            values[index] = ops.SlotRef(value)
    while values and values[-1] == 0:
        values.pop()
    (name,) = (name for name, number in ops.CALLS.items() if number == op.mode & 0xFF)
    return (name, *values)


def check_node(made: list[tuple[Any, ...]], action: ops.Mknod) -> None:
    *opened, node = [call for call in made if call[0] != "fchownat"]
    folder, name = posixpath.split(action.path)
    where = ops.SlotRef(action.parent if folder else action.slot)
    number = action.major << 8 | action.minor & 255 | action.minor >> 8 << 20
    expected = ("mknodat", where, name.encode(), action.mode, number)
    assert node == expected[: 5 if number else 4]
    assert [call[1:3] for call in opened] == [
        (ops.SlotRef(action.slot), folder.encode())
    ] * bool(folder)


def check_identity(decoded: Decoder, op: Any, action: ops.SetIdentity) -> None:
    """Compare what is looked at in the end with the operation's own fields."""
    data = decoded.struct(op, "lc_identity")
    for name in ("bounding", "effective", "permitted", "inheritable", "ambient"):
        assert getattr(data, name) == getattr(action, name)
    assert (data.uid, data.gid) == (action.uid, action.gid)
    assert data.keep_groups == action.keep_groups
    assert decoded.numbers(op, "lc_identity", "I") == action.groups


def check_becoming(made: list[tuple[Any, ...]], action: ops.SetIdentity) -> None:
    """Compare the calls that make a user with the operation's own fields."""
    uid, gid = action.uid, action.gid
    first, last = ([("prctl", 8, 1)], [("prctl", 8)]) if uid else ([], [])
    expected: list[tuple[Any, ...]] = [("prctl", 24), ("prctl", 28), *first]
    if not action.keep_groups:
        expected.append(("setgroups", *([len(action.groups)] if action.groups else [])))
    expected.append(("setresgid", *([gid] * 3 if gid else [])))
    expected.append(("setresuid", *([uid] * 3 if uid else [])))
    expected += [*last, ("prctl", 4)]
    *ids, capset = [call[:4] for call in made[: len(expected) + 1]]
    ids = [call[:2] if call[0] == "setgroups" else call for call in ids]
    assert ids == expected
    assert capset[0] == "capset"
    raised = [(*call, 0)[3] for call in made if call[:3] == ("prctl", 47, 2)]
    assert sum(1 << number for number in raised) == action.ambient


def check_filesystem(made: list[tuple[Any, ...]], action: ops.MakeFs) -> None:
    slot = ops.SlotRef(action.slot)
    first, *options, created, mounted = made
    assert first == ("fsopen", os.fsencode(action.fstype), 1)
    told = [b"=".join(call[3:]) for call in options]
    assert told[: len(action.options)] == [os.fsencode(o) for o in action.options]
    assert all(call[:2] == ("fsconfig", slot) for call in options)
    assert all(call[2] == (len(call) > 4) for call in options)
    assert created == ("fsconfig", slot, 6)
    assert mounted[:3] == ("fsmount", slot, 1)
    assert sum(mounted[3:]) == action.attributes


def check_calls(made: list[tuple[Any, ...]], action: Op) -> None:
    """Compare what is carried out by calls with the operation's own fields."""
    match action:
        case ops.Setns():
            assert made == [("setns", ops.SlotRef(action.slot), action.flags)]
        case ops.Unshare():
            dumpable = [("prctl", 4, 1)] if action.flags & 0x10000000 else []
            assert made == [("unshare", action.flags), *dumpable]
        case ops.BecomeRoot():
            groups = [] if action.keep_groups else [("setgroups",)]
            assert made == [*groups, ("setresgid",), ("setresuid",), ("prctl", 4)]
        case ops.SetPropagation():
            assert made == [("mount", 0, b"/", 0, 1 << 14 | action.flags)]
        case ops.Symlink():
            slot, path, target = action.slot, action.path, action.target
            place = (ops.SlotRef(slot), path.encode())
            assert made == [("symlinkat", target.encode(), *place)]
        case ops.Mknod():
            check_node(made, action)
        case ops.Overlay():
            names = [call[0] for call in made if call]
            assert names[names.index("fchdir") + 1] == "fsopen"


def check_kept(decoded: Decoder, op: Any) -> None:
    """Compare what is kept with every slot that an operation behind it names."""
    needed: set[int] = set()
    place = [each.kind for each in decoded.ops].index(op.kind)
    for later in decoded.ops[place:]:
        needed |= {later.slot, later.slot2}
        if later.kind == ops.Call.KIND:
            arguments = decoded.struct(later, "lc_arguments").value
            needed |= {arguments[i] for i in range(6) if later.flags >> 8 + i & 1}
        elif later.kind == ops.Exec.KIND:
            fds: Sequence[Any] = decoded.struct(later, "lc_fd")
            count = later.data_size // ffi.sizeof("struct lc_fd")
            needed |= {fds[i].slot for i in range(count)}
    kept: Sequence[Any] = decoded.struct(op, "lc_fd")
    count = op.data_size // ffi.sizeof("struct lc_fd")
    assert [kept[i].target for i in range(count)] == list(range(count))
    assert {kept[i].slot for i in range(count)} == needed - {-1}


def check_call(decoded: Decoder, op: Any, action: ops.Call) -> None:
    assert op.mode == enum_of("lc_call")[f"LC_CALL_{action.call.upper()}"]
    arguments = decoded.struct(op, "lc_arguments").value
    for index, value in enumerate((*action.args, 0, 0, 0, 0, 0, 0)[:6]):
        found = arguments[index]
        assert bool(op.flags >> index & 1) == isinstance(value, bytes)
        assert bool(op.flags >> 8 + index & 1) == isinstance(value, ops.SlotRef)
        if isinstance(value, bytes):
            start = op.data + found
            assert decoded.data[start : start + len(value)] == value
        else:
            expected = value.slot if isinstance(value, ops.SlotRef) else value
            assert found == expected % 2**64


def check_data(decoded: Decoder, op: Any, action: Op) -> None:
    """Compare the struct of an operation with its own fields, not its record."""
    match action:
        case ops.Terminal():
            data = decoded.struct(op, "lc_owner")
            assert (data.uid, data.gid) == action.owner
            rows, columns = action.size or (0, 0)
            assert (op.arg >> 32, op.arg & 0xFFFFFFFF) == (rows, columns)
        case ops.Call():
            check_call(decoded, op, action)
        case ops.Exec():
            pairs: Sequence[Any] = decoded.struct(op, "lc_fd")
            count = op.data_size // ffi.sizeof("struct lc_fd")
            found_fds = tuple((pairs[i].slot, pairs[i].target) for i in range(count))
            assert found_fds == action.fds
            assert op.mode == len(action.args)
        case ops.LetGo():
            check_kept(decoded, op)
        case _:
            assert op.data == 0
