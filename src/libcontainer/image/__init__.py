# SPDX-License-Identifier: Apache-2.0
"""Images: pulled from a registry or taken from a file, unpacked, and kept.

An image becomes layers of an `Overlay`; what it says of how it is run becomes a
`Config` and a `Process`, and nothing of it ever acts on the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from libcontainer.image.local import unpack
from libcontainer.image.model import Image, ImageConfig
from libcontainer.image.store import Store, default_root
from libcontainer.image.unpack import Policy

if TYPE_CHECKING:
    from libcontainer.image.registry import Progress, pull

__all__ = [
    "Image",
    "ImageConfig",
    "Policy",
    "Progress",
    "Store",
    "default_root",
    "pull",
    "unpack",
]


# Unseen by type checkers, so that they find a name that does not exist.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:  # noqa: ANN401
        # TLS and HTTP are loaded by whoever pulls.
        if name in {"Progress", "pull"}:
            from libcontainer.image import registry  # noqa: PLC0415

            return getattr(registry, name)
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
