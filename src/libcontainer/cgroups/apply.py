# SPDX-License-Identifier: Apache-2.0
"""Writes one limit of a cgroup, and says why it was refused."""

from __future__ import annotations

import errno
import os

from libcontainer.cgroups.device_filter import attach_filter, replace_filter
from libcontainer.cgroups.directories import words
from libcontainer.cgroups.values import Writer, read_value
from libcontainer.cgroups.writes import AnyOf, AtMost, Confirmed, DeviceFilter, Write
from libcontainer.errors import CgroupError


def write_limit(directory: str, write: Write, writer: Writer, *, live: bool) -> None:
    """Write a limit.

    Args:
        directory: of the cgroup, a host path.
        write: the limit.
        writer: writes values.
        live: whether the cgroup may have a device filter, to be replaced.

    Raises:
        CgroupError: the kernel refused it.
    """
    path = f"{directory}/{write.file}"
    try:
        if isinstance(write, DeviceFilter):
            (replace_filter if live else attach_filter)(directory, write)
        elif isinstance(write, AtMost):
            _check_at_most(path, write)
        elif isinstance(write, AnyOf):
            _write_any(directory, write, writer)
        else:
            writer.write(path, write.value)
            if isinstance(write, Confirmed):
                _confirm(path, write)
    except OSError as error:
        if isinstance(error, CgroupError):
            raise
        if write.optional and error.errno in {errno.ENOENT, errno.EOPNOTSUPP}:
            return
        raise CgroupError(
            error.errno or errno.EIO,
            f"write {write.value!r} to {path}",
            hint=_limit_hint(directory, write, error.errno),
        ) from error


def _write_any(directory: str, write: AnyOf, writer: Writer) -> None:
    missing = None
    written = False
    for one in (write, *write.others):
        try:
            writer.write(f"{directory}/{one.file}", one.value)
            written = True
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.EOPNOTSUPP}:
                raise
            missing = missing or error
    if missing is not None and not written:
        raise missing


def _check_at_most(path: str, write: AtMost) -> None:
    used = int(read_value(path))
    if used > int(write.value):
        what = f"rejecting {write.what} limit {write.value} < usage {used}"
        raise CgroupError(errno.EBUSY, what)


def _confirm(path: str, write: Confirmed) -> None:
    found = read_value(path).strip()
    if found != write.value:
        what = f"write {write.value!r} to {path}"
        raise CgroupError(errno.EINVAL, what, hint=f"the kernel says: {found}")


def _limit_hint(directory: str, write: Write, number: int | None) -> str | None:
    if number == errno.ENOENT:
        return _missing_hint(directory, write)
    if number == errno.EOPNOTSUPP and ".bfq." in write.file:
        return "weights of a single device need its scheduler to be bfq"
    if number == errno.EBUSY and write.controller == "memory":
        return "more memory is in use than the new limit"
    if number == errno.ERANGE and write.controller == "cpuset":
        return "the machine has no processors or nodes of such numbers"
    if number == errno.EACCES and write.controller == "cpuset":
        return "the parent cgroup does not have these processors or nodes"
    return None


def _missing_hint(directory: str, write: Write) -> str:
    file = f"{directory}/cgroup.controllers"
    if write.controller == "cgroup" or not os.path.exists(file):
        return f"this kernel has no {write.file} in the cgroup"
    if write.controller in words(file):
        return f"this kernel has no {write.file}"
    return (
        f"the {write.controller} controller is not given to this cgroup: one above has"
        " processes of its own, is not the caller's, or v1 has the controller"
    )
