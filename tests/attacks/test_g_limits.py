# SPDX-License-Identifier: Apache-2.0
"""G, D: cgroups, and what a container can take away from the machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

import pytest

import libcontainer as lc
from libcontainer.cgroups.hierarchy import parse
from tests.attacks.conftest import HANG_SECONDS, Attempt
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")

_CGROUP = lc.Mount.from_options("cgroup", "cgroup", "/sys/fs/cgroup", ["ro"])


def test_g01_g04_the_files_of_cgroups_cannot_be_written(attempt: Attempt) -> None:
    """Its own limits, and the program that the kernel runs when a cgroup is empty."""
    script = (
        "cd /sys/fs/cgroup; n=0; for f in $(busybox find . -type f); do n=$((n+1));"
        " (echo 0 >> $f) 2>/dev/null && echo wrote $f; done; echo tried $n"
    )
    done = attempt("sh", "-c", script, mounts=[_CGROUP])
    assert "wrote" not in done.out
    assert int(done.out.split()[-1]) > 10


def test_g01_g04_control(attempt: Attempt) -> None:
    """With a writable mount, which has to be asked for, its own limits can be."""
    mount = lc.Mount.from_options("cgroup", "cgroup", "/sys/fs/cgroup", ["rw"])
    script = "cd /sys/fs/cgroup; for f in $(busybox find . -name cgroup.procs); do"
    script += " (echo 1 > $f) && echo wrote; done"
    assert "wrote" in attempt("sh", "-c", script, mounts=[mount]).out


@pytest.mark.parametrize("what", ["-m", "-C", "-n", "-U", "-Ur", "-UrC", "-p", "-i"])
def test_g02_s06_u03_no_further_namespace_is_to_be_had(
    attempt: Attempt, what: str
) -> None:
    """Nor a user namespace, in which a process would have every capability."""
    done = attempt(
        *("busybox", "unshare", what, "echo", "inside"), seccomp=lc.Seccomp.default()
    )
    assert "inside" not in done.out


def test_g02_control(attempt: Attempt) -> None:
    done = attempt("busybox", "unshare", "-U", "echo", "inside")
    assert done.out == "inside\n"


@pytest.mark.parametrize(
    ("root", "own", "seen"),
    [("/ctr", "/ctr/x", "/x"), ("/ctr", "/ctr", "/"), ("/ctr", "/ctr-evil", None),
     ("/ctr", "/ctrx/y", None), ("/ctr", "/other", None), ("/", "/ctr", "/ctr")],
)  # fmt: skip
def test_g05_paths_are_compared_by_component(
    root: str, own: str, seen: str | None
) -> None:
    line = f"25 1 0:22 {root} /sys/fs/cgroup rw - cgroup2 none rw"
    unified = parse(line, f"0::{own}").unified
    assert (unified.own if unified else None) == seen


def test_g05_a_cgroup_whose_name_begins_with_anothers_is_not_its(
    factory: lc.Factory, image: Path
) -> None:
    config = lc.Config(rootfs=str(image))
    with (
        factory.create("ctr", config) as one,
        factory.create("ctr-evil", config) as two,
    ):
        one.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        other = two.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        one.delete(force=True)
        assert other.poll() is None
        assert two.status() is lc.Status.RUNNING


_BOMB = "f() { f | f & }; f; while :; do f 2>/dev/null; done"


def test_g07_d01_a_fork_bomb_is_held_and_the_host_goes_on(
    factory: lc.Factory, image: Path
) -> None:
    config = lc.Config(rootfs=str(image), resources=lc.Resources(pids=64))
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sh", "-c", _BOMB], stdin=lc.DEVNULL,
                                 stdout=lc.DEVNULL, stderr=lc.DEVNULL))  # fmt: skip
        for _ in range(5):
            begun = time.monotonic()
            subprocess.run(["true"], check=True)
            assert time.monotonic() - begun < 1
        begun = time.monotonic()
        container.delete(force=True)
        assert time.monotonic() - begun < HANG_SECONDS


def test_g10_a_killer_that_is_interrupted_leaves_nothing_frozen(
    factory: lc.Factory, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from libcontainer.cgroups import group

    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        init = container.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))

        def interrupted(_pid: int) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(group, "_kill", interrupted)
            with contextlib.suppress(KeyboardInterrupt):
                container.delete(force=True)
        if container.state().cgroup:
            assert not group.Group(container.state().cgroup).is_frozen()
        init.kill()
        assert init.wait(HANG_SECONDS).signal == 9


def test_g11_a_cgroup_that_somebody_removed_is_no_obstacle(
    factory: lc.Factory, image: Path
) -> None:
    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        with container.run(lc.Process(["true"], stdin=lc.DEVNULL)) as handle:
            handle.wait(HANG_SECONDS)
        for path in container.state().cgroup.values():
            os.rmdir(path)
        container.delete()


def test_d02_a_flood_of_output_waits_for_its_reader(
    factory: lc.Factory, image: Path
) -> None:
    """A pipe holds 64 KiB: the program waits, nobody's memory grows."""
    with factory.create(new_id(), lc.Config(rootfs=str(image))) as container:
        words = lc.Process(["busybox", "yes"], stdin=lc.DEVNULL, stdout=lc.PIPE)
        with container.run(words) as handle:
            before = Path("/proc/self/statm").read_text().split()[1]
            time.sleep(0.3)
            after = Path("/proc/self/statm").read_text().split()[1]
            assert int(after) - int(before) < 1024  # pages: 4 MiB
            assert handle.poll() is None
            handle.kill()


def test_d05_a_tmpfs_has_the_size_it_was_given(attempt: Attempt) -> None:
    mount = lc.Mount(destination="/mnt", type="tmpfs", data=("size=1m",))
    script = "busybox dd if=/dev/zero of=/mnt/x bs=64k count=100 2>&1; cat /mnt/x"
    done = attempt("sh", "-c", f"{script} | busybox wc -c", mounts=[mount])
    assert "No space left" in done.out or int(done.out.split()[-1]) <= 1 << 20
    size = attempt("sh", "-c", "busybox dd if=/dev/zero of=/mnt/x bs=64k count=100;"
                   " busybox wc -c < /mnt/x", mounts=[mount])  # fmt: skip
    assert int(size.out.split()[-1]) == 1 << 20


def test_d08_the_container_makes_no_cgroups(attempt: Attempt) -> None:
    script = (
        "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/x && echo made; done"
    )
    assert "made" not in attempt("sh", "-c", script, mounts=[_CGROUP]).out


def test_d04_orphans_do_not_come_to_the_caller(
    factory: lc.Factory, image: Path
) -> None:
    before = Path("/proc/thread-self/children").read_text().split()
    config = lc.Config(rootfs=str(image))
    with factory.create(new_id(), config) as container:
        script = "for i in $(busybox seq 300); do (sleep 0 &); done; sleep 0.3"
        with container.run(lc.Process(["sh", "-c", script])) as handle:
            during = Path("/proc/thread-self/children").read_text().split()
            assert len(set(during) - set(before)) <= 1
            assert handle.wait(HANG_SECONDS).code == 0
