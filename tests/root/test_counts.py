# SPDX-License-Identifier: Apache-2.0
"""Ceilings of what does not depend on how busy the machine is."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import _cffi_backend
import pytest

import libcontainer as lc
from libcontainer.plan import Facts, Identity, compile_create, merge
from libcontainer.plan.wire import Image
from tests.oci_bundles import COMMAND
from tests.root.conftest import new_id

# One launch of a static program in the default configuration, the program included.
# What a change adds here it has to be worth: lower them when it takes something away.
CALLER_CALLS = 120
CALLS = 305
CALLER_CALLS_WITH_CGROUP = 187
CALLS_WITH_CGROUP = 390
# The same of a further process, which is waited for; how the words of the helper
# come together, one by one or not, is a matter of four calls.
CALLER_CALLS_OF_EXEC = 95
CALLS_OF_EXEC = 206
PLAN_BYTES = 7168
FDS = 1
# Objects that the collector looks at, for one that was found by `Factory.list`.
LISTED = 2
INIT_KIB = 64

# Modules of the library that a command loads, and others that come with them.
MODULES = {"state": 52, "kill": 54, "delete": 61, "start": 60, "run": 176}
# Under the name of attrs stands what is loaded in its place.
NEVER = (
    *("attr", "argparse", "logging", "subprocess", "pyroute2", "socket", "site"),
    *("re", "typing", "enum", "json", "contextlib", "functools", "collections"),
)

LAUNCHES = """
import sys
import libcontainer as lc
factory = lc.Factory(sys.argv[1], cgroups=sys.argv[2])
config = lc.Config(rootfs=sys.argv[3])
for number in range(int(sys.argv[4]) + 2):
    box = factory.create(f"counted-{number}", config)
    box.run(lc.Process(["/bin/true"])).wait()
    box.delete()
"""

PLACES = f"{Path(lc.__path__[0]).parent}:{Path(_cffi_backend.__file__).parent}"

EXECS = """
import sys
import libcontainer as lc
factory = lc.Factory(sys.argv[1], cgroups=sys.argv[2])
box = factory.create("counted", lc.Config(rootfs=sys.argv[3]))
box.run(lc.Process(["/bin/sleep", "1000"]))
for number in range(int(sys.argv[4]) + 2):
    # It is still there when it is waited for, whoever else uses the machine.
    box.exec(lc.Process(["/bin/sleep", "0.1"])).wait()
