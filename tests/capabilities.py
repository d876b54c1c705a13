# SPDX-License-Identifier: Apache-2.0
"""What this machine lets a test do, one word each for the ``needs`` marker.

Every check returns None if the machine has it, else the reason why not.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from libcontainer.bindings.pidfd import pidfd_get_info
from libcontainer.security import apparmor, selinux

UNPRIVILEGED_ID = 20001


def _root() -> str | None:
    if os.geteuid() != 0:
        return "not root"
    done = subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else f"root cannot unshare: {done.stderr}"


def _userns() -> str | None:
    command = ["unshare", "--user", "--map-root-user", "true"]
    if os.geteuid() == 0:
        command = [*as_unprivileged(), *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return f"unprivileged user namespaces do not work: {done.stderr.strip()}"


def _subids() -> str | None:
    if missing := _programs("newuidmap", "newgidmap"):
        return missing
    return None if os.geteuid() == 0 else "sub-id ranges are only set up as root"


def _rootfs() -> str | None:
    busybox = shutil.which("busybox")
    if busybox is None:
        return "busybox is missing: apt-get install busybox-static"
    with open(busybox, "rb") as file:
        # A dynamic program names its loader in the first page.
        if b"/ld-" in file.read(4096):
            return "busybox is not static: apt-get install busybox-static"
    return None


def _network() -> str | None:
    names = set(os.listdir("/sys/class/net")) if Path("/sys/class/net").is_dir() else ()
    return None if "lo" in names else "no network links are visible"


def _cgroup(kind: str) -> str | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.partition(" - ")[2].startswith(f"{kind} "):
            return None
    return f"no {kind} hierarchy is mounted"


def _controllers() -> str | None:
    """Tell whether v2 has the controllers, not v1 and not nobody."""
    try:
        found = Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    except OSError:
        found = []
    wanted = {"memory", "cpu", "pids", "io", "cpuset"}
    return None if wanted <= set(found) else "v1 has the controllers: ./dev vm cgroup2"


def _systemd() -> str | None:
    if not Path("/run/systemd/system").is_dir():
        return "not booted with systemd: ./dev vm systemd"
    return None


def _hybrid() -> str | None:
    return _cgroup("cgroup") or _cgroup("cgroup2")


def _peers() -> str | None:
    if shutil.which("runc") or shutil.which("crun"):
        return None
    return "neither runc nor crun is installed"


def _apparmor() -> str | None:
    if not apparmor.is_enabled():
        return "the kernel has no AppArmor: tests/vm/run.sh apparmor"
    return _programs("apparmor_parser")


def _selinux() -> str | None:
    if selinux.is_enabled():
        return None
    return "the kernel has no SELinux: tests/vm/run.sh selinux"


def _exit_info() -> str | None:
    child = subprocess.Popen(["true"])
    pidfd = os.pidfd_open(child.pid)
    try:
        child.wait()
        known = pidfd_get_info(pidfd).exit_code is not None
    except OSError:
        known = False
    finally:
        os.close(pidfd)
    return None if known else "who did not reap cannot know the status before 6.15"


def _programs(*names: str) -> str | None:
    missing = [name for name in names if shutil.which(name) is None]
    return f"missing programs: {', '.join(missing)}" if missing else None


def _cni() -> str | None:
    found = all(Path(f"/usr/lib/cni/{name}").exists() for name in ("bridge", "tuning"))
    return None if found else "not in /usr/lib/cni: bridge, tuning"


CHECKS: dict[str, Callable[[], str | None]] = {
    "root": _root,
    "userns": _userns,
    "subids": _subids,
    "rootfs": _rootfs,
    "network": _network,
    "exit_info": _exit_info,
    "apparmor": _apparmor,
    "selinux": _selinux,
    "cgroup1": lambda: _cgroup("cgroup"),
    "cgroup2": lambda: _cgroup("cgroup2"),
    "controllers2": _controllers,
    "hybrid": _hybrid,
    "systemd": _systemd,
    "peers": _peers,
    "compiler": lambda: _programs("gcc"),
    "debian": lambda: _programs("mmdebstrap"),
    "nft": lambda: _programs("nft"),
    "cni": _cni,
    "strace": lambda: _programs("strace"),
}


@functools.cache
def lacking(word: str) -> str | None:
    """Return why *word* is not to be had here, or None if it is.

    Raises:
        KeyError: no check of that name exists.
    """
    return CHECKS[word]()


def as_unprivileged() -> list[str]:
    """Return the command prefix that runs a program as an ordinary user."""
    number = str(UNPRIVILEGED_ID)
    return ["setpriv", "--reuid", number, "--regid", number, "--clear-groups"]
