# SPDX-License-Identifier: Apache-2.0
"""K: what /proc and /sys tell of the host, and take from the container."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import libcontainer as lc
from tests.attacks.conftest import Attempt

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")

_KNOBS = [
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/panic",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/fs/binfmt_misc/register",
    "/proc/sysrq-trigger",
    "/proc/irq/0/smp_affinity",
    "/proc/bus/pci/devices",
    "/sys/kernel/uevent_helper",
    "/sys/kernel/mm/ksm/run",
    "/sys/module/kernel/parameters/panic",
    "/sys/power/state",
]
_SECRETS = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
]
_EVERYTHING = ["SYS_ADMIN", "SYS_RAWIO", "DAC_OVERRIDE", "NET_ADMIN"]


def _present(paths: list[str]) -> list[str]:
    return [path for path in paths if os.path.exists(path)]


@pytest.mark.parametrize("capabilities", [None, _EVERYTHING], ids=["default", "more"])
def test_k01_the_kernels_knobs_cannot_be_turned(
    attempt: Attempt, capabilities: list[str] | None
) -> None:
    wishes = {} if capabilities is None else {"capabilities": capabilities}
    knobs = _present(_KNOBS)
    assert "/proc/sys/kernel/core_pattern" in knobs
    probes = json.loads(attempt("/test_init", "--probe", *knobs, **wishes).out)[
        "probes"
    ]
    for path in knobs:
        # Opened for writing only: nothing is ever written.
        assert probes[path]["write"] in {"EROFS", "EACCES", "EPERM", "ENOENT"}, path


def test_k01_control(attempt: Attempt) -> None:
    probe = "/proc/sys/kernel/core_pattern"
    done = attempt("/test_init", "--probe", probe, readonly_paths=[])
    assert json.loads(done.out)["probes"][probe]["write"] is None


def test_k02_what_tells_of_the_host_is_empty(attempt: Attempt) -> None:
    masked = _present(_SECRETS)
    assert {"/proc/keys", "/proc/interrupts", "/sys/firmware"} <= set(masked)
    script = "for p; do test -d $p && busybox find $p -mindepth 1 || cat $p; done"
    done = attempt("sh", "-c", script, "sh", *masked)
    assert (done.error, done.out) == (None, "")


def test_k02_control(attempt: Attempt) -> None:
    assert "CPU0" in attempt("cat", "/proc/interrupts", masked_paths=[]).out


def test_k02_the_masks_lie_on_the_procfs_itself(attempt: Attempt) -> None:
    """Whatever becomes of the name /proc, they stay with it."""
    mounts = json.loads(attempt("/test_init").out)["mountinfo"]
    rows = [line.split() for line in mounts]
    ids = {row[4]: row[0] for row in rows}
    parents = {row[4]: row[1] for row in rows}
    for path in _present(_SECRETS) + _present(["/proc/sys", "/proc/sysrq-trigger"]):
        assert parents[path] == ids["/" + path.split("/")[1]], path


@pytest.mark.parametrize("kind", ["debugfs", "tracefs", "securityfs", "bpf"])
def test_k07_a_filesystem_of_the_whole_kernel_cannot_be_asked_for(
    attempt: Attempt, kind: str
) -> None:
    done = attempt("true", mounts=[lc.Mount(destination="/mnt", type=kind)])
    assert isinstance(done.error, lc.ConfigError)


def test_k02_no_mask_can_be_taken_off(attempt: Attempt, image: Path) -> None:
    script = (
        "busybox umount /proc/keys; busybox umount -l /proc/sys;"
        " mount -o remount,rw /sys; echo $?; cat /proc/keys; busybox umount /proc"
    )
    done = attempt("sh", "-c", script)
    lines = done.out.splitlines()
    assert "0" not in lines
    assert len([line for line in lines if "not permitted" in line]) >= 3, done.out
