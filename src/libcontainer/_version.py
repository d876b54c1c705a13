# SPDX-License-Identifier: Apache-2.0
"""The version of the package and of its native interface.

The native module carries both numbers too and is refused at import when they
differ, so Python sources never drive a module built from other sources.
"""

__version__ = "0.1.0"
"""The version of the package; the build reads it from here."""

ABI = 1
"""The plan and report layout that this Python code speaks (``LC_ABI`` in C)."""
