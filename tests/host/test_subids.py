# SPDX-License-Identifier: Apache-2.0
"""Which sub-ids belong to whom, and the maps that they make."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from libcontainer.config import IdMapping
from libcontainer.errors import UnsupportedError
from libcontainer.host import subids
from libcontainer.host.subids import parse_subids, subid_mappings

OWNERS = ("1000", "anna")

Files = Callable[..., None]


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("", []),
        ("anna:100000:65536\n", [(100000, 65536)]),
        ("1000:100000:65536\n", [(100000, 65536)]),
        ("bert:1:1\nanna:5:6\n1000:20:3\nanna:40:2", [(5, 6), (20, 3), (40, 2)]),
        # What is said twice is given once; a clash keeps the first.
        ("anna:100:10\n1000:100:10\nanna:105:10\nanna:95:5\n", [(100, 10), (95, 5)]),
        ("# anna:1:1\n\nanna\nanna:1\nanna:1:2:3\nanna:x:1\nanna:1:-1\n", []),
        ("anna:1:0\nanna:4294967295:1\nanna:4294967294:2\n", []),
        ("anna:4294967294:1\n", [(4294967294, 1)]),
        ("anna:\u0661:5\nanna:+1:5\nanna:1_0:5\nanna:99999999999:1\n", []),
        ("annabel:1:1\n10000:1:1\n:1:1\n", []),
    ],
)
def test_the_ranges_of_an_owner_are_found(
    text: str, ranges: list[tuple[int, int]]
) -> None:
    assert parse_subids(text, OWNERS) == ranges


def test_no_more_ranges_are_taken_than_the_kernel_takes() -> None:
    text = "".join(f"anna:{10 * n}:5\n" for n in range(500))
    assert len(parse_subids(text, OWNERS)) == 339


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Files:
    """Set who the caller is, and what the two files give it."""

    def set_files(
        uids: str = "",
        gids: str = "",
        *,
        privileged: bool = False,
        tools: tuple[str, ...] = ("newuidmap", "newgidmap"),
    ) -> None:
        texts = {"/etc/subuid": uids, "/etc/subgid": gids}
        monkeypatch.setattr(
            subids, "_ranges", lambda path: parse_subids(texts[path], OWNERS)
        )
        monkeypatch.setattr(subids, "can_map_any", lambda: privileged)
        monkeypatch.setattr(
            subids, "find_tool", lambda name: name if name in tools else None
        )
        monkeypatch.setattr(subids.os, "geteuid", lambda: 1000)
        monkeypatch.setattr(subids.os, "getegid", lambda: 1001)

    return set_files


SINGLE = ((IdMapping(0, 1000, 1),), (IdMapping(0, 1001, 1),))


def test_ranges_follow_the_callers_own_id(files: Files) -> None:
    files("anna:100000:65536\n1000:300000:5\n", "anna:200000:7\n")
    assert subid_mappings() == (
        (
            IdMapping(0, 1000, 1),
            IdMapping(1, 100000, 65536),
            IdMapping(65537, 300000, 5),
        ),
        (IdMapping(0, 1001, 1), IdMapping(1, 200000, 7)),
    )


def test_a_range_with_the_callers_own_id_in_it_is_passed_over(files: Files) -> None:
    files("anna:900:200\nanna:5000:10\n", "anna:5000:10\n")
    uids, _ = subid_mappings()
    assert uids == (IdMapping(0, 1000, 1), IdMapping(1, 5000, 10))


@pytest.mark.parametrize("given", [("", ""), ("anna:1:5", ""), ("", "anna:1:5")])
def test_without_both_ranges_there_is_one_id(
    files: Files, given: tuple[str, str]
) -> None:
    files(*given)
    assert subid_mappings() == SINGLE


@pytest.mark.parametrize("tools", [(), ("newuidmap",), ("newgidmap",)])
def test_without_both_tools_there_is_one_id(
    files: Files, tools: tuple[str, ...]
) -> None:
    files("anna:5000:10", "anna:5000:10", tools=tools)
    assert subid_mappings() == SINGLE


def test_a_privileged_caller_gets_its_ranges_alone(files: Files) -> None:
    files("anna:5000:10\nanna:7000:1", "anna:6000:10", privileged=True, tools=())
    assert subid_mappings() == (
        (IdMapping(0, 5000, 10), IdMapping(10, 7000, 1)),
        (IdMapping(0, 6000, 10),),
    )


@pytest.mark.parametrize("given", [("", ""), ("anna:1:5", ""), ("", "anna:1:5")])
def test_a_privileged_caller_without_ranges_must_name_them(
    files: Files, given: tuple[str, str]
) -> None:
    files(*given, privileged=True)
    with pytest.raises(UnsupportedError, match="uid_mappings and gid_mappings"):
        subid_mappings()
