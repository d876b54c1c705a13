# SPDX-License-Identifier: Apache-2.0
"""Ray: an actor that owns a container, with what Ray gave it as its limits.

``ray.remote(Box).options(num_cpus=1, memory=1 << 30).remote(network="none")``, then
``ray.get(box.run.remote(["true"]))``. Works with any Ray; of 2.60 and later there is
`libcontainer.contrib.ray_sandbox` too.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import ray
from attrs import evolve, frozen

from libcontainer.config import Config, Mount
from libcontainer.errors import LibcontainerError, StateError, TimeoutExpired
from libcontainer.factory import Factory
from libcontainer.oneshot.wishes import Wishes
from libcontainer.process import DEVNULL, PIPE, Process
from libcontainer.status import Status

if TYPE_CHECKING:
    from typing import Unpack

    from libcontainer.container import Container
    from libcontainer.oneshot.options import ContainerOptions

_PROGRAM = "/run/libcontainer-box"

PREFIX = "ray-"
"""What the id of a container begins with that an actor owns."""


@frozen
class Done:
    """How a command ended, and what it said.

    Attributes:
        returncode: its exit code, or 128 and the number of the signal that ended it.
        stdout: what it wrote.
        stderr: the same for its errors.
        seconds: from its start to its end.
    """

    returncode: int
    stdout: bytes
    stderr: bytes
    seconds: float


class Box:
    """A container of the process that makes it, such as an actor of Ray.

    It runs no program until `run`. Its limits are those of *options*; where they say
    nothing of memory or processors and this is an actor, what Ray gave the actor. It
    ends with `close`, with the actor, or with the actor's process, however that ends;
    what a killed one leaves of files and cgroups, the next `Box` on that node removes.
    To be made in a thread that lives as long: in an actor's constructor it is.

    Args:
        options: as for `contained`.

    Raises:
        ConfigError: the options are wrong; nothing is left.
        LibcontainerError: the container could not be made; nothing is left.
    """

    def __init__(self, **options: Unpack[ContainerOptions]) -> None:
        wishes = Wishes.of_container("Box", options)
        given = _given()
        if wishes.memory is None and given.get("memory"):
            wishes = evolve(wishes, memory=int(given["memory"]))
        if wishes.cpus is None and given.get("CPU"):
            wishes = evolve(wishes, cpus=float(given["CPU"]))
        config = wishes.configuration()
        factory = wishes.factory or Factory()
        self._factory = factory
        sweep(factory)
        self.container = hold(factory, config)

    def run(
        self,
        command: Sequence[str],
        *,
        input: bytes | None = None,  # noqa: A002 - as subprocess
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: str | None = None,
    ) -> Done:
        """Run a command in the container to its end.

        Raises:
            TimeoutExpired: it took longer, and was killed.
            ProgramError: it cannot be executed.
            StateError: the container is gone.
        """
        return run(
            self.container,
            command,
            input=input,
            timeout=timeout,
            env=env,
            cwd=cwd,
            user=user,
        )

    def stats(self) -> dict[str, int]:
        """Return what it has used: bytes of memory, nanoseconds, kills for memory."""
        stats = self.container.stats()
        return {
            "memory": stats.memory.usage or 0,
            "cpu_ns": stats.cpu.usage or 0,
            "oom_kills": stats.memory.oom_kills or 0,
        }

    def where(self) -> str:
        """Return the id of the container."""
        return self.container.id

    def close(self) -> None:
        """Delete the container; nothing of it is left."""
        with contextlib.suppress(StateError):
            self.container.delete(force=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "container"):
            with contextlib.suppress(LibcontainerError):
                self.close()


def hold(factory: Factory, config: Config) -> Container:
    """Make a container that runs nothing yet, and ends with this process.

    Raises:
        LibcontainerError: as of `Factory.create` and `Container.prepare`.
    """
    # Its first process stays before its program, which an image may not have; so it
    # is told one that is there.
    there = Mount.bind(os.path.realpath(sys.executable), _PROGRAM, read_only=True)
    config = evolve(
        config, parent_death_signal="SIGKILL", mounts=(*config.mounts, there)
    )
    name = f"{PREFIX}{os.getpid()}-{_started(os.getpid())}-{secrets.token_hex(6)}"
    container = factory.create(name, config)
    try:
        container.prepare(Process([_PROGRAM]))
    except BaseException:
        container.delete(force=True)
        raise
    return container


def run(  # noqa: PLR0913 - as subprocess
    container: Container,
    command: Sequence[str],
    *,
    input: bytes | None = None,  # noqa: A002 - as subprocess
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | None = None,
) -> Done:
    """Run a command in a container; as `Box.run`."""
    wishes: dict[str, Any] = {"env": env, "cwd": cwd, "user": user}
    wishes = {name: value for name, value in wishes.items() if value is not None}
    if env is not None:
        wishes["env"] = {**dict(container.config.env), **env}
    stdin = DEVNULL if input is None else PIPE
    process = Process(command, stdin=stdin, stdout=PIPE, stderr=PIPE, **wishes)
    began = time.monotonic()
    with container.exec(process) as handle:
        try:
            out, err = handle.communicate(input, timeout)
        except TimeoutExpired:
            handle.kill()
            raise
        status = handle.wait()
    code = status.code if status.signal is None else 128 + status.signal
    return Done(code or 0, out or b"", err or b"", time.monotonic() - began)


def sweep(factory: Factory | None = None) -> list[str]:
    """Delete what actors left that were killed; return the ids.

    Their processes have ended with them. Those of actors that live are not touched.

    Args:
        factory: whose containers; None is the default one.
    """
    swept = []
    with contextlib.ExitStack() as stack:
        if factory is None:
            factory = stack.enter_context(Factory())
        for container in factory.list():
            if not container.id.startswith(PREFIX) or _owner_lives(container.id):
                continue
            with contextlib.suppress(LibcontainerError):
                if container.status() is not Status.CREATING:
                    container.delete(force=True)
                    swept.append(container.id)
    return swept


def _given() -> dict[str, float]:
    """Return what Ray has given this actor; nothing where it is none."""
    if not ray.is_initialized():
        return {}
    context = ray.get_runtime_context()
    if context.get_actor_id() is None:
        return {}
    return dict(context.get_assigned_resources())


def _owner_lives(name: str) -> bool:
    pid, _, rest = name.removeprefix(PREFIX).partition("-")
    try:
        return _started(int(pid)) == int(rest.partition("-")[0])
    except (OSError, ValueError):
        return False


def _started(pid: int) -> int:
    """Return when a process was started, in clock ticks since the boot."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])
