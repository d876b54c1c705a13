# SPDX-License-Identifier: Apache-2.0
"""Pulls images by the distribution protocol, and trusts nothing but digests."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO, Final

from attrs import field, frozen

from libcontainer.errors import ImageError, RegistryError
from libcontainer.image.digests import Readable, check_content, digest_of
from libcontainer.image.http import Answer, Http, read_some
from libcontainer.image.manifest import (
    INDEXES,
    MANIFESTS,
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
from libcontainer.image.reference import Reference
from libcontainer.image.store import Filling, Store

_CHUNK: Final = 1 << 18
_TRIES: Final = 5
_MAX_INDEXES: Final = 4
_ACCEPT: Final = ", ".join((*MANIFESTS, *INDEXES))


@frozen(kw_only=True)
class Progress:
    """How far a pull is; given to *progress* of `pull`.

    Attributes:
        digest: of the layer that is being fetched.
        done: bytes of it that are here.
        total: bytes that it has.
        layer: its number, from 1.
        layers: how many there are.
    """

    digest: str
    done: int
    total: int
    layer: int
    layers: int


@frozen(kw_only=True)
class _Pull:
    """What one pull needs."""

    http: Http
    repository: str
    progress: Callable[[Progress], object] | None = field(default=None)

    def manifest(self, wanted: str) -> bytes:
        path = f"/v2/{self.repository}/manifests/{wanted}"
        with self.http.get(path, {"Accept": _ACCEPT}) as answer:
            return _all(answer, MAX_MANIFEST, path)

    def small_blob(self, descriptor: Descriptor, limit: int) -> bytes:
        path = self.blob_path(descriptor)
        with self.http.get(path, {}) as answer:
            data = _all(answer, limit, path)
        check_content(data, descriptor.digest)
        return data

    def blob_path(self, descriptor: Descriptor) -> str:
        return f"/v2/{self.repository}/blobs/{descriptor.digest}"


def pull(  # noqa: PLR0913
    name: str,
    *,
    store: Store | None = None,
    auth: tuple[str, str] | None = None,
    insecure: bool = False,
    progress: Callable[[Progress], object] | None = None,
    architecture: str | None = None,
    timeout: float = 30.0,
) -> Image:
    """Fetch an image from a registry and unpack it.

    Layers that are in the store are not fetched. A connection that breaks is made
    again, and goes on where it was. Everything is checked against its digest.

    Args:
        name: ``registry.example/path:tag``, or with ``@sha256:…``; without a registry
            it is one of docker.io.
        store: where it is unpacked; None is the user's own.
        auth: user and password. None: what anybody may have.
        insecure: whether the registry speaks plain HTTP: what comes is still checked
            by digest if *name* has one, else whoever is on the way chooses the image.
        progress: called with a `Progress` now and then.
        architecture: for which machine, as Go names it; None is this one.
        timeout: seconds that a connection may be silent.

    Raises:
        RegistryError: the registry does not give it.
        ImageError: what it gives is not what it says. Layers that were whole stay in
            the store until `Store.collect`.
    """
    reference = Reference.parse(name)
    client = Http(reference.address, auth=auth, insecure=insecure, timeout=timeout)
    job = _Pull(http=client, repository=reference.repository, progress=progress)
    data, digest = _find(job, reference, architecture or own_architecture())
    manifest = read_manifest(data)
    config = job.small_blob(manifest.config, MAX_CONFIG)
    diff_ids = ImageConfig.read(config).diff_ids
    if len(diff_ids) != len(manifest.layers):
        message = f"{len(manifest.layers)} layers have {len(diff_ids)} digests"
        raise ImageError(message)
    with (store or Store()).filling() as filling:
        for number, layer in enumerate(manifest.layers):
            where = number + 1, len(diff_ids)
            filling.add_layer(
                partial(_fetched, job, filling, layer, where),
                diff_id=diff_ids[number],
                digest=layer.digest,
                size=layer.size,
            )
        return filling.add_image(str(reference), config, digest)


def _find(job: _Pull, reference: Reference, machine: str) -> tuple[bytes, str]:
    """Return the manifest for a machine, and its digest."""
    wanted = reference.digest
    for _ in range(_MAX_INDEXES):
        data = job.manifest(wanted or reference.tag)
        if wanted is not None:
            check_content(data, wanted)
        document = read_json(data, "the manifest")
        if not is_index(document):
            return data, wanted or digest_of(data)
        wanted = choose(read_index(document), machine).digest
    message = "no image index refers to a manifest"
    raise ImageError(message)


@contextlib.contextmanager
def _fetched(
    job: _Pull, filling: Filling, layer: Descriptor, where: tuple[int, int]
) -> Iterator[Readable]:
    """Fetch a blob to the disk, and open it for a block."""
    with filling.spare() as path, open(path, "xb+", buffering=0) as file:
        os.chmod(path, 0o600)
        tries = 0
        while file.tell() < layer.size:
            before = file.tell()
            try:
                _go_on(job, layer, file, where)
            except RegistryError as error:
                # What has been refused will be again; what broke may go on.
                if error.status or tries >= _TRIES:
                    raise
            if file.tell() == before:
                tries += 1
                time.sleep(min(0.1 * 2**tries, 2.0))
            else:
                tries = 0
            if tries > _TRIES:
                message = f"the registry gives {before} of {layer.size} bytes"
                raise RegistryError(message)
        file.seek(0)
        yield file


def _go_on(
    job: _Pull, layer: Descriptor, file: BinaryIO, where: tuple[int, int]
) -> None:
    """Read on from where a file ends until the blob, or the connection, does."""
    done = file.tell()
    headers = {"Range": f"bytes={done}-"} if done else {}
    with job.http.get(job.blob_path(layer), headers) as answer:
        if answer.status == 200:
            # It begins anew, as not every registry knows ranges.
            file.seek(0)
            file.truncate()
            done = 0
        elif not (answer.getheader("Content-Range") or "").startswith(f"bytes {done}-"):
            message = "the registry returned a different range than requested"
            raise RegistryError(message, answer.status)
        while chunk := read_some(answer, _CHUNK):
            done += len(chunk)
            if done > layer.size:
                message = f"the registry gives more than {layer.size} bytes"
                raise RegistryError(message, answer.status)
            _write(file, chunk)
            if job.progress is not None:
                job.progress(
                    Progress(
                        digest=layer.digest,
                        done=done,
                        total=layer.size,
                        layer=where[0],
                        layers=where[1],
                    )
                )


def _write(file: BinaryIO, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[file.write(left) :]


def _all(answer: Answer, limit: int, what: str) -> bytes:
    data = bytearray()
    while chunk := read_some(answer, _CHUNK):
        data += chunk
        if len(data) > limit:
            message = f"{what}: more than {limit} bytes"
            raise RegistryError(message, answer.status)
    length = answer.getheader("Content-Length")
    if length and length.isascii() and length.isdigit() and len(data) < int(length):
        message = f"{what}: the connection broke after {len(data)} bytes"
        raise RegistryError(message)
    return bytes(data)
