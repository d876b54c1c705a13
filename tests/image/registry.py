# SPDX-License-Identifier: Apache-2.0
"""A small registry for the tests, which can misbehave."""

from __future__ import annotations

import http.server
import json
import re
import ssl
import threading
from collections.abc import Callable
from typing import Any, Self

from tests.image.make import Built

TOKEN = "the-token"


class Registry(http.server.ThreadingHTTPServer):
    """Serves images by name and digest, on a port of its own.

    Attributes:
        asked: what was asked for: path and headers.
        before: called with the handler before each answer; True: it has answered.
        want_token: whether there is nothing without a token.
        break_after: bytes after which the connection of a blob is cut, or None.
        ranges: whether parts of a blob can be asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.before: Callable[[_Handler], bool] = lambda handler: False
        self.want_token = False
        self.want_auth: str | None = None
        self.break_after: int | None = None
        self.ranges = True
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    def put(self, built: Built, repository: str = "box", tag: str = "1") -> str:
        """Serve an image; return its name."""
        self.blobs |= built.blobs
        self.manifests |= built.blobs
        digest = built.entry["digest"]
        self.manifests[f"{repository}:{tag}"] = built.blobs[digest]
        return f"{self.address}/{repository}:{tag}"

    def paths(self, word: str = "") -> list[str]:
        """The paths that were asked for, those with a word in them."""
        return [path for path, _ in self.asked if word in path]

    def encrypt(self, certificate: str, key: str) -> None:
        """Speak TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: Any) -> None:
        """A broken connection is what some tests are about."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Registry
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        registry = self.server
        registry.asked.append((self.path, dict(self.headers)))
        if registry.before(self):
            return
        if self.path.startswith("/token"):
            wanted = registry.want_auth
            good = wanted is None or self.headers.get("Authorization") == wanted
            self.answer(200 if good else 401, json.dumps({"token": TOKEN}).encode())
            return
        if (
            registry.want_token
            and self.headers.get("Authorization") != f"Bearer {TOKEN}"
        ):
            scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
            words = f'realm="{scheme}://{registry.address}/token",service="s",scope="p"'
            self.answer(401, b"{}", {"WWW-Authenticate": f"Bearer {words}"})
            return
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", self.path)
        if found is None:
            self.answer(404, b"")
        elif found[2] == "manifests":
            data = registry.manifests.get(f"{found[1]}:{found[3]}")
            data = data or registry.manifests.get(found[3])
            self.answer(404 if data is None else 200, data or b"")
        else:
            self.blob(registry.blobs.get(found[3]))

    def blob(self, data: bytes | None) -> None:
        if data is None:
            self.answer(404, b"")
            return
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start and self.server.ranges:
            first = int(start[1])
            place = f"bytes {first}-{len(data) - 1}/{len(data)}"
            self.answer(206, data[first:], {"Content-Range": place})
        else:
            self.answer(200, data)

    def answer(
        self, status: int, data: bytes, headers: dict[str, str] | None = None
    ) -> None:
        """Send an answer, or a part of it."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        most = self.server.break_after
        if "blobs" in self.path and most is not None and len(data) > most:
            self.wfile.write(data[:most])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(data)
