# SPDX-License-Identifier: Apache-2.0
"""Containers of an ordinary user: a user namespace, and what it allows."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.host.hints import hint_for
from libcontainer.plan import ops
from tests import capabilities
from tests.conftest import RunAsUser

pytestmark = pytest.mark.needs("userns", "rootfs")

# sh() runs a shell script in a container and returns what it says.
_START = """
import json, os, sys
import libcontainer as lc
rootfs = sys.argv[1]
uid, gid = os.geteuid(), os.getegid()
SINGLE = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, uid, 1)],
    "gid_mappings": [lc.IdMapping(0, gid, 1)],
}
AUTOMATIC = {"namespaces": [*lc.Config().namespaces, "user"]}
RANGE = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, uid, 1), lc.IdMapping(1, 2000000, 65536)],
    "gid_mappings": [lc.IdMapping(0, gid, 1), lc.IdMapping(1, 2000000, 65536)],
}
def sh(script, maps=SINGLE, process={}, **wishes):
    config = lc.Config(rootfs=lc.Overlay(rootfs), **maps, **wishes)
    with lc.Factory() as factory, factory.create("box", config) as container:
        words = lc.Process(["sh", "-c", script], stdout=lc.PIPE, **process)
        with container.run(words) as running:
            out, _ = running.communicate()
            assert running.wait().code == 0, running.wait()
    return out.decode().split()
def say(value):
    print(json.dumps(value))
