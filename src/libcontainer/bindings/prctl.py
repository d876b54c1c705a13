# SPDX-License-Identifier: Apache-2.0
"""prctl(2): the options that matter to containers.

Each ``set`` changes the calling thread, some the whole process. None can be seen or
undone by whoever called the program.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from libcontainer.bindings._lib import check, ffi, lib


class PrctlOption(IntEnum):
    """``PR_*``."""

    SET_PDEATHSIG = 1
    GET_PDEATHSIG = 2
    GET_DUMPABLE = 3
    SET_DUMPABLE = 4
    GET_KEEPCAPS = 7
    SET_KEEPCAPS = 8
    CAPBSET_READ = 23
    CAPBSET_DROP = 24
    GET_SECUREBITS = 27
    SET_SECUREBITS = 28
    SET_CHILD_SUBREAPER = 36
    GET_CHILD_SUBREAPER = 37
    SET_NO_NEW_PRIVS = 38
    GET_NO_NEW_PRIVS = 39
    CAP_AMBIENT = 47


class Securebit(IntFlag):
    """``SECBIT_*``, see capabilities(7)."""

    NOROOT = 0x1
    NOROOT_LOCKED = 0x2
    NO_SETUID_FIXUP = 0x4
    NO_SETUID_FIXUP_LOCKED = 0x8
    KEEP_CAPS = 0x10
    KEEP_CAPS_LOCKED = 0x20
    NO_CAP_AMBIENT_RAISE = 0x40
    NO_CAP_AMBIENT_RAISE_LOCKED = 0x80


_AMBIENT_IS_SET, _AMBIENT_RAISE, _AMBIENT_LOWER, _AMBIENT_CLEAR_ALL = 1, 2, 3, 4


def _prctl(option: PrctlOption, arg2: int = 0, arg3: int = 0) -> int:
    result = lib.lc_prctl(option, arg2, arg3, 0, 0)
    return check(result, "prctl", option, arg2, arg3)


def _prctl_out(option: PrctlOption) -> int:
    cell = ffi.new("int *")
    address = int(ffi.cast("uintptr_t", cell))
    check(lib.lc_prctl(option, address, 0, 0, 0), "prctl", option)
    return cell[0]


def set_no_new_privs() -> None:
    """Let no later exec of this thread gain privileges; for good. Linux >= 3.5."""
    _prctl(PrctlOption.SET_NO_NEW_PRIVS, 1)


def get_no_new_privs() -> bool:
    """Tell whether an exec of this thread can gain no privileges. Linux >= 3.5."""
    return bool(_prctl(PrctlOption.GET_NO_NEW_PRIVS))


def set_dumpable(dumpable: bool) -> None:  # noqa: FBT001
    """Say whether others may trace the process and read its ``/proc`` entries."""
    _prctl(PrctlOption.SET_DUMPABLE, int(dumpable))


def get_dumpable() -> int:
    """Return 1 for dumpable, 0 for not, 2 for dumpable by root only."""
    return _prctl(PrctlOption.GET_DUMPABLE)


def set_securebits(bits: int) -> None:
    """Set the thread's `Securebit` flags.

    Raises:
        PermissionError: no CAP_SETPCAP, or a bit is locked.

    Linux >= 2.6.26.
    """
    check(
        lib.lc_prctl(PrctlOption.SET_SECUREBITS, bits, 0, 0, 0),
        "prctl",
        PrctlOption.SET_SECUREBITS,
        Securebit(bits),
    )


def get_securebits() -> Securebit:
    """Return the thread's `Securebit` flags. Linux >= 2.6.26."""
    return Securebit(_prctl(PrctlOption.GET_SECUREBITS))


def set_keepcaps(keep: bool) -> None:  # noqa: FBT001
    """Keep the permitted capabilities over the next change to a user that is not 0.

    Raises:
        PermissionError: ``Securebit.KEEP_CAPS_LOCKED`` is set.
    """
    _prctl(PrctlOption.SET_KEEPCAPS, int(keep))


def get_keepcaps() -> bool:
    """Tell what `set_keepcaps` has set; every exec resets it."""
    return bool(_prctl(PrctlOption.GET_KEEPCAPS))


def capbset_read(capability: int) -> bool:
    """Tell whether a capability is in the thread's bounding set.

    Raises:
        OSError: ``EINVAL``: the kernel does not know that capability.
    """
    return bool(_prctl(PrctlOption.CAPBSET_READ, capability))


def capbset_drop(capability: int) -> None:
    """Drop a capability from the thread's bounding set, for good.

    Raises:
        OSError: ``EINVAL``: the kernel does not know that capability; ``EPERM``: no
            CAP_SETPCAP.
    """
    _prctl(PrctlOption.CAPBSET_DROP, capability)


def cap_ambient_is_set(capability: int) -> bool:
    """Tell whether a capability is in the thread's ambient set. Linux >= 4.3."""
    return bool(_prctl(PrctlOption.CAP_AMBIENT, _AMBIENT_IS_SET, capability))


def cap_ambient_raise(capability: int) -> None:
    """Add a capability to the thread's ambient set.

    Raises:
        PermissionError: it is not both permitted and inheritable, or
            ``Securebit.NO_CAP_AMBIENT_RAISE`` is set.

    Linux >= 4.3.
    """
    _prctl(PrctlOption.CAP_AMBIENT, _AMBIENT_RAISE, capability)


def cap_ambient_lower(capability: int) -> None:
    """Remove a capability from the thread's ambient set. Linux >= 4.3."""
    _prctl(PrctlOption.CAP_AMBIENT, _AMBIENT_LOWER, capability)


def cap_ambient_clear_all() -> None:
    """Empty the thread's ambient set. Linux >= 4.3."""
    _prctl(PrctlOption.CAP_AMBIENT, _AMBIENT_CLEAR_ALL)


def set_child_subreaper(subreaper: bool) -> None:  # noqa: FBT001
    """Say whether orphaned descendants become children of this process.

    A program that sets it has to wait for strangers. Linux >= 3.4.
    """
    _prctl(PrctlOption.SET_CHILD_SUBREAPER, int(subreaper))


def get_child_subreaper() -> bool:
    """Tell whether orphaned descendants become children of this process."""
    return bool(_prctl_out(PrctlOption.GET_CHILD_SUBREAPER))


def set_pdeathsig(number: int) -> None:
    """Set the signal this process gets when the *thread* that started it ends.

    Args:
        number: of the signal; 0 is none. A change of credentials resets it.
    """
    _prctl(PrctlOption.SET_PDEATHSIG, number)


def get_pdeathsig() -> int:
    """Return the signal of `set_pdeathsig`; 0 is none."""
    return _prctl_out(PrctlOption.GET_PDEATHSIG)
