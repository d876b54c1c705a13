# SPDX-License-Identifier: Apache-2.0
"""A bundle: a directory with a ``config.json`` and what it names.

Source: OCI runtime specification, ``bundle.md`` and ``config.md``.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from libcontainer.config import Config, Mount
from libcontainer.config.container_reader import Reader
from libcontainer.config.report import Report
from libcontainer.config.strict_json import parse_strict_json
from libcontainer.errors import ConfigError, Problem
from libcontainer.oci.linux import read_linux
from libcontainer.oci.mounts import (
    read_hooks,
    read_mounts,
    read_root,
    with_environment,
)
from libcontainer.oci.process import read_process, shared_fields, with_affinity
from libcontainer.process import Process
from libcontainer.state import BUNDLE_LABEL

CONFIG_JSON: Final = "config.json"
_MAX_CONFIG: Final = 16 * 1024 * 1024
_VERSION: Final = re.compile(r"1\.[0-9]+\.[0-9]+(-[0-9A-Za-z.+-]+)?(\+[0-9A-Za-z.-]+)?")
_TOP: Final = (
    *("ociVersion", "root", "process", "hostname", "domainname", "mounts", "hooks"),
    *("annotations", "linux", "solaris", "windows", "vm", "zos", "freebsd"),
)


@frozen
class Bundle:
    """What a bundle says."""

    path: str
    """The directory, an absolute host path."""

    config: Config
    """What the container is, and what further processes get by default."""

    process: Process | None
    """What its init process is; None if the bundle names none."""

    annotations: tuple[tuple[str, str], ...] = ()
    """Notes of whoever made the bundle."""

    warnings: tuple[Problem, ...] = field(default=())
    """What was passed over: keys that the specification does not have."""


def load_bundle(path: str | os.PathLike[str], config: str = CONFIG_JSON) -> Bundle:
    """Read a bundle.

    Args:
        path: the directory, a host path.
        config: the file in it that describes the container.

    Raises:
        OSError: the file cannot be read.
        ConfigError: what is wrong with it, all at once, each with its path.
    """
    folder = os.path.abspath(os.fspath(path))
    # Not to wait for whoever would write into a FIFO.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with open(os.open(os.path.join(folder, config), flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ConfigError([Problem(config, "is no regular file")])
        data = file.read(_MAX_CONFIG + 1)
    if len(data) > _MAX_CONFIG:
        message = f"is longer than {_MAX_CONFIG} bytes"
        raise ConfigError([Problem(config, message)])
    return parse_bundle(parse_strict_json(data, config), folder)


def parse_bundle(document: Mapping[str, Any], path: str) -> Bundle:
    """Return what a configuration says.

    Args:
        document: the parsed ``config.json``.
        path: the bundle, an absolute host path, which others are relative to.

    Raises:
        ConfigError: what is wrong with it, all at once, each with its path.
    """
    report, warnings = Report(), Report()
    top = Reader("", document, report, warnings)
    for key in top.document:
        if key not in _TOP:
            top.warn(str(key), "unknown key, passed over")
    _check_version(top)
    annotations = _annotations(top)
    fields: dict[str, Any] = {
        **read_root(top, path),
        **read_mounts(top, path),
        **read_linux(top.child("linux")),
        "hostname": top.text("hostname") or None,
        "domainname": top.text("domainname") or None,
        "hooks": read_hooks(top.child("hooks")),
        "labels": {**dict(annotations), BUNDLE_LABEL: path},
    }
    _take_domainname(top, fields)
    _take_sysfs(top, fields)
    process = read_process(top.get("process"), report, warnings)
    if report.problems:
        raise ConfigError(report.problems)
    if process is not None:
        given, hooks = top.child("hooks"), fields["hooks"]
        fields["hooks"] = with_environment(given, hooks, process)
        process, affinity = with_affinity(process)
        fields.update(shared_fields(process), cpu_affinity=affinity)
    return Bundle(
        path=path,
        config=Config(**fields),
        process=process,
        annotations=annotations,
        warnings=tuple(warnings.problems),
    )


def _take_domainname(top: Reader, fields: dict[str, Any]) -> None:
    """Take the parameter for the key that says the same; older bundles have it."""
    name = fields["sysctl"].get("kernel.domainname")
    if not name or fields["domainname"] not in {None, name}:
        return
    del fields["sysctl"]["kernel.domainname"]
    fields["domainname"] = name
    top.warn("linux.sysctl", "'kernel.domainname' is the key domainname")


def _take_sysfs(top: Reader, fields: dict[str, Any]) -> None:
    """Bind the host's sysfs, read-only, where the kernel lets nobody mount one.

    A sysfs shows a network namespace, and is mounted by whoever owns that.
    """
    kinds = fields["namespaces"]
    if "user" not in kinds or "network" in kinds:
        return
    mounts = []
    for at, mount in enumerate(fields["mounts"]):
        if mount.type == "sysfs":
            top.warn(f"mounts[{at}].type", "the host's sysfs is bound, read-only")
            options = ["rbind", "rro", "nosuid", "noexec", "nodev"]
            place = mount.destination
            mount = Mount.from_options("bind", "/sys", place, options)  # noqa: PLW2901
        mounts.append(mount)
    fields["mounts"] = tuple(mounts)


def _check_version(top: Reader) -> None:
    version = top.text("ociVersion")
    if not version:
        top.refuse("ociVersion", "is required")
    elif not _VERSION.fullmatch(version):
        top.refuse("ociVersion", f"must be 1.x.y, not {version!r}")


def _annotations(top: Reader) -> tuple[tuple[str, str], ...]:
    found = top.child("annotations")
    for key in found.document:
        if not key:
            found.refuse("", "a name must not be empty")
    return tuple((str(key), found.text(key)) for key in found.document if key)
