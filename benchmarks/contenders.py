# SPDX-License-Identifier: Apache-2.0
"""The list of contenders, by name, and how to get those that can run here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from benchmarks.bundle import Bundle
from benchmarks.contender import Contender, LaunchError, MissingError
from benchmarks.floor import Floor
from benchmarks.ours import (
    ByFactory,
    ByRun,
    InUnified,
    WithOverlay,
    WithSeccomp,
    WithUserNamespace,
)
from benchmarks.peers import (
    Command,
    OciRuntime,
    PlainProgram,
    bwrap_command,
    unshare_command,
)

MAKERS: Mapping[str, Callable[[str, Bundle], Contender]] = MappingProxyType(
    {
        "ours": lambda name, bundle: ByFactory(name, bundle, cgroup=False),
        "ours-cgroup": lambda name, bundle: ByFactory(name, bundle, cgroup=True),
        "ours-cgroup2": InUnified,
        "ours-seccomp": WithSeccomp,
        "ours-userns": WithUserNamespace,
        "ours-overlay": WithOverlay,
        "ours-run": ByRun,
        "crun": lambda name, bundle: OciRuntime(
            name,
            "crun",
            bundle,
            cgroup=False,
            options=("--cgroup-manager=disabled",),
        ),
        "crun-cgroup": lambda name, bundle: OciRuntime(
            name, "crun", bundle, cgroup=True, options=("--cgroup-manager=cgroupfs",)
        ),
        # runc has no way to make no cgroup.
        "runc": lambda name, bundle: OciRuntime(name, "runc", bundle, cgroup=True),
        "bwrap": lambda name, bundle: Command(name, bwrap_command(bundle.rootfs)),
        "unshare": lambda name, bundle: Command(name, unshare_command(bundle.rootfs)),
        "subprocess": lambda name, bundle: PlainProgram(name, bundle.rootfs),
        "floor": Floor,
        "floor-template": lambda name, bundle: Floor(name, bundle, "-T"),
        "floor-cgroup": lambda name, bundle: Floor(name, bundle, "-T", "-G"),
        "floor-cgroup2": lambda name, bundle: Floor(name, bundle, "-T", "-2"),
    }
)


@dataclass(frozen=True)
class Field:
    """Who takes part, and who does not and why."""

    contenders: tuple[Contender, ...]
    missing: Mapping[str, str]


Makers = Mapping[str, Callable[[str, Bundle], Contender]]


def make_contender(name: str, bundle: Bundle, makers: Makers = MAKERS) -> Contender:
    """Return the contender `name` after one launch that proves that it can run.

    That launch also pays what is paid once: page cache, templates, imports.

    Raises:
        MissingError: it cannot run here.
    """
    try:
        contender = makers[name](name, bundle)
    except (OSError, AttributeError, LaunchError) as error:
        raise MissingError(str(error)) from error
    try:
        contender.launch()
    except (LaunchError, OSError) as error:
        contender.close()
        raise MissingError(str(error)) from error
    except BaseException:
        contender.close()
        raise
    return contender


@contextmanager
def gather(
    names: Iterable[str], bundle: Bundle, makers: Makers = MAKERS
) -> Iterator[Field]:
    """Make the named contenders; close those made at the end."""
    made: list[Contender] = []
    missing: dict[str, str] = {}
    try:
        for name in names:
            try:
                made.append(make_contender(name, bundle, makers))
            except MissingError as error:
                missing[name] = str(error)
        yield Field(tuple(made), missing)
    finally:
        for contender in made:
            contender.close()
