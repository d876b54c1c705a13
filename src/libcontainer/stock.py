# SPDX-License-Identifier: Apache-2.0
"""What a `Pool` has in store, and who waits for it."""

from __future__ import annotations

import collections
import os
import secrets
import threading
import time
from typing import TYPE_CHECKING

from attrs import frozen

from libcontainer.config import Config
from libcontainer.container import Container
from libcontainer.errors import LaunchTimeoutError, LibcontainerError, StateError
from libcontainer.factory import Factory
from libcontainer.host.fork import check_same_process
from libcontainer.host.log import logger
from libcontainer.oneshot.popen import discard
from libcontainer.process import Process

if TYPE_CHECKING:
    from libcontainer.config.criu import CriuOptions

PREFIX = "pool-"
"""How the ids of a pool's containers begin."""


@frozen
class Recipe:
    """What the containers of a pool are made of."""

    config: Config
    process: Process
    template: str | None
    criu: CriuOptions | None

    def create(self, factory: Factory, name: str) -> Container:
        """Return a new container."""
        if self.template is None:
            return factory.create(name, self.config, bound=True)
        return factory.restore(
            name, self.config, self.template, self.process, self.criu
        )

    def make_ready(self, container: Container) -> None:
        """Bring it to where it waits until it is taken."""
        if self.template is None:
            container.prepare(self.process)
        else:
            container.pause()


class Turn:
    """Somebody who waits for a container, until that is given up.

    Attributes:
        container: what it was given. It is there before that is taken from the stock,
            so an interrupt in between loses nothing.
        is_given_up: whether nothing is to be taken any more.
    """

    def __init__(self) -> None:
        self.container: Container | None = None
        self.is_given_up = False


class Stock:
    """The containers that wait, and who waits for them."""

    def __init__(self, factory: Factory) -> None:
        self.factory = factory
        self.containers: collections.deque[Container] = collections.deque()
        self.is_closed = False
        self._is_paused = False
        self._pid = os.getpid()
        self._error: Exception | None = None
        self._left: dict[str, Container | None] = {}
        self._leaving = threading.Lock()
        self._changed = threading.Condition()

    def make(self, recipe: Recipe) -> Container:
        """Return a container that is ready, or leave nothing behind.

        Raises:
            LibcontainerError, OSError: it could not be prepared.
        """
        self._discard_left()
        name = f"{PREFIX}{secrets.token_hex(8)}"
        container: Container | None = None
        try:
            container = recipe.create(self.factory, name)
            recipe.make_ready(container)
        except BaseException:
            self.discard(name, container)
            raise
        return container

    def discard(self, name: str, container: Container | None) -> None:
        """Delete a container; if that fails, try again later.

        What has no file to start a container with has none to delete it with.
        """
        with self._leaving:
            self._left[name] = container
        self._discard_left()

    def _discard_left(self) -> None:
        with self._leaving:
            for name, container in list(self._left.items()):
                try:
                    discard(self.factory, name, container)
                except (LibcontainerError, OSError) as error:
                    _warn(name, error)
                else:
                    del self._left[name]

    def add(self, container: Container) -> None:
        """Put a container to the others; once the stock is closed, delete it."""
        with self._changed:
            if not self.is_closed:
                self.containers.append(container)
                self._error = None
                self._changed.notify_all()
                return
        container.delete(force=True)

    def get(self, deadline: float | None, turn: Turn) -> Container:
        """Return a container, as soon as there is one.

        Raises:
            LibcontainerError, OSError: why there is none, which is told once.
            StateError: the stock is closed, or the turn was given up.
            LaunchTimeoutError: the deadline has passed.
        """
        check_same_process(self._pid, "a pool")
        with self._changed:
            while True:
                if self.is_closed or turn.is_given_up:
                    raise StateError("pool", "closed", "take from")
                if self.containers:
                    break
                if self._error is not None:
                    error, self._error = self._error, None
                    self._changed.notify_all()
                    raise error
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    message = "no container of the pool was ready in time"
                    raise LaunchTimeoutError(message)
                self._changed.wait(left)
            turn.container = self.containers[0]
            container = self.containers.popleft()
            if not self.containers and not self._is_paused:
                # Others may be waiting by now.
                self._changed.notify_all()
        return container

    def take_back(self, turn: Turn) -> None:
        """Delete what was given to somebody who does not get it after all."""
        container, turn.container = turn.container, None
        if container is None:
            return
        with self._changed:
            if container in self.containers:
                self.containers.remove(container)
        self.discard(container.id, container)

    def give_up(self, turn: Turn) -> None:
        """Wake who waits; nothing is taken in that turn any more."""
        with self._changed:
            turn.is_given_up = True
            self._changed.notify_all()

    def refill(self) -> None:
        """Let the thread that makes new ones look whether there are enough."""
        with self._changed:
            if not self._is_paused:
                self._changed.notify_all()

    def set_paused(self, *, paused: bool) -> None:
        """Say whether new ones are made."""
        with self._changed:
            self._is_paused = paused
            self._changed.notify_all()

    def keep(self, recipe: Recipe, size: int) -> None:
        """Make containers as long as the pool is there."""
        while self._await_need(size):
            try:
                self.add(self.make(recipe))
            except Exception as error:
                logger.warning("a container of a pool could not be prepared: %s", error)
                with self._changed:
                    # Not tried again before somebody was told.
                    self._error = error
                    self._changed.notify_all()

    def _await_need(self, size: int) -> bool:
        with self._changed:
            while not self.is_closed:
                is_short = len(self.containers) < size
                if is_short and not self._is_paused and self._error is None:
                    return True
                self._changed.wait()
        return False

    def close(self) -> None:
        """Delete those that wait; what that fails for stays for the next call."""
        if os.getpid() != self._pid:
            # They are those of the process that this is a fork of.
            return
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()
            waiting = list(self.containers)
        self._discard_left()
        for container in waiting:
            try:
                container.delete(force=True)
            except (LibcontainerError, OSError) as error:
                _warn(container.id, error)
                continue
            with self._changed:
                # Another call may be at it, too.
                if container in self.containers:
                    self.containers.remove(container)


def _warn(name: str, error: Exception) -> None:
    logger.warning("container %r of a pool could not be deleted: %s", name, error)
