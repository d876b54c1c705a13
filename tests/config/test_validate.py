# SPDX-License-Identifier: Apache-2.0
"""Each rule of the validator: what it refuses, and at which path."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from libcontainer.config import (
    Capabilities,
    Config,
    Device,
    Directory,
    IdMap,
    IdMapping,
    Mount,
    MountAttr,
    Overlay,
    Rlimit,
    TimeOffset,
)
from libcontainer.config.hooks import Hook, Hooks
from libcontainer.errors import ConfigError
from libcontainer.process import DEVNULL, PIPE, STDOUT, Process
from libcontainer.validate import check, validate

MAX = 2**32 - 2
WITH_USER = ["mount", "pid", "network", "ipc", "uts", "user"]
WITH_TIME = ["mount", "pid", "time"]
WITHOUT_UTS = ["mount", "pid"]
RANGE = (IdMapping(0, 1000, 10),)

# All that a container in a mount namespace of others can be.
JOINED_MOUNT: dict[str, Any] = {
    "namespace_paths": {"mount": "/run/ns/mnt"},
    "rootfs": "/",
    "base_mounts": [],
    "devices": [],
    "masked_paths": [],
    "readonly_paths": [],
}


def in_user_namespace(**fields: object) -> Config:
    """A good configuration with a user namespace, and some fields changed."""
    merged: dict[str, Any] = {
        "namespaces": WITH_USER,
        "uid_mappings": [IdMapping(0, 1000, 10)],
        "gid_mappings": [IdMapping(0, 1000, 10)],
        **fields,
    }
    return Config(**merged)


def in_joined_user_namespace(**paths: object) -> Config:
    """The same with a user namespace that is joined, and some more of them."""
    maps: dict[str, Any] = {"uid_mappings": [], "gid_mappings": []}
    return in_user_namespace(namespace_paths={"user": "/x", **paths}, **maps)


def mount(**fields: object) -> dict[str, Any]:
    """The fields of a configuration with one tmpfs, some of its fields changed."""
    merged: dict[str, Any] = {"destination": "/x", "type": "tmpfs", **fields}
    return {"mounts": [Mount(**merged)]}


def bind(**fields: object) -> dict[str, Any]:
    """The same with a bind."""
    return mount(**{"type": "bind", "source": "/srv", **fields})


def overlay(*data: str) -> dict[str, Any]:
    """The same with an overlay."""
    return mount(type="overlay", data=data)


def option(text: object, kind: str = "tmpfs") -> dict[str, Any]:
    """The same with one option of a filesystem."""
    return mount(type=kind, data=[text])


def device(**fields: object) -> dict[str, Any]:
    """The fields of a configuration with one device."""
    number = {"major": 1, "minor": 3}
    merged: dict[str, Any] = {"path": "/dev/x", "type": "c", **number, **fields}
    return {"devices": [Device(**merged)]}


def offsets(**clocks: object) -> dict[str, Any]:
    """The fields of a configuration with a time namespace and offsets."""
    return {"namespaces": WITH_TIME, "time_offsets": clocks}


def caps(**sets: object) -> dict[str, Any]:
    """The fields of a configuration with some capability sets."""
    merged: dict[str, Any] = sets
    return {"capabilities": Capabilities(**merged)}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    # rootfs
    ({"rootfs": 7}, "rootfs", "must be a path, a Directory or an Overlay, not int"),
    ({"rootfs": "srv"}, "rootfs.path", "must be an absolute path, not 'srv'"),
    ({"rootfs": ""}, "rootfs.path", "must be an absolute path"),
    ({"rootfs": "/a\0"}, "rootfs.path", "has a NUL"),
    ({"rootfs": "/\ud800"}, "rootfs.path", "cannot be encoded in UTF-8"),
    ({"rootfs": "/" + "a" * 256}, "rootfs.path", "is too long"),
    ({"rootfs": "/a" * 2048}, "rootfs.path", "is too long"),
    ({"rootfs": Directory(None)}, "rootfs.path", "must be a string, not NoneType"),  # type: ignore[arg-type]
    ({"rootfs": Overlay([])}, "rootfs.lower", "must have at least one path"),
    ({"rootfs": Overlay(7)}, "rootfs.lower", "must be a sequence of paths, not int"),  # type: ignore[arg-type]
    ({"rootfs": Overlay(["/a", "b"])}, "rootfs.lower[1]", "must be an absolute path"),
    ({"rootfs": Overlay(["/a"] * 501)}, "rootfs.lower", "has 501 paths, 500 at most"),
    ({"rootfs": Overlay("/a", size=0)}, "rootfs.size", "must be from 1 to"),
    ({"rootfs": Overlay("/a", size=True)}, "rootfs.size", "must be an integer"),
    (
        {"rootfs": Overlay("/a", upper="/u", work="/w", size=1)},
        "rootfs.size",
        "limits the tmpfs",
    ),
    ({"rootfs": Overlay("/a", work="/w")}, "rootfs.work", "is of no use without upper"),
    ({"rootfs": Overlay("/a", upper="/u")}, "rootfs.work", "is needed with upper"),
    (
        {"rootfs": Overlay("/a", upper="u", work="/w")},
        "rootfs.upper",
        "must be an absolute path",
    ),
    (
        {"rootfs": Overlay("/a", upper="/u", work="w")},
        "rootfs.work",
        "must be an absolute path",
    ),
    *(
        (
            {"rootfs": Overlay("/a", upper=upper, work=work)},
            "rootfs.work",
            "must be apart",
        )
        for upper, work in (("/u", "/u"), ("/u", "/u/w"), ("/u/x", "/u"))
    ),
    # namespaces
    ({"namespaces": ["mount", "bogus"]}, "namespaces", "must be one of mount, pid"),
    ({"namespaces": ["mount", []]}, "namespaces[1]", "must be a string, not list"),
    ({"namespaces": "mount"}, "namespaces", "must be a sequence of namespaces, not on"),
    ({"namespaces": 3}, "namespaces", "must be a sequence of namespaces, not int"),
    ({"namespaces": ["pid"]}, "namespaces", "must have 'mount'"),
    # namespaces that are joined
    ({"namespace_paths": 3}, "namespace_paths", "must be a sequence of pairs, not int"),
    ({"namespace_paths": "net"}, "namespace_paths", "must be a sequence of pairs"),
    ({"namespace_paths": ["/x"]}, "namespace_paths[0]", "must be a pair, not str"),
    ({"namespace_paths": {"net": "/x"}}, "namespace_paths[0]", "must be one of mount,"),
    ({"namespace_paths": {3: "/x"}}, "namespace_paths[0]", "must be a string, not int"),
    ({"namespace_paths": {"network": None}}, "namespace_paths[0]", "must be a string"),
    ({"namespace_paths": {"network": "x"}}, "namespace_paths[0]", "must be an absolut"),
    ({"namespace_paths": {"network": "/x\0"}}, "namespace_paths[0]", "has a NUL"),
    (
        {"namespace_paths": {"time": "/x"}},
        "namespace_paths[0]",
        "'time' must be in namespaces too",
    ),
    (
        {"namespace_paths": [("uts", "/x"), ("uts", "/y")]},
        "namespace_paths[1]",
        "'uts' is there already",
    ),
    (JOINED_MOUNT | {"rootfs": "/srv"}, "rootfs", "must be Directory('/')"),
    (JOINED_MOUNT | {"readonly_rootfs": True}, "readonly_rootfs", "must be false"),
    *(
        (JOINED_MOUNT | {name: ["/x"]}, name, "must be empty: the mount namespace is")
        for name in ("masked_paths", "readonly_paths")
    ),
    *(
        (JOINED_MOUNT | {name: value}, name, "must be empty: the mount namespace is")
        for name, value in (
            ("mounts", [Mount.tmpfs("/x")]),
            ("base_mounts", [Mount.tmpfs("/x")]),
            ("devices", [Device("/dev/x", "p")]),
        )
    ),
    (JOINED_MOUNT | {"user": "root"}, "user", "must be numbers: the mount namespace"),
    # clocks
    ({"time_offsets": 3}, "time_offsets", "must be a sequence of pairs, not int"),
    (offsets(realtime=1), "time_offsets[0]", "must be one of monotonic, boottime"),
    (offsets(boottime="1"), "time_offsets[0]", "must be a TimeOffset, not str"),
    (offsets(boottime=True), "time_offsets[0]", "must be a TimeOffset, not bool"),
    (offsets(boottime=1.5), "time_offsets[0]", "must be a TimeOffset, not float"),
    (offsets(boottime=2**63), "time_offsets[0].seconds", "must be from -9223372036"),
    (
        offsets(boottime=TimeOffset(0, -1)),
        "time_offsets[0].nanoseconds",
        "must be from 0 to 999999999",
    ),
    (
        offsets(boottime=TimeOffset(0, 10**9)),
        "time_offsets[0].nanoseconds",
        "must be from 0 to 999999999",
    ),
    (
        {
            "namespaces": WITH_TIME,
            "time_offsets": [("boottime", TimeOffset(1)), ("boottime", TimeOffset(2))],
        },
        "time_offsets[1]",
        "'boottime' is there already",
    ),
    ({"time_offsets": {"boottime": 1}}, "time_offsets", "needs 'time' in namespaces"),
    (
        offsets(boottime=1) | {"namespace_paths": {"time": "/x"}},
        "time_offsets",
        "cannot be set: the time namespace is joined",
    ),
    # names
    ({"hostname": ""}, "hostname", "must be letters"),
    ({"hostname": "a b"}, "hostname", "must be letters"),
    ({"hostname": "-a"}, "hostname", "must be letters"),
    ({"hostname": "a\n"}, "hostname", "has a line break"),
    ({"hostname": "ä"}, "hostname", "must be letters"),
    ({"hostname": "a" * 65}, "hostname", "is longer than 64 bytes"),
    ({"hostname": 7}, "hostname", "must be a string, not int"),
    (
        {"hostname": "a", "namespaces": WITHOUT_UTS},
        "hostname",
        "can be set only in a 'uts' namespace",
    ),
    ({"domainname": "a/b"}, "domainname", "must be letters"),
    (
        {"domainname": "a", "namespaces": WITHOUT_UTS},
        "domainname",
        "can be set only in a 'uts' namespace",
    ),
    # mounts
    ({"mounts": ["/x"]}, "mounts[0]", "must be a Mount, not str"),
    ({"mounts": "/x"}, "mounts", "must be a sequence of Mount, not one string"),
    ({"base_mounts": None}, "base_mounts", "must be a sequence of Mount, not NoneType"),
    ({"base_mounts": [Mount.tmpfs("x")]}, "base_mounts[0].destination", "absolute"),
    (mount(type="ext 4"), "mounts[0].type", "is no name of a filesystem: 'ext 4'"),
    (mount(type="debugfs"), "mounts[0].type", "'debugfs' is of the whole kernel"),
    (mount(type="cgroup2"), "mounts[0].type", "must be 'cgroup'"),
    (mount(type="none"), "mounts[0].type", "'none' is only for a bind or a remount"),
    (mount(type=3), "mounts[0].type", "must be a string"),
    (mount(destination="x"), "mounts[0].destination", "must be an absolute path"),
    (mount(destination=""), "mounts[0].destination", "must be an absolute path"),
    (mount(destination="/../x"), "mounts[0].destination", "must not have '..'"),
    (mount(destination="/a/../x"), "mounts[0].destination", "must not have '..'"),
    (
        mount(destination="/proc"),
        "mounts[0].destination",
        "only a mount of type 'proc'",
    ),
    (
        mount(destination="/proc/self"),
        "mounts[0].destination",
        "nothing may be mounted",
    ),
    (
        bind(destination="//proc/./sys"),
        "mounts[0].destination",
        "nothing may be mounted",
    ),
    (bind(destination="/proc/self/attr"), "mounts[0].destination", "nothing may be"),
    (bind(destination="/proc/1"), "mounts[0].destination", "nothing may be mounted"),
    (
        mount(destination="/proc/cpuinfo"),
        "mounts[0].destination",
        "nothing may be mounted",
    ),
    (bind(source=None), "mounts[0].source", "is needed for a bind"),
    (bind(source="srv"), "mounts[0].source", "must be an absolute path"),
    (bind(data=["ro"]), "mounts[0].data[0]", "'ro' is no option of bind"),
    (mount(source="a\nb"), "mounts[0].source", "has a line break"),
    (mount(recursive=True), "mounts[0].recursive", "is only for a bind"),
    (bind(recursive=1), "mounts[0].recursive", "must be true or false, not int"),
    (mount(propagation="up"), "mounts[0].propagation", "must be a Propagation"),
    (
        mount(attrs=0x1, attrs_clear=0x3),
        "mounts[0].attrs",
        "has what attrs_clear has too: RDONLY",
    ),
    (mount(attrs_clear="rw"), "mounts[0].attrs_clear", "must be a MountAttr, not str"),
    (
        bind(recursive_attrs=0x2, recursive_attrs_clear=0x2),
        "mounts[0].recursive_attrs",
        "has what recursive_attrs_clear has too: NOSUID",
    ),
    (
        bind(recursive_attrs_clear=-2),
        "mounts[0].recursive_attrs_clear",
        "must be a MountAttr, not int",
    ),
    (mount(extras="remount"), "mounts[0].extras", "must be a sequence of words"),
    (mount(extras=["x"]), "mounts[0].extras", "must be one of remount, tmpcopyup"),
    (
        bind(extras=["tmpcopyup"]),
        "mounts[0].extras",
        "'tmpcopyup' is only for 'tmpfs', not 'bind'",
    ),
    (
        mount(extras=["src-nofollow"]),
        "mounts[0].extras",
        "'src-nofollow' is only for 'bind', not 'tmpfs'",
    ),
    (
        mount(extras=["tmpcopyup"], destination="/dev"),
        "mounts[0].extras",
        "'tmpcopyup' is not for '/dev'",
    ),
    (
        {"hooks": Hooks(create_container=[Hook("/h", output="/log")])},
        "hooks.create_container[0].output",
        "is only for a hook on the host",
    ),
    (
        {"hooks": Hooks(poststop=[Hook("/h", output="log")])},
        "hooks.poststop[0].output",
        "must be an absolute",
    ),
    (bind(extras=["copy-link"]), "mounts[0].extras", "must be one of remount"),
    (
        bind(extras=["copy-symlink", "src-nofollow"]),
        "mounts[0].extras",
        "exclude each other",
    ),
    (
        mount(extras=["copy-symlink"]),
        "mounts[0].extras",
        "'copy-symlink' is only for 'bind', not 'tmpfs'",
    ),
    (option("x=1", "cgroup"), "mounts[0].data[0]", "'x=1' is no option of cgroup"),
    (mount(extras=["remount"]), "mounts[0]", "remount: no mount before it"),
    (bind(idmap="idmap"), "mounts[0].idmap", "must be a IdMap, not str"),
    (bind(idmap=IdMap()), "mounts[0].idmap", "needs mappings of users and groups"),
    (
        bind(idmap=IdMap(RANGE, ())),
        "mounts[0].idmap",
        "needs mappings of users and groups",
    ),
    (
        bind(idmap=IdMap((IdMapping(0, 0, 1, relative=True),), RANGE)),
        "mounts[0].idmap.uid_mappings[0].relative",
        "needs a user namespace",
    ),
    (
        bind(idmap=IdMap(RANGE, RANGE, recursive=1)),
        "mounts[0].idmap.recursive",
        "must be true or false",
    ),
    (
        bind(idmap=IdMap((*RANGE, IdMapping(5, 9, 1)), RANGE)),
        "mounts[0].idmap.uid_mappings[1].container_id",
        "overlaps the range of mounts[0].idmap.uid_mappings[0]",
    ),
    (
        bind(idmap=IdMap("uids=1", RANGE)),
        "mounts[0].idmap.uid_mappings",
        "must be a sequence of IdMapping, not one string",
    ),
    (mount(idmap=IdMap(RANGE, RANGE)), "mounts[0].idmap", "is only for a bind"),
    (overlay(), "mounts[0].data.lowerdir", "must have at least one path"),
    (overlay("lowerdir=a:/b"), "mounts[0].data.lowerdir[0]", "must be an absolute"),
    (
        overlay("lowerdir=/a", "upperdir=/u"),
        "mounts[0].data.workdir",
        "is needed with upper",
    ),
    (
        overlay("lowerdir=/a", "upperdir=/u", "workdir=/u/w"),
        "mounts[0].data.workdir",
        "must be apart from upper",
    ),
    ({"rootfs": Directory("/x", IdMap())}, "rootfs.idmap", "needs mappings of"),
    (
        {"rootfs": Overlay("/x", idmap=IdMap(RANGE))},
        "rootfs.idmap",
        "needs mappings of users and groups",
    ),
    ({"rootfs_propagation": "up"}, "rootfs_propagation", "must be a Propagation"),
    ({"no_pivot_root": 1}, "no_pivot_root", "must be true or false"),
    (mount(attrs=-1), "mounts[0].attrs", "must be a MountAttr, not int"),
    (mount(attrs="ro"), "mounts[0].attrs", "must be a MountAttr, not str"),
    (mount(attrs=0x40), "mounts[0].attrs", "has unknown bits: 0x40"),
    (mount(attrs=0x30), "mounts[0].attrs", "NOATIME and STRICTATIME exclude"),
    # options of filesystems
    (mount(data="size=1m"), "mounts[0].data", "must be a sequence of strings"),
    (option(7), "mounts[0].data[0]", "must be a string"),
    (option("a\0"), "mounts[0].data[0]", "has a NUL"),
    (option("size=1,mode=0777"), "mounts[0].data[0]", "has a comma"),
    (option("size=1,x", "ext4"), "mounts[0].data[0]", "has a comma"),
    (option("bogus=1"), "mounts[0].data[0]", "'bogus=1' is no option of tmpfs: size"),
    (option("noswap=1"), "mounts[0].data[0]", "takes no value"),
    (option("size=-1"), "mounts[0].data[0]", "is no size such as 64m"),
    (option("size=9e18"), "mounts[0].data[0]", "is no size such as 64m"),
    (option("size=9223372036854775808"), "mounts[0].data[0]", "is more than"),
    (option("size=8388608t"), "mounts[0].data[0]", "is more than"),
    (option("size=101%"), "mounts[0].data[0]", "is more than 100 %"),
    (option("size=٣"), "mounts[0].data[0]", "is no size"),
    (option("size"), "mounts[0].data[0]", "is no size"),
    (option("mode=7777"), "mounts[0].data[0]", "is more than 0o1777"),
    (option("mode=8"), "mounts[0].data[0]", "is no octal number"),
    (option("uid=4294967296"), "mounts[0].data[0]", "is more than 4294967294"),
    (option("gid=0x0"), "mounts[0].data[0]", "is no decimal number"),
    (option("mpol=far"), "mounts[0].data[0]", "is no policy such as bind:0-3"),
    (option("huge=maybe"), "mounts[0].data[0]", "is none of never, always"),
    (option("ptmxmode=1777", "devpts"), "mounts[0].data[0]", "is more than 0o777"),
    (option("=x", "ext4"), "mounts[0].data[0]", "is no option"),
    (option("sync=1"), "mounts[0].data[0]", "takes no value"),
    (option("context=", "ext4"), "mounts[0].data[0]", "has no value"),
    (
        bind(data=["sync"]),
        "mounts[0].data[0]",
        "is of the filesystem, which a bind shares",
    ),
    (option("x", "sysfs"), "mounts[0].data[0]", "'x' is no option of sysfs"),
    (mount(data=["size=1", "size=2"]), "mounts[0].data[1]", "'size=2' is given twice"),
    # masked and read-only paths
    ({"masked_paths": ["proc"]}, "masked_paths[0]", "must be an absolute path"),
    ({"masked_paths": ["/"]}, "masked_paths[0]", "must not be '/'"),
    ({"masked_paths": 7}, "masked_paths", "must be a sequence of paths, not int"),
    ({"readonly_paths": ["/a", 7]}, "readonly_paths[1]", "must be a string, not int"),
    ({"readonly_paths": ["/a/.."]}, "readonly_paths[0]", "must not have '..'"),
    # devices
    ({"devices": [None]}, "devices[0]", "must be a Device, not NoneType"),
    ({"devices": {}}, "devices", "must be a sequence of Device, not dict"),
    (device(path="/sys/x"), "devices[0].path", "must be below '/dev', not '/sys/x'"),
    (device(path="/dev"), "devices[0].path", "must be below '/dev'"),
    (device(path="/proc/x"), "devices[0].path", "must be below '/dev'"),
    (device(path="/dev/../x"), "devices[0].path", "must not have '..'"),
    (device(path="/dev/ptmx"), "devices[0].path", "is a link that is always made"),
    (device(path="/dev/fd/3"), "devices[0].path", "'/dev/fd' is a link"),
    (device(type="x"), "devices[0].type", "must be one of c, u, b, p, not 'x'"),
    (device(type=99), "devices[0].type", "must be a string, not int"),
    (device(major=4096), "devices[0].major", "must be from 0 to 4095"),
    (device(minor=2**20), "devices[0].minor", "must be from 0 to 1048575"),
    (device(minor=-1), "devices[0].minor", "must be from 0 to 1048575"),
    (device(type="p"), "devices[0].major", "must be 0 for a pipe"),
    (device(mode=0o1000), "devices[0].mode", "must be from 0 to 511"),
    (device(uid=2**32 - 1), "devices[0].uid", f"must be from 0 to {MAX}"),
    (device(gid=True), "devices[0].gid", "must be an integer, not bool"),
    (
        {"devices": [Device("/dev/x", "c"), Device("/dev//x", "c")]},
        "devices[1].path",
        "'/dev/x' is the path of devices[0] already",
    ),
    (
        {"devices": [Device("/dev/x", "c"), Device("/dev/x/y", "c")]},
        "devices[1].path",
        "cannot both be",
    ),
    (
        {"devices": [Device("/dev/x/y", "c"), Device("/dev/x", "c")]},
        "devices[1].path",
        "cannot both be",
    ),
    # switches
    ({"readonly_rootfs": 1}, "readonly_rootfs", "must be true or false, not int"),
    ({"loopback": None}, "loopback", "must be true or false, not NoneType"),
    ({"no_new_privs": 0}, "no_new_privs", "must be true or false, not int"),
    ({"terminal": "yes"}, "terminal", "must be true or false, not str"),
    # environment, labels
    ({"env": ["A"]}, "env[0]", "has no '=': 'A'"),
    ({"env": [7]}, "env[0]", "must be a string, not int"),
    ({"env": "A=1"}, "env", "must be a sequence of entries, not one string"),
    ({"env": {"": "x"}}, "env[0]", "is no name of a variable: ''"),
    ({"env": {"A=B": "x"}}, "env[0]", "is no name of a variable: 'A=B'"),
    ({"env": {"A": 7}}, "env[0]", "must be a string, not int"),
    ({"env": {7: "A"}}, "env[0]", "must be a string, not int"),
    ({"env": {"A": "\0"}}, "env[0]", "has a NUL"),
    ({"env": {"A": "x" * 131072}}, "env[0]", "is 131072 bytes long"),
    ({"env": {"HOME": "/\nroot"}}, "env[0]", "has a line break"),
    ({"labels": {"a": 1}}, "labels[0]", "must be a string, not int"),
    ({"labels": {"a\0": "b"}}, "labels[0]", "has a NUL"),
    # working directory
    ({"cwd": "tmp"}, "cwd", "must be an absolute path"),
    ({"cwd": ""}, "cwd", "must be an absolute path"),
    ({"cwd": None}, "cwd", "must be a string, not NoneType"),
    ({"cwd": "/proc/self/fd/7"}, "cwd", "must not be below a process in /proc"),
    ({"cwd": "/tmp/..//proc/./1/fd/7"}, "cwd", "must not be below a process"),
    ({"cwd": "/../proc/thread-self/cwd"}, "cwd", "must not be below a process"),
    # user
    *(
        ({"user": user}, "user", "")
        for user in (
            *(
                "0x0",
                "1000\n",
                "\uff11\uff10\uff10\uff10",
                "1_000",
                " 0",
                "-1",
                "1:2:3",
                "1abc",
                "0:",
            ),
            *("4294967295", "4294967296", "2147483648", "00", "a b", "²", "ä", "a/b"),
            *(True, 1.0, -1, 2**31, 2**20000, None, "a:1abc", "a" * 300, "1:-1"),
        )
    ),
    ({"user": "2147483648"}, "user", "must be from 0 to 2147483647, not 2147483648"),
    ({"user": "1abc"}, "user", "is neither a number nor a name: '1abc'"),
    # groups
    ({"additional_groups": [1.0]}, "additional_groups[0]", "must be an integer"),
    ({"additional_groups": [-1]}, "additional_groups[0]", "must be from 0 to"),
    ({"additional_groups": "1"}, "additional_groups", "must be a sequence"),
    (
        {"keep_groups": True, "additional_groups": [1]},
        "additional_groups",
        "cannot be given: keep_groups",
    ),
    ({"keep_groups": 1}, "keep_groups", "must be true or false, not int"),
    ({"additional_groups": [1] * 65537}, "additional_groups", "has 65537 groups"),
    # capabilities
    ({"capabilities": None}, "capabilities", "must be a Capabilities, not NoneType"),
    ({"capabilities": "KILL"}, "capabilities", "must be a Capabilities, not str"),
    (caps(bounding=["foo"]), "capabilities.bounding", "unknown capability 'CAP_FOO'"),
    (caps(bounding="KILL"), "capabilities.bounding", "must be a sequence"),
    (caps(bounding=[7]), "capabilities.bounding", "must be a string"),
    (caps(bounding=[[]]), "capabilities.bounding[0]", "must be a string, not list"),
    (
        caps(bounding=["KILL"], effective=["KILL"]),
        "capabilities.effective",
        "must be within permitted",
    ),
    (caps(permitted=["KILL"]), "capabilities.permitted", "must be within bounding"),
    (
        caps(bounding=["KILL"], ambient=["KILL"]),
        "capabilities.ambient",
        "must be within permitted (the kernel refuses more): CAP_KILL",
    ),
    (
        caps(bounding=["KILL"], inheritable=["KILL"]),
        "capabilities.inheritable",
        "must be within ambient",
    ),
    # limits
    ({"rlimits": [1]}, "rlimits[0]", "must be a Rlimit, not int"),
    ({"rlimits": [Rlimit("foo", 1, 1)]}, "rlimits[0].type", "must be one of RLIMIT_C"),
    ({"rlimits": [Rlimit(7, 1, 1)]}, "rlimits[0].type", "must be a string"),  # type: ignore[arg-type]
    ({"rlimits": [Rlimit("CPU", 2, 1)]}, "rlimits[0].soft", "must not be above hard"),
    (
        {"rlimits": [Rlimit("CPU", None, 1)]},
        "rlimits[0].soft",
        "must not be above hard",
    ),
    ({"rlimits": [Rlimit("CPU", -2, 1)]}, "rlimits[0].soft", "must be from 0 to"),
    ({"rlimits": [Rlimit("CPU", 0, 2**64)]}, "rlimits[0].hard", "must be from 0 to"),
    ({"rlimits": [Rlimit("CPU", True, 1)]}, "rlimits[0].soft", "must be an integer"),
    (
        {"rlimits": [Rlimit("CPU", 1, 1), Rlimit("cpu", 2, 2)]},
        "rlimits[1].type",
        "RLIMIT_CPU is given by rlimits[0] already",
    ),
    # umask
    ({"umask": 10**5000}, "umask", "not <int that cannot be shown>"),
    ({"umask": -1}, "umask", "must be from 0 to 511, not -1"),
    ({"umask": 0o1000}, "umask", "must be from 0 to 511, not 512"),
    ({"umask": False}, "umask", "must be an integer, not bool"),
    # id maps without a user namespace
    ({"uid_mappings": [IdMapping(0, 0, 1)]}, "uid_mappings", "is of no use without"),
    ({"gid_mappings": [IdMapping(0, 0, 1)]}, "gid_mappings", "is of no use without"),
]

WRONG_IN_USER_NAMESPACE: list[tuple[dict[str, Any], str, str]] = [
    ({"uid_mappings": ()}, "uid_mappings", "is needed with gid_mappings, or neither"),
    ({"gid_mappings": ()}, "gid_mappings", "is needed with uid_mappings, or neither"),
    (
        {"namespace_paths": {"user": "/x"}, "gid_mappings": ()},
        "uid_mappings",
        "is the joined user namespace's own",
    ),
    (
        {"namespace_paths": {"user": "/x"}, "uid_mappings": ()},
        "gid_mappings",
        "is the joined user namespace's own",
    ),
    (
        {"namespace_paths": {"pid": "/x"}},
        "base_mounts[0].type",
        "'proc' in a user namespace needs a 'pid' namespace of its own",
    ),
    ({"uid_mappings": 7}, "uid_mappings", "must be a sequence of IdMapping, not int"),
    (
        {"uid_mappings": [(0, 0, 1)]},
        "uid_mappings[0]",
        "must be a IdMapping, not tuple",
    ),
    (
        {"uid_mappings": [IdMapping(0, 0, 0)]},
        "uid_mappings[0].size",
        f"must be from 1 to {MAX + 1}",
    ),
    ({"uid_mappings": [IdMapping("0", 0, 1)]}, "uid_mappings[0].container_id", "an i"),  # type: ignore[arg-type]
    ({"uid_mappings": [IdMapping(-1, 0, 1)]}, "uid_mappings[0].container_id", "from 0"),
    ({"uid_mappings": [IdMapping(0, "0", 1)]}, "uid_mappings[0].host_id", "an integer"),  # type: ignore[arg-type]
    (
        {"uid_mappings": [IdMapping(0, True, 1)]},
        "uid_mappings[0].host_id",
        "an integer",
    ),
    (
        {"uid_mappings": [IdMapping(0, MAX, 2)]},
        "uid_mappings[0].host_id",
        f"the range of 2 ends above {MAX}",
    ),
    (
        {"uid_mappings": [IdMapping(0, 1000, 10), IdMapping(9, 2000, 1)]},
        "uid_mappings[1].container_id",
        "overlaps the range of uid_mappings[0]",
    ),
    (
        {"gid_mappings": [IdMapping(0, 1000, 10), IdMapping(10, 1009, 1)]},
        "gid_mappings[1].host_id",
        "overlaps the range of gid_mappings[0]",
    ),
    (
        {"uid_mappings": [IdMapping(n, n, 1) for n in range(341)]},
        "uid_mappings",
        "has 341 ranges, the kernel takes 340",
    ),
    (
        {"uid_mappings": [IdMapping(1, 1000, 1)]},
        "uid_mappings",
        "must map container id",
    ),
    ({"user": "10"}, "user", "uid 10 is not mapped in the user namespace"),
    ({"user": "0:10"}, "user", "gid 10 is not mapped in the user namespace"),
    ({"additional_groups": [0, 10]}, "additional_groups[1]", "gid 10 is not mapped"),
    (
        {"namespaces": ["mount", "user", "ipc", "network"]},
        "base_mounts[0].type",
        "'proc' in a user namespace needs a 'pid' namespace of its own",
    ),
    (
        {"namespaces": ["mount", "user", "pid", "network"]},
        "base_mounts[4].type",
        "'mqueue' in a user namespace needs a 'ipc' namespace",
    ),
    (
        {"namespaces": ["mount", "user", "pid", "ipc"]},
        "base_mounts[5].type",
        "'sysfs' in a user namespace needs a 'network' namespace",
    ),
]


class Closed:
    """An object whose descriptor cannot be asked for."""

    def fileno(self) -> int:
        message = "closed"
        raise ValueError(message)


class Odd:
    """An object whose descriptor is none."""

    def fileno(self) -> str:
        return "7"


WRONG_PROCESSES: list[tuple[dict[str, Any], str, str]] = [
    ({"args": "ls"}, "process.args", "must be a sequence of strings, not one string"),
    ({"args": []}, "process.args", "must have at least one string, the program"),
    ({"args": [""]}, "process.args[0]", "must not be empty: it is the program"),
    ({"args": ["ls", 7]}, "process.args[1]", "must be a string, not int"),
    ({"args": ["ls", "\0"]}, "process.args[1]", "has a NUL: '\\x00'"),
    ({"args": [b"ls"]}, "process.args[0]", "must be a string, not bytes"),
    ({"args": None}, "process.args", "must be a sequence of strings, not NoneType"),
    ({"args": ["\udcff"]}, "process.args[0]", "cannot be encoded in UTF-8"),
    ({"env": ["A"]}, "process.env[0]", "has no '='"),
    ({"cwd": "x"}, "process.cwd", "must be an absolute path"),
    ({"user": "1abc"}, "process.user", "is neither a number nor a name"),
    ({"additional_groups": [-1]}, "process.additional_groups[0]", "must be from 0"),
    (
        {"capabilities": Capabilities(bounding=["x"])},
        "process.capabilities.bounding",
        "unknown capability",
    ),
    ({"no_new_privs": 1}, "process.no_new_privs", "must be true or false"),
    ({"rlimits": [None]}, "process.rlimits[0]", "must be a Rlimit"),
    ({"umask": 8**3}, "process.umask", "must be from 0 to 511"),
    ({"terminal": 1}, "process.terminal", "must be true or false"),
    ({"terminal": True, "stdin": PIPE}, "process.stdin", "is the terminal"),
    ({"terminal": True, "stdout": 1}, "process.stdout", "is the terminal"),
    ({"terminal": True, "stderr": STDOUT}, "process.stderr", "is the terminal"),
    ({"console_size": (24, 80)}, "process.console_size", "is of no use without"),
    (
        {"terminal": True, "console_size": (24,)},
        "process.console_size",
        "must be (rows, columns), not (24,)",
    ),
    (
        {"terminal": True, "console_size": (0, 80)},
        "process.console_size[0]",
        "must be from 1 to 65535, not 0",
    ),
    (
        {"terminal": True, "console_size": [24, 65536]},
        "process.console_size[1]",
        "must be from 1 to 65535, not 65536",
    ),
    ({"terminal": True, "console_size": 7}, "process.console_size", "not int"),
    ({"stdin": STDOUT}, "process.stdin", "must be from 0 to"),
    ({"stdin": True}, "process.stdin", "must be an integer, not bool"),
    ({"stdout": -7}, "process.stdout", "must be from 0 to"),
    ({"stdout": "file"}, "process.stdout", "must be None, PIPE, DEVNULL, an fd or an"),
    ({"stdout": io.BytesIO()}, "process.stdout", "has no file descriptor: Unsupported"),
    ({"stderr": Closed()}, "process.stderr", "has no file descriptor: ValueError"),
    ({"stderr": Odd()}, "process.stderr", "must be an integer, not str"),
    ({"pass_fds": [3, 3]}, "process.pass_fds[1]", "3 is process.pass_fds[0] already"),
    ({"pass_fds": [-1]}, "process.pass_fds[0]", "must be from 0 to"),
    ({"pass_fds": [True]}, "process.pass_fds[0]", "must be an integer, not bool"),
    ({"pass_fds": 3}, "process.pass_fds", "must be a sequence of fds, not int"),
]


def assert_only_problem(
    problems: list[Any], path: str, message: str, more: tuple[str, ...] = ()
) -> None:
    """Assert that all problems are at *path*, and one has the message."""
    assert problems
    assert {problem.path for problem in problems} <= {path, *more}, problems
    assert any(p.path == path and message in p.message for p in problems), problems


def identify(case: tuple[dict[str, Any], str, str]) -> str:
    """Name a case of a table."""
    return f"{case[1]}-{case[2][:40]}".encode("ascii", "replace").decode()


@pytest.mark.parametrize("case", WRONG, ids=identify)
def test_a_wrong_field_is_one_problem_at_its_path(
    case: tuple[dict[str, Any], str, str],
) -> None:
    fields, path, message = case
    # A pipe with numbers has two wrong ones; a list may be wrong as a whole.
    more = ("devices[0].minor", "namespaces", "mounts[0].type")
    assert_only_problem(validate(Config(**fields)), path, message, more)


@pytest.mark.parametrize("case", WRONG_IN_USER_NAMESPACE, ids=identify)
def test_a_wrong_field_with_a_user_namespace_is_one_problem_at_its_path(
    case: tuple[dict[str, Any], str, str],
) -> None:
    fields, path, message = case
    # With 0 unmapped, the default user is not mapped either.
    problems = validate(in_user_namespace(**fields))
    assert_only_problem(problems, path, message, ("user",))


@pytest.mark.parametrize("case", WRONG_PROCESSES, ids=identify)
def test_a_wrong_process_is_one_problem_at_its_path(
    case: tuple[dict[str, Any], str, str],
) -> None:
    fields, path, message = case
    process = Process(**{"args": ["ls"], **fields})
    assert_only_problem(validate(Config(), process), path, message)


GOOD: list[Callable[[], tuple[Config, Process | None]]] = [
    lambda: (Config(), None),
    lambda: (Config(), Process(["ls"])),
    lambda: (in_user_namespace(), Process(["ls"], user="9:9", additional_groups=[9])),
    lambda: (in_user_namespace(uid_mappings=[], gid_mappings=[]), None),
    lambda: (in_joined_user_namespace(), Process(["ls"], user="9:9")),
    lambda: (in_joined_user_namespace(pid=Path("/p"), ipc="/i", network="/n"), None),
    lambda: (Config(namespace_paths={"network": "/run/netns/x", "uts": "/x"}), None),
    lambda: (Config(**JOINED_MOUNT), Process(["ls"], user="7:8")),
    lambda: (Config(**offsets(monotonic=-5, boottime=TimeOffset(7, 999999999))), None),
    lambda: (Config(keep_groups=True), Process(["ls"])),
    lambda: (Config(rootfs="/srv"), None),
    lambda: (Config(rootfs=Overlay("/a", size=4096)), None),
    lambda: (Config(rootfs=Overlay(["/a", "/b"], upper="/u", work="/w")), None),
    lambda: (Config(rootfs=Overlay("/a", upper="/ab", work="/abc")), None),
    lambda: (Config(namespaces=["mount"]), None),
    lambda: (Config(hostname="a" * 64, domainname="my_box.example"), None),
    lambda: (Config(**bind(destination="/proc/sys/kernel/ns_last_pid")), None),
    lambda: (Config(**bind(destination="//proc//meminfo")), None),
    lambda: (Config(**mount(type="proc", destination="/proc")), None),
    lambda: (Config(**mount(destination="/process")), None),
    lambda: (Config(**bind(recursive=True, propagation="slave")), None),
    lambda: (Config(**mount(attrs=MountAttr.NOATIME | MountAttr.NODIRATIME)), None),
    lambda: (
        Config(
            **mount(
                data=[
                    "size=65536k",
                    "mode=1777",
                    "uid=0",
                    "gid=4294967294",
                    "nr_inodes=1k",
                    "nr_blocks=0",
                    "huge=never",
                    "noswap",
                    "mpol=prefer=static:1",
                ]
            )
        ),
        None,
    ),
    lambda: (Config(**option("size=50%")), None),
    lambda: (Config(**option("hidepid=invisible", "proc")), None),
    lambda: (Config(**option("max=100", "devpts")), None),
    lambda: (Config(masked_paths=["/a", "/a"], readonly_paths=[]), None),
    lambda: (Config(**device(type="p", major=0, minor=0)), None),
    lambda: (Config(**device(path="/dev/net/tun", uid=MAX)), None),
    lambda: (Config(devices=[Device("/dev/a", "c"), Device("/dev/ab", "c")]), None),
    lambda: (Config(env=["A=1", "A=2", "B="]), None),
    lambda: (Config(env={"X": "a\nb"}, labels={"any": "a\nb"}), None),
    lambda: (Config(cwd="/proc/../proc"), None),
    lambda: (Config(cwd="/proc/sys"), None),
    *(
        (lambda user=user: (Config(user=user), None))
        for user in ("", "0", "root", "_x-y.z", "m$", "1:2", "a:b", "1:b", "a:2", ":5")
    ),
    lambda: (Config(user=2**31 - 1), None),
    lambda: (Config(additional_groups=[]), None),
    lambda: (Config(capabilities=[]), None),
    lambda: (Config(capabilities=Capabilities.of("kill", ambient=True)), None),
    lambda: (
        Config(
            capabilities=Capabilities(
                bounding=["kill"],
                permitted=["kill"],
                ambient=["kill"],
                inheritable=["kill"],
            )
        ),
        None,
    ),
    lambda: (Config(rlimits=[Rlimit("CPU", 5, None), Rlimit("AS", -1, -1)]), None),
    lambda: (Config(rlimits=[Rlimit("CPU", 2**64 - 1, None)]), None),
    lambda: (Config(), Process(["ls", ""], stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)),
    lambda: (Config(), Process(["ls"], stdin=0, stdout=2**31 - 1, pass_fds=[9, 5])),
    lambda: (Config(terminal=True), Process(["ls"], console_size=[24, 80])),
    lambda: (Config(terminal=True), Process(["ls"], terminal=False, stdin=PIPE)),
]


@pytest.mark.parametrize("make", GOOD)
def test_what_is_good_has_no_problem(
    make: Callable[[], tuple[Config, Process | None]],
) -> None:
    config, process = make()
    assert validate(config, process) == []
    check(config, process)


def test_a_file_is_a_good_stream(tmp_path: Path) -> None:
    with open(tmp_path / "file", "wb") as file:
        assert validate(Config(), Process(["ls"], stdout=file, stderr=file)) == []


def test_what_is_no_config_or_process_is_a_problem() -> None:
    (problem,) = validate({})  # type: ignore[arg-type]
    assert str(problem) == "config: must be a Config, not dict"
    (problem,) = validate(Config(), ["ls"])  # type: ignore[arg-type]
    assert str(problem) == "process: must be a Process, not list"


def test_everything_wrong_is_reported_at_once() -> None:
    config = Config(
        rootfs="srv",
        namespaces=["mount", "pid", "bogus"],
        uid_mappings=[IdMapping(0, 0, 1)],
        hostname="a b",
        mounts=[
            Mount.bind("/srv", "/srv"),
            Mount.bind("srv", "/../x"),
            Mount.tmpfs("/proc/sys", size="-1"),
        ],
        devices=[Device("/sys/x", "z", -1, 3)],
        masked_paths=["a"],
        env=["NOPE"],
        cwd="x",
        user="1abc",
        capabilities=["foo"],
        rlimits=[Rlimit("CPU", 2, 1)],
        umask=True,
        terminal=True,
    )
    process = Process([], stdin=PIPE, pass_fds=[4, 4], console_size=(0, 0))
    with pytest.raises(ConfigError) as caught:
        check(config, process)
    paths = [problem.path for problem in caught.value.problems]
    assert paths == [
        "rootfs.path",
        "namespaces",
        "uid_mappings",
        "hostname",
        "hostname",
        "mounts[1].destination",
        "mounts[1].source",
        "mounts[2].destination",
        "mounts[2].data[1]",
        "devices[0].path",
        "devices[0].type",
        "devices[0].major",
        "masked_paths[0]",
        "env[0]",
        "cwd",
        "user",
        "capabilities.bounding",
        "capabilities.effective",
        "capabilities.permitted",
        "rlimits[0].soft",
        "umask",
        "process.args",
        "process.stdin",
        "process.console_size[0]",
        "process.console_size[1]",
        "process.pass_fds[1]",
    ]
    assert str(caught.value).count("\n") == len(paths) - 1
