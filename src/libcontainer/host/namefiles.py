# SPDX-License-Identifier: Apache-2.0
"""Writes the files of a container that say who has which name.

They are in its state folder, and are bound over those of the image: so no path
of the image is ever opened for writing on the host.
"""

from __future__ import annotations

import os

from attrs import evolve

from libcontainer.config import Config, Mount, MountAttr
from libcontainer.config.network import Dns
from libcontainer.host.store import Folder

RESOLV, HOSTS = "resolv.conf", "hosts"
_ATTRS = MountAttr.RDONLY | MountAttr.NOSUID | MountAttr.NODEV | MountAttr.NOEXEC


def write_name_files(folder: Folder, config: Config) -> None:
    """Write the files into the state folder, readable for every user inside."""
    if config.dns is None:
        return
    texts = {RESOLV: resolv_conf(config.dns), HOSTS: hosts(config, config.dns)}
    for name, text in texts.items():
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=folder.fd)
        with open(fd, "w", encoding="utf-8") as file:
            os.fchmod(fd, 0o644)
            file.write(text)


def with_name_files(config: Config, path: str) -> Config:
    """Return a configuration that has the files of the state folder *path*."""
    if config.dns is None:
        return config
    mounts = tuple(
        Mount(
            destination=f"/etc/{name}",
            type="bind",
            source=f"{path}/{name}",
            attrs=_ATTRS,
        )
        for name in (RESOLV, HOSTS)
    )
    # Mounts of the user come later, and win.
    return evolve(config, mounts=(*mounts, *config.mounts))


def resolv_conf(dns: Dns) -> str:
    """Return the text of ``resolv.conf``."""
    lines = [f"nameserver {server}" for server in dns.servers]
    lines += [f"search {' '.join(dns.search)}"] if dns.search else []
    lines += [f"options {' '.join(dns.options)}"] if dns.options else []
    return "".join(f"{line}\n" for line in lines)


def hosts(config: Config, dns: Dns) -> str:
    """Return the text of ``hosts``: the local host, the container, the others."""
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost"]
    if config.hostname:
        own = [
            address.partition("/")[0]
            for network in config.networks
            for address in getattr(network, "addresses", ())
        ]
        lines += [f"{address}\t{config.hostname}" for address in own or ["127.0.1.1"]]
    lines += [f"{address}\t{name}" for name, address in dns.hosts]
    return "".join(f"{line}\n" for line in lines)
