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

    def value(self) -> Any:  # noqa: ANN401
        """Return the default.

        Raises:
            TypeError: there is none.
        """
        if self.default is _UNSET:
            message = f"missing argument: {self.name!r}"
            raise TypeError(message)
        if isinstance(self.default, Factory):
            return self.default.factory()
        return self.default


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
    found: Fields = cls.__attrs_attrs__  # type: ignore[attr-defined]
    return found


def evolve(inst: Any, /, **changes: Any) -> Any:  # noqa: ANN401
    """Return an object that differs from *inst* in the named fields only."""
    for attribute in inst.__attrs_attrs__:
        if attribute.init and _argument(attribute) not in changes:
            changes[_argument(attribute)] = getattr(inst, attribute.name)
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
        for attribute in owner.__attrs_attrs__:
            value = getattr(owner, attribute.name)
            if filter is not None and not filter(attribute, value):
                continue
            if value_serializer is not None:
                value = value_serializer(owner, attribute, value)
            found[attribute.name] = _plain(value, of, value_serializer)
        return found

    return of(inst)


def _plain(
    value: Any,  # noqa: ANN401
    of: Callable[[Any], dict[str, Any]],
    value_serializer: Callable[[Any, Any, Any], Any] | None,
    *,
    is_item: bool = False,
) -> Any:  # noqa: ANN401
    if hasattr(type(value), "__attrs_attrs__"):
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


def _make(cls: type, *, frozen: bool, kw_only: bool, order: bool) -> type:
    own = _own_fields(cls, kw_only=kw_only)
    names = {attribute.name for attribute in own}
    inherited = [
        attribute
        for attribute in getattr(cls, "__attrs_attrs__", ())
        if attribute.name not in names
    ]
    content = {
        key: value
        for key, value in cls.__dict__.items()
        if key not in names and key not in {"__dict__", "__weakref__"}
    }
    slots = tuple(attribute.name for attribute in own)
    if not any("__weakref__" in vars(base) for base in cls.__mro__[1:-1]):
        slots = (*slots, "__weakref__")
    if frozen and not any(hasattr(base, _HASH) for base in cls.__mro__[1:]):
        slots = (*slots, _HASH)
    content.update(__slots__=slots, __attrs_attrs__=Fields((*inherited, *own)))
    content.setdefault("__match_args__", _match_args(content["__attrs_attrs__"]))
    _add_methods(content, frozen=frozen, order=order)
    made = type(cls)(cls.__name__, cls.__bases__, content)
    _correct_cells(cls, made)
    return made


def _own_fields(cls: type, *, kw_only: bool) -> list[Attribute]:
    found = []
    own = cls.__dict__
    for name, kind in own.get("__annotations__", {}).items():
        if str(kind).startswith(("ClassVar", "typing.ClassVar")):
            continue
        value = cls.__dict__.get(name, _UNSET)
        attribute = value if isinstance(value, Attribute) else Attribute(value)
        attribute.name = name
        attribute.kw_only = attribute.kw_only or kw_only
        found.append(attribute)
    return found


def _match_args(attributes: Fields) -> tuple[str, ...]:
    return tuple(a.name for a in attributes if a.init and not a.kw_only)


def _add_methods(content: dict[str, Any], *, frozen: bool, order: bool) -> None:
    methods: dict[str, Any] = {
        "__init__": _init,
        "__repr__": _repr,
        "__eq__": _eq,
        "__getstate__": _getstate,
        "__setstate__": _setstate,
        "__hash__": _hash if frozen else None,
    }
    if frozen:
        methods.update(__setattr__=_refuse, __delattr__=_refuse)
    elif any(a.converter for a in content["__attrs_attrs__"]):
        methods["__setattr__"] = _convert_and_set
    if order:
        methods.update(__lt__=_lt, __le__=_le, __gt__=_gt, __ge__=_ge)
    for name, method in methods.items():
        # What the class has written itself stays.
        if content.get(name) is None or (
            name == "__hash__" and "__eq__" not in content
        ):
            content[name] = method


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


def _argument(attribute: Attribute) -> str:
    return attribute.name.lstrip("_")


# -- the methods, the same for every class


def _init(self: Any, *args: Any, **named: Any) -> None:  # noqa: ANN401
    put = object.__setattr__
    given = iter(args)
    left = len(args)
    for attribute in self.__attrs_attrs__:
        value: Any = _UNSET
        if attribute.init:
            if left and not attribute.kw_only:
                value = next(given)
                left -= 1
            elif named:
                value = named.pop(_argument(attribute), _UNSET)
        if value is _UNSET:
            value = attribute.value()
        if attribute.converter is not None:
            value = attribute.converter(value)
        put(self, attribute.name, value)
    if left or named:
        extra = ", ".join(named) or f"{left} positional"
        message = f"{type(self).__name__}() got unexpected arguments: {extra}"
        raise TypeError(message)


def _refuse(self: Any, name: str, *_: Any) -> None:  # noqa: ANN401
    del self
    raise FrozenInstanceError(name)


def _convert_and_set(self: Any, name: str, value: Any) -> None:  # noqa: ANN401
    for attribute in self.__attrs_attrs__:
        if attribute.name == name and attribute.converter is not None:
            value = attribute.converter(value)
    object.__setattr__(self, name, value)


def _key(self: Any) -> tuple[Any, ...]:  # noqa: ANN401
    return tuple(getattr(self, a.name) for a in self.__attrs_attrs__ if a.eq)


def _eq(self: Any, other: object) -> bool:  # noqa: ANN401
    if other.__class__ is not self.__class__:
        return NotImplemented  # type: ignore[no-any-return]
    return bool(_key(self) == _key(other))


def _lt(self: Any, other: Any) -> bool:  # noqa: ANN401
    if other.__class__ is not self.__class__:
        return NotImplemented  # type: ignore[no-any-return]
    return bool(_key(self) < _key(other))


def _le(self: Any, other: Any) -> bool:  # noqa: ANN401
    if other.__class__ is not self.__class__:
        return NotImplemented  # type: ignore[no-any-return]
    return bool(_key(self) <= _key(other))


def _gt(self: Any, other: Any) -> bool:  # noqa: ANN401
    if other.__class__ is not self.__class__:
        return NotImplemented  # type: ignore[no-any-return]
    return bool(_key(self) > _key(other))


def _ge(self: Any, other: Any) -> bool:  # noqa: ANN401
    if other.__class__ is not self.__class__:
        return NotImplemented  # type: ignore[no-any-return]
    return bool(_key(self) >= _key(other))


def _hash(self: Any) -> int:  # noqa: ANN401
    try:
        found: int = getattr(self, _HASH)
    except AttributeError:
        found = hash((type(self), _key(self)))
        object.__setattr__(self, _HASH, found)
    return found


def _repr(self: Any) -> str:  # noqa: ANN401
    shown = (
        f"{a.name}={getattr(self, a.name)!r}" for a in self.__attrs_attrs__ if a.repr
    )
    return f"{type(self).__qualname__.rsplit('>.', 1)[-1]}({', '.join(shown)})"


def _getstate(self: Any) -> dict[str, Any]:  # noqa: ANN401
    return {a.name: getattr(self, a.name) for a in self.__attrs_attrs__}


def _setstate(self: Any, state: dict[str, Any]) -> None:  # noqa: ANN401
    for name, value in state.items():
        object.__setattr__(self, name, value)
