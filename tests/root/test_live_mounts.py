# SPDX-License-Identifier: Apache-2.0
"""Mounts that come to a running container and go again."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.host.probe import read_facts
from libcontainer.plan.live import compile_mount, compile_unmount
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

RANGE = (lc.IdMapping(0, 100000, 65536),)
Inside = Callable[[str], str]


@pytest.fixture(params=["plain", "user namespace"])
def container(
    request: pytest.FixtureRequest, factory: lc.Factory, busybox_rootfs: Path
) -> Iterator[lc.Container]:
    """A running container."""
    user = request.param != "plain"
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        namespaces=[*lc.Config().namespaces, *(["user"] if user else [])],
        uid_mappings=RANGE if user else (),
        gid_mappings=RANGE if user else (),
    )
    with factory.create(new_id(), config) as made:
        made.run(lc.Process(["sleep", "1000"]))
        yield made


@pytest.fixture
def inside(container: lc.Container) -> Inside:
    """Run a script in the container; return what it said."""

    def run(script: str) -> str:
        command = ["sh", "-c", script]
        process = container.run(lc.Process(command, stdout=lc.PIPE, stderr=lc.STDOUT))
        with process:
            return process.communicate()[0].decode()

    return run


def test_a_bind_comes_and_goes(
    container: lc.Container, inside: Inside, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "file").write_text("here\n")
    before = inside("cat /proc/self/mountinfo")
    container.mount(lc.Mount.bind(tmp_path, "/new/place", read_only=True))
    said = inside("cat /new/place/file; touch /new/place/x")
    assert said.startswith("here\n")
    assert "Read-only file system" in said
    container.unmount("/new/place")
    assert inside("cat /proc/self/mountinfo") == before
    assert inside("ls /new/place") == ""


def test_a_filesystem_belongs_to_the_container(
    container: lc.Container, inside: Inside
) -> None:
    container.mount(lc.Mount.tmpfs("/new", size="64k"))
    assert inside("echo hello >/new/x; cat /new/x; stat -c %u /new /new/x") == (
        "hello\n0\n0\n"
    )


def test_an_overlay_of_host_directories(
    container: lc.Container, inside: Inside, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text(f"{name}\n")
    layers = [f"lowerdir+={tmp_path}/one", f"lowerdir+={tmp_path}/two"]
    container.mount(lc.Mount.from_options("overlay", "o", "/new", layers))
    assert inside("cat /new/one /new/two") == "one\ntwo\n"


def test_a_link_of_the_container_does_not_lead_out(
    container: lc.Container, inside: Inside, tmp_path: Path
) -> None:
    # A directory that the container can make on its own /dev/shm.
    target = Path(tempfile.mkdtemp(dir="/dev/shm"))
    source = tmp_path
    inside(f"ln -s {target} /link; ln -s /proc/1/root/tmp /magic")
    container.mount(lc.Mount.bind(source, "/link"))
    assert not os.path.ismount(target)
    assert f" {target} " in inside("cat /proc/self/mountinfo")
    with pytest.raises(lc.StepError, match="ELOOP"):
        container.mount(lc.Mount.bind(source, "/magic"))
    with pytest.raises(OSError, match="symbolic link") as caught:
        container.unmount("/link")
    assert caught.value.errno == errno.ELOOP
    container.unmount(str(target))
    target.rmdir()
    assert f" {target} " not in inside("cat /proc/self/mountinfo")


def test_what_is_not_mounted_cannot_be_unmounted(
    container: lc.Container, inside: Inside
) -> None:
    before = inside("cat /proc/self/mountinfo")
    with pytest.raises(lc.StepError) as caught:
        container.unmount("/etc")
    assert caught.value.errno == errno.EINVAL
    assert "nothing is mounted" in str(caught.value.hint)
    with pytest.raises(FileNotFoundError):
        container.unmount("/nowhere")
    for wrong in ("/", "relative", "/a/../b", 7):
        with pytest.raises(lc.ConfigError):
            container.unmount(wrong)  # type: ignore[arg-type]
    assert inside("cat /proc/self/mountinfo") == before


@pytest.mark.parametrize(
    ("mount", "path"),
    [
        (lc.Mount(destination="/proc", type="proc"), "mount.type"),
        (lc.Mount.bind("/srv", "/"), "mount.destination"),
        (lc.Mount.from_options("none", None, "/x", ["remount"]), "mount.extras"),
        (lc.Mount.from_options("tmpfs", "t", "/x", ["tmpcopyup"]), "mount.extras"),
        (lc.Mount.from_options("tmpfs", "t", "/x", ["shared"]), "mount.propagation"),
        (lc.Mount.bind("srv", "/x"), "mount.source"),
        ("/x", "mount"),
    ],
)
def test_a_wrong_mount_is_refused(
    container: lc.Container, mount: lc.Mount, path: str
) -> None:
    with pytest.raises(lc.ConfigError) as caught:
        container.mount(mount)
    assert path in {problem.path for problem in caught.value.problems}


def test_a_container_that_does_not_run_takes_no_mount(factory: lc.Factory) -> None:
    with factory.create(new_id(), lc.Config()) as container:
        with pytest.raises(lc.StateError, match="mount"):
            container.mount(lc.Mount.tmpfs("/x"))
        with pytest.raises(lc.StateError, match="unmount"):
            container.unmount("/x")


@pytest.mark.parametrize("verb", ["mount", "unmount"])
def test_whatever_step_fails_the_mounts_are_as_before(
    container: lc.Container, inside: Inside, tmp_path: Path, verb: str
) -> None:
    tmp_path.chmod(0o755)
    container.mount(lc.Mount.bind(tmp_path, "/there"))
    mount = lc.Mount.bind(tmp_path, "/there/new")
    facts = read_facts(template=False)
    plan = (
        compile_mount(container.config, mount, facts)
        if verb == "mount"
        else compile_unmount(container.config, "/there", facts)
    )
    before = inside("cat /proc/self/mountinfo")
    steps = [step for step in plan.steps if step.side.value == "init"][:-1]
    for step in steps:
        for fault in (errno.EIO, -9):
            container._launcher.fault = (step.index, fault)
            with pytest.raises((lc.StepError, lc.HelperError)):
                if verb == "mount":
                    container.mount(mount)
                else:
                    container.unmount("/there")
            container._launcher.fault = (0, 0)
            assert inside("cat /proc/self/mountinfo") == before
