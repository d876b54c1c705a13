# SPDX-License-Identifier: Apache-2.0
"""Write every page of docs/ that comes from the code: ``./dev docs``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import api
import commands
import features
import fields
import lifecycle
import order
import trust


def main() -> int:
    """Write them all."""
    features.main()
    for module in (order, lifecycle, commands, fields, api, trust):
        module.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
