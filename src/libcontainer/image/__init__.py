# SPDX-License-Identifier: Apache-2.0
"""Images: pulled from a registry or taken from a file, unpacked, and kept.

An image becomes layers of an `Overlay`; what it says of how it is run becomes a
`Config` and a `Process`, and nothing of it ever acts on the host.
"""

from libcontainer.image.local import unpack
from libcontainer.image.model import Image, ImageConfig
from libcontainer.image.store import Store, default_root
from libcontainer.image.unpack import Policy

__all__ = [
    "Image",
    "ImageConfig",
    "Policy",
    "Store",
    "default_root",
    "unpack",
]
