# SPDX-License-Identifier: Apache-2.0
"""Where in a plan it is said what a process gets of the machine."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

import libcontainer as lc
from libcontainer.plan import Facts, Plan, ops
from libcontainer.plan.steps import MapIds, OpenPath
from tests.plan.samples import (
    PRIVILEGED,
    ROOTFUL,
    SINGLE_ID,
    UNPRIVILEGED,
    create,
    join,
)

EVERYTHING: dict[str, Any] = {
    "oom_score_adj": 100,
    "coredump_filter": 1,
    "scheduler": "batch",
    "io_priority": "be",
    "cpu_affinity": lc.CpuAffinity(initial="0", final="1"),
    "memory_policy": lc.MemoryPolicy("local"),
    "personality": "LINUX32",
    "ksm": True,
    "thp_disable": True,
    "parent_death_signal": 9,
}
INHERITED = (
    "set the scheduler",
    "set the I/O priority",
    "set the personality",
    "let equal pages merge",
    "disable transparent huge pages",
    "run on the processors 0",
    "write '100' to '/proc/self/oom_score_adj'",
    "write '1' to '/proc/self/coredump_filter'",
    "get a new session keyring",
)


def at(plan: Plan, title: str) -> int:
    """Return the index of the only step whose title begins so."""
    (step,) = [step for step in plan.steps if step.title.startswith(title)]
    return step.index


def kind(plan: Plan, wanted: type[Any]) -> int:
    """Return the index of the only step of a kind."""
    (step,) = [step for step in plan.steps if isinstance(step.action, wanted)]
    return step.index


def everything(config: lc.Config) -> lc.Config:
    return attrs.evolve(config, **EVERYTHING)


@pytest.mark.parametrize("title", INHERITED)
@pytest.mark.parametrize("facts", [PRIVILEGED, UNPRIVILEGED])
def test_the_callers_rights_are_used_before_a_user_namespace(
    title: str, facts: Facts
) -> None:
    config = everything(ROOTFUL if facts.privileged else SINGLE_ID)
    first = create(config, facts)
    assert at(first, title) < kind(first, ops.Clone) < kind(first, MapIds)
    second = join(config, facts)
    setns = [s.index for s in second.steps if isinstance(s.action, ops.Setns)]
    assert at(second, title) < min(setns)


@pytest.mark.parametrize("make", [create, join])
def test_the_parents_death_comes_between_the_user_and_the_last_barrier(
    make: Any,
) -> None:
    plan = make(everything(lc.Config()))
    death = at(plan, "get signal 9")
    barrier = at(plan, "tell the host")
    assert kind(plan, ops.SetIdentity) < death < barrier
    assert death + 1 == barrier


@pytest.mark.parametrize("title", ["run on the processors 1", "set the memory policy"])
def test_what_a_cpuset_would_change_comes_after_the_cgroup(title: str) -> None:
    plan = create(everything(lc.Config()))
    assert kind(plan, ops.Pivot) < at(plan, title) < kind(plan, ops.SetIdentity)


@pytest.mark.parametrize(
    "scheduler",
    [
        lc.Scheduler("other", flags=["reset_on_fork"]),
        lc.Scheduler("deadline", runtime=10000, deadline=20000),
    ],
)
def test_what_is_lost_at_a_fork_is_set_after_it(scheduler: lc.Scheduler) -> None:
    plan = create(attrs.evolve(ROOTFUL, scheduler=scheduler))
    assert kind(plan, ops.Clone) < at(plan, "set the scheduler")
    assert at(plan, "set the scheduler") < kind(plan, ops.SetIdentity)


def test_only_an_ordinary_user_has_to_open_its_own_files() -> None:
    plan = create(everything(SINGLE_ID), UNPRIVILEGED)
    opened, closed = at(plan, "open its own files"), at(plan, "close its own files")
    assert closed - opened == 3
    titles = [step.title for step in create(everything(ROOTFUL)).steps]
    assert "open its own files" not in titles


def test_kernel_parameters_are_written_between_the_mounts_and_the_masks() -> None:
    config = lc.Config(sysctl={"net.ipv4.ip_forward": 1})
    plan = create(config)
    write = at(plan, "write '1' to '/proc/sys/net/ipv4/ip_forward'")
    assert plan.steps[write - 1].stage == "sysctl"
    assert isinstance(plan.steps[write - 2].action, ops.MakeFs)
    masks = [s.index for s in plan.steps if isinstance(s.action, ops.Mask)]
    assert write < min(masks)
    assert not any("sys/net" in step.title for step in join(config).steps)


def test_a_further_process_shares_the_core_of_the_first() -> None:
    config = lc.Config(core_scheduling=True)
    assert at(create(config), "core scheduling: take a new cookie")
    assert at(join(config), "core scheduling: take the cookie of pid 1")


def test_a_default_process_costs_one_call_and_no_file() -> None:
    for plan in (create(lc.Config()), join(lc.Config())):
        resources = [s.title for s in plan.steps if s.stage == "resources"]
        assert resources == ["get a new session keyring"]
        assert not any(isinstance(s.action, OpenPath) for s in plan.steps)


@pytest.mark.parametrize(
    ("config", "facts"),
    [
        (lc.Config(keyring=False), PRIVILEGED),
        (lc.Config(), attrs.evolve(PRIVILEGED, keyrings=False)),
    ],
)
def test_no_keyring_is_made_where_none_is_wanted_or_possible(
    config: lc.Config, facts: Facts
) -> None:
    titles = [step.title for step in create(config, facts).steps]
    assert "get a new session keyring" not in titles


def test_the_socket_of_readiness_is_named_after_the_root_is_there() -> None:
    plan = create(lc.Config(notify_socket="/run/manager"))
    opened, named = at(plan, "connect to the service manager"), at(plan, "make the so")
    assert opened < kind(plan, ops.Pivot) < named < kind(plan, ops.SetIdentity)
    program = plan.steps[-1].action
    assert isinstance(program, ops.Exec)
    assert program.env[0] == "NOTIFY_SOCKET=/dev/notify"


def test_init_comes_last_and_leaves_the_session_to_its_child() -> None:
    process = lc.Process(["sh"], terminal=True)
    plan = create(lc.Config(init=True), process=process)
    assert kind(plan, ops.Init) == plan.total - 1
    (terminal,) = [s.action for s in plan.steps if isinstance(s.action, ops.Terminal)]
    assert terminal.session is False
    titles = [step.title for step in create(lc.Config(init=True)).steps]
    assert "start a new session" not in titles
