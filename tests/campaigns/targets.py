# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed, and what must hold for any input: an answer or an error of ours."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from typing import Any

import libcontainer as lc
from libcontainer.cgroups import hierarchy
from libcontainer.config.container_json import (
    config_from_container_json,
    parse_container_json,
)
from libcontainer.config.strict_json import parse_strict_json
from libcontainer.errors import ConfigError
from libcontainer.host.subids import parse_subids
from libcontainer.host.users import resolve_user
from libcontainer.oci import parse_bundle
from libcontainer.plan import Facts, Identity, compile_create, merge
from libcontainer.plan.compiled import Compiled
from libcontainer.state import ProcessRecord, State, check_id, dump
from libcontainer.state import parse as parse_state
from libcontainer.status import Status
from libcontainer.validate import validate
from tests.campaigns.documents import TEXTS, Generator

MAX_SECONDS = 1.0
MAX_GROWTH_KIB = 64 * 1024

_FACTS = Facts(euid=0, egid=0, privileged=True, template=True, machine="x86_64")
_ROOT = Identity(uid=0, gid=0, groups=(), home="/root")


def plan_of(document: Any) -> str:
    """Return ``plan`` or ``refused`` for a document of a bundle."""
    try:
        bundle = parse_bundle(document, "/bundle")
        process = bundle.process or lc.Process(["true"])
        problems = validate(bundle.config, process)
        if problems:
            raise ConfigError(problems)
        settings = merge(bundle.config, process, _ROOT)
        plan = compile_create(bundle.config, settings, _FACTS, gate=True)
        compiled = Compiled(plan)
        compiled.image.fill([-1] * len(plan.slots))
    except lc.LibcontainerError as error:
        return "refused" if str(error) else "an error without words"
    return "plan"


class Config:
    """OCI documents, by the schema and not, as objects and as text."""

    def __init__(self, seed: int) -> None:
        self._generator = Generator(seed)
        self._kept: list[Any] = [self._generator.document() for _ in range(20)]

    def once(self) -> str:
        """Try one input; return what became of it."""
        chance = self._generator.chance
        how = chance.randrange(20)
        if how == 0:
            document = self._generator.document()
        elif how == 1:
            return self._text()
        else:
            document = self._generator.mutate(chance.choice(self._kept))
        answer = plan_of(document)
        # What is accepted is worth more as a beginning than what is not.
        if answer == "plan" or chance.random() < 0.01:
            self._kept[chance.randrange(len(self._kept))] = document
        return answer

    def _text(self) -> str:
        chance = self._generator.chance
        text = json.dumps(chance.choice(self._kept)).encode()
        try:
            document = parse_strict_json(self._generator.damage(text), "config.json")
        except ConfigError:
            return "refused"
        return plan_of(document)


_MAKER = ProcessRecord(host_pid=1, start_time=2, boot_id="x")
_STATE = dump(
    State(id="box", created=1.0, owner_uid=0, creator=_MAKER, status=Status.RUNNING,
          init=_MAKER, cgroup={"pids": "/sys/fs/cgroup/pids/x"}, args=("a",))
)  # fmt: skip
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n"
_GROUP = b"root:x:0:\naudio:x:29:user,root\nuser:x:1000:\n"
_MOUNTS = (
    b"25 1 0:22 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    b"26 1 0:23 /a /sys/fs/cgroup/cpu\\040x rw - cgroup cgroup rw,cpu,cpuacct\n"
)
_OWN = b"4:cpu,cpuacct:/a/b\n0::/user\n"
_CONTAINER = json.dumps({"id": "box", "rootfs": "/srv", "namespaces": [{"type": "x"}],
                         "capabilities": ["CHOWN"], "cgroups": {"name": "x"},
                         "hostname": "box", "mounts": [], "networks": []}
                        ).encode()  # fmt: skip


class Texts:
    """Ids, state files, passwd, group, subuid, mountinfo, container.json."""

    def __init__(self, seed: int) -> None:
        self._generator = Generator(seed)
        self._readers: tuple[Callable[[], object], ...] = (
            self._state, self._users, self._ids, self._subids, self._groups,
            self._container,
        )  # fmt: skip

    def once(self) -> str:
        """Try one input; return what became of it."""
        reader = self._generator.chance.choice(self._readers)
        try:
            reader()
        except lc.LibcontainerError as error:
            return "refused" if str(error) else "an error without words"
        return "read"

    def _state(self) -> object:
        return parse_state(self._generator.damage(_STATE))

    def _users(self) -> object:
        files = {
            "etc/passwd": self._generator.damage(_PASSWD),
            "etc/group": self._generator.damage(_GROUP),
        }
        words = ("", "root", "user", "0", "1000", "user:audio", ":0", "1:2:3", *TEXTS)
        who = self._generator.chance.choice(words)
        found = resolve_user(who, None, files.get)
        assert 0 <= found.uid < 2**32 - 1, found
        return found

    def _ids(self) -> object:
        text = self._generator.damage(b"box-1.a_b+c")
        return check_id(text.decode("utf-8", "surrogateescape"))

    def _subids(self) -> object:
        text = self._generator.damage(b"user:100000:65536\n1000:200000:65536\n")
        return parse_subids(text.decode("latin-1"), ("user", "1000"))

    def _groups(self) -> object:
        mounts = self._generator.damage(_MOUNTS).decode("utf-8", "surrogateescape")
        own = self._generator.damage(_OWN).decode("utf-8", "surrogateescape")
        return hierarchy.parse(mounts, own)

    def _container(self) -> object:
        document = parse_container_json(self._generator.damage(_CONTAINER))
        return validate(config_from_container_json(document, "/srv").config)


def loop(
    target: Config | Texts, count: int, seconds: float
) -> tuple[int, dict[str, int], list[str]]:
    """Try so many inputs, or for so long; return how many, the answers, what is wrong.

    It ends at the first input that is answered in another way than by a result or an
    error of ours.
    """
    answers: dict[str, int] = {}
    wrong: list[str] = []
    deadline = time.monotonic() + seconds
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = 0
    while done < count and not wrong:
        if done % 1000 == 0 and time.monotonic() > deadline:
            break
        begun = time.process_time()
        state = target._generator.chance.getstate()
        try:
            answer = target.once()
        except Exception as error:
            answer = f"raised {type(error).__name__}"
            wrong.append(f"input {done}: {type(error).__name__}: {error}"[:500])
            _keep(target, state)
        taken = time.process_time() - begun
        if taken > MAX_SECONDS:
            wrong.append(f"input {done}: took {taken:.1f} s")
        if answer == "an error without words":
            wrong.append(f"input {done}: {answer}")
        answers[answer] = answers.get(answer, 0) + 1
        done += 1
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if growth > MAX_GROWTH_KIB:
        wrong.append(f"memory grew by {growth} KiB")
    return done, answers, wrong


def _keep(target: Config | Texts, state: object) -> None:
    # With this state the same input is made again.
    from tests.campaigns.rows import PLACE

    PLACE.mkdir(exist_ok=True)
    (PLACE / f"last-{type(target).__name__}.txt").write_text(repr(state))
