# SPDX-License-Identifier: Apache-2.0
"""The root filesystem of the differential run, outside of pytest."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).resolve().parents[1] / "native" / "test_init.c"


def make_rootfs(rootfs: Path) -> None:
    """Make a root with busybox, users, and the program that tells what it sees."""
    for name in ("bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "var"):
        (rootfs / name).mkdir(parents=True)
    busybox = rootfs / "bin" / "busybox"
    shutil.copy(str(shutil.which("busybox")), busybox)
    for applet in ("sh", "true", "false"):
        (rootfs / "bin" / applet).symlink_to("busybox")
    users = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home:/bin/sh\n"
    (rootfs / "etc" / "passwd").write_text(users)
    (rootfs / "etc" / "group").write_text("root:x:0:\nuser:x:1000:\n")
    program = str(rootfs / "test_init")
    subprocess.run(["gcc", "-O1", "-static", "-o", program, _SOURCE], check=True)
