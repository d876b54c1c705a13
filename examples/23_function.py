# SPDX-License-Identifier: Apache-2.0
"""A Python function in a container: it is called as any other."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import libcontainer as lc

GREETING = "hello"


@lc.contained(hostname="box", memory="128M", network="none", timeout=20)
def careful(numbers: list[int]) -> dict[str, object]:
    """Compute something, and look around."""
    try:
        with socket.create_connection(("192.0.2.1", 80), timeout=1):
            network = "there is a network"
    except OSError:
        network = "there is no network"
    Path("/etc/hostname").write_text("only here")
    return {
        "sum": sum(numbers),
        "where": f"{GREETING} from {os.uname().nodename}, pid {os.getpid()}",
        "network": network,
    }


def main() -> None:
    """Call it; let it fail."""
    for key, value in careful([1, 2, 39]).items():
        print(f"{key}: {value}")
    print("the host's file is as it was:", "only here" not in _own_file())
    try:
        careful(["text"])  # type: ignore[list-item]
    except TypeError as error:
        print("raised there, caught here:", error)


def _own_file() -> str:
    path = Path("/etc/hostname")
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    main()
