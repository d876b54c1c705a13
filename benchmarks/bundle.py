# SPDX-License-Identifier: Apache-2.0
"""The one rootfs and the OCI bundles that all contenders run."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contender import MissingError
from benchmarks.view import is_private, mount, unmount

PROGRAM = "/bin/true"

_CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
_SAFE = ["nosuid", "noexec", "nodev"]
_MASKED = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
]
_READ_ONLY = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
]


@dataclass(frozen=True)
class Bundle:
    """Where the files of one benchmark run are; all below one temporary directory."""

    directory: Path

    @property
    def rootfs(self) -> Path:
        """A busybox tree: /bin/true, /bin/sh and empty mount points."""
        return self.directory / "rootfs"

    @property
    def plain(self) -> Path:
        """An OCI bundle that asks for no cgroup."""
        return self.directory / "plain"

    @property
    def with_cgroup(self) -> Path:
        """The same with the cgroup mount and the device rules of `runc spec`."""
        return self.directory / "cgroup"

    def state(self, name: str) -> Path:
        """Return a directory for the state of the runtime `name`; made if missing."""
        path = self.directory / "state" / name
        path.mkdir(parents=True, exist_ok=True)
        return path


def _mount(
    destination: str, kind: str, source: str, options: list[str]
) -> dict[str, object]:
    return {
        "destination": destination,
        "type": kind,
        "source": source,
        "options": options,
    }


def _mounts(*, cgroup: bool) -> list[dict[str, object]]:
    devpts = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]
    mounts: list[dict[str, object]] = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        _mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            ["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        _mount("/dev/pts", "devpts", "devpts", devpts),
        _mount("/dev/shm", "tmpfs", "shm", [*_SAFE, "mode=1777", "size=65536k"]),
        _mount("/dev/mqueue", "mqueue", "mqueue", _SAFE),
        _mount("/sys", "sysfs", "sysfs", [*_SAFE, "ro"]),
    ]
    if cgroup:
        options = [*_SAFE, "relatime", "ro"]
        mounts.append(_mount("/sys/fs/cgroup", "cgroup", "cgroup", options))
    return mounts


def oci_config(rootfs: Path, *, cgroup: bool) -> dict[str, object]:
    """Return what `runc spec` writes, for `PROGRAM` without a terminal. Pure.

    Written out here so that every peer gets the same configuration whichever of
    them is installed.
    """
    kinds = ("bounding", "effective", "permitted", "ambient")
    linux: dict[str, object] = {
        "namespaces": [
            {"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")
        ],
        "maskedPaths": _MASKED,
        "readonlyPaths": _READ_ONLY,
    }
    if cgroup:
        linux["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": [PROGRAM],
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": dict.fromkeys(kinds, _CAPABILITIES),
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": str(rootfs), "readonly": True},
        "hostname": "bench",
        "mounts": _mounts(cgroup=cgroup),
        "linux": linux,
    }


def _make_rootfs(rootfs: Path, busybox: str) -> None:
    for name in ("bin", "dev", "etc", "proc", "root", "run", "sys", "tmp"):
        (rootfs / name).mkdir(parents=True)
    shutil.copy(busybox, rootfs / "bin" / "busybox")
    for name in ("true", "sh"):
        (rootfs / "bin" / name).symlink_to("busybox")
    (rootfs / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (rootfs / "etc" / "group").write_text("root:x:0:\n")


@contextmanager
def make_bundle() -> Iterator[Bundle]:
    """Make rootfs and bundles; remove everything at the end.

    Raises:
        MissingError: there is no busybox, of which the rootfs is made.
    """
    busybox = shutil.which("busybox")
    if busybox is None:
        raise MissingError("busybox is not installed (Debian: busybox-static)")
    with tempfile.TemporaryDirectory(prefix="libcontainer-bench-") as name:
        bundle = Bundle(Path(name))
        # Programs in a user namespace must reach the rootfs.
        bundle.directory.chmod(0o755)
        _make_rootfs(bundle.rootfs, busybox)
        for path, cgroup in ((bundle.plain, False), (bundle.with_cgroup, True)):
            path.mkdir()
            config = oci_config(bundle.rootfs, cgroup=cgroup)
            (path / "config.json").write_text(json.dumps(config))
        # Where a runtime keeps its state is a tmpfs on every host: so it is here.
        states = bundle.directory / "state"
        states.mkdir()
        covered = (states, Path("/run")) if is_private() else ()
        for path in covered:
            mount("none", path, "tmpfs")
        try:
            yield bundle
        finally:
            for path in covered:
                unmount(path)
