# SPDX-License-Identifier: Apache-2.0
"""The io.cost controller of the machine: how ``io.weight`` of cgroups is kept.

These files are of the root cgroup alone, and hold for every cgroup; a container's part
in it is `Resources.blkio_weight`. Source: cgroup-v2.rst, *IO Interface Files*.
"""

from __future__ import annotations

import errno
from typing import Final

from libcontainer.cgroups.hierarchy import read_hierarchies
from libcontainer.cgroups.values import write_value
from libcontainer.errors import CgroupError, UnsupportedError

_QOS: Final = frozenset({"rpct", "rlat", "wpct", "wlat", "min", "max"})
_MODEL: Final = frozenset({"rbps", "rseqiops", "rrandiops", "wbps", "wseqiops"})


def set_io_cost(major: int, minor: int, *, enable: bool, **targets: float) -> None:
    """Switch io.cost of a block device on or off, with its targets.

    Args:
        major: of the device.
        minor: of the device.
        enable: whether weights are kept by cost.
        targets: ``rpct``, ``wpct``: percentiles; ``rlat``, ``wlat``: latencies in
            microseconds at them; ``min``, ``max``: percent that the device's speed is
            scaled within. None given leaves the choice to the kernel.

    Raises:
        ValueError: there is no such target.
        UnsupportedError: there is no cgroup v2, or its kernel has no io.cost.
        CgroupError: the kernel refused it.
    """
    words = _words(targets, _QOS)
    control = " ctrl=user" if words else " ctrl=auto"
    text = f"{major}:{minor} enable={int(enable)}{control}{words}"
    _write("io.cost.qos", text)


def set_io_cost_model(major: int, minor: int, **coefficients: int) -> None:
    """Tell what requests to a block device cost, by a linear model.

    Args:
        major: of the device.
        minor: of the device.
        coefficients: ``rbps``, ``wbps``: most bytes a second; ``rseqiops``,
            ``rrandiops``, ``wseqiops``, ``wrandiops``: most requests a second. None
            at all leaves the model to the kernel.

    Raises:
        ValueError: there is no such coefficient.
        UnsupportedError, CgroupError: as for `set_io_cost`.
    """
    words = _words(coefficients, _MODEL | {"wrandiops"})
    control = " ctrl=user model=linear" if words else " ctrl=auto"
    _write("io.cost.model", f"{major}:{minor}{control}{words}")


def _words(values: dict[str, float] | dict[str, int], known: frozenset[str]) -> str:
    for name, value in values.items():
        if name not in known or value < 0:
            message = f"{name}={value} is not one of {', '.join(sorted(known))}"
            raise ValueError(message)
    return "".join(f" {name}={value}" for name, value in values.items())


def _write(file: str, text: str) -> None:
    need = "the root of cgroup v2 and CONFIG_BLK_CGROUP_IOCOST"
    unified = read_hierarchies().unified
    if unified is None:
        raise UnsupportedError(file, need)
    path = f"{unified.mount_point}/{file}"
    try:
        write_value(path, text)
    except FileNotFoundError as error:
        raise UnsupportedError(file, need) from error
    except OSError as error:
        number = error.errno or errno.EIO
        raise CgroupError(number, f"write {text!r} to {path}") from error
