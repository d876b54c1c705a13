# SPDX-License-Identifier: Apache-2.0
"""Standard streams of a command that are closed, or full."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.oci_bundles import Oci, document, write
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

# What its standard streams are, in a file: one of them may be closed.
TELLS = """
for number in 0 1 2; do all="$all $number:$(readlink /proc/$$/fd/$number)"; done
echo $all >/seen/streams
"""
DETACHED = ("run", "-d")


@pytest.fixture
def seen(tmp_path: Path, bundle: Path) -> Path:
    """Return where a container of the bundle writes what its streams are."""
    folder = tmp_path / "seen"
    folder.mkdir()
    content = document("sh", "-c", f"{TELLS}sleep 1000")
    place = {"destination": "/seen", "source": str(folder), "options": ["bind"]}
    content["mounts"].append(place)
    write(bundle, content)
    return folder / "streams"


def _closed(oci: Oci, closed: str, *words: str) -> tuple[int, str, str]:
    """Run a command of which some standard streams are closed; return what it says."""
    shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *oci.prefix, *words]
    # Not pipes: a container would keep them open.
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        done = subprocess.run(shell, stdout=out, stderr=err, check=False, timeout=60)
        out.seek(0)
        err.seek(0)
        return done.returncode, out.read(), err.read()


def _wait_for(path: Path) -> dict[str, str]:
    for _ in range(1000):
        if path.exists() and path.read_text().endswith("\n"):
            words = path.read_text().split()
            return dict(word.split(":", 1) for word in words if ":" in word)
        subprocess.run(["sleep", "0.02"], check=True)
    raise AssertionError(path)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("how", ["run", "create", "exec"])
def test_a_stream_that_is_closed_is_the_null_device_inside(
    oci: Oci, bundle: Path, seen: Path, closed: str, how: str
) -> None:
    box = new_id()
    # Its code lies in a file that a command opens first; the log is opened next.
    oci.said("list")
    if how == "run":
        assert _closed(oci, closed, *DETACHED, "-b", str(bundle), box)[0] == 0
    else:
        void = ">/dev/null 2>&1" if how == "exec" else closed
        assert _closed(oci, void, "create", "-b", str(bundle), box)[0] == 0
        oci.said("start", box)
    if how == "exec":
        _wait_for(seen)
        seen.unlink()
        assert _closed(oci, closed, "exec", box, "sh", "-c", TELLS)[0] == 0
    streams = _wait_for(seen)
    for number, word in enumerate(("<&-", ">&-", "2>&-")):
        if word in closed.split():
            assert streams[str(number)] == "/dev/null"
    assert str(oci.log) not in streams.values()
    oci.said("delete", "-f", box)


def test_the_status_is_right_where_standard_output_is_closed(
    oci: Oci, bundle: Path
) -> None:
    write(bundle, document("sh", "-c", "exit 3"))
    for closed in (">&-", "<&- >&- 2>&-"):
        box = new_id()
        for words in (("list",), ("--version",), ("help",), ("state", "--help")):
            assert _closed(oci, closed, *words)[0] == 0
        assert _closed(oci, closed, "run", "-b", str(bundle), box)[0] == 3
        assert _closed(oci, closed, "state", box)[0] == 1


def test_what_was_wrong_is_not_on_standard_output_where_errors_are_closed(
    oci: Oci,
) -> None:
    assert _closed(oci, "2>&-", "state", "nope") == (1, "", "")
    assert "does not exist" in oci.messages()[-1]["msg"]


@pytest.mark.parametrize("words", [("list",), ("features",), ("list", "--json")])
def test_a_full_standard_output_is_one_line(oci: Oci, words: tuple[str, ...]) -> None:
    status, _, said = _closed(oci, ">/dev/full", *words)
    assert (status, said) == (1, "libcontainer: No space left on device [ENOSPC]\n")


def test_python_m_does_the_same() -> None:
    module = [sys.executable, "-m", "libcontainer", "list"]
    for closed, status in ((">&-", 0), ("<&- >&- 2>&-", 0), (">/dev/full", 1)):
        shell = ["sh", "-c", f'exec "$@" {closed}', "sh", *module]
        done = subprocess.run(shell, capture_output=True, check=False, timeout=60)
        assert done.returncode == status
        assert b"Traceback" not in done.stderr
