# SPDX-License-Identifier: Apache-2.0
"""Takes images out of files into a store."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from functools import partial
from typing import Any

from libcontainer.errors import ImageError
from libcontainer.image.blobs import Archive, Files, Folder, read_file
from libcontainer.image.compression import decompressed, is_compressed
from libcontainer.image.digests import Measured, Readable, check_content
from libcontainer.image.manifest import (
    MAX_CONFIG,
    MAX_MANIFEST,
    Descriptor,
    choose,
    is_index,
    own_architecture,
    read_index,
    read_manifest,
)
from libcontainer.image.model import Image, ImageConfig, read_json
from libcontainer.image.store import Filling, Store

_MAX_INDEXES = 4


def unpack(
    path: str | os.PathLike[str],
    *,
    store: Store | None = None,
    name: str | None = None,
    reference: str | None = None,
    architecture: str | None = None,
) -> Image:
    """Unpack an image that is in a file or a directory.

    What it is is found out: a directory of the OCI image layout, an archive of one, an
    archive of ``docker save``, or a plain archive of files, which is one layer.

    Args:
        path: host path.
        store: where it is unpacked; None is the user's own.
        name: what it is called there; None: as it is called in the file, or the name
            of the file.
        reference: which image of several; None: the only one.
        architecture: for which machine, as Go names it; None is this one.

    Raises:
        ImageError: it is broken, not what its digests say, or does what no image may.
            Layers that were whole stay in the store until `Store.collect`.
        OSError: a file cannot be read, or the store cannot be written to.
    """
    place = os.fspath(path)
    own_store = store or Store()
    wanted = _Wanted(name, reference, architecture or own_architecture())
    with contextlib.ExitStack() as stack:
        filling = stack.enter_context(own_store.filling())
        if os.path.isdir(place):
            folder = stack.enter_context(contextlib.closing(Folder(place)))
            return _found(folder, filling, wanted, place)
        if not os.path.isfile(place):
            message = f"{place!r} is no regular file"
            raise ImageError(message)
        plain = place
        if is_compressed(place):
            plain = stack.enter_context(filling.spare())
            _decompress(place, plain, own_store.policy.max_bytes)
        archive = stack.enter_context(contextlib.closing(Archive(plain)))
        if _has(archive, "index.json") or _has(archive, "manifest.json"):
            return _found(archive, filling, wanted, place)
        return _plain(filling, plain, wanted, place)


def _found(files: Files, filling: Filling, wanted: _Wanted, place: str) -> Image:
    if _has(files, "index.json"):
        return _layout(files, filling, wanted, place)
    if _has(files, "manifest.json"):
        return _docker(files, filling, wanted, place)
    message = f"{place!r} is no image layout: it has no index.json"
    raise ImageError(message)


def _decompress(place: str, to: str, most: int) -> None:
    with open(place, "rb", buffering=0) as source, open(to, "xb") as target:
        stream = Measured(decompressed(source), limit=most)
        while data := stream.read(1 << 20):
            target.write(data)


class _Wanted:
    def __init__(self, name: str | None, reference: str | None, machine: str) -> None:
        self.name = name
        self.reference = reference
        self.machine = machine


def _has(files: Files, name: str) -> bool:
    try:
        with files.open(name):
            return True
    except FileNotFoundError:
        return False


# -- the OCI image layout


def _layout(files: Files, filling: Filling, wanted: _Wanted, place: str) -> Image:
    index = read_json(read_file(files, "index.json", MAX_MANIFEST), "index.json")
    entry = _named(read_index(index), wanted.reference)
    name = wanted.name or entry.name or _base(place)
    for _ in range(_MAX_INDEXES):
        data = _blob(files, entry, MAX_MANIFEST)
        document = read_json(data, "the manifest")
        if not is_index(document):
            return _from_manifest(files, filling, name, (data, entry.digest))
        entry = choose(read_index(document), wanted.machine)
    message = "no image index refers to a manifest"
    raise ImageError(message)


def _named(found: list[Descriptor], reference: str | None) -> Descriptor:
    if reference is not None:
        found = [d for d in found if reference in {d.name, d.digest}]
    if len(found) == 1:
        return found[0]
    if not found:
        message = f"there is no image {reference!r}"
        raise ImageError(message)
    names = ", ".join(d.name or d.digest for d in found)
    message = f"there are several images, say which: {names[:500]}"
    raise ImageError(message)


def _from_manifest(
    files: Files, filling: Filling, name: str, manifest: tuple[bytes, str]
) -> Image:
    parts = read_manifest(manifest[0])
    config = _blob(files, parts.config, MAX_CONFIG)
    diff_ids = ImageConfig.read(config).diff_ids
    if len(diff_ids) != len(parts.layers):
        message = f"{len(parts.layers)} layers have {len(diff_ids)} digests"
        raise ImageError(message)
    for layer, diff_id in zip(parts.layers, diff_ids, strict=True):
        filling.add_layer(
            partial(_open, files, _path(layer.digest)),
            diff_id=diff_id,
            digest=layer.digest,
            size=layer.size,
        )
    return filling.add_image(name, config, manifest[1])


def _blob(files: Files, descriptor: Descriptor, limit: int) -> bytes:
    data = read_file(files, _path(descriptor.digest), limit)
    check_content(data, descriptor.digest)
    return data


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


@contextlib.contextmanager
def _open(files: Files, name: str) -> Iterator[Readable]:
    try:
        with files.open(name) as stream:
            yield stream
    except FileNotFoundError as error:
        message = f"the image has no file {name!r}"
        raise ImageError(message) from error


# -- docker save


def _docker(files: Files, filling: Filling, wanted: _Wanted, place: str) -> Image:
    entry = _docker_entry(files, wanted.reference)
    config = read_file(files, _word(entry.get("Config")), MAX_CONFIG)
    diff_ids = ImageConfig.read(config).diff_ids
    layers = entry.get("Layers")
    if not isinstance(layers, list) or len(layers) != len(diff_ids):
        message = "manifest.json: Layers: not as many as the configuration has digests"
        raise ImageError(message)
    for layer, diff_id in zip(layers, diff_ids, strict=True):
        filling.add_layer(partial(_open, files, _word(layer)), diff_id=diff_id)
    tags = entry.get("RepoTags") or []
    known = _word(tags[0]) if isinstance(tags, list) and tags else _base(place)
    return filling.add_image(wanted.name or known, config)


def _docker_entry(files: Files, reference: str | None) -> dict[str, Any]:
    # A list at the top, which the strict reader does not take.
    text = read_file(files, "manifest.json", MAX_MANIFEST)
    entries = read_json(b'{"images":' + text + b"}", "manifest.json")["images"]
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        message = "manifest.json: must be a list of objects"
        raise ImageError(message)
    if reference is not None:
        entries = [e for e in entries if reference in (e.get("RepoTags") or [])]
    if len(entries) != 1:
        message = f"manifest.json: {len(entries)} images, say which"
        raise ImageError(message)
    return dict(entries[0])


def _word(value: object) -> str:
    if not isinstance(value, str):
        message = "manifest.json: names must be text"
        raise ImageError(message)
    return value


# -- a plain archive


def _plain(filling: Filling, plain: str, wanted: _Wanted, place: str) -> Image:
    diff_id = filling.add_layer(partial(_file, plain), diff_id=None)
    config = {
        "architecture": wanted.machine,
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    return filling.add_image(wanted.name or _base(place), json.dumps(config).encode())


@contextlib.contextmanager
def _file(place: str) -> Iterator[Readable]:
    with open(place, "rb", buffering=0) as file:
        yield file


def _base(place: str) -> str:
    return os.path.basename(os.path.abspath(place)) or "image"
