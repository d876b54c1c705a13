# SPDX-License-Identifier: Apache-2.0
"""Containers that are made of images, seen from inside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.image import Policy, Store, unpack
from tests.conftest import RunAsUser
from tests.image.make import Built, entry, folder, layer, tree
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("rootfs")

SETTINGS = {
    "Entrypoint": ["/bin/sh", "-c"],
    "Cmd": ["echo $GREETING from $(id -u):$(id -g) in $(pwd)"],
    "Env": ["GREETING=hello"],
    "WorkingDir": "/srv/work",
    "User": "worker:staff",
}
TOP = layer(
    folder("etc"),
    entry("etc/passwd", "root:x:0:0::/:/bin/sh\nworker:x:7:8::/home:/bin/sh\n"),
    entry("etc/group", "root:x:0:\nstaff:x:9:\n"),
    folder("data"),
    entry("data/gone", "x"),
    folder("hidden"),
    entry("hidden/old", "x"),
)
CHANGED = layer(
    entry("data/.wh.gone"),
    entry("hidden/.wh..wh..opq"),
    entry("hidden/new", "x", uid=7, gid=9),
)


@pytest.fixture
def image(busybox_rootfs: Path, tmp_path: Path) -> Path:
    """A layout of three layers, of which the last takes things away."""
    built = Built([tree(busybox_rootfs), TOP, CHANGED], SETTINGS)
    return built.save_layout(tmp_path / "image", "box:1")


_USER = {
    "namespaces": [*lc.Config().namespaces, "user"],
    "uid_mappings": [lc.IdMapping(0, 100000, 65536)],
    "gid_mappings": [lc.IdMapping(0, 100000, 65536)],
}


@pytest.mark.needs("root")
@pytest.mark.parametrize("wishes", [{}, _USER], ids=["root", "user namespace"])
def test_an_image_runs_as_it_says(
    factory: lc.Factory, image: Path, tmp_path: Path, wishes: dict[str, Any]
) -> None:
    box = unpack(image, store=Store(str(tmp_path / "store")))
    config = lc.Config.from_image(box, **wishes)
    with factory.create(new_id(), config) as container:
        process = box.to_process(stdout=lc.PIPE)
        out, _ = container.run(process).communicate()
        assert out == b"hello from 7:9 in /srv/work\n"
    look = "ls /data; ls /hidden; stat -c %u /hidden/new"
    done = lc.run(
        ["sh", "-c", look],
        config=lc.Config.from_image(box, user="0", **wishes),
        factory=factory,
        capture_output=True,
        text=True,
    )
    # Without idmap the layers are as on the disk: nobody's, in a user namespace.
    owner = "65534" if wishes else "7"
    assert done.stdout == f"new\n{owner}\n", done.stderr
    assert sorted(os.listdir(box.layers[0])) == ["data", "hidden"]


@pytest.mark.needs("root")
def test_the_layers_of_an_image_are_never_written_to(
    factory: lc.Factory, image: Path, tmp_path: Path
) -> None:
    box = unpack(image, store=Store(str(tmp_path / "store")))
    before = _listing(tmp_path / "store")
    config = lc.Config.from_image(box, user="0")
    with factory.create(new_id(), config) as container:
        script = "echo x >/etc/passwd; rm -r /data; echo y >/new"
        assert container.run(lc.Process(["sh", "-c", script])).wait().code == 0
    assert _listing(tmp_path / "store") == before


def _listing(path: Path) -> bytes:
    command = ["find", path, "-printf", "%p %i %s %m %U %T@ %C@\n"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.needs("root")
@pytest.mark.parametrize("set_id", [False, True])
def test_a_set_id_program_of_an_image_is_one_only_if_that_is_asked_for(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path, set_id: bool
) -> None:
    copy = (busybox_rootfs / "bin" / "busybox").read_bytes()
    tool = layer(folder("bin"), entry("bin/id-tool", copy, mode=0o4755))
    saved = Built([tree(busybox_rootfs), tool]).save_docker(tmp_path / "saved")
    store = Store(str(tmp_path / "store"), policy=Policy(set_id=set_id))
    done = lc.run(
        ["stat", "-c", "%a", "/bin/id-tool"],
        config=unpack(saved, store=store).to_config(),
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert done.stdout == ("4755\n" if set_id else "755\n")


_ROOTLESS = """
import json, sys
import libcontainer as lc
from libcontainer.image import Store, unpack
image = unpack(sys.argv[1], store=Store(sys.argv[2]))
config = lc.Config.from_image(
    image, user="0", namespaces=[*lc.Config().namespaces, "user"]
)
script = "ls /data /hidden; stat -c %u:%a /hidden/new; id -u; echo x >/etc/new"
done = lc.run(["sh", "-c", script], config=config, capture_output=True, text=True)
print(json.dumps([done.stdout, done.stderr]))
"""


@pytest.mark.needs("userns")
def test_an_ordinary_user_unpacks_and_runs_an_image(
    unprivileged: RunAsUser, image: Path, tmp_path: Path
) -> None:
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and str(path) not in {"/", "/tmp"}:
            path.chmod(path.stat().st_mode | 0o711)
    archive = tmp_path / "image.tar"
    with tarfile.open(archive, "w") as file:
        file.add(image, arcname=".")
    archive.chmod(0o644)
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o1777)
    store = tmp_path / "home" / "store"
    done = unprivileged(_ROOTLESS, str(archive), str(store))
    assert done.returncode == 0, done.stderr
    out, err = json.loads(done.stdout)
    assert out == "/data:\n\n/hidden:\nnew\n0:644\n0\n", err
    subprocess.run(["rm", "-rf", store], check=True)


_MAPPED = """
import json, os, sys
import libcontainer as lc
from libcontainer.image import Policy, Store, unpack
store = Store(sys.argv[2], policy=Policy(owners=True, set_id=True))
image = unpack(sys.argv[1], store=store)
config = lc.Config.from_image(image, namespaces=[*lc.Config().namespaces, "user"])
script = "stat -c %u:%g:%a /hidden/new /hidden /private; cat /private/file; id -u"
done = lc.run(["sh", "-c", script], config=config, capture_output=True, text=True)
outside = os.stat(image.layers[0] + "/hidden/new").st_uid
try:
    unpack(sys.argv[3], store=store)
    broken = "taken"
