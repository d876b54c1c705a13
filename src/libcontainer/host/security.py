# SPDX-License-Identifier: Apache-2.0
"""Which of the kernel's security modules are at work on this host.

Loaded only for a launch that asks for something of one of them.
"""

from __future__ import annotations

import functools

from libcontainer.bindings.landlock import landlock_abi
from libcontainer.errors import UnsupportedError
from libcontainer.plan.facts import Security
from libcontainer.security import apparmor, selinux


@functools.cache
def read_security() -> Security:
    """Return what the security modules offer; it does not change after boot."""
    return Security(
        apparmor=apparmor.is_enabled(),
        selinux=selinux.is_enabled(),
        landlock_abi=landlock_abi(),
    )


def require_profile(profile: str | None) -> None:
    """Raise where it is certain that an AppArmor profile is not there.

    Only root sees the list of profiles. Without it the kernel says so, later.

    Raises:
        UnsupportedError: AppArmor is enabled, and no such profile is loaded.
    """
    if profile is None or profile == "unconfined" or not apparmor.is_enabled():
        return
    try:
        loaded = apparmor.loaded_profiles()
    except OSError:
        return
    # Names with these are of another policy namespace, or of several profiles.
    if profile in loaded or profile.startswith(":") or "//&" in profile:
        return
    need = (
        "it is not loaded; apparmor_parser -Kr FILE loads a profile,"
        " libcontainer.security.apparmor.load_default() the generated one"
    )
    raise UnsupportedError(f"AppArmor profile {profile!r}", need)
