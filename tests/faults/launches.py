# SPDX-License-Identifier: Apache-2.0
"""The kinds of launch whose every step the tests make fail."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import define, evolve

import libcontainer as lc
from libcontainer.cgroups.group import Group
from libcontainer.host.probe import read_facts
from libcontainer.host.processref import ProcessRef
from libcontainer.host.users import identity_in_container
from libcontainer.launches.start import Start
from libcontainer.plan import Plan, Step, compile_join, merge
from libcontainer.plan.ops import Barrier, Child, Clone, Monitor
from libcontainer.plan.steps import Side
from tests.faults.tables import tables_of

PROGRAM = lc.Process(["sh", "-c", "exit 7"])
LANDLOCK = lc.Landlock.filesystem(read_write=["/"], abi=1)
SLEEPER = lc.Process(["sleep", "1000"])

KINDS = (
    "run",
    "run with privileges to gain",
    "prepare",
    "run below a monitor",
    "prepare below a monitor",
    "run below a monitor in a user namespace",
    "run in a user namespace",
    "run with an init",
    "run with clocks in a user namespace",
    "run with mounts in a user namespace",
    "run below a monitor with clocks in a user namespace",
    "exec",
    "exec in a user namespace",
)
HOOK_KINDS = (
    "run with hooks",
    "prepare with hooks",
    "run with hooks below a monitor",
    "run with hooks in a user namespace",
)


@define
class Launches:
    """One container, and a launch in it that can be repeated until it succeeds.

    Attributes:
        factory: what makes the container.
        container: the container, with a running init where the launch is `exec`.
        plan: what the launch does.
        start: the launch.
    """

    factory: lc.Factory
    container: lc.Container
    plan: Plan
    start: Callable[[lc.Process], lc.ProcessHandle]
    before: tuple[object, ...] = ()

    def fail_at(self, step: int, fault: int) -> None:
        """Make the helper fail at a step; 0 and 0 let it succeed."""
        self.factory._launcher.fault = (step, fault)

    def remember(self) -> None:
        """Keep what must be as it is now after a launch that has failed."""
        self.before = self.observe()

    def observe(self) -> tuple[object, ...]:
        """Return what a launch that has failed must not change."""
        path = Path(self.container.path)
        return (
            self.container.state(),
            (path / "state.json").read_bytes(),
            sorted(entry.name for entry in path.iterdir()),
            children(),
            sorted(os.listdir("/proc/self/fd"), key=int),
            Group(self.container.state().cgroup).exists(),
        )

    def check_undone(self) -> None:
        """Assert that nothing of the launch is left."""
        assert self.observe() == self.before

    def check_works(self) -> None:
        """Assert that the same launch in the same container succeeds now."""
        self.fail_at(0, 0)
        with self.start(PROGRAM) as process:
            if self.container.status() is lc.Status.CREATED:
                self.container.start()
            assert process.wait() == lc.ExitStatus(code=7)


def children() -> list[int]:
    """Return the pids of this thread's children, zombies included."""
    return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]


def init_steps(plan: Plan) -> list[Step]:
    """Return what the helper does itself."""
    return [step for step in plan.steps if step.side is Side.INIT]


def host_steps(plan: Plan) -> list[Step]:
    """Return what the caller does itself."""
    return [step for step in plan.steps if step.side is Side.HOST]


def in_child(plan: Plan, step: Step) -> bool:
    """Tell whether a step is taken by a child of the helper, for a hook."""
    return any(
        isinstance(other.action, Child)
        and other.index < step.index <= other.index + other.action.length
        for other in plan.steps
    )


def last_answer(plan: Plan) -> int:
    """Return the last step at which the helper must still speak up.

    After it, its death looks like that of the program that takes its place.
    """
    speaks = (Barrier, Clone, Child, Monitor)
    return max(step.index for step in plan.steps if isinstance(step.action, speaks))


def _hooks() -> lc.Hooks:
    own = (lc.Hook("/bin/true", timeout=20),)
    return lc.Hooks(own, own, own, own, own, own)