except lc.ImageError as error:
    broken = str(error)
store.remove(image.name)
gone = len(store.collect())
left = [os.listdir(f"{store.root}/{name}") for name in ("layers", "tmp")]
print(json.dumps([done.stdout, done.stderr, outside, broken, gone, left]))
"""


@pytest.mark.needs("userns", "subids")
def test_an_ordinary_user_keeps_the_owners_of_an_image(
    unprivileged: RunAsUser, busybox_rootfs: Path, tmp_path: Path
) -> None:
    own = layer(
        folder("private", 0o700, uid=7, gid=9),
        entry("private/file", "mine\n", mode=0o600, uid=7, gid=9),
    )
    private = Built([tree(busybox_rootfs), TOP, own, CHANGED], {"User": "7:9"})
    archives = [tmp_path / "image.tar", tmp_path / "broken.tar"]
    private.save_docker(archives[0])
    archives[1].write_bytes(layer(folder("d", 0o500, uid=5), entry("../x")))
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_uid == os.geteuid() and str(path) not in {"/", "/tmp"}:
            path.chmod(path.stat().st_mode | 0o711)
    for path in archives:
        path.chmod(0o644)
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o1777)
    store = tmp_path / "home" / "store"
    words = (str(archives[0]), str(store), str(archives[1]))
    done = unprivileged(_MAPPED, *words, subids=True)
    assert done.returncode == 0, done.stderr
    out, err, outside, broken, gone, left = json.loads(done.stdout)
    assert out == "7:9:644\n0:0:755\n7:9:700\nmine\n7\n", err
    assert outside == 2000006
    assert "leads out of it" in broken
    assert (gone, left) == (4, [[], []])
    subprocess.run(["rm", "-rf", store], check=True)


def test_the_module_loads_nothing_of_it_before_it_is_used() -> None:
    text = (
        "import sys, libcontainer\n"
        "print([m for m in sys.modules if 'image' in m or m in ('tarfile', 'gzip')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_an_archive_on_standard_input_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(lc.LibcontainerError, match="no regular file"):
        unpack(tmp_path / "fifo", store=Store(str(tmp_path / "store")))
