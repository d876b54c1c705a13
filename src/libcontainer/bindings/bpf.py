# SPDX-License-Identifier: Apache-2.0
"""bpf(2): programs that the kernel asks about the devices of a cgroup."""

from __future__ import annotations

import os

from libcontainer.bindings._lib import check, ffi, lib

_MOST_PROGRAMS = 64
_NAME_SIZE = 16


def load_cgroup_device(program: bytes) -> int:
    """Load a program that decides about the devices of a cgroup.

    Args:
        program: eBPF, eight bytes an instruction in the machine's byte order.

    Returns:
        Its fd, close-on-exec.

    Raises:
        OSError: ``EPERM``: neither CAP_BPF nor CAP_SYS_ADMIN in the first user
            namespace; ``EINVAL``, ``EACCES``: the verifier refuses it.

    Linux >= 4.15.
    """
    result = lib.lc_bpf_load_cgroup_device(program, len(program))
    return check(result, "bpf", "PROG_LOAD", f"{len(program) // 8} instructions")


def attach_cgroup_device(cgroup: int, program: int, *, replaces: int = -1) -> None:
    """Attach a program to a v2 cgroup, beside those that its parents have.

    Args:
        cgroup: fd of its directory.
        program: fd of `load_cgroup_device`; it is held by the cgroup from then on.
        replaces: fd of a program that is attached there, which this one takes the
            place of in one step (Linux 5.6); -1 for none.

    Raises:
        OSError: ``EPERM``: as above, or a parent's program forbids others;
            ``ENOENT``: what it is to replace is not attached there.

    Linux >= 4.15.
    """
    result = lib.lc_bpf_attach_cgroup_device(cgroup, program, replaces)
    flags = "MULTI" if replaces < 0 else "MULTI | REPLACE"
    check(result, "bpf", "PROG_ATTACH", cgroup, program, flags)


def query_cgroup_device(cgroup: int) -> list[int]:
    """Return the ids of the programs that a v2 cgroup itself has for its devices.

    Args:
        cgroup: fd of its directory.

    Raises:
        OSError: ``EPERM``: no CAP_NET_ADMIN; ``ENOSPC``: more than 64.

    Linux >= 4.15.
    """
    ids = ffi.new("uint32_t[]", _MOST_PROGRAMS)
    result = lib.lc_bpf_query_cgroup_device(cgroup, ids, _MOST_PROGRAMS)
    count = check(result, "bpf", "PROG_QUERY", cgroup)
    return [ids[place] for place in range(count)]


def open_program(number: int) -> tuple[int, str]:
    """Return an fd of a program, close-on-exec, and the name it was loaded under.

    Raises:
        OSError: ``ENOENT``: there is none of that id; ``EPERM``: no CAP_SYS_ADMIN.

    Linux >= 4.15.
    """
    fd = check(lib.lc_bpf_open_program(number), "bpf", "PROG_GET_FD_BY_ID", number)
    name = ffi.new("char[]", _NAME_SIZE)
    try:
        check(lib.lc_bpf_program_name(fd, name), "bpf", "OBJ_GET_INFO_BY_FD", fd)
    except BaseException:
        os.close(fd)
        raise
    return fd, ffi.string(name).decode()
