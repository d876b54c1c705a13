# SPDX-License-Identifier: Apache-2.0
"""SELinux labels, seen from inside. ``tests/vm/run.sh selinux`` runs them all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.files.relabel import relabel
from libcontainer.security import selinux
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

CURRENT = "cat /proc/self/attr/current"
SAMPLES = Path(__file__).resolve().parents[2] / "examples" / "sample_configs"
LABEL = "system_u:system_r:container_t:s0:c1,c2"


@pytest.mark.skipif(selinux.is_enabled(), reason="SELinux is enabled")
@pytest.mark.parametrize("field", ["process_label", "mount_label"])
def test_a_label_is_refused_where_there_is_no_selinux(
    factory: lc.Factory, busybox_rootfs: Path, field: str
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), **{field: LABEL})
    with (
        factory.create(new_id(), config) as container,
        pytest.raises(lc.UnsupportedError, match=r"SELinux label 'system_u:.*enabled"),
    ):
        container.run(lc.Process(["true"]))


@pytest.fixture
def labels() -> Any:
    """Labels of a new container, as the policy has them."""
    found = selinux.init_labels()
    assert found is not None
    yield found
    selinux.CATEGORIES.release(found[0])


@pytest.mark.needs("selinux")
def test_a_folder_of_the_host_is_given_to_a_container(
    factory: lc.Factory, busybox_rootfs: Path, labels: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").touch()
    assert relabel(tmp_path / "data", labels[1]) == []
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        process_label=labels[0],
        mounts=[lc.Mount.bind(tmp_path / "data", "/data")],
    )
    done = lc.run(
        ["sh", "-c", "echo written >/data/file"], config=config, factory=factory
    )
    assert done.returncode == 0
    for path in (tmp_path / "data", tmp_path / "data" / "file"):
        label = os.getxattr(path, "security.selinux").decode().strip("\0")
        assert label == labels[1]


@pytest.mark.needs("selinux")
def test_the_program_and_what_joins_have_the_label(
    factory: lc.Factory, busybox_rootfs: Path, labels: tuple[str, str]
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), process_label=labels[0])

    def said(container: lc.Container, **wishes: Any) -> str:
        process = lc.Process(["sh", "-c", CURRENT], stdout=lc.PIPE, **wishes)
        with container.exec(process) as handle:
            return (handle.communicate()[0] or b"").decode().strip("\0\n")

    with factory.create(new_id(), config) as container:
        init = lc.Process(["sh", "-c", f"{CURRENT}; sleep 600"], stdout=lc.PIPE)
        handle = container.run(init)
        assert handle.stdout.read(len(labels[0])).decode() == labels[0]
        assert said(container) == labels[0]
        other = f"{labels[0].rpartition(':')[0]}:c8,c9"
        assert said(container, process_label=other) == other


@pytest.mark.needs("selinux")
def test_new_filesystems_have_the_mount_label(
    factory: lc.Factory, busybox_rootfs: Path, labels: tuple[str, str]
) -> None:
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        mounts=[lc.Mount.tmpfs("/tmp")],
        mount_label=labels[1],
    )
    done = lc.run(
        ["cat", "/proc/mounts"],
        config=config,
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    option = f'context="{labels[1]}"'
    lines = [line.split() for line in done.stdout.splitlines()]
    labelled = {line[1] for line in lines if line[3].startswith(f"rw,{option}")}
    # What masks a file is a node of this /dev.
    labelled -= set(config.masked_paths)
    assert labelled == {"/", "/tmp", "/dev", "/dev/shm", "/dev/pts"}


@pytest.mark.needs("selinux")
def test_a_label_that_the_policy_does_not_have_is_an_error_with_a_hint(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        process_label="system_u:system_r:libcontainer_absent_t:s0",
    )
    with (
        factory.create(new_id(), config) as container,
        pytest.raises(lc.StepError) as caught,
    ):
        container.run(lc.Process(["true"]))
    assert caught.value.errno == errno.EINVAL
    assert "no such label" in str(caught.value.hint)


@pytest.mark.needs("selinux")
def test_nsinit_runs_the_sample_with_the_labels_of_this_policy(
    busybox_rootfs: Path, tmp_path: Path, labels: tuple[str, str]
) -> None:
    rootfs = tmp_path / "rootfs"
    shutil.copytree(busybox_rootfs, rootfs, symlinks=True)
    document = json.loads((SAMPLES / "selinux.json").read_text())
    # The type of 2014 has another name in the policies of today.
    document["tty"] = False
    document["process_label"] = labels[0]
    document["mount_config"]["mount_label"] = labels[1]
    (rootfs / "container.json").write_text(json.dumps(document))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "libcontainer.commands.nsinit",
            "exec",
            "sh",
            "-c",
            CURRENT,
        ],
        cwd=rootfs,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip("\0\n") == labels[0], done.stderr
