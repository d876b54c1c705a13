# SPDX-License-Identifier: Apache-2.0
"""Both who could tell of a new process die before they say a word: it is ended too."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import libcontainer as lc
from tests.campaigns import trial
from tests.campaigns.arena import NUMBERS, Strike, build_tracer
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs", "compiler")

HELPER = 1
TRIES = 50
WANTED = 3


@contextmanager
def _traced(tracer: Path, words: list[str]) -> Iterator[list[str]]:
    """Trace this process for the length of a block; then tell what the tracer said."""
    process = subprocess.Popen(
        [tracer, *words, str(os.getpid())], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    said: list[str] = []
    trial.mark(trial.BEGIN)
    try:
        yield said
    finally:
        trial.mark(trial.END)
        process.terminate()
        said += process.stdout.read().splitlines()
        process.stdout.close()
        process.wait(10)


def _word_of_the_clone(tracer: Path, container: lc.Container) -> int:
    """Return which call of the helper tells of the process that it has made."""
    with _traced(tracer, ["-l"]) as said, container.exec(lc.Process(["true"])) as one:
        one.wait(10)
    calls = [line.split() for line in said]
    names = [NUMBERS[int(words[1])] for words in calls if words[0] == str(HELPER)]
    return names.index("clone3") + 2


def test_a_child_that_nobody_told_of_is_ended_and_reaped(
    factory: lc.Factory, busybox_rootfs: Path, tmp_path: Path
) -> None:
    """The helper is killed behind its clone, and what it made from inside.

    Unreaped, it would hold up the end of the pid namespace: init would not go.
    """
    tracer = build_tracer(tmp_path)
    config = lc.Config(rootfs=str(busybox_rootfs))
    quiet = lc.Process(["sleep", "1000"], stdin=lc.DEVNULL)
    with factory.create(new_id(), config) as container:
        container.run(quiet)
        ordinal = _word_of_the_clone(tracer, container)
    script = "while true; do kill -9 -1; done"
    killer = lc.Process(["sh", "-c", script], stdin=lc.DEVNULL, stderr=lc.DEVNULL)
    words = Strike(HELPER, ordinal, "kill").arguments()
    lost = 0
    for _ in range(TRIES):
        before = trial.children()
        with factory.create(new_id(), config) as container:
            container.run(killer).close()
            with _traced(tracer, words) as said:
                lost += _is_lost(container)
            assert [line for line in said if line.startswith("hit")]
            container.delete(force=True)
        assert trial.children() - before == set()
        if lost == WANTED:
            return
    pytest.fail(f"{lost} of {TRIES} were killed before they said a word")


def _is_lost(container: lc.Container) -> bool:
    """Join; tell whether nothing was heard of the new process."""
    try:
        with container.exec(lc.Process(["true"], stdin=lc.DEVNULL)) as one:
            one.wait(10)
    except lc.LibcontainerError:
        return True
    return False
