# SPDX-License-Identifier: Apache-2.0
"""Launch from many threads at once: nothing is shared that they could break."""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import libcontainer as lc

THREADS = 8
LAUNCHES = 64


def main() -> None:
    """Give every container another exit status and compare what comes back."""
    with tempfile.TemporaryDirectory() as root, lc.Factory(root) as factory:

        def launch(number: int) -> int:
            command = ["sh", "-c", f"exit {number}"]
            return int(lc.run(command, factory=factory, timeout=30).returncode)

        begun = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            codes = list(pool.map(launch, range(LAUNCHES)))
        seconds = time.perf_counter() - begun
    right = codes == list(range(LAUNCHES))
    print(f"{LAUNCHES} containers from {THREADS} threads, every status right: {right}")
    print(f"{LAUNCHES / seconds:.0f} containers a second")


if __name__ == "__main__":
    main()
