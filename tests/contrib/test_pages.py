# SPDX-License-Identifier: Apache-2.0
"""A reader follows the pages docs/how/dask.md and docs/how/ray.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import blocks

HOW = Path(__file__).parents[2] / "docs" / "how"


@pytest.mark.needs("root", "rootfs")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param("dask.md", marks=pytest.mark.needs("dask")),
        pytest.param("ray.md", marks=pytest.mark.needs("ray_sandbox")),
    ],
)
def test_the_programs_of_the_page(name: str, tmp_path: Path, public_tmp: Path) -> None:
    prefix = ("env", f"RAY_TMPDIR={public_tmp}", "RAY_AUTH_MODE=disabled")
    place = blocks.Place(tmp_path, prefix, silent=False)
    found = blocks.runnable((HOW / name).read_text())
    assert found
    failed = [blocks.failure(block, place) for block in found]
    assert failed == [None] * len(found)
