# SPDX-License-Identifier: Apache-2.0
"""``libcontainer check``: what of the host a container could use works here."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable

from libcontainer.commands.options import Arguments
from libcontainer.errors import LibcontainerError
from libcontainer.factory import is_rootless

_FAILED = 1
Row = tuple[str, bool, str]
"""What is looked at, whether it is there, and what is to be said of it."""


def check(arguments: Arguments) -> int:
    """Print a table; the status is 0 if a container can be run."""
    rows = [_look(name, look) for name, look in _LOOKS]
    if arguments.format == "json":
        keys = ("name", "works", "detail")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows]))
    else:
        for name, works, detail in rows:
            print(f"{name:20} {'yes' if works else 'no':4} {detail}".rstrip())
    return 0 if {name: works for name, works, _ in rows}["container"] else _FAILED


def _look(name: str, look: Callable[[], tuple[bool, str]]) -> Row:
    try:
        return (name, *look())
    except (OSError, LibcontainerError) as error:
        return (name, False, str(error).partition("\n")[0])


def _kernel() -> tuple[bool, str]:
    return True, f"Linux {os.uname().release}, {os.uname().machine}"


def _caller() -> tuple[bool, str]:
    return not is_rootless(), "root" if not is_rootless() else "rootless"


def _container() -> tuple[bool, str]:
    from libcontainer.api import run  # noqa: PLC0415 - the whole library

    done = run(["true"], capture_output=True)
    return done.returncode == 0, "a program ran in one on the host's own root"


def _user_namespace() -> tuple[bool, str]:
    path = "/proc/sys/user/max_user_namespaces"
    with open(path) as file:
        limit = file.read().strip()
    return limit != "0", f"{path} is {limit}"


def _sub_ids() -> tuple[bool, str]:
    from libcontainer.host.subids import subid_mappings  # noqa: PLC0415

    uids, gids = subid_mappings()
    count = min(sum(m.size for m in uids), sum(m.size for m in gids))
    return count > 1, f"{count} ids for a user namespace"


def _id_tools() -> tuple[bool, str]:
    missing = [name for name in ("newuidmap", "newgidmap") if not shutil.which(name)]
    return not missing, f"missing: {', '.join(missing)}" if missing else ""


def _cgroups() -> tuple[bool, str]:
    from libcontainer.cgroups.hierarchy import read_hierarchies  # noqa: PLC0415

    found = read_hierarchies()
    names = [hierarchy.name for hierarchy in found.v1]
    if found.unified is not None:
        with open(f"{found.unified.mount_point}/cgroup.controllers") as file:
            names.append(f"v2 ({file.read().strip()})")
    return found.mode.value != "none", f"{found.mode.value}: {' '.join(names)}"


def _overlay() -> tuple[bool, str]:
    with open("/proc/filesystems") as file:
        return "overlay" in file.read().split(), ""


def _seccomp() -> tuple[bool, str]:
    from libcontainer.bindings.seccomp import get_action_avail  # noqa: PLC0415

    notify = 0x7FC00000
    return get_action_avail(notify), "filters, with notifications"


def _security(name: str) -> Callable[[], tuple[bool, str]]:
    def look() -> tuple[bool, str]:
        from libcontainer.host.security import read_security  # noqa: PLC0415

        found = getattr(read_security(), name)
        return bool(found), f"ABI {found}" if name == "landlock_abi" and found else ""

    return look


def _exit_status() -> tuple[bool, str]:
    from libcontainer.bindings.pidfd import pidfd_get_info  # noqa: PLC0415

    pidfd = os.pidfd_open(os.getpid())
    try:
        pidfd_get_info(pidfd)
    finally:
        os.close(pidfd)
    return True, "of processes that another has reaped"


_LOOKS: tuple[tuple[str, Callable[[], tuple[bool, str]]], ...] = (
    ("kernel", _kernel),
    ("root", _caller),
    ("container", _container),
    ("user namespaces", _user_namespace),
    ("subordinate ids", _sub_ids),
    ("id map tools", _id_tools),
    ("cgroups", _cgroups),
    ("overlay", _overlay),
    ("seccomp", _seccomp),
    ("apparmor", _security("apparmor")),
    ("selinux", _security("selinux")),
    ("landlock", _security("landlock_abi")),
    ("exit status", _exit_status),
)
