# SPDX-License-Identifier: Apache-2.0
"""What a command loads in place of attrs: the same classes, made in less time.

attrs writes the methods of a class as source text and compiles it, half a millisecond
for each class and more than a whole runtime written in C needs for a container. A
library is imported once and does not feel it; a command is a process of its own each
time. The methods here are the same for all classes (`recordmethods`), and what they
have to know of one is found when its first object is made: many classes have none.

Only what the library uses of attrs is here, in its meaning. The classes are written
once, for attrs; ``tests/commands/test_records.py`` holds the two equal.
"""

from __future__ import annotations

import sys

from libcontainer.commands.recordmethods import (
    ORDER,
    UNSET,
    FrozenRecord,
    OpenRecord,
    convert_and_set,
    hash_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# What the making of an object needs of a field, next to each other: its name, that of
# the argument or None, whether that may be positional, the default, what makes it, the
# converter, and what tells of the field, if the class has said more than a default.
_Step = tuple[str, "str | None", bool, "Any", "Any", "Any", "Attribute | None"]


class Factory:
    """A default that is made anew for each object."""

    __slots__ = ("factory",)

    def __init__(self, factory: Callable[[], Any]) -> None:
        self.factory = factory


class Attribute:
    """One field of a class, by the names that attrs gives to what it knows of it."""

    __slots__ = ("converter", "default", "eq", "init", "kw_only", "name", "repr")

    def __init__(  # noqa: PLR0913 - what a field is made of
        self,
        default: Any = UNSET,  # noqa: ANN401
        *,
        factory: Callable[[], Any] | None = None,
        converter: Callable[[Any], Any] | None = None,
        kw_only: bool = False,
        eq: bool = True,
        repr: bool = True,  # noqa: A002
        init: bool = True,
    ) -> None:
        self.name = ""
        self.default = default if factory is None else Factory(factory)
        self.converter = converter
        self.kw_only = kw_only
        self.eq = eq
        self.repr = repr
        self.init = init


field = Attribute


class Fields(tuple[Attribute, ...]):
    """The fields of a class, in order, and by name."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Attribute:
        for attribute in self:
            if attribute.name == name:
                return attribute
        raise AttributeError(name)


def define(
    cls: type | None = None, *, kw_only: bool = False, order: bool = False
) -> Any:  # noqa: ANN401
    """Return the class, with fields that can be set."""
    return _maker(cls, frozen=False, kw_only=kw_only, order=order)


def frozen(
    cls: type | None = None,
    *,
    kw_only: bool = False,
    order: bool = False,
    cache_hash: bool = False,
) -> Any:  # noqa: ANN401
    """Return the class, with fields that never change."""
    del cache_hash  # Every frozen object remembers its hash.
    return _maker(cls, frozen=True, kw_only=kw_only, order=order)


def fields(cls: type) -> Fields:
    """Return the fields of a class."""
    steps: tuple[_Step, ...] = cls.__steps__  # type: ignore[attr-defined]
    return Fields(map(_attribute, steps))


def has(cls: type) -> bool:
    """Tell whether a class was made here."""
    return hasattr(cls, "__steps__")


def evolve(inst: Any, /, **changes: Any) -> Any:  # noqa: ANN401
    """Return an object that differs from *inst* in the named fields only."""
    for name, key, *_ in inst.__steps__:
        if key is not None and key not in changes:
            changes[key] = getattr(inst, name)
    return type(inst)(**changes)


def asdict(
    inst: Any,  # noqa: ANN401
    *,
    filter: Callable[[Attribute, Any], bool] | None = None,  # noqa: A002
    value_serializer: Callable[[Any, Any, Any], Any] | None = None,
) -> dict[str, Any]:
    """Return the fields of an object by name; what is in them likewise.

    Args:
        inst: the object.
        filter: tells of a field and its value whether it is wanted.
        value_serializer: makes of object, field and value what stands for the value.
    """

    def of(owner: Any) -> dict[str, Any]:  # noqa: ANN401
        found = {}
        for step in owner.__steps__:
            name = step[0]
            value = getattr(owner, name)
            if filter is not None and not filter(_attribute(step), value):
                continue
            if value_serializer is not None:
                value = value_serializer(owner, step[6], value)
            found[name] = _plain(value, of, value_serializer)
        return found

    return of(inst)


def _plain(
    value: Any,  # noqa: ANN401
    of: Callable[[Any], dict[str, Any]],
    value_serializer: Callable[[Any, Any, Any], Any] | None,
    *,
    is_item: bool = False,
) -> Any:  # noqa: ANN401
    if hasattr(type(value), "__steps__"):
        return of(value)
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(i, of, value_serializer, is_item=True) for i in value]
    if isinstance(value, dict):
        return {
            _plain(k, of, value_serializer, is_item=True): _plain(
                v, of, value_serializer, is_item=True
            )
            for k, v in value.items()
        }
    if is_item and value_serializer is not None:
        return value_serializer(None, None, value)
    return value


def install() -> None:
    """Let what is imported from here on find this module as attrs."""
    sys.modules.setdefault("attrs", sys.modules[__name__])


# -- the making of classes


def _maker(cls: type | None, *, frozen: bool, kw_only: bool, order: bool) -> Any:  # noqa: ANN401
    def make(cls: type) -> type:
        return _make(cls, frozen=frozen, kw_only=kw_only, order=order)

    return make if cls is None else make(cls)


class _Pending:
    """A class that is not made yet: what its body has said."""

    __slots__ = ("bases", "content", "name")

    def __init__(
        self, name: str, bases: tuple[type, ...], content: dict[str, Any]
    ) -> None:
        self.name = name
        self.bases = bases
        self.content = content


def pending(name: str, bases: tuple[type, ...], content: dict[str, Any]) -> _Pending:
    """Put off the making of a class, whose decorator would make it once more.

    To be its metaclass: no type, so that Python leaves it alone with the bases.
    """
    return _Pending(name, bases, content)


def _make(cls: Any, *, frozen: bool, kw_only: bool, order: bool) -> type:  # noqa: ANN401
    is_pending = isinstance(cls, _Pending)
    bases = cls.bases if is_pending else cls.__bases__
    content = cls.content if is_pending else dict(cls.__dict__)
    if not is_pending:
        content.pop("__dict__", None)
        content.pop("__weakref__", None)
    content["__steps__"] = _Steps(kw_only=kw_only)
    content.setdefault("__match_args__", _MATCH_ARGS)
    if "__eq__" in content and content.get("__hash__") is None:
        content["__hash__"] = hash_of if frozen else None
    if order:
        content |= {k: v for k, v in ORDER.items() if k not in content}
    kind = FrozenRecord if frozen else OpenRecord
    if not any(issubclass(base, kind) for base in bases):
        bases = (kind, *(base for base in bases if base is not object))
    if is_pending:
        made = type(cls.name, bases, content)
    else:
        made = type(cls)(cls.__name__, bases, content)
        _correct_cells(cls, made)
    return made if frozen or "__setattr__" in content else _with_converters(made)


def _with_converters(cls: Any) -> type:  # noqa: ANN401
    """Return a class whose fields are converted when they are set, if any is."""
    if any(step[5] for step in cls.__steps__):
        cls.__setattr__ = convert_and_set
    return cls  # type: ignore[no-any-return]


class _Steps:
    """The steps of a class, found when they are first asked for: many never are."""

    __slots__ = ("_kw_only",)

    def __init__(self, *, kw_only: bool) -> None:
        self._kw_only = kw_only

    def __get__(self, instance: object, owner: type) -> tuple[_Step, ...]:
        # Of a class below that has none of its own it is still asked here.
        owner = next(cls for cls in owner.__mro__ if vars(cls).get("__steps__") is self)
        own = _take_fields(owner, kw_only=self._kw_only)
        names = [step[0] for step in own]
        steps = (*_inherited(owner.__bases__, names), *own)
        type.__setattr__(owner, "__steps__", steps)
        return steps


class _MatchArgs:
    """The names of what may be positional, for patterns."""

    __slots__ = ()

    def __get__(self, instance: object, owner: Any) -> tuple[str, ...]:  # noqa: ANN401
        return tuple([step[0] for step in owner.__steps__ if step[2]])


_MATCH_ARGS = _MatchArgs()


def _take_fields(cls: type, *, kw_only: bool) -> list[_Step]:
    """Return what the body of a class has said of its fields."""
    content = vars(cls)
    found: list[_Step] = []
    for name, kind in content.get("__annotations__", {}).items():
        if kind.startswith(("ClassVar", "typing.ClassVar")):
            continue
        value = content.get(name, UNSET)
        key = name.lstrip("_") if name[0] == "_" else name
        if type(value) is not Attribute:
            found.append((name, key, not kw_only, value, None, None, None))
            continue
        value.name = name
        value.kw_only = value.kw_only or kw_only
        default, make = value.default, None
        if type(default) is Factory:
            default, make = UNSET, default.factory
        is_positional = value.init and not value.kw_only
        step = (key if value.init else None, is_positional, default, make)
        found.append((name, *step, value.converter, value))
    return found


def _inherited(bases: tuple[type, ...], names: list[str]) -> list[_Step]:
    return [
        step
        for base in bases
        for step in getattr(base, "__steps__", ())
        if step[0] not in names
    ]


def _attribute(step: _Step) -> Attribute:
    """Return what tells of a field, made now if nobody has asked for it."""
    name, _, is_positional, default, _, _, attribute = step
    if attribute is None:
        attribute = Attribute(default, kw_only=not is_positional)
        attribute.name = name
    return attribute


def _correct_cells(old: type, new: type) -> None:
    """Let ``super()`` without arguments mean the class that was made."""
    for value in vars(new).values():
        function = getattr(value, "__func__", getattr(value, "fget", value))
        for cell in getattr(function, "__closure__", None) or ():
            try:
                if cell.cell_contents is old:
                    cell.cell_contents = new
            except ValueError:
                continue
