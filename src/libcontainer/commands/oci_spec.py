# SPDX-License-Identifier: Apache-2.0
"""``libcontainer spec`` and ``features``."""

from __future__ import annotations

import json
import os
import sys

from libcontainer.cgroups.hierarchy import CgroupMode, read_hierarchies
from libcontainer.commands.oci_common import read_bundle
from libcontainer.commands.options import Arguments
from libcontainer.errors import StepError
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
    text = json.dumps(document, indent=2) + "\n"
    try:
        with open(path, "x") as file:
            file.write(text)
    except FileExistsError:
        # In the words that scripts look for.
        message = f"File {arguments.config} exists. Remove it first: {path!r}"
        raise FileExistsError(message) from None
    except OSError as error:
        raise StepError(error.errno or 0, f"write {path!r}") from error
    return 0


def _check(arguments: Arguments) -> int:
    bundle = read_bundle(arguments)
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
