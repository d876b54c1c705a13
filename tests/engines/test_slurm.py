# SPDX-License-Identifier: Apache-2.0
"""Slurm starts its jobs in our containers, by the recipe of the page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import blocks
from tests.engines.slurm import ROOT, USER, Node, started

PAGE = (ROOT / "docs" / "how" / "slurm.md").read_text()
BLOCKS = blocks.runnable(PAGE)
CREATE_START = next(text for word, text, *_ in blocks.fences(PAGE) if word == "ini")
BUSYBOX = "/srv/box"
ROOTS = "/srv/root"

pytestmark = [
    pytest.mark.engines,
    pytest.mark.slice,
    pytest.mark.needs("root", "rootfs", "slurm"),
]


@pytest.fixture(scope="module")
def node(public_tmp: Path) -> Iterator[Node]:
    """A node with the recipe of the page, and a bundle for anybody."""
    folder = public_tmp / "slurm"
    folder.mkdir()
    with started(folder) as made:
        recipe = blocks.failure(BLOCKS[0], _place(made, "root", public_tmp))
        assert recipe is None
        make = (
            f"mkdir -p {BUSYBOX}/rootfs/bin {BUSYBOX}/rootfs/tmp && cd {BUSYBOX} &&"
            " cp $(command -v busybox) rootfs/bin/busybox &&"
            " for name in sh cat sleep id head tail grep; do"
            " ln -s busybox rootfs/bin/$name; done && libcontainer spec --rootless"
        )
        made.said("chmod 1777 /srv", user="root")
        made.said(make)
        again = f"cp -r {BUSYBOX} {ROOTS} && rm {ROOTS}/config.json &&"
        made.said(f"{again} libcontainer spec --bundle {ROOTS}", user="root")
        # Slurm's own cgroups are made with the first job, and stay.
        made.said("srun true")
        yield made
    shutil.rmtree(folder)


def _place(node: Node, user: str, folder: Path) -> blocks.Place:
    return blocks.Place(folder, node.words(user))


def srun(script: str, options: str = "") -> str:
    return f"srun --quiet --container={BUSYBOX} {options} sh -c '{script}'"


def test_a_user_does_what_the_page_says(node: Node, tmp_path: Path) -> None:
    place = _place(node, USER, tmp_path)
    found = [blocks.failure(block, place) for block in BLOCKS[1:]]
    assert found == [None] * len(found), node.log()
    assert len(found) > 4
    node.wait_until_nothing_is_left()


def test_the_recipe_is_that_of_the_example() -> None:
    for name in ("oci.conf", "slurm-container"):
        recipe = (ROOT / "examples" / "slurm" / name).read_text()
        assert f"{name} <<'END'\n{recipe}END\n" in BLOCKS[0].text


def test_streams_and_status_are_those_of_the_program(node: Node) -> None:
    done = node.run(srun("cat; echo err >&2; exit 7"), text="in\n")
    assert (done.returncode, done.stdout) == (7, "in\n"), done.stderr
    assert "err\n" in done.stderr


def test_it_has_a_user_namespace_and_pids_of_its_own(node: Node) -> None:
    said = node.said(srun("id -u; echo $$; cat /proc/self/uid_map"))
    assert said.split() == ["0", "1", "0", "20001", "1"]


def test_a_job_of_root_is_in_a_container_without_one(node: Node) -> None:
    script = f"srun --container={ROOTS} sh -c 'id -u; echo $$; cat /proc/self/uid_map'"
    said = node.said(script, user="root").split()
    assert said == ["0", "1", "0", "0", str((1 << 32) - 1)]


def test_a_terminal(node: Node) -> None:
    inner = srun("test -t 0 && test -t 1 && echo a terminal", "--pty")
    done = node.run(f'script -qec "{inner}" /dev/null </dev/null')
    assert "a terminal" in done.stdout, done


def test_a_batch_job_has_its_files_and_status(node: Node) -> None:
    job = "#!/bin/sh\necho $SLURM_JOB_ID; echo err >&2; exit 3\n"
    done = node.run(
        "cat >job.sh; sbatch --parsable --wait --output=out.%j --error=err.%j"
        f" --container={BUSYBOX} job.sh",
        text=job,
    )
    assert done.returncode == 3, done
    number = done.stdout.strip()
    said = node.said(f"cat out.{number} err.{number}")
    assert said == f"{number}\nerr\n"


def test_one_that_takes_too_much_memory_is_told_by_slurm(node: Node) -> None:
    eats = "head -c 200000000 /dev/zero | tail -c 199999999 >/dev/null"
    done = node.run(f"srun --mem=64 --container={BUSYBOX} sh -c '{eats}'")
    assert done.returncode != 0
    assert "Out Of Memory" in done.stderr


def test_steps_at_once_are_a_container_each(node: Node) -> None:
    one = srun("echo $$", "--exact -n1")
    text = f"for n in 1 2 3 4; do {one} & done; wait\n"
    said = node.said("cat >steps.sh; salloc --quiet -n4 sh steps.sh", text=text)
    assert said.split() == ["1"] * 4


@pytest.mark.parametrize("how", ["scancel", "scancel --full --signal=KILL"])
def test_one_that_is_ended_leaves_nothing(node: Node, how: str) -> None:
    # The first process of a pid namespace does not heed the SIGTERM that comes first.
    job = "#!/bin/sh\nsleep 1357 & sleep 1357\n"
    script = f"cat >job.sh; sbatch --parsable --output=out --container={BUSYBOX} job.sh"
    number = node.said(script, text=job).strip()
    node.wait_for(f"squeue --noheader --format=%t --job {number}", "R")
    node.wait_for(
        "libcontainer --root /tmp/libcontainer-alice list -q | wc -l"
        " && ps ax -o args | grep -c '^sleep 1357'",
        "1\n2",
    )
    node.said(f"{how} {number}")
    node.wait_until_nothing_is_left()
    assert "sleep 1357" not in node.processes()


def test_a_bundle_that_is_wrong_is_an_error(node: Node) -> None:
    node.said(f"cp -r {BUSYBOX} wrong && sed -i s/uidMappings/uidMapping/ wrong/*.json")
    done = node.run("srun --container=$PWD/wrong sh")
    assert done.returncode != 0
    assert "uid_mappings: is needed" in done.stderr


@pytest.fixture
def create_start(node: Node) -> Iterator[Node]:
    """The node with the second recipe."""
    conf = "/etc/slurm/oci.conf"
    script = f"cp {conf} /run/kept && sed -i /^RunTimeRun/d {conf} && cat >>{conf}"
    node.said(script, user="root", text=CREATE_START)
    yield node
    node.said(f"cp /run/kept {conf}", user="root")


def test_create_and_start_with_the_streams_of_the_job(create_start: Node) -> None:
    srun = f"srun --container={ROOTS} sh -c 'cat; echo out; echo err >&2'"
    done = create_start.run(srun, text="in\n", user="root")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")
    create_start.said(
        "cat >job.sh; sbatch --wait --output=created --error=errors"
        f" --container={ROOTS} job.sh",
        text="#!/bin/sh\necho in a file; echo err >&2\n",
        user="root",
    )
    said = create_start.said("cat created errors", user="root")
    assert said == "in a file\nerr\n"
    create_start.wait_until_nothing_is_left()


def test_create_and_start_end_when_they_are_cancelled(create_start: Node) -> None:
    job = "#!/bin/sh\nsleep 2468\n"
    script = f"cat >job.sh; sbatch --parsable --output=out --container={ROOTS} job.sh"
    number = create_start.said(script, text=job, user="root").strip()
    create_start.wait_for("ps ax -o args | grep -c '^sleep 2468'", "1")
    create_start.said(f"scancel {number}", user="root")
    create_start.wait_until_nothing_is_left()
    assert "sleep 2468" not in create_start.processes()
