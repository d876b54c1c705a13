# SPDX-License-Identifier: Apache-2.0
"""Images come from a registry, whole or not at all."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from libcontainer.errors import ImageError, RegistryError
from libcontainer.image import Progress, Store, pull
from libcontainer.image.reference import Reference
from tests.image.make import INDEX, Built, digest, entry, layer
from tests.image.registry import TOKEN, Registry

NOISE = random.Random(1).randbytes(300_000)
LAYERS = [layer(entry("big", NOISE)), layer(entry("small", "x"))]


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry that runs."""
    with Registry() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of its own."""
    return Store(str(tmp_path / "store"))


def nothing_is_left(store: Store) -> bool:
    """Whether a store has neither images nor anything that is not whole."""
    return store.images() == [] and os.listdir(f"{store.root}/tmp") == []


def test_an_image_is_pulled_once(registry: Registry, store: Store) -> None:
    name = registry.put(Built(LAYERS))
    seen: list[Progress] = []
    image = pull(name, store=store, insecure=True, progress=seen.append)
    assert (Path(image.layers[1]) / "big").read_bytes() == NOISE
    assert image.name == name
    assert store.get(name) == image
    assert os.listdir(f"{store.root}/tmp") == []
    assert {(one.layer, one.layers) for one in seen} == {(1, 2), (2, 2)}
    first = [one for one in seen if one.layer == 1]
    assert first[-1].done == first[-1].total > 300_000
    assert [one.done for one in first] == sorted(one.done for one in first)
    asked = len(registry.paths("blobs"))
    assert pull(name, store=store, insecure=True) == image
    # The configuration alone, no layer.
    assert len(registry.paths("blobs")) == asked + 1


def test_a_connection_that_breaks_is_resumed(registry: Registry, store: Store) -> None:
    name = registry.put(Built(LAYERS))
    registry.break_after = 100_000
    image = pull(name, store=store, insecure=True)
    assert (Path(image.layers[1]) / "big").read_bytes() == NOISE
    ranges = [h["Range"] for _, h in registry.asked if "Range" in h]
    assert ranges[:2] == ["bytes=100000-", "bytes=200000-"]


def test_a_registry_without_ranges_is_asked_again_for_all(
    registry: Registry, store: Store
) -> None:
    name = registry.put(Built(LAYERS))
    registry.ranges = False
    registry.break_after = 100_000

    def heal(handler: Any) -> bool:
        if len(registry.paths("blobs")) > 3:
            registry.break_after = None
        return False

    registry.before = heal
    image = pull(name, store=store, insecure=True)
    assert (Path(image.layers[1]) / "big").read_bytes() == NOISE


def test_a_registry_that_never_gives_more_is_given_up(
    registry: Registry, store: Store
) -> None:
    name = registry.put(Built(LAYERS))
    registry.break_after = 0
    began = time.monotonic()
    with pytest.raises(RegistryError):
        pull(name, store=store, insecure=True)
    assert time.monotonic() - began < 20
    assert nothing_is_left(store)


def test_a_token_is_fetched_and_shown(registry: Registry, store: Store) -> None:
    name = registry.put(Built(LAYERS))
    registry.want_token = True
    registry.want_auth = "Basic " + base64.b64encode(b"me:secret").decode()
    with pytest.raises(RegistryError, match="not authorized"):
        pull(name, store=store, insecure=True)
    with pytest.raises(RegistryError, match=r"not authorized \[401\]") as caught:
        pull(name, store=store, insecure=True, auth=("me", "wrong"))
    assert caught.value.status == 401
    assert "wrong" not in str(caught.value)
    registry.asked.clear()
    pull(name, store=store, insecure=True, auth=("me", "secret"))
    asked = registry.paths("token")
    assert asked == ["/token?service=s&scope=p"]
    shown = {h.get("Authorization") for path, h in registry.asked if "blobs" in path}
    assert shown == {f"Bearer {TOKEN}"}


def test_a_redirect_is_followed_without_the_token(
    registry: Registry, store: Store
) -> None:
    name = registry.put(Built(LAYERS))
    registry.want_token = True
    with Registry() as other:
        other.blobs = registry.blobs

        def elsewhere(handler: Any) -> bool:
            if "blobs" not in handler.path:
                return False
            place = f"http://{other.address}{handler.path}"
            handler.answer(307, b"", {"Location": place})
            return True

        registry.before = elsewhere
        image = pull(name, store=store, insecure=True)
        assert (Path(image.layers[1]) / "big").read_bytes() == NOISE
        assert other.asked
        assert not any("Authorization" in headers for _, headers in other.asked)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("/v2/loop", "more than 5 redirects"),
        ("ftp://127.0.0.1/x", "is not encrypted"),
        ("file:///etc/passwd", "not an address"),
        ("http://[bad/x", "not an address"),
        ("http://127.0.0.1:99999/", "not an address"),
        ("http://127.0.0.1/a b", "not an address"),
    ],
)
def test_a_redirect_to_nowhere_is_an_error(
    registry: Registry, store: Store, place: str, message: str
) -> None:
    name = registry.put(Built(LAYERS))

    def send_away(handler: Any) -> bool:
        handler.answer(302, b"", {"Location": place})
        return True

    registry.before = send_away
    with pytest.raises(RegistryError, match=message):
        pull(name, store=store, insecure=True)


def test_content_with_another_digest_is_refused(
    registry: Registry, store: Store
) -> None:
    built = Built(LAYERS)
    name = registry.put(built)
    for key in built.blobs:
        if key == built.entry["digest"]:
            continue  # found by its tag, which is no digest
        good = registry.blobs[key]
        registry.blobs[key] = good[:-1] + bytes([good[-1] ^ 1])
        with pytest.raises(ImageError):
            pull(name, store=store, insecure=True)
        registry.blobs[key] = good
    assert nothing_is_left(store)
    by_digest = f"{registry.address}/box@{built.entry['digest']}"
    pull(by_digest, store=store, insecure=True)
    registry.manifests[built.entry["digest"]] = built.manifest + b" "
    with pytest.raises(ImageError, match="has the digest"):
        pull(by_digest, store=store, insecure=True)


def test_more_than_was_said_is_not_taken(registry: Registry, store: Store) -> None:
    built = Built(LAYERS)
    name = registry.put(built)
    blob = json.loads(built.manifest)["layers"][0]["digest"]
    registry.blobs[blob] += b"x" * 10
    with pytest.raises(RegistryError, match="gives more than"):
        pull(name, store=store, insecure=True)
    registry.manifests["box:1"] = b" " * (5 * 2**20)
    with pytest.raises(RegistryError, match="more than 4194304 bytes"):
        pull(name, store=store, insecure=True)
    assert nothing_is_left(store)


def test_the_image_of_this_machine_is_pulled(registry: Registry, store: Store) -> None:
    built = Built(LAYERS)
    machine = json.loads(built.config)["architecture"]
    foreign = {"digest": digest(b"?"), "size": 1, "mediaType": built.entry["mediaType"]}
    index = {
        "schemaVersion": 2,
        "manifests": [
            {**foreign, "platform": {"architecture": "pdp11", "os": "linux"}},
            {**built.entry, "platform": {"architecture": machine, "os": "linux"}},
        ],
    }
    built.entry = built.add(INDEX, json.dumps(index).encode())
    name = registry.put(built)
    assert len(pull(name, store=store, insecure=True).layers) == 2
    with pytest.raises(ImageError, match="no image for vax"):
        pull(name, store=store, insecure=True, architecture="vax")


def test_what_is_not_there_is_told_by_name(registry: Registry, store: Store) -> None:
    with pytest.raises(RegistryError, match=r"there is no such image \[404\]"):
        pull(f"{registry.address}/none:1", store=store, insecure=True)
    with pytest.raises(RegistryError, match=r"ask 127\.0\.0\.1:1: .*refused"):
        pull("127.0.0.1:1/none:1", store=store, insecure=True)


def test_a_silent_registry_is_waited_for_only_so_long(
    registry: Registry, store: Store
) -> None:
    name = registry.put(Built(LAYERS))
    end = threading.Event()

    def sleep(handler: Any) -> bool:
        end.wait(20)
        return False

    registry.before = sleep
    began = time.monotonic()
    try:
        with pytest.raises(RegistryError, match="timed out"):
            pull(name, store=store, insecure=True, timeout=0.3)
    finally:
        end.set()
    assert time.monotonic() - began < 5


def test_plain_http_is_spoken_only_if_that_is_asked_for(
    registry: Registry, store: Store
) -> None:
    name = registry.put(Built(LAYERS))
    with pytest.raises(RegistryError, match="ask 127"):
        pull(name, store=store)
    assert registry.asked == []


_CERTIFY = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    " -addext subjectAltName=IP:127.0.0.1"
)


def test_tls_is_checked(
    registry: Registry, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [*_CERTIFY.split(), "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    with Registry() as other:
        other.encrypt(str(certificate), str(key))
        name = other.put(Built(LAYERS))
        with pytest.raises(RegistryError, match="CERTIFICATE_VERIFY_FAILED"):
            pull(name, store=store)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert len(pull(name, store=store).layers) == 2
        # A registry that sends us to where nothing is encrypted.
        other.before = lambda handler: bool(
            handler.answer(302, b"", {"Location": f"http://{registry.address}/"})
            or True
        )
        with pytest.raises(RegistryError, match="is not encrypted"):
            pull(name, store=store)
    assert registry.asked == []


def test_pulls_at_once_share_a_layer(registry: Registry, store: Store) -> None:
    names = [registry.put(Built(LAYERS), tag=str(n)) for n in range(4)]
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            pull(name, store=Store(store.root), insecure=True)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(store.images()) == 4
    layers = [path for path in registry.paths("blobs") if path.count(":")]
    # Four configurations, and each layer once.
    assert len(layers) == 4 + 2


# -- names


@pytest.mark.parametrize(
    ("text", "host", "repository", "tag"),
    [
        ("alpine", "docker.io", "library/alpine", "latest"),
        ("alpine:3.20", "docker.io", "library/alpine", "3.20"),
        ("me/tool", "docker.io", "me/tool", "latest"),
        ("quay.io/a/b/c:x", "quay.io", "a/b/c", "x"),
        ("localhost/a", "localhost", "a", "latest"),
        ("localhost:5000/a:b", "localhost:5000", "a", "b"),
        ("[::1]:5000/a", "[::1]:5000", "a", "latest"),
    ],
)
def test_a_name_is_read_as_engines_read_it(
    text: str, host: str, repository: str, tag: str
) -> None:
    found = Reference.parse(text)
    assert (found.host, found.repository, found.tag) == (host, repository, tag)
    assert Reference.parse(str(found)) == found


def test_a_digest_is_part_of_a_name() -> None:
    text = f"quay.io/a:x@{digest(b'')}"
    assert Reference.parse(text).digest == digest(b"")
    assert Reference.parse("alpine").address == "registry-1.docker.io"


@pytest.mark.parametrize(
    "text",
    [
        *("", "A", "a b", "a:", "a:b c", "../x", "a//b", "/a", "a/", "x.y/", "é"),
        *("evil.example/../v2", "a?b", "a#b", "a%2f", "x@y.z/a", "a:-x", "a\n"),
        *("user:pw@x.y/a", "a@sha256:0", "a" * 300),
    ],
)
def test_what_is_no_name_is_refused_before_anybody_is_asked(text: str) -> None:
    with pytest.raises(ImageError):
        Reference.parse(text)
