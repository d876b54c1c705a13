# SPDX-License-Identifier: Apache-2.0
"""What a preset leaves to a program, seen from inside."""

from __future__ import annotations

from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer import presets
from libcontainer.config import CAPABILITY_NUMBERS

pytestmark = pytest.mark.needs("root", "rootfs")

SCRIPT = """
awk '/^CapEff/ { print $2 }' /proc/self/status
ulimit -n
chmod 700 /root 2> /dev/null && echo chmod
chown 1:1 /tmp 2> /dev/null && echo chown
chroot / true 2> /dev/null && echo chroot
mount -t tmpfs x /tmp 2> /dev/null && echo mount
[ -s /proc/timer_list ] && echo timers
exit 0
"""


@pytest.mark.parametrize(
    ("name", "can"),
    [
        ("high", []),
        ("medium", ["chmod", "chown"]),
        ("low", ["chmod", "chown", "chroot"]),
    ],
)
def test_a_preset_is_what_the_program_can_do(
    factory: lc.Factory, busybox_rootfs: Path, name: str, can: list[str]
) -> None:
    config = presets.apply(lc.Config(rootfs=lc.Overlay(str(busybox_rootfs))), name)
    done = lc.run(
        ["sh", "-c", SCRIPT],
        config=config,
        factory=factory,
        capture_output=True,
        text=True,
    )
    effective, files, *found = done.stdout.splitlines()
    names = presets.PRESETS[name].capabilities.effective
    assert int(effective, 16) == sum(1 << CAPABILITY_NUMBERS[n] for n in names)
    assert files == "1024"
    assert found == can, done.stderr