box.delete(force=True)
"""

MODULES_OF = """
import sys
sys.path += sys.argv.pop(1).split(":")
from libcontainer.commands import imports
importer = imports.install()
from libcontainer.commands import oci
status = oci.main(sys.argv[1:])
importer.save()
print(status, *sorted(sys.modules), file=sys.stderr)
"""

Count = Callable[..., float]


def _total(summary: str) -> int:
    for line in summary.splitlines():
        words = line.split()
        if len(words) == 2 and words[1] == "total":
            return int(words[0])
    raise AssertionError(summary)


@pytest.fixture
def count(state_root: Path, busybox_rootfs: Path, tmp_path: Path) -> Count:
    """Return the system calls of one launch."""

    def calls(cgroups: str, script: str = LAUNCHES, *, follow: bool) -> float:
        totals = []
        for times in (1, 6):
            output = tmp_path / f"calls-{times}"
            command = ["strace", "-c", "-U", "calls,name", "-o", str(output)]
            command += ["-f"] if follow else []
            command += [sys.executable, "-c", script, str(state_root), cgroups]
            subprocess.run([*command, str(busybox_rootfs), str(times)], check=True)
            totals.append(_total(output.read_text()))
        return (totals[1] - totals[0]) / 5

    return calls


@pytest.mark.slow
@pytest.mark.needs("root", "rootfs", "compiler", "strace")
@pytest.mark.parametrize(
    ("cgroups", "caller", "together"),
    [
        ("disabled", CALLER_CALLS, CALLS),
        pytest.param(
            *("cgroupfs", CALLER_CALLS_WITH_CGROUP, CALLS_WITH_CGROUP),
            marks=pytest.mark.needs("cgroup1"),
        ),
    ],
)
def test_the_system_calls_of_a_launch(
    count: Count, cgroups: str, caller: int, together: int
) -> None:
    assert count(cgroups, follow=False) <= caller
    assert count(cgroups, follow=True) <= together


@pytest.mark.slow
@pytest.mark.needs("root", "rootfs", "compiler", "strace", "cgroup1")
def test_the_system_calls_of_a_further_process(count: Count) -> None:
    assert count("cgroupfs", EXECS, follow=False) <= CALLER_CALLS_OF_EXEC
    assert count("cgroupfs", EXECS, follow=True) <= CALLS_OF_EXEC


@pytest.mark.needs("root", "rootfs", "compiler")
def test_a_launch_leaves_nothing_for_the_collector(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))

    def launch() -> None:
        with factory.create(new_id(), config) as box:
            box.run(lc.Process(["/bin/sleep", "1000"]))
            box.exec(lc.Process(["/bin/true"])).wait()
        with factory.create(new_id(), config) as box:
            box.prepare(lc.Process(["/bin/true"]))
            box.start()
            box.wait()

    for _ in range(3):  # what is made once, and what a test session leaves
        launch()
        gc.collect()
    gc.disable()
    try:
        launch()
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.needs("root", "rootfs")
def test_a_listed_container_is_little_for_the_collector(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    for number in range(20):
        factory.create(f"listed-{number}", lc.Config(rootfs=str(busybox_rootfs)))
    factory.list()  # what is made once
    gc.collect()
    before = len(gc.get_objects())
    found = factory.list()
    gc.collect()
    assert len(gc.get_objects()) - before <= LISTED * len(found) + 5
    assert len(found) == 20
    for container in found:
        container.delete()


def test_the_plan_of_the_default_configuration_is_small() -> None:
    config = lc.Config(rootfs="/srv/rootfs")
    who = Identity(uid=0, gid=0, groups=(), home="/root")
    settings = merge(config, lc.Process(["/bin/true"]), who)
    facts = Facts(euid=0, egid=0, privileged=True, template=True)
    plan = compile_create(config, settings, facts, gate=False)
    assert len(Image(plan).fill([3] * len(plan.slots))) <= PLAN_BYTES


@pytest.mark.needs("root", "rootfs", "compiler")
def test_a_running_container_costs_its_caller_one_fd(
    factory: lc.Factory, init_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(init_rootfs)))
    process = lc.Process(["/test_init", "sleep", "1000"], stdout=lc.DEVNULL)
    for _ in range(2):  # what the factory keeps is there from the second launch on
        with factory.create(new_id(), config) as first:
            first.run(process)
    before = len(os.listdir("/proc/self/fd"))
    with factory.create(new_id(), config) as container:
        container.run(process)
        assert len(os.listdir("/proc/self/fd")) - before <= FDS


@pytest.mark.needs("root", "rootfs", "compiler")
def test_an_init_that_waits_is_small(factory: lc.Factory, init_rootfs: Path) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(init_rootfs)))
    with factory.create(new_id(), config) as container:
        handle = container.prepare(lc.Process(["/test_init"], stdout=lc.DEVNULL))
        text = Path(f"/proc/{handle.host_pid}/smaps_rollup").read_text()
        rss = next(int(t.split()[1]) for t in text.splitlines() if t.startswith("Rss"))
        assert rss <= INIT_KIB


@pytest.mark.needs("root", "rootfs")
def test_a_command_loads_what_it_needs(
    tmp_path: Path, state_root: Path, busybox_rootfs: Path
) -> None:
    from tests import oci_bundles

    def bundle(*args: str) -> str:
        rootfs = {"path": str(busybox_rootfs), "readonly": False}
        folder = tmp_path / args[0]
        return str(oci_bundles.write(folder, oci_bundles.document(*args, root=rootfs)))

    root = ("--root", str(state_root), "--cgroup-manager", "disabled")

    def modules(*words: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", MODULES_OF, PLACES, *root, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        status, *loaded = done.stderr.splitlines()[-1].split()
        assert status == "0", done.stderr
        return set(loaded)

    name = new_id()
    subprocess.run(
        [*COMMAND, *root, "create", "--bundle", bundle("sleep", "9"), name], check=True
    )
    # The first time it loads what makes the code that it keeps.
    for verb, *words in (
        ("state", name),
        ("start", name),
        ("kill", name, "0"),
        ("run", "--bundle", bundle("true"), new_id()),
    ):
        modules(verb, *words)
    modules("delete", "--force", name)
    subprocess.run(
        [*COMMAND, *root, "create", "--bundle", bundle("sleep", "9"), name], check=True
    )
    loaded = {
        "state": modules("state", name),
        "start": modules("start", name),
        "kill": modules("kill", name, "0"),
        "delete": modules("delete", "--force", name),
        "run": modules("run", "--bundle", bundle("true"), new_id()),
    }
    ours = {
        verb: sum(module.startswith("libcontainer") for module in names)
        for verb, names in loaded.items()
    }
    assert {v: n for v, n in ours.items() if n > MODULES[v]} == {}
    # Who only looks does without the native module.
    assert "libcontainer._native" not in loaded["state"]
    assert {v: names & {*NEVER} for v, names in loaded.items()} == {
        key: set() for key in loaded
    }
