# SPDX-License-Identifier: Apache-2.0
"""Device nodes of the host as a configuration has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import libcontainer as lc


def test_a_device_of_the_host_has_its_numbers_and_mode() -> None:
    status = os.stat("/dev/null")
    assert lc.host_device("/dev/null") == lc.Device(
        "/dev/null", "c", 1, 3, status.st_mode & 0o777, status.st_uid, status.st_gid
    )


def test_it_may_have_another_path_in_the_container() -> None:
    device = lc.host_device(Path("/dev/zero"), "/dev/nothing")
    assert (device.path, device.major, device.minor) == ("/dev/nothing", 1, 5)


def test_a_pipe_has_no_numbers(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o640)
    assert lc.host_device(pipe, "/dev/pipe") == lc.Device(
        "/dev/pipe", "p", 0, 0, 0o640, os.geteuid(), os.getegid()
    )


def test_a_link_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/dev/full")
    assert lc.host_device(link, "/dev/x").minor == 7


@pytest.mark.parametrize("path", ["/dev", "/etc/passwd"])
def test_what_is_no_device_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is neither a device nor a named pipe"):
        lc.host_device(path)


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(FileNotFoundError):
        lc.host_device("/dev/no-such-device")
    with pytest.raises(FileNotFoundError):
        lc.host_devices("/dev/no-such-directory")


def test_the_devices_of_the_host_are_found() -> None:
    devices = lc.host_devices()
    paths = [device.path for device in devices]
    assert paths == sorted(set(paths))
    assert {"/dev/null", "/dev/zero", "/dev/full"} <= set(paths)
    assert {device.type for device in devices} <= {"c", "b"}
    for name in ("pts", "shm", "mqueue", "fd", "console", "stdin"):
        assert not any(f"{path}/".startswith(f"/dev/{name}/") for path in paths)


def test_only_nodes_below_a_directory_are_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("/dev/null")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert lc.host_devices(tmp_path) == ()


def test_fuse_is_the_device_of_its_man_page() -> None:
    assert lc.Device.fuse() == lc.Device("/dev/fuse", "c", 10, 229, 0o666)
