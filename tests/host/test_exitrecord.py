# SPDX-License-Identifier: Apache-2.0
"""The record of how init ended: what is written is read, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from libcontainer._native import ffi
from libcontainer.host.children import ExitStatus
from libcontainer.host.exitrecord import ExitRecord

STATUSES = [
    ExitStatus(code=0),
    ExitStatus(code=255),
    ExitStatus(signal=9),
    ExitStatus(signal=11, core=True),
]


@pytest.mark.parametrize("status", STATUSES)
def test_what_is_written_is_read(tmp_path: Path, status: ExitStatus) -> None:
    record = ExitRecord(str(tmp_path), 1234)
    before = time.time()
    record.write(status)
    found = record.read()
    assert found is not None
    assert found[0] == record.settle() == status
    assert before - 0.01 <= found[1] <= time.time() + 0.01
    assert (tmp_path / "exit").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "exit").stat().st_size == ffi.sizeof("struct lc_exit")


def test_the_record_of_another_process_is_none(tmp_path: Path) -> None:
    ExitRecord(str(tmp_path), 1234).write(ExitStatus(code=3))
    assert ExitRecord(str(tmp_path), 1235).read() is None


def test_an_unknown_status_is_not_recorded(tmp_path: Path) -> None:
    record = ExitRecord(str(tmp_path), 1)
    record.write(ExitStatus())
    assert list(tmp_path.iterdir()) == []
    assert record.settle() is None


@pytest.mark.parametrize("change", ["short", "long", "magic", "empty"])
def test_a_file_of_another_form_is_none(tmp_path: Path, change: str) -> None:
    record = ExitRecord(str(tmp_path), 1)
    record.write(ExitStatus(code=3))
    file = tmp_path / "exit"
    data = file.read_bytes()
    changed = {
        "short": data[:-1],
        "long": data + b"\0",
        "magic": b"\0" + data[1:],
        "empty": b"",
    }
    file.write_bytes(changed[change])
    assert record.read() is None


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    (tmp_path / "exit").symlink_to(canary)
    ExitRecord(str(tmp_path), 1).write(ExitStatus(code=3))
    assert canary.read_text() == "untouched"


def test_a_folder_that_is_gone_needs_no_record(tmp_path: Path) -> None:
    ExitRecord(str(tmp_path / "gone"), 1).write(ExitStatus(code=3))
    assert not (tmp_path / "gone").exists()
