# SPDX-License-Identifier: Apache-2.0
"""A pool: containers that wait, set up, and are handed out at once."""

from __future__ import annotations

import time

import libcontainer as lc


def milliseconds(begun: float) -> str:
    """Return the time since then."""
    return f"{(time.perf_counter() - begun) * 1000:.1f} ms"


def main() -> None:
    """Launch one container cold, take others from a pool."""
    shell = lc.Process(["sh"], stdin=lc.PIPE, stdout=lc.PIPE)
    lc.run(["true"])  # what is made once by a program
    begun = time.perf_counter()
    lc.run(["true"])
    print("cold:", milliseconds(begun))
    with lc.Pool(lc.Config(hostname="pooled"), shell, size=3) as pool:
        while pool.ready < pool.size:
            time.sleep(0.01)
        begun = time.perf_counter()
        with pool.take() as container:
            print("warm:", milliseconds(begun))
            out, _ = container.init.communicate(b"echo this is $(hostname)\n")
            print(out.decode().strip())
        done = pool.run(b"exit 7\n", timeout=5)
        print("one after the other:", done.returncode)


if __name__ == "__main__":
    main()
