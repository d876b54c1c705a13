# SPDX-License-Identifier: Apache-2.0
"""What a filesystem's options become, by the kernel's version."""

from __future__ import annotations

import pytest
from attrs import evolve

from libcontainer.config import Config, Mount
from libcontainer.errors import UnsupportedError
from libcontainer.plan.filesystems import fs_options
from tests.plan.samples import PRIVILEGED


def options(kernel: tuple[int, int], *layers: str) -> tuple[str, ...]:
    words = ["metacopy=off", *(f"lowerdir+={layer}" for layer in layers)]
    mount = Mount.from_options("overlay", "o", "/new", words)
    return fs_options(Config(), evolve(PRIVILEGED, kernel=kernel), mount)


def test_layers_are_told_one_by_one_where_the_kernel_knows_that() -> None:
    assert options((6, 5), "/a", "/b:c") == (
        "metacopy=off",
        "lowerdir+=/a",
        "lowerdir+=/b:c",
        "source=o",
    )


@pytest.mark.parametrize("kernel", [(6, 4), (5, 10), (0, 0)])
def test_an_older_kernel_is_told_of_all_layers_at_once(kernel: tuple[int, int]) -> None:
    found = options(kernel, "/a", "/b:c", "/d\\e")
    assert found == (r"lowerdir=/a:/b\:c:/d\\e", "metacopy=off", "source=o")
    assert options(kernel) == ("metacopy=off", "source=o")


@pytest.mark.parametrize("layers", [("/a,b",), ("/" + "a" * 255,)])
def test_layers_that_it_cannot_be_told_are_refused(layers: tuple[str, ...]) -> None:
    with pytest.raises(UnsupportedError, match=r"Linux 6\.5"):
        options((6, 4), *layers)
