# SPDX-License-Identifier: Apache-2.0
"""A bad plan is refused before its first operation runs, and says at which step."""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.native.helper_driver import (
    ABI,
    HEADER,
    NEWNS,
    OP,
    Message,
    Op,
    Plan,
    Run,
    call,
    failure,
    fds,
    hostname,
    identity,
)

BAD_PLAN = 125
HEADER_FIELDS = [
    *("magic", "abi", "size", "nslots", "nops", "slots", "ops", "deadline_ms"),
    *("control", "fault_step", "fault", "reserved"),
]

# Every kind once, the way it is allowed to look.
FILTER = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)
VALID: dict[str, dict[str, object]] = {
    "CLONE": {"flags": NEWNS},
    "BARRIER": {},
    "TAKE": {"slot": 1, "arg": 2},
    "CLONE_TREE": {"slot": 1, "text": b"/x", "flags": 0x8000},
    "MODE_OF": {"slot": 1, "text": b"/x"},
    "ROOT": {"slot": 1, "text": b"/srv"},
    "ATTACH": {"slot": 1, "slot2": 2, "text": b"/x", "flags": 4 | 8, "mode": 0o755},
    "MASK": {"slot": 1, "slot2": 2, "text": b"/x", "arg": 2},
    "READONLY": {"slot": 1, "text": b"/x"},
    "PIVOT": {},
    "WRITE_PROC": {"slot": 1, "flags": 1, "text": b"self/x", "text2": b"1"},
    "LIMIT_FILES": {"flags": 1, "arg": 2},
    "UMASK": {"mode": 0o22},
    "CHDIR": {"text": b"/"},
    "VERIFY_NODE": {"slot": 1, "flags": 5 << 32 | 2, "arg": 0x1CD1},
    "TELL": {"slot": 1},
    "OPEN_PROC": {"slot": 1, "slot2": 2, "flags": 1, "text": b"self/x"},
    "VERIFY_IDENTITY": {"slot": 1, "flags": 1, "data": identity(1, 2, [3, 4])},
    "FIND_PROGRAM": {"list": [b"/bin/sh"]},
    "GATE": {"slot": 1},
    "LET_GO": {"data": fds((1, 0), (2, 1))},
    "CALL": {
        "slot": 1,
        "mode": 2,
        "flags": 1,
        "arg": 5,
        "data": call(48, 3, memory=b"box"),
    },
    "LANDLOCK_PATH": {"slot": 1, "flags": 4, "text": b"/x"},
    "INIT": {"slot": 1},
    "MONITOR": {"slot": 1, "slot2": 2},
    "SECCOMP": {"mode": 1, "flags": 2, "data": FILTER},
    "EXEC": {"list": [b"sh"], "list2": [b"A=b"], "data": fds((1, 0), (1, 1))},
    "CHILD": {"mode": 2, "flags": 1, "arg": 1000},
}

# What each kind may leave out; everything else it names above is required.
OPTIONAL = {
    "ROOT": ["text"],
    "CHILD": ["arg"],
    "CALL": ["flags", "slot", "arg"],
    "WRITE_PROC": ["flags"],
    "OPEN_PROC": ["flags"],
    "SECCOMP": ["mode", "flags"],
    "CLONE": ["flags"],
    "CLONE_TREE": ["flags"],
    "VERIFY_IDENTITY": ["flags"],
    "ATTACH": ["slot2", "flags", "mode"],
    "MASK": ["arg"],
    "READONLY": ["slot"],
    "LIMIT_FILES": ["flags", "arg"],
    "UMASK": ["mode"],
    "VERIFY_NODE": ["arg"],
    "EXEC": ["list2", "data"],
}
ANYTHING = {
    "mode": 1 << 31,
    "slot": 3,
    "slot2": 3,
    "flags": 1 << 63,
    "arg": 1,
    "text": b"/x",
    "text2": b"/x",
    "list": [b"x"],
    "list2": [b"x"],
    "data": b"12345678",
}
# Of these a string more is one more option, program, argument or name.
MANY = {"FIND_PROGRAM", "EXEC"}
STRINGS = {"text", "text2", "list", "list2"}
ANY_VALUE = {
    ("CHILD", "arg"),
    ("LIMIT_FILES", "flags"),
    ("VERIFY_NODE", "flags"),
    ("VERIFY_NODE", "arg"),
    ("LIMIT_FILES", "arg"),
    ("CALL", "arg"),
}

