# SPDX-License-Identifier: Apache-2.0
"""Makes files in a filesystem that knows the container's ids only.

One that was mounted in a user namespace takes no file of an id that the namespace
does not have, such as the host's root. Then a thread of its own makes it, as the
container's user but with the caller's capabilities, and ends: no other thread of the
program is ever anybody else.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TypeVar

from libcontainer.apart import apart
from libcontainer.bindings.prctl import Securebit, get_securebits, set_securebits
from libcontainer.bindings.setfsuid import setfsgid, setfsuid

T = TypeVar("T")


def make(action: Callable[[], T], owner: tuple[int, int]) -> T:
    """Return what *action* does, as the owner of what it makes if it has to be.

    Args:
        action: makes files; where the kernel says ``EOVERFLOW`` nothing has been made
            yet, so that it can be done again.
        owner: user and group as the caller counts.

    Raises:
        OSError: what *action* raises; ``EPERM``: the caller may not be the owner.
    """
    try:
        return action()
    except OSError as error:
        if error.errno != errno.EOVERFLOW:
            raise
    return _in_thread(action, owner)


def _in_thread(action: Callable[[], T], owner: tuple[int, int]) -> T:
    def work() -> T:
        set_securebits(get_securebits() | Securebit.NO_SETUID_FIXUP)
        setfsgid(owner[1])
        setfsuid(owner[0])
        return action()

    return apart("files", work)
