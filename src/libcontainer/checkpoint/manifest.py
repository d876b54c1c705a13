# SPDX-License-Identifier: Apache-2.0
"""``libcontainer.json``: what we add to an image; pure.

It is as little trusted as the rest of the image: it says which keys there are, and
never what they stand for.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from attrs import frozen

from libcontainer.errors import CriuError

NAME: Final = "libcontainer.json"
MAX_BYTES: Final = 1024 * 1024
SCHEMA: Final = 1
_STREAMS: Final = 3
_KEY: Final = re.compile(r"(?:pipe|socket):\[[0-9]{1,20}\]|file\[[0-9a-f:]{3,40}\]")


@frozen(kw_only=True)
class Manifest:
    """What an image needs from outside.

    Attributes:
        mounts: container paths of external mounts, by number.
        streams: for each standard stream the key it is inherited by, or None if it
            is the container's own.
        args: what init ran.
    """

    mounts: tuple[str, ...]
    streams: tuple[str | None, ...]
    args: tuple[str, ...]


def dump(manifest: Manifest) -> bytes:
    """Return the bytes of the file."""
    document = {
        "schema": SCHEMA,
        "mounts": manifest.mounts,
        "streams": manifest.streams,
        "args": manifest.args,
    }
    return json.dumps(document).encode()


def parse(data: bytes) -> Manifest:
    """Return what the file says.

    Raises:
        CriuError: it is not what `dump` writes.
    """
    try:
        document = json.loads(data)
        _check_schema(document["schema"])
        return Manifest(
            mounts=_different(_texts(document["mounts"])),
            streams=_keys(document["streams"]),
            args=_texts(document["args"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CriuError("restore", f"{NAME} of the image: {error!r}") from error


def _texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise TypeError(f"must be texts, not {value!r}")
    return tuple(value)


def _check_schema(schema: Any) -> None:  # noqa: ANN401
    if schema != SCHEMA:
        raise ValueError(f"schema {schema!r}, this library has {SCHEMA}")


def _different(points: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(points)) != len(points):
        raise ValueError("mounts: one is there twice")
    return points


def _keys(value: Any) -> tuple[str | None, ...]:  # noqa: ANN401
    if not isinstance(value, list) or len(value) != _STREAMS:
        raise ValueError(f"streams must be {_STREAMS}, not {value!r}")
    for key in value:
        if key is not None and (not isinstance(key, str) or not _KEY.fullmatch(key)):
            raise ValueError(f"streams: a key {key!r}")
    return tuple(value)
