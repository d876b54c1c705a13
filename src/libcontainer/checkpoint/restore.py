# SPDX-License-Identifier: Apache-2.0
"""Brings a container back from an image."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from attrs import define

from libcontainer.bindings.pidfd import pidfd_open, pidfd_send_signal
from libcontainer.cgroups.hierarchy import read_hierarchies
from libcontainer.checkpoint import manifest, network
from libcontainer.checkpoint import options as words
from libcontainer.checkpoint.criu import Criu, find_criu, log_tail
from libcontainer.checkpoint.dump import open_folders
from libcontainer.checkpoint.external import key_of, source_of
from libcontainer.checkpoint.rpc import Request
from libcontainer.checkpoint.stage import check_rootfs, on_stage
from libcontainer.checkpoint.verify import Expected, tree, verify
from libcontainer.config import Config
from libcontainer.config.criu import CriuOptions
from libcontainer.errors import CriuError
from libcontainer.handle import ProcessHandle
from libcontainer.host.children import kill_and_reap
from libcontainer.host.fds import above_stdio, close_all
from libcontainer.host.stdio import Stdio
from libcontainer.network.runner import NetworkRunner
from libcontainer.plan.unified import UNIFIED
from libcontainer.process import Process

_LOG: Final = "restore.log"
_ROOT: Final = "restore"
_ABOVE_STDIO: Final = 3
_KILL_SECONDS: Final = 5.0


@define(kw_only=True)
class Restore:
    """One restore.

    Attributes:
        image: directory of the image, a host path.
        options: checked options.
        config: of the container.
        folder: its state folder, a host path.
        cgroup: its cgroup, by hierarchy; made already, with its limits.
        process: whose streams init gets, in place of those it had.
        record: called with init's host pid while all of it is held.
        companions: where handles of processes that join will be put.
        runner: what connects its networks, if it has some.
    """

    image: str
    options: CriuOptions
    config: Config
    folder: str
    cgroup: Mapping[str, str]
    process: Process
    record: Callable[[int], None]
    companions: list[ProcessHandle]
    runner: NetworkRunner | None = None
    _entered: network.Entered | None = None
    _network: int = -1
    _is_locked: bool = False
    _terminal: int = -1
    _root: tuple[int, int] = (0, 0)
    _args: tuple[str, ...] = ()
    _pid: int = 0
    _pidfd: int = -1

    def run(self) -> ProcessHandle:
        """Restore the processes of the image and let them go on.

        Raises:
            CriuError: it failed, or an image asks for more than the configuration
                gives; no process of it is left.
            UnsupportedError: there is no CRIU, or such a container cannot come back.
        """
        path = find_criu(self.options.criu)
        check_rootfs(self.config)
        with Stdio(self.process, terminal=False) as stdio:
            root = f"{self.folder}/{_ROOT}"
            os.mkdir(root, 0o700)
            try:
                self._restore(path, root, stdio)
            finally:
                os.rmdir(root)
            return ProcessHandle(
                self._args,
                pidfd=self._pidfd,
                host_pid=self._pid,
                terminal=self._terminal if self._terminal >= 0 else None,
                stdio=stdio,
                companions=self.companions,
            )

    def _restore(self, path: str, root: str, stdio: Stdio) -> None:
        with ExitStack() as stack:
            # CRIU works in a directory that it reaches through our fd, and mounts
            # there: so it has to be one of the namespace that CRIU is in.
            started = on_stage(
                self.config,
                root,
                lambda: self._start(stack, path, root, stdio),
                new_network=self.runner is not None,
            )
            criu, asked, work = started
            try:
                self._connect()
                criu.ask(Request.RESTORE, asked, self._notified)
            except BaseException as error:
                self._close_terminal()
                self._end_init()
                if self.runner is not None:
                    self.runner.undo(error)
                if isinstance(error, CriuError) and not error.log:
                    error.log = log_tail(work, _LOG)
                raise

    def _connect(self) -> None:
        if self.runner is None or self._entered is None:
            return
        if self.options.tcp_established:
            network.lock(self._network)
            self._is_locked = True
        network.connect(self.config, self.runner, self._entered)

    def _start(
        self, stack: ExitStack, path: str, root: str, stdio: Stdio
    ) -> tuple[Criu, dict[str, Any], int]:
        folders = open_folders(self.image, self.options.work_dir)
        images, work = stack.enter_context(folders)
        note = read_manifest(images)
        stack.enter_context(_lent(images, self.config))
        self._args = note.args
        inherited = _inherited(note, stdio)
        # CRIU's own standard streams lead nowhere, so ours need other numbers.
        for key, fd in inherited.items():
            inherited[key] = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE_STDIO)
            stack.callback(os.close, inherited[key])
        status = os.stat(root)
        self._root = status.st_dev, status.st_ino
        timeout = self.options.timeout_seconds
        namespace = self._namespace(stack)
        keep = [*dict.fromkeys(inherited.values()), *namespace.values()]
        criu = stack.enter_context(Criu(path, timeout=timeout, keep=keep))
        if self.runner is not None:
            self._entered = network.open_socket(criu.pid)
            stack.callback(self.runner.close)
        asked = self._request(images, work, note, {**inherited, **namespace})
        return criu, asked, work

    def _namespace(self, stack: ExitStack) -> dict[str, int]:
        """Return the network namespace that CRIU is to use, if it makes none."""
        if not network.is_external(self.config):
            return {}
        self._network = network.open_namespace(self.config)
        stack.callback(os.close, self._network)
        return {network.KEY: self._network}

    def _notified(self, moment: str, pid: int, fds: list[int]) -> None:
        if moment == "orphan-pts-master" and fds and self._terminal < 0:
            self._terminal = above_stdio(fds.pop(0))
        close_all(fds)
        if pid > 0 and self._pidfd < 0:
            # It is a child of ours: if CRIU gives up, it is ours to reap.
            self._pid, self._pidfd = pid, above_stdio(pidfd_open(pid))
        if moment == "network-unlock" and self._is_locked:
            network.unlock(self._network)
        if moment == "post-restore":
            self.record(self._pid)
        if moment == "pre-resume":
            self._verify()

    def _verify(self) -> None:
        # Credentials come last of all, so only now can they be compared. CRIU does
        # not turn back any more here; but nothing of the image has run yet.
        try:
            verify(self._pid, Expected(config=self.config, root=self._root))
        except BaseException:
            kill_others(self._pid)
            self._end_init()
            raise

    def _end_init(self) -> None:
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            kill_and_reap(pidfd, timeout=_KILL_SECONDS)
            os.close(pidfd)

    def _close_terminal(self) -> None:
        terminal, self._terminal = self._terminal, -1
        if terminal >= 0:
            os.close(terminal)

    def _request(
        self,
        images: int,
        work: int,
        note: manifest.Manifest,
        inherited: dict[str, int],
    ) -> dict[str, Any]:
        options = self.options
        return {
            **words.common(options, images=images, work=work),
            "log_file": _LOG,
            "root": f"{self.folder}/{_ROOT}",
            "notify_scripts": True,
            "rst_sibling": True,
            "orphan_pts_master": True,
            "tcp_close": options.tcp_close,
            "lsm_profile": options.lsm_profile,
            "lsm_mount_context": options.lsm_mount_context,
            "ext_mnt": [
                {
                    "key": key_of(number),
                    "val": source_of(self.config, point, self.cgroup),
                }
                for number, point in enumerate(note.mounts)
            ],
            "inherit_fd": [{"key": key, "fd": fd} for key, fd in inherited.items()],
            "cg_root": _cgroup_roots(self.cgroup),
        }


@contextmanager
def _lent(images: int, config: Config) -> Iterator[None]:
    """Let the root of a user namespace look names up in the image directory.

    What CRIU does after it has entered the namespace is done as that root. By the
    group it alone may do so, and still neither list the directory nor read a file.
    """
    root = [m.host_id for m in config.gid_mappings if m.container_id == 0]
    if not root:
        yield
        return
    before = os.fstat(images)
    os.fchown(images, -1, root[0])
    os.fchmod(images, stat.S_IMODE(before.st_mode) | stat.S_IXGRP)
    try:
        yield
    finally:
        os.fchmod(images, stat.S_IMODE(before.st_mode))
        os.fchown(images, -1, before.st_gid)


def _inherited(note: manifest.Manifest, stdio: Stdio) -> dict[str, int]:
    """Return what each key of a standard stream is inherited from."""
    found: dict[str, int] = {}
    for number, key in enumerate(note.streams):
        if key is not None:
            found.setdefault(key, stdio.number(number))
    return found


def _cgroup_roots(paths: Mapping[str, str]) -> list[dict[str, str]]:
    """Return where CRIU is to put what was in the old cgroup, by controller."""
    hierarchies = read_hierarchies()
    points = {h.name: h.mount_point for h in hierarchies.v1}
    if hierarchies.unified is not None:
        points[UNIFIED] = hierarchies.unified.mount_point
    return [
        {"ctrl": name, "path": path.removeprefix(points[name])}
        for name, path in paths.items()
        if name in points
    ]


def read_manifest(images: int) -> manifest.Manifest:
    """Read what we have added to an image, and look at the files of it.

    Args:
        images: fd of the image directory.

    Raises:
        CriuError: it is not an image of ours, or a file of it is not a plain one.
    """
    for name in os.listdir(images):
        found = os.stat(name, dir_fd=images, follow_symlinks=False)
        plain = stat.S_ISREG(found.st_mode) or stat.S_ISSOCK(found.st_mode)
        # CRIU's own link to an earlier image.
        if not plain and not (name == "parent" and stat.S_ISLNK(found.st_mode)):
            raise CriuError("restore", f"{name!r} of the image is no plain file")
        if found.st_uid != os.geteuid():
            raise CriuError("restore", f"{name!r} of the image is somebody else's")
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        fd = os.open(manifest.NAME, flags, dir_fd=images)
    except FileNotFoundError as error:
        reason = f"there is no {manifest.NAME} in the image"
        raise CriuError("restore", reason, errno=error.errno) from error
    with open(fd, "rb") as file:
        data = file.read(manifest.MAX_BYTES + 1)
    if len(data) > manifest.MAX_BYTES:
        raise CriuError("restore", f"{manifest.NAME} of the image is too large")
    return manifest.parse(data)


def kill_others(init: int) -> None:
    """End what is below a restored init while all of it is held.

    Where they have a pid namespace of their own, the end of init would do.
    """
    pidfds = [pidfd_open(pid) for pid in tree(init) if pid != init]
    try:
        for pidfd in pidfds:
            pidfd_send_signal(pidfd, signal.SIGKILL)
    finally:
        close_all(pidfds)
