# SPDX-License-Identifier: Apache-2.0
"""Ray's sandboxes (`ray.experimental.sandbox`, Ray 2.60) with our containers.

``ray.init(runtime_env={"worker_process_setup_hook": use})``: then what
``ray.experimental.sandbox.create(...)`` gives is a container of this library on
whatever node it is, with Ray's processors and memory as limits of its cgroup.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import threading
from collections.abc import Callable
from typing import Any

from attrs import evolve, frozen
from ray.experimental.sandbox import runtime as ray_runtime
from ray.experimental.sandbox.backend.base import (
    BaseSandboxBackend,
    ExecResult,
    SandboxStatus,
)
from ray.experimental.sandbox.config import SandboxConfig, parse_memory_bytes
from ray.experimental.sandbox.exceptions import (
    SandboxCreationError,
    SandboxError,
    SandboxExecError,
    SandboxNotFoundError,
    SandboxTimeoutError,
)
from ray.experimental.sandbox.image_manager import BaseImageManager

from libcontainer import image as images
from libcontainer.config import Capabilities, Config, Mount
from libcontainer.config.network import Slirp4netns
from libcontainer.config.seccomp import Seccomp
from libcontainer.container import Container
from libcontainer.contrib.ray import hold, run, sweep
from libcontainer.errors import (
    ImageError,
    LibcontainerError,
    ProgramError,
    StateError,
    TimeoutExpired,
    UnsupportedError,
)
from libcontainer.factory import Factory
from libcontainer.oneshot.wishes import Wishes


def use() -> None:
    """Make our containers the sandboxes of this process.

    Ray knows gVisor alone and has no setting for another: this puts ours in the place
    where its runtime looks for a backend and for images. To be called in each process
    that has sandboxes: by the workers as their setup hook, and by who uses
    `ray.experimental.sandbox.SandboxRuntime` itself.
    """
    ray_runtime.GVisorSandboxBackend = ContainerBackend
    ray_runtime.ImageManager = Images


class Images(BaseImageManager):
    """Images in a `libcontainer.image.Store`, by name or from a file.

    Args:
        store: where they are; None is the default one of this user.
    """

    def __init__(self, store: images.Store | None = None) -> None:
        self.store = images.Store() if store is None else store
        self._lock = threading.Lock()
        self._known: dict[str, images.Image] = {}

    def get(self, name: str) -> images.Image:
        """Return an image: unpacked before, of a file, or of a registry.

        Raises:
            ImageError: there is none, or it is broken.
        """
        with self._lock:
            found = self._known.get(name)
            if found is None:
                found = self._known[name] = self._found(name)
            return found

    def _found(self, name: str) -> images.Image:
        if os.path.exists(name):
            return images.unpack(name, store=self.store)
        with contextlib.suppress(ImageError):
            return self.store.get(name)
        return images.pull(name, store=self.store)

    def pull_image(
        self,
        image: str,
        timeout_seconds: float = 120.0,
        instance_id: str | None = None,
    ) -> str:
        """Have an image; return the path of its topmost layer."""
        del timeout_seconds, instance_id
        return self.get_image_dir(image)

    def get_image_dir(self, image: str) -> str:
        """Return the path of its topmost layer."""
        return self.get(image).layers[0]

    def get_image_config(self, image: str) -> dict[str, Any]:
        """Return what it says of how it is run, as its file has it."""
        settings = self.get(image).settings
        return {
            "config": {
                "Env": self.get_envs(image),
                "WorkingDir": settings.working_dir,
                "Entrypoint": list(settings.entrypoint),
                "Cmd": list(settings.cmd),
            }
        }

    def get_workdir(self, image: str) -> str | None:
        """Return its directory, or None."""
        return self.get(image).settings.working_dir or None

    def get_envs(self, image: str) -> list[str]:
        """Return its environment."""
        return [f"{name}={value}" for name, value in self.get(image).settings.env]

    def create_oci_spec(self, *_: Any, **__: Any) -> dict[str, Any]:  # noqa: ANN401 - Ray's
        """Refuse: there is no bundle."""
        raise UnsupportedError(
            "an OCI bundle of a sandbox", "a Config, as there is one"
        )

    prepare_oci_bundle: Callable[..., str] = create_oci_spec  # type: ignore[assignment]


@frozen
class _Made:
    container: Container
    shell: str
    cwd: str


class ContainerBackend(BaseSandboxBackend):
    """Sandboxes of one process.

    They end with it, however it ends. Ray's parameters mean what Ray says, but for:
    *rootless* and *dns* are not heeded where that is safe and refused else;
    ``network="sandbox"`` and transformed specs are of gVisor, and refused.

    Args:
        image_manager: where images come from; None makes one.
    """

    def __init__(self, image_manager: Images | None = None) -> None:
        super().__init__(Images() if image_manager is None else image_manager)
        self._factory = Factory()
        self._made: dict[str, _Made] = {}
        sweep(self._factory)

    def create_sandbox(self, config: SandboxConfig) -> str:
        """Make a container for a sandbox; return its id.

        Raises:
            SandboxCreationError: it could not be made; nothing is left.
        """
        try:
            wanted = _config(self.image_manager.get(config.image), config)
            container = hold(self._factory, wanted)
        except (LibcontainerError, OSError, ValueError) as error:
            message = f"cannot make a sandbox of {config.image!r}: {error}"
            raise SandboxCreationError(message) from error
        self._made[container.id] = _Made(container, config.shell, wanted.cwd)
        return container.id

    def delete_sandbox(self, sandbox_id: str) -> None:
        """Delete the container; one that is gone is passed over."""
        made = self._made.pop(sandbox_id, None)
        if made is not None:
            with contextlib.suppress(StateError):
                made.container.delete(force=True)

    def exec_command(  # noqa: PLR0913, PLR0917 - as Ray has it
        self,
        sandbox_id: str,
        command: str | list[str],
        timeout: float | None = None,
        cwd: str | None = None,
        env: dict[str, str] | None = None,
        shell: str | None = None,
        user: str | None = None,
    ) -> ExecResult:
        """Run a command to its end.

        Raises:
            SandboxNotFoundError: there is no such sandbox.
            SandboxTimeoutError: it took longer, and was killed.
            SandboxExecError: it cannot be executed.
        """
        made = self._get(sandbox_id)
        words = command
        if isinstance(command, str):
            words = [shell or made.shell, "-c", command]
        wishes: dict[str, Any] = {"timeout": timeout, "cwd": cwd, "env": env}
        try:
            done = run(made.container, words, user=user, **wishes)
        except TimeoutExpired as error:
            message = f"the command took longer than {timeout} seconds"
            raise SandboxTimeoutError(message) from error
        except (ProgramError, LibcontainerError) as error:
            raise SandboxExecError(str(error)) from error
        texts = [data.decode(errors="replace") for data in (done.stdout, done.stderr)]
        return ExecResult(done.returncode, *texts, duration_seconds=done.seconds)

    def write_file(
        self,
        sandbox_id: str,
        path: str,
        content: str | bytes,
        append: bool = False,  # noqa: FBT001, FBT002 - as Ray has it
    ) -> None:
        """Write a file, and the directories it is in.

        Raises:
            SandboxError: it cannot be written.
        """
        made = self._get(sandbox_id)
        place = posixpath.join(made.cwd, path)
        data = content.encode() if isinstance(content, str) else content
        try:
            files = made.container.fs
            files.mkdir(posixpath.dirname(place), parents=True)
            with files.open(place, "ab" if append else "wb") as file:
                file.write(data)
        except (LibcontainerError, OSError) as error:
            message = f"cannot write {place}: {error}"
            raise SandboxError(message) from error

    def read_file(self, sandbox_id: str, path: str) -> bytes:
        """Return what is in a file.

        Raises:
            SandboxError: it cannot be read.
        """
        made = self._get(sandbox_id)
        place = posixpath.join(made.cwd, path)
        try:
            return made.container.fs.read(place)
        except (LibcontainerError, OSError) as error:
            message = f"cannot read {place}: {error}"
            raise SandboxError(message) from error

    def get_status(self, sandbox_id: str) -> SandboxStatus:
        """Return whether it is there and its processes can run."""
        made = self._made.get(sandbox_id)
        if made is None:
            return SandboxStatus.TERMINATED
        ended = made.container.status().value == "stopped"
        return SandboxStatus.ERROR if ended else SandboxStatus.RUNNING

    def _get(self, sandbox_id: str) -> _Made:
        try:
            return self._made[sandbox_id]
        except KeyError:
            message = f"there is no sandbox {sandbox_id!r}"
            raise SandboxNotFoundError(message) from None


def _config(image: images.Image, wanted: SandboxConfig) -> Config:
    """Return the configuration of a sandbox.

    Raises:
        UnsupportedError: it asks for what is of gVisor alone.
        ConfigError: it is wrong.
    """
    if wanted._oci_spec_transform_fn is not None:  # noqa: SLF001 - Ray hides it
        raise UnsupportedError("a transformed OCI spec", "Ray's own backend")
    if wanted.dns is not None:
        raise UnsupportedError("name servers of a sandbox", "an image with them")
    if wanted.network not in {"none", "host", "public"}:
        raise UnsupportedError(f"network={wanted.network!r}", "'none' or 'public'")
    config = image.to_config(seccomp=Seccomp.default())
    config = evolve(config, env={**dict(config.env), **wanted.env})
    if wanted.capabilities is not None:
        config = evolve(config, capabilities=Capabilities.of(*wanted.capabilities))
    if wanted.workdir:
        config = evolve(config, cwd=wanted.workdir)
    if wanted.readonly:
        places = dict.fromkeys(("/tmp", *([wanted.workdir] if wanted.workdir else [])))
        mounts = (*config.mounts, *(Mount.tmpfs(place) for place in places))
        config = evolve(config, readonly_rootfs=True, mounts=mounts)
    network: Any = Slirp4netns() if wanted.network == "public" else wanted.network
    memory = parse_memory_bytes(wanted.memory) or None
    cpus = wanted.cpu or None
    wishes = Wishes(config=config, network=network, memory=memory, cpus=cpus)
    return wishes.configuration()
