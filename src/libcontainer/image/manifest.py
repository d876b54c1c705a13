# SPDX-License-Identifier: Apache-2.0
"""Manifests and indexes, of OCI and of Docker: which blobs an image is made of."""

from __future__ import annotations

import platform
from typing import Any, Final

from attrs import frozen

from libcontainer.errors import ImageError
from libcontainer.image.digests import check_digest
from libcontainer.image.model import read_json

MAX_MANIFEST: Final = 4 * 1024**2
MAX_CONFIG: Final = 8 * 1024**2
MAX_BLOB: Final = 16 * 1024**3
_MAX_ENTRIES: Final = 1000

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_LAYERS: Final = (
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
)

_REF_NAME: Final = "org.opencontainers.image.ref.name"

# What Go calls a machine (OCI image specification, image-index.md), by uname(2).
_ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i686": "386",
    "ppc64le": "ppc64le",
    "riscv64": "riscv64",
    "s390x": "s390x",
}


@frozen(kw_only=True)
class Descriptor:
    """Where content is to be found, and what it has to be.

    Attributes:
        media_type: what it is.
        digest: of the content.
        size: bytes of it.
        architecture: which machine it is for, in an index; or None.
        name: what it is called, in an index; or None.
    """

    media_type: str
    digest: str
    size: int
    architecture: str | None = None
    name: str | None = None


@frozen(kw_only=True)
class Manifest:
    """One image: its configuration and its layers, the lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


def is_index(document: dict[str, Any]) -> bool:
    """Tell whether a document lists manifests."""
    return "manifests" in document


def read_index(document: dict[str, Any]) -> list[Descriptor]:
    """Return what an index lists.

    Raises:
        ImageError: it is not of this form.
    """
    return [_descriptor(item, MAX_MANIFEST) for item in _items(document, "manifests")]


def read_manifest(data: bytes) -> Manifest:
    """Return what a manifest says.

    Raises:
        ImageError: it is not of this form, or not of an image.
    """
    document = read_json(data, "the manifest")
    if document.get("schemaVersion") != 2:
        message = "the manifest is not of schema version 2"
        raise ImageError(message)
    layers = tuple(_descriptor(i, MAX_BLOB) for i in _items(document, "layers"))
    for layer in layers:
        if not layer.media_type.startswith(_LAYERS):
            message = f"not a layer of files: {layer.media_type[:100]!r}"
            raise ImageError(message)
    return Manifest(
        config=_descriptor(document.get("config"), MAX_CONFIG), layers=layers
    )


def choose(found: list[Descriptor], architecture: str | None) -> Descriptor:
    """Return the manifest for a machine; None is this one.

    Raises:
        ImageError: there is none.
    """
    wanted = architecture or own_architecture()
    of_images = [d for d in found if d.media_type in (*MANIFESTS, *INDEXES)]
    for one in of_images:
        if one.architecture == wanted:
            return one
    if len(of_images) == 1 and of_images[0].architecture is None:
        return of_images[0]
    known = ", ".join(sorted({one.architecture or "?" for one in of_images})) or "none"
    message = f"there is no image for {wanted}, but for {known}"
    raise ImageError(message)


def own_architecture() -> str:
    """Return what Go calls this machine."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def _items(document: dict[str, Any], key: str) -> list[Any]:
    items = document.get(key)
    if not isinstance(items, list) or len(items) > _MAX_ENTRIES:
        message = f"{key}: must be a list of at most {_MAX_ENTRIES} items"
        raise ImageError(message)
    return items


def _descriptor(item: object, most: int) -> Descriptor:
    if not isinstance(item, dict):
        message = "a descriptor must be an object"
        raise ImageError(message)
    size = item.get("size")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= most:
        message = f"size: must be from 0 to {most}"
        raise ImageError(message)
    machine, notes = item.get("platform"), item.get("annotations")
    architecture = machine.get("architecture") if isinstance(machine, dict) else None
    name = notes.get(_REF_NAME) if isinstance(notes, dict) else None
    return Descriptor(
        media_type=_optional(item.get("mediaType")) or "",
        digest=check_digest(item.get("digest")),
        size=size,
        architecture=_optional(architecture),
        name=_optional(name),
    )


def _optional(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        message = "mediaType, architecture and names must be text"
        raise ImageError(message)
    return value
