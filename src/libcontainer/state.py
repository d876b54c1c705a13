# SPDX-License-Identifier: Apache-2.0
"""The record of a container on disk: ``state.json``, its schema and its text.

What never changes, the configuration, lies beside it in ``config.json``.

The state directory is as volatile as the container, so nothing is synced: a
file is replaced by rename and never seen half-written, and the boot id tells a
file of an earlier boot. Keys this version does not know are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import asdict, field, frozen

from libcontainer.config.namespaces import NamespaceType
from libcontainer.config.resources import DeviceRule
from libcontainer.errors import InvalidIdError, Problem, StateFileError
from libcontainer.status import Status

SCHEMA = 1
"""Version of the file's schema; a newer one is refused."""

OCI_VERSION = "1.3.0"
"""Version of the OCI runtime specification whose words a state has."""

BUNDLE_LABEL = "bundle"
"""The label of a container that was made of an OCI bundle: where that is. The word
is runc's."""

NOTIFY_LABEL = "libcontainer.notify"
"""The label of a container that is heard by whoever starts it: where its socket is."""

MAX_ID = 255
_ID = re.compile(r"[A-Za-z0-9_+.-]+")


def check_id(container_id: object) -> str:
    """Return *container_id* if it may name a container.

    Raises:
        InvalidIdError: it is not of ``A-Z a-z 0-9 _ + - .``, is ``.`` or
            ``..``, begins with ``-`` or is longer than 255 bytes.
    """
    text = container_id if isinstance(container_id, str) else ""
    legal = _ID.fullmatch(text) is not None and text not in {".", ".."}
    if not legal or text.startswith("-") or len(text) > MAX_ID:
        rule = (
            f"{container_id!r} is not allowed: invalid character, place or length:"
            f" 1 to {MAX_ID} characters of"
            " A-Z a-z 0-9 _ + - . that do not begin with '-', and not '.' or '..'"
        )
        raise InvalidIdError([Problem("id", rule)])
    return text


@frozen(kw_only=True)
class ProcessRecord:
    """Who a process is, so that no other is ever taken for it.

    Attributes:
        host_pid: its pid in the pid namespace of whoever wrote the record.
        start_time: field 22 of ``/proc/PID/stat``, clock ticks since boot.
        boot_id: ``/proc/sys/kernel/random/boot_id`` of that boot.
    """

    host_pid: int
    start_time: int
    boot_id: str


@frozen
class Unit:
    """The systemd unit that is a container's cgroup.

    Attributes:
        name: its name, ``x.scope``.
        user: whether it is of the caller's own manager, not of the system's.
        slice: the slice that it is in.
        subgroup: the cgroup within it that the container is in; empty for none.
        properties: further properties: name, D-Bus signature, value.
    """

    name: str
    user: bool
    slice: str
    subgroup: str = ""
    properties: tuple[tuple[str, str, Any], ...] = ()


@frozen(kw_only=True)
class State:
    """The content of ``state.json``.

    Attributes:
        id: the container's id.
        created: seconds since 1970, when the container was made.
        owner_uid: effective uid of the maker.
        creator: the program that made the container. If it is dead and there
            is no init process, a crash left the container.
        status: the last status written; the system decides the real one.
        init: the init process, or None before there is one.
        args: what the init process runs.
        cgroup: host paths of its cgroup by hierarchy; empty if it has none.
        unit: the systemd unit that the cgroup is, or None.
        device_rules: those that were added to the container's own while it ran.
        mount_namespace: the number of the container's mount namespace where its
            processes are to be found by it (`libcontainer.host.leftovers`).
        network: what each of its networks leaves on the host, by place in the
            configuration; saved before any of it is made.
        monitor: the monitor of the init process, or None without one.
        companions: programs that run beside it, and their keepers.
        bound: whether it is to go with the program that made it.
        rdt: directories of the resctrl filesystem that it makes, in the order in
            which they go; saved before any of them is there.
        unknown: keys of the file this version does not know.
    """

    id: str
    created: float
    owner_uid: int
    creator: ProcessRecord
    status: Status
    init: ProcessRecord | None = None
    args: tuple[str, ...] = ()
    cgroup: Mapping[str, str] = field(factory=dict)
    unit: Unit | None = None
    device_rules: tuple[DeviceRule, ...] = ()
    mount_namespace: int | None = None
    network: tuple[Mapping[str, Any], ...] = ()
    monitor: ProcessRecord | None = None
    companions: tuple[ProcessRecord, ...] = ()
    rdt: tuple[str, ...] = ()
    bound: bool = False
    unknown: Mapping[str, Any] = field(factory=dict)

    @property
    def namespace_paths(self) -> dict[NamespaceType, str]:
        """Where the namespaces of its init process are, host paths; none without one.

        Each is good for `Config.namespace_paths` of another container as long as
        that process lives.
        """
        if self.init is None or self.status is Status.STOPPED:
            return {}
        pid = self.init.host_pid
        return {kind: f"/proc/{pid}/ns/{kind.proc_name}" for kind in NamespaceType}


