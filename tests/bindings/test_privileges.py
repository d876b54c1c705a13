# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import errno
from pathlib import Path

import pytest

from libcontainer.bindings.capabilities import (
    CAP_CHECKPOINT_RESTORE,
    CAP_CHOWN,
    CAP_SYS_ADMIN,
    capget,
)
from libcontainer.bindings.prctl import (
    cap_ambient_raise,
    capbset_drop,
    capbset_read,
    get_child_subreaper,
    get_dumpable,
    get_keepcaps,
    get_no_new_privs,
    get_securebits,
)
from libcontainer.bindings.seccomp import (
    SeccompAction,
    get_action_avail,
    get_notif_sizes,
)
from tests.bindings.conftest import InChild


def status(name: str) -> str:
    for line in Path("/proc/thread-self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return line.split()[1]
    raise KeyError(name)


def test_the_capabilities_are_those_of_proc() -> None:
    sets = capget()
    assert sets.effective == int(status("CapEff"), 16)
    assert sets.permitted == int(status("CapPrm"), 16)
    assert sets.inheritable == int(status("CapInh"), 16)


def test_the_bounding_set_is_that_of_proc() -> None:
    bounding = int(status("CapBnd"), 16)
    for capability in (CAP_CHOWN, CAP_SYS_ADMIN, CAP_CHECKPOINT_RESTORE):
        assert capbset_read(capability) == bool(bounding >> capability & 1)


def test_nobodys_capabilities_are_an_error() -> None:
    with pytest.raises(ProcessLookupError, match=r"capget\(4194305\): no such process"):
        capget(4194305)


@pytest.mark.needs("root")
def test_capabilities_are_set_for_one_thread(in_child: InChild) -> None:
    script = """
    from libcontainer.bindings.capabilities import *
    from libcontainer.bindings.prctl import *
    high, low = 1 << CAP_CHECKPOINT_RESTORE, 1 << CAP_CHOWN
    capbset_drop(CAP_SYS_TIME)
    capset(CapabilitySets(low, low | high, high | low))
    print(capget() == (low, low | high, high | low), capbset_read(CAP_SYS_TIME))
    cap_ambient_raise(CAP_CHOWN)
    cap_ambient_raise(CAP_CHECKPOINT_RESTORE)
    cap_ambient_lower(CAP_CHECKPOINT_RESTORE)
    print(cap_ambient_is_set(CAP_CHOWN), cap_ambient_is_set(CAP_CHECKPOINT_RESTORE))
    cap_ambient_clear_all()
    print(cap_ambient_is_set(CAP_CHOWN))
    try:
        capset(CapabilitySets(1 << CAP_SYS_ADMIN, 0, 0))
    except PermissionError as error:
        print(error)
    """
    assert in_child(script).splitlines() == [
        "True False",
        "True False",
        "False",
        "[Errno 1] capset('effective=0x200000', 'permitted=0x0', 'inheritable=0x0'):"
        " operation not permitted [EPERM]",
    ]


def test_unknown_capabilities_are_refused() -> None:
    with pytest.raises(OSError, match=r"prctl\(CAPBSET_READ, 63, 0\): ") as caught:
        capbset_read(63)
    assert caught.value.errno == errno.EINVAL
    for call in (cap_ambient_raise, capbset_drop):
        with pytest.raises(OSError, match="63") as caught:
            call(63)
        assert caught.value.errno in (errno.EINVAL, errno.EPERM)


def test_the_callers_attributes_are_read() -> None:
    assert get_no_new_privs() == (status("NoNewPrivs") == "1")
    assert get_dumpable() in (0, 1, 2)
    assert get_keepcaps() in (False, True)
    assert get_child_subreaper() in (False, True)
    assert get_securebits() >= 0


def test_attributes_of_a_process_are_set(in_child: InChild) -> None:
    script = """
    from libcontainer.bindings.prctl import *
    set_no_new_privs()
    set_dumpable(False)
    set_child_subreaper(True)
    set_pdeathsig(9)
    set_keepcaps(True)
    print(get_no_new_privs(), get_dumpable(), get_child_subreaper(), get_pdeathsig(),
          get_keepcaps(), get_securebits() == Securebit.KEEP_CAPS)
    set_dumpable(True)
    set_keepcaps(False)
    print(get_dumpable(), get_keepcaps())
    """
    assert in_child(script) == "True 0 True 9 True True\n1 False\n"


@pytest.mark.needs("root")
def test_securebits_are_set_and_locked(in_child: InChild) -> None:
    script = """
    from libcontainer.bindings.prctl import *
    bits = Securebit.NOROOT | Securebit.NOROOT_LOCKED
    set_securebits(bits)
    print(get_securebits() == bits)
    try:
        set_securebits(0)
    except PermissionError as error:
        print(error.errno, "SET_SECUREBITS" in str(error))
    """
    assert in_child(script) == f"True\n{errno.EPERM} True\n"


def test_a_filter_answers_for_the_kernel(in_child: InChild) -> None:
    script = """
    import os, struct
    from libcontainer.bindings.prctl import set_no_new_privs
    from libcontainer.bindings.seccomp import *
    set_no_new_privs()
    # Load the number; getppid gives errno 77, everything else is allowed.
    libc = __import__("ctypes").CDLL(None)
    number = {"x86_64": 110}.get(os.uname().machine, 173)
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, number),
            (0x06, 0, 0, SeccompAction.ERRNO | 77), (0x06, 0, 0, SeccompAction.ALLOW)]
    program = b"".join(struct.pack("=HBBI", *line) for line in code)
    print(set_mode_filter(program, SeccompFlag.TSYNC))
    print(libc.syscall(number), os.getpid() > 0)
    listener = set_mode_filter(program, SeccompFlag.NEW_LISTENER)
    print(listener > 0, os.get_inheritable(listener))
    """
    assert in_child(script) == "0\n-1 True\nTrue False\n"


def test_a_broken_filter_is_refused(in_child: InChild) -> None:
    script = """
    from libcontainer.bindings.prctl import set_no_new_privs
    from libcontainer.bindings.seccomp import *
    set_no_new_privs()
    for program in (b"", b"short", bytes(8), bytes(8 * 70000)):
        try:
            set_mode_filter(program, SeccompFlag.LOG)
        except OSError as error:
            print(error.errno, "LOG" in str(error))
    """
    assert in_child(script) == f"{errno.EINVAL} True\n" * 4


def test_the_kernels_seccomp_is_described() -> None:
    assert get_action_avail(SeccompAction.KILL_PROCESS)
    assert get_action_avail(SeccompAction.ALLOW)
    assert not get_action_avail(0x12340000)
    sizes = get_notif_sizes()
    assert sizes.notif >= 80
    assert (sizes.notif_resp, sizes.data) == (24, 64)


def test_privileged_calls_are_refused_to_others(in_child: InChild) -> None:
    script = """
    import os
    from libcontainer.bindings.capabilities import CAP_SYS_ADMIN, CapabilitySets, capset
    from libcontainer.bindings.seccomp import set_mode_filter

    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    everything = CapabilitySets(1 << CAP_SYS_ADMIN, 1 << CAP_SYS_ADMIN, 0)
    for call in (lambda: capset(everything), lambda: set_mode_filter(bytes(8))):
        try:
            call()
        except PermissionError:
            print("refused")
    """
    assert in_child(script) == "refused\n" * 2
