# SPDX-License-Identifier: Apache-2.0
"""Shares of caches and memory bandwidth, on a tree that stands for resctrl.

No machine of ours has the hardware, so nothing here says that a share is kept:
what is written where, in which order, and what is removed.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

import libcontainer as lc
from libcontainer.config import config_from_json, config_to_json
from libcontainer.host.rdt import Resctrl, find_resctrl
from libcontainer.oci import load_bundle
from libcontainer.validate import validate
from libcontainer.validate.rdt import validate_update
from tests.oci_bundles import document, write

FILES = {"schemata": "L3:0=fffff;1=fffff\nMB:0=100;1=100\n", "tasks": ""}


def fill(directory: Path, *, measures: bool = True) -> None:
    """Do what the kernel does with a new directory; whoever waits, waits for tasks."""
    (directory / "mon_groups").mkdir(exist_ok=True)
    files = {}
    if measures:
        for domain, value in (("mon_L3_00", 4096), ("mon_L3_01", 8192)):
            (directory / "mon_data" / domain).mkdir(parents=True, exist_ok=True)
            files[f"mon_data/{domain}/llc_occupancy"] = f"{value}\n"
            files[f"mon_data/{domain}/mbm_total_bytes"] = "Unavailable\n"
    # Not again: who reads a file that is being written may find it empty.
    for name, text in (files | FILES).items():
        if not (directory / name).exists():
            (directory / name).write_text(text)


class Kernel:
    """Fills directories of a tree as they are made, and lets rmdir(2) have them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        fill(root)
        (root / "info").mkdir()
        (root / "info" / "last_cmd_status").write_text("ok\n")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.001):
            for parent in (self.root, *self.root.glob("*/mon_groups")):
                for made in parent.iterdir():
                    if made.is_dir() and made.name not in {"info", "mon_groups"}:
                        fill(made)


class Tree(Resctrl):
    """A tree whose directories are filled at once."""

    def make(self, directory: str) -> None:
        super().make(directory)
        fill(Path(directory))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "resctrl"
    made.mkdir()
    fill(made)
    return made


def test_a_class_of_its_own_is_made_filled_and_told_beforehand(root: Path) -> None:
    rdt = lc.IntelRdt(
        l3_cache_schema="L3:0=ff;1=f", mem_bw_schema="MB:0=20", enable_monitoring=True
    )
    tree = Tree(str(root))
    told = tree.to_remove(rdt, "box")
    assert told == (f"{root}/box/mon_groups/box", f"{root}/box")
    assert not (root / "box").exists()
    tree.join(rdt, "box", 42)
    assert (root / "box" / "schemata").read_text() == "MB:0=20\n"  # the last line
    assert (root / "box" / "mon_groups" / "box" / "tasks").read_text() == "42"
    assert (root / "box" / "tasks").read_text() == ""
    stats = tree.stats(rdt, "box")
    assert stats.llc_occupancy == {"mon_L3_00": 4096, "mon_L3_01": 8192}
    assert stats.mbm_total_bytes == {}


def test_a_class_that_is_there_is_used_and_stays(root: Path) -> None:
    (root / "gold").mkdir()
    fill(root / "gold")
    rdt = lc.IntelRdt(clos_id="gold")
    tree = Tree(str(root))
    assert tree.to_remove(rdt, "box") == ()
    tree.join(rdt, "box", 7)
    assert (root / "gold" / "tasks").read_text() == "7"
    same = lc.IntelRdt(clos_id="gold", schemata=["L3:0=fffff", "MB:1=100;0=100"])
    tree.join(same, "box", 8)
    other = lc.IntelRdt(clos_id="gold", l3_cache_schema="L3:0=f")
    with pytest.raises(lc.StepError, match="with another schema: L3:0=fffff"):
        tree.join(other, "box", 9)
    assert (root / "gold" / "tasks").read_text() == "8"


def test_the_default_class_is_the_root(root: Path) -> None:
    tree = Tree(str(root))
    rdt = lc.IntelRdt(clos_id="/", enable_monitoring=True)
    assert tree.to_remove(rdt, "box") == (f"{root}/mon_groups/box",)
    tree.join(rdt, "box", 5)
    assert (root / "mon_groups" / "box" / "tasks").read_text() == "5"


@pytest.mark.parametrize(
    ("rdt", "there", "message"),
    [
        (lc.IntelRdt(clos_id="gold"), None, "has to be there"),
        (lc.IntelRdt(), "box", "somebody else's is there"),
    ],
)
def test_what_cannot_be_used_is_refused(
    root: Path, rdt: lc.IntelRdt, there: str | None, message: str
) -> None:
    if there is not None:
        (root / there).mkdir()
    with pytest.raises(lc.StepError, match=message):
        Tree(str(root)).join(rdt, "box", 1)
    assert sorted(path.name for path in root.iterdir()) == sorted(
        [*FILES, "mon_groups", "mon_data", *([there] if there else [])]
    )


def test_a_refused_line_has_the_kernels_words(root: Path) -> None:
    (root / "info").mkdir()
    (root / "info" / "last_cmd_status").write_text("Value 0x0 out of range\n")
    (root / "box").mkdir()
    (root / "box" / "schemata").symlink_to("/dev/null")
    with pytest.raises(lc.StepError, match="the kernel says: Value 0x0 out of range"):
        Tree(str(root)).update(lc.IntelRdt(schemata=["L3:0=0"]), "box")


