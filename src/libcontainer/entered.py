# SPDX-License-Identifier: Apache-2.0
"""A running container that something of the host is brought into."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from libcontainer.config import Device, Mount, NamespaceType
from libcontainer.config.report import show
from libcontainer.errors import ConfigError, Problem
from libcontainer.handle import ProcessHandle
from libcontainer.known import LOCK_SECONDS, KnownContainer
from libcontainer.process import Process
from libcontainer.status import require


class EnteredContainer(KnownContainer):
    """What `Container` takes from the host while it runs; see there."""

    def exec_host(
        self,
        args: Sequence[str],
        *,
        namespaces: Iterable[str] = ("network",),
        env: Mapping[str, str] | None = None,
        stdin: Any = None,  # noqa: ANN401
        stdout: Any = None,  # noqa: ANN401
        stderr: Any = None,  # noqa: ANN401
    ) -> ProcessHandle:
        """Run a program of the host in some namespaces of the container.

        For tools that the image does not have, such as ``ip``. The program
        keeps the caller's root, directory, user and privileges: it is not
        confined, and in the container's pid namespace the container's
        processes could see it. `delete` ends it. In a user namespace of the
        container it is root of that.

        Args:
            args: the program and its arguments; looked up in the PATH of *env*.
            namespaces: which to enter, words of `NamespaceType`; those that the
                container shares with the caller make no difference. Not
                ``mount``: that is `exec`.
            env: its environment, nothing else is in it; None is the caller's.
            stdin: as for `Process`.
            stdout: as for `Process`.
            stderr: as for `Process`.

        Raises:
            ConfigError: *args* or *namespaces* are wrong.
            StateError: there is no live init process.
            ProgramError, StepError: as for `run`.

        Needs CAP_SYS_ADMIN over the namespaces: without privileges ``user`` has
        to be among them. See setns(2).
        """
        process = Process(
            args,
            env=os.environ if env is None else env,
            terminal=False,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
        from libcontainer.launches import live  # noqa: PLC0415

        kinds = _entered(namespaces)
        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "exec on the host")
            with self._live_init(state, "exec on the host") as init:
                handle = live.enter(self._launcher, self.config, process, init, kinds)
        self._joined.append(handle)
        self._shared.tidy(self.id)
        return handle

    def mknod(self, device: Device) -> None:
        """Make a device node, or a FIFO, in the /dev of the running container.

        In a user namespace the host's node of the same path is bound instead.
        The directory of its path must be there. Whether the device can be used
        is a matter of the cgroup's device rules, if there are any.

        Raises:
            ConfigError: *device* is wrong.
            StateError: there is no live init process.
            StepError: a kernel step failed, ``EEXIST`` where there is such a
                file; nothing is left behind.

        Needs CAP_MKNOD on the host, and Linux 5.6. See mknod(2).
        """
        from libcontainer.launches import live  # noqa: PLC0415

        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "mknod")
            with self._live_init(state, "mknod") as init:
                live.mknod(self._launcher, self.config, device, init)

    # -- mounts

    def mount(self, mount: Mount) -> None:
        """Add a mount to the running container.

        Its source is opened here, its destination found inside, as at launch. It is
        gone with the container; `config` does not have it.

        Args:
            mount: any but ``proc``, ``cgroup`` and one on ``/``; without the extras
                ``remount`` and ``tmpcopyup``.

        Raises:
            ConfigError: the mount is wrong.
            StateError: the container is neither ``created`` nor ``running``.
            StepError: a kernel step failed; the container has the mounts it had.
            UnsupportedError: a bind, or a filesystem of a host path, by a caller
                without CAP_SYS_ADMIN.
        """
        from libcontainer.launches import live  # noqa: PLC0415

        with self._live("mount") as init:
            live.mount(self._launcher, self.config, mount, init)

    def unmount(self, path: str) -> None:
        """Take the topmost mount on a path from the running container.

        It goes at once from where it is seen; what has files open keeps them.

        Args:
            path: an absolute container path, of which no part may be a symlink.

        Raises:
            StateError: the container is neither ``created`` nor ``running``.
            ConfigError: *path* is not absolute, or ``/``.
            OSError: ``ENOENT``; ``ELOOP``: a symlink is on the way.
            StepError: a kernel step failed, or with ``EINVAL`` nothing is mounted
                there; the container has the mounts it had.
        """
        from libcontainer.host.mountpoint import open_mount  # noqa: PLC0415
        from libcontainer.launches import live  # noqa: PLC0415

        with self._live("unmount") as init:
            target = open_mount(init, path)
            try:
                live.unmount(self._launcher, self.config, path, target, init)
            finally:
                os.close(target)


def _entered(namespaces: Iterable[str]) -> frozenset[NamespaceType]:
    known = {kind.value: kind for kind in NamespaceType}
    problems = []
    kinds = set()
    for word in namespaces:
        kind = known.get(word)
        if kind is None or kind is NamespaceType.MOUNT:
            others = ", ".join(sorted(set(known) - {"mount"}))
            problems.append(
                Problem("namespaces", f"must be of {others}, not {show(word)}")
            )
        else:
            kinds.add(kind)
    if problems:
        raise ConfigError(problems)
    return frozenset(kinds)
