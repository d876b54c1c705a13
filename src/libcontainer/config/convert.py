# SPDX-License-Identifier: Apache-2.0
"""Converters of the configuration's fields.

They turn what is natural to write in Python (a list, a `pathlib.Path`, a word)
into what is kept (a tuple, a string, an enum member). A value they cannot
convert passes unchanged: `libcontainer.validate` reports it, together with
everything else that is wrong.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

if TYPE_CHECKING:
    # Few configurations have these: they are imported where one does.
    from libcontainer.config.memory import Personality
    from libcontainer.config.network import Network, Route
    from libcontainer.config.scheduling import CpuAffinity, IoPriority, Scheduler

T = TypeVar("T")

StrPath = str | os.PathLike[str]
EnvLike = Mapping[str, str] | Iterable[str | tuple[str, str]]

_SIGNAL_NAMES: Final = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD"
    " CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
)

SIGNAL_NUMBERS: Final = {
    f"SIG{name}": number for number, name in enumerate(_SIGNAL_NAMES.split(), start=1)
}
"""Every standard signal by name; the numbers of x86_64 and aarch64 (signal(7))."""

# A decimal number of more digits is no id; Python refuses to print huge ones.
_PRINTABLE_BITS = 128


def is_iterable(value: object) -> bool:
    """Tell whether *value* is a collection of items, not one text or mapping."""
    # Nearly always; what an abstract class is asked takes ten times as long.
    if isinstance(value, tuple | list):
        return True
    one = (str, bytes, bytearray, memoryview, Mapping)
    return isinstance(value, Iterable) and not isinstance(value, one)


def is_integer(value: object) -> bool:
    """Tell whether *value* is an integer and no boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


def to_tuple(value: Iterable[T]) -> tuple[T, ...]:
    """Return the items as a tuple."""
    kind = type(value)
    if kind is tuple or kind is list:
        return tuple(value)
    return tuple(value) if is_iterable(value) else cast("tuple[T, ...]", value)


def to_networks(value: Iterable[Network]) -> tuple[Network, ...]:
    """Return networks as a tuple."""
    return to_tuple(value)


def to_routes(value: Iterable[Route]) -> tuple[Route, ...]:
    """Return routes as a tuple."""
    return to_tuple(value)


def to_strings(value: Iterable[str]) -> tuple[str, ...]:
    """Return texts as a tuple."""
    return to_tuple(value)


def to_integers(value: Iterable[int]) -> tuple[int, ...]:
    """Return integers as a tuple."""
    return to_tuple(value)


def to_optional_integers(value: Iterable[int] | None) -> tuple[int, ...] | None:
    """Return integers as a tuple, None as None."""
    return None if value is None else to_tuple(value)


def to_frozenset(value: Iterable[T]) -> frozenset[T]:
    """Return the items as a frozen set, or as a tuple if they cannot be hashed."""
    items = to_tuple(value)
    try:
        return frozenset(items) if isinstance(items, tuple) else items
    except TypeError:
        return cast("frozenset[T]", items)


def to_path(value: StrPath) -> str:
    """Return a path as text."""
    return str(value) if isinstance(value, os.PathLike) else value


def to_optional_path(value: StrPath | None) -> str | None:
    """Return a path as text, None as None."""
    return None if value is None else to_path(value)


def to_container_path(value: StrPath) -> str:
    """Return a container path in its shortest form.

    ``..`` is not resolved (what it means depends on the image) and a relative
    path stays relative: the validator refuses both.
    """
    path = to_path(value)
    if not isinstance(path, str) or not path.startswith("/"):
        return path
    return "/" + "/".join(part for part in path.split("/") if part not in {"", "."})


def to_container_paths(value: Iterable[StrPath]) -> tuple[str, ...]:
    """Return container paths in their shortest form."""
    paths = to_tuple(value)
    if not isinstance(paths, tuple):
        return paths
    return tuple(to_container_path(path) for path in paths)


