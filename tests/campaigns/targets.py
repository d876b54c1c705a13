# SPDX-License-Identifier: Apache-2.0
"""What is fuzzed, and what must hold for any input: an answer or an error of ours."""

from __future__ import annotations

import gc
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
from tests.campaigns.breeding import Breeder
from tests.campaigns.documents import TEXTS, Generator

MAX_SECONDS = 1.0
MAX_GROWTH_KIB = 64 * 1024

FACTS = (
    Facts(euid=0, egid=0, privileged=True, template=True, machine="x86_64"),
    Facts(euid=0, egid=0, privileged=True, template=False, machine="aarch64"),
    Facts(euid=1000, egid=1000, privileged=False, template=False, machine="x86_64"),
)
_ROOT = Identity(uid=0, gid=0, groups=(), home="/root")


def plan_of(document: Any, facts: Facts = FACTS[0]) -> str:
    """Return ``plan`` or ``refused`` for a document of a bundle."""
    try:
        bundle = parse_bundle(document, "/bundle")
        process = bundle.process or lc.Process(["true"])
        problems = validate(bundle.config, process)
        if problems:
            raise ConfigError(problems)
        settings = merge(bundle.config, process, _ROOT)
        plan = compile_create(bundle.config, settings, facts, gate=True)
        compiled = Compiled(plan)
        compiled.image.fill([-1] * len(plan.slots))
    except lc.LibcontainerError as error:
        return "refused" if str(error) else "an error without words"
    return "plan"


class Config:
    """OCI documents, bred from accepted ones or by the schema, as objects and texts."""

    def __init__(self, seed: int) -> None:
        self._generator = Generator(seed)
        self._breeder = Breeder(self._generator)
        self.last: object = None

    def once(self) -> str:
        """Try one input; return what became of it."""
        how = self._generator.chance.random()
        if how < 0.5:
            self.last = text = self._breeder.text()
            try:
                self.last = document = parse_strict_json(text, "config.json")
            except ConfigError:
                return "no document"
        elif how < 0.505:
            self.last = document = self._generator.document()
        else:
            self.last = document = self._breeder.child()
        answer = plan_of(document, self._generator.chance.choice(FACTS))
        # What is accepted is worth more as a beginning than what is not.
        if answer == "plan" and self._generator.chance.random() < 0.1:
            self._breeder.keep(document)
        return answer


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
        self.last: object = None
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

    def _damaged(self, text: bytes) -> bytes:
        damaged = self._generator.damage(text)
        self.last = (self.last, damaged) if text in {_GROUP, _OWN} else damaged
        return damaged

    def _state(self) -> object:
        return parse_state(self._damaged(_STATE))

    def _users(self) -> object:
        files = {
            "etc/passwd": self._damaged(_PASSWD),
            "etc/group": self._damaged(_GROUP),
        }
        words = ("", "root", "user", "0", "1000", "user:audio", ":0", "1:2:3", *TEXTS)
        who = self._generator.chance.choice(words)
        found = resolve_user(who, None, files.get)
        assert 0 <= found.uid < 2**32 - 1, found
        return found

    def _ids(self) -> object:
        text = self._damaged(b"box-1.a_b+c")
        return check_id(text.decode("utf-8", "surrogateescape"))

    def _subids(self) -> object:
        text = self._damaged(b"user:100000:65536\n1000:200000:65536\n")
        return parse_subids(text.decode("latin-1"), ("user", "1000"))

    def _groups(self) -> object:
        mounts = self._damaged(_MOUNTS).decode("utf-8", "surrogateescape")
        own = self._damaged(_OWN).decode("utf-8", "surrogateescape")
        return hierarchy.parse(mounts, own)

    def _container(self) -> object:
        document = parse_container_json(self._damaged(_CONTAINER))
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
    # What is here by now stays: the collector need not look at it each time.
    gc.freeze()
    done = 0
    while done < count and not wrong:
        if done % 1000 == 0 and time.monotonic() > deadline:
            break
        begun = time.process_time()
        try:
            answer = target.once()
        except Exception as error:
            answer = f"raised {type(error).__name__}"
            wrong.append(f"input {done}: {type(error).__name__}: {error}"[:500])
        taken = time.process_time() - begun
        if taken > MAX_SECONDS:
            wrong.append(f"input {done}: took {taken:.1f} s")
        if answer == "an error without words":
            wrong.append(f"input {done}: {answer}")
        answers[answer] = answers.get(answer, 0) + 1
        done += 1
    if wrong:
        _keep(target)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if growth > MAX_GROWTH_KIB:
        wrong.append(f"memory grew by {growth} KiB")
    return done, answers, wrong


def _keep(target: Config | Texts) -> None:
    from tests.campaigns.rows import PLACE

    PLACE.mkdir(exist_ok=True)
    (PLACE / f"last-{type(target).__name__}.txt").write_text(repr(target.last))
