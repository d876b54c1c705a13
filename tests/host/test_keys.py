# SPDX-License-Identifier: Apache-2.0
"""Detach keys: how they are written, and how they are found in what is typed."""

from __future__ import annotations

import pytest

from libcontainer.host.keys import DEFAULT_KEYS, KeyWatch, parse_keys


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", b""),
        (DEFAULT_KEYS, b"\x10\x11"),
        ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\0\x1b\x1c\x1d\x1e\x1f"),
        ("CTRL-A,ctrl-Z", b"\x01\x1a"),
        ("a,-,~", b"a-~"),
    ],
)
def test_keys_are_read(text: str, wanted: bytes) -> None:
    assert parse_keys(text) == wanted


@pytest.mark.parametrize("text", [",", "a,", "ctrl-", "ctrl-1", "ctrl-pp", "é", "pq"])
def test_what_is_no_key_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is no detach key"):
        parse_keys(text)


@pytest.mark.parametrize(
    ("keys", "typed", "passed", "came"),
    [
        (b"", [b"anything\x10\x11"], b"anything\x10\x11", False),
        (b"\x10\x11", [b"ls\x10\x11"], b"ls", True),
        (b"\x10\x11", [b"ls\x10", b"\x11"], b"ls", True),
        (b"\x10\x11", [b"\x10", b"x"], b"\x10x", False),
        (b"\x10\x11", [b"\x10", b"\x10", b"\x11"], b"\x10", True),
        (b"aab", [b"aaab"], b"a", True),
        (b"\x10\x11", [b"\x11\x10"], b"\x11", False),
        (b"q", [b"q", b"rest"], b"", True),
    ],
)
def test_the_sequence_is_found_across_reads(
    keys: bytes, typed: list[bytes], passed: bytes, came: bool
) -> None:
    watch, seen, found = KeyWatch(keys), b"", False
    for data in typed:
        more, found = watch.feed(data)
        seen += more
        if found:
            break
    assert (seen, found) == (passed, came)
