# SPDX-License-Identifier: Apache-2.0
"""Makes a filesystem in the caller's own namespaces, mounted nowhere."""

from __future__ import annotations

import os

from libcontainer.bindings.fsopen import (
    fsconfig_create,
    fsconfig_set_flag,
    fsconfig_set_string,
    fsmount,
    fsopen,
)


def make_filesystem(fstype: str, options: tuple[str, ...], attributes: int) -> int:
    """Return a detached mount of a new filesystem, close-on-exec.

    Args:
        fstype: its name.
        options: ``key=value`` or ``key`` each, the source among them.
        attributes: MOUNT_ATTR_* of the mount.

    Raises:
        OSError: the kernel refused it, with what it said.
    """
    context = fsopen(fstype)
    try:
        for option in options:
            key, equals, value = option.partition("=")
            if equals:
                fsconfig_set_string(context, key, value)
            else:
                fsconfig_set_flag(context, key)
        fsconfig_create(context)
        return fsmount(context, attributes)
    finally:
        os.close(context)
