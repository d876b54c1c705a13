# SPDX-License-Identifier: Apache-2.0
"""Names of images in registries."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from libcontainer.errors import ImageError
from libcontainer.image.digests import check_digest

_DOCKER: Final = "docker.io"
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:]{2,39}\])"
    r"(?::[0-9]{1,5})?"
)
_PART: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"{_PART}(?:/{_PART})*")
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_MAX_REPOSITORY: Final = 255


@frozen(kw_only=True)
class Reference:
    """Where an image is to be had.

    Attributes:
        host: name of the registry, with a port if it is not the usual one.
        repository: what the image is called there.
        tag: which of its versions; ignored where there is a digest.
        digest: of its manifest, or None.
    """

    host: str
    repository: str
    tag: str = "latest"
    digest: str | None = None

    @staticmethod
    def parse(text: str) -> Reference:
        """Return what a name means, as engines read it.

        Without a registry it is one of docker.io, and without a tag the ``latest``.

        Raises:
            ImageError: it is no name of an image.
        """
        rest, at, digest = text.partition("@")
        first, slash, path = rest.partition("/")
        is_host = "." in first or ":" in first or first == "localhost"
        if not (slash and is_host):
            first, path = _DOCKER, rest
        repository, colon, tag = path.rpartition(":")
        if not colon:
            repository, tag = path, "latest"
        if first == _DOCKER and "/" not in repository:
            repository = f"library/{repository}"
        good = (
            _HOST.fullmatch(first)
            and _REPOSITORY.fullmatch(repository)
            and len(repository) <= _MAX_REPOSITORY
            and _TAG.fullmatch(tag)
        )
        if not good:
            message = f"not a name of an image: {text[:300]!r}"
            raise ImageError(message)
        return Reference(
            host=first,
            repository=repository,
            tag=tag,
            digest=check_digest(digest) if at else None,
        )

    def __str__(self) -> str:
        wanted = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"{self.host}/{self.repository}{wanted}"

    @property
    def address(self) -> str:
        """The host that serves it."""
        return "registry-1.docker.io" if self.host == _DOCKER else self.host
