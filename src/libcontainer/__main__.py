# SPDX-License-Identifier: Apache-2.0
"""``python -m libcontainer``: the command ``libcontainer``."""

from __future__ import annotations

from libcontainer.commands.oci import program

if __name__ == "__main__":
    program()
