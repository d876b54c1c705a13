# SPDX-License-Identifier: Apache-2.0
"""``libcontainer spec`` and ``features``."""

from __future__ import annotations

import json
import os
import sys

from libcontainer.cgroups.hierarchy import CgroupMode, read_hierarchies
from libcontainer.commands.options import Arguments
from libcontainer.oci import load_bundle
from libcontainer.oci.features import read_features
from libcontainer.oci.template import template


def spec(arguments: Arguments) -> int:
    """Write a configuration to begin with, or check one."""
    if arguments.check:
        return _check(arguments)
    document = template(
        rootless=arguments.rootless,
        uid=os.geteuid(),
        gid=os.getegid(),
        unified=read_hierarchies().mode is CgroupMode.UNIFIED,
    )
    path = os.path.join(arguments.bundle, arguments.config)
    with open(path, "x") as file:
        json.dump(document, file, indent=2)
        file.write("\n")
    return 0


def _check(arguments: Arguments) -> int:
    bundle = load_bundle(arguments.bundle, arguments.config)
    from libcontainer.validate import check  # noqa: PLC0415

    check(bundle.config, bundle.process)
    for warning in bundle.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def features(arguments: Arguments) -> int:
    """Print what this runtime can do."""
    del arguments
    print(json.dumps(read_features(), indent=2))
    return 0
