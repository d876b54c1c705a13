# SPDX-License-Identifier: Apache-2.0
"""Random configurations are not only compiled but run, for real."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from typing import Any

import libcontainer as lc
from tests.campaigns.arena import build_rootfs
from tests.campaigns.isolation import alone
from tests.campaigns.loads import Place

_NAMESPACES = ("ipc", "network", "pid", "uts", "cgroup", "time", "user")
_PATHS = ("/mnt", "/mnt/a/b", "/etc", "/tmp/x", "/dev/x", "/srv/y", "/new", "/opt")
_SYSCTLS = {"net.ipv4.ip_forward": "network", "kernel.msgmax": "ipc",
            "kernel.core_pattern": "mount"}  # fmt: skip
_NEEDS = {"hostname": "uts", "loopback": "network", "time_offsets": "time"}


def alone_if_root(module: str, arguments: list[str]) -> int | None:
    """Isolate where launches are for real; see `isolation.alone`."""
    return alone(module, arguments) if os.geteuid() == 0 else None


def wishes(chance: random.Random, rootfs: Path) -> dict[str, Any]:
    """Return keywords for a configuration."""

    def often(odds: float) -> bool:
        return chance.random() < odds

    kinds = {"mount", *(kind for kind in _NAMESPACES if often(0.6))}
    made: dict[str, Any] = {"namespaces": sorted(kinds)}
    made["rootfs"] = lc.Overlay(str(rootfs))
    if "user" in kinds:
        size = chance.choice((1, 1000, 65536))
        maps = [lc.IdMapping(0, chance.choice((0, 100000)), size)]
        made["uid_mappings"] = made["gid_mappings"] = maps
    options: dict[str, Any] = {
        "readonly_rootfs": often(0.5),
        "hostname": chance.choice((None, "box", "b" * 64)),
        "no_new_privs": often(0.5),
        "init": often(0.5),
        "user": chance.choice(("0:0", "1000:1000", "root", "nobody")),
        "cwd": chance.choice(("/", "/tmp", "/new/dir")),
        "umask": chance.choice((0o22, 0o77, 0)),
        "seccomp": lc.Seccomp.default(),
        "loopback": often(0.5),
        "mounts": [_mount(chance, rootfs) for _ in range(chance.randrange(4))],
        "masked_paths": chance.sample(_PATHS, chance.randrange(3)),
        "readonly_paths": chance.sample(_PATHS, chance.randrange(3)),
        "sysctl": {
            name: "1" for name, kind in _SYSCTLS.items() if kind in kinds and often(0.2)
        },
        "resources": lc.Resources(pids=chance.choice((1, 2, 20, 1000))),
        "landlock": lc.Landlock.filesystem(read_write=["/"], abi=1),
        "time_offsets": {"boottime": chance.randrange(-100, 100)},
    }
    for name in chance.sample(sorted(options), chance.randrange(len(options))):
        # One in ten is as wrong as can be.
        if often(0.1) or _NEEDS.get(name, "mount") in kinds:
            made[name] = options[name]
    return made


def _mount(chance: random.Random, rootfs: Path) -> lc.Mount:
    where = chance.choice(_PATHS)
    if chance.random() < 0.5:
        return lc.Mount.tmpfs(where)
    return lc.Mount.bind(str(rootfs / chance.choice(("bin", "etc", "etc/passwd"))),
                         where, read_only=chance.random() < 0.5)  # fmt: skip


def launches(count: int, seed: int) -> tuple[int, dict[str, int], list[str]]:
    """Launch so many random configurations; each ends, or is refused with a reason."""
    chance = random.Random(seed)
    answers: dict[str, int] = {}
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="lc-campaign-") as folder:
        base = Path(folder)
        place = Place(base / "state", build_rootfs(base))
        with lc.Factory(place.root) as factory:
            for _ in range(3):
                place.run_one(factory, "warm", 0)
            before = place.inventory()
            for number in range(count):
                answer = _launch(factory, wishes(chance, place.rootfs))
                answers[answer] = answers.get(answer, 0) + 1
                if answer.startswith("raised"):
                    wrong.append(f"launch {number} of seed {seed}: {answer}")
            wrong += place.left(before)
    return count, answers, wrong


def _launch(factory: lc.Factory, wanted: dict[str, Any]) -> str:
    process = lc.Process(["/test_init"], stdin=lc.DEVNULL, stdout=lc.DEVNULL,
                         stderr=lc.DEVNULL)  # fmt: skip
    try:
        with (
            factory.create("random", lc.Config(**wanted)) as container,
            container.run(process) as handle,
        ):
            status = handle.wait(10)
    except (lc.ConfigError, lc.UnsupportedError):
        return "refused"
    except lc.StepError as error:
        return f"{error.errno}" if error.title else "raised without a step"
    except (lc.ProgramError, lc.UserLookupError, lc.CgroupError) as error:
        return type(error).__name__
    except Exception as error:
        return f"raised {type(error).__name__}: {error}"[:300]
    return "ran" if status.code == 0 else f"ended with {status.returncode}"
