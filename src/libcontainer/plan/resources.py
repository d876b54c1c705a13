# SPDX-License-Identifier: Apache-2.0
"""What a process gets of the machine: its place in queues, its keys, its parameters.

Most of it needs the caller's own rights over the host, and children inherit it.
So it is set before a user namespace takes those rights away.
"""

from __future__ import annotations

from libcontainer.config import Config, MountAttr
from libcontainer.config.sysctl import sysctl_path
from libcontainer.plan import ops
from libcontainer.plan.builder import Builder
from libcontainer.plan.facts import Facts
from libcontainer.plan.record import NONE
from libcontainer.plan.settings import Settings
from libcontainer.plan.steps import OpenPath

_KEYCTL_JOIN_SESSION_KEYRING = 1
_PROCFS_ATTRIBUTES = int(MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC)


class ResourcePlanner:
    """Adds the steps of one process."""

    def __init__(self, builder: Builder, settings: Settings, facts: Facts) -> None:
        self._builder = builder
        self._settings = settings
        self._facts = facts
        self._procfs = NONE

    def open_sources(self) -> None:
        """Open the caller's own /proc, if something is to be written there."""
        if self._files():
            self._procfs = self._builder.slot("own /proc", given=True)
            self._builder.host(OpenPath(self._procfs, "/proc"))

    def inherited(self, *, new_core: bool) -> None:
        """Add what is set with the caller's rights, right after the start.

        Args:
            new_core: whether the process begins a core scheduling group.
        """
        builder = self._builder
        builder.stage("resources")
        if self._asks():
            from libcontainer.plan import resource_calls as calls  # noqa: PLC0415

            affinity = self._settings.cpu_affinity
            if affinity is not None:
                self._add(calls.first_affinity(affinity))
            self._write_files()
            self._add(calls.inherited_calls(self._settings))
        if new_core:
            from libcontainer.plan.resource_calls import new_core as call  # noqa: PLC0415

            builder.init(call())
        if self._settings.keyring and self._facts.keyrings:
            # Nameless: others could join a name. It counts for the caller, as
            # an ordinary user of the host may have few.
            arguments = (_KEYCTL_JOIN_SESSION_KEYRING,)
            builder.init(ops.Call("keyctl", arguments, "get a new session keyring"))

    def own(self, *, share_core: bool) -> None:
        """Add what no child would inherit, and what set-up is not to be held by.

        Args:
            share_core: whether to join the core scheduling group of pid 1.
        """
        if share_core:
            from libcontainer.plan.resource_calls import share_core as call  # noqa: PLC0415

            self._builder.init(call())
        if self._asks():
            from libcontainer.plan.resource_calls import own_calls  # noqa: PLC0415

            self._add(own_calls(self._settings))

    def parent_death_signal(self) -> None:
        """Add the signal at the parent's end.

        After the change of user, which would clear it, and before the barrier,
        where a parent that has ended already is noticed: nothing lies between.
        """
        number = self._settings.parent_death_signal
        if number is not None:
            from libcontainer.plan import resource_calls as calls  # noqa: PLC0415

            self._builder.init(calls.parent_death_signal(number))

    def _asks(self) -> bool:
        wanted = self._settings
        return bool(
            wanted.scheduler
            or wanted.io_priority
            or wanted.cpu_affinity
            or wanted.memory_policy
            or wanted.personality
            or wanted.ksm
            or wanted.thp_disable
            or self._files()
        )

    def _add(self, calls: list[ops.Call]) -> None:
        for call in calls:
            self._builder.init(call)

    def _files(self) -> list[tuple[str, str]]:
        wanted = self._settings
        files = (
            ("oom_score_adj", wanted.oom_score_adj),
            ("coredump_filter", wanted.coredump_filter),
        )
        return [(name, str(value)) for name, value in files if value is not None]

    def _write_files(self) -> None:
        files = self._files()
        if not files:
            return
        from libcontainer.plan.resource_calls import dumpable  # noqa: PLC0415

        # An ordinary user may write only as a process that can be attached to.
        # Nobody but that user could, and nothing of the container is here yet.
        by_user = not self._facts.privileged
        if by_user:
            self._builder.init(dumpable(True, "open its own files"))
        for number, (name, value) in enumerate(files, start=1):
            last, path = number == len(files), f"self/{name}"
            self._builder.init(ops.WriteProc(self._procfs, path, value, last=last))
        if by_user:
            self._builder.init(dumpable(False, "close its own files"))


def plan_sysctl(builder: Builder, config: Config) -> None:
    """Add the kernel parameters, through a procfs that nobody else can touch."""
    if not config.sysctl:
        return
    builder.stage("sysctl")
    slot = builder.slot("procfs")
    builder.init(
        ops.MakeFs(slot, "proc", (), _PROCFS_ATTRIBUTES, "the kernel parameters")
    )
    for number, (name, value) in enumerate(config.sysctl, start=1):
        # Nothing of it stays open in an init that waits at its gate.
        last, path = number == len(config.sysctl), f"sys/{sysctl_path(name)}"
        builder.init(ops.WriteProc(slot, path, value, last=last))
