# SPDX-License-Identifier: Apache-2.0
"""A pid file has its whole content from the moment it is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from libcontainer.host.pidfile import write_pid_file


def test_the_number_and_nothing_else_is_in_it(tmp_path: Path) -> None:
    write_pid_file(str(tmp_path / "pid"), 1234)
    assert (tmp_path / "pid").read_bytes() == b"1234"
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]


def test_a_file_that_is_there_is_replaced_and_a_symlink_not_followed(
    tmp_path: Path,
) -> None:
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    (tmp_path / "pid").symlink_to(canary)
    write_pid_file(str(tmp_path / "pid"), 7)
    assert canary.read_text() == "untouched"
    assert (tmp_path / "pid").read_text() == "7"


def test_a_relative_path_is_the_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pid_file("pid", 7)
    assert (tmp_path / "pid").read_text() == "7"


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "pid").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write_pid_file(str(tmp_path / "pid"), 7)
    # Not the name that it has while it is written.
    assert caught.value.filename == str(tmp_path / "pid")
    assert [path.name for path in tmp_path.iterdir()] == ["pid"]
