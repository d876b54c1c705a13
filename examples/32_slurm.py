# SPDX-License-Identifier: Apache-2.0
"""Slurm: a cluster of one node in a container, its job in another; as root."""

from __future__ import annotations

import sys
from pathlib import Path

import libcontainer as lc

OURS = Path(sys.executable).with_name("libcontainer")
CONF = Path(__file__).resolve().with_name("slurm")
# Containers in a container: nothing of /proc is hidden, and there are cgroups.
NODE = lc.Config(
    hostname="node",
    init=True,
    mounts=[
        lc.Mount.bind(str(CONF), "/etc/slurm"),
        *(lc.Mount.tmpfs(folder) for folder in ("/run", "/var/spool", "/srv")),
        lc.Mount.from_options("cgroup", "cgroup", "/sys/fs/cgroup", ["rw"]),
    ],
    masked_paths=(),
    readonly_paths=(),
    no_new_privs=False,
    capabilities=[*lc.Config().capabilities.bounding, "SYS_ADMIN", "NET_ADMIN"],
)
# Slurm believes in no address if the machine has only 127.0.0.1.
START = f"""
ip addr add 10.0.0.1/32 dev lo
echo '127.0.0.1 localhost node' >/etc/hosts
printf 'passwd: files\\ngroup: files\\nhosts: files\\n' >/etc/nsswitch.conf
ln -sf {OURS} /usr/local/bin/libcontainer
cp /etc/slurm/slurm-container /usr/local/bin/
mkdir -p /run/munge /var/log/slurm /var/spool/slurmctld
head -c 128 /dev/urandom >/run/munge/key
chmod 400 /run/munge/key
munged --force --key-file /run/munge/key --log-file /run/munge/log
slurmctld
slurmd -N node
until sinfo -h -o %t | grep -q idle; do sleep 0.1; done
"""
BUNDLE = """
mkdir -p /srv/box/rootfs/bin
cp "$(command -v busybox)" /srv/box/rootfs/bin/sh
libcontainer spec --bundle /srv/box
"""


def main() -> None:
    """Start the node, run a job on it."""
    with lc.Factory() as factory, factory.create("slurm", NODE) as node:
        node.run(lc.Process(["sleep", "infinity"]))
        job = "srun --container=/srv/box sh -c 'echo job $SLURM_JOB_ID is pid $$'"
        script = lc.Process(["sh", "-ec", START + BUNDLE + job], stderr=sys.stderr)
        print("srun ended with", node.exec(script).wait().code)


if __name__ == "__main__":
    main()
