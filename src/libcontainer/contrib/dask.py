# SPDX-License-Identifier: Apache-2.0
"""Dask: cgroup limits for each worker, and a container for each task that asks.

``limit_workers(client, Resources(memory="2G"))`` and, beside it or alone,
``client.register_plugin(ContainerTasks(memory="256M", network="none"))``; then a task
that is annotated with ``executor="container"`` runs in a container of its own.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import os
import re
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from attrs import evolve
from distributed import NannyPlugin, Status, WorkerPlugin

from libcontainer.calls.talk import request_of
from libcontainer.cgroups.cgroup import Cgroup
from libcontainer.config import Resources
from libcontainer.containing import Contained
from libcontainer.errors import ConfigError
from libcontainer.factory import Factory
from libcontainer.oneshot.wishes import Wishes
from libcontainer.validate import validate, validate_resources

if TYPE_CHECKING:
    from typing import Unpack

    from distributed import Client, Nanny, Worker

    from libcontainer.oneshot.options import ContainerOptions

_LEAF = "worker"
# Seconds that a worker has to end when its nanny closes.
_CLOSING = 5


# -- limits of workers


def limit_workers(client: Client, resources: Resources) -> None:
    """Give each worker, with all that it starts, a cgroup with limits.

    It holds for the workers of now and for those to come. The nanny makes the cgroup
    below its own, the worker enters it whenever it starts, and it is deleted with the
    nanny. A worker that is killed for memory is started again by its nanny, as Dask
    does it, in the same cgroup. Containers that its tasks run in count for its limits.

    Args:
        client: of a cluster whose workers have nannies.
        resources: the limits of one worker.

    Raises:
        ConfigError: *resources* are wrong.
        CgroupError, UnsupportedError: a nanny could not make the cgroup.
        RuntimeError: a worker has no nanny.
    """
    client.register_plugin(NannyLimits(resources))
    client.register_plugin(EnterLimits())


class NannyLimits(NannyPlugin):
    """The nanny's part of `limit_workers`: it owns the cgroup.

    Args:
        resources: the limits of one worker.

    Raises:
        ConfigError: *resources* are wrong.
    """

    name = "libcontainer-limits"

    def __init__(self, resources: Resources) -> None:
        if problems := validate_resources(resources):
            raise ConfigError(problems)
        self.resources = resources
        self._groups: list[Cgroup] = []

    def setup(self, nanny: Nanny) -> None:
        """Make the cgroup of this nanny's worker, and a place for its process."""
        path = group_of(nanny.address)
        self._groups.append(Cgroup.create(path, self.resources))
        try:
            # In v2 what has processes has no limited children: the containers of
            # tasks go beside this one, below that with the limits.
            self._groups.append(Cgroup.create(f"{path}/{_LEAF}"))
        except BaseException:
            self._groups.pop().delete()
            raise

    async def teardown(self, nanny: Nanny) -> None:
        """Delete the cgroup; of a nanny that goes on, the worker goes on too."""
        if nanny.status in (Status.closing, Status.closed):
            await nanny.kill(timeout=_CLOSING, reason="libcontainer-limits")
        elif self._groups:
            own = Cgroup.of(os.getpid())
            for pid in self._groups[-1].pids():
                with contextlib.suppress(ProcessLookupError):
                    own.add(pid)
        while self._groups:
            self._groups.pop().delete(force=True)


class EnterLimits(WorkerPlugin):
    """The worker's part of `limit_workers`: it enters the cgroup as it starts."""

    name = "libcontainer-enter"

    def setup(self, worker: Worker) -> None:
        """Enter.

        Raises:
            CgroupError: the nanny has none.
            RuntimeError: there is no nanny.
        """
        if not worker.nanny:
            message = "limit_workers needs workers with nannies: this one has none"
            raise RuntimeError(message)
        Cgroup.open(f"{group_of(worker.nanny)}/{_LEAF}").add(os.getpid())
        for executor in worker.executors.values():
            if isinstance(executor, _Containers):
                executor.renew()


