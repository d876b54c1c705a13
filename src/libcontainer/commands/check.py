# SPDX-License-Identifier: Apache-2.0
"""``libcontainer check``: what works on this machine, for this user."""

from __future__ import annotations

import json

from attrs import asdict

from libcontainer.checks import Check, check
from libcontainer.commands.options import Arguments


def run(arguments: Arguments) -> int:
    """Try features, print what came of each; 1 if one that was named fails.

    Without names it fails only where no container can be run at all.
    """
    checks = check(*arguments.features)
    if arguments.format == "json":
        print(json.dumps([asdict(one) for one in checks], indent=2))
    else:
        print("\n".join(str(one) for one in checks))
    return 0 if all(map(_is_fine if arguments.features else _is_enough, checks)) else 1


def _is_fine(one: Check) -> bool:
    return one.works


def _is_enough(one: Check) -> bool:
    return one.works or one.feature != "containers"
