# SPDX-License-Identifier: Apache-2.0
"""The life of a container: which verb is allowed in which state."""

from __future__ import annotations

import pytest

from libcontainer.commands.phrases import describe
from libcontainer.errors import StateError
from libcontainer.status import TRANSITIONS, Status, require

# As semantics has it; the table in the code must say the same.
ALLOWED = {
    "run": "creating running",
    "prepare": "creating",
    "start": "created",
    "restart": "stopped",
    "restart (force)": "created running paused stopped",
    "exec": "created running",
    "exec on the host": "created running paused",
    "mknod": "created running paused",
    "mount": "created running",
    "unmount": "created running",
    "attach": "created running paused",
    "signal": "created running paused",
    "wait": "created running paused stopped",
    "pause": "running",
    "resume": "paused",
    "checkpoint": "running",
    "restore": "creating",
    "update": "created running paused",
    "stats": "created running paused stopped",
    "delete": "creating created stopped",
    "delete (force)": "creating created running paused stopped",
}
PAIRS = [(verb, status) for verb in ALLOWED for status in Status]


def test_every_verb_is_in_the_table() -> None:
    assert set(TRANSITIONS) == set(ALLOWED)


@pytest.mark.parametrize(("verb", "status"), PAIRS)
def test_a_verb_is_allowed_or_refused(verb: str, status: Status) -> None:
    if status.value in ALLOWED[verb].split():
        assert require("box", status, verb) == TRANSITIONS[verb][status]
        return
    with pytest.raises(StateError) as caught:
        require("box", status, verb)
    first, *hints = str(caught.value).split("\n")
    assert first.startswith("cannot ")
    assert first.endswith(f" container 'box': it is {status.value}")
    assert "(" not in first
    assert all(hint.startswith("hint: ") for hint in hints)
    # What scripts look for is as it was.
    told = f"cannot {verb} container 'box': it is {status.value}"
    assert describe(caught.value).endswith(told)


@pytest.mark.parametrize(
    ("verb", "status", "text"),
    [
        ("stats", "creating", "measure container 'box': it is creating\nhint: run()"),
        ("mknod", "stopped", "change the devices of container 'box': it is stopped"),
        ("delete", "running", "delete container 'box': it is running\nhint: delete(fo"),
        ("exec", "creating", "run a further process in container 'box': it is cre"),
        ("exec", "paused", "run a further process in container 'box': it is pau"),
        ("start", "creating", "start container 'box': it is creating\nhint: prepare()"),
        ("take from", "closed", "take a container from the box: it is closed"),
    ],
)
def test_a_refusal_is_a_sentence_with_the_next_step(
    verb: str, status: str, text: str
) -> None:
    assert str(StateError("box", status, verb)).startswith(f"cannot {text}")


@pytest.mark.parametrize("status", Status)
def test_every_state_leads_to_deletion_without_force(status: Status) -> None:
    reached: set[Status | None] = {status}
    moves = [table for verb, table in TRANSITIONS.items() if "force" not in verb]
    for _ in Status:
        for table in moves:
            reached |= {after for before, after in table.items() if before in reached}
    assert None in reached


@pytest.mark.parametrize("status", Status)
def test_every_state_is_reached_from_the_first(status: Status) -> None:
    reached: set[Status | None] = {Status.CREATING}
    for _ in Status:
        for table in TRANSITIONS.values():
            reached |= {after for before, after in table.items() if before in reached}
    assert status in reached


def test_a_state_reads_as_its_word() -> None:
    assert f"{Status.RUNNING}" == "running" == Status("running")
