# SPDX-License-Identifier: Apache-2.0
"""Images in files come into a store, each layer once, and go again."""

from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.errors import ConfigError, ImageError
from libcontainer.image import Image, ImageConfig, Store, unpack
from tests.image.make import INDEX, Built, digest, entry, folder, layer

LAYERS = [
    layer(entry("a", "one"), entry("gone", "x")),
    layer(entry("b", "two"), entry(".wh.gone")),
]
SETTINGS = {
    "Entrypoint": ["/bin/tool", "--"],
    "Cmd": ["run"],
    "Env": ["A=b=c", "PATH=/bin"],
    "WorkingDir": "/srv",
    "User": "5:6",
    "Labels": {"io.container.privileged": "true"},
    "Volumes": {"/data": {}},
    "ExposedPorts": {"80/tcp": {}},
    "StopSignal": "SIGQUIT",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of its own."""
    return Store(str(tmp_path / "store"))


@pytest.fixture
def built() -> Built:
    """An image of two layers."""
    return Built(LAYERS, SETTINGS)


def check(image: Image) -> None:
    """Check that an image is the built one."""
    top, bottom = map(Path, image.layers)
    assert (top / "b").read_text() == "two"
    assert (top / "gone").is_char_device()
    assert (bottom / "a").read_text() == "one"
    assert image.settings.entrypoint == ("/bin/tool", "--")


@pytest.mark.parametrize("form", ["layout", "layout.tar", "docker", "docker.gz"])
def test_every_form_of_an_image_becomes_the_same_layers(
    store: Store, built: Built, tmp_path: Path, form: str
) -> None:
    if form.startswith("layout"):
        path = built.save_layout(tmp_path / "layout", "box:1")
        if form == "layout.tar":
            files = [p for p in path.rglob("*") if p.is_file()]
            parts = [entry(str(p.relative_to(path)), p.read_bytes()) for p in files]
            path = tmp_path / "layout.tar"
            path.write_bytes(layer(*parts))
    else:
        path = built.save_docker(tmp_path / "saved.tar")
        if form == "docker.gz":
            path = tmp_path / "saved.tar.gz"
            path.write_bytes(gzip.compress((tmp_path / "saved.tar").read_bytes()))
    image = unpack(path, store=store)
    check(image)
    assert image.name == "box:1"
    assert image.digest == (built.entry["digest"] if "layout" in form else None)
    assert store.images() == [image] == [store.get("box:1")]
    assert os.stat(store.root).st_mode & 0o777 == 0o700


def test_a_plain_archive_is_an_image_of_one_layer(store: Store, tmp_path: Path) -> None:
    data = layer(folder("bin"), entry("bin/tool", "x"))
    for name, content in (("plain.tar", data), ("plain.tgz", gzip.compress(data))):
        (tmp_path / name).write_bytes(content)
        image = unpack(tmp_path / name, store=store)
        assert image.name == name
        assert image.layers == (store.layer_path(digest(data)),)
        assert (Path(image.layers[0]) / "bin/tool").read_text() == "x"
    with pytest.raises(ImageError, match="has no program"):
        image.to_process()


def test_a_layer_of_several_images_is_there_once(store: Store, tmp_path: Path) -> None:
    more = layer(entry("c", "three"))
    first = unpack(Built(LAYERS).save_layout(tmp_path / "1", "first"), store=store)
    inode = os.stat(first.layers[1]).st_ino
    other = Built([LAYERS[0], more]).save_docker(tmp_path / "2", ["second"])
    second = unpack(other, store=store)
    assert second.layers[1] == first.layers[1]
    assert os.stat(second.layers[1]).st_ino == inode
    assert store.collect() == []
    store.remove("first")
    assert store.collect() == [digest(LAYERS[1])]
    assert [image.name for image in store.images()] == ["second"]
    store.remove("second")
    assert store.collect() == sorted([digest(LAYERS[0]), digest(more)])
    assert os.listdir(f"{store.root}/layers") == []
    for call in (store.get, store.remove):
        with pytest.raises(ImageError, match="there is no image 'second'"):
            call("second")


def test_a_layer_that_an_image_has_twice_is_a_link_of_docker(
    store: Store, tmp_path: Path
) -> None:
    saved = Built([LAYERS[0], LAYERS[1], LAYERS[0]]).save_docker(tmp_path / "twice")
    image = unpack(saved, store=store)
    assert image.layers[0] == image.layers[2] != image.layers[1]


def test_what_a_killed_program_has_left_is_collected(store: Store) -> None:
    left = Path(store.root) / "tmp" / "half" / "deep"
    left.mkdir(parents=True)
    (left / "file").touch()
    (left / "link").symlink_to("/etc")
    assert store.collect() == []
    assert os.listdir(f"{store.root}/tmp") == []


def test_many_at_once_make_one_layer(
    store: Store, built: Built, tmp_path: Path
) -> None:
    path = built.save_layout(tmp_path / "layout")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            check(unpack(path, store=Store(store.root), name=f"n{number}"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(os.listdir(f"{store.root}/layers")) == 2
    assert len(store.images()) == 8
    assert os.listdir(f"{store.root}/tmp") == []


def test_a_store_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(ImageError, match="must belong to the caller alone"):
        Store(str(tmp_path / "open"))
    (tmp_path / "link").symlink_to("/tmp")
    with pytest.raises(OSError):
        Store(str(tmp_path / "link"))


@pytest.mark.parametrize("name", ["../../x", "a/b", ".", "..", "x" * 190, "é/ü:1@2"])
def test_a_name_is_a_file_in_one_folder_whatever_it_says(
    store: Store, built: Built, tmp_path: Path, name: str
) -> None:
    image = unpack(built.save_layout(tmp_path / "l"), store=store, name=name)
    assert store.get(name) == image
    assert len(os.listdir(f"{store.root}/images")) == 1
    store.remove(name)


@pytest.mark.parametrize("name", ["a\0b", "x" * 201])
def test_a_name_that_cannot_be_is_refused(store: Store, name: str) -> None:
    with pytest.raises(ImageError, match="not a name"):
        store.get(name)


def test_one_of_several_images_is_chosen(store: Store, tmp_path: Path) -> None:
    one, two = Built(LAYERS[:1]), Built(LAYERS[1:])
    path = one.save_layout(tmp_path / "both", "one")
    two.save_layout(tmp_path / "other", "two")
    for key, data in two.blobs.items():
        (path / "blobs" / key.replace(":", "/")).write_bytes(data)
    indexes = [
        json.loads((p / "index.json").read_text()) for p in (path, tmp_path / "other")
    ]
    entries = [index["manifests"][0] for index in indexes]
    (path / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": entries})
    )
    with pytest.raises(ImageError, match="several images, say which: one, two"):
        unpack(path, store=store)
    assert unpack(path, store=store, reference="two").name == "two"
    with pytest.raises(ImageError, match="there is no image 'three'"):
        unpack(path, store=store, reference="three")


def test_the_image_of_this_machine_is_chosen(store: Store, tmp_path: Path) -> None:
    built = Built(LAYERS)
    machine = json.loads(built.config)["architecture"]
    foreign = {**built.entry, "platform": {"architecture": "pdp11", "os": "linux"}}
    own = {**built.entry, "platform": {"architecture": machine, "os": "linux"}}
    index = json.dumps({"schemaVersion": 2, "manifests": [foreign, own]}).encode()
    built.entry = built.add(INDEX, index)
    path = built.save_layout(tmp_path / "multi")
    check_layers = unpack(path, store=store).layers
    assert len(check_layers) == 2
    with pytest.raises(ImageError, match="no image for vax, but for"):
        unpack(path, store=store, architecture="vax")


# -- what an image says


def test_what_it_says_becomes_a_configuration(
    store: Store, built: Built, tmp_path: Path
) -> None:
    image = unpack(built.save_layout(tmp_path / "l"), store=store)
    config = lc.Config.from_image(image)
    assert config.rootfs == lc.Overlay(image.layers)
    assert dict(config.env) == {"A": "b=c", "PATH": "/bin"}
    assert (config.cwd, config.user) == ("/srv", "5:6")
    process = image.to_process()
    assert process.args == ("/bin/tool", "--", "run")
    assert image.to_process(["other"]).args == ("/bin/tool", "--", "other")
    with pytest.raises(ConfigError, match="args: must be a sequence of strings, not"):
        image.to_process("sh -c x")
    mine = lc.Config.from_image(image, user="0", cwd="/", hostname="box")
    assert (mine.user, mine.cwd, mine.hostname) == ("0", "/", "box")
    assert image.settings.volumes == ("/data",)
    assert image.settings.ports == ("80/tcp",)
    assert image.settings.stop_signal == "SIGQUIT"


def test_no_label_or_volume_changes_what_is_done(store: Store, tmp_path: Path) -> None:
    plain = Built(LAYERS)
    noisy = Built(
        LAYERS,
        {
            "Labels": {"run.oci.keep_original_groups": "1", "org.criu.config": "/etc"},
            "Volumes": {"/etc": {}, "../../..": {}},
            "ExposedPorts": {"22/tcp": {}},
        },
    )
    configs = []
    for number, built in enumerate((plain, noisy)):
        path = built.save_layout(tmp_path / str(number))
        config = unpack(path, store=store, name=str(number)).to_config(labels={})
        configs.append(config)
    assert configs[0] == configs[1]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"Env": ["novalue"]}, "Env: not NAME=VALUE"),
        ({"Env": ["=x"]}, "Env: not NAME=VALUE"),
        ({"Env": "A=b"}, "Env: must be a list"),
        ({"Cmd": [1]}, "Cmd: must be text"),
        ({"Entrypoint": "sh"}, "Entrypoint: must be a list"),
        ({"User": 0}, "User: must be text"),
        ({"WorkingDir": []}, "WorkingDir: must be text"),
        ({"Labels": []}, "Labels: must be an object"),
        ({"StopSignal": "SIGKILL; rm"}, "StopSignal: not a signal"),
        ({"Cmd": ["a\0b"]}, "NUL"),
    ],
)
def test_a_wrong_configuration_is_refused(config: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        ImageConfig.read(Built([], config).config)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "line 1"),
        (b"[]", "must be an object"),
        (b'{"os": "windows"}', "not for linux"),
        (b'{"rootfs": {"diff_ids": ["sha256:0"]}}', "not a digest"),
        (b'{"rootfs": {"diff_ids": ["sha256:../../../../etc"]}}', "not a digest"),
        (b'{"rootfs": {"diff_ids": {}}}', "must be a list"),
        (b'{"config": []' + b"}", ""),
        (b'{"a": 1, "a": 2}', "twice"),
    ],
)
def test_a_broken_document_is_refused(data: bytes, message: str) -> None:
    if data == b'{"config": []}':
        assert ImageConfig.read(data) == ImageConfig()
        return
    with pytest.raises(ImageError, match=message):
        ImageConfig.read(data)


def test_a_manifest_that_is_wrong_is_refused(store: Store, tmp_path: Path) -> None:
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"schemaVersion": 1}, "schema version 2"),
        ({"layers": []}, "0 layers have 2 digests"),
        ({"layers": "x"}, "layers: must be a list"),
        ({"config": {}}, "size"),
        ({"config": {"mediaType": "x", "size": -1, "digest": "x"}}, "size"),
        ({"config": {"mediaType": "x", "size": True, "digest": "x"}}, "size"),
        ({"config": {"mediaType": "x", "size": 1, "digest": "x"}}, "not a digest"),
        (
            {"layers": [{"mediaType": "evil", "size": 1, "digest": digest(b"")}]},
            "not a layer of files",
        ),
    ]
    for number, (change, message) in enumerate(wrongs):
        built = Built(LAYERS)
        manifest = {**json.loads(built.manifest), **change}
        built.entry = built.add(built.entry["mediaType"], json.dumps(manifest).encode())
        path = built.save_layout(tmp_path / str(number))
        with pytest.raises(ImageError, match=message):
            unpack(path, store=store)
    assert store.images() == []


def test_a_layout_with_links_or_fifos_is_not_followed(
    store: Store, built: Built, tmp_path: Path
) -> None:
    path = built.save_layout(tmp_path / "l")
    blob = path / "blobs" / built.entry["digest"].replace(":", "/")
    for make in (lambda: blob.symlink_to("/etc/passwd"), lambda: os.mkfifo(blob)):
        blob.unlink()
        make()
        with pytest.raises((ImageError, OSError)):
            unpack(path, store=store)
    assert store.images() == []
