# SPDX-License-Identifier: Apache-2.0
"""Runs a bundle with each runtime and tells where they differ."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.conformance.cases import Case
from tests.oci_bundles import COMMAND, write

# crun refuses to run where v1 and v2 are mounted side by side: it sees v1 alone.
_HIDE_V2: Final = (
    *("unshare", "--mount", "sh", "-c"),
    'mount -t tmpfs none /sys/fs/cgroup/unified 2>/dev/null; exec "$@"',
)
RUNTIMES: Final[Mapping[str, tuple[str, ...]]] = {
    "ours": tuple(COMMAND),
    "runc": ("runc",),
    "crun": (*_HIDE_V2, "sh", "crun", "--cgroup-manager=disabled"),
}
_CAPS: Final = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")
# What a runtime does of its own accord, which no rule asks for or forbids.
_OWN_DEV: Final = frozenset({"core", "console"})
_OWN_WORDS: Final = frozenset({"relatime", "rw", "seclabel"})


def see(runtime: str, case: Case, bundle: Path, number: int) -> dict[str, Any]:
    """Return what comes of a bundle, from inside and from outside."""
    write(bundle, case.document)
    root, box = bundle / f"state-{runtime}", f"conform-{os.getpid()}-{number}-{runtime}"
    root.mkdir(mode=0o700, exist_ok=True)
    prefix = [*RUNTIMES[runtime], "--root", str(root)]
    done = subprocess.run(
        [*prefix, "run", "--bundle", str(bundle), box],
        # Nothing to read; crun would give /dev/null itself to the container's root.
        input=b"",
        capture_output=True,
        timeout=60,
        check=False,
    )
    state = subprocess.run([*prefix, "state", box], capture_output=True, check=False)
    if state.returncode == 0:
        subprocess.run([*prefix, "delete", "--force", box], check=False)
    linux = case.document.get("linux")
    masked = linux.get("maskedPaths", ()) if isinstance(linux, dict) else ()
    inside = _inside(done.stdout, masked)
    # The number by which a runtime says no is its own.
    status: object = done.returncode
    if done.returncode != 0 and "exit status" not in case.name:
        status, inside = "refused", None
    return {"status": status, "left": state.returncode == 0, **(inside or {})}


def _inside(output: bytes, masked: Sequence[str]) -> dict[str, Any] | None:
    try:
        found = json.loads(output)
    except ValueError:
        return None
    keys = (
        *("uid", "gid", "groups", "hostname", "domainname", "cwd", "umask", "args"),
        *("uid_map", "gid_map", "setgroups", "oom_score_adj", "securebits"),
        *("seccomp", "pdeathsig", "affinity"),
    )
    seen = {key: found.get(key) for key in keys}
    seen["groups"] = sorted(seen["groups"])
    seen |= {key: found["status"].get(key) for key in _CAPS}
    seen["rlimits"] = found["rlimits"]
    seen["env"] = sorted(found["env"])
    seen["fds"] = sorted(found["fds"])
    seen["new namespaces"] = sorted(
        kind
        for kind, number in found["namespaces"].items()
        if number != os.stat(f"/proc/self/ns/{kind}").st_ino
    )
    seen["mounts"] = _mounts(found["mountinfo"], masked)
    seen["dev"] = {
        name: [node[key] for key in ("type", "mode", "uid", "gid", "major", "minor")]
        for name, node in found["dev"].items()
        if name not in _OWN_DEV
    }
    return seen


def _mounts(lines: list[str], masked: Sequence[str]) -> dict[str, list[str]]:
    seen = {}
    for line in lines:
        before, _, after = line.partition(" - ")
        _, _, _, _, point, options, *tags = before.split()
        kind = after.split()[0]
        words = set(options.split(",")) - _OWN_WORDS
        if point in masked:
            kind, words, tags = "masked", set(), []
        peers = sorted({tag.partition(":")[0] for tag in tags})
        seen[point] = [kind, *sorted(words), *peers]
    return seen


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Return what two runtimes made differently, one line each."""
    found = []
    if first["status"] != second["status"]:
        return [f"status: {first['status']} / {second['status']}"]
    for key in first.keys() | second.keys():
        one, other = first.get(key), second.get(key)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            found += [
                f"{key} {name}: {one.get(name)} / {other.get(name)}"
                for name in sorted(one.keys() | other.keys())
                if one.get(name) != other.get(name)
            ]
        else:
            found.append(f"{key}: {one} / {other}")
    return sorted(found)
