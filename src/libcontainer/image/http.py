# SPDX-License-Identifier: Apache-2.0
"""Asks registries by HTTP: redirects, tokens, deadlines, and nothing beyond that."""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping
from typing import Final

from libcontainer.errors import RegistryError
from libcontainer.image.model import read_json

_MAX_REDIRECTS: Final = 5
_MAX_TOKEN: Final = 1024**2
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_PARAMETER: Final = re.compile(r'([A-Za-z_]+)="([^"]*)"')
_URL_TEXT: Final = re.compile(r"[!-~]+")

Answer = http.client.HTTPResponse


class Http:
    """Requests to one registry, and to where it sends us.

    Args:
        address: its host, with a port if it is not the usual one.
        auth: user and password, given to that registry, and to whom it names as its
            maker of tokens, over an encrypted connection only.
        insecure: whether plain HTTP is spoken.
        timeout: seconds that a connection may be silent.
    """

    def __init__(
        self,
        address: str,
        *,
        auth: tuple[str, str] | None,
        insecure: bool,
        timeout: float,
    ) -> None:
        self._base = f"{'http' if insecure else 'https'}://{address}"
        self._insecure = insecure
        self._timeout = timeout
        self._auth = auth
        self._token: str | None = None

    @contextlib.contextmanager
    def get(self, path: str, headers: Mapping[str, str]) -> Iterator[Answer]:
        """Ask for a path of the registry; the answer is open for a block.

        Raises:
            RegistryError: there was none, or one that is no success.
        """
        with contextlib.ExitStack() as stack:
            answer = self._ask(stack, self._base + path, headers)
            if answer.status == 401:
                # Also where a token has grown too old.
                challenge = answer.getheader("WWW-Authenticate") or ""
                self._token = self._authorize(challenge)
                answer = self._ask(stack, self._base + path, headers)
            if answer.status not in {200, 206}:
                raise _refused(path, answer)
            yield answer

    def _ask(
        self, stack: contextlib.ExitStack, url: str, headers: Mapping[str, str]
    ) -> Answer:
        """Follow redirects; only the registry itself is told who we are."""
        own = urllib.parse.urlsplit(self._base).netloc
        for _ in range(_MAX_REDIRECTS + 1):
            sent = dict(headers)
            if self._token and urllib.parse.urlsplit(url).netloc == own:
                sent["Authorization"] = self._token
            answer = self._send(stack, url, sent)
            if answer.status not in _REDIRECTS:
                return answer
            place = answer.getheader("Location") or ""
            try:
                url = urllib.parse.urljoin(url, place)
            except ValueError:
                raise _no_address(place) from None
        message = f"more than {_MAX_REDIRECTS} redirects"
        raise RegistryError(message)

    def _send(
        self, stack: contextlib.ExitStack, url: str, headers: Mapping[str, str]
    ) -> Answer:
        connection, target = self._connect(url)
        stack.callback(connection.close)
        try:
            connection.request("GET", target, headers=dict(headers))
            return connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            where = urllib.parse.urlsplit(url).netloc
            message = f"ask {where}: {_said(error)}"
            raise RegistryError(message) from error

    def _connect(self, url: str) -> tuple[http.client.HTTPConnection, str]:
        try:
            parts = urllib.parse.urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise _no_address(url) from None
        if not host or not _URL_TEXT.fullmatch(url):
            raise _no_address(url)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(
                host, port, timeout=self._timeout, context=context
            )
            return connection, target
        if parts.scheme == "http" and self._insecure:
            return http.client.HTTPConnection(host, port, timeout=self._timeout), target
        message = f"{url[:300]!r} is not encrypted: plain HTTP needs insecure=True"
        raise RegistryError(message)

    def _authorize(self, challenge: str) -> str:
        """Return the header that an answer of 401 asks for."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and self._auth is not None:
            return _basic(self._auth)
        if scheme.lower() != "bearer":
            message = "the registry wants a user and a password"
            raise RegistryError(message, 401)
        words = dict(_PARAMETER.findall(rest))
        query = {key: words[key] for key in ("service", "scope") if key in words}
        url = f"{words.get('realm', '')}?{urllib.parse.urlencode(query)}"
        headers = {} if self._auth is None else {"Authorization": _basic(self._auth)}
        with contextlib.ExitStack() as stack:
            # No redirect: what is said here is not for others.
            answer = self._send(stack, url, headers)
            if answer.status != 200:
                raise _refused("a token", answer)
            document = read_json(_small(answer), "the token")
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not _URL_TEXT.fullmatch(token):
            message = "the registry gave no token"
            raise RegistryError(message, 401)
        return f"Bearer {token}"


def _no_address(url: str) -> RegistryError:
    return RegistryError(f"not an address: {url[:300]!r}")


def _basic(auth: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(auth).encode()).decode()


def _small(answer: Answer) -> bytes:
    data = read_some(answer, _MAX_TOKEN + 1)
    while 0 < len(data) <= _MAX_TOKEN:
        more = read_some(answer, _MAX_TOKEN + 1 - len(data))
        if not more:
            break
        data += more
    return data[:_MAX_TOKEN]


def read_some(answer: Answer, size: int) -> bytes:
    """Return what has come of an answer, at most *size* bytes; none at its end.

    Raises:
        RegistryError: the connection broke.
    """
    try:
        return answer.read1(size)
    except (OSError, http.client.HTTPException) as error:
        message = f"read from the registry: {_said(error)}"
        raise RegistryError(message) from error


def _refused(what: str, answer: Answer) -> RegistryError:
    reasons = {401: "not authorized", 403: "forbidden", 404: "there is no such image"}
    reason = reasons.get(answer.status, answer.reason)
    return RegistryError(f"{what}: {reason} [{answer.status}]", answer.status)


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__
