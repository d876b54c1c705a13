# SPDX-License-Identifier: Apache-2.0
"""The directory of containers: one folder each, locked, changed atomically.

A container's folder appears under its id by one rename, already locked and
with its ``state.json`` in it, so no other process ever sees half of it. The
lock is `flock(2)` on the folder itself: there is no lock file to clean up, and
a folder that was removed while we waited shows a link count of zero.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time

from libcontainer.bindings.renameat2 import RENAME_NOREPLACE, renameat2
from libcontainer.errors import (
    ContainerExistsError,
    ContainerNotFoundError,
    LockTimeoutError,
    StateFileError,
    StepError,
)
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.files import check_owner, identity, read_all, write_all
from libcontainer.host.states import States
from libcontainer.host.turns import Locked, Turns
from libcontainer.state import State, check_id

_OPEN_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STATE = "state.json"
_NEW_STATE = ".state.json.new"
PRIVATE = ",new-"
"""How half-made folders are called at first; no id has a comma."""
_CONFIG = "config.json"
EXIT = "exit"
"""Name of the record of how init ended (`libcontainer.host.exitrecord`)."""
GATE = "gate"
"""Name of the socket at which a created container waits for ``start``."""
ATTACH = "attach"
"""Name of the socket of a container's monitor."""
_NEW_EXIT = f".{EXIT}.new"
_OURS = frozenset({_STATE, _NEW_STATE, _CONFIG, EXIT, _NEW_EXIT, GATE, ATTACH})


class Store:
    """The root directory of a factory; mode 0700, owned by the caller."""

    def __init__(self, root: str) -> None:
        self.root = root
        self._states = States()
        self._turns = Turns()

    def create(self, state: State, config: bytes) -> Folder:
        """Make the folder of a new container and return it, locked.

        Args:
            state: its first state.
            config: the text of its ``config.json``.

        Raises:
            ContainerExistsError: the id is taken; nothing has been made.
        """
        root_fd = self._open_root(make=True)
        private = _private_name()
        try:
            _make(private, root_fd, self.root)
            folder = self._open_new(private, state.id, root_fd)
            try:
                folder.lock_new()
                folder.write_config(config)
                folder.write_first(state)
                renameat2(root_fd, private, root_fd, state.id, RENAME_NOREPLACE)
            except BaseException as error:
                folder.empty_new()
                folder.close()
                # An interrupt may come when it has its final name already.
                taken = isinstance(error, FileExistsError)
                for name in (private,) if taken else (private, state.id):
                    with contextlib.suppress(OSError):
                        os.rmdir(name, dir_fd=root_fd)
                if taken:
                    raise ContainerExistsError(state.id) from error
                raise
            return folder
        finally:
            close_all((root_fd,))

    def _open_new(self, private: str, container_id: str, root_fd: int) -> Folder:
        try:
            fd = above_stdio(os.open(private, _OPEN_DIRECTORY, dir_fd=root_fd))
            return Folder(container_id, self.root, fd, self._states)
        except BaseException:
            os.rmdir(private, dir_fd=root_fd)
            raise

    def open(self, container_id: str) -> Folder:
        """Return the folder of a container, not locked.

        Raises:
            ContainerNotFoundError: there is none.
            StateFileError: the folder is not the caller's own.
        """
        check_id(container_id)
        try:
            root_fd = self._open_root(make=False)
        except FileNotFoundError as error:
            raise ContainerNotFoundError(container_id) from error
        try:
            fd = above_stdio(os.open(container_id, _OPEN_DIRECTORY, dir_fd=root_fd))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ContainerNotFoundError(container_id) from error
        finally:
            close_all((root_fd,))
        try:
            status = check_owner(fd, f"{self.root}/{container_id}")
        except BaseException:
            os.close(fd)
            raise
        folder = Folder(container_id, self.root, fd, self._states, status)
        folder.turns = self._turns
        return folder

    def ids(self) -> list[str]:
        """Return the ids of all containers, sorted; half-made ones are left out."""
        return [name for name in self.names() if not name.startswith(PRIVATE)]

    def open_any(self, name: str) -> Folder | None:
        """Return a folder that may be half made, or None if it is gone."""
        try:
            fd = above_stdio(os.open(f"{self.root}/{name}", _OPEN_DIRECTORY))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Folder(name, self.root, fd, self._states)

    def names(self) -> list[str]:
        """Return what there is, sorted, and half-made folders by private names."""
        try:
            return sorted(os.listdir(self.root))
        except FileNotFoundError:
            return []

    def _open_root(self, *, make: bool) -> int:
        try:
            fd = above_stdio(os.open(self.root, _OPEN_DIRECTORY))
        except FileNotFoundError:
            if not make:
                raise
            os.makedirs(self.root, mode=0o700, exist_ok=True)
            fd = above_stdio(os.open(self.root, _OPEN_DIRECTORY))
        try:
            check_owner(fd, self.root)
        except BaseException:
            os.close(fd)
            raise
        return fd


