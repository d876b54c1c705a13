# SPDX-License-Identifier: Apache-2.0
"""Ray's own sandbox calls: run by ``test_ray_sandbox.py``, prints JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import ray
from ray.cluster_utils import Cluster
from ray.experimental import sandbox

import libcontainer as lc
from libcontainer.contrib.ray_sandbox import use

MIB = 1 << 20
COUNT = 6


def main() -> None:
    """Sandboxes on two nodes."""
    image = sys.argv[1]
    seen: dict[str, Any] = {}
    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    for _ in range(2):
        cluster.add_node(num_cpus=COUNT)
    hook = {"worker_process_setup_hook": use}
    ray.init(address=cluster.address, log_to_driver=False, runtime_env=hook)
    made = [
        sandbox.create(
            image, cpu=1, memory=f"{64 * MIB}", workdir="/work", env={"A": "b"}
        )
        for _ in range(COUNT)
    ]
    asked = [
        one.exec.remote(f"echo $(({n} * {n})) $A", shell="/bin/sh")
        for n, one in enumerate(made)
    ]
    seen["said"] = [done.stdout for done in ray.get(asked, timeout=120)]
    one = made[0]

    def said(*command: str, **wishes: Any) -> list[Any]:
        done = ray.get(one.exec.remote(list(command), **wishes))
        return [done.exit_code, done.stdout, done.stderr]

    seen["status"] = ray.get(one.get_status.remote()).value
    seen["cwd"] = said("pwd")
    seen["read_only"] = said("touch", "/bin/x")
    seen["fails"] = said("sh", "-c", "echo err >&2; exit 9")
    ray.get(one.write_file.remote("deep/er/file", "one\n"))
    ray.get(one.write_file.remote("/tmp/two", b"two\n"))
    seen["files"] = said("cat", "/work/deep/er/file", "/tmp/two")
    seen["read"] = ray.get(one.read_file.remote("deep/er/file")).decode()
    seen["links"] = said("ls", "/sys/class/net")
    eats = "head -c 200000000 /dev/zero | tail -c 199999999 >/dev/null"
    seen["eaten"] = said("sh", "-c", eats)[0]
    for name, call in (
        ("slow", one.exec.remote(["sleep", "50"], timeout=0.5)),
        ("missing", one.exec.remote(["/none"])),
        ("unread", one.read_file.remote("/none")),
        (
            "gvisors",
            sandbox.create(
                image, network="public", dns=["1.1.1.1"]
            ).get_status.remote(),
        ),
    ):
        try:
            ray.get(call)
        except Exception as error:
            seen[name] = type(getattr(error, "cause", error)).__name__
            seen[f"{name}_text"] = str(error)[-300:]
    for each in made:
        ray.get(each.delete.remote())
    with lc.Factory() as factory:
        seen["left"] = [box.id for box in factory.list()]
    ray.shutdown()
    cluster.shutdown()
    json.dump(seen, sys.stdout)


if __name__ == "__main__":
    main()
