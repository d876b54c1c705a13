# SPDX-License-Identifier: Apache-2.0
"""A container that is written to an image, and comes back from one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from libcontainer.known import LOCK_SECONDS, KnownContainer, complete, group_of
from libcontainer.process import Process
from libcontainer.status import require

if TYPE_CHECKING:
    from libcontainer.config.criu import CriuOptions


class CheckpointedContainer(KnownContainer):
    """What `Container` does by CRIU; see there."""

    def checkpoint(
        self, image: str | os.PathLike[str], options: CriuOptions | None = None
    ) -> None:
        """Write the container's processes to an image that `Factory.restore` takes.

        The container has ended then, unless *options* leave it running; its state
        folder stays until `delete`. Its root filesystem is not part of the image.

        Args:
            image: the directory of the image, a host path; made if it is not there.
            options: what CRIU is asked to do; None is a `CriuOptions()`.

        Raises:
            ConfigError: *options* are wrong.
            StateError: it is not ``running``.
            CriuError: it was not taken; the container goes on.
            UnsupportedError: CRIU is not there, the caller is not root, or the root
                filesystem is thrown away with the container.

        Needs root, and CRIU; before version 4 it loses ``no_new_privs``. See criu(8).
        """
        from libcontainer.checkpoint.steps import take_checkpoint  # noqa: PLC0415

        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "checkpoint")
            with self._live_init(state, "checkpoint") as init:
                take_checkpoint(
                    os.fspath(image), options, self.config, state, init, group_of(state)
                )

    def _restore(
        self, image: str, process: Process, options: CriuOptions | None
    ) -> None:
        from libcontainer.checkpoint.steps import bring_back  # noqa: PLC0415

        with self._store.open(self.id).locked(timeout=LOCK_SECONDS) as folder:
            state = folder.read()
            require(self.id, self._status(folder, state), "restore")
            limits = self._launcher.limits(self.config, state.cgroup)
            self._init = bring_back(
                image,
                options,
                complete(self.config, self.path),
                process,
                (folder, state, limits),
                self._joined,
            )
