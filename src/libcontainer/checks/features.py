# SPDX-License-Identifier: Apache-2.0
"""The features that `check` tries, each with its attempt."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable
from typing import Any, Final

from attrs import evolve, frozen

from libcontainer.bindings.pidfd import pidfd_get_info
from libcontainer.calls.python import with_python
from libcontainer.checks.trial import Trial
from libcontainer.config import (
    DeviceRule,
    IdMap,
    IdMapping,
    Mount,
    Overlay,
    Resources,
)
from libcontainer.errors import UnsupportedError
from libcontainer.process import Process

_MIB = 1 << 20
_AS_ROOT = "be root, or have its capabilities (CAP_SYS_ADMIN, CAP_NET_ADMIN)"
_CGROUP = (
    "be root, or have a cgroup delegated: systemd-run --user --scope -p Delegate=yes"
)
_USERNS = (
    "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1,"
    " kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces"
)


@frozen
class Feature:
    """Something of the library that a machine may not allow.

    Attributes:
        name: one word.
        what: what it is for, in a few.
        attempt: tries it, and raises where it does not work.
        fix: what to do then, where the error does not say it.
    """

    name: str
    what: str
    attempt: Callable[[Trial], object]
    fix: str = ""


def _fields(**changes: Any) -> Callable[[Trial], None]:  # noqa: ANN401
    return lambda trial: trial.run(**changes)


def _userns(trial: Trial) -> None:
    kinds = trial.config().namespaces | {"user"}
    uid, gid = IdMapping(0, os.geteuid(), 1), IdMapping(0, os.getegid(), 1)
    trial.run(namespaces=kinds, uid_mappings=[uid], gid_mappings=[gid])


def _subids(trial: Trial) -> None:
    from libcontainer.host.subids import subid_mappings  # noqa: PLC0415

    uids, gids = subid_mappings()
    if sum(mapping.size for mapping in uids) < 2:
        need = "more than one id: a range in /etc/subuid and /etc/subgid (usermod)"
        raise UnsupportedError("ranges of ids", need)
    kinds = trial.config().namespaces | {"user"}
    trial.run(namespaces=kinds, uid_mappings=uids, gid_mappings=gids)


def _kinds(*words: str) -> Callable[[Trial], None]:
    return lambda trial: trial.run(namespaces=trial.config().namespaces | set(words))


def _kept_layer(trial: Trial) -> None:
    upper, work = (trial.make_folder(name) for name in ("upper", "work"))
    trial.run(rootfs=Overlay("/", upper=upper, work=work))


def _idmap(trial: Trial) -> None:
    folder = trial.make_folder("idmap")
    ids = (IdMapping(0, 1000, 10),)
    bind = Mount.bind(folder, "/mnt")
    trial.run(mounts=[evolve(bind, idmap=IdMap(ids, ids))])


def _limits(**limits: Any) -> Callable[[Trial], None]:  # noqa: ANN401
    return lambda trial: trial.run(resources=Resources(**limits))


def _pause(trial: Trial) -> None:
    with trial.container() as container:
        container.run(trial.program("sleep", "60"))
        container.pause()
        container.resume()


def _stats(trial: Trial) -> None:
    with trial.container() as container:
        container.run(trial.program("sleep", "60"))
        container.stats()


def _exec(trial: Trial) -> None:
    with trial.container() as container:
        container.run(trial.program("sleep", "60"))
        trial.finish(container, trial.program("true"))


def _prepare(trial: Trial) -> None:
    with trial.container() as container:
        handle = container.prepare(trial.program("true"))
        container.start()
        handle.wait()
        handle.close()


def _detach(trial: Trial) -> None:
    with trial.container() as container:
        container.run(trial.program("true"), detach=True).close()
        container.wait(20)


def _terminal(trial: Trial) -> None:
    with trial.container() as container:
        trial.finish(container, Process(["test", "-t", "0"], terminal=True))


def _notify(trial: Trial) -> None:
    from libcontainer.config.seccomp import Seccomp, Syscall  # noqa: PLC0415
    from libcontainer.security.seccomp.notify import Continue  # noqa: PLC0415

    asked = Syscall(names=["uname"], action="SCMP_ACT_NOTIFY")
    profile = Seccomp(default_action="SCMP_ACT_ALLOW", syscalls=[asked])
    with trial.container(seccomp=profile) as container:
        process = trial.program("uname", notify=lambda _: Continue())
        trial.finish(container, process)


def _landlock(trial: Trial) -> None:
    from libcontainer.config.landlock import Landlock, LandlockPath  # noqa: PLC0415

    rights = ["execute", "read_file", "read_dir"]
    paths = [LandlockPath("/", access=rights)]
    trial.run(landlock=Landlock(handled_access_fs=rights, paths=paths))


def _apparmor(trial: Trial) -> None:
    trial.run(apparmor_profile="unconfined")


def _selinux(_: Trial) -> None:
    from libcontainer.security import selinux  # noqa: PLC0415

    if not selinux.is_enabled():
        raise UnsupportedError("SELinux", "a kernel that has it enabled, and a policy")


def _network(kind: str, **fields: Any) -> Callable[[Trial], None]:  # noqa: ANN401
    def attempt(trial: Trial) -> None:
        from libcontainer.config import network  # noqa: PLC0415

        trial.run(networks=[getattr(network, kind)(**fields)])

    return attempt


def _nft(trial: Trial) -> None:
    if shutil.which("nft") is None:
        raise UnsupportedError("rules of nftables", "the program nft")
    # The bridge goes with its last container.
    wishes = {"bridge": "lc-check0", "create_bridge": True, "masquerade": True}
    _network("Veth", **wishes, addresses="10.255.254.2/30")(trial)


def _exit_info(_: Trial) -> None:
    with subprocess.Popen(["true"]) as child:
        pidfd = os.pidfd_open(child.pid)
        try:
            child.wait()
            known = pidfd_get_info(pidfd).exit_code is not None
        finally:
            os.close(pidfd)
    if not known:
        raise UnsupportedError("PIDFD_GET_INFO", "Linux 6.15")


def _call(trial: Trial) -> None:
    with trial.factory.create("check-call", with_python(trial.config())) as container:
        container.call(os.getpid, timeout=20)


def _criu(_: Trial) -> None:
    from libcontainer.checkpoint.criu import find_criu  # noqa: PLC0415

    command = [find_criu("criu"), "check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise UnsupportedError("criu check", "; ".join(lines[-2:]))


def _unlimited(trial: Trial) -> None:
    with contextlib.suppress(NotImplementedError):
        trial.run()
        return
    trial.run(seccomp=None)


FEATURES: Final = (
    Feature("containers", "to run a program in a container", _unlimited, _USERNS),
    Feature("exec", "to run a further program in a container", _exec),
    Feature("prepare", "to prepare a container, and start it later; pools", _prepare),
    Feature("detach", "containers that outlive their caller", _detach),
    Feature("terminal", "programs with a terminal of their own", _terminal),
    Feature("init", "a supervisor as first process", _fields(init=True)),
    Feature("call", "Python functions in a container", _call),
    Feature("user-namespace", "root inside that is nobody outside", _userns, _USERNS),
    Feature("sub-ids", "more than one id without privilege", _subids),
    Feature("time-namespace", "clocks of its own", _kinds("time"), "Linux 5.6"),
    Feature("kept-layer", "what is written is kept in a folder", _kept_layer),
    Feature("id-mapped-mounts", "files seen as another user's", _idmap, _AS_ROOT),
    Feature("memory-limit", "a limit of memory", _limits(memory=64 * _MIB), _CGROUP),
    Feature("pids-limit", "a limit of processes", _limits(pids=64), _CGROUP),
    Feature(
        "cpu-limit",
        "a limit of processor time",
        _limits(cpu_quota=50_000, cpu_period=100_000),
        _CGROUP,
    ),
    Feature(
        "device-rules",
        "which devices may be used",
        _limits(devices=[DeviceRule(allow=True)]),
        _CGROUP,
    ),
    Feature("pause", "to freeze a container", _pause, _CGROUP),
    Feature("stats", "to measure a container", _stats, _CGROUP),
    Feature("seccomp", "to filter system calls", _fields(), "CONFIG_SECCOMP_FILTER"),
    Feature("seccomp-notify", "to answer system calls in Python", _notify, "Linux 5.5"),
    Feature("landlock", "rights that are given up for good", _landlock),
    Feature("apparmor", "profiles of AppArmor", _apparmor),
    Feature("selinux", "labels of SELinux", _selinux),
    Feature("veth", "a link to the host", _network("Veth"), _AS_ROOT),
    Feature("nftables", "published ports, masquerade, allow-lists", _nft, _AS_ROOT),
    Feature("pasta", "a network without privilege", _network("Pasta")),
    Feature("slirp4netns", "the same, by slirp4netns", _network("Slirp4netns")),
    Feature("checkpoint", "to write a container to a disk", _criu),
    Feature(
        "exit-info",
        "exit statuses of others' containers",
        _exit_info,
        fix="PIDFD_GET_INFO tells them from Linux 6.15 on",
    ),
)
"""In the order in which they are told."""