def test_a_machine_without_it_says_so() -> None:
    with pytest.raises(lc.UnsupportedError, match="mount -t resctrl"):
        find_resctrl()


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"clos_id": "a/b"}, "clos_id"),
        ({"clos_id": "mon_groups"}, "clos_id"),
        ({"clos_id": ".."}, "clos_id"),
        ({"clos_id": 1}, "clos_id"),
        ({"l3_cache_schema": "MB:0=10"}, "l3_cache_schema"),
        ({"mem_bw_schema": "MB:0"}, "mem_bw_schema"),
        ({"schemata": ["L3:0=f\nMB:0=1"]}, "schemata[0]"),
        ({"schemata": "L3:0=f"}, "schemata"),
        ({"enable_monitoring": 1}, "enable_monitoring"),
    ],
)
def test_a_wrong_share_is_told_by_its_path(fields: dict[str, Any], path: str) -> None:
    config = lc.Config(rootfs="/srv", intel_rdt=lc.IntelRdt(**fields))
    assert [problem.path for problem in validate(config)] == [f"intel_rdt.{path}"]


def test_a_change_stays_in_its_class() -> None:
    now = lc.IntelRdt(clos_id="gold", l3_cache_schema="L3:0=f")
    assert validate_update(now, lc.IntelRdt(clos_id="gold", schemata=["MB:0=5"])) == []
    (problem,) = validate_update(now, lc.IntelRdt(schemata=["MB:0=5"]))
    assert problem.path == "intel_rdt.clos_id"


def test_a_configuration_keeps_it_as_json() -> None:
    rdt = lc.IntelRdt(clos_id="gold", schemata=["L3:0=f"], enable_monitoring=True)
    config = lc.Config(rootfs="/srv", intel_rdt=rdt)
    assert config_from_json(config_to_json(config)).intel_rdt == rdt


def test_a_bundle_has_it(tmp_path: Path) -> None:
    linux = {
        **document("true")["linux"],
        "intelRdt": {
            "closID": "gold",
            "schemata": ["L2:0=f"],
            "l3CacheSchema": "L3:0=f",
            "memBwSchema": "MB:0=20",
            "enableMonitoring": True,
        },
    }
    bundle = write(tmp_path, document("true", linux=linux))
    found = load_bundle(str(bundle)).config.intel_rdt
    assert found is not None
    assert (found.clos_id, found.enable_monitoring) == ("gold", True)
    assert found.lines == ("L3:0=f", "MB:0=20", "L2:0=f")


@pytest.fixture
def factory(state_root: Path, tmp_path: Path) -> Iterator[tuple[lc.Factory, Path]]:
    state_root.chmod(0o700)
    root = tmp_path / "tree"
    root.mkdir()
    with Kernel(root), lc.Factory(state_root, resctrl=str(root)) as made:
        yield made, root


@pytest.mark.needs("root", "rootfs")
def test_a_container_and_what_joins_it_are_in_the_class(
    factory: tuple[lc.Factory, Path], busybox_rootfs: Path
) -> None:
    made, root = factory
    (root / "gold").mkdir()
    deadline = time.monotonic() + 10
    while not (root / "gold" / "tasks").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    rdt = lc.IntelRdt(clos_id="gold")
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), intel_rdt=rdt)
    with made.create("box", config) as container:
        assert "class of service gold" in container.explain(lc.Process(["true"]))
        init = container.run(lc.Process(["sleep", "60"]))
        assert (root / "gold" / "tasks").read_text() == str(init.host_pid)
        other = container.run(lc.Process(["sleep", "60"]))
        assert (root / "gold" / "tasks").read_text() == str(other.host_pid)
        container.update_rdt(lc.IntelRdt(clos_id="gold", schemata=["MB:0=50"]))
        assert (root / "gold" / "schemata").read_text() == "MB:0=50\n"
        assert container.rdt_stats().llc_occupancy["mon_L3_01"] == 8192
        assert made.rdt_stats() == {"box": container.rdt_stats()}
        labels = 'container="box",domain="mon_L3_01"'
        sample = f"libcontainer_rdt_llc_occupancy_bytes{{{labels}}} 8192"
        assert sample in made.openmetrics().splitlines()
    assert (root / "gold").is_dir()


@pytest.mark.needs("root", "rootfs")
def test_a_share_that_is_refused_leaves_no_container(
    factory: tuple[lc.Factory, Path], busybox_rootfs: Path
) -> None:
    made, root = factory
    rdt = lc.IntelRdt(clos_id="absent")
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), intel_rdt=rdt)
    with made.create("box", config) as container:
        with pytest.raises(lc.StepError, match=r"absent.*ENOENT.*rdt"):
            container.run(lc.Process(["true"]))
        assert container.status() is lc.Status.CREATING
    assert not (root / "absent").exists()
    assert os.listdir(made.root) == []


@pytest.mark.needs("root")
def test_a_container_without_the_hardware_is_refused_before_it_is_made(
    state_root: Path,
) -> None:
    state_root.chmod(0o700)
    with (
        lc.Factory(state_root) as made,
        pytest.raises(lc.UnsupportedError, match="intel_rdt"),
    ):
        made.create("box", lc.Config(intel_rdt=lc.IntelRdt()))
    assert not state_root.exists() or os.listdir(state_root) == []
