# SPDX-License-Identifier: Apache-2.0
"""The same bundles with ours, runc and crun: no difference without a reason."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.cases import Case, cases
from tests.conformance.differ import RUNTIMES, differences, see
from tests.conformance.explained import reason_for

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")

CASES = cases()
PEERS = [name for name in RUNTIMES if name != "ours"]


@pytest.fixture(scope="module")
def bundle(
    init_rootfs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    for name in PEERS:
        if shutil.which(name) is None:
            pytest.skip(f"no {name} to compare with")
    folder = tmp_path_factory.mktemp("conformance")
    shutil.copytree(init_rootfs, folder / "rootfs", symlinks=True)
    yield folder
    shutil.rmtree(folder)


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert len(names) >= 200


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_differs_has_a_reason(case: Case, bundle: Path) -> None:
    number = CASES.index(case)
    seen = {runtime: see(runtime, case, bundle, number) for runtime in RUNTIMES}
    assert not seen["ours"]["left"]
    for peer in PEERS:
        for line in differences(seen["ours"], seen[peer]):
            assert reason_for(case.name, peer, line), f"{peer}: {line}"
