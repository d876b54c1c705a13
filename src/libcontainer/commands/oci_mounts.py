# SPDX-License-Identifier: Apache-2.0
"""``libcontainer mounts add`` and ``remove``: mounts of a running container."""

from __future__ import annotations

import os

from attrs import evolve

from libcontainer.commands.oci_common import load, open_factory, read_json
from libcontainer.commands.options import Arguments, UsageError
from libcontainer.config import Mount
from libcontainer.config.container_reader import Reader
from libcontainer.config.report import Report
from libcontainer.errors import ConfigError
from libcontainer.oci.mounts import read_mounts


def mounts(arguments: Arguments) -> int:
    """Add the mounts of a file, in their order, or remove them from the last on.

    The file is an array of mounts as in ``config.json``, or an object that has
    it at ``mounts``. What has been added before one fails is removed again.
    """
    if arguments.action not in {"add", "remove"}:
        message = f"mounts: add or remove, not {arguments.action!r}"
        raise UsageError(message)
    found = _read(arguments.file)
    with open_factory(arguments) as factory:
        container = load(factory, arguments)
        if arguments.action == "remove":
            for mount in reversed(found):
                container.unmount(mount.destination)
            return 0
        made: list[Mount] = []
        try:
            for mount in found:
                container.mount(mount)
                made.append(mount)
        except BaseException:
            for mount in reversed(made):
                container.unmount(mount.destination)
            raise
    return 0


def _read(path: str) -> tuple[Mount, ...]:
    document = read_json(path, "mounts")
    report = Report()
    fields = read_mounts(Reader("", document, report, Report()), os.getcwd())
    if report.problems:
        raise ConfigError(report.problems)
    # What a tmpfs covers is only looked at by a launch.
    return tuple(
        evolve(mount, extras=mount.extras - {"keep-mode"}) for mount in fields["mounts"]
    )
