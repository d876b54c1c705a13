# SPDX-License-Identifier: Apache-2.0
"""Measurements in a notebook."""

from __future__ import annotations

from libcontainer.cgroups.html import html_table
from libcontainer.cgroups.stats import MemoryStats, Stats
from libcontainer.usage import Usage


def test_a_measurement_is_a_table_of_what_it_has() -> None:
    text = Stats(memory=MemoryStats(usage=1234567))._repr_html_()
    assert text.startswith("<table><tr><th colspan=2>Stats</th></tr><tr><td>")
    assert "<tr><td>memory.usage</td><td>1,234,567</td></tr>" in text
    assert "pressure" not in text
    assert Usage(wall_seconds=0.5)._repr_html_() == (
        "<table><tr><th colspan=2>Usage</th></tr>"
        "<tr><td>wall_seconds</td><td>0.5</td></tr></table>"
    )


def test_text_of_the_kernel_is_escaped() -> None:
    from attrs import frozen

    @frozen
    class Named:
        name: str = "<b>"

    assert "<b>" not in html_table(Named())
