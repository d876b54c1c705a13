# SPDX-License-Identifier: Apache-2.0
"""A process gets what it asks for, and the container's where it does not."""

from __future__ import annotations

import pytest

from libcontainer import Config, Process
from libcontainer.plan.settings import candidates
from tests.plan.samples import USER, settings

OWN = {
    "cwd": "/own",
    "no_new_privs": False,
    "umask": 0o077,
    "terminal": True,
    "rlimits": (),
}


@pytest.mark.parametrize("name", OWN)
def test_a_wish_of_the_process_wins(name: str) -> None:
    config = Config(rlimits=[])
    changed = settings(config, Process(["x"], **{name: OWN[name]}))
    assert getattr(changed, name) == OWN[name]
    assert getattr(settings(config, Process(["x"])), name) == getattr(config, name)


def test_the_environment_is_replaced_and_home_is_the_users() -> None:
    config = Config(env={"PATH": "/bin", "A": "1"})
    assert settings(config, who=USER).env == ("PATH=/bin", "A=1", "HOME=/home/user")
    own = Process(["x"], env={"HOME": "/elsewhere"})
    assert settings(config, own, USER).env == ("HOME=/elsewhere",)
    assert settings(config, Process(["x"], env={}), USER).env == ("HOME=/home/user",)


@pytest.mark.parametrize(
    ("program", "search", "found"),
    [
        ("sh", "/bin:/usr/bin", ("/bin/sh", "/usr/bin/sh")),
        ("sh", "/bin/", ("/bin/sh",)),
        ("./sh", "/bin", ("./sh",)),
        ("/sh", "/bin", ("/sh",)),
        ("sh", ".::/bin:bin", ("/bin/sh",)),
        ("sh", "/", ("/sh",)),
        ("sh", "", ("sh",)),
    ],
)
def test_a_program_is_looked_for_in_absolute_folders_only(
    program: str, search: str, found: tuple[str, ...]
) -> None:
    assert candidates(program, search) == found


def test_the_path_of_the_process_decides_where_its_program_is() -> None:
    process = Process(["sh"], env={"PATH": "/own"})
    assert settings(Config(), process).candidates == ("/own/sh",)
