# SPDX-License-Identifier: Apache-2.0
"""``libcontainer checkpoint`` and ``restore``, and their options."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from libcontainer.commands.foreground import Signals, stand_in
from libcontainer.commands.oci_common import (
    load,
    open_factory,
    read_bundle,
    write_pid_file,
)
from libcontainer.commands.options import Arguments, Option
from libcontainer.commands.subreaper import become_subreaper
from libcontainer.commands.table import RUN
from libcontainer.config.criu import CGROUP_MODES, CriuOptions
from libcontainer.container import Container
from libcontainer.errors import ConfigError, Problem

if TYPE_CHECKING:
    from libcontainer.commands.options import Given

_IMAGE: Final = "checkpoint"
_FLAGS: Final = (
    ("--tcp-established", "tcp_established", "keep established TCP connections"),
    ("--ext-unix-sk", "external_unix_sockets", "allow sockets connected to outside"),
    ("--shell-job", "shell_job", "allow a session or a terminal from outside"),
    ("--file-locks", "file_locks", "keep file locks"),
    ("--lazy-pages", "lazy_pages", "fetch memory when it is touched"),
    ("--auto-dedup", "auto_dedup", "punch out of older images what newer ones have"),
)
_CHECKPOINT_FLAGS: Final = (
    ("--leave-running", "leave_running", "let the container go on"),
    ("--tcp-skip-in-flight", "tcp_skip_in_flight", "drop connections being made"),
    ("--link-remap", "link_remap", "give open unlinked files a name"),
    ("--pre-dump", "pre_dump", "write memory only, and go on"),
)
_RESTORE_FLAGS: Final = (
    ("--tcp-close", "tcp_close", "restore established connections closed"),
)


_BOTH: Final = (
    Option("--image-path --work-image", what="default: ./checkpoint", metavar="DIR"),
    Option("--work-path", what="where CRIU logs", metavar="DIR"),
    *(Option(flag, "flag", what) for flag, _, what in _FLAGS),
    Option(
        "--manage-cgroups-mode",
        what="what CRIU does with sub-cgroups",
        choices=(*CGROUP_MODES, ""),
        default="soft",
    ),
    Option(
        "--network-lock",
        what="how connections are held",
        choices=("iptables", "nftables", "skip"),
    ),
    Option("--empty-ns", "list", "leave this namespace empty", choices=("network",)),
)
# Of nsinit, too; it has no bundle and nothing to hand on.
CHECKPOINT: Final = (
    *_BOTH,
    *(Option(flag, "flag", what) for flag, _, what in _CHECKPOINT_FLAGS),
    Option("--parent-path", what="an earlier image", metavar="DIR"),
    Option("--page-server", what="send memory there", metavar="ADDRESS:PORT"),
    Option("--status-fd", "number", "write a byte there when it is ready", "FD"),
)
RESTORE: Final = (
    *_BOTH,
    *(Option(flag, "flag", what) for flag, _, what in _RESTORE_FLAGS),
    Option("--lsm-profile", what="another label", metavar="TYPE:NAME"),
    Option("--lsm-mount-context", what="another of mounts", metavar="CONTEXT"),
)
RESTORE_BUNDLE: Final = (*RUN, *RESTORE)


def options_of(arguments: Given, *, restores: bool) -> CriuOptions:
    """Return the options that were given.

    Raises:
        ConfigError: one cannot be read.
    """
    given = {
        name: getattr(arguments, flag[2:].replace("-", "_"))
        for flag, name, _ in (
            *_FLAGS,
            *(_RESTORE_FLAGS if restores else _CHECKPOINT_FLAGS),
        )
    }
    if restores:
        given["lsm_profile"] = arguments.lsm_profile
        given["lsm_mount_context"] = arguments.lsm_mount_context
    else:
        given["parent"] = arguments.parent_path
        given["page_server"] = _page_server(arguments.page_server)
        given["status_fd"] = arguments.status_fd
    work = arguments.work_path
    if work is not None:
        os.makedirs(work, mode=0o700, exist_ok=True)
    return CriuOptions(
        criu=getattr(arguments, "criu", None) or "criu",
        work_dir=None if work is None else os.path.abspath(work),
        manage_cgroups=arguments.manage_cgroups_mode or "soft",
        network_lock=arguments.network_lock,
        empty_network=bool(arguments.empty_ns),
        **given,
    )


def image_of(arguments: Given) -> str:
    """Return the directory of the image."""
    return os.path.abspath(arguments.image_path or _IMAGE)


def checkpoint(arguments: Arguments) -> int:
    """Write the processes of a container to an image."""
    options = options_of(arguments, restores=False)
    with open_factory(arguments) as factory:
        container = load(factory, arguments)
        container.checkpoint(image_of(arguments), options)
        if not (options.leave_running or options.pre_dump):
            container.wait()
            container.delete(force=True)
    return 0


def restore(arguments: Arguments) -> int:
    """Make a container of an image, in the foreground or not."""
    options = options_of(arguments, restores=True)
    bundle = read_bundle(arguments)
    if not arguments.no_subreaper and not arguments.detach:
        become_subreaper()
    with open_factory(arguments) as factory:
        container = factory.restore(
            arguments.id, bundle.config, image_of(arguments), bundle.process, options
        )
        try:
            return _hand_over(container, arguments)
        except BaseException:
            container.delete(force=True)
            raise


def _hand_over(container: Container, arguments: Arguments) -> int:
    handle = container.init
    if handle is None:
        raise RuntimeError("restored without an init")
    write_pid_file(handle, arguments)
    if handle.terminal is not None and arguments.console_socket is not None:
        from libcontainer.host.console import ConsoleSocket  # noqa: PLC0415

        with ConsoleSocket(arguments.console_socket) as console:
            console.send(handle.terminal)
    if arguments.detach:
        return 0
    with Signals() as signals:
        status = stand_in(handle, signals).shell
    container.delete(force=True)
    return status


def _page_server(text: str | None) -> tuple[str, int] | None:
    if text is None:
        return None
    address, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()):
        raise ConfigError([Problem("--page-server", f"is no ADDRESS:PORT: {text!r}")])
    return address, int(port)
