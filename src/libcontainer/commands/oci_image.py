# SPDX-License-Identifier: Apache-2.0
"""``libcontainer image``: images are pulled, unpacked, listed and removed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Final

from libcontainer.commands.options import Arguments
from libcontainer.commands.progress import Waiting
from libcontainer.image import Image, Policy, Progress, Store, pull, unpack


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the commands of ``image``."""
    parser.add_argument("--store", metavar="DIR", help="where images are kept")
    commands = parser.add_subparsers(dest="image_command", required=True)

    def add(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=what, description=what, allow_abbrev=False
        )

    fetch = add("pull", "fetch an image from a registry and unpack it")
    fetch.add_argument("--insecure", action="store_true", help="speak plain HTTP")
    fetch.add_argument(
        "--user", metavar="NAME", help="and a password on standard input"
    )
    _add_taking(fetch)
    fetch.add_argument("name", metavar="NAME")
    take = add("unpack", "unpack an OCI layout, a docker save archive or a plain tar")
    take.add_argument("--name", metavar="NAME", help="what it is called then")
    take.add_argument("--reference", metavar="NAME", help="which image of several")
    _add_taking(take)
    take.add_argument("path", metavar="PATH")
    show = add("list", "list the images")
    show.add_argument("-f", "--format", choices=("table", "json"), default="table")
    show.add_argument("--json", action="store_const", const="json", dest="format")
    show.add_argument("-q", "--quiet", action="store_true", help="the names alone")
    add("rm", "forget an image").add_argument("name", metavar="NAME")
    add("gc", "remove layers that no image has, and print their digests")


def _add_taking(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--arch", metavar="NAME", help="for which machine")
    parser.add_argument(
        "--set-id", action="store_true", help="keep set-id bits and capabilities"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")


def image(given: Arguments) -> int:
    """Do what the words behind ``image`` say."""
    parser = argparse.ArgumentParser("libcontainer image", allow_abbrev=False)
    add_options(parser)
    arguments = parser.parse_args(given.words)
    policy = Policy(set_id=getattr(arguments, "set_id", False))
    _COMMANDS[arguments.image_command](Store(arguments.store, policy=policy), arguments)
    return 0


def _pull(store: Store, arguments: argparse.Namespace) -> None:
    auth = None
    if arguments.user is not None:
        auth = arguments.user, sys.stdin.readline().rstrip("\n")
    with Waiting(f"pulling {arguments.name}", quiet=arguments.quiet) as waiting:

        def show(progress: Progress) -> None:
            waiting.text = _how_far(progress)

        found = pull(
            arguments.name,
            store=store,
            auth=auth,
            insecure=arguments.insecure,
            progress=show,
            architecture=arguments.arch,
        )
    _tell(found, arguments)


def _how_far(progress: Progress) -> str:
    mib = 1024**2
    where = f"layer {progress.layer}/{progress.layers}"
    if progress.done == progress.total:
        return f"{where}: unpacking {progress.total / mib:.1f} MiB"
    return f"{where}: {progress.done / mib:.1f} of {progress.total / mib:.1f} MiB"


def _unpack(store: Store, arguments: argparse.Namespace) -> None:
    with Waiting(f"unpacking {arguments.path}", quiet=arguments.quiet):
        found = unpack(
            arguments.path,
            store=store,
            name=arguments.name,
            reference=arguments.reference,
            architecture=arguments.arch,
        )
    _tell(found, arguments)


def _tell(found: Image, arguments: argparse.Namespace) -> None:
    if not arguments.quiet:
        print(found.name)


def _list(store: Store, arguments: argparse.Namespace) -> None:
    images = store.images()
    if arguments.format == "json":
        keys = ("name", "digest", "layers")
        found = [{key: getattr(one, key) for key in keys} for one in images]
        print(json.dumps(found, indent=2))
        return
    if arguments.quiet:
        for one in images:
            print(one.name)
        return
    width = max([len(one.name) for one in images] + [4])
    print(f"{'NAME':{width}}  LAYERS  DIGEST")
    for one in images:
        print(f"{one.name:{width}}  {len(one.layers):6}  {one.digest or '-'}")


def _remove(store: Store, arguments: argparse.Namespace) -> None:
    store.remove(arguments.name)


def _collect(store: Store, arguments: argparse.Namespace) -> None:
    del arguments
    for digest in store.collect():
        print(digest)


_COMMANDS: Final[dict[str, Callable[[Store, argparse.Namespace], None]]] = {
    "pull": _pull,
    "unpack": _unpack,
    "list": _list,
    "rm": _remove,
    "gc": _collect,
}
