# SPDX-License-Identifier: Apache-2.0
"""``libcontainer image``, as a program."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.image.make import Built, digest, entry, layer
from tests.image.registry import Registry

LAYERS = [layer(entry("a", "one")), layer(entry("b", "two"))]


def run(store: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command on a store."""
    command = [
        sys.executable,
        "-m",
        "libcontainer.commands.oci",
        "image",
        "--store",
        str(store),
    ]
    return subprocess.run(
        [*command, *words], input=stdin, capture_output=True, text=True, check=False
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a store will be."""
    return tmp_path / "store"


def test_images_come_are_listed_and_go(store: Path, tmp_path: Path) -> None:
    built = Built(LAYERS)
    layout = built.save_layout(tmp_path / "layout", "box:1")
    done = run(store, "unpack", str(layout))
    assert (done.returncode, done.stdout, done.stderr) == (0, "box:1\n", "")
    saved = Built(LAYERS[:1]).save_docker(tmp_path / "saved.tar")
    assert run(store, "unpack", "--quiet", "--name", "other", str(saved)).stdout == ""
    table = run(store, "list").stdout.splitlines()
    assert table[0].split() == ["NAME", "LAYERS", "DIGEST"]
    assert table[1].split() == ["box:1", "2", built.entry["digest"]]
    assert table[2].split() == ["other", "1", "-"]
    assert run(store, "list", "-q").stdout == "box:1\nother\n"
    listed = json.loads(run(store, "list", "-f", "json").stdout)
    assert json.loads(run(store, "list", "--json").stdout) == listed
    assert [Path(listed[1]["layers"][0], "a").read_text()] == ["one"]
    assert run(store, "rm", "box:1").returncode == 0
    assert run(store, "gc").stdout == f"{digest(LAYERS[1])}\n"
    assert run(store, "list", "-q").stdout == "other\n"


def test_what_goes_wrong_is_one_line(store: Path, tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"junk" * 1000)
    for words in (["rm", "none"], ["unpack", str(tmp_path / "junk")], ["pull", "A B"]):
        done = run(store, *words)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


def test_an_image_is_pulled_with_a_password_of_standard_input(store: Path) -> None:
    with Registry() as registry:
        name = registry.put(Built(LAYERS))
        registry.want_token = True
        registry.want_auth = "Basic " + base64.b64encode(b"me:secret").decode()
        words = ("pull", "--insecure", "--user", "me", name)
        assert run(store, *words, stdin="wrong\n").returncode == 1
        done = run(store, *words, stdin="secret\n")
        assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr
        assert "secret" not in "".join(registry.paths())
