# SPDX-License-Identifier: Apache-2.0
"""Ray: actors that own containers, with Ray's resources as their limits; as root."""

from __future__ import annotations

import ray

from libcontainer.contrib.ray import Box


def main() -> None:
    """Two boxes, a command in each, and one that takes too much."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    kind = ray.remote(Box).options(num_cpus=1, memory=64 << 20)
    boxes = [kind.remote(network="none", hostname=f"box-{n}") for n in range(2)]
    for done in ray.get([box.run.remote(["hostname"]) for box in boxes]):
        print(done.stdout.decode(), end="")
    eats = "head -c 200000000 /dev/zero | tail -c 199999999 >/dev/null"
    done = ray.get(boxes[0].run.remote(["sh", "-c", eats]))
    print(
        "ate too much:", done.returncode, ray.get(boxes[0].stats.remote())["oom_kills"]
    )
    ray.get([box.close.remote() for box in boxes])
    ray.shutdown()


if __name__ == "__main__":
    main()
