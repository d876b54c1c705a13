# SPDX-License-Identifier: Apache-2.0
"""Talks with systemd on D-Bus. The only file that imports jeepney.

Source: org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from jeepney import DBusAddress, MatchRule, MessageType, Properties, new_method_call
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from libcontainer.cgroups.unit import Property
from libcontainer.errors import CgroupError
from libcontainer.state import Unit

_SECONDS: Final = 30.0
_MANAGER: Final = DBusAddress(
    "/org/freedesktop/systemd1",
    bus_name="org.freedesktop.systemd1",
    interface="org.freedesktop.systemd1.Manager",
)
_NO_UNIT: Final = "NoSuchUnit"
_NUMBERS: Final = {
    "UnitExists": errno.EEXIST,
    "AccessDenied": errno.EACCES,
    "InteractiveAuthorizationRequired": errno.EACCES,
    _NO_UNIT: errno.ENOENT,
    "InvalidArgs": errno.EINVAL,
    "PropertyReadOnly": errno.EINVAL,
}


class _Refused(Exception):
    """What systemd answered instead of a result."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.kind = name.rpartition(".")[2]
        self.text = text


def manager_cgroup(*, user: bool) -> str:
    """Return the cgroup that a manager's slices are below, without a last slash.

    Raises:
        CgroupError: it does not answer.
    """
    with _manager("ask systemd for its cgroup", user=user) as call:
        message = Properties(_MANAGER).get("ControlGroup")
        (_, path) = call.answer(message)[0]
    text = str(path)
    return "" if text in {"/", "/init.scope"} else text.removesuffix("/init.scope")


def start_unit(unit: Unit, properties: Sequence[Property]) -> None:
    """Start a transient scope; return when systemd has.

    One of the same name that has failed is forgotten first.

    Raises:
        CgroupError: ``EEXIST``: there is one of that name; or systemd refused it.
    """
    with _manager(f"start the systemd unit {unit.name}", user=unit.user) as call:
        body: tuple[Any, ...] = (unit.name, "fail", _variants(properties), [])
        try:
            call.job("StartTransientUnit", "ssa(sv)a(sa(sv))", body)
        except _Refused as refusal:
            if refusal.kind != "UnitExists":
                raise
            with contextlib.suppress(_Refused):
                call("ResetFailedUnit", "s", (unit.name,))
            call.job("StartTransientUnit", "ssa(sv)a(sa(sv))", body)


def stop_unit(unit: Unit) -> None:
    """Stop a unit; return when systemd has. One that is gone is no error.

    Raises:
        CgroupError: systemd refused it, or does not answer.
    """
    with _manager(f"stop the systemd unit {unit.name}", user=unit.user) as call:
        try:
            call.job("StopUnit", "ss", (unit.name, "replace"))
        except _Refused as refusal:
            if refusal.kind != _NO_UNIT:
                raise
        with contextlib.suppress(_Refused):
            call("ResetFailedUnit", "s", (unit.name,))


def set_properties(unit: Unit, properties: Iterable[Property]) -> None:
    """Change properties of a unit until the machine is booted again.

    Raises:
        CgroupError: systemd refused it.
    """
    what = f"set properties of the systemd unit {unit.name}"
    with _manager(what, user=unit.user) as call:
        body = (unit.name, True, _variants(properties))
        call("SetUnitProperties", "sba(sv)", body)


def attach(unit: Unit, pid: int) -> None:
    """Let systemd move a process of the caller's into a unit.

    Raises:
        CgroupError: systemd refused it.
    """
    what = f"attach a process to the systemd unit {unit.name}"
    with _manager(what, user=unit.user) as call:
        path = f"/{unit.subgroup}" if unit.subgroup else "/"
        call("AttachProcessesToUnit", "ssau", (unit.name, path, [pid]))


def _variants(properties: Iterable[Property]) -> list[tuple[str, tuple[str, Any]]]:
    return [(name, (signature, value)) for name, signature, value in properties]


class _Call:
    def __init__(self, connection: DBusConnection, jobs: deque[Any]) -> None:
        self._connection = connection
        self._jobs = jobs

    def __call__(self, method: str, signature: str, body: tuple[Any, ...]) -> Any:  # noqa: ANN401
        return self.answer(new_method_call(_MANAGER, method, signature, body))

    def answer(self, message: object) -> Any:  # noqa: ANN401
        reply = self._connection.send_and_get_reply(message, timeout=_SECONDS)
        if reply.header.message_type is MessageType.error:
            fields = {key.name: value for key, value in reply.header.fields.items()}
            text = str(reply.body[0]) if reply.body else ""
            raise _Refused(str(fields.get("error_name", "")), text)
        return reply.body

    def job(self, method: str, signature: str, body: tuple[Any, ...]) -> None:
        """Call what starts a job, and wait for its end."""
        (path,) = self(method, signature, body)
        while True:
            signal = self._connection.recv_until_filtered(self._jobs, timeout=_SECONDS)
            _, job, _, result = signal.body
            if job == path:
                break
        if result not in {"done", "skipped"}:
            raise _Refused("Job", f"the job ended as {result!r}")


@contextlib.contextmanager
def _manager(what: str, *, user: bool) -> Iterator[_Call]:
    rule = MatchRule(
        type="signal",
        interface=_MANAGER.interface,
        member="JobRemoved",
        path=_MANAGER.object_path,
    )
    try:
        with open_dbus_connection(_address(user=user)) as connection:
            jobs: deque[Any] = deque()
            call = _Call(connection, jobs)
            with connection.filter(rule, queue=jobs):
                call.answer(message_bus.AddMatch(rule))
                call("Subscribe", "", ())
                yield call
    except _Refused as refusal:
        number = _NUMBERS.get(refusal.kind, errno.EIO)
        raise CgroupError(
            number, what, hint=f"systemd says: {refusal.text}"
        ) from refusal
    except (OSError, EOFError, ValueError) as error:
        if isinstance(error, CgroupError):
            raise
        number = getattr(error, "errno", None) or errno.EIO
        raise CgroupError(number, what, hint=f"on D-Bus: {error}") from error


def _address(*, user: bool) -> str:
    if not user:
        default = "unix:path=/run/dbus/system_bus_socket"
        return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", default)
    folder = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    return os.environ.get("DBUS_SESSION_BUS_ADDRESS", f"unix:path={folder}/bus")