STRUCTS = {
    "identity one group short": ("VERIFY_IDENTITY", identity(1, 2, [3, 4])[:-4]),
    "identity of 2**30 groups": (
        "VERIFY_IDENTITY",
        identity()[:-4] + struct.pack("=I", 1 << 30),
    ),
    "identity with uid -1": ("VERIFY_IDENTITY", identity(0xFFFFFFFF)),
    "identity with gid -1": ("VERIFY_IDENTITY", identity(0, 0xFFFFFFFF)),
    "identity that keeps and sets": (
        "VERIFY_IDENTITY",
        identity(groups=[1], keep_groups=1),
    ),
    "identity with keep 2": ("VERIFY_IDENTITY", identity(keep_groups=2)),
    "call without arguments": ("CALL", call()[:-8]),
    "call with a pointer before the memory": ("CALL", call(40, 3, memory=b"box")),
    "call with a pointer behind the memory": ("CALL", call(51, 3, memory=b"box")),
    "filter of half an instruction": ("SECCOMP", FILTER[:4]),
    "filter of 4,097 instructions": ("SECCOMP", FILTER * 4097),
    "slots of half a pair": ("LET_GO", fds((1, 0))[:4]),
    "slots that are not there": ("LET_GO", fds((3, 0))),
    "fds of half a pair": ("EXEC", fds((1, 0))[:4]),
    "fds with slot -1": ("EXEC", fds((-1, 0))),
    "fds with an unknown slot": ("EXEC", fds((3, 0))),
    "fds with target -1": ("EXEC", fds((1, -1))),
    "fds with a huge target": ("EXEC", fds((1, 1 << 20))),
    "fds with a target twice": ("EXEC", fds((1, 0), (2, 0))),
}

Start = Callable[..., Run]


def plan_with(kind: str, **changes: object) -> Plan:
    """A plan whose first step is told to fail, so that `kind` never runs."""
    plan = Plan(fault_step=1, fault=errno.EXDEV)
    plan.add("UMASK")
    plan.slot(1)
    plan.slot(2)
    if kind == "EXEC":
        plan.add("FIND_PROGRAM", list=[b"/bin/sh"])
    plan.add(kind, **{**VALID[kind], **changes})
    if kind == "CHILD":
        plan.add("FIND_PROGRAM", list=[b"/bin/sh"])
        plan.add("EXEC", list=[b"sh"])
        plan.add("PIVOT")
    return plan


def outcome(run: Start, plan: Plan | bytes) -> tuple[list[Message], int]:
    """What the helper reports and how it exits."""
    process = run(plan)
    return process.messages(), process.wait()


def refused(run: Start, plan: Plan) -> bool:
    """Whether the plan's last operation, or its child, is named as not understood."""
    children = [op.step for op in plan.ops if op.kind == ABI["LC_OP_CHILD"]]
    step = children[0] if children else len(plan.ops)
    expected = failure(step, errno.EPROTO, "PARSE")
    return outcome(run, plan) == ([expected], BAD_PLAN)


def small_plan() -> bytearray:
    plan = Plan()
    plan.add("CALL", **hostname(b"never set"))
    plan.add("FIND_PROGRAM", list=[b"a", b"bc"])
    plan.add("VERIFY_IDENTITY", slot=0, data=identity(groups=[1, 2]))
    plan.slots[0] = 2
    return plan.pack()


def test_every_kind_is_covered() -> None:
    kinds = {name[6:] for name in ABI if name.startswith("LC_OP_")} - {"LAST"}
    assert set(VALID) == kinds


@pytest.mark.parametrize("kind", VALID)
def test_an_operation_in_its_allowed_form_is_accepted(run: Start, kind: str) -> None:
    assert outcome(run, plan_with(kind)) == ([failure(1, errno.EXDEV, "CALL")], 1)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, names in OPTIONAL.items() for name in names],
)
def test_an_optional_field_may_be_left_out(run: Start, kind: str, name: str) -> None:
    plan = plan_with(kind, **{name: getattr(Op(0), name)})
    assert outcome(run, plan) == ([failure(1, errno.EXDEV, "CALL")], 1)


