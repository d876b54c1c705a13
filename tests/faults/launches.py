# SPDX-License-Identifier: Apache-2.0
"""The kinds of launch whose every step the tests make fail."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from attrs import define

import libcontainer as lc
from libcontainer.host.probe import read_facts
from libcontainer.host.processref import ProcessRef
from libcontainer.host.users import identity_in_container
from libcontainer.plan import Plan, Step, compile_join, merge
from libcontainer.plan.ops import Barrier, Clone
from libcontainer.plan.steps import Side

PROGRAM = lc.Process(["sh", "-c", "exit 7"])
SLEEPER = lc.Process(["sleep", "1000"])

KINDS = (
    "run",
    "prepare",
    "run in a user namespace",
    "run with an init",
    "exec",
    "exec in a user namespace",
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


def last_answer(plan: Plan) -> int:
    """Return the last step at which the helper must still speak up.

    After it, its death looks like that of the program that takes its place.
    """
    speaks = (Barrier, Clone)
    return max(step.index for step in plan.steps if isinstance(step.action, speaks))


def _config(rootfs: Path, *, user: bool, init: bool) -> lc.Config:
    layers = lc.Overlay(str(rootfs))
    if not user:
        return lc.Config(rootfs=layers, init=init)
    mapping = [lc.IdMapping(0, 100000, 65536)]
    kinds = [*lc.Config().namespaces, "user"]
    return lc.Config(
        rootfs=layers, namespaces=kinds, uid_mappings=mapping, gid_mappings=mapping
    )


def make(factory: lc.Factory, rootfs: Path, kind: str) -> Launches:
    """Return launches of one of `KINDS`."""
    config = _config(
        rootfs, user=kind.endswith("namespace"), init=kind.endswith("init")
    )
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
    start = container.prepare if kind == "prepare" else container.run
    made = Launches(factory, container, plan, start)
    # What the first launch keeps open for the later ones is there from now on.
    factory._launcher._take_template()
    made.remember()
    return made


def create_plan(factory: lc.Factory, container: lc.Container, kind: str) -> Plan:
    """Return the plan of an init process."""
    gate = kind == "prepare"
    launcher = factory._launcher
    return launcher._compile_create(container.config, PROGRAM, gate=gate)[0].plan


def join_plan(container: lc.Container) -> Plan:
    """Return the plan of a further process."""
    config = container.config
    with ProcessRef.open(container.state().init) as init:
        assert init is not None
        identity = identity_in_container(config, PROGRAM, init.host_pid)
    settings = merge(config, PROGRAM, identity)
    return compile_join(config, settings, read_facts(template=False))
