# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks`: choose a benchmark."""

from __future__ import annotations

import argparse
import sys

from benchmarks import (
    alive,
    cgroups,
    counts,
    growth,
    import_time,
    launch,
    network,
    pool,
    report,
    scale,
)
from benchmarks.contender import MissingError
from benchmarks.output import say
from benchmarks.view import enter_private_view, hide_unified_hierarchy


def make_parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    benchmarks = parser.add_subparsers(dest="benchmark", required=True)
    for module in (
        alive,
        cgroups,
        counts,
        growth,
        import_time,
        launch,
        network,
        pool,
        report,
        scale,
    ):
        name = module.__name__.rpartition(".")[2].replace("_", "-")
        said = (module.__doc__ or "").partition(": ")[2]
        chosen = benchmarks.add_parser(name, help=said, description=module.__doc__)
        module.add_arguments(chosen)
        chosen.set_defaults(run=module.run)
    return parser


def main(arguments: list[str]) -> int:
    """Run the benchmark that the arguments name; return the exit status."""
    options = make_parser().parse_args(arguments)
    if enter_private_view(arguments):
        # Also measured is what is in it.
        if options.benchmark != "cgroups":
            hide_unified_hierarchy()
    else:
        say("without root and unshare: no private mounts, most peers will be missing\n")
    try:
        status: int = options.run(options)
    except MissingError as error:
        say(f"cannot measure: {error}")
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
