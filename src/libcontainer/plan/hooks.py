# SPDX-License-Identifier: Apache-2.0
"""Hooks: which run where in a launch, and how one is run.

Those of the host are run by the caller while the helper waits. Those of the
container are run by the helper, as a child that it waits for: before
pivot_root(2) it still has the host's files, behind the identity it is the
container's user.
"""

from __future__ import annotations

import posixpath
from math import inf

from libcontainer.config import Config, Directory, Hook, Hooks, NamespaceType
from libcontainer.config.hooks import NO_HOOKS, AnyHook
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.record import NONE
from libcontainer.plan.steps import (
    HookFiles,
    Plan,
    RecordState,
    RunHooks,
    Spawn,
    Step,
    TellHooks,
)

_MILLISECONDS = 1000


class HookPlanner:
    """Adds the steps of a launch that are about hooks; none without hooks."""

    def __init__(self, builder: Builder, config: Config) -> None:
        self._builder = builder
        self._hooks = config.hooks
        pid = NamespaceType.PID
        joined = any(kind is pid for kind, _ in config.namespace_paths)
        self._own_pids = pid in config.namespaces and not joined
        self._states: dict[str, tuple[int, ...]] = {}
        self._output = -1

    def open_files(self) -> None:
        """Make what the hooks in the container read and write."""
        hooks = self._hooks
        if not (hooks.create_container or hooks.start_container):
            return
        for kind in ("create_container", "start_container"):
            self._states[kind] = tuple(
                self._builder.slot(f"state for {place(kind, number)}", given=True)
                for number, _ in enumerate(getattr(hooks, kind))
            )
        self._output = self._builder.slot("output of hooks", given=True)
        states = tuple(slot for slots in self._states.values() for slot in slots)
        self._builder.host(HookFiles(states, self._output))

    def before_pivot(self, root: int) -> None:
        """Run those that come when everything is mounted and nothing is left.

        Args:
            root: slot of the container's root, which they begin in.
        """
        if not before_program(self._hooks):
            return
        self._builder.stage("hooks")
        if root != NONE and before_pivot(self._hooks):
            enter = ops.Call("fchdir", (ops.SlotRef(root),), "enter the rootfs")
            self._builder.init(enter)
        # From here on hooks may have changed the host: whoever finds what a
        # crash has left has to run those of poststop.
        self._builder.host(RecordState("creating"))
        if self._states:
            creating = self._states["create_container"]
            created = self._states["start_container"]
            self._builder.host(TellHooks(creating, created, self._own_pids))
        for kind in ("prestart", "create_runtime"):
            if getattr(self._hooks, kind):
                self._builder.host(RunHooks(kind, getattr(self._hooks, kind)))
        self._run_inside("create_container", self._output)

    def before_exec(self, stderr: int, *, gate: bool) -> None:
        """Run those of the container's own.

        Args:
            stderr: slot of the standard error of the program.
            gate: whether init has waited, so that it is `start` that listens.
        """
        self._run_inside("start_container", stderr)
        if self._hooks.start_container and not gate:
            # So that the death of init here is not taken for the program's.
            self._builder.init(ops.Barrier(early=True))

    def _run_inside(self, kind: str, output: int) -> None:
        slots = self._states.get(kind, ())
        for number, (hook, state) in enumerate(
            zip(getattr(self._hooks, kind), slots, strict=True)
        ):
            steps = _program(hook, state, output)
            limit = (hook.timeout or 0) * _MILLISECONDS
            self._builder.init(
                ops.Child(len(steps), number + 1, place(kind, number), hook.path, limit)
            )
            for step in steps:
                self._builder.init(step)


def compile_hook(hook: Hook) -> Plan:
    """Return the plan that runs one hook on the host."""
    builder = Builder()
    state, output = builder.stdio(0), builder.stdio(1)
    builder.stage("spawn")
    builder.host(Spawn(0))
    builder.stage("program")
    for step in _program(hook, state, output):
        builder.init(step)
    return builder.build()


def before_program(hooks: Hooks) -> bool:
    """Tell whether a launch has to stop for hooks before its program."""
    return hooks is not NO_HOOKS and bool(before_pivot(hooks) or hooks.start_container)


def starts_from_template(config: Config, facts: Facts) -> bool:
    """Tell whether the mounts begin with those of the template."""
    # Hooks before the pivot look for the host's files.
    return facts.template and not before_pivot(config.hooks)


def before_pivot(hooks: Hooks) -> bool:
    """Tell whether there are hooks that may want to see the host's files."""
    return bool(hooks.prestart or hooks.create_runtime or hooks.create_container)


def root_path(config: Config) -> str:
    """Return where the container's root is attached until it is pivoted to.

    Programs for other runtimes look for it where the configuration has it.
    """
    if before_pivot(config.hooks) and isinstance(config.rootfs, Directory):
        return posixpath.normpath(config.rootfs.path)
    return "/"


def place(kind: str, number: int) -> str:
    """Return where a hook is in the configuration."""
    return f"hooks.{kind}[{number}]"


def seconds(hooks: tuple[AnyHook, ...]) -> float:
    """Return how long hooks may take at most; infinity if one has no limit."""
    limits = [hook.timeout if isinstance(hook, Hook) else None for hook in hooks]
    return sum(inf if limit is None else limit for limit in limits)


def hook_seconds(step: Step) -> float:
    """Return how long the hooks of one step may take."""
    if isinstance(step.action, RunHooks):
        return seconds(step.action.hooks)
    if isinstance(step.action, ops.Child):
        return step.action.limit / _MILLISECONDS or inf
    return 0.0


def _program(hook: Hook, state: int, output: int) -> tuple[ops.Op, ...]:
    env = tuple(f"{key}={value}" for key, value in hook.env)
    fds = ((state, 0), (output, 1), (output, 2))
    return (
        ops.Call("setsid", (), "start a new session"),
        ops.FindProgram(hook.path, (hook.path,)),
        ops.Exec(hook.argv, env, fds),
    )
