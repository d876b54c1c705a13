# SPDX-License-Identifier: Apache-2.0
"""Makes images for the tests: layers, layouts, archives of docker."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from libcontainer.image.manifest import own_architecture

Entry = tuple[tarfile.TarInfo, bytes]

FILE, LINK, HARD, FOLDER = (
    tarfile.REGTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.DIRTYPE,
)
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def entry(
    name: str, content: Any = b"", **fields: Any
) -> tuple[tarfile.TarInfo, bytes]:
    """One entry of an archive; text as content of a link is where it leads."""
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    if info.type in {LINK, HARD}:
        info.linkname = content
        return info, b""
    data = content.encode() if isinstance(content, str) else content
    info.size = len(data)
    return info, data


def folder(
    name: str, mode: int = 0o755, **fields: Any
) -> tuple[tarfile.TarInfo, bytes]:
    """A directory of an archive."""
    return entry(name, type=FOLDER, mode=mode, **fields)


def layer(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An archive with these entries."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def tree(path: Path) -> bytes:
    """An archive of a directory."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(path, arcname=".")
    return buffer.getvalue()


def digest(data: bytes) -> str:
    """The digest of data."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


class Built:
    """An image: its blobs by digest, and the digest of its manifest."""

    def __init__(
        self,
        layers: Iterable[bytes],
        config: dict[str, Any] | None = None,
        *,
        compress: bool = True,
        machine: str | None = None,
    ) -> None:
        self.blobs: dict[str, bytes] = {}
        self.layers = list(layers)
        self.config = json.dumps(
            {
                "architecture": machine or own_architecture(),
                "os": "linux",
                "config": config or {},
                "rootfs": {
                    "type": "layers",
                    "diff_ids": [digest(x) for x in self.layers],
                },
            }
        ).encode()
        packed = [gzip.compress(x) if compress else x for x in self.layers]
        self.manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self.add(CONFIG, self.config),
                "layers": [self.add(LAYER, x) for x in packed],
            }
        ).encode()
        self.entry = self.add(MANIFEST, self.manifest)

    def add(self, kind: str, data: bytes) -> dict[str, Any]:
        """Keep a blob; return its descriptor."""
        self.blobs[digest(data)] = data
        return {"mediaType": kind, "digest": digest(data), "size": len(data)}

    def save_layout(self, path: Path, name: str | None = "one") -> Path:
        """Write it as an OCI image layout."""
        (path / "blobs" / "sha256").mkdir(parents=True)
        for key, data in self.blobs.items():
            (path / "blobs" / key.replace(":", "/")).write_bytes(data)
        notes = {"org.opencontainers.image.ref.name": name} if name else {}
        index = {
            "schemaVersion": 2,
            "manifests": [{**self.entry, "annotations": notes}],
        }
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (path / "index.json").write_text(json.dumps(index))
        return path

    def save_docker(self, path: Path, tags: Iterable[str] = ("box:1",)) -> Path:
        """Write it as ``docker save`` does, a layer that is twice as a link."""
        parts: list[tuple[tarfile.TarInfo, bytes]] = []
        names: list[str] = []
        for number, data in enumerate(self.layers):
            if data in self.layers[:number]:
                first = names[self.layers.index(data)]
                parts.append(entry(f"{number}/layer.tar", f"../{first}", type=LINK))
            else:
                parts.append(entry(f"{number}/layer.tar", data))
            names.append(f"{number}/layer.tar")
        listed = [{"Config": "c.json", "RepoTags": list(tags), "Layers": names}]
        parts += [
            entry("c.json", self.config),
            entry("manifest.json", json.dumps(listed)),
        ]
        path.write_bytes(layer(*parts))
        return path
