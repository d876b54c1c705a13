# SPDX-License-Identifier: Apache-2.0
"""The process object of the OCI runtime specification (``config.md`` *Process*).

Read and written by one table: key there, field of `libcontainer.Process`, how it
is read and how it is written. A field this release does not have is a problem,
never a silent difference.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import asdict, frozen

from libcontainer.config.identity import Capabilities, Rlimit
from libcontainer.config.report import Report, join
from libcontainer.config.rules import MAX_ID
from libcontainer.config.strict_json import parse_strict_json
from libcontainer.errors import ConfigError

_SETS: Final = ("bounding", "effective", "permitted", "inheritable", "ambient")
_MAX_SIZE: Final = 65535
_MAX_UMASK: Final = 0o777
_MAX_LIMIT: Final = 2**64 - 1
_SCHEDULING: Final = "libcontainer.config.scheduling"

Read = Callable[[Report, str, object], Any]
Write = Callable[[Any], Any]


@frozen
class _Key:
    """One key: the field it is, and how its value is read and written."""

    field: str
    read: Read
    write: Write = lambda value: value


def process_fields(
    document: Mapping[str, Any] | str | bytes, fields: Collection[str]
) -> dict[str, Any]:
    """Return the keywords of a `libcontainer.Process` that an object means.

    Args:
        document: the object, or its JSON text.
        fields: the fields that a process has in this release.

    Raises:
        ConfigError: with every problem, each with its path in the object.
    """
    if isinstance(document, str):
        # A lone surrogate is refused with the rest of what is not UTF-8.
        document = document.encode("utf-8", "surrogatepass")
    if isinstance(document, bytes):
        document = parse_strict_json(document, "process")
    report = Report()
    process = report.mapping("process", document)
    found: dict[str, Any] = {}
    for key, value in process.items():
        found.update(_read_key(report, key, value, fields))
    for key in ("args", "cwd"):
        if process.get(key) is None:
            report.add(key, "is required")
    if report.problems:
        raise ConfigError(report.problems)
    if not found.get("terminal"):
        # Without a terminal it is to be ignored.
        found.pop("console_size", None)
    return found


def process_to_json(process: object) -> dict[str, Any]:
    """Return a process as the object; what it takes from its container is left out.

    Raises:
        ConfigError: it has what the object has no place for: names of users.
    """
    document: dict[str, Any] = {}
    for key, entry in _KEYS.items():
        value = getattr(process, entry.field, None)
        if value is not None:
            document[key] = entry.write(value)
    user = _write_user(process)
    return {**document, "user": user} if user else document


def _read_key(
    report: Report, key: str, value: object, fields: Collection[str]
) -> dict[str, Any]:
    if value is None:
        return {}
    if key == "user":
        return _read_user(report, value)
    entry = _KEYS.get(key)
    if entry is None:
        report.add(str(key), _UNSUPPORTED.get(key, "unknown key"))
    elif entry.field not in fields:
        report.add(key, "is not supported by this release")
    else:
        return {entry.field: entry.read(report, key, value)}
    return {}


# -- the user


def _read_user(report: Report, value: object) -> dict[str, Any]:
    user = report.mapping("user", value)
    known = {"uid", "gid", "umask", "additionalGids", "username"}
    for key in user:
        if key not in known:
            report.add(join("user", str(key)), "unknown key")
    found: dict[str, Any] = {"user": _who(report, user)}
    if user.get("umask") is not None:
        mask = report.integer("user.umask", user["umask"], 0, _MAX_UMASK)
        found["umask"] = mask
    groups = user.get("additionalGids")
    # Absent it is an empty list there, while no list of ours is the image's.
    items = [] if groups is None else report.items("user.additionalGids", groups)
    found["additional_groups"] = [_id(report, at, item) for at, item in items]
    return found


def _who(report: Report, user: Mapping[str, object]) -> str | None:
    name = user.get("username")
    if name is None or name == "":
        uid = _id(report, "user.uid", user.get("uid", 0))
        return f"{uid}:{_id(report, 'user.gid', user.get('gid', 0))}"
    if "uid" in user or "gid" in user:
        report.add("user.username", "cannot be given together with uid or gid")
    return report.text("user.username", name)


def _id(report: Report, path: str, value: object) -> int | None:
    return report.integer(path, value, 0, MAX_ID)


def _write_user(process: object) -> dict[str, Any]:
    document: dict[str, Any] = {}
    who: str | None = getattr(process, "user", None)
    groups = getattr(process, "additional_groups", None)
    umask = getattr(process, "umask", None)
    if who is None and (groups is not None or umask is not None):
        report = Report()
        report.add("user", "groups and umask have no place without a user")
        raise ConfigError(report.problems)
    if who is not None:
        document.update(_write_who(who))
    if umask is not None:
        document["umask"] = umask
    if groups:
        document["additionalGids"] = list(groups)
    return document


def _write_who(who: str) -> dict[str, Any]:
    uid, colon, gid = who.partition(":")
    if uid.isdigit() and gid.isdigit():
        return {"uid": int(uid), "gid": int(gid)}
    if not colon and not uid.isdigit():
        return {"username": uid}
    report = Report()
    report.add("user", f"must be uid:gid or one name, not {who!r}")
    raise ConfigError(report.problems)


# -- one value


def _boolean(report: Report, path: str, value: object) -> bool | None:
    return report.boolean(path, value)


def _text(report: Report, path: str, value: object) -> str | None:
    return report.text(path, value) or None


def _score(report: Report, path: str, value: object) -> int | None:
    return report.integer(path, value, -1000, 1000)


def _texts(report: Report, path: str, value: object) -> list[str | None]:
    return [report.text(at, item) for at, item in report.items(path, value)]


def _entries(report: Report, path: str, value: object) -> list[str]:
    found = []
    for at, item in report.items(path, value):
        text = report.text(at, item)
        if text is not None and "=" not in text:
            report.add(at, f"has no '=': {text!r}")
        elif text is not None:
            found.append(text)
    return found


def _size(report: Report, path: str, value: object) -> tuple[Any, Any] | None:
    size = _known(report, path, value, ("height", "width"))
    _required(report, path, size, ("height", "width"))
    sides = (
        report.integer(join(path, side), size.get(side, 0), 0, _MAX_SIZE)
        for side in ("height", "width")
    )
    height, width = sides
    return (height, width) if height or width else None


def _capabilities(report: Report, path: str, value: object) -> Capabilities:
    sets = _known(report, path, value, _SETS)
    found = {
        name: [text or "" for text in _texts(report, join(path, name), names)]
        for name, names in sets.items()
        if name in _SETS and names is not None
    }
    return Capabilities(**{name: found.get(name, []) for name in _SETS})


def _rlimits(report: Report, path: str, value: object) -> list[Rlimit]:
    found = []
    for at, item in report.items(path, value):
        limit = _known(report, at, item, ("type", "soft", "hard"))
        kind = report.text(join(at, "type"), limit.get("type"))
        soft, hard = (
            report.integer(join(at, side), limit.get(side), 0, _MAX_LIMIT)
            for side in ("soft", "hard")
        )
        found.append(Rlimit(kind or "", _infinite(soft), _infinite(hard)))
    return found


def _infinite(limit: int | None) -> int | None:
    return None if limit == _MAX_LIMIT else limit


def _object(
    name: str,
    needed: tuple[str, ...],
    *keys: str,
    absent: Mapping[str, object] = MappingProxyType({}),
) -> Read:
    """Return what reads an object of a class that has the same fields.

    Args:
        name: of the class.
        needed: keys that have to be there.
        keys: others.
        absent: what those mean that are not there, where the class has another
            default.
    """

    def read(report: Report, path: str, value: object) -> object:
        known = len(report.problems)
        fields = _known(report, path, value, (*needed, *keys))
        _required(report, path, fields, needed)
        if len(report.problems) > known:
            return None
        kind = getattr(importlib.import_module(_SCHEDULING), name)
        found = {**absent, **fields}
        return kind(**{_field(key): item for key, item in found.items()})

    return read


def _required(
    report: Report, path: str, found: Mapping[str, object], keys: Collection[str]
) -> None:
    for key in keys:
        if key not in found:
            report.add(join(path, key), "is required")


def _field(key: str) -> str:
    # A keyword of Python's.
    return "class_" if key == "class" else key


def _known(
    report: Report, path: str, value: object, keys: Collection[str]
) -> Mapping[str, object]:
    found = report.mapping(path, value)
    for key in found:
        if key not in keys:
            report.add(join(path, str(key)), "unknown key")
    return found


def _write_sets(value: Capabilities) -> dict[str, list[str]]:
    return {name: sorted(getattr(value, name)) for name in _SETS}


def _write_limit(value: int | None) -> int:
    return _MAX_LIMIT if value is None else value


def _write_limits(value: tuple[Rlimit, ...]) -> list[dict[str, Any]]:
    return [
        {"type": r.type, "soft": _write_limit(r.soft), "hard": _write_limit(r.hard)}
        for r in value
    ]


def _write_object(value: Any) -> dict[str, Any]:  # noqa: ANN401
    fields = asdict(value)
    return {key.rstrip("_"): item for key, item in fields.items() if item is not None}


def _write_pairs(value: tuple[tuple[str, str], ...]) -> list[str]:
    return [f"{key}={text}" for key, text in value]


_KEYS: Final[Mapping[str, _Key]] = {
    "terminal": _Key("terminal", _boolean),
    "consoleSize": _Key(
        "console_size", _size, lambda size: {"height": size[0], "width": size[1]}
    ),
    "args": _Key("args", _texts, list),
    "env": _Key("env", _entries, _write_pairs),
    "cwd": _Key("cwd", _text),
    "capabilities": _Key("capabilities", _capabilities, _write_sets),
    "rlimits": _Key("rlimits", _rlimits, _write_limits),
    "noNewPrivileges": _Key("no_new_privs", _boolean),
    "oomScoreAdj": _Key("oom_score_adj", _score),
    "scheduler": _Key(
        "scheduler",
        _object(
            "Scheduler",
            ("policy",),
            *("nice", "priority", "flags", "runtime", "deadline", "period"),
        ),
        _write_object,
    ),
    "ioPriority": _Key(
        # A number that is absent is 0 there.
        "io_priority",
        _object("IoPriority", ("class",), "priority", absent={"priority": 0}),
        _write_object,
    ),
    "execCPUAffinity": _Key(
        "cpu_affinity", _object("CpuAffinity", (), "initial", "final"), _write_object
    ),
    "apparmorProfile": _Key("apparmor_profile", _text),
    "selinuxLabel": _Key("process_label", _text),
}

_UNSUPPORTED: Final = {"commandLine": "is of Windows alone"}
