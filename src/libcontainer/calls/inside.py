# SPDX-License-Identifier: Apache-2.0
"""What runs in the container: reads a function and its arguments, tells the outcome.

Its text is the program of a bare interpreter, so it uses the standard library alone,
and of that the compiled modules: `pickle` and `json` take longer to load than all the
rest. The other side imports it as well, for the one form of plain values.
"""

from __future__ import annotations

import _pickle as pickle
import importlib
import io
import marshal
import os
import struct
import sys
import types
from _json import encode_basestring_ascii as _quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

SIZE = struct.Struct("!Q")
PLAIN, PICKLED = b"J", b"P"
TRACEBACK_MOST = 1 << 14


def to_plain(value: Any) -> Any:  # noqa: ANN401 - what JSON has
    """Return a value as JSON has it; what JSON lacks is an object with one tag."""
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is list:
        return [to_plain(item) for item in value]
    if kind in (tuple, set, frozenset):
        return {kind.__name__: [to_plain(item) for item in value]}
    if kind in (bytes, bytearray):
        return {kind.__name__: value.hex()}
    if kind is complex:
        return {"complex": [value.real, value.imag]}
    if kind is dict:
        return {"dict": [[to_plain(k), to_plain(v)] for k, v in value.items()]}
    message = f"{kind.__module__}.{kind.__qualname__} is no plain value; see trust"
    raise TypeError(message)


def to_json(value: Any) -> str:  # noqa: ANN401 - what JSON has
    """Return the text of what `to_plain` made, as ``json.dumps`` does."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        special = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
        text = float.__repr__(value)
        return special.get(text, text)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{','.join(map(to_json, value))}]"
    items = (f"{_quoted(key)}:{to_json(item)}" for key, item in value.items())
    return f"{{{','.join(items)}}}"


_MAKERS: dict[str, Any] = {
    "tuple": lambda items: tuple(from_plain(item) for item in items),
    "set": lambda items: {from_plain(item) for item in items},
    "frozenset": lambda items: frozenset(from_plain(item) for item in items),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda parts: complex(*parts),
    "dict": lambda pairs: {from_plain(k): from_plain(v) for k, v in pairs},
}


def from_plain(value: Any) -> Any:  # noqa: ANN401 - what JSON has
    """Return what `to_plain` was given; raises ValueError or TypeError otherwise."""
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, inner),) = value.items()
    if tag not in _MAKERS:
        message = f"no such tag: {tag!r}"
        raise ValueError(message)
    return _MAKERS[tag](inner)


def receive(file: IO[bytes]) -> bytes | None:
    """Return the next message, or None where the other side has gone."""
    head = file.read(SIZE.size)
    if len(head) < SIZE.size:
        return None
    (size,) = SIZE.unpack(head)
    data = file.read(size)
    return data if len(data) == size else None


class _Receiver(pickle.Unpickler):
    """Reads what `libcontainer.calls.sending` has written."""

    functions: list[types.FunctionType]

    def persistent_load(self, pid: Any) -> Any:  # noqa: ANN401 - as pickle has it
        """Return what `persistent_id` of the sender has named."""
        kind, *rest = pid
        if kind == "function":
            return self.functions[rest[0]]
        if kind == "module":
            return importlib.import_module(rest[0])
        module, qualname = rest
        target = importlib.import_module(module)
        for name in qualname.split("."):
            target = getattr(target, name)
        return target.__wrapped__


def _load(data: bytes, functions: list[types.FunctionType]) -> Any:  # noqa: ANN401
    receiver = _Receiver(io.BytesIO(data))
    receiver.functions = functions
    return receiver.load()


def _functions(
    table: list[tuple[bytes, str, int, int, bytes]],
    groups: list[tuple[str, dict[str, bytes]]],
) -> list[types.FunctionType]:
    """Make the functions that were sent by value; they may name each other."""
    spaces: list[dict[str, Any]] = [
        {"__name__": name, "__builtins__": __builtins__} for name, _ in groups
    ]
    made: list[types.FunctionType] = []
    for code, name, group, cells, _ in table:
        body = marshal.loads(code)  # noqa: S302 - the container trusts its caller
        closure = tuple(types.CellType() for _ in range(cells))
        made.append(types.FunctionType(body, spaces[group], name, None, closure))
    for space, (_, known) in zip(spaces, groups, strict=True):
        for name, data in known.items():
            space[name] = _load(data, made)
    for function, (*_, parts) in zip(made, table, strict=True):
        defaults, keywords, cells, qualname = _load(parts, made)
        function.__defaults__, function.__kwdefaults__ = defaults, keywords
        function.__qualname__ = qualname
        for cell, (is_set, value) in zip(
            function.__closure__ or (), cells, strict=True
        ):
            if is_set:
                cell.cell_contents = value
    return made


def _run(request: bytes) -> Any:  # noqa: ANN401 - the function's
    path, table, groups, call = pickle.loads(request)
    sys.path[:] = path
    function, args, keywords = _load(call, _functions(table, groups))
    value = function(*args, **keywords)
    if isinstance(value, types.CoroutineType):
        import asyncio  # noqa: PLC0415 - rare

        return asyncio.run(value)
    return value


def _describe(error: BaseException) -> list[Any]:
    """Return an exception as plain values: its class, arguments, text, traceback."""
    import traceback  # noqa: PLC0415 - only if it fails

    kind = type(error)
    text = "".join(traceback.format_exception(error))[-TRACEBACK_MOST:]
    try:
        args = to_plain(list(error.args))
        to_json(args)
    except (TypeError, ValueError, RecursionError):
        args = None
    name = kind.__qualname__
    return [kind.__module__, name, args, str(error)[-TRACEBACK_MOST:], text]


def _plain(outcome: list[Any]) -> bytes:
    try:
        return PLAIN + to_json(outcome).encode()
    except RecursionError:
        message = "the value is too deep, or holds itself"
        raise TypeError(message) from None


def _pickled(outcome: tuple[bool, Any]) -> bytes:
    try:
        return PICKLED + pickle.dumps(outcome)
    except Exception as error:
        return _plain(["error", _describe(error)])


def answer(request: bytes, *, trusted: bool) -> bytes:
    """Call what a request asks for; return the message that tells the outcome."""
    try:
        value = _run(request)
        if trusted:
            return _pickled((True, value))
        return _plain(["value", to_plain(value)])
    except BaseException as error:
        if trusted and isinstance(error, Exception):
            error.add_note(_describe(error)[4])
            return _pickled((False, error))
        return _plain(["error", _describe(error)])


def serve(number: int) -> None:
    """Answer requests from a socket until the other side closes it."""
    os.set_inheritable(number, False)
    # A caller whose sockets are made by gevent passes one that never waits.
    os.set_blocking(number, True)
    with open(number, "r+b", buffering=0) as raw:
        reader = io.BufferedReader(raw)
        while (request := receive(reader)) is not None:
            message = answer(request[1:], trusted=request[:1] == PICKLED)
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            data = memoryview(SIZE.pack(len(message)) + message)
            while data:
                data = data[raw.write(data) :]
    # What the function has left running does not keep the process.
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
