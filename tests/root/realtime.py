# SPDX-License-Identifier: Apache-2.0
"""What a cgroup of v1 needs for processes that run in real time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.cgroups.hierarchy import read_hierarchies

RUNTIME = 10_000
"""Microseconds of each second."""


def real_time() -> lc.Resources:
    """Return the limits of a container that runs something in real time.

    Where the kernel shares real time out by group, a new one has none of it, and no
    more than is left of its parent's: the test is skipped where others have that.
    """
    cpu = [h for h in read_hierarchies().v1 if "cpu" in h.name.split(",")]
    own = Path(f"{cpu[0].mount_point}{cpu[0].own}") if cpu else Path("/nowhere")
    if not (own / "cpu.rt_runtime_us").exists():
        return lc.Resources()
    probe = own / f"lc-probe-{os.getpid()}"
    probe.mkdir()
    try:
        (probe / "cpu.rt_runtime_us").write_text(str(RUNTIME))
    except OSError:
        pytest.skip("others have all the real time of this cgroup")
    finally:
        probe.rmdir()
    return lc.Resources(cpu_realtime_runtime=RUNTIME)
