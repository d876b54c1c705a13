# SPDX-License-Identifier: Apache-2.0
"""What `./dev demo` runs: one container, every step it took, and the time."""

from __future__ import annotations

import statistics
import tempfile
import time

import libcontainer as lc

SCRIPT = 'echo "I am $(id -un) on $(hostname), pid $$, with:"; cat /proc/[0-9]*/comm'


def launch(factory: lc.Factory, config: lc.Config) -> dict[str, float]:
    """Launch /bin/true and return the milliseconds of each part."""
    marks = [time.perf_counter()]
    container = factory.create("timed", config)
    marks.append(time.perf_counter())
    init = container.run(lc.Process(["/bin/true"]))
    marks.append(time.perf_counter())
    init.wait()
    marks.append(time.perf_counter())
    container.delete()
    marks.append(time.perf_counter())
    parts = zip(("create", "run", "wait", "delete"), marks, marks[1:], strict=False)
    return {name: (end - begin) * 1000 for name, begin, end in parts}


def main() -> None:
    """Explain, run and time a container on the host's own root, copy-on-write."""
    config = lc.Config(rootfs=lc.Overlay("/"), hostname="box")
    process = lc.Process(["sh", "-c", SCRIPT])
    with tempfile.TemporaryDirectory() as root, lc.Factory(root) as factory:
        with factory.create("demo", config) as container:
            print("The plan, before anything is done:\n")
            print(container.explain(process))
            print("The program, in the container:\n", flush=True)
            status = container.run(process).wait(30)
            print(f"\nIt ended: {status}. The container is gone.\n")
        rounds = [launch(factory, config) for _ in range(30)]
    print("The median of 30 launches of /bin/true, in milliseconds:\n")
    for name in rounds[0]:
        print(f"  {name:8} {statistics.median(r[name] for r in rounds):6.2f}")
    total = statistics.median(sum(r.values()) for r in rounds)
    print(f"  {'total':8} {total:6.2f}")


if __name__ == "__main__":
    main()
