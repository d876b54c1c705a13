# SPDX-License-Identifier: Apache-2.0
"""What a command loads in place of large modules of the standard library.

``typing``, ``re``, ``contextlib`` and what they load take longer than a whole command
of a runtime written in C, and next to nothing of them is used. Here are the few names
that the library's modules ask for. Any other name is looked up in the module itself,
which is loaded then; what is not the library's own never sees a stand-in.
"""

from __future__ import annotations

import _thread
import _warnings
import sys

from libcontainer.commands import enums, jsons, patterns, records
from libcontainer.commands.imports import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import ModuleType, TracebackType
    from typing import Any

    from libcontainer.commands.codecache import Cache

    _functools: Any
else:
    import _functools

    ModuleType = type(sys)

_ENUMS = ("Enum", "IntEnum", "IntFlag", "StrEnum")


class StandIn(ModuleType):
    """A module with a few names; any other is that of the module it stands for.

    Each is made when it is first asked for, and so are the names themselves.
    """

    def __init__(self, name: str, names: Callable[[], dict[str, Any]]) -> None:
        super().__init__(name)
        self._names: Any = names

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if callable(self._names):
            self._names = self._names()
        if name in self._names:
            value = self._names[name]()
        else:
            value = getattr(whole(self.__name__), name)
        setattr(self, name, value)
        return value


# -- typing


class _Form:
    """Whatever stands in an annotation, which nobody reads here."""

    __slots__ = ()

    def __class_getitem__(cls, _: object) -> type:
        return cls


def _variable(name: str, *_: object, **__: object) -> type:
    del name
    return _Form


class _Checked(type):
    """The class of protocols that `isinstance` looks at."""

    def __instancecheck__(cls, instance: object) -> bool:
        return all(
            hasattr(instance, name) for name in vars(cls) if not name.startswith("_")
        )


def _checkable(cls: type) -> type:
    return _Checked(cls.__name__, (_Form,), {**vars(cls), "__slots__": ()})


def _as_dict(self: Any) -> dict[str, Any]:  # noqa: ANN401 - a named tuple
    return dict(zip(self._fields, self, strict=True))


def _replace(self: Any, **named: Any) -> Any:  # noqa: ANN401
    return type(self)(**{**_as_dict(self), **named})


def _show(self: Any) -> str:  # noqa: ANN401
    pairs = _as_dict(self).items()
    return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in pairs)})"


class _Tuples(type):
    """The class of named tuples: made as any other class, with fewer parts."""

    def __new__(
        cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]
    ) -> Any:  # noqa: ANN401
        if bases == ():
            return type.__new__(cls, name, bases, namespace)
        getter = whole("_collections")._tuplegetter  # noqa: SLF001

        fields = tuple(namespace.get("__annotations__", ()))
        defaults = {field: namespace[field] for field in fields if field in namespace}

        def new(made: type, *args: Any, **named: Any) -> Any:  # noqa: ANN401
            rest = fields[len(args) :]
            if len(args) > len(fields) or not named.keys() <= set(rest):
                message = f"{name}() takes {', '.join(fields)}: {args}, {named}"
                raise TypeError(message)
            values = {**defaults, **named}
            try:
                return tuple.__new__(made, (*args, *(values[field] for field in rest)))
            except KeyError as error:
                message = f"{name}() lacks {error}"
                raise TypeError(message) from None

        content: dict[str, Any] = {
            "__slots__": (),
            "__new__": new,
            "__repr__": _show,
            "_asdict": _as_dict,
            "_replace": _replace,
            "_fields": fields,
            "_field_defaults": defaults,
            "__match_args__": fields,
            **namespace,
            **{f: getter(at, "") for at, f in enumerate(fields)},
        }
        return type(name, (tuple,), content)


class _NamedTuple(metaclass=_Tuples):
    pass


# The types of which annotations and aliases are made.
_FORMS = (
    *("Any", "AnyStr", "ClassVar", "Final", "Generic", "IO", "Literal", "NoReturn"),
    *("Protocol", "Self", "TypeAlias"),
)


def _typing() -> dict[str, Any]:
    forms = dict.fromkeys(_FORMS, lambda: _Form)
    return forms | {
        "TYPE_CHECKING": lambda: False,
        "NamedTuple": lambda: _NamedTuple,
        "TypeVar": lambda: _variable,
        "ParamSpec": lambda: _variable,
        "cast": lambda: lambda _, value: value,
        "overload": lambda: lambda function: function,
        "runtime_checkable": lambda: _checkable,
    }


# -- contextlib


class _Suppress:
    """`contextlib.suppress`."""

    def __init__(self, *errors: type[BaseException]) -> None:
        self._errors = errors

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, self._errors)


class _Context(_Form):
    """`contextlib.AbstractContextManager`."""

    __slots__ = ("__weakref__",)

    def __enter__(self) -> Any:  # noqa: ANN401
        return self


class _Null(_Context):
    """`contextlib.nullcontext`."""

    __slots__ = ("_entered",)

    def __init__(self, enter_result: object = None) -> None:
        self._entered = enter_result

    def __enter__(self) -> Any:  # noqa: ANN401
        return self._entered

    def __exit__(self, *_: object) -> None:
        pass


