# SPDX-License-Identifier: Apache-2.0
"""Documents after the runtime specification's own schema, and what is made of them."""

from __future__ import annotations

import copy
import json
import random
from functools import cache
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).resolve().parents[1] / "oci_schema"
_MAX_DEPTH = 9

INTEGERS = (0, 1, -1, 2, 7, 255, 256, 4096, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1,
            2**32, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), 10**40)  # fmt: skip
TEXTS = (
    *("", "/", ".", "..", "a", "0", "-1", "root", "/proc", "/dev", "/dev/null", "/sys"),
    *("/proc/self/fd/3", "../../x", "a\0b", "a\nb", "\x1b[2J", "é", "\ud800", "1e400"),
    *("bind", "tmpfs", "proc", "rbind", "ro", "mode=7777", "size=-1", "user", "mount"),
    *("net.core.somaxconn", "kernel.core_pattern", "CAP_SYS_ADMIN", "RLIMIT_NOFILE"),
    *(
        "SCMP_ACT_ALLOW",
        "SCMP_ACT_ERRNO",
        "read",
        "x" * 5000,
        "/" + "a" * 300,
        "\uff11",
    ),
)
JUNK = (None, True, False, 0.5, -0.0, 1e308, [], {}, [[]], {"": None}, [None] * 3)


@cache
def _schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SCHEMAS / name).read_text())
    return loaded


class Generator:
    """Makes documents.

    Args:
        seed: of the random numbers; the same documents each time.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def document(self) -> Any:
        """Return a document that the schema allows, or nearly."""
        document = self._of(_schema("config-schema.json"), "config-schema.json", 0)
        for other in ("windows", "solaris", "vm", "zos", "freebsd"):
            if self.chance.random() < 0.95:
                document.pop(other, None)
        if self.chance.random() < 0.95:
            document["ociVersion"] = "1.0.2"
        if self.chance.random() < 0.7:
            document["root"] = {"path": "rootfs"}
        return document

    def _of(self, schema: dict[str, Any], file: str, depth: int) -> Any:
        while "$ref" in schema:
            where, _, fragment = schema["$ref"].partition("#/")
            file = where or file
            schema = _schema(file)
            for part in fragment.split("/") if fragment else ():
                schema = schema[part]
        for key in ("anyOf", "oneOf", "allOf"):
            if key in schema:
                return self._of(self.chance.choice(schema[key]), file, depth)
        if "enum" in schema:
            return self.chance.choice(schema["enum"])
        return self._of_type(schema, file, depth)

    def _of_type(self, schema: dict[str, Any], file: str, depth: int) -> Any:
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            return self._object(schema, file, depth)
        if kind == "array":
            count = 0 if depth > _MAX_DEPTH else self.chance.choice((0, 1, 1, 2, 3))
            return [self._of(schema["items"], file, depth + 1) for _ in range(count)]
        if kind == "boolean":
            return self.chance.random() < 0.5
        if kind in {"integer", "number"}:
            low, high = schema.get("minimum", -(2**31)), schema.get("maximum", 2**32)
            good = [number for number in INTEGERS if low <= number <= high]
            return self.chance.choice(good or [low])
        return self.chance.choice(TEXTS)

    def _object(self, schema: dict[str, Any], file: str, depth: int) -> Any:
        made = {}
        needed = schema.get("required", ())
        wanted = 0.9 if depth < 2 else 0.4
        for key, below in schema.get("properties", {}).items():
            if key in needed or self.chance.random() < wanted:
                made[key] = self._of(below, file, depth + 1)
        for below in list(schema.get("patternProperties", {}).values())[:1]:
            for _ in range(self.chance.randrange(3)):
                name = self.chance.choice(TEXTS)
                made[name] = self._of(below, file, depth + 1)
        return made

    # -- what is made of them

    def mutate(self, document: Any) -> Any:
        """Return a copy with a few places changed."""
        changed = copy.deepcopy(document)
        for _ in range(self.chance.choice((1, 1, 2, 3, 8))):
            places = list(_places(changed))
            if places:
                self._change(*self.chance.choice(places))
        return changed

    def _change(self, holder: Any, key: Any) -> None:
        how = self.chance.randrange(6)
        if how == 0:
            del holder[key]
        elif how == 1 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif how == 2 and isinstance(holder, dict):
            holder[self.chance.choice(TEXTS)] = holder[key]
        elif how == 3:
            holder[key] = copy.deepcopy(self.chance.choice(JUNK))
        elif isinstance(holder[key], int) or how == 4:
            holder[key] = self.chance.choice(INTEGERS)
        else:
            holder[key] = self.chance.choice(TEXTS)

    def damage(self, text: bytes) -> bytes:
        """Return a text with bytes changed, cut out, repeated or added."""
        data = bytearray(text)
        for _ in range(self.chance.choice((1, 1, 2, 4))):
            at = self.chance.randrange(len(data) + 1)
            how = self.chance.randrange(5)
            if how == 0 and at < len(data):
                data[at] ^= 1 << self.chance.randrange(8)
            elif how == 1:
                del data[at : at + self.chance.choice((1, 2, 16, len(data)))]
            elif how == 2:
                data[at:at] = data[at : at + self.chance.choice((1, 8, 64))]
            elif how == 3:
                data[at:at] = self.chance.choice(_TOKENS)
            elif at < len(data):
                data[at] = self.chance.randrange(256)
        return bytes(data)


_TOKENS = (b"{", b"}", b"[", b"]", b'"', b":", b",", b"\\u0000", b"\\ud800", b"NaN",
           b"1e400", b"Infinity", b"-", b"0", b"9" * 5000, b"\xff", b"\xef\xbb\xbf",
           b"[" * 200, b'{"a":' * 200, b"null", b"true", b"\n", b":0:0:")  # fmt: skip


def _places(value: Any) -> Any:
    """Yield (holder, key) of everything below a value."""
    items: Any = ()
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, below in items:
        yield value, key
        yield from _places(below)
