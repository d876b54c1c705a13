# SPDX-License-Identifier: Apache-2.0
"""The methods of the classes that `records` makes, the same for every class."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

UNSET: Any = object()
"""The default of a field that has none."""
_HASH = "_attrs_cached_hash"
_CONSTANT = (type(None), bool, int, float, str, bytes, tuple, frozenset)


class FrozenInstanceError(AttributeError):
    """A field of a frozen object was to be changed."""


class _Plan:
    """How the objects of one class are made, found when the first one is."""

    __slots__ = ("convert", "count", "defaults", "keys", "make", "order")

    def __init__(self, cls: Any) -> None:  # noqa: ANN401
        steps: Any = cls.__steps__
        self.count = len(steps)
        self.order: list[str] = []
        self.keys: dict[str, str] = {}
        self.convert: dict[str, Callable[[Any], Any]] = {}
        self.make: list[tuple[str, Callable[[], Any]]] = []
        self.defaults: dict[str, Any] = {}
        for name, key, is_positional, default, make, convert, _ in steps:
            if is_positional:
                self.order.append(name)
            if key is not None:
                self.keys[key] = name
            if convert is not None:
                self.convert[name] = convert
            if make is not None:
                self.make.append((name, _made(make, convert)))
            elif default is not UNSET:
                self._add_default(name, default, convert)

    def _add_default(
        self,
        name: str,
        default: Any,  # noqa: ANN401
        convert: Callable[[Any], Any] | None,
    ) -> None:
        """Convert a default once, unless what comes of it could be changed."""
        self.defaults[name] = default
        if convert is not None:
            value = self.defaults[name] = convert(default)
            if not isinstance(value, _CONSTANT):
                self.make.append((name, lambda: convert(default)))

    def given(
        self, owner: object, args: tuple[Any, ...], named: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the fields that an object is given, as they are."""
        found = dict(zip(self.order, args))  # noqa: B905 - it is looked at below
        if len(args) > len(self.order):
            _tell_unexpected(owner, args[len(self.order) :])
        for key, value in named.items():
            name = self.keys.get(key)
            if name is None or name in found:
                _tell_unexpected(owner, (key,))
            else:
                found[name] = value
        return found


def _made(
    make: Callable[[], Any], convert: Callable[[Any], Any] | None
) -> Callable[[], Any]:
    return make if convert is None else lambda: convert(make())


def _init(self: Any, *args: Any, **named: Any) -> None:  # noqa: ANN401
    cls = type(self)
    plan: _Plan | None = vars(cls).get("__plan__")
    if plan is None:
        plan = _Plan(cls)
        type.__setattr__(cls, "__plan__", plan)
    given = plan.given(self, args, named)
    values = plan.defaults | given
    for name, convert in plan.convert.items():
        if name in given:
            values[name] = convert(given[name])
    for name, make in plan.make:
        if name not in given:
            values[name] = make()
    if len(values) < plan.count:
        missing = [step[0] for step in cls.__steps__ if step[0] not in values]
        message = f"{cls.__name__}() misses arguments: {', '.join(missing)}"
        raise TypeError(message)
    _put(self, "__dict__", values)


def _tell_unexpected(self: object, what: tuple[object, ...]) -> None:
    message = f"{type(self).__name__}() got unexpected arguments: {what}"
    raise TypeError(message)


_put = object.__setattr__


def _refuse(self: Any, name: str, *_: Any) -> None:  # noqa: ANN401
    del self
    raise FrozenInstanceError(name)


def convert_and_set(self: Any, name: str, value: Any) -> None:  # noqa: ANN401
    """Set a field, converted; ``__setattr__`` of classes with such."""
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


def hash_of(self: Any) -> int:  # noqa: ANN401
    """Return the hash of an object, which remembers it."""
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


class OpenRecord:
    """What a class has above it whose objects can be changed."""

    __init__ = _init
    __repr__ = _repr
    __eq__ = _eq
    __hash__ = None  # type: ignore[assignment]
    __getstate__ = _getstate
    __setstate__ = _setstate


class FrozenRecord:
    """What a class has above it whose objects never change."""

    __init__ = _init
    __repr__ = _repr
    __eq__ = _eq
    __hash__ = hash_of
    __getstate__ = _getstate
    __setstate__ = _setstate
    __setattr__ = _refuse
    __delattr__ = _refuse


ORDER = {
    f"__{name}__": _ordered(getattr(tuple, f"__{name}__"))
    for name in ("lt", "le", "gt", "ge")
}
"""The methods of classes whose objects have an order."""
