# SPDX-License-Identifier: Apache-2.0
"""Runs a chain of CNI plugins: programs of others that set up a link.

A plugin gets its configuration on stdin and says what it has made on stdout.
Source: the Container Network Interface specification 1.0.0.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from libcontainer.config.network import Cni
from libcontainer.errors import NetworkError
from libcontainer.network._netlink import Netlink
from libcontainer.network.base import Context, Record

_SECONDS: Final = 60


class Strategy:
    """See `Cni`."""

    def record(self, network: Cni, container_id: str, number: int) -> Record:
        """Return all that the plugins are asked with."""
        # Of a root directory of its own, an id may be there twice on one host.
        digest = hashlib.sha256(f"{container_id}\0{number}".encode()).hexdigest()[:8]
        return {
            "conflist": network.conflist,
            "path": list(network.path),
            "inside": network.name,
            "args": [list(pair) for pair in network.args],
            "id": f"libcontainer-{digest}",
        }

    def connect(self, network: Cni, record: Record, context: Context) -> None:
        """Run ADD of each plugin, in order; each is told what the last has made."""
        result: Mapping[str, Any] | None = None
        for plugin in _chain(record):
            if result is not None:
                plugin["prevResult"] = result
            said = _run("ADD", plugin, record, f"/proc/{context.pid}/ns/net")
            result = said or result

    def disconnect(self, record: Record, host: Netlink, namespace: int | None) -> None:
        """Run DEL of each plugin, the last first; all of them even if one fails."""
        failures = []
        path = "" if namespace is None else f"/proc/{os.getpid()}/fd/{namespace}"
        for plugin in reversed(list(_chain(record))):
            try:
                _run("DEL", plugin, record, path)
            except NetworkError as error:
                # What is not there has made nothing.
                if error.errno != errno.ENOENT:
                    failures.append(error)
        if failures:
            raise failures[0]


def _chain(record: Record) -> Iterator[dict[str, Any]]:
    whole = json.loads(record["conflist"])
    common = {"name": whole["name"], "cniVersion": whole.get("cniVersion", "0.4.0")}
    for plugin in whole["plugins"]:
        yield {**plugin, **common}


def _run(
    verb: str, plugin: Mapping[str, Any], record: Record, namespace: str
) -> dict[str, Any] | None:
    kind = plugin["type"]
    what = f"run {verb} of the CNI plugin {kind!r}"
    program = _find(kind, record["path"], what)
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": record["id"],
        "CNI_NETNS": namespace,
        "CNI_IFNAME": record["inside"],
        "CNI_PATH": ":".join(record["path"]),
        "CNI_ARGS": ";".join(f"{key}={value}" for key, value in record["args"]),
    }
    try:
        done = subprocess.run(
            [program],
            env=environment,
            input=json.dumps(plugin).encode(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NetworkError(errno.ETIMEDOUT, what) from error
    if done.returncode:
        raise NetworkError(errno.EIO, what, hint=_reason(done.stdout, done.stderr))
    return json.loads(done.stdout) if done.stdout.strip() else None


def _find(kind: str, folders: Sequence[str], what: str) -> str:
    for folder in folders:
        path = f"{folder}/{kind}"
        if os.access(path, os.X_OK):
            return path
    hint = f"it is in none of {', '.join(folders)}"
    raise NetworkError(errno.ENOENT, what, hint=hint)


def _reason(out: bytes, err: bytes) -> str:
    try:
        said = json.loads(out)
        text = f"{said.get('msg', '')} {said.get('details', '')}".strip()
    except (ValueError, AttributeError):
        text = (out + err).decode(errors="replace").strip()
    return f"the plugin says: {text}"