@pytest.mark.parametrize("kind", VALID)
def test_a_missing_or_unknown_field_is_refused(run: Start, kind: str) -> None:
    for name, anything in ANYTHING.items():
        needed = name in VALID[kind] and name not in OPTIONAL.get(kind, [])
        if needed:
            assert refused(run, plan_with(kind, **{name: getattr(Op(0), name)})), name
        bounded = name in ("slot", "slot2", "flags", "mode") or name not in VALID[kind]
        bounded &= not (kind in MANY and name in STRINGS)
        if bounded and (kind, name) not in ANY_VALUE:
            assert refused(run, plan_with(kind, **{name: anything})), name


@pytest.mark.parametrize("case", STRUCTS)
def test_a_wrong_struct_is_refused(run: Start, case: str) -> None:
    kind, data = STRUCTS[case]
    assert refused(run, plan_with(kind, data=data))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("ATTACH", {"flags": 3}),
        ("MASK", {"arg": 1 << 32}),
        ("TAKE", {"arg": 3}),
        ("TAKE", {"arg": 1 << 32}),
        ("UMASK", {"mode": 0o1000}),
        ("CALL", {"mode": 0}),
        ("CALL", {"mode": ABI["LC_CALL_LAST"] + 1}),
        ("CALL", {"mode": 2 | ABI["LC_WHERE_TIMEOUT"] + 1 << 8}),
        ("UMASK", {"step": 0}),
    ],
)
def test_contradicting_fields_are_refused(
    run: Start, kind: str, changes: dict[str, object]
) -> None:
    step = changes.pop("step", None)
    plan = plan_with(kind, **changes)
    if step is not None:
        plan.ops[-1].step = 0
        assert outcome(run, plan)[1] == BAD_PLAN
    else:
        assert refused(run, plan)


def test_an_unknown_kind_is_refused(run: Start) -> None:
    for kind in (0, ABI["LC_OP_LAST"] + 1, 65535):
        plan = plan_with("UMASK")
        plan.ops[-1].kind = kind
        assert refused(run, plan)


def test_exec_must_be_last_and_have_a_program(run: Start) -> None:
    plan = plan_with("EXEC")
    plan.add("PIVOT")
    expected = failure(3, errno.EPROTO, "PARSE")
    assert outcome(run, plan) == ([expected], BAD_PLAN)
    plan = Plan(fault_step=1, fault=errno.EXDEV)
    plan.add("UMASK")
    plan.add("EXEC", list=[b"sh"])
    assert refused(run, plan)


@pytest.mark.parametrize("name", sorted({*HEADER_FIELDS} - {"deadline_ms"}))
def test_a_broken_header_field_is_refused(run: Start, name: str) -> None:
    index = HEADER_FIELDS.index(name)
    good = HEADER.unpack_from(small_plan())[index]
    legal = {good, 1} if name == "nops" else {good}
    for value in {0, 1, 7, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF} - legal:
        data = small_plan()
        struct.pack_into("=I", data, 4 * index, value)
        assert outcome(run, bytes(data))[1] == BAD_PLAN, value


@pytest.mark.parametrize("tell", [False, True])
def test_a_plan_cut_at_any_byte_is_refused(run: Start, tell: bool) -> None:
    whole = small_plan()
    for size in range(len(whole)):
        data = whole[:size]
        if tell and size >= HEADER.size:
            struct.pack_into("=I", data, 8, size)
        assert outcome(run, bytes(data))[1] == BAD_PLAN, size


def test_a_string_may_not_overlap_what_was_checked(run: Start) -> None:
    data = small_plan()
    text_at = HEADER.unpack_from(data)[6] + 32
    for offset in (1, HEADER.size, HEADER.unpack_from(data)[6], len(data)):
        struct.pack_into("=I", data, text_at, offset)
        assert outcome(run, bytes(data))[1] == BAD_PLAN


def test_a_small_plan_cannot_ask_for_endless_scanning(run: Start) -> None:
    plan = Plan(fault_step=1, fault=errno.EXDEV)
    for _ in range(200):
        plan.add("CHDIR", text=b"x" if plan.ops else b"x" * 1_000_000)
    data = plan.pack()
    first = HEADER.unpack_from(data)[6] + 32
    text = struct.unpack_from("=I", data, first)[0]
    for i in range(200):
        struct.pack_into("=I", data, first + i * OP.size, text)
    assert outcome(run, bytes(data))[1] == BAD_PLAN


