# SPDX-License-Identifier: Apache-2.0
"""The one place from which benchmarks write to standard output."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Write a line and flush, so that long runs show what is ready."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