def group_of(nanny: str) -> str:
    """Return the name of a worker's cgroup, below that of its nanny.

    Args:
        nanny: its address, such as ``tcp://127.0.0.1:4321``.
    """
    return "dask-" + re.sub("[^A-Za-z0-9]+", "-", nanny).strip("-")


# -- containers of tasks


class ContainerTasks(WorkerPlugin):
    """Runs the tasks that ask for it each in a container of its own.

    A task asks by its annotation: ``with dask.annotate(executor="container")``, or
    ``client.submit(...)`` within that. What it takes is loaded by the worker; then its
    function is called as `contained` calls it: what is said there of functions,
    arguments, results and trust holds. One that is over its memory limit ends alone,
    and its future has a `CallFailedError` whose verdict is ``oom``. Coroutine
    functions cannot be run so: Dask runs them in the worker's loop.

    Args:
        executor: the word that tasks ask by; plugins with other words may be beside
            this one, with other limits.
        timeout: seconds after which a task is killed.
        trust: whether results are pickled, for code that one trusts.
        options: as for `contained`.

    Raises:
        TypeError: there is no such keyword.
        ValueError: *executor* is a word of Dask itself.
        ConfigError: the options are wrong.
    """

    def __init__(
        self,
        executor: str = "container",
        *,
        timeout: float | None = None,
        trust: bool = False,
        **options: Unpack[ContainerOptions],
    ) -> None:
        if executor in {"default", "offload", "actor", "gpu"}:
            message = f"executor: {executor!r} is one of Dask's own"
            raise ValueError(message)
        wishes = Wishes.of_container(type(self).__name__, options)
        if problems := validate(wishes.configuration()):
            raise ConfigError(problems)
        self.executor = executor
        self.name = f"libcontainer-tasks-{executor}"
        self._timeout = timeout
        self._trust = trust
        self._wishes = wishes

    def setup(self, worker: Worker) -> None:
        """Offer the executor."""
        made = _Containers(self.caller, worker.state.nthreads)
        worker.executors[self.executor] = made

    def teardown(self, worker: Worker) -> None:
        """Take it back; tasks that run end first."""
        found = worker.executors.pop(self.executor, None)
        if found is not None:
            found.shutdown(wait=False)

    def caller(self) -> Contained:
        """Return what calls functions, for the cgroup that this process is in now."""
        wishes = self._wishes
        if wishes.factory is None:
            wishes = evolve(wishes, factory=Factory())
        return Contained(wishes, timeout=self._timeout, trust=self._trust)


class _Containers(Executor):
    """What Dask hands a task to; it treats classes with Thread in their name apart."""

    def __init__(self, make: Callable[[], Contained], count: int) -> None:
        self._make = make
        self._caller = make()
        self._threads = ThreadPoolExecutor(count, "libcontainer-dask")

    def renew(self) -> None:
        """Look again which cgroup this process is in."""
        self._caller = self._make()

    def submit(  # type: ignore[override]  # Dask's own call, of this form alone
        self,
        run: Callable[..., Any],
        task: Any,  # noqa: ANN401 - Dask's
        /,
        *args: Any,  # noqa: ANN401 - Dask's
    ) -> Future[Any]:
        """Run a task of Dask's graph by *run*, its function in a container."""
        if hasattr(task, "func"):
            inside = copy.copy(task)
            inside.func = functools.partial(_call, self._caller, task.func)
            task = inside
        return self._threads.submit(run, task, *args)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - as concurrent.futures
        """Take no more tasks."""
        self._threads.shutdown(wait, cancel_futures=cancel_futures)


def _call(
    caller: Contained,
    function: Callable[..., Any],
    /,
    *args: Any,  # noqa: ANN401 - the function's
    **keywords: Any,  # noqa: ANN401 - the function's
) -> Any:  # noqa: ANN401 - the function's
    return caller.answer(request_of(function, args, keywords))
