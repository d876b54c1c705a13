# SPDX-License-Identifier: Apache-2.0
"""An image for engines, made without any of them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.engines.world import World


def write_image(
    world: World, tree: Path, name: str, command: Sequence[str] = ("sh",)
) -> Path:
    """Write an OCI layout with one layer as an archive.

    Args:
        world: where it is written.
        tree: the files of the layer.
        name: of the image, with a tag.
        command: what it runs.
    """
    made = name.replace("/", "-")
    folder = world.data / f"layout-{made}"
    world.run("mkdir", "-p", folder / "blobs" / "sha256")
    layer = world.data / "layer.tar"
    world.run("tar", "-C", tree, "-cf", layer, ".")
    digest, size = world.run(
        "sh", "-c", f"sha256sum {layer} | cut -d' ' -f1; stat -c %s {layer}"
    ).stdout.split()
    world.run("mv", layer, folder / "blobs" / "sha256" / digest)

    def blob(kind: str, content: object) -> dict[str, Any]:
        text = json.dumps(content)
        digest = hashlib.sha256(text.encode()).hexdigest()
        world.run("tee", folder / "blobs" / "sha256" / digest, input=text)
        media = f"application/vnd.oci.image.{kind}.v1+json"
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(text)}

    machine = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
    config = {
        "architecture": machine,
        "os": "linux",
        "config": {"Env": ["PATH=/bin"], "Cmd": list(command)},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    media = "application/vnd.oci.image.layer.v1.tar"
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("config", config),
        "layers": [
            {"mediaType": media, "digest": f"sha256:{digest}", "size": int(size)}
        ],
    }
    entry = blob("manifest", manifest)
    entry["annotations"] = {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name.rpartition(":")[2],
    }
    index = {"schemaVersion": 2, "manifests": [entry]}
    world.run("tee", folder / "index.json", input=json.dumps(index))
    world.run("tee", folder / "oci-layout", input='{"imageLayoutVersion": "1.0.0"}')
    archive = world.data / f"{made}.tar"
    world.run("tar", "-C", folder, "-cf", archive, ".")
    return archive
