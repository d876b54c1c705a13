# SPDX-License-Identifier: Apache-2.0
"""What a command loads in place of ``enum``: the same members, made in less time.

To load the module and to make our two dozen enumerations with it takes as long as to
start Python. Only what the library uses of it is here, in its meaning;
``tests/commands/test_stand_ins.py`` holds the two equal.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self


class EnumType(type):
    """The class of enumerations."""

    _names: dict[str, Any]
    _values: dict[Any, Any]

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]
    ) -> EnumType:
        """Make the class, and of each plain attribute a member."""
        plain = {
            key: value
            for key, value in namespace.items()
            if not key.startswith("_") and not hasattr(type(value), "__get__")
        }
        content = {k: v for k, v in namespace.items() if k not in plain}
        made = type.__new__(cls, name, bases, content)
        made._fill(plain)  # noqa: SLF001 - one of ours
        return made

    def _fill(cls, plain: dict[str, Any]) -> None:
        cls._names, cls._values = {}, {}
        for key, value in plain.items():
            member = cls._values.get(value)
            if member is None:
                member = cls._values[value] = cls._make(key, value)
            cls._names[key] = member
            setattr(cls, key, member)

    def _make(cls, name: str | None, value: Any) -> Any:  # noqa: ANN401
        # An int or str is made with its value, any other object without.
        plain: type = getattr(cls, "_plain", object)
        new: Any = plain.__new__
        member = new(cls) if plain is object else new(cls, value)
        member.name = name
        member.value = value
        return member

    def __call__(cls, value: Any) -> Any:  # noqa: ANN401 - whichever member it is
        """Return the member of a value."""
        member = cls._values.get(value)
        return cls._other(value) if member is None else member

    def _other(cls, value: Any) -> Any:  # noqa: ANN401
        message = f"{value!r} is not a valid {cls.__qualname__}"
        raise ValueError(message)

    def __getitem__(cls, name: str) -> Any:  # noqa: ANN401
        """Return the member of a name."""
        return cls._names[name]

    def __iter__(cls) -> Iterator[Any]:
        """Yield the members."""
        return iter(cls._values.values())

    def __len__(cls) -> int:
        """Return how many members there are."""
        return len(cls._values)

    def __contains__(cls, member: object) -> bool:
        """Tell whether a member is one of this class."""
        return isinstance(member, cls)

    @property
    def __members__(cls) -> dict[str, Any]:
        """The members by name, other names of one included."""
        return dict(cls._names)


class Enum(metaclass=EnumType):
    """Members that are objects of their own."""

    def __repr__(self: Any) -> str:
        return f"<{type(self).__name__}.{self.name}: {self.value!r}>"

    def __str__(self: Any) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __hash__(self: Any) -> int:
        return hash(self.name)

    def __reduce__(self: Any) -> Any:  # noqa: ANN401
        return type(self), (self.value,)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self


class StrEnum(str, Enum):
    """Members that are text."""

    _plain = str
    __repr__ = Enum.__repr__
    __str__ = str.__str__
    __format__ = str.__format__
    __hash__ = str.__hash__


class IntEnum(int, Enum):
    """Members that are numbers."""

    _plain = int
    __repr__ = Enum.__repr__
    __str__ = int.__repr__
    __format__ = int.__format__
    __hash__ = int.__hash__


class _FlagType(EnumType):
    """The class of sets of bits, each of which is made when it is asked for."""

    def _other(cls, value: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, int):
            return super()._other(value)
        if value < 0:
            known = sum(map(int, cls))
            value += max(known + 1, 1 << int.bit_length(value))
        new: Any = int.__new__
        member = new(cls, value)
        member.value = int(value)
        return member

    def __iter__(cls) -> Iterator[Any]:
        """Yield the members that are one bit."""
        return (m for m in cls._values.values() if m.bit_count() == 1)

    def __len__(cls) -> int:
        """Return how many of them there are."""
        return len(list(iter(cls)))


class IntFlag(int, Enum, metaclass=_FlagType):
    """Members that are bits of a number."""

    _plain = int
    __str__ = int.__repr__
    __format__ = int.__format__
    __hash__ = int.__hash__

    def __repr__(self: Any) -> str:
        if self.name is None:
            return f"<{type(self).__name__}: {int(self)}>"
        return f"<{type(self).__name__}.{self.name}: {int(self)}>"

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        """Return the name of a set of bits, which seldom anybody wants to know."""
        if name != "name":
            raise AttributeError(name)
        parts = [one for one in type(self) if int.__and__(one, self)]
        rest = int(self) - sum(map(int, parts))
        names = [one.name for one in parts] + ([str(rest)] if rest and parts else [])
        self.name: str | None = "|".join(names) or None
        return self.name

    def __or__(self, other: int) -> Self:
        return type(self)(int.__or__(self, other))

    def __and__(self, other: int) -> Self:
        return type(self)(int.__and__(self, other))

    def __xor__(self, other: int) -> Self:
        return type(self)(int.__xor__(self, other))

    def __invert__(self) -> Self:
        return type(self)(int.__invert__(self))

    def __contains__(self, other: int) -> bool:
        return int.__and__(self, other) == other

    def __iter__(self) -> Iterator[Self]:
        return (one for one in type(self) if int.__and__(one, self))

    __ror__ = __or__
    __rand__ = __and__
    __rxor__ = __xor__
