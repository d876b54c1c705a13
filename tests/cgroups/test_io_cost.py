# SPDX-License-Identifier: Apache-2.0
"""The costs of block devices, where there is no cgroup v2 to have them."""

from __future__ import annotations

import pytest

from libcontainer.cgroups import io_cost
from libcontainer.cgroups.hierarchy import Hierarchies
from libcontainer.errors import UnsupportedError


def test_without_v2_nothing_has_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io_cost, "read_hierarchies", lambda: Hierarchies((), None))
    with pytest.raises(UnsupportedError, match=r"io\.cost\.qos"):
        io_cost.set_io_cost(8, 0, enable=True)
    with pytest.raises(UnsupportedError, match=r"io\.cost\.model"):
        io_cost.set_io_cost_model(8, 0)
