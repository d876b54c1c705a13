# SPDX-License-Identifier: Apache-2.0
"""What a ``container.json`` means on this machine."""

from __future__ import annotations

import os

from attrs import evolve

from libcontainer.config import Config
from libcontainer.config.container_json import ContainerJson


def config_here(description: ContainerJson) -> Config:
    """Return what the container is.

    A slice counts where there is systemd. The file has no word for a filter of system
    calls; that of 2014 let every call pass, and here it gets the default.
    """
    config = description.config
    path = description.systemd_path
    if path is not None and os.path.isdir("/run/systemd/system"):
        config = evolve(config, cgroups_path=path)
    if config.seccomp is not None:
        return config
    from libcontainer.config.seccomp import Seccomp  # noqa: PLC0415

    return evolve(config, seccomp=Seccomp.default())