class Folder:
    """The open state folder of one container."""

    def __init__(
        self,
        container_id: str,
        root: str,
        fd: int,
        states: States | None = None,
        status: os.stat_result | None = None,
    ) -> None:
        self.id = container_id
        self.path = f"{root}/{container_id}"
        self._root = root
        self._is_locked = False
        self.turns: Turns | None = None
        self.fd = -1
        try:
            self._identity = identity(fd, status)
        except BaseException:
            close_all((fd,))
            raise
        self.fd = fd
        self._states = States() if states is None else states

    def lock_new(self) -> None:
        """Take the lock of a folder that nobody else knows of yet."""
        self._is_locked = True
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def lock(self, *, timeout: float) -> None:
        """Take the container's lock; it is let go when the folder is closed.

        Raises:
            LockTimeoutError: another process held it for *timeout* seconds.
            ContainerNotFoundError: the container was deleted meanwhile.
        """
        self._is_locked = True
        deadline = time.monotonic() + timeout
        pause = 0.0005
        while True:
            try:
                fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    message = f"lock of container {self.id!r} held for {timeout} s"
                    raise LockTimeoutError(message) from error
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
        if os.fstat(self.fd).st_nlink == 0:
            raise ContainerNotFoundError(self.id)

    def read(self) -> State:
        """Return the container's state.

        Raises:
            ContainerNotFoundError: the file is gone: it is being deleted.
            StateFileError: the file cannot be used.
        """
        state = self._states.parse(self._read(_STATE))
        if state.id != self.id:
            message = f"{self.path}/state.json is of container {state.id!r}"
            raise StateFileError(message)
        return state

    def write(self, state: State) -> None:
        """Replace the container's state, in one step."""
        self.stage(state)
        self.put_staged()

    def stage(self, state: State) -> None:
        """Write down what `put_staged` makes the container's state.

        That needs no file and no space any more.
        """
        self._write(_NEW_STATE, self._states.dump(state))

    def put_staged(self) -> None:
        """Replace the state by the one that was staged."""
        os.rename(_NEW_STATE, _STATE, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def write_first(self, state: State) -> None:
        """Write the first state, before the folder has its name."""
        self._write(_STATE, self._states.dump(state))

    def read_config(self) -> bytes:
        """Return the text of the container's ``config.json``.

        Raises:
            ContainerNotFoundError: the file is gone: it is being deleted.
        """
        return self._read(_CONFIG)

    def write_config(self, text: bytes) -> None:
        """Write ``config.json``, once, before the folder has its name."""
        self._write(_CONFIG, text)

    def _read(self, name: str) -> bytes:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, dir_fd=self.fd)
        except FileNotFoundError as error:
            raise ContainerNotFoundError(self.id) from error
        try:
            return read_all(fd)
        finally:
            os.close(fd)

    def _write(self, name: str, data: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, 0o600, dir_fd=self.fd)
            try:
                write_all(fd, data)
            finally:
                os.close(fd)
        except OSError as error:
            raise _failure(f"write {self.path}/{name}", error) from error

    def has_gate(self) -> bool:
        """Tell whether init waits (or waited) at the gate."""
        try:
            mode = os.stat(GATE, dir_fd=self.fd, follow_symlinks=False).st_mode
        except FileNotFoundError:
            return False
        return stat.S_ISSOCK(mode)

    def remove_gate(self) -> None:
        """Remove the gate; absent is fine."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(GATE, dir_fd=self.fd)

    @property
    def gate_address(self) -> str:
        """Address of the gate; short whatever the length of the root's path."""
        return f"/proc/self/fd/{self.fd}/{GATE}"

    @property
    def attach_address(self) -> str:
        """Address of the monitor's socket, likewise."""
        return f"/proc/self/fd/{self.fd}/{ATTACH}"

    def remove_monitor_files(self) -> None:
        """Remove what a monitor was given and what it wrote; absent is fine."""
        for name in (ATTACH, EXIT, _NEW_EXIT):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self.fd)

    def has_only_ours(self) -> bool:
        """Tell, of a folder without a state, whether it can be a container's at all."""
        return _OURS.issuperset(os.listdir(self.fd))

    def empty_new(self) -> None:
        """Remove what a new container's folder has; that needs no further fd."""
        for name in (_STATE, _CONFIG):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self.fd)

    def empty(self) -> None:
        """Remove every file of the folder, the state first of all."""
        for name in (_STATE, *os.listdir(self.fd)):
            with contextlib.suppress(FileNotFoundError):
                try:
                    os.unlink(name, dir_fd=self.fd)
                except IsADirectoryError:
                    self._remove_folder(name)

    def _remove_folder(self, name: str) -> None:
        # Where a restore would have had its root, on a stage now gone; or where a
        # service manager's socket was, which a `start` that was killed has left.
        inner = os.open(name, _OPEN_DIRECTORY, dir_fd=self.fd)
        try:
            for file in os.listdir(inner):
                os.unlink(file, dir_fd=inner)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=self.fd)

    def remove(self) -> None:
        """Remove the folder; the container is gone when this returns.

        It is gone at the rename already. Whatever stops us then leaves a folder that
        `remove_abandoned` takes for half-made, never half a container.
        """
        private = f"{self._root}/{_private_name()}"
        try:
            os.rename(self.path, private)
        except FileNotFoundError:
            return
        # Most have no other files than these.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_STATE, dir_fd=self.fd)
            os.unlink(_CONFIG, dir_fd=self.fd)
        try:
            os.rmdir(private)
        except OSError as error:
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
            self.empty()
            os.rmdir(private)

    def close(self) -> None:
        """Close the folder and let go of its lock."""
        if self.fd < 0:
            return
        if self._is_locked:
            with contextlib.suppress(OSError):
                # Said, not left to the close: a fork of the program has the fd too.
                fcntl.flock(self.fd, fcntl.LOCK_UN)
        close_all((self.fd,))
        self.fd = -1

    def close_after_interrupt(self) -> None:
        """Close it after a Ctrl-C on the way to `close`, or in it."""
        if self._has_its_number():
            self.close()

    def __del__(self) -> None:
        # Of a Ctrl-C on the way to close(): the lock must not stay with us. It is not
        # let go by name: in a fork it may be that of the parent.
        if self._has_its_number():
            with contextlib.suppress(OSError):
                os.close(self.fd)

    def _has_its_number(self) -> bool:
        """Tell whether it is open, and no other file has its number by now."""
        if self.fd < 0:
            return False
        try:
            return identity(self.fd) == self._identity
        except OSError:
            return False

    def locked(self, *, timeout: float) -> Locked:
        """Hold the lock for a block, then close the folder."""
        return Locked(self, timeout)


def _private_name() -> str:
    """Return a name that tells whose half-made or half-removed folder it is of."""
    return f"{PRIVATE}{os.getpid():x}-{time.monotonic_ns():x}"


def _make(name: str, root_fd: int, root: str) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=root_fd)
    except OSError as error:
        raise _failure(f"make a folder in {root}", error) from error


def _failure(what: str, error: OSError) -> StepError:
    return StepError(error.errno or errno.EIO, what)