"""

Script = Callable[..., Any]


@pytest.fixture
def script(unprivileged: RunAsUser, busybox_rootfs: Path) -> Script:
    """Run a script as an ordinary user; return what it says, from JSON."""

    def run(text: str, *args: str, subids: bool = False) -> Any:
        done = unprivileged(_START + text, str(busybox_rootfs), *args, subids=subids)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    return run


def test_the_hosts_network_without_a_configuration(script: Script) -> None:
    said = script(
        "words = ['sh', '-c', 'readlink /proc/self/ns/net; ls /sys/class/net;'\n"
        "         'touch /sys/x 2>/dev/null || echo refused']\n"
        "done = lc.run(words, network='host', capture_output=True, text=True)\n"
        "say([done.returncode, os.readlink('/proc/self/ns/net'), done.stdout.split()])"
    )
    assert said == [0, said[1], [said[1], *said[2][1:-1], "refused"]]
    assert "lo" in said[2]


@pytest.mark.needs("root")
def test_a_refusal_for_want_of_rights_says_what_to_do(script: Script) -> None:
    said = script(
        "told = []\n"
        "os.mkdir(os.path.expanduser('~/closed'), 0)\n"
        "closed = os.path.expanduser('~/closed')\n"
        "for wish in ({'network': lc.Veth()}, {'rootfs': lc.Directory(closed)}):\n"
        "    try:\n"
        "        lc.run(['true'], **wish)\n"
        "    except lc.LibcontainerError as error:\n"
        "        told.append(str(error).partition('hint: ')[2])\n"
        "os.rmdir(closed)\n"
        "say(told)\n"
    )
    assert said == [
        "it needs CAP_NET_ADMIN on the host; Pasta, Slirp4netns and Proxy work without",
        "the caller may not look into the root filesystem, or not read this file of it",
    ]


def test_changes_of_the_hosts_own_root_are_refused(script: Script) -> None:
    said = script(
        "config = lc.Config(rootfs=lc.Overlay.host(), **SINGLE)\n"
        "with lc.Factory() as factory, factory.create('box', config) as container:\n"
        "    container.run(lc.Process(['sleep', '60']))\n"
        "    told = []\n"
        "    for verb in (container.changes, lambda: container.commit('layer')):\n"
        "        try:\n"
        "            verb()\n"
        "        except lc.UnsupportedError as error:\n"
        "            told.append(str(error))\n"
        "    say(told)\n"
    )
    assert len(said) == 2
    for text in said:
        assert text.startswith("changes of the host's own root: CAP_SYS_ADMIN: ")


def _uid() -> int:
    return capabilities.UNPRIVILEGED_ID if os.geteuid() == 0 else os.geteuid()


def test_run_makes_an_ordinary_user_root_inside(script: Script) -> None:
    said = script(
        "done = lc.run(['id', '-u'], rootfs=lc.Overlay(rootfs), capture_output=True)\n"
        "say([done.returncode, done.stdout.decode(), done.stderr.decode()])"
    )
    assert said == [0, "0\n", ""]


def test_run_needs_no_image_of_an_ordinary_user(script: Script) -> None:
    # What is there and what is not, what can be written, and what stays.
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    # With something mounted beneath, as modules in a machine of tests, it is read-only.
    usr = "" if any(m.split()[4].startswith("/usr/") for m in mounts) else "/usr"
    text = (
        "id -u; cat /etc/passwd >/dev/null && echo read;"
        f" touch {usr}/made-inside /made-inside /tmp/made-inside && echo made;"
        " ls /tmp; ls /run | wc -l; stat -c %a / /tmp /usr"
    )
    said = script(
        f"done = lc.run(['sh', '-c', {text!r}], capture_output=True, text=True)\n"
        "say([done.returncode, done.stdout.split(), done.stderr])"
    )
    words = ["0", "read", "made", "made-inside", "0", "755", "1777", "755"]
    assert said == [0, words, ""]
    for path in ("/usr/made-inside", "/made-inside", "/tmp/made-inside"):
        assert not os.path.lexists(path)


def test_a_directory_of_the_host_with_mounts_beneath_is_read_only(
    script: Script,
) -> None:
    said = script(
        "from libcontainer.host.hostroot import read_host_root\n"
        "bound = [e.name for e in read_host_root() if e.kind == 'bind']\n"
        "texts = [f'touch /{name}/made || echo refused' for name in bound]\n"
        "done = lc.run(['sh', '-c', ';'.join(['true', *texts])],"
        " capture_output=True, text=True)\n"
        "say([len(bound), done.stdout.split()])"
    )
    assert said[1] == ["refused"] * said[0]


def test_one_id_is_mapped_and_setgroups_denied(script: Script) -> None:
    files = "/proc/self/uid_map /proc/self/gid_map /proc/self/setgroups"
    said = script(f"say([uid, gid, *sh('cat {files}; id -u; id -g')])")
    uid, gid = (str(number) for number in said[:2])
    assert said[2:] == ["0", uid, "1", "0", gid, "1", "deny", "0", "0"]


@pytest.mark.needs("subids")
def test_a_range_of_ids_is_mapped_and_setgroups_allowed(script: Script) -> None:
    files = "/proc/self/uid_map /proc/self/gid_map /proc/self/setgroups"
    process = "dict(user='1000:1000', additional_groups=[29, 44])"
    text = f"say(sh('cat {files}; id -u; id -G', RANGE, {process}))"
    said = script(text, subids=True)
    uid = str(_uid())
    rows = ["0", uid, "1", "1", "2000000", "65536"]
    assert said == [*rows, *rows, "allow", "1000", "1000", "29", "44"]


_MAP_FILES = "/proc/self/uid_map /proc/self/gid_map /proc/self/setgroups"


@pytest.mark.needs("subids")
def test_without_maps_the_sub_ids_of_the_user_are_mapped(script: Script) -> None:
    process = "dict(user='1000:1000', additional_groups=[29])"
    text = f"say(sh('cat {_MAP_FILES}; id -u; id -G', AUTOMATIC, {process}))"
    said = script(text, subids=True)
    rows = ["0", str(_uid()), "1", "1", "2000000", "65536"]
    assert said == [*rows, *rows, "allow", "1000", "1000", "29"]


@pytest.mark.needs("root")
def test_without_maps_and_sub_ids_the_users_own_id_is_mapped(script: Script) -> None:
    said = script(f"say(sh('cat {_MAP_FILES}; id -u; id -g', AUTOMATIC))")
    row = ["0", str(_uid()), "1"]
    assert said == [*row, *row, "deny", "0", "0"]


@pytest.mark.needs("subids")
def test_the_maps_that_were_found_are_kept_with_the_container(script: Script) -> None:
    said = script(
        "config = lc.Config(rootfs=lc.Overlay(rootfs), **AUTOMATIC)\n"
        "with lc.Factory() as factory, factory.create('box', config) as container:\n"
        "    kept = [factory.load('box').config, container.config]\n"
        "    maps = [(c.uid_mappings, c.gid_mappings) for c in kept]\n"
        "    say([m == lc.subid_mappings() for m in maps])\n",
        subids=True,
    )
    assert said == [True, True]


@pytest.mark.needs("subids")
def test_another_user_can_open_the_pipes_anew_that_we_made(script: Script) -> None:
    reopen = "echo again >/proc/self/fd/1 && echo yes || echo no"
    assert script(
        f"say(sh('id -u; {reopen}', RANGE, dict(user='5:5')))", subids=True
    ) == ["5", "again", "yes"]


@pytest.mark.needs("subids")
def test_run_maps_the_sub_ids_of_the_user(script: Script) -> None:
    said = script(
        "done = lc.run(['id', '-u'], rootfs=lc.Overlay(rootfs), user='1000:1000',"
        " capture_output=True, text=True)\n"
        "say(done.stdout)",
        subids=True,
    )
    assert said == "1000\n"


@pytest.mark.needs("root")
@pytest.mark.parametrize("given", [True, False])
def test_root_gets_what_the_files_give_it_or_must_name_ids(
    busybox_rootfs: Path, public_tmp: Path, given: bool
) -> None:
    for name in ("subuid", "subgid"):
        rows = "root:700000:5\n0:800000:10\n" if given else ""
        (public_tmp / name).write_text(rows)
    text = (
        "try:\n"
        f"    say(sh('cat {_MAP_FILES}', AUTOMATIC))\n"
        "except lc.UnsupportedError as error:\n"
        "    say([error.need])\n"
    )
    binds = "".join(
        f"mount --bind {public_tmp}/{name} /etc/{name}; "
        for name in ("subuid", "subgid")
    )
    inner = ["sh", "-c", f'set -e; {binds} exec "$@"', "sh"]
    program = [sys.executable, "-c", _START + text, str(busybox_rootfs)]
    done = subprocess.run(
        ["unshare", "--mount", *inner, *program],
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    if given:
        rows = ["0", "700000", "5", "5", "800000", "10"]
        assert said == [*rows, *rows, "allow"]
    else:
        assert "uid_mappings and gid_mappings" in said[0]


def test_a_namespace_of_ones_own_container_is_joined(script: Script) -> None:
    said = script(
        "config = lc.Config(rootfs=lc.Overlay(rootfs), hostname='first', **SINGLE)\n"
        "names = ['user', 'network', 'uts', 'ipc', 'pid', 'cgroup']\n"
        "files = {'network': 'net'}\n"
        "with lc.Factory() as factory, factory.create('first', config) as first:\n"
        "    pid = first.run(lc.Process(['sleep', '1000'])).host_pid\n"
        "    paths = {n: f'/proc/{pid}/ns/{files.get(n, n)}' for n in names}\n"
        "    wanted = [os.readlink(path) for path in paths.values()]\n"
        "    script = ''.join(f'readlink /proc/self/ns/{files.get(n, n)};'"
        " for n in names)\n"
        "    seen = sh(script + 'hostname; cat /proc/self/setgroups', AUTOMATIC,"
        " namespace_paths=paths)\n"
        "    say([wanted, seen])\n"
    )
    assert said[1] == [*said[0], "first", "deny"]


def test_a_namespace_of_the_host_cannot_be_joined(script: Script) -> None:
    said = script(
        "path = '/proc/self/ns/net'\n"
        "try:\n"
        "    sh('true', {**SINGLE, 'namespace_paths': {'network': path}},"
        " base_mounts=[])\n"
        "except lc.StepError as error:\n"
        "    say([error.errno, str(error), os.listdir(lc.Factory().root)])\n"
    )
    assert said[0] == errno.EPERM
    assert "CAP_SYS_ADMIN" in said[1]
    assert said[2] == []


def test_a_rule_that_denies_a_device_is_not_passed_over(script: Script) -> None:
    said = script(
        "deny = lc.DeviceRule(False, type='c', major=1, minor=3)\n"
        "allow = lc.DeviceRule(True, type='c', major=10, minor=200)\n"
        "said = []\n"
        "try:\n"
        "    sh('true', resources=lc.Resources(devices=[allow, deny]))\n"
        "except lc.LibcontainerError as error:\n"
        "    said = [str(error), lc.Factory().list()]\n"
        "say([said, sh('echo up', resources=lc.Resources(devices=[allow]))])\n"
    )
    (refusal, left), up = said
    assert "limits on resources" in refusal
    assert left == []
    # Nothing denies it, so there is nothing to be allowed.
    assert up == ["up"]


def test_clocks_are_set(script: Script) -> None:
    said = script(
        "config = dict(SINGLE, namespaces=[*SINGLE['namespaces'], 'time'],"
        " time_offsets={'boottime': 9_000_000})\n"
        "say(sh('cat /proc/self/timens_offsets /proc/uptime; id -u', config))"
    )
    assert said[:6] == ["monotonic", "0", "0", "boottime", "9000000", "0"]
    assert float(said[6]) > 9_000_000
    assert said[-1] == "0"


@pytest.mark.needs("subids")
def test_clocks_and_ranges_go_together(script: Script) -> None:
    said = script(
        "config = dict(AUTOMATIC, namespaces=[*AUTOMATIC['namespaces'], 'time'],"
        " time_offsets={'monotonic': 5})\n"
        "say(sh('cat /proc/self/timens_offsets /proc/self/uid_map', config))",
        subids=True,
    )
    assert said[:3] == ["monotonic", "5", "0"]
    assert said[6:] == ["0", str(_uid()), "1", "1", "2000000", "65536"]


@pytest.mark.needs("mount_namespace_ids")
def test_what_is_left_without_a_pid_namespace_is_ended(script: Script) -> None:
    said = script(
        "kinds = [n for n in SINGLE['namespaces'] if n != 'pid']\n"
        "mounts = [m for m in lc.Config().base_mounts if m.type != 'proc']\n"
        "config = lc.Config(rootfs=lc.Overlay(rootfs), base_mounts=mounts,"
        " **dict(SINGLE, namespaces=kinds))\n"
        "words = 'sleep 77 & setsid sleep 77 & echo ready; sleep 1000'\n"
        "def left():\n"
        "    done = subprocess.run(['pgrep', '-u', str(uid), '-f', 'sleep 77$'],"
        " stdout=subprocess.PIPE)\n"
        "    return len(done.stdout.split())\n"
        "import subprocess, time\n"
        "with lc.Factory() as factory, factory.create('box', config) as container:\n"
        "    init = container.run(lc.Process(['sh', '-c', words], stdout=lc.PIPE))\n"
        "    init.stdout.readline()\n"
        "    while (before := left()) < 2: time.sleep(0.01)\n"
        "    factory.load('box').delete(force=True)\n"
        "    say([before, left()])\n"
        "    init.close()\n"
    )
    assert said == [2, 0]


def test_a_named_pipe_is_made_and_a_device_is_the_hosts(script: Script) -> None:
    said = script(
        "devices = [*lc.Config().devices, lc.Device('/dev/x/pipe', 'p', mode=0o640),"
        " lc.Device('/dev/kmsg', 'c', 1, 11)]\n"
        "text = \"stat -c '%F:%a' /dev/x/pipe; stat -c %t:%T /dev/kmsg;"
        ' (echo hello >/dev/x/pipe &) ; cat /dev/x/pipe"\n'
        "say(sh(text, devices=devices))"
    )
    assert said == ["fifo:640", "1:b", "hello"]


@pytest.mark.needs("root")
def test_the_groups_of_the_caller_are_kept(script: Script) -> None:
    # The user has none besides; what there is is not mapped, and stays.
    said = script("say([os.getgroups(), sh('id -G', keep_groups=True)])")
    assert said == [[], ["0"]]


def test_a_file_made_inside_belongs_to_the_caller(script: Script) -> None:
    said = script(
        "folder = os.path.expanduser('~/shared'); os.mkdir(folder)\n"
        "mounts = [lc.Mount.bind(folder, '/mnt', recursive=True)]\n"
        "sh('echo hello >/mnt/file', mounts=mounts)\n"
        "status = os.stat(folder + '/file')\n"
        "say([status.st_uid == uid, status.st_gid == gid])"
    )
    assert said == [True, True]


@pytest.mark.needs("subids")
def test_a_file_of_another_user_inside_has_a_sub_id(script: Script) -> None:
    said = script(
        "folder = os.path.expanduser('~/shared'); os.mkdir(folder)\n"
        "mounts = [lc.Mount.bind(folder, '/mnt', recursive=True)]\n"
        "script = 'touch /mnt/a /mnt/b; chown 7:8 /mnt/b'\n"
        "sh(script, RANGE, mounts=mounts)\n"
        "statuses = [os.stat(folder + name) for name in ('/a', '/b')]\n"
        "say([[status.st_uid, status.st_gid] for status in statuses])\n"
        "sh('rm /mnt/a /mnt/b', RANGE, mounts=mounts)",
        subids=True,
    )
    assert said == [[_uid(), _uid()], [2000006, 2000007]]


def test_exec_joins_every_namespace(script: Script) -> None:
    said = script(
        "config = lc.Config(rootfs=lc.Overlay(rootfs), **SINGLE)\n"
        "script = 'for n in /proc/self/ns/*; do readlink $n; done; id -u'\n"
        "look = ['sh', '-c', script + '; cd /proc; echo [0-9]*']\n"
        "with lc.Factory() as factory, factory.create('box', config) as container:\n"
        "    init = container.run(lc.Process(['sleep', '1000']))\n"
        "    base = f'/proc/{init.host_pid}/ns'\n"
        "    names = sorted(os.listdir(base))\n"
        "    first = [os.readlink(f'{base}/{name}') for name in names]\n"
        "    with container.exec(lc.Process(look, stdout=lc.PIPE)) as second:\n"
        "        out, _ = second.communicate()\n"
        "    say([first, out.decode().split()])\n"
    )
    namespaces, seen = said
    assert seen[: len(namespaces)] == namespaces
    # It is root, and the first process is there.
    assert seen[len(namespaces) : len(namespaces) + 2] == ["0", "1"]


def test_prepare_and_start_work(script: Script) -> None:
    said = script(
        "config = lc.Config(rootfs=lc.Overlay(rootfs), **SINGLE)\n"
        "with lc.Factory() as factory, factory.create('box', config) as container:\n"
        "    process = container.prepare(lc.Process(['sh', '-c', 'exit 9']))\n"
        "    before = str(container.status())\n"
        "    factory.load('box').start()\n"
        "    say([before, process.wait().code, str(container.status())])\n"
    )
    assert said == ["created", 9, "stopped"]


def test_paths_are_masked_and_read_only(script: Script) -> None:
    text = (
        "wc -c </proc/interrupts; ls /sys/firmware | wc -l;"
        " touch /proc/sys/kernel/hostname 2>&1 | grep -c Read-only;"
        " echo x 2>/dev/null >/proc/sysrq-trigger || echo refused"
    )
    assert script(f"say(sh({text!r}))") == ["0", "0", "1", "refused"]


def test_the_host_name_is_the_containers_own(script: Script) -> None:
    before = os.uname().nodename
    assert script("say(sh('hostname', hostname='box'))") == ["box"]
    assert os.uname().nodename == before


def test_devices_work(script: Script) -> None:
    text = "echo x >/dev/null; head -c 3 /dev/zero | wc -c; ls /dev/pts/ptmx /dev/tty"
    assert script(f"say(sh({text!r}))") == ["3", "/dev/pts/ptmx", "/dev/tty"]


def test_without_a_user_namespace_the_need_is_told(script: Script) -> None:
    said = script(
        "with lc.Factory() as factory:\n"
        "    config = lc.Config(rootfs=lc.Overlay(rootfs))\n"
        "    with factory.create('box', config) as container:\n"
        "        try:\n"
        "            container.run(lc.Process(['true']))\n"
        "        except lc.UnsupportedError as error:\n"
        "            say([error.feature, error.need, str(container.status())])\n"
        "    assert not factory.list()\n"
    )
    assert "user" in said[1]
    assert "namespace" in said[1]
    assert said[2] == "creating"


def test_groups_without_a_range_are_refused_before_the_launch(script: Script) -> None:
    said = script(
        "try:\n"
        "    sh('true', process={'additional_groups': [0]})\n"
        "except lc.LibcontainerError as error:\n"
        "    say([type(error).__name__, str(error)])\n"
    )
    assert said[0] == "UnsupportedError"
    assert "/etc/subgid" in said[1]


def test_a_range_that_is_not_the_users_own_is_refused(script: Script) -> None:
    said = script(
        "foreign = [lc.IdMapping(0, uid, 1), lc.IdMapping(1, 1, 100)]\n"
        "try:\n"
        "    sh('true', {**SINGLE, 'uid_mappings': foreign})\n"
        "except lc.LibcontainerError as error:\n"
        "    say([type(error).__name__, str(error), os.listdir(lc.Factory().root)])\n"
    )
    assert said[0] == "UnsupportedError"
    assert "/etc/subuid" in said[1]
    assert "uid range [1-101) -> [1-101) not allowed" in said[1]  # newuidmap's word
    assert said[2] == []


@pytest.mark.needs("root")
def test_the_state_of_another_user_is_not_trusted(
    script: Script, state_root: Path
) -> None:
    state_root.chmod(0o700)
    state_root.parent.chmod(0o711)
    said = script(
        "try:\n"
        "    lc.Factory(sys.argv[2]).load('box')\n"
        "except (lc.LibcontainerError, OSError) as error:\n"
        "    say(type(error).__name__)\n",
        str(state_root),
    )
    assert said in ("StateFileError", "PermissionError")


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSPC])
def test_a_host_that_forbids_user_namespaces_is_told(number: int) -> None:
    hint = hint_for(ops.Clone(0), number)
    assert hint is not None
    assert "max_" in hint
    assert "namespaces" in hint
    error = lc.StepError(number, "clone", hint=hint)
    assert str(error).endswith(f"hint: {hint}")


@pytest.mark.parametrize("subids", [False, True], ids=["one id", "a range"])
def test_a_container_is_detached_attached_to_and_waited_for(
    script: Script, subids: bool
) -> None:
    text = """