def to_user(value: str | int) -> str:
    """Return a user as text; an integer is a uid."""
    if is_integer(value) and int(value).bit_length() <= _PRINTABLE_BITS:
        return str(value)
    return cast("str", value)


def to_optional_user(value: str | int | None) -> str | None:
    """Return a user as text, None as None."""
    return None if value is None else to_user(value)


def to_pairs(value: EnvLike) -> tuple[tuple[str, str], ...]:
    """Return the entries of a mapping, of ``K=V`` texts or of pairs, as pairs.

    The last of several entries with one key wins, in the place of the first. A
    text without ``=`` stays as it is.
    """
    if isinstance(value, Mapping):
        return tuple(value.items())
    items = to_tuple(value)
    if not isinstance(items, tuple):
        return items
    return _last_wins([_pair(item) for item in items])


def to_optional_pairs(value: EnvLike | None) -> tuple[tuple[str, str], ...] | None:
    """Return entries as pairs, None as None."""
    return None if value is None else to_pairs(value)


def prefixed(prefix: str, value: str) -> str:
    """Return a kernel word in capitals and with its prefix, such as ``CAP_``."""
    # Some letters outside of ASCII have a capital within it.
    if not isinstance(value, str) or not value.isascii():
        return value
    word = value.upper()
    return word if word.startswith(prefix) else prefix + word


def to_optional_signal(value: int | str | None) -> int | None:
    """Return the name of a signal, with or without ``SIG``, as its number."""
    if not isinstance(value, str):
        return value
    return SIGNAL_NUMBERS.get(prefixed("SIG", value), cast("int", value))


def to_optional_scheduler(value: Scheduler | str | None) -> Scheduler | None:
    """Return the name of a policy as a scheduler, None as None."""
    if not isinstance(value, str):
        return value
    from libcontainer.config.scheduling import Scheduler  # noqa: PLC0415

    return Scheduler(value)


def to_optional_io_priority(value: IoPriority | str | None) -> IoPriority | None:
    """Return the name of a class as a priority, None as None."""
    if not isinstance(value, str):
        return value
    from libcontainer.config.scheduling import IoPriority  # noqa: PLC0415

    return IoPriority(value)


def to_optional_affinity(
    value: CpuAffinity | str | int | Iterable[int] | None,
) -> CpuAffinity | None:
    """Return processors as an affinity of the program, None as None."""
    if value is None:
        return None
    from libcontainer.config.scheduling import CpuAffinity  # noqa: PLC0415

    return value if isinstance(value, CpuAffinity) else CpuAffinity(final=value)


def to_optional_personality(value: Personality | str | None) -> Personality | None:
    """Return the name of a domain as a personality, None as None."""
    if not isinstance(value, str):
        return value
    from libcontainer.config.memory import Personality  # noqa: PLC0415

    return Personality(value)


def to_texts(value: EnvLike | Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return pairs as `to_pairs`; a number becomes its decimal text."""
    pairs = to_pairs(value)
    if not isinstance(pairs, tuple):
        return pairs
    return tuple(_number_as_text(pair) for pair in pairs)


def _number_as_text(pair: Any) -> Any:  # noqa: ANN401
    if isinstance(pair, tuple) and len(pair) == 2 and is_integer(pair[1]):
        return pair[0], to_user(pair[1])
    return pair


def _pair(item: Any) -> Any:  # noqa: ANN401
    if isinstance(item, str) and "=" in item:
        key, _, text = item.partition("=")
        return key, text
    return tuple(item) if isinstance(item, list) else item


def _last_wins(items: list[Any]) -> tuple[Any, ...]:
    found: dict[Any, Any] = {}
    try:
        for item in items:
            is_pair = isinstance(item, tuple) and len(item) == 2
            found[item[0] if is_pair else (item,)] = item
    except TypeError:
        return tuple(items)
    return tuple(found.values())


def to_capability_names(value: Iterable[str]) -> frozenset[str]:
    """Return names of capabilities, each with its ``CAP_``."""
    names = to_tuple(value)
    if not isinstance(names, tuple):
        return names
    return to_frozenset(prefixed("CAP_", name) for name in names)
