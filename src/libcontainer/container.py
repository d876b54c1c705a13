# SPDX-License-Identifier: Apache-2.0
"""Container: a life with states. Thin verbs; the work is done by the launcher."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from attrs import evolve

from libcontainer.aio.verbs import AsyncVerbs
from libcontainer.bindings.pidfd import pidfd_send_signal
from libcontainer.calls.verbs import CallVerbs
from libcontainer.cgroups.group import Group
from libcontainer.checkpointed import CheckpointedContainer
from libcontainer.contents import ContentsOfContainer
from libcontainer.entered import EnteredContainer
from libcontainer.errors import (
    ConfigError,
    ContainerNotFoundError,
    HelperError,
    HookError,
    ProcessNotStartedError,
    ProgramError,
    StateError,
    UnsupportedError,
    wrong_type,
)
from libcontainer.handle import ProcessHandle, signal_number
from libcontainer.host.children import ExitStatus, has_ended, kill_and_reap
from libcontainer.host.processref import ProcessRef, own_record
from libcontainer.host.store import Folder
from libcontainer.known import LOCK_SECONDS, complete, group_of
from libcontainer.launches.start import Start
from libcontainer.limited import LimitedContainer
from libcontainer.process import Log, Process
from libcontainer.state import State
from libcontainer.status import Status, require
from libcontainer.validate import validate_process

if TYPE_CHECKING:
    from libcontainer.host.attachment import Attachment
    from libcontainer.verdict import Verdict

_KILL_SECONDS = 10.0
_USUAL_SECONDS = 0.5
_POLL_SECONDS = 0.02


class Container(
    LimitedContainer,
    EnteredContainer,
    CheckpointedContainer,
    ContentsOfContainer,
    AsyncVerbs,
    CallVerbs,
):
    """A container of a `Factory`.

    The object is a handle: the truth is the system, and another process may
    change it at any time. Every method looks first, under the container's lock.
    It may be shared between threads. Leaving it as a context manager, also an
    asynchronous one, kills and deletes the container; an interrupt comes after that.

    Attributes:
        id: its name in the factory.
    """

    @property
    def init(self) -> ProcessHandle | None:
        """The handle of its init process, in the program that started it."""
        return self._init

    def explain(self, process: Process, *, gate: bool = False) -> str:
        """Return what `run` (or `prepare`) of *process* as its init would do.

        Nothing is changed. User names are looked up in the rootfs.

        Raises:
            ConfigError: the configuration or the process is wrong.
            UnsupportedError: the host does not offer what is needed.
        """
        state = self.state()
        group = Group(state.cgroup, state.unit)
        config = complete(self.config, self.path)
        return self._launcher.explain(config, process, gate=gate, group=group)

    # -- running

    def run(
        self, process: Process, *, detach: bool = False, log: Log | None = None
    ) -> ProcessHandle:
        """Run a process: the first becomes init, a later one joins.

        Paths and ids of *process* are the container's. With *detach* a small
        process of its own, the monitor, becomes init's parent: the container
        outlives this program, its exit status is kept for `wait` in any
        process, and its terminal and output are the monitor's: see `attach`.
        The standard input of a detached process without a terminal is
        ``/dev/null``, its outputs go to the monitor, where *process* does not
        say otherwise. If the monitor is killed, the container lives on, without
        its terminal and output and without a record of its end.

        Args:
            process: what to run.
            detach: leave the container to a monitor; for init only.
            log: where the monitor copies the output to.

        Returns:
            The handle of the process; its program runs when this returns.

        Raises:
            ConfigError: the configuration or the process is wrong.
            StateError: the container has stopped.
            ProgramError: the program cannot be executed; nothing is left.
            HookError: a hook failed; nothing is left, and *poststop* has run.
            StepError: a kernel step failed; nothing is left.
        """
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            status = self._status(folder, state)
            require(self.id, status, "run")
            if status is Status.CREATING:
                start = Start(detach=detach, log=log)
                return self._start_init(folder, state, process, start)
            if detach or log is not None:
                raise StateError(self.id, status.value, "detach")
            return self._join(state, process)

    def prepare(
        self, process: Process, *, detach: bool = False, log: Log | None = None
    ) -> ProcessHandle:
        """Make the container and its init process, which waits at the gate.

        The container lives on when the caller ends. `start` lets init go, from
        any process of the same user.

        Args:
            process: what init becomes.
            detach: leave the container to a monitor, as `run` has it.
            log: where that monitor copies the output to.

        Raises:
            ConfigError, StateError, ProgramError, StepError: as for `run`.
        """
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "prepare")
            start = Start(gate=True, detach=detach, log=log)
            return self._start_init(folder, state, process, start)

    def start(self) -> None:
        """Let init, which waits at the gate, become its program.

        Raises:
            StateError: it is not ``created``; also if another call was first.
            ProgramError: the program cannot be executed; init has ended.
            HookError: a hook of *start_container* or *poststart* failed; init
                has ended.
            OSError: init could not be told, for want of files or of space; it still
                waits, and can be started.
        """
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "start")
            # Loaded here: who looks at a container needs no plan.
            from libcontainer.host.gate import open_gate  # noqa: PLC0415

            running = evolve(state, status=Status.RUNNING)
            # Before init may go: where this fails it still waits.
            folder.stage(running)
            has_gone = False

            def record() -> None:
                nonlocal has_gone
                has_gone = True
                folder.remove_gate()
                folder.put_staged()

            try:
                open_gate(
                    folder,
                    state.args[0],
                    self._parts.hooks.start_container,
                    self._listener_taker(state),
                    meanwhile=record,
                )
            except BaseException as error:
                if has_gone or isinstance(error, HelperError):
                    folder.remove_gate()
                    _await_end_after(error, state)
                raise
            self._poststart(folder, running)

    def restart(
        self,
        process: Process | None = None,
        *,
        force: bool = False,
        detach: bool = False,
        log: Log | None = None,
    ) -> ProcessHandle:
        """Run a stopped container again, in its place.

        It keeps its id, folder and configuration; cgroup and networks are made anew,
        and a layer that is thrown away begins empty. The hooks of *poststop* run
        first, then those of a launch. Nobody else gets the id in between.

        Args:
            process: what to run; None is what this object ran as init before.
            force: whether to end what runs in it.
            detach: as for `run`.
            log: as for `run`.

        Raises:
            StateError: it has not stopped, and *force* is not set; or there has never
                been an init process.
            ValueError: *process* is None, and this object has run none.
            ConfigError: *process* is wrong; nothing has changed.
            ProgramError, HookError, StepError: as for `run`. What there was has
                ended; the container is there, and can be run or deleted.
        """
        again = self._process if process is None else process
        if again is None:
            message = "another object has run the container: say which process to run"
            raise ValueError(message)
        if not isinstance(again, Process):
            raise wrong_type("process", Process, again)
        if problems := validate_process(self.config, again):
            raise ConfigError(problems)
        verb = "restart (force)" if force else "restart"
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), verb)
            state = self._clear(folder, state)
            return self._start_init(folder, state, again, Start(detach=detach, log=log))

    def _clear(self, folder: Folder, state: State) -> State:
        """Take down what a launch has made, and leave the record of a new container."""
        _disconnect(state)
        self._end_init(state)
        self._remove_group(state)
        self._poststop()
        folder.remove_gate()
        folder.remove_monitor_files()
        cleared = evolve(
            state,
            status=Status.CREATING,
            creator=own_record(os.getpid()),
            init=None,
            monitor=None,
            args=(),
            mount_namespace=None,
            companions=(),
        )
        folder.write(cleared)
        return cleared

    def exec(self, process: Process, *, ignore_paused: bool = False) -> ProcessHandle:
        """Run a further process in the namespaces of init.

        Args:
            process: what to run; paths and ids are the container's.
            ignore_paused: whether to wait, where the container is paused, until
                another program resumes it, as long as a launch may take. Its
                cgroup would hold the process before its first instruction.

        Raises:
            ConfigError, ProgramError, StepError: as for `run`.
            StateError: the container is neither ``created`` nor ``running``.
        """
        deadline = time.monotonic() + self._launcher.deadline_seconds
        while True:
            with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
                state = folder.read()
                status = self._status(folder, state)
                waits = ignore_paused and status is Status.PAUSED
                if not waits or time.monotonic() >= deadline:
                    require(self.id, status, "exec")
                    return self._join(state, process)
            # Unlocked: who resumes it needs the lock.
            time.sleep(_POLL_SECONDS)

    # -- ending

    def signal(self, number: int | str) -> None:
        """Send a signal to the init process.

        Args:
            number: ``15``, ``"SIGTERM"``, ``"TERM"`` or ``"term"``.

        Raises:
            StateError: there is no live init process.
            ValueError: there is no such signal.
        """
        sig = signal_number(number)
        folder = self._store.open(self.id)
        try:
            state = folder.read()
            status = self._status(folder, state)
        finally:
            folder.close()
        require(self.id, status, "signal")
        with ProcessRef.open(state.init) as init:
            if init is None:
                raise StateError(self.id, Status.STOPPED.value, "signal")
            pidfd_send_signal(init.pidfd, sig)

    def wait(self, timeout: float | None = None) -> ExitStatus:
        """Wait until the init process has ended; return how.

        Where the pid namespace is not its own, what init has left running is
        ended then (Linux 6.10), as the kernel does where it is.

        From another program than the one that started it, the status of a
        detached container is always known, and that of a prepared one once its
        maker has waited. Of any other it is known if init has not ended yet when
        the wait begins, before Linux 6.15 unless its maker reaps it at once; else
        both fields of the status are None.

        Args:
            timeout: seconds to wait at most; None is for ever.

        Raises:
            ProcessNotStartedError: there has never been an init process.
            TimeoutExpired: it still runs.
        """
        own = self._init if self._init is None or self._init.is_own else None
        status = own.wait(timeout) if own else self._wait_for_recorded(timeout)
        if self._shares_pids():
            with contextlib.suppress(ContainerNotFoundError):
                _end_leftovers(self.state())
        return status

    def verdict(self) -> Verdict:
        """Return why its init process ended, as `Result.verdict` has it.

        That memory or processes ran out is known of any container with such a
        limit, from any program, until it is deleted.

        Raises:
            ProcessNotStartedError: there has never been an init process.
            TimeoutExpired: it still runs.
        """
        # Loaded here: what is deleted at its end is asked `Result`.
        from libcontainer.verdict import verdict_of  # noqa: PLC0415

        status = self._ended()
        has_cgroup = group_of(self.state()) is not None
        return verdict_of(status, self.stats() if has_cgroup else None)

    def _ended(self) -> ExitStatus:
        from libcontainer.errors import TimeoutExpired  # noqa: PLC0415 - rare
        from libcontainer.expired import StillRunning  # noqa: PLC0415 - rare

        try:
            return self.wait(0)
        except TimeoutExpired:
            raise StillRunning(f"container {self.id!r}", 0.0) from None

    def _wait_for_recorded(self, timeout: float | None) -> ExitStatus:
        state = self.state()
        if state.init is None:
            message = f"container {self.id!r} has no init process yet"
            raise ProcessNotStartedError(message)
        # Loaded here: to wait for another's container is rare.
        from libcontainer.host.exitrecord import ExitRecord, await_end  # noqa: PLC0415

        record = ExitRecord(self.path, state.init.host_pid, state.monitor)
        status = await_end(state.init, record, timeout)
        if status is None:
            from libcontainer.errors import TimeoutExpired  # noqa: PLC0415 - rare

            raise TimeoutExpired(f"container {self.id}", timeout or 0.0)
        return status

    def attach(self) -> Attachment:
        """Connect to the terminal and the output of a detached container.

        Up to eight may be attached at once, from any processes of the same user.
        Each sees what is written from now on.

        Raises:
            StateError: it has stopped, or not begun.
            UnsupportedError: it has no monitor.
            HelperError: the monitor does not answer, or has eight attached.
            OSError: ``EMFILE``: no file is left for the terminal.
        """
        # Loaded here: few programs attach.
        from libcontainer.host.attachment import Attachment  # noqa: PLC0415

        folder = self._store.open(self.id)
        try:
            state = folder.read()
            require(self.id, self._status(folder, state), "attach")
            if state.monitor is None:
                raise UnsupportedError("attach", "a container run with detach=True")
            return Attachment.connect(folder)
        finally:
            folder.close()

    def delete(self, *, force: bool = False) -> None:
        """Remove the container; everything of it is gone when this returns.

        A created container's init is ended first. With *force* so is a running
        one's, and a container that is gone already is no error. Processes that
        this object ran in it are ended too, and what is left of it where the pid
        namespace is not its own: by its mount namespace, from Linux 6.10 on. The
        hooks of *poststop* run last, with the folder gone, if there has ever been
        an init process. A process that another program ran in it, and has not waited
        for, is dead then; it keeps the pid namespace, which is empty, until that waits.

        Raises:
            StateError: it runs, and *force* is not set.
            ContainerNotFoundError: it is gone, and *force* is not set.
        """
        verb = "delete (force)" if force else "delete"
        try:
            with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
                try:
                    state = folder.read()
                except ContainerNotFoundError:
                    # Half removed, or a folder of somebody who keeps his own there.
                    if not folder.has_only_ours():
                        raise
                    folder.remove()
                    return
                require(self.id, self._status(folder, state), verb)
                _disconnect(state)
                self._end_init(state)
                self._remove_group(state)
                if state.rdt:
                    from libcontainer.host.rdt import remove  # noqa: PLC0415 - rare

                    remove(state.rdt)
                folder.remove()
                self._shared.forget(self.id)
                if state.init is not None:
                    self._poststop()
        except ContainerNotFoundError:
            if not force:
                raise
            # Somebody else deleted it; a child of ours is still ours to reap.
            self._end_own()
            self._shared.forget(self.id)

    # -- life

    def __enter__(self) -> Self:
        self._user = os.getpid()
        return self

    def __exit__(self, *_: object) -> None:
        # A fork that leaves the block too leaves the container to its parent.
        if os.getpid() != self._user:
            return
        try:
            self.delete(force=True)
        except KeyboardInterrupt:
            # Loaded here, and used then: a thread takes longer than all of the rest.
            from libcontainer.host.shield import shielded  # noqa: PLC0415

            shielded(functools.partial(self.delete, force=True))
            raise

    # -- parts

    def _start_init(
        self, folder: Folder, state: State, process: Process, start: Start
    ) -> ProcessHandle:
        if state.init is not None:
            # Its maker was killed while hooks ran, and it ends with it.
            self._end_init(state)
            state = evolve(state, init=None, monitor=None, companions=())
        self._process = process
        self._init = self._launcher.create(
            folder,
            state,
            complete(self.config, self.path),
            process,
            start,
            companions=self._joined,
        )
        return self._init

    def _poststart(self, folder: Folder, state: State) -> None:
        if not self._parts.hooks.poststart or state.init is None:
            return
        from libcontainer.launches.hooks import run_poststart  # noqa: PLC0415 - few

        pid = state.init.host_pid
        try:
            run_poststart(self._launcher, self.id, folder.path, self.config, pid)
        except BaseException:
            self._end_init(state)
            raise

    def _poststop(self) -> None:
        if self._parts.hooks.poststop:
            from libcontainer.launches.hooks import run_poststop  # noqa: PLC0415 - few

            run_poststop(self._launcher, self.id, self.path, self.config)

    def _join(self, state: State, process: Process) -> ProcessHandle:
        with self._live_init(state, "exec") as init:
            handle = self._launcher.join(
                self.config,
                process,
                init,
                group_of(state),
                container=(self.id, self.path),
                joined=self._joined,
            )
        self._shared.tidy(self.id)
        return handle

    def _listener_taker(self, state: State) -> Callable[[int], None] | None:
        """Return what takes init's seccomp listener once it leaves the gate."""
        profile, init = self._parts.seccomp, state.init
        if profile is None or profile.listener_path is None or init is None:
            return None
        from libcontainer.host.seccomp_notify import ListenerTaker  # noqa: PLC0415

        taker = ListenerTaker(profile, None, self.id, self.path, init=True)
        return lambda listener: taker(listener, init.host_pid)

    def _end_init(self, state: State) -> None:
        group = group_of(state)
        may_live = state.init is not None and not self._is_empty(state)
        if group is not None and may_live and group.exists():
            # Frozen processes end too, and what shares a pid namespace with others.
            group.kill()
        self._end_own()
        # Another process may have made the container anew under the same id.
        if not self._has_reaped(state):
            state = self._end_recorded(state)
        if self._shares_pids():
            _end_leftovers(state)
        if state.companions:
            from libcontainer.host.companions import end_companions  # noqa: PLC0415

            end_companions(state.companions)
        if state.monitor is not None:
            from libcontainer.host.monitor import end_monitor  # noqa: PLC0415

            end_monitor(state.monitor)

    def _is_empty(self, state: State) -> bool:
        """Tell whether nothing of it can live, by what this object has seen.

        The kernel ends what is left in a pid namespace before its init can be reaped.
        """
        return self._has_reaped(state) and not self._shares_pids()

    def _remove_group(self, state: State) -> None:
        """Remove the cgroup of a container whose init has ended."""
        group = group_of(state)
        if group is None:
            return
        if state.init is None:
            group.abandon()
            return
        if self._is_empty(state):
            named = self._parts.cgroups_path is not None
            if group.remove_empty(in_own=not named):
                return
            # Somebody has put others into it.
            group.kill()
        group.remove()

    def _end_recorded(self, state: State) -> State:
        """End the init of a state, whoever's it is; return where its others are."""
        with ProcessRef.open(state.init) as init:
            if init is None:
                return state
            if self._shares_pids():
                from libcontainer.launches.recording import (  # noqa: PLC0415 - rare
                    with_leftovers,
                )

                state = with_leftovers(state, init)
            if not self._has_died(init):
                from libcontainer.errors import TimeoutExpired  # noqa: PLC0415 - rare

                raise TimeoutExpired(f"kill of container {self.id}", _KILL_SECONDS)
        return state

    def _has_died(self, init: ProcessRef) -> bool:
        """End an init that may be another program's child; tell whether it has."""
        if self._shares_pids():
            return kill_and_reap(init.pidfd, timeout=_KILL_SECONDS)
        if kill_and_reap(init.pidfd, timeout=_USUAL_SECONDS):
            return True
        # Loaded here: it waits for what others have yet to reap.
        from libcontainer.host.exiting import end_init  # noqa: PLC0415

        return end_init(init, timeout=_KILL_SECONDS)

    def _end_own(self) -> None:
        # Those that joined first: where the pid namespace is shared they are not
        # in init's hands, and where it is not, init ends only after they are reaped.
        own = [h for h in (*self._joined, self._init) if h is not None and h.is_own]
        for handle in own:
            if not handle.is_reaped:
                handle.kill()
                handle.wait(_KILL_SECONDS)
        if self._init in own:
            self._init.close()
        for handle in own:
            if handle.notifier is not None:
                handle.notifier.join(_KILL_SECONDS)


def _await_end_after(error: BaseException, state: State) -> None:
    """See that init ends whose start has failed with *error*."""
    if not isinstance(error, ProgramError | HookError | OSError):
        return
    with ProcessRef.open(state.init) as init:
        if init is None:
            return
        if isinstance(error, ProgramError | HookError):
            # It says why first and ends then.
            has_ended(init.pidfd, _KILL_SECONDS)
        else:
            # Nobody took the listener of its filter, so nobody would answer; or the
            # state could not be saved.
            kill_and_reap(init.pidfd, timeout=_KILL_SECONDS)


def _disconnect(state: State) -> None:
    """Take a container's networks down, while its namespace may still be there.

    Raises:
        NetworkError: some of it is left; another try may go on.
    """
    if not state.network:
        return
    from libcontainer.network.runner import disconnect_from  # noqa: PLC0415 - rare

    with ProcessRef.open(state.init) as init:
        pid = None if init is None else init.host_pid
        failures = disconnect_from(state.network, pid)
    if failures:
        raise failures[0]


def _end_leftovers(state: State) -> None:
    from libcontainer.host import leftovers  # noqa: PLC0415 - rare

    leftovers.end_all(state, group_of(state), timeout=_KILL_SECONDS)
