# SPDX-License-Identifier: Apache-2.0
"""Every example runs as it is and says something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py"))
SAMPLES = sorted(path.name for path in (EXAMPLES / "sample_configs").glob("*.json"))

EXPECTED = {
    "01_hello.py": "hello from box\nI am pid 1\n",
    "02_explain.py": "pivot_root",
    "03_prepare_start.py": "deleted:   True",
    "04_exec.py": "and this came through a pipe",
    "05_threads.py": "every status right: True",
    "06_rootless.py": "uid=0(root)",
    "07_limits.py": "limit: 33554432 killed for it: True",
    "08_two_talk.py": "hello from the other container",
    "09_published_port.py": "status 200",
    "10_allow_list.py": "the host cannot be reached",
    "11_own_strategy.py": "tap",
    "12_untrusted.py": "eats memory: oom\nmakes processes: pids_limit\n",
    "13_allow_names.py": "localhost 200\nexample.org 403 ",
    "20_image.py": "made of an image\ntools says: made of an image\n",
    "20_judge.py": "ben: wrong\ncarla: wrong\ndora: failed with 1\nemil: too slow\n"
    "finn: signalled\ngina: oom\nhans: pids_limit\nida: right\njan: right\n",
    "21_web.py": "one from a container\ntwo from a container\n",
    "22_pool.py": "this is pooled\none after the other: 7\n",
    "23_function.py": "sum: 42\nwhere: hello from box, pid 1\nnetwork: there is no",
    "24_build.py": "built without network [0]\nmade: program\n",
    "25_pytest.py": "3 passed",
    "30_dask.py": "sum: 90\nate too much: oom\n",
    "31_ray.py": "box-0\nbox-1\nate too much: 137 1\n",
    "32_slurm.py": "job 1 is pid 1\nsrun ended with 0\n",
    "demo.py": "on box, pid 1",
}


# What is not installed with what tests need.
NEEDS = {"30_dask.py": "dask", "31_ray.py": "ray", "32_slurm.py": "slurm"}


@pytest.mark.needs("root")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.needs(NEEDS[name]))
        if name in NEEDS
        else name
        for name in PROGRAMS
    ],
)
def test_the_example_runs(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
    )
    assert done.returncode == 0, done.stderr
    assert EXPECTED[name] in done.stdout
    # Ray's own programs write there whatever they are told.
    assert done.stderr == "" or NEEDS.get(name) == "ray"


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_example_is_short(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) <= 60


@pytest.mark.parametrize("name", ["README.md", "sample_configs/README.md"])
def test_the_page_lists_every_file(name: str) -> None:
    names = PROGRAMS if name == "README.md" else SAMPLES
    page = (EXAMPLES / name).read_text()
    assert [file for file in names if f"`{file}`" not in page] == []


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sample_has_what_the_old_tool_needed(name: str) -> None:
    config = json.loads((EXAMPLES / "sample_configs" / name).read_text())
    nodes = [node["path"] for node in config["mount_config"]["device_nodes"]]
    assert "/dev/null" in nodes
    assert len(nodes) == 6
    assert len(config["cgroups"]["allowed_devices"]) == 14
    assert len(config["capabilities"]) == 12
