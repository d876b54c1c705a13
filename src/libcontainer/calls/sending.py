# SPDX-License-Identifier: Apache-2.0
"""A function and its arguments as bytes, for `libcontainer.calls.inside`.

A function that its module has under its name goes by that name, as pickle does it.
One that has none there goes by value: of ``__main__``, of a notebook, a lambda, one
inside another. Then what it names goes with it.
"""

from __future__ import annotations

import io
import marshal
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import CodeType, FunctionType, ModuleType
from typing import Any

_MAIN = "__main__"


class _Call:
    """The functions of one call that go by value, and the globals they name."""

    def __init__(self) -> None:
        self.functions: list[FunctionType] = []
        self.groups: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.known: list[dict[str, bytes]] = []
        self._wanted: list[set[str]] = []

    def number_of(self, function: FunctionType) -> int:
        for number, known in enumerate(self.functions):
            if known is function:
                return number
        self.functions.append(function)
        group = self.group_of(function)
        self._wanted[group] |= set(_names(function.__code__))
        return len(self.functions) - 1

    def group_of(self, function: FunctionType) -> int:
        for number, known in enumerate(self.groups):
            if known is function.__globals__:
                return number
        self.groups.append(function.__globals__)
        self._wanted.append(set())
        self.known.append({})
        return len(self.groups) - 1

    def dump(self, value: object, what: str) -> bytes:
        file = io.BytesIO()
        try:
            _Sender(file, self).dump(value)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            message = f"cannot send {what} into a container: {error}"
            raise TypeError(message) from error
        return file.getvalue()

    def gather(self) -> None:
        """Encode what the functions hold and name, and what that leads to."""
        while len(self.bodies) < len(self.functions) or any(self._wanted):
            for one in self.functions[len(self.bodies) :]:
                held = self.dump(_parts(one), f"what {one.__qualname__}() holds")
                self.bodies.append(held)
            for space, values, wanted in list(
                zip(self.groups, self.known, self._wanted, strict=True)
            ):
                names = {name for name in wanted if name in space}
                wanted.clear()
                for name in sorted(names - set(values)):
                    # Known from now on: it may name itself.
                    values[name] = b""
                    values[name] = self.dump(space[name], f"{name!r}")


class _Sender(pickle.Pickler):
    def __init__(self, file: io.BytesIO, call: _Call) -> None:
        super().__init__(file)
        self._call = call

    def persistent_id(self, obj: Any) -> Any:  # noqa: ANN401 - as pickle has it
        """Return how an object goes that pickle would send otherwise, or None."""
        if isinstance(obj, ModuleType):
            return "module", obj.__name__
        if isinstance(obj, type) and obj.__module__ == _MAIN:
            message = f"class {obj.__qualname__} is of __main__: put it into a module"
            raise pickle.PicklingError(message)
        if not isinstance(obj, FunctionType):
            return None
        found = _by_name(obj)
        if found is obj:
            return None
        if found is not None:
            return "wrapped", obj.__module__, obj.__qualname__
        return "function", self._call.number_of(obj)


def _by_name(function: FunctionType) -> Any:  # noqa: ANN401 - whatever is there
    """Return what a module has under the name of *function*, if it leads to it."""
    if function.__module__ in (_MAIN, None):
        return None
    target: Any = sys.modules.get(function.__module__)
    for name in function.__qualname__.split("."):
        target = getattr(target, name, None)
    is_it = target is function or getattr(target, "__wrapped__", None) is function
    return target if is_it else None


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _parts(function: FunctionType) -> tuple[object, ...]:
    cells = []
    for cell in function.__closure__ or ():
        try:
            cells.append((True, cell.cell_contents))
        except ValueError:
            cells.append((False, None))
    qualname = function.__qualname__
    return function.__defaults__, function.__kwdefaults__, cells, qualname


def encode_call(
    function: Callable[..., Any],
    args: Sequence[Any],
    keywords: Mapping[str, Any],
    path: Sequence[str],
) -> bytes:
    """Return a call as bytes.

    Args:
        function: what is called.
        args: its arguments.
        keywords: its keyword arguments.
        path: the ``sys.path`` in the container.

    Raises:
        TypeError: something of it cannot be sent; it says what.
    """
    call = _Call()
    body = call.dump((function, tuple(args), dict(keywords)), "the call")
    call.gather()
    table = [
        (
            marshal.dumps(one.__code__),
            one.__name__,
            call.group_of(one),
            len(one.__closure__ or ()),
            parts,
        )
        for one, parts in zip(call.functions, call.bodies, strict=True)
    ]
    spaces = [
        (str(space.get("__name__", _MAIN)), values)
        for space, values in zip(call.groups, call.known, strict=True)
    ]
    return pickle.dumps((list(path), table, spaces, body))
