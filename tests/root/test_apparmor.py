# SPDX-License-Identifier: Apache-2.0
"""AppArmor profiles, seen from inside. ``tests/vm/run.sh apparmor`` runs them all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.errors import LibcontainerError
from libcontainer.security import apparmor
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

NAME = "libcontainer-test"
CURRENT = "cat /proc/self/attr/current"
MOUNT = "mount -t tmpfs x /tmp && echo mounted"
STRICT = f"""
profile {NAME}-strict flags=(attach_disconnected,mediate_deleted) {{
  file,
  capability,
  signal,
  deny /forbidden w,
}}
"""
SAMPLES = Path(__file__).resolve().parents[2] / "examples" / "sample_configs"
RANGE = [lc.IdMapping(0, 100000, 65536)]
POWERS = (*lc.Config().capabilities.bounding, "CAP_SYS_ADMIN")


def test_a_profile_that_is_not_there_is_refused_before_anything_is_made(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)), apparmor_profile="libcontainer-absent"
    )
    with (
        factory.create(new_id(), config) as container,
        pytest.raises(lc.UnsupportedError, match="'libcontainer-absent'"),
    ):
        container.run(lc.Process(["true"]))


def test_a_process_that_asks_for_such_a_profile_is_refused_alone(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "60"]))
        with pytest.raises(lc.UnsupportedError, match="AppArmor"):
            container.exec(lc.Process(["true"], apparmor_profile="libcontainer-absent"))
        assert container.exec(lc.Process(["true"])).wait().code == 0


@pytest.fixture(scope="module")
def profile() -> Iterator[str]:
    """The generated profile and a stricter one, loaded for these tests."""
    apparmor.load_default(NAME)
    apparmor.load(STRICT)
    assert apparmor.is_loaded(NAME)
    yield NAME
    text = apparmor.default_profile(NAME)
    subprocess.run(["/usr/sbin/apparmor_parser", "-R"], input=text.encode(), check=True)


@pytest.fixture
def shell(factory: lc.Factory, busybox_rootfs: Path) -> Any:
    """Run a shell script in a container, return what it says."""

    def run(script: str, **fields: Any) -> lc.Result:
        fields.setdefault("rootfs", lc.Overlay(str(busybox_rootfs)))
        return lc.run(
            ["sh", "-c", script],
            config=lc.Config(**fields),
            factory=factory,
            capture_output=True,
            text=True,
        )

    return run


@pytest.mark.needs("apparmor")
@pytest.mark.parametrize("no_new_privs", [True, False])
def test_the_program_runs_under_the_profile(
    shell: Any, profile: str, no_new_privs: bool
) -> None:
    done = shell(CURRENT, apparmor_profile=profile, no_new_privs=no_new_privs)
    assert done.stdout.strip() == f"{profile} (enforce)", done.stderr
    assert shell(CURRENT).stdout.strip() == "unconfined"
    assert shell(CURRENT, apparmor_profile="unconfined").stdout.strip() == "unconfined"


@pytest.mark.needs("apparmor")
def test_the_profile_refuses_a_mount_that_the_capabilities_allow(
    shell: Any, profile: str
) -> None:
    assert shell(MOUNT, capabilities=POWERS).stdout == "mounted\n"
    done = shell(MOUNT, capabilities=POWERS, apparmor_profile=profile)
    assert done.stdout == ""
    assert "ermission denied" in done.stderr


@pytest.mark.needs("apparmor")
def test_the_profile_refuses_writes_that_the_mounts_allow(
    shell: Any, profile: str
) -> None:
    fields: dict[str, Any] = {"masked_paths": (), "readonly_paths": ()}
    script = (
        "echo box > /proc/sys/kernel/hostname; hostname; cat /proc/kcore | head -c 1"
    )
    assert shell(script, **fields).stdout.startswith("box\n")
    done = shell(script, apparmor_profile=profile, **fields)
    assert "/proc/sys/kernel/hostname: Permission denied" in done.stderr
    assert "'/proc/kcore': Permission denied" in done.stderr


@pytest.mark.needs("apparmor")
def test_it_holds_in_a_user_namespace_and_for_another_user(
    shell: Any, profile: str
) -> None:
    done = shell(
        f"id -u; {CURRENT}",
        apparmor_profile=profile,
        user="1000:1000",
        namespaces=["mount", "pid", "network", "ipc", "uts", "user"],
        uid_mappings=RANGE,
        gid_mappings=RANGE,
    )
    assert done.stdout == f"1000\n{profile} (enforce)\n"


@pytest.mark.needs("apparmor")
@pytest.mark.parametrize("in_user_namespace", [False, True])
def test_a_process_that_joins_gets_the_configs_profile_or_its_own(
    factory: lc.Factory, busybox_rootfs: Path, profile: str, in_user_namespace: bool
) -> None:
    fields: dict[str, Any] = {}
    if in_user_namespace:
        kinds = ["mount", "pid", "network", "ipc", "uts", "user"]
        fields = {"namespaces": kinds, "uid_mappings": RANGE, "gid_mappings": RANGE}
    rootfs = lc.Overlay(str(busybox_rootfs))
    config = lc.Config(rootfs=rootfs, apparmor_profile=profile, **fields)

    def said(container: lc.Container, **wishes: Any) -> bytes:
        process = lc.Process(["sh", "-c", CURRENT], stdout=lc.PIPE, **wishes)
        with container.exec(process) as handle:
            return (handle.communicate()[0] or b"").strip()

    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "600"]))
        assert said(container) == f"{profile} (enforce)".encode()
        other = f"{profile}-strict"
        assert said(container, apparmor_profile=other) == f"{other} (enforce)".encode()
        assert said(container, apparmor_profile="unconfined") == b"unconfined"


@pytest.mark.needs("apparmor")
def test_the_images_own_proc_is_never_asked(
    shell: Any, profile: str, busybox_rootfs: Path, tmp_path: Path
) -> None:
    rootfs = tmp_path / "rootfs"
    shutil.copytree(busybox_rootfs, rootfs, symlinks=True)
    fake = rootfs / "proc" / "self" / "attr" / "apparmor"
    fake.mkdir(parents=True)
    (fake / "exec").write_text("untouched")
    done = shell(
        "cat /proc/self/attr/apparmor/exec; echo; echo x > /forbidden",
        rootfs=lc.Directory(rootfs),
        base_mounts=(),
        masked_paths=(),
        readonly_paths=(),
        apparmor_profile=f"{profile}-strict",
    )
    assert done.stdout == "untouched\n"
    assert "/forbidden: Permission denied" in done.stderr


@pytest.mark.needs("apparmor")
def test_init_at_the_gate_holds_no_fd_of_the_hosts_proc(
    factory: lc.Factory, busybox_rootfs: Path, profile: str
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), apparmor_profile=profile)
    host = os.stat("/proc").st_dev
    with factory.create(new_id(), config) as container:
        handle = container.prepare(lc.Process(["cat", "/proc/self/attr/current"]))
        folder = Path(f"/proc/{handle.host_pid}/fd")
        found = [os.stat(fd).st_dev for fd in folder.iterdir()]
        assert found
        assert host not in found
        container.start()
        assert handle.wait().code == 0


@pytest.mark.needs("apparmor")
def test_nsinit_runs_the_sample_with_a_profile(
    busybox_rootfs: Path, tmp_path: Path
) -> None:
    rootfs = tmp_path / "rootfs"
    shutil.copytree(busybox_rootfs, rootfs, symlinks=True)
    document = json.loads((SAMPLES / "apparmor.json").read_text())
    document["tty"] = False
    (rootfs / "container.json").write_text(json.dumps(document))
    apparmor.load_default()
    command = [sys.executable, "-m", "libcontainer.commands.nsinit", "exec"]
    done = subprocess.run(
        [*command, "sh", "-c", CURRENT],
        cwd=rootfs,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "docker-default (enforce)", done.stderr


@pytest.mark.needs("apparmor")
def test_a_profile_with_a_mistake_is_refused_by_the_parser() -> None:
    with pytest.raises(LibcontainerError, match="apparmor_parser -Kr failed"):
        apparmor.load("profile libcontainer-bad { nonsense }")
    assert not apparmor.is_loaded("libcontainer-bad")
