# SPDX-License-Identifier: Apache-2.0
"""``libcontainer`` as a program: what a process of its own can do without."""

from __future__ import annotations

import os
import sys

from libcontainer.commands import codecache, records


def program() -> None:
    """Be the installed command: end at once, nothing of ours needs a shutdown."""
    finder = codecache.install()
    # Before anything that has a class of attrs.
    records.install()
    from libcontainer.commands.oci import main  # noqa: PLC0415

    status = main()
    sys.stdout.flush()
    finder.save()
    os._exit(status)


if __name__ == "__main__":
    program()
