# SPDX-License-Identifier: Apache-2.0
"""How the host's own root is taken over, directory by directory."""

from __future__ import annotations

import os

import pytest

from libcontainer.host import hostroot
from libcontainer.host.hostroot import read_host_root


@pytest.mark.parametrize(
    ("name", "mode", "mounted", "kind"),
    [
        ("proc", 0o555, {}, "empty"),
        ("run", 0o755, {"/run": "tmpfs"}, "empty"),
        ("tmp", 0o1777, {}, "scratch"),
        ("usr", 0o755, {}, "layer"),
        ("usr", 0o755, {"/usr2/x": "ext4"}, "layer"),
        ("etc", 0o755, {"/etc/hosts": "ext4"}, "bind"),
        ("home", 0o755, {"/home": "xfs"}, "layer"),
        ("home", 0o755, {"/home": "nfs4"}, "bind"),
        ("boot", 0o755, {"/boot": "ext4", "/boot/efi": "vfat"}, "bind"),
        ("usr", 0o755, {"/": "9p"}, "bind"),
    ],
)
def test_the_kind_of_a_directory(
    name: str, mode: int, mounted: dict[str, str], kind: str
) -> None:
    assert hostroot._kind(name, mode, {"/": "ext4", **mounted}) == kind


def test_every_directory_and_link_of_the_host_is_told() -> None:
    entries = {entry.name: entry for entry in read_host_root()}
    for name in os.listdir("/"):
        path = f"/{name}"
        if os.path.islink(path):
            assert entries[name].target == os.readlink(path)
        else:
            assert (name in entries) == os.path.isdir(path)
    assert list(entries) == sorted(entries)
