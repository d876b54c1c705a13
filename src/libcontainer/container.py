# SPDX-License-Identifier: Apache-2.0
"""Container: a life with states. Thin verbs; the work is done by the launcher."""

from __future__ import annotations

import contextlib
import time
from typing import Self

from attrs import evolve

from libcontainer.bindings.pidfd import pidfd_send_signal
from libcontainer.config import Config
from libcontainer.errors import (
    ContainerNotFoundError,
    HelperError,
    ProcessNotStartedError,
    ProgramError,
    StateError,
    TimeoutExpired,
    UnsupportedError,
)
from libcontainer.handle import ProcessHandle, signal_number
from libcontainer.host.children import ExitStatus, has_ended, kill_and_reap, lost_status
from libcontainer.host.gate import open_gate
from libcontainer.host.processref import ProcessRef
from libcontainer.host.store import Folder, Store
from libcontainer.launcher import Launcher
from libcontainer.process import Process
from libcontainer.state import State
from libcontainer.status import Status, require

LOCK_SECONDS = 30.0
_KILL_SECONDS = 10.0
_SETTLE_SECONDS = 0.2


class Container:
    """A container of a `Factory`.

    The object is a handle: the truth is the system, and another process may
    change it at any time. Every method looks first, under the container's lock.
    It may be shared between threads. Leaving it as a context manager kills and
    deletes the container.

    Attributes:
        id: its name in the factory.
        config: what it is.
    """

    def __init__(
        self, store: Store, launcher: Launcher, container_id: str, config: Config
    ) -> None:
        self.id = container_id
        self.config = config
        self._store = store
        self._launcher = launcher
        self._init: ProcessHandle | None = None
        self._joined: list[ProcessHandle] = []

    def __repr__(self) -> str:
        return f"<Container {self.id!r}>"

    # -- looking

    @property
    def path(self) -> str:
        """Its state folder, a host path."""
        return f"{self._store.root}/{self.id}"

    def status(self) -> Status:
        """Return its state, as the system has it now.

        Raises:
            ContainerNotFoundError: it has been deleted.
        """
        folder = self._store.open(self.id)
        try:
            return self._status(folder, folder.read())
        finally:
            folder.close()

    def state(self) -> State:
        """Return the content of its ``state.json``, with the status of now.

        Raises:
            ContainerNotFoundError: it has been deleted.
        """
        folder = self._store.open(self.id)
        try:
            state = folder.read()
            return evolve(state, status=self._status(folder, state))
        finally:
            folder.close()

    @property
    def init(self) -> ProcessHandle | None:
        """The handle of its init process, in the program that started it."""
        return self._init

    def explain(self, process: Process, *, gate: bool = False) -> str:
        """Return what `run` (or `prepare`) of *process* would do, step by step.

        Nothing is changed. User names are looked up in the rootfs.

        Raises:
            ConfigError: the configuration or the process is wrong.
            UnsupportedError: the host does not offer what is needed.
        """
        return self._launcher.explain(self.config, process, gate=gate)

    # -- running

    def run(self, process: Process) -> ProcessHandle:
        """Run a process: the first becomes init, a later one joins.

        Paths and ids of *process* are the container's.

        Returns:
            The handle of the process; its program runs when this returns.

        Raises:
            ConfigError: the configuration or the process is wrong.
            StateError: the container has stopped.
            ProgramError: the program cannot be executed; nothing is left.
            StepError: a kernel step failed; nothing is left.
        """
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            status = self._status(folder, state)
            require(self.id, status, "run")
            if status is Status.CREATING:
                return self._start_init(folder, state, process, gate=False)
            return self._join(state, process)

    def prepare(self, process: Process) -> ProcessHandle:
        """Make the container and its init process, which waits at the gate.

        The container lives on when the caller ends. `start` lets init go, from
        any process of the same user.

        Raises:
            ConfigError, StateError, ProgramError, StepError: as for `run`.
        """
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "prepare")
            return self._start_init(folder, state, process, gate=True)

    def start(self) -> None:
        """Let init, which waits at the gate, become its program.

        Raises:
            StateError: it is not ``created``; also if another call was first.
            ProgramError: the program cannot be executed; init has ended.
        """
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "start")
            try:
                open_gate(folder, state.args[0])
            except ProgramError:
                # Init says why first and ends then.
                with ProcessRef.open(state.init) as init:
                    if init is not None:
                        has_ended(init.pidfd, _KILL_SECONDS)
                raise
            finally:
                folder.remove_gate()
            folder.write(evolve(state, status=Status.RUNNING))

    def exec(self, process: Process) -> ProcessHandle:
        """Run a further process in the namespaces of init.

        Raises:
            ConfigError, ProgramError, StepError: as for `run`.
            StateError: the container is neither ``created`` nor ``running``.
        """
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "exec")
            return self._join(state, process)

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

        From another program than the one that started it, the status is known
        only from Linux 6.15 on, and only while init has not ended yet when the
        wait begins; else both fields of the status are None.

        Args:
            timeout: seconds to wait at most; None is for ever.

        Raises:
            ProcessNotStartedError: there has never been an init process.
            TimeoutExpired: it still runs.
        """
        if self._init is not None:
            return self._init.wait(timeout)
        record = self.state().init
        if record is None:
            message = f"container {self.id!r} has no init process yet"
            raise ProcessNotStartedError(message)
        with ProcessRef.open(record) as init:
            if init is None:
                return ExitStatus()
            if not has_ended(init.pidfd, timeout):
                raise TimeoutExpired(f"container {self.id}", timeout or 0.0)
            return _settled_status(init.pidfd)

    def delete(self, *, force: bool = False) -> None:
        """Remove the container; everything of it is gone when this returns.

        A created container's init is ended first. With *force* so is a running
        one's, and a container that is gone already is no error. Processes that
        this object ran in it are ended too.

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
                    folder.remove()
                    return
                require(self.id, self._status(folder, state), verb)
                self._end_init(state)
                folder.remove()
        except ContainerNotFoundError:
            if not force:
                raise
            # Somebody else deleted it; a child of ours is still ours to reap.
            self._end_own()

    # -- not yet

    def pause(self) -> None:
        """Freeze every process of the container.

        Raises:
            UnsupportedError: this release has no cgroup support.
        """
        raise _needs_cgroups("pause")

    def resume(self) -> None:
        """Thaw every process of the container.

        Raises:
            UnsupportedError: this release has no cgroup support.
        """
        raise _needs_cgroups("resume")

    def update(self, **resources: object) -> None:
        """Change the limits of the container.

        Raises:
            UnsupportedError: this release has no cgroup support.
        """
        raise _needs_cgroups("update")

    def stats(self) -> object:
        """Measure the container.

        Raises:
            UnsupportedError: this release has no cgroup support.
        """
        raise _needs_cgroups("stats")

    # -- life

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.delete(force=True)

    def __reduce__(self) -> str:
        message = "a container cannot be pickled: pass its id, and use Factory.load"
        raise TypeError(message)

    # -- parts

    def _status(self, folder: Folder, state: State) -> Status:
        if state.init is None:
            return Status.CREATING
        with ProcessRef.open(state.init) as init:
            if init is None or has_ended(init.pidfd):
                return Status.STOPPED
        return Status.CREATED if folder.has_gate() else Status.RUNNING

    def _start_init(
        self, folder: Folder, state: State, process: Process, *, gate: bool
    ) -> ProcessHandle:
        self._init = self._launcher.create(
            folder,
            state,
            self.config,
            process,
            gate=gate,
            companions=self._joined,
        )
        return self._init

    def _join(self, state: State, process: Process) -> ProcessHandle:
        with ProcessRef.open(state.init) as init:
            if init is None:
                raise StateError(self.id, Status.STOPPED.value, "exec")
            try:
                handle = self._launcher.join(self.config, process, init)
            except (OSError, HelperError) as error:
                # What it was that failed then depends on the moment; that init has
                # ended shows a little later than that its namespaces are gone.
                told = isinstance(error, ProgramError)
                if has_ended(init.pidfd, 0 if told else _SETTLE_SECONDS):
                    status = Status.STOPPED.value
                    raise StateError(self.id, status, "exec") from error
                raise
        for ended in [h for h in self._joined if h.is_reaped]:
            with contextlib.suppress(ValueError):
                self._joined.remove(ended)
        self._joined.append(handle)
        return handle

    def _end_init(self, state: State) -> None:
        self._end_own()
        # Another process may have made the container anew under the same id.
        with ProcessRef.open(state.init) as init:
            if init is not None and not kill_and_reap(
                init.pidfd, timeout=_KILL_SECONDS
            ):
                raise TimeoutExpired(f"kill of container {self.id}", _KILL_SECONDS)

    def _end_own(self) -> None:
        # Those that joined first: where the pid namespace is shared they are not
        # in init's hands, and where it is not, init ends only after they are reaped.
        for handle in tuple(self._joined):
            handle.kill()
            handle.wait(_KILL_SECONDS)
        if self._init is not None:
            self._init.kill()
            self._init.wait(_KILL_SECONDS)
            self._init.close()


def _settled_status(pidfd: int) -> ExitStatus:
    # The kernel tells the status of somebody else's child once it is reaped,
    # which may be a moment after it has ended.
    deadline = time.monotonic() + 1.0
    status = lost_status(pidfd)
    while status == ExitStatus() and time.monotonic() < deadline:
        time.sleep(0.002)
        status = lost_status(pidfd)
    return status


def _needs_cgroups(verb: str) -> UnsupportedError:
    return UnsupportedError(verb, "cgroup support, which this release does not have")
