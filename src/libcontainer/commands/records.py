# SPDX-License-Identifier: Apache-2.0
"""What a command loads in place of attrs: the same classes, made in less time.

attrs writes the methods of a class as source text and compiles it, half a millisecond
for each class and more than a whole runtime written in C needs for a container. A
library is imported once and does not feel it; a command is a process of its own each
time. The methods here are the same for all classes and look their fields up, which
makes an object cost more and a class next to nothing.

Only what the library uses of attrs is here, in its meaning. The classes are written
once, for attrs; ``tests/commands/test_records.py`` holds the two equal.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# What the making of an object needs of a field, next to each other: its name, that of
# the argument or None, whether that may be positional, the default, what makes it, the
# converter, and what tells of the field, if the class has said more than a default.
_Step = tuple[str, "str | None", bool, "Any", "Any", "Any", "Attribute | None"]

_UNSET: Any = object()
_HASH = "_attrs_cached_hash"


class FrozenInstanceError(AttributeError):
    """A field of a frozen object was to be changed."""


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
        default: Any = _UNSET,  # noqa: ANN401
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
    name = cls.name if is_pending else cls.__name__
    bases = cls.bases if is_pending else cls.__bases__
    content = dict(cls.content if is_pending else cls.__dict__)
    own = _take_fields(content, kw_only=kw_only)
    names = [step[0] for step in own]
    steps = content["__steps__"] = (*_inherited(bases, names), *own)
    content["__slots__"] = (*names, *_slots(bases, frozen=frozen))
    if "__match_args__" not in content:
        content["__match_args__"] = tuple([step[0] for step in steps if step[2]])
    _add_methods(content, frozen=frozen, order=order)
    kind = _Frozen if frozen else _Open
    if not any(issubclass(base, kind) for base in bases):
        bases = (kind, *(base for base in bases if base is not object))
    if is_pending:
        return type(name, bases, content)
    made: type = type(cls)(name, bases, content)
    _correct_cells(cls, made)
    return made


def _take_fields(content: dict[str, Any], *, kw_only: bool) -> list[_Step]:
    """Take the fields out of what the body of a class has said."""
    content.pop("__dict__", None)
    content.pop("__weakref__", None)
    found: list[_Step] = []
    for name, kind in content.get("__annotations__", {}).items():
        if kind.startswith(("ClassVar", "typing.ClassVar")):
            continue
        value = content.pop(name, _UNSET)
        key = name.lstrip("_") if name[0] == "_" else name
        if type(value) is not Attribute:
            found.append((name, key, not kw_only, value, None, None, None))
            continue
        value.name = name
        value.kw_only = value.kw_only or kw_only
        default, make = value.default, None
        if type(default) is Factory:
            default, make = _UNSET, default.factory
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


def _slots(bases: tuple[type, ...], *, frozen: bool) -> list[str]:
    """Return what an object has room for besides its fields."""
    above = [vars(each) for base in bases for each in base.__mro__[:-1]]
    wanted = ["__weakref__", _HASH] if frozen else ["__weakref__"]
    return [slot for slot in wanted if not any(slot in names for names in above)]


def _add_methods(content: dict[str, Any], *, frozen: bool, order: bool) -> None:
    """Add what the class has not written itself and none above it has."""
    if "__eq__" in content and content.get("__hash__") is None:
        content["__hash__"] = _hash if frozen else None
    if not frozen and any(step[5] for step in content["__steps__"]):
        content.setdefault("__setattr__", _convert_and_set)
    if order:
        for name, method in _ORDER.items():
            content.setdefault(name, method)


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


# -- the methods, the same for every class


def _init(self: Any, *args: Any, **named: Any) -> None:  # noqa: ANN401
    at, count = 0, len(args)
    for name, key, is_positional, default, make, convert, _ in self.__steps__:
        if is_positional and at < count:
            value = args[at]
            at += 1
        elif named and key in named:
            value = named.pop(key)
        elif make is not None:
            value = make()
        elif default is not _UNSET:
            value = default
        else:
            message = f"missing argument: {name!r}"
            raise TypeError(message)
        _put(self, name, value if convert is None else convert(value))
    if at < count or named:
        extra = ", ".join(named) or f"{count - at} positional"
        message = f"{type(self).__name__}() got unexpected arguments: {extra}"
        raise TypeError(message)


_put = object.__setattr__


def _refuse(self: Any, name: str, *_: Any) -> None:  # noqa: ANN401
    del self
    raise FrozenInstanceError(name)


def _convert_and_set(self: Any, name: str, value: Any) -> None:  # noqa: ANN401
    for step in self.__steps__:
        if step[0] == name and step[5] is not None:
            value = step[5](value)
    object.__setattr__(self, name, value)


def _key(self: Any) -> tuple[Any, ...]:  # noqa: ANN401
    return tuple(
        [getattr(self, s[0]) for s in self.__steps__ if s[6] is None or s[6].eq]
    )


def _eq(self: Any, other: object) -> bool:  # noqa: ANN401
    if other.__class__ is not self.__class__:
        return NotImplemented  # type: ignore[no-any-return]
    return bool(_key(self) == _key(other))


def _ordered(compare: Any) -> Any:  # noqa: ANN401 - a method of tuples
    def method(self: Any, other: Any) -> bool:  # noqa: ANN401
        if other.__class__ is not self.__class__:
            return NotImplemented  # type: ignore[no-any-return]
        return bool(compare(_key(self), _key(other)))

    return method


def _hash(self: Any) -> int:  # noqa: ANN401
    try:
        found: int = getattr(self, _HASH)
    except AttributeError:
        found = hash((type(self), _key(self)))
        object.__setattr__(self, _HASH, found)
    return found


def _repr(self: Any) -> str:  # noqa: ANN401
    names = (s[0] for s in self.__steps__ if s[6] is None or s[6].repr)
    shown = (f"{name}={getattr(self, name)!r}" for name in names)
    return f"{type(self).__qualname__.rsplit('>.', 1)[-1]}({', '.join(shown)})"


def _getstate(self: Any) -> dict[str, Any]:  # noqa: ANN401
    return {step[0]: getattr(self, step[0]) for step in self.__steps__}


def _setstate(self: Any, state: dict[str, Any]) -> None:  # noqa: ANN401
    for name, value in state.items():
        object.__setattr__(self, name, value)


class _Record:  # noqa: PLW1641 - the two below have it
    """What every class that is made here has above it."""

    __slots__ = ()
    __init__ = _init
    __repr__ = _repr
    __eq__ = _eq
    __getstate__ = _getstate
    __setstate__ = _setstate


class _Open(_Record):
    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]


class _Frozen(_Record):
    __slots__ = ()
    __hash__ = _hash
    __setattr__ = _refuse
    __delattr__ = _refuse


_ORDER = {
    f"__{name}__": _ordered(getattr(tuple, f"__{name}__"))
    for name in ("lt", "le", "gt", "ge")
}
