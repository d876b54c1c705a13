# SPDX-License-Identifier: Apache-2.0
"""A description file of the Container Device Interface, read strictly; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

from libcontainer.config.container_reader import Reader
from libcontainer.config.report import Report
from libcontainer.errors import ConfigError

VERSIONS: Final = (
    *("0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0"),
    *("1.0.0", "1.1.0"),
)
_DOMAIN: Final = r"[A-Za-z](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
_CLASS: Final = r"[A-Za-z](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_KIND: Final = re.compile(f"{_DOMAIN}/{_CLASS}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:-]*[A-Za-z0-9])?", re.ASCII)
_HOOKS: Final = {
    "prestart": "prestart",
    "createRuntime": "create_runtime",
    "createContainer": "create_container",
    "startContainer": "start_container",
    "poststart": "poststart",
    "poststop": "poststop",
}
_U32: Final = 2**32 - 1


@frozen(kw_only=True)
class DeviceNode:
    """A node that a container is to have.

    Attributes:
        path: its container path.
        host_path: the host's node; what is not said here is as that.
        type: ``c``, ``b``, ``p`` or None.
        major: its number, or None.
        minor: its number, or None.
        mode: permission bits, or None.
        uid: its owner, or None.
        gid: its group, or None.
        access: what the cgroup allows: some of ``rwm``.
    """

    path: str
    host_path: str
    type: str | None = None
    major: int | None = None
    minor: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    access: str = "rwm"


@frozen(kw_only=True)
class MountEdit:
    """A mount that a container is to have; the words are those of a bundle."""

    host_path: str
    container_path: str
    options: tuple[str, ...] = ()
    type: str = "bind"


@frozen(kw_only=True)
class HookEdit:
    """A hook that a container is to have.

    Attributes:
        kind: a field of `libcontainer.Hooks`.
        path: absolute path of the program.
        args: with its name as the first.
        env: ``K=V`` texts.
        timeout: seconds, or None.
    """

    kind: str
    path: str
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    timeout: int | None = None


@frozen(kw_only=True)
class Edits:
    """What a device changes of a container."""

    env: tuple[str, ...] = ()
    device_nodes: tuple[DeviceNode, ...] = ()
    mounts: tuple[MountEdit, ...] = ()
    hooks: tuple[HookEdit, ...] = ()
    additional_gids: tuple[int, ...] = ()


@frozen(kw_only=True)
class Spec:
    """One description file.

    Attributes:
        kind: ``vendor/class`` of its devices.
        devices: what each changes, by name.
        edits: what all of them change, once.
        path: of the file, for messages.
    """

    kind: str
    devices: Mapping[str, Edits] = field(factory=dict)
    edits: Edits = field(factory=Edits)
    path: str = ""


def parse_spec(document: object, path: str = "") -> Spec:
    """Return the description that a JSON document holds.

    Args:
        document: the parsed document.
        path: of the file, for messages.

    Raises:
        ConfigError: with everything that is wrong.
    """
    report = Report()
    reader = Reader(path, document, report, Report())
    version = reader.text("cdiVersion")
    if version not in VERSIONS:
        reader.refuse("cdiVersion", f"must be one of {', '.join(VERSIONS)}")
    kind = reader.text("kind")
    if _KIND.fullmatch(kind) is None:
        reader.refuse("kind", f"must be VENDOR/CLASS, not {kind!r}")
    devices: dict[str, Edits] = {}
    for item in reader.children("devices"):
        name = item.text("name")
        if _NAME.fullmatch(name) is None or name == "all":
            item.refuse("name", f"is no name of a device: {name!r}")
        if name in devices:
            item.refuse("name", f"is there twice: {name!r}")
        devices[name] = _edits(item.child("containerEdits"))
    if not devices:
        reader.refuse("devices", "must have at least one")
    edits = _edits(reader.child("containerEdits"))
    if report.problems:
        raise ConfigError(report.problems)
    return Spec(kind=kind, devices=devices, edits=edits, path=path)


def _edits(reader: Reader) -> Edits:
    if reader.get("intelRdt"):
        reader.refuse("intelRdt", "is not supported by this release")
    if reader.get("netDevices"):
        reader.refuse("netDevices", "is not supported by this release")
    return Edits(
        env=tuple(_pair(reader, at, text) for at, text in reader.texts("env")),
        device_nodes=tuple(_node(item) for item in reader.children("deviceNodes")),
        mounts=tuple(_mount(item) for item in reader.children("mounts")),
        hooks=tuple(_hook(item) for item in reader.children("hooks")),
        additional_gids=tuple(_gids(reader)),
    )


def _gids(reader: Reader) -> list[int]:
    found = []
    for at, value in reader.items("additionalGids"):
        number = reader.report.integer(at, value, 1, _U32 - 1)
        if number is not None:
            found.append(number)
    return found


def _pair(reader: Reader, at: str, text: str) -> str:
    name, equals, _ = text.partition("=")
    if not name or not equals:
        reader.report.add(at, f"must be NAME=VALUE, not {text!r}")
    return text


def _absolute(reader: Reader, key: str) -> str:
    text = reader.text(key)
    if not text.startswith("/"):
        reader.refuse(key, f"must be an absolute path, not {text!r}")
    return text


def _number(reader: Reader, key: str, high: int = _U32) -> int | None:
    return None if reader.get(key) is None else reader.integer(key, high=high)


def _node(reader: Reader) -> DeviceNode:
    path = _absolute(reader, "path")
    kind = reader.text("type") or None
    if kind not in {None, "c", "b", "u", "p"}:
        reader.refuse("type", f"must be c, b, u or p, not {kind!r}")
    access = reader.text("permissions") or "rwm"
    if not set(access) <= set("rwm"):
        reader.refuse("permissions", f"must be some of rwm, not {access!r}")
    host = _absolute(reader, "hostPath") if reader.get("hostPath") else path
    return DeviceNode(
        path=path,
        host_path=host,
        type="c" if kind == "u" else kind,
        major=_number(reader, "major"),
        minor=_number(reader, "minor"),
        mode=_number(reader, "fileMode", 0o7777),
        uid=_number(reader, "uid"),
        gid=_number(reader, "gid"),
        access=access,
    )


def _mount(reader: Reader) -> MountEdit:
    return MountEdit(
        host_path=_absolute(reader, "hostPath"),
        container_path=_absolute(reader, "containerPath"),
        options=tuple(text for _, text in reader.texts("options")),
        type=reader.text("type") or "bind",
    )


def _hook(reader: Reader) -> HookEdit:
    name = reader.text("hookName")
    if name not in _HOOKS:
        reader.refuse("hookName", f"must be one of {', '.join(_HOOKS)}, not {name!r}")
    return HookEdit(
        kind=_HOOKS.get(name, ""),
        path=_absolute(reader, "path"),
        args=tuple(text for _, text in reader.texts("args")),
        env=tuple(_pair(reader, at, text) for at, text in reader.texts("env")),
        timeout=_number(reader, "timeout"),
    )
