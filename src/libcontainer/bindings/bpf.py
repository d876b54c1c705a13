# SPDX-License-Identifier: Apache-2.0
"""bpf(2): programs that the kernel asks about the devices of a cgroup."""

from __future__ import annotations

from libcontainer.bindings._lib import check, lib


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


def attach_cgroup_device(cgroup: int, program: int) -> None:
    """Attach a program to a v2 cgroup, beside those that its parents have.

    Args:
        cgroup: fd of its directory.
        program: fd of `load_cgroup_device`; it is held by the cgroup from then on.

    Raises:
        OSError: ``EPERM``: as above, or a parent's program forbids others.

    Linux >= 4.15.
    """
    result = lib.lc_bpf_attach_cgroup_device(cgroup, program)
    check(result, "bpf", "PROG_ATTACH", cgroup, program)
