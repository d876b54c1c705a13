# SPDX-License-Identifier: Apache-2.0
"""Users of a root filesystem, looked up without a container."""

from __future__ import annotations

from pathlib import Path

import pytest

import libcontainer as lc


@pytest.fixture
def image(tmp_path: Path) -> Path:
    etc = tmp_path / "etc"
    etc.mkdir()
    (etc / "passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:7:8::/home/ann:\n")
    (etc / "group").write_text("root:x:0:\nstaff:x:50:ann\nwheel:x:10:ann,bob\n")
    return tmp_path


def test_names_and_numbers_become_numbers(image: Path) -> None:
    ann = lc.find_user("ann", image)
    assert (ann.uid, ann.gid, ann.groups, ann.home) == (7, 8, (50, 10), "/home/ann")
    assert lc.find_user("ann:staff", image).gid == 50
    assert lc.find_user("1234:99", image).uid == 1234
    assert lc.find_user("0").uid == 0


@pytest.mark.parametrize("user", ["bob", "ann:nope", "a:b:c", "99999999999", ""])
def test_what_is_not_there_is_an_error(image: Path, user: str) -> None:
    if user == "":
        assert lc.find_user(user, image).uid == 0
        return
    with pytest.raises(lc.UserLookupError):
        lc.find_user(user, image)


def test_a_link_in_the_image_leads_nowhere_else(image: Path, tmp_path: Path) -> None:
    (tmp_path / "etc" / "passwd").unlink()
    (tmp_path / "etc" / "passwd").symlink_to("/../../../../../etc/passwd")
    with pytest.raises(lc.UserLookupError):
        lc.find_user("root", image)
    with pytest.raises(FileNotFoundError):
        lc.find_user("root", tmp_path / "none")
