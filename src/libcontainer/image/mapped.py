# SPDX-License-Identifier: Apache-2.0
"""Unpacks and removes layers with their owners, for a caller without privilege."""

from __future__ import annotations

import json
import sys
from typing import Any

from attrs import asdict

from libcontainer.config import Config
from libcontainer.errors import ImageError, UnsupportedError
from libcontainer.host.subids import subid_mappings
from libcontainer.image.digests import Readable
from libcontainer.image.unpack import Policy
from libcontainer.launches.engine import Engine
from libcontainer.launches.live import run_mapped
from libcontainer.process import PIPE, Process

_START = (
    "import sys, json; sys.path[:] = json.loads(sys.argv.pop(2));"
    " from libcontainer.image.worker import main; main()"
)
_CHUNK = 1 << 20


def unpack_mapped(
    blob: Readable,
    path: str,
    expected: tuple[str | None, str | None, int | None],
    policy: Policy,
) -> str:
    """Unpack a layer as `read_layer` does, by a process that is root of the user's ids.

    Args:
        blob: the archive, compressed or not.
        path: the directory, a host path.
        expected: digest of the archive, digest and size of the blob, each or None.
        policy: what is taken.

    Raises:
        ImageError: it is broken, or not what was expected.
        UnsupportedError: the user has no ids in /etc/subuid and /etc/subgid.
    """
    order = {
        "verb": "unpack",
        "path": path,
        "expected": expected,
        "policy": asdict(policy),
    }
    return str(_ask(order, blob)["digest"])


def remove_mapped(path: str, names: list[str]) -> None:
    """Remove entries of a directory, whoever of the user's ids they belong to.

    Raises:
        ImageError: something cannot be removed.
    """
    _ask({"verb": "remove", "path": path, "names": names}, None)


def _ask(order: dict[str, Any], blob: Readable | None) -> dict[str, Any]:
    words = [sys.executable, "-I", "-c", _START]
    # The modules of this very program, wherever they are.
    words += [json.dumps(order), json.dumps(sys.path)]
    process = Process(words, env={}, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    engine = Engine()
    try:
        with run_mapped(engine, _config(), process) as worker:
            if blob is not None and worker.stdin is not None:
                _feed(blob, worker.stdin)
            out, err = worker.communicate()
            status = worker.wait()
    finally:
        engine.close()
    if status.code != 0 or not out:
        text = (err or b"").decode("utf-8", "replace").strip()[-500:]
        message = f"the process that unpacks has failed: {text or status}"
        raise ImageError(message)
    answer: dict[str, Any] = json.loads(out)
    if "error" in answer:
        raise ImageError(answer["error"])
    return answer


def _config() -> Config:
    uids, gids = subid_mappings()
    if len(uids) < 2 or len(gids) < 2:
        need = "ranges in /etc/subuid and /etc/subgid, newuidmap and newgidmap"
        raise UnsupportedError("owners of an image, without privilege", need)
    kinds = ("mount", "user")
    return Config(namespaces=kinds, uid_mappings=uids, gid_mappings=gids)


def _feed(blob: Readable, stream: Any) -> None:  # noqa: ANN401 - a raw pipe
    try:
        while data := blob.read(_CHUNK):
            left = memoryview(data)
            while left:
                left = left[stream.write(left) :]
    except BrokenPipeError:
        pass  # it has an answer already