def _config(rootfs: Path, kind: str) -> lc.Config:
    layers = lc.Overlay(str(rootfs))
    hooks = _hooks() if "with hooks" in kind else lc.Hooks()
    profile = lc.Seccomp.default()
    if not kind.endswith("user namespace"):
        return lc.Config(
            rootfs=layers,
            landlock=LANDLOCK,
            hooks=hooks,
            seccomp=profile,
            no_new_privs="to gain" not in kind,
            init=kind.endswith("init"),
        )
    mapping = [lc.IdMapping(0, 100000, 65536)]
    kinds = [*lc.Config().namespaces, "user"]
    config = lc.Config(
        rootfs=layers,
        namespaces=kinds,
        uid_mappings=mapping,
        gid_mappings=mapping,
        hooks=hooks,
        seccomp=profile,
    )
    if "clocks" not in kind:
        return config
    return evolve(
        config,
        namespaces=[*kinds, "time"],
        namespace_paths={"uts": "/proc/self/ns/uts"},
        time_offsets={"boottime": 1000},
    )


def _mounts(rootfs: Path) -> list[lc.Mount]:
    """Mounts that need every kind of step: id-mapped, filled, late, of cgroups."""
    layer = f"lowerdir+={rootfs}"
    return [
        lc.Mount.from_options("bind", rootfs, "/mapped", ["rbind", "ridmap", "ro"]),
        lc.Mount.from_options("tmpfs", "t", "/etc", ["tmpcopyup", "ro"]),
        lc.Mount.from_options("tmpfs", "t", "/late", ["ro"]),
        lc.Mount.from_options("tmpfs", "t", "/late/below", ["shared"]),
        lc.Mount.from_options("overlay", "o", "/layers", [layer]),
        lc.Mount.from_options("cgroup", "cgroup", "/sys/fs/cgroup", ["ro"]),
    ]


def make(factory: lc.Factory, rootfs: Path, kind: str) -> Launches:
    """Return launches of one of `KINDS`."""
    config = _config(rootfs, kind)
    if "with mounts" in kind:
        config = evolve(config, mounts=_mounts(rootfs))
    container = factory.create("faulty", config)
    try:
        return _launches(factory, container, kind)
    except BaseException:
        container.delete(force=True)
        raise


def _launches(factory: lc.Factory, container: lc.Container, kind: str) -> Launches:
    is_exec = kind.startswith("exec")
    if is_exec:
        container.run(SLEEPER)
    plan = join_plan(container) if is_exec else create_plan(factory, container, kind)
    verb = container.prepare if "prepare" in kind else container.run
    start = functools.partial(verb, detach=True) if "monitor" in kind else verb
    made = Launches(factory, container, plan, start)
    # What the first launch keeps open for the later ones is there from now on.
    factory._launcher._take_template()
    made.remember()
    return made


def create_plan(factory: lc.Factory, container: lc.Container, kind: str) -> Plan:
    """Return the plan of an init process."""
    start = Start(gate="prepare" in kind, detach="monitor" in kind)
    group = Group(container.state().cgroup)
    launcher = factory._launcher
    template = launcher._take_template() >= 0
    compiled, _ = launcher.planner.plan_create(
        container.config, PROGRAM, start, group, template=template
    )
    return compiled.plan


def join_plan(container: lc.Container) -> Plan:
    """Return the plan of a further process."""
    config = container.config
    with ProcessRef.open(container.state().init) as init:
        assert init is not None
        identity = identity_in_container(config, PROGRAM, init.host_pid)
    names = tuple(container.state().cgroup)
    settings = merge(config, PROGRAM, identity)
    facts = read_facts(template=False, config=config, settings=settings)
    return compile_join(config, settings, evolve(facts, cgroups=names))


def raise_at(
    patch: pytest.MonkeyPatch, step: Step, error: BaseException, *, after: bool = False
) -> None:
    """Let one HOST step raise, before or after it has done its work."""
    kind = type(step.action)
    for table in tables_of(kind):
        patch.setitem(table, kind, _raising(table[kind], step, error, after=after))


def _raising(
    original: Callable[..., None], step: Step, error: BaseException, *, after: bool
) -> Callable[..., None]:
    def runner(*call: Any) -> None:
        action = call[-1]
        if action is not step.action and action != step.action:
            original(*call)
            return
        if after:
            original(*call)
        raise error

    return runner
