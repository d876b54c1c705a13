# SPDX-License-Identifier: Apache-2.0
"""``libcontainer`` as a program: what a process of its own can do without."""

from __future__ import annotations

import gc
import os
import sys

from libcontainer.commands import imports

_MANY_OBJECTS = 100_000


def program() -> None:
    """Be the installed command: end at once, nothing of ours needs a shutdown."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        # Before anything stays open: it would be a standard stream of the container.
        from libcontainer.commands.standard import fill  # noqa: PLC0415 - seldom

        fill()
    # It would look again and again through all that is loaded, of which nothing is
    # ever let go. A command that runs for days still has its rubbish taken away.
    gc.set_threshold(_MANY_OBJECTS)
    importer = imports.install()
    from libcontainer.commands.oci import main  # noqa: PLC0415

    status = main()
    try:  # noqa: SIM105 - contextlib takes its time to load
        importer.save()
    except KeyboardInterrupt:
        # What was asked for is done, and the next command may save as well.
        pass
    os._exit(status)


if __name__ == "__main__":
    program()
