# SPDX-License-Identifier: Apache-2.0
"""What holds of the plan of any valid configuration, whatever is in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libcontainer import Config, Mount, NamespaceType, Process
from libcontainer.errors import UnsupportedError
from libcontainer.plan import Plan, Side, Step, explain, ops
from libcontainer.plan.facts import Facts
from libcontainer.plan.monitor import HandOver, MakeMonitorEnds
from libcontainer.plan.ops import Op
from libcontainer.plan.record import NONE
from libcontainer.plan.stages import STAGES
from libcontainer.plan.steps import (
    CONTROL_SLOT,
    Listen,
    MakeCgroup,
    MapIds,
    OpenJoins,
    OpenNamespace,
    OpenNotify,
    OpenPath,
    OpenStatus,
    OpenTree,
    RecordState,
    SetClocks,
    Spawn,
    UseTemplate,
)
from libcontainer.plan.template import compile_template
from libcontainer.validate import validate
from tests.plan import samples
from tests.plan.samples import PRIVILEGED, SINGLE_ID, UNPRIVILEGED, USER, create
from tests.plan.strategies import EXAMPLES, Case, cases

NEWNS, NEWPID, NEWUSER, NEWTIME = 0x00020000, 0x20000000, 0x10000000, 0x80

TREE: Final = (
    *(ops.Root, ops.Attach, ops.MountNew, ops.CloneTree, ops.Mask, ops.Readonly),
)
PRIVILEGED_OPS: Final = (
    *TREE,
    ops.Pivot,
    ops.SetAttributes,
    ops.MakeFs,
    ops.Overlay,
    ops.Scratch,
    ops.Mknod,
    ops.Loopback,
    ops.SetRlimit,
    ops.Terminal,
    ops.Chdir,
)
SOURCES: Final = (
    *(OpenTree, OpenPath, OpenNamespace, UseTemplate),
    *(OpenStatus, OpenNotify, Listen, MakeMonitorEnds),
)
NAMED: Final[dict[type[Any], tuple[str, ...]]] = {
    ops.Attach: ("slot", "base"),
    ops.Clone: ("cgroup",),
    ops.Mask: ("empty", "null"),
    ops.Monitor: ("caller", "program"),
    ops.Terminal: ("console_base",),
}
"""What names slots in fields of other names than `slot`."""
MAKERS: Final = (ops.MakeFs, ops.Overlay, ops.Terminal, ops.Loopback)


def plans(
    wanted: Callable[[Case], bool] = lambda case: True,
) -> st.SearchStrategy[Plan]:
    """Plans of first and of further processes."""
    case = cases().filter(wanted)
    return case.map(Case.create) | case.map(Case.join)


def creations() -> st.SearchStrategy[tuple[Case, Plan]]:
    """Plans of first processes, with what they are made of."""
    return cases().map(lambda case: (case, case.create()))


def joins() -> st.SearchStrategy[tuple[Case, Plan]]:
    """Plans of further processes, with what they are made of."""
    return cases().map(lambda case: (case, case.join()))


def places(plan: Plan, *kinds: type[Any]) -> list[int]:
    """Where steps of some kinds stand, from 0."""
    return [i for i, step in enumerate(plan.steps) if isinstance(step.action, kinds)]


def place(plan: Plan, kind: type[Any]) -> int:
    """Where the only step of a kind stands."""
    (found,) = places(plan, kind)
    return found


def before(plan: Plan, first: tuple[type[Any], ...], then: type[Any]) -> bool:
    """Whether every step of some kinds stands before every one of another."""
    early, late = places(plan, *first), places(plan, then)
    return not early or not late or max(early) < min(late)


@EXAMPLES
@given(cases())
def test_the_random_configurations_are_valid(case: Case) -> None:
    assert validate(case.config, case.process) == []


@EXAMPLES
@given(plans())
def test_steps_are_counted_from_1(plan: Plan) -> None:
    assert [step.index for step in plan.steps] == list(range(1, plan.total + 1))


@EXAMPLES
@given(plans())
def test_the_side_of_a_step_follows_from_its_action(plan: Plan) -> None:
    for step in plan.steps:
        assert (step.side is Side.INIT) == isinstance(step.action, Op)


@EXAMPLES
@given(plans())
def test_stages_come_in_the_order_of_the_table(plan: Plan) -> None:
    order = list(STAGES)
    numbers = [order.index(step.stage) for step in plan.steps]
    assert numbers == sorted(numbers)


@EXAMPLES
@given(plans())
def test_no_title_has_a_line_break(plan: Plan) -> None:
    for step in plan.steps:
        assert step.title
        assert step.title.splitlines() == [step.title]


@EXAMPLES
@given(cases())
def test_the_text_is_the_same_every_time(case: Case) -> None:
    text = explain(case.create())
    assert text == explain(case.create())
    stages = len({step.stage for step in case.create().steps})
    assert text.count("\n") == case.create().total + stages


@EXAMPLES
@given(plans())
def test_exec_is_last_and_there_is_one(plan: Plan) -> None:
    assert place(plan, ops.Exec) == plan.total - 1


@EXAMPLES
@given(plans())
def test_there_is_one_spawn_with_the_sources_before_it(plan: Plan) -> None:
    spawn = place(plan, Spawn)
    assert all(i < spawn for i in places(plan, *SOURCES))
    assert all(i > spawn for i in places(plan, Op))


@EXAMPLES
@given(plans())
def test_identity_comes_after_every_privileged_operation(plan: Plan) -> None:
    identity = place(plan, ops.SetIdentity)
    assert all(i < identity for i in places(plan, *PRIVILEGED_OPS))


@EXAMPLES
@given(plans())
def test_nothing_but_landlock_is_between_no_new_privs_and_the_identity(
    plan: Plan,
) -> None:
    assert before(plan, (ops.NoNewPrivs,), ops.SetIdentity)
    for found in places(plan, ops.NoNewPrivs):
        for step in plan.steps[found + 1 : place(plan, ops.SetIdentity)]:
            call = getattr(step.action, "call", "")
            is_rule = isinstance(step.action, ops.LandlockPath)
            assert is_rule or call.startswith("landlock_"), step


@EXAMPLES
@given(cases())
def test_no_new_privs_is_set_exactly_when_it_is_wanted(case: Case) -> None:
    wanted = case.process.no_new_privs
    if wanted is None:
        wanted = case.config.no_new_privs
    for plan in (case.create(), case.join()):
        assert len(places(plan, ops.NoNewPrivs)) == int(wanted)


@EXAMPLES
@given(creations())
def test_the_old_root_goes_before_any_container_path_is_entered(
    made: tuple[Case, Plan],
) -> None:
    case, plan = made
    pivot = place(plan, ops.Pivot)
    assert all(i < pivot for i in places(plan, *TREE))
    entered = places(plan, ops.Chdir)
    # In its root the process is from there on.
    assert bool(entered) == ((case.process.cwd or case.config.cwd) != "/")
    assert all(pivot < i for i in entered)


@EXAMPLES
@given(creations())
def test_trees_are_cloned_before_the_root_is_attached(made: tuple[Case, Plan]) -> None:
    _, plan = made
    assert before(plan, (ops.CloneTree,), ops.Root)
    assert before(plan, (ops.Root,), ops.Attach)
    assert before(plan, (ops.Attach,), ops.Mask)


def _place(action: ops.Attach | ops.MountNew) -> str:
    if isinstance(action, ops.MountNew):
        return action.path
    base, path = action.base_path, action.path
    return f"{base}/{path}" if base else path


@EXAMPLES
@given(creations())
def test_every_mount_of_the_configuration_is_attached_in_order(
    made: tuple[Case, Plan],
) -> None:
    case, plan = made
    actions = [step.action for step in plan.steps]
    attached = [
        _place(a)
        for a in actions
        if isinstance(a, ops.MountNew)
        or (isinstance(a, ops.Attach) and not a.what.startswith("the host's '/dev"))
    ]
    wanted = [m.destination for m in case.config.base_mounts + case.config.mounts]
    assert attached == (wanted if "/dev" in wanted else ["/dev", *wanted])


@EXAMPLES
@given(creations())
def test_every_path_is_masked_and_protected(made: tuple[Case, Plan]) -> None:
    case, plan = made
    actions = [step.action for step in plan.steps]
    masks = tuple(a.path for a in actions if isinstance(a, ops.Mask))
    protected = tuple(a.path for a in actions if isinstance(a, ops.Readonly))
    assert masks == case.config.masked_paths
    assert protected == case.config.readonly_paths


@EXAMPLES
@given(plans())
def test_the_host_acts_only_while_the_helper_waits_but_to_save_the_state(
    plan: Plan,
) -> None:
    spawn = place(plan, Spawn)
    first = spawn + 1
    if isinstance(plan.steps[first].action, RecordState):
        first += 1
    for i, step in enumerate(plan.steps[first:], start=first):
        if step.side is Side.HOST:
            back = i - 1
            while plan.steps[back].side is Side.HOST:
                back -= 1
            assert back > spawn
            assert isinstance(plan.steps[back].action, ops.Barrier)


@EXAMPLES
@given(plans())
def test_the_helper_waits_only_where_the_host_acts(plan: Plan) -> None:
    for i in places(plan, ops.Barrier):
        if plan.steps[i].action == ops.Barrier(early=True):
            assert isinstance(plan.steps[i + 1].action, ops.Exec)
        else:
            assert plan.steps[i + 1].side is Side.HOST


@EXAMPLES
@given(creations())
def test_a_first_process_is_recorded_once_after_its_program_is_found(
    made: tuple[Case, Plan],
) -> None:
    case, plan = made
    record = plan.steps[place(plan, RecordState)]
    spawn = place(plan, Spawn)
    shared = NamespaceType.PID not in case.config.namespaces - case.joined
    if case.gate or shared or places(plan, ops.Clone):
        assert place(plan, ops.FindProgram) < record.index - 1
    else:
        assert record.index - 1 == spawn + 1
    assert record.action == RecordState("created" if case.gate else "running")
    gates = places(plan, ops.Gate)
    assert len(gates) == int(case.gate)
    assert all(i > record.index - 1 for i in gates)


@EXAMPLES
@given(joins())
def test_a_further_process_is_not_recorded(made: tuple[Case, Plan]) -> None:
    _, plan = made
    assert places(plan, RecordState, MapIds, ops.Gate) == []
    assert [plan.steps[i].action for i in places(plan, ops.Barrier)] == [
        ops.Barrier(early=True)
    ]
    assert place(plan, ops.FindProgram) > place(plan, ops.SetIdentity)


@EXAMPLES
@given(creations())
def test_ids_are_mapped_between_the_namespace_and_becoming_root(
    made: tuple[Case, Plan],
) -> None:
    case, plan = made
    if not case.has_user_namespace:
        assert places(plan, MapIds, ops.BecomeRoot) == []
        return
    root = place(plan, ops.BecomeRoot)
    assert all(i > root for i in places(plan, *TREE))
    if NamespaceType.USER in case.joined:
        assert places(plan, MapIds) == []
        assert _joins(plan)[NEWUSER] < place(plan, ops.Clone) < root
        return
    (entered,) = [
        i
        for i in places(plan, ops.Clone, ops.Unshare)
        if getattr(plan.steps[i].action, "flags", 0) & NEWUSER
    ]
    assert entered < place(plan, MapIds) < root


@EXAMPLES
@given(creations())
def test_the_clocks_are_set_while_nobody_is_in_the_time_namespace(
    made: tuple[Case, Plan],
) -> None:
    case, plan = made
    if not case.config.time_offsets:
        assert places(plan, SetClocks) == []
        return
    clocks = place(plan, SetClocks)
    made_by = [
        i
        for i in places(plan, ops.Unshare)
        if getattr(plan.steps[i].action, "flags", 0) & NEWTIME
    ]
    assert len(made_by) == 1
    assert made_by[0] < clocks < place(plan, ops.Clone)


@EXAMPLES
@given(creations())
def test_new_namespaces_are_entered_and_the_others_joined(
    made: tuple[Case, Plan],
) -> None:
    case, plan = made
    entered = 0
    for step in plan.steps:
        if isinstance(step.action, Spawn | ops.Clone | ops.Unshare):
            assert entered & step.action.flags == 0
            entered |= step.action.flags
    new = case.config.namespaces - case.joined
    assert entered == sum(kind.clone_flag for kind in new)
    assert sum(_joins(plan)) == sum(kind.clone_flag for kind in case.joined)


@EXAMPLES
@given(creations())
def test_what_is_joined_comes_around_the_user_namespace_by_privilege(
    made: tuple[Case, Plan],
) -> None:
    case, plan = made
    joined = _joins(plan)
    for i in places(plan, ops.Clone, ops.Unshare):
        assert all(at < i for at in joined.values())
    user = joined.pop(NEWUSER, None)
    if user is not None:
        assert all((at < user) == case.facts.privileged for at in joined.values())
    if NEWPID in joined:
        assert joined[NEWPID] == max(joined.values())


@EXAMPLES
@given(creations())
def test_the_template_is_entered_before_any_new_namespace_of_users(
    made: tuple[Case, Plan],
) -> None:
    case, plan = made
    templates = len(places(plan, ops.Setns)) - len(case.joined)
    assert templates == int(case.facts.template)
    assert before(plan, (ops.Setns,), ops.Clone)
    assert before(plan, (ops.Setns,), ops.Unshare)
    cut_off = len(places(plan, ops.SetPropagation))
    assert cut_off == int(not case.facts.template)


@EXAMPLES
@given(creations())
def test_a_monitor_is_outside_and_has_the_container_before_its_program_runs(
    made: tuple[Case, Plan],
) -> None:
    case, plan = made
    found = places(plan, ops.Monitor, MakeMonitorEnds, HandOver)
    if case.detached is None:
        assert found == []
        return
    ends, monitor, over = found
    spawn = plan.steps[place(plan, Spawn)].action
    assert spawn == Spawn(0)
    assert ends < place(plan, Spawn) < monitor
    # Before anything of the container is entered.
    assert monitor == min(places(plan, Op))
    assert monitor < place(plan, ops.Clone)
    assert max(place(plan, RecordState), place(plan, ops.SetIdentity)) < over
    assert all(i > over for i in places(plan, ops.Gate, ops.Exec))


@EXAMPLES
@given(joins())
def test_the_pid_namespace_is_joined_last_and_a_clone_follows(
    made: tuple[Case, Plan],
) -> None:
    case, plan = made
    joined = [s.action for s in plan.steps if isinstance(s.action, ops.Setns)]
    flags = [setns.flags for setns in joined]
    assert sum(flags) == sum(kind.clone_flag for kind in case.config.namespaces)
    assert not any(number & NEWPID for number in flags[:-1])
    assert flags[-1] in (NEWPID, flags[0])
    last = plan.steps[max(places(plan, ops.Setns, ops.BecomeRoot)) + 1].action
    assert last == ops.Clone(0)
    if flags[-1] == NEWPID:
        assert place(plan, ops.Clone) == max(places(plan, ops.Setns)) + 1


@EXAMPLES
@given(plans())
def test_every_slot_is_filled_before_it_is_read(plan: Plan) -> None:
    filled = {CONTROL_SLOT, *(slot for _, slot in plan.stdio)}
    # What the launcher hands in.
    handed = ("init",)
    filled |= {i for i, slot in enumerate(plan.slots) if slot.name in handed}
    for step in plan.steps:
        for slot in _read(step):
            assert slot in filled, (step, slot)
        filled |= _made(step)
    assert filled == set(range(len(plan.slots)))


@EXAMPLES
@given(plans())
def test_only_slots_made_inside_are_not_given(plan: Plan) -> None:
    inside = {slot for step in plan.steps for slot in _made(step) if _is_init(step)}
    for number, slot in enumerate(plan.slots):
        assert slot.given == (number not in inside)


@EXAMPLES
@given(plans())
def test_the_program_keeps_exactly_the_descriptors_of_the_caller(plan: Plan) -> None:
    action = plan.steps[-1].action
    assert isinstance(action, ops.Exec)
    targets = [number for _, number in action.fds]
    assert targets == list(range(len(targets)))
    assert len(targets) >= 3
    for container_fd, slot in plan.stdio:
        assert (slot, container_fd) in action.fds


def test_what_covers_our_dev_takes_the_mounts_that_come_after() -> None:
    mounts = [
        Mount.tmpfs("/dev/before"),
        Mount.bind("/dev", "/dev"),
        Mount.tmpfs("/dev/after"),
    ]
    plan = create(Config(mounts=mounts), process=Process(["sh"], terminal=True))
    kinds = ops.Attach | ops.MountNew
    attached = [s.action for s in plan.steps if isinstance(s.action, kinds)]
    before, cover, after = attached[-3:]
    assert isinstance(before, ops.MountNew)
    assert isinstance(cover, ops.Attach)
    assert isinstance(after, ops.Attach)
    assert before.path == "/dev/before"
    assert (cover.path, cover.base) == ("/dev", NONE)
    assert (after.path, after.base) == ("/dev/after", NONE)
    terminal = plan.steps[place(plan, ops.Terminal)].action
    assert isinstance(terminal, ops.Terminal)
    assert terminal.console_base == NONE


def test_the_template_is_closed_before_it_is_kept() -> None:
    plan = compile_template()
    assert [step.index for step in plan.steps] == list(range(1, plan.total + 1))
    pivot = place(plan, ops.Pivot)
    assert all(i < pivot for i in places(plan, ops.Attach, ops.Root))
    assert place(plan, ops.SetAttributes) > pivot
    assert isinstance(plan.steps[-2].action, ops.Barrier)
    assert plan.steps[-1].side is Side.HOST


def test_without_privilege_and_user_namespace_there_is_no_plan() -> None:
    with pytest.raises(UnsupportedError, match="'user'"):
        create(Config(), UNPRIVILEGED)


def test_groups_that_cannot_be_set_are_refused_before_anything_is_done() -> None:
    with pytest.raises(UnsupportedError, match="supplementary groups"):
        create(SINGLE_ID, UNPRIVILEGED, who=USER)
    plan = create(SINGLE_ID, PRIVILEGED, who=USER)
    action = plan.steps[place(plan, ops.SetIdentity)].action
    assert isinstance(action, ops.SetIdentity)
    assert action.groups == USER.groups


def _joins(plan: Plan) -> dict[int, int]:
    """Where each kind of namespace is joined by its path."""
    slots = {a.slot for a in (s.action for s in plan.steps) if _opens(a)}
    actions = enumerate(step.action for step in plan.steps)
    return {
        action.flags: i
        for i, action in actions
        if isinstance(action, ops.Setns) and action.slot in slots
    }


def _opens(action: Any) -> bool:
    return isinstance(action, OpenNamespace)


def _is_init(step: Step) -> bool:
    return step.side is Side.INIT


def _made(step: Step) -> set[int]:
    action = step.action
    if isinstance(action, ops.Call | ops.OpenProc):
        return {action.result} - {NONE}
    if isinstance(action, ops.Mkdir | ops.Mknod):
        return {action.parent} - {NONE}
    if isinstance(action, ops.Terminal):
        return {action.slot, action.master, action.console} - {NONE}
    if isinstance(action, MakeMonitorEnds):
        return {action.caller, action.program}
    return {action.slot} if isinstance(action, (*SOURCES, *MAKERS)) else set()


def _read(step: Step) -> set[int]:
    action = step.action
    slots: list[int] = []
    if isinstance(action, ops.Overlay):
        slots = [action.scratch, action.upper, *action.lower]
    elif type(action) in NAMED:
        slots = [getattr(action, name) for name in NAMED[type(action)]]
    elif isinstance(action, ops.Call):
        slots = [a.slot for a in action.args if isinstance(a, ops.SlotRef)]
    elif isinstance(action, ops.SetIdentity):
        slots = [action.status]
    elif isinstance(action, ops.Init):
        slots = [action.status, action.terminal]
    elif isinstance(action, ops.Exec):
        slots = [slot for slot, _ in action.fds]
    elif isinstance(action, Op) and not isinstance(action, MAKERS):
        slots = [getattr(action, "slot", NONE)]
    return {slot for slot in slots if slot != NONE}


@pytest.mark.parametrize(("cgroups", "late"), [((), False), (("",), True)])
def test_on_v2_the_cgroup_namespace_is_joined_by_the_child_in_the_cgroup(
    cgroups: tuple[str, ...], late: bool
) -> None:
    facts = attrs.evolve(samples.PRIVILEGED, cgroups=cgroups)
    plan = samples.join(Config(), facts)
    clone = place(plan, ops.Clone)
    joined = [
        number
        for number, step in enumerate(plan.steps)
        if isinstance(step.action, ops.Setns) and step.action.flags & 0x02000000
    ]
    assert [i > clone for i in joined] == [late]


@pytest.mark.parametrize(
    ("facts", "late"), [(samples.PRIVILEGED, True), (samples.UNPRIVILEGED, False)]
)
def test_on_v2_a_privileged_caller_enters_the_cgroup_with_its_own_rights(
    facts: Facts, late: bool
) -> None:
    # The root of a user namespace may not write to a cgroup of the host's root; but
    # an ordinary user's cgroup is that root's own.
    plan = samples.join(samples.ROOTFUL, attrs.evolve(facts, cgroups=("",)))
    clone = place(plan, ops.Clone)
    joined = [
        number
        for number, step in enumerate(plan.steps)
        if isinstance(step.action, ops.Setns) and step.action.flags & 0x10000000
    ]
    assert [i > clone for i in joined] == [late]
    assert joined[0] < place(plan, ops.BecomeRoot) < place(plan, ops.SetIdentity)


def test_on_v2_the_first_process_of_all_is_born_in_the_cgroup() -> None:
    facts = attrs.evolve(samples.PRIVILEGED, cgroups=("",))
    plan = create(Config(rootfs="/srv/rootfs"), facts)
    spawn = next(s.action for s in plan.steps if isinstance(s.action, Spawn))
    assert plan.slots[spawn.cgroup].name == "cgroup v2"
    assert places(plan, ops.Clone) == []


V1 = attrs.evolve(samples.PRIVILEGED, template=True, cgroups=("name=systemd", "pids"))


def test_on_v1_the_cgroup_is_made_while_the_helper_makes_its_network() -> None:
    plan = create(Config(rootfs="/srv/rootfs"), V1)
    kinds = [type(step.action) for step in plan.steps]
    made, take = kinds.index(MakeCgroup), place(plan, ops.Take)
    assert kinds[made - 1] is Spawn
    spawn = plan.steps[made - 1].action
    slow = plan.steps[take - 1].action
    assert isinstance(spawn, Spawn)
    assert isinstance(slow, ops.Unshare)
    assert not spawn.flags & slow.flags
    assert slow.flags & NamespaceType.NETWORK.clone_flag
    assert ops.Barrier not in kinds[:take]
    # It is in the cgroup before it sees anything of the container.
    assert kinds[take + 1 : take + 3] == [ops.Call, ops.Call]
    assert take < place(plan, ops.Root)


@pytest.mark.parametrize(
    "facts",
    [
        attrs.evolve(V1, cgroups=("pids", "")),
        attrs.evolve(V1, cgroups=("pids",), enters_by_unit=True),
    ],
)
def test_what_init_is_born_in_is_made_before_the_helper(facts: Facts) -> None:
    plan = create(Config(rootfs="/srv/rootfs"), facts)
    assert place(plan, MakeCgroup) < place(plan, Spawn)
    assert places(plan, ops.Take) == []


@pytest.mark.parametrize("cgroups", [("name=systemd", "pids"), ("",)])
def test_a_further_process_takes_its_cgroup_before_it_is_cloned(
    cgroups: tuple[str, ...],
) -> None:
    plan = samples.join(Config(), attrs.evolve(samples.PRIVILEGED, cgroups=cgroups))
    opened, take = place(plan, OpenJoins), place(plan, ops.Take)
    assert place(plan, Spawn) < opened < take < place(plan, ops.Clone)
    action = plan.steps[take].action
    assert isinstance(action, ops.Take)
    names = [slot.name for slot in plan.slots[action.slot :][: action.count]]
    assert names == [f"cgroup {name or 'v2'}" for name in cgroups]


def test_without_a_cgroup_a_further_process_takes_nothing() -> None:
    plan = samples.join(Config(), samples.PRIVILEGED)
    assert places(plan, OpenJoins, ops.Take) == []