def oci_state(
    container_id: str,
    status: str,
    pid: int | None,
    *,
    bundle: str,
    annotations: Mapping[str, str],
) -> dict[str, Any]:
    """Return a state as the OCI runtime specification has it (*State*).

    Args:
        container_id: the container's id.
        status: ``creating``, ``created``, ``running``, ``paused`` or ``stopped``.
        pid: of its init process for whom it is told, None where there is none.
        bundle: the folder of the container, a host path.
        annotations: its labels; that of an OCI bundle names where it is.
    """
    found = {"ociVersion": OCI_VERSION, "id": container_id, "status": status}
    process = {} if pid is None else {"pid": pid}
    notes = dict(annotations)
    notes.pop(NOTIFY_LABEL, None)
    rest = {"bundle": notes.pop(BUNDLE_LABEL, bundle), "annotations": notes}
    return {**found, **process, **rest}


def dump(state: State) -> bytes:
    """Return *state* as the bytes of ``state.json``."""
    document: dict[str, Any] = {
        **state.unknown,
        "schema": SCHEMA,
        "id": state.id,
        "created": state.created,
        "owner_uid": state.owner_uid,
        "creator": _dump_process(state.creator),
        "status": state.status.value,
        "init": None if state.init is None else _dump_process(state.init),
        "args": state.args,
        "cgroup": dict(state.cgroup),
    }
    seldom = {
        "unit": None if state.unit is None else asdict(state.unit),
        "device_rules": [asdict(rule) for rule in state.device_rules],
        "mount_namespace": state.mount_namespace,
        "network": state.network,
        "monitor": None if state.monitor is None else _dump_process(state.monitor),
        "companions": [_dump_process(one) for one in state.companions],
        "rdt": state.rdt,
        "bound": state.bound,
    }
    document |= {key: value for key, value in seldom.items() if value}
    return json.dumps(document).encode()


def parse(data: bytes) -> State:
    """Return the state that *data* holds.

    Raises:
        StateFileError: it is cut short, not ours, or of a newer schema.
    """
    try:
        document = json.loads(data)
        schema = _take(document, "schema", int)
        if schema > SCHEMA:
            message = f"schema {schema} is newer than this library's {SCHEMA}"
            raise StateFileError(message)
        init = document.pop("init")
        has_mounts = "mount_namespace" in document
        monitor = document.pop("monitor", None)
        return State(
            id=_take(document, "id", str),
            created=_take(document, "created", int, float),
            owner_uid=_take(document, "owner_uid", int),
            status=Status(_take(document, "status", str)),
            creator=_parse_process(_take(document, "creator", dict)),
            init=None if init is None else _parse_process(init),
            args=tuple(_take_texts(document, "args")),
            cgroup=_take_paths(document),
            unit=_take_unit(document),
            device_rules=_take_rules(document),
            mount_namespace=(
                _take(document, "mount_namespace", int) if has_mounts else None
            ),
            network=_take_records(document),
            monitor=None if monitor is None else _parse_process(monitor),
            companions=tuple(
                _parse_process(one) for one in document.pop("companions", ())
            ),
            rdt=tuple(_take_texts(document, "rdt")) if "rdt" in document else (),
            bound=_take_bound(document),
            unknown=document,
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"state.json cannot be read: {error!r}"
        raise StateFileError(message) from error


def _dump_process(process: ProcessRecord) -> dict[str, Any]:
    return {
        "host_pid": process.host_pid,
        "start_time": process.start_time,
        "boot_id": process.boot_id,
    }


def _parse_process(value: Mapping[str, Any]) -> ProcessRecord:
    fields = dict(value)
    return ProcessRecord(
        host_pid=_take(fields, "host_pid", int),
        start_time=_take(fields, "start_time", int),
        boot_id=_take(fields, "boot_id", str),
    )


def _take(document: dict[str, Any], key: str, *kinds: type) -> Any:  # noqa: ANN401
    value = document.pop(key)
    if not isinstance(value, kinds) or isinstance(value, bool):
        message = f"{key} must not be {value!r}"
        raise TypeError(message)
    return value


def _take_bound(document: dict[str, Any]) -> bool:
    bound = document.pop("bound", False)
    if not isinstance(bound, bool):
        message = f"bound must not be {bound!r}"
        raise TypeError(message)
    return bound


def _take_paths(document: dict[str, Any]) -> dict[str, str]:
    paths: dict[str, str] = _take(document, "cgroup", dict)
    if not all(isinstance(path, str) for path in paths.values()):
        message = f"cgroup must be paths, not {paths!r}"
        raise TypeError(message)
    return paths


def _take_unit(document: dict[str, Any]) -> Unit | None:
    if document.get("unit") is None:
        return None
    fields: dict[str, Any] = _take(document, "unit", dict)
    properties = tuple((a, b, c) for a, b, c in _take(fields, "properties", list))
    name, in_slice = _take(fields, "name", str), _take(fields, "slice", str)
    subgroup = _take(fields, "subgroup", str)
    return Unit(name, bool(fields["user"]), in_slice, subgroup, properties)


def _take_rules(document: dict[str, Any]) -> tuple[DeviceRule, ...]:
    if "device_rules" not in document:
        return ()
    return tuple(DeviceRule(**rule) for rule in _take(document, "device_rules", list))


def _take_records(document: dict[str, Any]) -> tuple[Mapping[str, Any], ...]:
    if "network" not in document:
        return ()
    records: list[Mapping[str, Any]] = _take(document, "network", list)
    if not all(isinstance(record, dict) for record in records):
        message = f"network must be objects, not {records!r}"
        raise TypeError(message)
    return tuple(records)


def _take_texts(document: dict[str, Any], key: str) -> list[str]:
    texts: list[str] = _take(document, key, list)
    if not all(isinstance(text, str) for text in texts):
        message = f"{key} must be texts, not {texts!r}"
        raise TypeError(message)
    return texts