config = lc.Config(rootfs=lc.Overlay(rootfs), **(RANGE if sys.argv[2] else SINGLE))
with lc.Factory() as factory, factory.create("box", config) as container:
    words = ["sh", "-c", "read a; id -u; echo got $a; exit 7"]
    handle = container.run(lc.Process(words, terminal=True), detach=True)
    with container.attach() as attachment:
        attachment.write(b"it\\n")
        seen = b""
        while data := attachment.read():
            seen += data
    handle.wait(20)
    said = factory.load("box").wait(20)
say([seen.decode().split(), said.code])
"""
    seen, code = script(text, "yes" if subids else "", subids=subids)
    assert seen == ["it", "0", "got", "it"]
    assert code == 7


@pytest.mark.parametrize("subids", [False, True], ids=["one id", "a range"])
def test_a_container_that_waits_at_its_gate_is_joined(
    script: Script, subids: bool
) -> None:
    text = """
config = lc.Config(rootfs=lc.Overlay(rootfs), **(RANGE if sys.argv[2] else SINGLE))
with lc.Factory() as factory, factory.create("box", config) as container:
    handle = container.prepare(lc.Process(["sh", "-c", "exit 7"]))
    with container.exec(lc.Process(["id", "-u"], stdout=lc.PIPE)) as running:
        inside = running.communicate()[0].decode()
    status = container.status().value
    container.start()
    say([inside, status, handle.wait(20).code])
"""
    said = script(text, "yes" if subids else "", subids=subids)
    assert said == ["0\n", "created", 7]


def test_the_users_own_files_of_a_container_are_reached(script: Script) -> None:
    said = script(
        "config = lc.Config(rootfs=lc.Overlay(rootfs), **SINGLE)\n"
        "with lc.Factory() as factory, factory.create('box', config) as container:\n"
        "    container.run(lc.Process(['sleep', '60']))\n"
        "    container.fs.write('/new', 'words', permissions=0o600)\n"
        "    seen = lc.Process(['stat', '-c', '%u %a', '/new'], stdout=lc.PIPE)\n"
        "    with container.exec(seen) as running:\n"
        "        inside = running.communicate()[0].decode().split()\n"
        "    changed = [change.path for change in container.changes()]\n"
        "    say([container.fs.read('/new').decode(), inside, changed])\n"
    )
    assert said == ["words", ["0", "600"], ["/new"]]
