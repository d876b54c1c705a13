# SPDX-License-Identifier: Apache-2.0
"""Containers that are made to see whether something works, and thrown away."""

from __future__ import annotations

import itertools
import os
from typing import Any

from attrs import evolve

from libcontainer.config import Config
from libcontainer.container import Container
from libcontainer.errors import UnsupportedError
from libcontainer.factory import Factory
from libcontainer.oneshot.wishes import default_config
from libcontainer.process import DEVNULL, Process

_SECONDS = 20.0


class Trial:
    """What the attempts share.

    Attributes:
        folder: a host directory that goes when all is done.
        factory: where the containers are made.
    """

    def __init__(self, factory: Factory, folder: str) -> None:
        self.factory = factory
        self.folder = folder
        self._numbers = itertools.count()

    def config(self, **changes: Any) -> Config:  # noqa: ANN401 - fields of Config
        """Return the default configuration of this caller, changed."""
        return evolve(default_config(), **changes)

    def container(self, **changes: Any) -> Container:  # noqa: ANN401
        """Make a container of such a configuration; leave it to delete it."""
        name = f"check-{os.getpid()}-{next(self._numbers)}"
        return self.factory.create(name, self.config(**changes))

    def run(self, **changes: Any) -> None:  # noqa: ANN401 - fields of Config
        """Run a program that does nothing in such a container.

        Raises:
            LibcontainerError: it does not work.
        """
        with self.container(**changes) as container:
            self.finish(container, self.program("true"))

    def finish(self, container: Container, process: Process) -> None:
        """Run a process to its end.

        Raises:
            UnsupportedError: it has failed.
            LibcontainerError: it could not be run.
        """
        with container.run(process) as handle:
            status = handle.wait(_SECONDS)
        if status.code != 0:
            what = " ".join(process.args)
            raise UnsupportedError(what, f"it has ended with {status}")

    def program(self, *args: str, **wishes: Any) -> Process:  # noqa: ANN401
        """Return a process that says nothing."""
        silent = {"stdin": DEVNULL, "stdout": DEVNULL, "stderr": DEVNULL}
        return Process(args, **(silent | wishes))

    def make_folder(self, name: str) -> str:
        """Make a host directory that any user may enter."""
        path = f"{self.folder}/{name}-{next(self._numbers)}"
        os.mkdir(path, 0o755)
        return path
