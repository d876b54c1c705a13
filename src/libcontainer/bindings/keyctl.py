# SPDX-License-Identifier: Apache-2.0
"""keyctl(2): keys and keyrings that the kernel keeps."""

from __future__ import annotations

import errno

from libcontainer.bindings._lib import check, lib

_GET_KEYRING_ID = 0
_SESSION_KEYRING = -3 % 2**64
_NO_KEYS = (-errno.ENOSYS, -errno.EPERM)


def get_session_keyring() -> int:
    """Return the id of the calling thread's session keyring.

    Raises:
        OSError: ``ENOKEY``: it has none; ``EPERM``: keyctl(2) is not allowed here;
            ``ENOSYS``: the kernel has no keys.
    """
    return check(lib.lc_keyctl(_GET_KEYRING_ID, _SESSION_KEYRING, 0, 0, 0), "keyctl")


def has_keyrings() -> bool:
    """Tell whether this process may use keyrings at all; makes none."""
    found: int = lib.lc_keyctl(_GET_KEYRING_ID, _SESSION_KEYRING, 0, 0, 0)
    return found not in _NO_KEYS
