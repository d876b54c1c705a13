# SPDX-License-Identifier: Apache-2.0
"""Write docs/explain/order.md: every step of a launch, from the code itself."""

from __future__ import annotations

from pathlib import Path

import libcontainer as lc
from libcontainer.plan import Facts, Identity, compile_create, explain, merge
from libcontainer.plan.stages import STAGES

PAGE = Path(__file__).resolve().parent / "explain" / "order.md"

HEAD = """\
# The order of a launch

Generated from `src/libcontainer/plan` by `./dev docs`.

Set-up is a dialogue between the calling process (`host`) and the container's first
process (`init`). The stages come in this order, for these reasons:

| stage | why it stands there |
|---|---|
"""

SAMPLE = """
## A whole plan

This is what `print(container.explain(process))` says for a container with one bind
mount, an ordinary user and a network namespace; no step of it is taken to print it. A
barrier is where init waits for the host.

```
"""


def _sample() -> str:
    config = lc.Config(
        rootfs="/srv/rootfs",
        hostname="box",
        mounts=[lc.Mount.bind("/srv/data", "/data", read_only=True)],
        user="1000:1000",
    )
    process = lc.Process(["/bin/sh", "-c", "id"])
    identity = Identity(uid=1000, gid=1000, groups=(), home="/home/user")
    facts = Facts(euid=0, egid=0, privileged=True, template=True)
    settings = merge(config, process, identity)
    return explain(compile_create(config, settings, facts, gate=False))


def render() -> str:
    """Return the page."""
    lines = [HEAD.rstrip("\n")]
    lines += [f"| {name} | {why} |" for name, why in STAGES.items()]
    return "\n".join(lines) + "\n" + SAMPLE + _sample().rstrip("\n") + "\n```\n"


def write() -> None:
    """Write the page."""
    PAGE.write_text(render(), encoding="utf-8")
