# SPDX-License-Identifier: Apache-2.0
"""What this machine lets a test do, one word each for the ``needs`` marker.

Every check returns None if the machine has it, else the reason why not.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from libcontainer.bindings.pidfd import pidfd_get_info
from libcontainer.cgroups.hierarchy import read_hierarchies
from libcontainer.security import apparmor, selinux

UNPRIVILEGED_ID = 20001


def _root() -> str | None:
    if os.geteuid() != 0:
        return "not root"
    done = subprocess.run(
        ["unshare", "--mount", "true"], capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else f"root cannot unshare: {done.stderr}"


def _userns() -> str | None:
    command = ["unshare", "--user", "--map-root-user", "true"]
    if os.geteuid() == 0:
        command = [*as_unprivileged(), *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return None
    return f"unprivileged user namespaces do not work: {done.stderr.strip()}"


def _subids() -> str | None:
    if missing := _programs("newuidmap", "newgidmap"):
        return missing
    return None if os.geteuid() == 0 else "sub-id ranges are only set up as root"


def _rootfs() -> str | None:
    busybox = shutil.which("busybox")
    if busybox is None:
        return "busybox is missing: apt-get install busybox-static"
    with open(busybox, "rb") as file:
        # A dynamic program names its loader in the first page.
        if b"/ld-" in file.read(4096):
            return "busybox is not static: apt-get install busybox-static"
    return None


def _network() -> str | None:
    names = set(os.listdir("/sys/class/net")) if Path("/sys/class/net").is_dir() else ()
    return None if "lo" in names else "no network links are visible"


def _cgroup(kind: str) -> str | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.partition(" - ")[2].startswith(f"{kind} "):
            return None
    return f"no {kind} hierarchy is mounted"


def _controllers1(names: str) -> str | None:
    """Tell whether v1 controllers can be mounted, in a namespace that goes at once."""
    script = f"mount -t cgroup -o {names} none /mnt"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return None
    return f"v1 has no {names} for a mount: {done.stderr.strip()}"


def _hugetlb() -> str | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.startswith("cgroup ") and "hugetlb" in rest.split()[-1].split(","):
            return None
        if rest.startswith("cgroup2 "):
            root = Path(fields.split()[4])
            # What has processes, as all but the true root may have, can give none away.
            file = (
                "subtree_control" if (root / "cgroup.type").exists() else "controllers"
            )
            if "hugetlb" in (root / f"cgroup.{file}").read_text().split():
                return None
    return "no hierarchy has the hugetlb controller"


def _soft_limit() -> str | None:
    """Tell whether v1 heeds soft limits: late kernels take and forget them."""
    v1 = read_hierarchies().v1
    memory = [one for one in v1 if "memory" in one.name.split(",")]
    if not memory:
        return "v1 has no memory controller"
    above = f"{memory[0].mount_point}{memory[0].own.rstrip('/')}"
    probe = Path(above, f"libcontainer-probe-{os.getpid()}")
    probe.mkdir()
    try:
        limit = probe / "memory.soft_limit_in_bytes"
        limit.write_text("1048576")
        held = limit.read_text().strip() == "1048576"
    finally:
        probe.rmdir()
    return None if held else "the kernel has no soft limits any more"


def _bfq() -> str | None:
    subprocess.run(["modprobe", "-q", "bfq"], check=False)
    for queue in Path("/sys/block").glob("*/queue/scheduler"):
        if "bfq" in queue.read_text().replace("[", " ").replace("]", " ").split():
            return _programs("losetup")
    return "the kernel has no BFQ"


def _bfq_debug() -> str | None:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, rest = line.partition(" - ")
        is_blkio = rest.startswith("cgroup ") and "blkio" in rest.split()[-1].split(",")
        if is_blkio and Path(fields.split()[4], "blkio.bfq.io_wait_time").exists():
            return None
    return "no CONFIG_BFQ_CGROUP_DEBUG: ./dev vm kernel-v1"


def _rdma() -> str | None:
    for module in ("rdma_rxe", "ib_uverbs"):
        subprocess.run(["modprobe", "-q", module], check=False)
    if not Path("/sys/class/infiniband_verbs").is_dir():
        return "the kernel has no RDMA: ./dev vm cgroup2"
    return _programs("rdma", "ip")


def _misc() -> str | None:
    try:
        capacity = Path("/sys/fs/cgroup/misc.capacity").read_text()
    except OSError:
        capacity = ""
    if capacity and Path("/sys/module/misc_stand_in").is_dir():
        return None
    return "nothing is registered with the misc controller: ./dev vm kernel"


def _io_latency() -> str | None:
    child = Path("/sys/fs/cgroup/lc-probe")
    try:
        child.mkdir()
    except OSError as error:
        return f"no cgroup v2: {error.strerror}"
    found = (child / "io.latency").exists()
    child.rmdir()
    return None if found else "no CONFIG_BLK_CGROUP_IOLATENCY: ./dev vm kernel"


def _core_scheduling() -> str | None:
    libc = ctypes.CDLL(None, use_errno=True)
    cookie = ctypes.c_uint64()
    if libc.prctl(62, 0, 0, 0, ctypes.byref(cookie)) == 0:
        return None
    name = errno.errorcode[ctypes.get_errno()]
    return f"PR_SCHED_CORE is refused ({name}): ./dev vm kernel"


def _controllers() -> str | None:
    """Tell whether v2 has the controllers, not v1 and not nobody."""
    try:
        found = Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    except OSError:
        found = []
    wanted = {"memory", "cpu", "pids", "io", "cpuset"}
    return None if wanted <= set(found) else "v1 has the controllers: ./dev vm cgroup2"


def _systemd() -> str | None:
    if not Path("/run/systemd/system").is_dir():
        return "not booted with systemd: ./dev vm systemd"
    return None


def _hybrid() -> str | None:
    return _cgroup("cgroup") or _cgroup("cgroup2")


def _peers() -> str | None:
    if shutil.which("runc") or shutil.which("crun"):
        return None
    return "neither runc nor crun is installed"


def _apparmor() -> str | None:
    if not apparmor.is_enabled():
        return "the kernel has no AppArmor: tests/vm/run.sh apparmor"
    return _programs("apparmor_parser")


def _selinux() -> str | None:
    if selinux.is_enabled():
        return None
    return "the kernel has no SELinux: tests/vm/run.sh selinux"


def _ksm() -> str | None:
    libc = ctypes.CDLL(None, use_errno=True)
    has = libc.prctl(68, 0, 0, 0, 0) >= 0  # PR_GET_MEMORY_MERGE
    return None if has else "no PR_SET_MEMORY_MERGE: Linux 6.4, CONFIG_KSM"


def _mount_namespace_ids() -> str | None:
    with open("/proc/self/ns/mnt", "rb") as namespace:
        try:
            fcntl.ioctl(namespace, 0x8008B705, bytes(8))  # NS_GET_MNTNS_ID
        except OSError:
            return "no NS_GET_MNTNS_ID: Linux 6.10"
    return None


def _exit_info() -> str | None:
    child = subprocess.Popen(["true"])
    pidfd = os.pidfd_open(child.pid)
    try:
        child.wait()
        known = pidfd_get_info(pidfd).exit_code is not None
    except OSError:
        known = False
    finally:
        os.close(pidfd)
    return None if known else "who did not reap cannot know the status before 6.15"


def _programs(*names: str) -> str | None:
    missing = [name for name in names if shutil.which(name) is None]
    return f"missing programs: {', '.join(missing)}" if missing else None


def _cni() -> str | None:
    found = all(Path(f"/usr/lib/cni/{name}").exists() for name in ("bridge", "tuning"))
    return None if found else "not in /usr/lib/cni: bridge, tuning"


def _tun() -> str | None:
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"no /dev/net/tun: {error.strerror}"
    return None


def _engine(*names: str) -> str | None:
    return _root() or _rootfs() or _programs("tini", "nsenter", "ip", *names)


@functools.cache
def working_criu() -> str | None:
    """Return the path of a CRIU that works on this kernel, or None.

    Debian 12's does not know newer kernels; a package of the test extra brings one.
    """
    found = importlib.util.find_spec("agentdocker_lite")
    places = [] if found is None else list(found.submodule_search_locations or ())
    bundled = [f"{place}/_vendor/criu" for place in places]
    for path in (shutil.which("criu"), *bundled):
        if path is None or not Path(path).exists():
            continue
        os.chmod(path, 0o755)
        done = subprocess.run([path, "check"], capture_output=True, check=False)
        if done.returncode == 0:
            return path
    return None


def criu_messages() -> Any:
    """Return CRIU's messages as protocol buffers; another's reading of them."""
    return importlib.import_module("agentdocker_lite._vendor.criu_rpc_pb2")


def _criu() -> str | None:
    if os.geteuid() == 0 and working_criu() is not None:
        return None
    return "no CRIU that works here: criu check"


def _criu_memory() -> str | None:
    path = working_criu()
    if path is None:
        return _criu()
    command = [path, "check", "--feature", "mem_dirty_track"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode == 0:
        return None
    return "the kernel does not track memory (CONFIG_MEM_SOFT_DIRTY): ./dev vm criu"


def _criu_messages() -> str | None:
    if importlib.util.find_spec("agentdocker_lite") is None:
        return "agentdocker-lite is not installed"
    return None


def _journald() -> str | None:
    if not Path("/run/systemd/journal/socket").exists():
        return "no systemd-journald runs: tests/vm/run.sh journald"
    return _programs("journalctl")


def _link(kind: str, *words: str) -> str | None:
    """Ask the kernel itself, in a network namespace of its own."""
    script = (
        "ip link add par0 type veth peer name par1 &&"
        ' exec ip link add "$@" name probe0 type'
    )
    on = () if kind == "dummy" else ("link", "par0")
    make = ["sh", "-c", f"{script} {kind} {' '.join(words)}", "sh", *on]
    done = subprocess.run(
        ["unshare", "--net", *make], capture_output=True, text=True, check=False
    )
    return None if done.returncode == 0 else f"no {kind}: {done.stderr.strip()}"


def _slurm() -> str | None:
    return _root() or _programs("slurmctld", "slurmd", "srun", "munged")


def _module(name: str) -> str | None:
    # The parts of a name are imported by the search for it, in a process of its own.
    script = f"import importlib.util as u; raise SystemExit(not u.find_spec({name!r}))"
    command = [sys.executable, "-c", script]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return None
    return f"no {name}: ./dev engines installs it"


CHECKS: dict[str, Callable[[], str | None]] = {
    "root": _root,
    "userns": _userns,
    "subids": _subids,
    "rootfs": _rootfs,
    "network": _network,
    "exit_info": _exit_info,
    "ksm": _ksm,
    "mount_namespace_ids": _mount_namespace_ids,
    "apparmor": _apparmor,
    "selinux": _selinux,
    "cgroup1": lambda: _cgroup("cgroup"),
    "cgroup2": lambda: _cgroup("cgroup2"),
    "controllers2": _controllers,
    "hybrid": _hybrid,
    "hugetlb": _hugetlb,
    "soft_limit": _soft_limit,
    "bfq": _bfq,
    "bfq_debug": _bfq_debug,
    "rdma": _rdma,
    "misc": _misc,
    "io_latency": _io_latency,
    "core_scheduling": _core_scheduling,
    "net_cls": lambda: _controllers1("net_cls,net_prio"),
    "systemd": _systemd,
    "journald": _journald,
    "peers": _peers,
    "compiler": lambda: _programs("gcc"),
    "debian": lambda: _programs("mmdebstrap"),
    "nft": lambda: _programs("nft"),
    "cni": _cni,
    "criu": _criu,
    "criu_memory": _criu_memory,
    "criu_messages": _criu_messages,
    "tun": _tun,
    "dummy": lambda: _link("dummy"),
    "macvlan": lambda: _link("macvlan"),
    "ipvlan": lambda: _link("ipvlan"),
    "vlan": lambda: _link("vlan", "id", "5"),
    "pasta": lambda: _programs("pasta"),
    "slirp4netns": lambda: _programs("slirp4netns"),
    "strace": lambda: _programs("strace"),
    "podman": lambda: _engine("podman", "conmon", "buildah"),
    "containerd": lambda: _engine("containerd", "ctr"),
    "dask": lambda: _module("distributed"),
    "grpc": lambda: _module("grpc"),
    "slurm": _slurm,
    "ray_sandbox": lambda: _module("ray.experimental.sandbox"),
    "ray": lambda: _module("ray"),
    "docker": lambda: _engine("dockerd", "docker", "containerd"),
}


@functools.cache
def lacking(word: str) -> str | None:
    """Return why *word* is not to be had here, or None if it is.

    Raises:
        KeyError: no check of that name exists.
    """
    return CHECKS[word]()


def as_unprivileged() -> list[str]:
    """Return the command prefix that runs a program as an ordinary user."""
    number = str(UNPRIVILEGED_ID)
    return ["setpriv", "--reuid", number, "--regid", number, "--clear-groups"]
