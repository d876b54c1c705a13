# SPDX-License-Identifier: Apache-2.0
"""The root, the mounts and the hooks of a bundle (``config.md``)."""

from __future__ import annotations

import os
from typing import Any, Final

from attrs import evolve

from libcontainer.config import Device, Directory, Hook, Hooks, IdMapping, Mount
from libcontainer.config.container_reader import Reader
from libcontainer.config.hooks import AnyHook
from libcontainer.config.mount_options import WORDS
from libcontainer.process import Process

MAX_ID: Final = 2**32 - 1
_OF_FILESYSTEM: Final = frozenset(
    {
        *("sync", "dirsync", "async", "mand", "nomand", "lazytime", "nolazytime"),
        *("iversion", "noiversion"),
    }
)
_HOOKS: Final = {
    "prestart": "prestart",
    "createRuntime": "create_runtime",
    "createContainer": "create_container",
    "startContainer": "start_container",
    "poststart": "poststart",
    "poststop": "poststop",
}


def known(reader: Reader, *keys: str) -> None:
    """Warn of every other key."""
    for key in reader.document:
        if key not in keys:
            reader.warn(str(key), "unknown key, passed over")


def required(reader: Reader, *keys: str) -> None:
    """Refuse an object without a key."""
    for key in keys:
        if key not in reader.document:
            reader.refuse(key, "is required")


def read_root(top: Reader, bundle: str) -> dict[str, Any]:
    """Return the root filesystem; its path is relative to the bundle."""
    root = top.child("root")
    known(root, "path", "readonly")
    path = root.text("path")
    if not path:
        root.refuse("path", "is required")
    return {
        "rootfs": Directory(os.path.join(bundle, path)),
        "readonly_rootfs": root.boolean("readonly"),
    }


def read_mounts(top: Reader, bundle: str) -> dict[str, Any]:
    """Return the mounts, all of them and in their order."""
    mounts = [_mount(item, bundle) for item in top.children("mounts")]
    return {"base_mounts": (), "mounts": tuple(mounts)}


def _mount(mount: Reader, bundle: str) -> Mount:
    keys = ("destination", "type", "source", "options", "uidMappings", "gidMappings")
    known(mount, *keys)
    destination = mount.text("destination")
    if not destination:
        mount.refuse("destination", "is required")
    elif not destination.startswith("/"):
        # Of old bundles; the specification wants an absolute path.
        mount.warn("destination", f"is not absolute: /{destination} is meant")
        destination = f"/{destination}"
    if ".." in destination.split("/"):
        destination = os.path.normpath(destination)
        mount.warn("destination", f"has '..': {destination} is meant")
    options = [text for _, text in mount.texts("options")]
    kind = mount.text("type")
    source = mount.text("source")
    if kind in {"", "bind"} or {"bind", "rbind"} & set(options):
        kind, source = "bind", os.path.join(bundle, source)
        options = _of_bind(mount, options)
    if "" in options:
        mount.warn("options", "an empty one, passed over")
        options = [word for word in options if word]
    if kind == "tmpfs":
        options = _last_of_each(options)
    if kind == "tmpfs" and not any(word.startswith("mode=") for word in options):
        options = [*options, "keep-mode"]
    return Mount.from_options(
        kind,
        source or None,
        destination,
        options,
        uid_mappings=read_id_mappings(mount, "uidMappings"),
        gid_mappings=read_id_mappings(mount, "gidMappings"),
    )


def _of_bind(mount: Reader, options: list[str]) -> list[str]:
    """Return the words that mean something for a mount of what is mounted already.

    Others are of fstab(5), or of the filesystem, and the kernel takes none there. A
    word of ours with a value, in capitals or beside a comma would mean something, and
    is refused: without it the mount could be writable.
    """
    found = []
    for word in options:
        parts = word.lower().split(",")
        names = {part.partition("=")[0].strip() for part in parts}
        if word in _OF_FILESYSTEM or (word and not names & WORDS):
            mount.warn("options", f"{word!r} has no effect on a bind mount")
        else:
            found.append(word)
    return found


def _last_of_each(options: list[str]) -> list[str]:
    """Return them with the last of each that has a value, as mount(8) has it."""
    last = {word.partition("=")[0]: word for word in options}
    return [word for word in options if last[word.partition("=")[0]] == word]


def read_id_mappings(reader: Reader, key: str) -> tuple[IdMapping, ...]:
    """Return the ranges of ids at a key."""
    found = []
    for item in reader.children(key):
        known(item, "containerID", "hostID", "size")
        required(item, "containerID", "hostID", "size")
        first, host, size = (
            item.integer(name, high=MAX_ID)
            for name in ("containerID", "hostID", "size")
        )
        found.append(IdMapping(first, host, size))
    return tuple(found)


def read_hooks(hooks: Reader) -> Hooks:
    """Return the hooks of every kind."""
    known(hooks, *_HOOKS)
    return Hooks(
        **{
            ours: tuple(_hook(item) for item in hooks.children(theirs))
            for theirs, ours in _HOOKS.items()
        }
    )


def with_environment(given: Reader, hooks: Hooks, process: Process) -> Hooks:
    """Return them with the process's environment where the container runs them.

    That is of those of *startContainer* that have none of their own: they take the
    program's place, and the specification leaves it open.
    """
    env = dict(process.env or ())
    # The user's own is only known inside.
    env.setdefault("HOME", "/")
    found: list[AnyHook] = []
    items = given.children("startContainer")
    for hook, item in zip(hooks.start_container, items, strict=True):
        if isinstance(hook, Hook) and item.get("env") is None:
            found.append(evolve(hook, env=env))
        else:
            found.append(hook)
    return evolve(hooks, start_container=tuple(found)) if found else hooks


def _hook(hook: Reader) -> Hook:
    known(hook, "path", "args", "env", "timeout")
    timeout = None if hook.get("timeout") is None else hook.integer("timeout", low=1)
    return Hook(
        hook.text("path"),
        [text for _, text in hook.texts("args")],
        [text for _, text in hook.texts("env")],
        timeout,
    )


def read_devices(linux: Reader) -> list[Device]:
    """Return the nodes that are wanted besides the standard ones."""
    found = [_device(item) for item in linux.children("devices")]
    # Engines list the host's nodes; this one is a link to the container's own.
    return [device for device in found if device.path != "/dev/ptmx"]


def _device(device: Reader) -> Device:
    known(device, "path", "type", "major", "minor", "fileMode", "uid", "gid")
    mode = device.get("fileMode")
    return Device(
        path=device.text("path"),
        type=device.text("type"),
        major=device.integer("major", high=4095),
        minor=device.integer("minor", high=1048575),
        mode=0o666
        if mode is None
        else device.integer("fileMode", high=0o7777777) & 0o7777,
        uid=device.integer("uid", high=MAX_ID),
        gid=device.integer("gid", high=MAX_ID),
    )
