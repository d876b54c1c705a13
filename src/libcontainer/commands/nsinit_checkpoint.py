# SPDX-License-Identifier: Apache-2.0
"""``nsinit checkpoint`` and ``restore``, which the 2014 library came to later."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from libcontainer.commands.argparsed import add_to
from libcontainer.commands.foreground import Signals, stand_in
from libcontainer.commands.oci_checkpoint import (
    CHECKPOINT,
    RESTORE,
    image_of,
    options_of,
)
from libcontainer.config import Config
from libcontainer.container import Container
from libcontainer.factory import Factory

Add = Callable[..., argparse.ArgumentParser]


def add_commands(add: Add) -> None:
    """Add both commands; *add* is ``add_parser`` of the command's parser."""
    for name, what in (
        ("checkpoint", "write the processes of the container to an image"),
        ("restore", "make the container of an image and let it go on"),
    ):
        parser = add(name, help=what)
        parser.add_argument("--criu", default="criu", help="the program")
        add_to(parser, RESTORE if name == "restore" else CHECKPOINT)


def checkpoint(container: Container, arguments: argparse.Namespace) -> None:
    """Write an image of a running container, and remove the container."""
    options = options_of(arguments, restores=False)
    container.checkpoint(image_of(arguments), options)
    if not (options.leave_running or options.pre_dump):
        container.wait()


def restore(
    factory: Factory,
    container_id: str,
    config: Config,
    arguments: argparse.Namespace,
    on_start: Callable[[Container], None],
) -> int:
    """Make the container of an image; stand in for it until it has ended.

    Args:
        factory: what makes it.
        container_id: its id.
        config: what it is.
        arguments: the options.
        on_start: called with the container once it runs.

    Returns:
        Its exit status, as a shell has it.
    """
    options = options_of(arguments, restores=True)
    image = image_of(arguments)
    with (
        factory.restore(container_id, config, image, None, options) as container,
        Signals() as signals,
    ):
        on_start(container)
        handle = container.init
        if handle is None:
            raise RuntimeError("restored without an init")
        return stand_in(handle, signals).shell
