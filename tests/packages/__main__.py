# SPDX-License-Identifier: Apache-2.0
"""``./dev package [FOLDER]``: build the packages and prove them.

Each is built twice and compared; then the wheel for this machine is used with every
interpreter that is here, and in fresh Debians.
"""

from __future__ import annotations

import platform
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.packages.build import packages
from tests.packages.places import SUITES, interpreters, try_debian, try_interpreter


def main() -> int:
    """Build, prove, print a line for each; return how many failed."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "dist").resolve()
    folder.mkdir(exist_ok=True)
    failed = 0
    own = None
    for path, same in packages(folder):
        failed += not same
        print(f"{path.name}: {'reproducible' if same else 'DIFFERS'}", flush=True)
        if path.name.endswith(f"{platform.machine()}.whl"):
            own = path
    if own is None:
        raise SystemExit("no wheel for this machine")
    for version, python in interpreters():
        failed += _say(f"Python {version}", partial(try_interpreter, python, own))
    with tempfile.TemporaryDirectory(prefix="lc-package-", dir="/var/tmp") as scratch:
        place = Path(scratch)
        for suite in SUITES:
            failed += _say(f"Debian {suite}", partial(try_debian, suite, own, place))
    return failed


def _say(what: str, work: Callable[[], str]) -> bool:
    try:
        print(f"{what}: {work()}", flush=True)
    except RuntimeError as error:
        print(f"{what}: FAILED\n{error}", flush=True)
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