class _Generated:
    """The context manager that a generator is made to be."""

    def __init__(self, generator: Generator[Any]) -> None:
        self._generator = generator

    def __enter__(self) -> Any:  # noqa: ANN401
        try:
            return next(self._generator)
        except StopIteration:
            message = "generator didn't yield"
            raise RuntimeError(message) from None

    def __exit__(
        self,
        kind: object,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if error is None:
            try:
                next(self._generator)
            except StopIteration:
                return False
            message = "generator didn't stop"
        else:
            try:
                self._generator.throw(error)
            except StopIteration as ended:
                return ended is not error
            except BaseException as raised:
                # As it came, or as what `throw` makes of a StopIteration.
                if raised is error or (
                    isinstance(error, StopIteration) and raised.__cause__ is error
                ):
                    error.__traceback__ = trace
                    return False
                raise
            message = "generator didn't stop after throw()"
        try:
            raise RuntimeError(message)
        finally:
            self._generator.close()


def _contextmanager(function: Callable[..., Generator[Any]]) -> Any:  # noqa: ANN401
    def made(*args: Any, **named: Any) -> _Generated:  # noqa: ANN401
        return _Generated(function(*args, **named))

    return _wraps(function)(made)


# -- functools


def _wraps(function: Any) -> Callable[[Any], Any]:  # noqa: ANN401
    def give(wrapper: Any) -> Any:  # noqa: ANN401
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(wrapper, name, getattr(function, name))
        wrapper.__wrapped__ = function
        return wrapper

    return give


def _lru_cache(maxsize: int | None = 128) -> Callable[[Any], Any]:
    def make(function: Any) -> Any:  # noqa: ANN401
        made = _functools._lru_cache_wrapper(function, maxsize, False, tuple)  # noqa: SLF001
        return _wraps(function)(made)

    return make


# -- copy


def _deepcopy(value: Any) -> Any:  # noqa: ANN401
    """`copy.deepcopy`, of what was read from JSON itself."""
    if type(value) is dict:
        return {key: _deepcopy(item) for key, item in value.items()}
    if type(value) is list:
        return [_deepcopy(item) for item in value]
    if value is None or type(value) in (str, int, bool, float):
        return value
    return whole("copy").deepcopy(value)


# -- importlib


def import_module(name: str) -> Any:  # noqa: ANN401 - a module
    """Return a module, by its whole name."""
    __import__(name)
    return sys.modules[name]


class _Alone(StandIn):
    """A module that is loaded as soon as something is asked of it."""

    def __init__(self, name: str) -> None:
        super().__init__(name, dict)


class _Twin(StandIn):
    """A module with what its part in C has, loaded when something is asked of it."""

    def __init__(self, name: str, part: str) -> None:
        super().__init__(name, dict)
        self._part = part

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        try:
            value = getattr(whole(self._part), name)
        except (ImportError, AttributeError):
            return super().__getattr__(name)
        setattr(self, name, value)
        return value


class _Anew:
    """`__future__`, of which nothing is needed any more."""

    annotations = None


def _contexts() -> dict[str, Any]:
    return {
        "suppress": lambda: _Suppress,
        "contextmanager": lambda: _contextmanager,
        "AbstractContextManager": lambda: _Context,
        "nullcontext": lambda: _Null,
    }


def _functions() -> dict[str, Any]:
    return {
        "cache": lambda: _lru_cache(None),
        "lru_cache": lambda: _lru_cache,
        "partial": lambda: _functools.partial,
        "reduce": lambda: _functools.reduce,
        "wraps": lambda: _wraps,
    }


def _numbers() -> dict[str, Any]:
    infinity = float("inf")
    return {
        "inf": lambda: infinity,
        "isinf": lambda: lambda x: x in (infinity, -infinity),
        "isfinite": lambda: lambda x: x - x == 0,
    }


def _kinds() -> dict[str, Any]:
    return {
        "ModuleType": lambda: ModuleType,
        "SimpleNamespace": lambda: type(sys.implementation),
    }


def _locks() -> dict[str, Any]:
    return {"Lock": lambda: _thread.allocate_lock, "RLock": lambda: _thread.RLock}


def stand_ins(cache: Cache) -> dict[str, Any]:
    """Return what the library's modules import, by the name they ask for."""
    found: dict[str, Callable[[], dict[str, Any]]] = {
        "contextlib": _contexts,
        "copy": lambda: {"deepcopy": lambda: _deepcopy},
        "enum": lambda: {name: lambda n=name: getattr(enums, n) for name in _ENUMS},
        "functools": _functions,
        "importlib": lambda: {"import_module": lambda: import_module},
        "json": lambda: {"loads": lambda: jsons.loads, "dumps": lambda: jsons.dumps},
        "math": _numbers,
        "re": lambda: patterns.names(cache),
        "threading": _locks,
        "types": _kinds,
        "typing": _typing,
        "warnings": lambda: {"warn": lambda: _warnings.warn},
    }
    return {
        "__future__": _Anew,
        "struct": _Twin("struct", "_struct"),
        "signal": _Twin("signal", "_signal"),
        "attrs": records,
        "datetime": _Twin("datetime", "_datetime"),
        "collections.abc": sys.modules["_collections_abc"],
        **{name: StandIn(name, names) for name, names in found.items()},
        **{name: _Alone(name) for name in ("select", "subprocess", "termios")},
    }
