# SPDX-License-Identifier: Apache-2.0
"""What a store of an ordinary user has done by a process in a user namespace.

There it is root over the ids that the user may use, so that files get the owners that
an image says, and can be removed again. Its order is its only argument, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from libcontainer.errors import LibcontainerError
from libcontainer.files.beneath import FOLDER
from libcontainer.files.copy import remove_tree
from libcontainer.image.unpack import Policy, read_layer


def main() -> None:
    """Carry out the order; answer with one object of JSON."""
    order = json.loads(sys.argv[1])
    try:
        answer = {"unpack": _unpack, "remove": _remove}[order["verb"]](order)
    except (LibcontainerError, OSError, ValueError) as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


def _unpack(order: dict[str, Any]) -> dict[str, str]:
    policy = Policy(**order["policy"])
    diff_id, digest, size = order["expected"]
    root = os.open(order["path"], FOLDER)
    blob = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115 - it ends with us
    found = read_layer(blob, root, (diff_id, digest, size), policy, own_root=False)
    return {"digest": found}


def _remove(order: dict[str, Any]) -> dict[str, str]:
    folder = os.open(order["path"], FOLDER)
    for name in order["names"]:
        remove_tree(folder, name)
    return {}
