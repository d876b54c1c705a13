# SPDX-License-Identifier: Apache-2.0
"""What of a container's word reaches the service manager."""

from __future__ import annotations

import pytest

from libcontainer.host.notify import translate


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"READY=1", b"READY=1\nMAINPID=77"),
        (b"READY=1\n", b"READY=1\nMAINPID=77"),
        (b"READY=1\nMAINPID=5\nSTATUS=up", b"READY=1\nSTATUS=up\nMAINPID=77"),
        (b"MAINPID=1", b"MAINPID=77"),
        (b"STATUS=50 %", b"STATUS=50 %"),
        (b"RELOADING=1\nMONOTONIC_USEC=7", b"RELOADING=1\nMONOTONIC_USEC=7"),
        (b"STOPPING=1", b"STOPPING=1"),
        (b"WATCHDOG=1", b"WATCHDOG=1"),
        (b"ERRNO=2\nBUSERROR=x", b"ERRNO=2\nBUSERROR=x"),
        (b"BARRIER=1", b""),
        (b"FDSTORE=1\nFDNAME=x", b""),
        (b"WATCHDOG_USEC=1", b""),
        (b"STATUS=\x1b[31m", b""),
        (b"READY", b""),
        (b"", b""),
        (b"\xff\xfe=1", b""),
    ],
)
def test_only_what_is_about_the_container_is_told(said: bytes, told: bytes) -> None:
    assert translate(said, 77) == told