def test_a_plan_that_can_still_change_is_refused(helper: Path) -> None:
    memfd = os.memfd_create("plan", os.MFD_ALLOW_SEALING)
    try:
        os.write(memfd, small_plan())
        done = subprocess.run([helper, str(memfd)], pass_fds=[memfd], check=False)
    finally:
        os.close(memfd)
    assert done.returncode == BAD_PLAN


@pytest.mark.parametrize(
    "arguments", [[], [""], ["x"], ["-1"], ["3", "4"], ["99999999999"], ["4294967299"]]
)
def test_any_other_argument_than_a_fd_is_refused(
    helper: Path, arguments: list[str]
) -> None:
    assert subprocess.run([helper, *arguments], check=False).returncode == BAD_PLAN


def test_mutated_plans_cause_no_sanitizer_report(fuzz_plan: Path) -> None:
    count = os.environ.get("LIBCONTAINER_FUZZ_COUNT", "200000")
    command = [fuzz_plan, "-n", count]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    accepted = int(done.stdout.split()[2])
    assert 0 < accepted < int(count)
    assert done.stderr == ""


def test_the_fuzz_program_parses_files(fuzz_plan: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(small_plan())
    bad.write_bytes(small_plan()[:-1])
    done = subprocess.run([fuzz_plan, good, bad], check=True, capture_output=True)
    assert done.stdout.decode() == f"{good}: accepted\n{bad}: refused\n"


def test_the_helper_compiles_without_an_analyzer_finding(
    build_helper: Callable[..., None], tmp_path: Path
) -> None:
    build_helper("gcc", tmp_path / "helper", "-Wconversion", "-fanalyzer")


@pytest.mark.skipif(
    shutil.which("aarch64-linux-gnu-gcc") is None, reason="no aarch64 cross compiler"
)
def test_the_helper_compiles_for_aarch64(
    build_helper: Callable[..., None], tmp_path: Path
) -> None:
    build_helper("aarch64-linux-gnu-gcc", tmp_path / "helper", "-Wconversion")
    machine = (tmp_path / "helper").read_bytes()[18:20]
    assert machine == struct.pack("<H", 183)


CHILDREN: dict[str, tuple[int, list[str]]] = {
    "no operation": (0, ["FIND_PROGRAM", "EXEC", "PIVOT"]),
    "nothing behind it": (2, ["FIND_PROGRAM", "EXEC"]),
    "no program": (2, ["CALL", "EXEC", "PIVOT"]),
    "no EXEC at its end": (2, ["FIND_PROGRAM", "CALL", "EXEC", "PIVOT"]),
    "an EXEC before its end": (3, ["FIND_PROGRAM", "EXEC", "EXEC", "PIVOT"]),
    "more than there is": (9, ["FIND_PROGRAM", "EXEC", "PIVOT"]),
    "a child of its own": (
        4,
        ["FIND_PROGRAM", "CHILD", "FIND_PROGRAM", "EXEC", "PIVOT"],
    ),
    "a mount": (3, ["READONLY", "FIND_PROGRAM", "EXEC", "PIVOT"]),
    "a barrier": (3, ["BARRIER", "FIND_PROGRAM", "EXEC", "PIVOT"]),
    "its program used by init": (2, ["FIND_PROGRAM", "EXEC", "EXEC"]),
}


@pytest.mark.parametrize("case", CHILDREN)
def test_a_child_does_nothing_but_find_its_program_and_become_it(
    run: Start, case: str
) -> None:
    length, kinds = CHILDREN[case]
    plan = plan_with("UMASK")
    plan.add("CHILD", mode=length, flags=1)
    for kind in kinds:
        plan.add(kind, **VALID[kind])
    messages, status = outcome(run, plan)
    assert status == BAD_PLAN
    assert [message.error for message in messages] == [errno.EPROTO]


def test_children_may_follow_one_another(run: Start) -> None:
    plan = plan_with("UMASK")
    for _ in range(2):
        plan.add("CHILD", mode=3, flags=1)
        for kind in ("CALL", "FIND_PROGRAM", "EXEC"):
            plan.add(kind, **VALID[kind])
    plan.add("FIND_PROGRAM", **VALID["FIND_PROGRAM"])
    plan.add("EXEC", **VALID["EXEC"])
    assert outcome(run, plan) == ([failure(1, errno.EXDEV, "CALL")], 1)
