# SPDX-License-Identifier: Apache-2.0
"""Where labels and Landlock stand in a plan, and what is refused while planning."""

from __future__ import annotations

import struct
from typing import Any

import attrs
import pytest

from libcontainer import Config, Overlay, Process, UnsupportedError
from libcontainer.config import thermal_throttle_paths
from libcontainer.config.landlock import (
    ACCESS_FS,
    ACCESS_NET,
    LINUX_OF_ABI,
    SCOPES,
    Landlock,
    LandlockPath,
    LandlockPort,
)
from libcontainer.plan import Facts, Plan, Side, ops
from libcontainer.plan.facts import Security
from libcontainer.plan.steps import OpenPath
from tests.plan import samples

LABEL = "a:b:c:s0"
ALL = Security(apparmor=True, selinux=True, landlock_abi=6)
RULES = Landlock(
    handled_access_fs=["write_file", "truncate"],
    handled_access_net=["bind_tcp"],
    scoped=["signal"],
    paths=[LandlockPath("/tmp", ["write_file", "truncate"])],
    ports=[LandlockPort(80, ["bind_tcp"])],
)


def facts(security: Security | None = ALL) -> Facts:
    return Facts(euid=0, egid=0, privileged=True, template=False, security=security)


def both(security: Security | None = ALL, **fields: Any) -> list[Plan]:
    """The plan of a first and of a further process."""
    config = Config(**fields)
    return [
        samples.create(config, facts(security), gate=True),
        samples.join(config, facts(security)),
    ]


def actions(plan: Plan) -> list[Any]:
    return [step.action for step in plan.steps]


def calls(plan: Plan, name: str) -> list[ops.Call]:
    return [a for a in actions(plan) if isinstance(a, ops.Call) and a.call == name]


def is_procfs(action: OpenPath) -> bool:
    return action.host_path == "/proc"


def test_the_labels_are_written_to_a_procfs_that_is_opened_outside() -> None:
    for plan in both(apparmor_profile="box", process_label=LABEL):
        found = actions(plan)
        own = any(isinstance(a, ops.Pivot) for a in found)
        # By the caller, or by the helper where that is still where the caller is.
        opened: OpenPath | ops.Call
        if own:
            (path,) = [a for a in found if isinstance(a, OpenPath) and is_procfs(a)]
            opened, slot = path, path.slot
        else:
            (call,) = calls(plan, "openat2")
            opened, slot = call, call.result
            first = min(i for i, a in enumerate(found) if isinstance(a, ops.Setns))
            assert found.index(opened) < first
        writes = [a for a in found if isinstance(a, ops.WriteProc)]
        assert [(w.path, w.value, w.last) for w in writes] == [
            ("self/attr/exec", LABEL, False),
            ("self/attr/apparmor/exec", "exec box", own),
        ]
        (status,) = [a for a in found if isinstance(a, ops.OpenProc)]
        assert (status.slot != slot, status.last) == (own, not own)
        assert {w.slot for w in writes} == {slot}
        assert (plan.steps[found.index(opened)].side is Side.HOST) == own
        # Nothing may be named with no_new_privs, or as somebody else, or at the gate.
        for later in (ops.NoNewPrivs, ops.SetIdentity, ops.Gate):
            at = [n for n, action in enumerate(found) if isinstance(action, later)]
            assert all(n > found.index(writes[-1]) for n in at)
        assert not any(
            isinstance(a, ops.Clone) for a in found[found.index(writes[0]) :]
        )


def test_a_process_has_the_configs_labels_or_its_own() -> None:
    config = Config(apparmor_profile="box", process_label=LABEL)
    own = Process(["true"], apparmor_profile="unconfined", process_label="x:y:z")
    for process, expected in (
        (samples.SHELL, [LABEL, "exec box"]),
        (own, ["x:y:z", "exec unconfined"]),
    ):
        plan = samples.join(config, facts(), process)
        assert expected == [
            a.value for a in actions(plan) if isinstance(a, ops.WriteProc)
        ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"apparmor_profile": "box"}, "AppArmor profile 'box'"),
        ({"apparmor_profile": "unconfined"}, "AppArmor profile 'unconfined'"),
        ({"process_label": LABEL}, "SELinux label 'a:b:c:s0'"),
        ({"mount_label": LABEL}, "SELinux label 'a:b:c:s0'"),
        ({"landlock": RULES}, "Landlock right 'truncate'.*no Landlock"),
    ],
)
@pytest.mark.parametrize("security", [None, Security()])
def test_what_the_host_does_not_have_is_refused(
    fields: dict[str, Any], words: str, security: Security | None
) -> None:
    config = Config(**fields)
    with pytest.raises(UnsupportedError, match=words):
        samples.create(config, facts(security))
    with pytest.raises(UnsupportedError, match=words):
        samples.join(config, facts(security))


def test_new_filesystems_have_the_mount_label_and_kernel_ones_have_not() -> None:
    config = Config(rootfs=Overlay("/srv"), mount_label=LABEL)
    option = f"context={LABEL}"
    seen = {
        (action.fstype, action.purpose): option in action.options
        for action in actions(samples.create(config, facts()))
        if isinstance(action, ops.MakeFs)
    } | {
        (action.fstype, action.path): option in action.data
        for action in actions(samples.create(config, facts()))
        if isinstance(action, ops.MountNew)
    }
    assert {kind: seen[kind, path] for kind, path in seen if path.startswith("/")} == {
        "proc": False,
        "sysfs": False,
        "tmpfs": True,
        "devpts": True,
        "mqueue": False,
    }
    (overlay,) = [
        a for a in actions(samples.create(config, facts())) if type(a) is ops.Overlay
    ]
    assert overlay.options == (option,)


def test_landlock_is_made_filled_and_entered_as_the_last_but_the_user() -> None:
    for plan in both(landlock=RULES):
        (made,) = calls(plan, "landlock_create_ruleset")
        assert made.args == (struct.pack("=3Q", 1 << 1 | 1 << 14, 1, 2), 24, 0)
        (beneath,) = [a for a in actions(plan) if isinstance(a, ops.LandlockPath)]
        assert (beneath.path, beneath.access) == ("/tmp", 1 << 1 | 1 << 14)
        (rule,) = calls(plan, "landlock_add_rule")
        data = struct.pack("=2Q", 1, 80)
        assert rule.args == (ops.SlotRef(made.result), 2, data, 0)
        (entered,) = calls(plan, "landlock_restrict_self")
        assert entered.args == (ops.SlotRef(made.result), 0)
        found = actions(plan)
        order = [found.index(a) for a in (made, beneath, rule, entered)]
        assert order == sorted(order)
        kinds = [type(a) for a in found]
        assert kinds.index(ops.NoNewPrivs) < order[0]
        assert order[-1] < kinds.index(ops.SetIdentity)
        assert beneath.slot == made.result


def test_landlock_that_handles_nothing_adds_no_step() -> None:
    for plan, plain in zip(both(landlock=Landlock()), both(), strict=True):
        assert actions(plan) == actions(plain)


@pytest.mark.parametrize("abi", range(7))
def test_best_effort_leaves_out_what_the_kernel_does_not_know(abi: int) -> None:
    wanted = Landlock(
        handled_access_fs=list(ACCESS_FS),
        handled_access_net=list(ACCESS_NET),
        scoped=list(SCOPES),
        paths=[LandlockPath("/", ["ioctl_dev"]), LandlockPath("/tmp", list(ACCESS_FS))],
        ports=[LandlockPort(80, list(ACCESS_NET))],
        best_effort=True,
    )
    plan = both(Security(landlock_abi=abi), landlock=wanted)[0]
    made = calls(plan, "landlock_create_ruleset")
    rights = {0: 0, 1: 2**13 - 1, 2: 2**14 - 1, 3: 2**15 - 1, 4: 2**15 - 1}
    fs, net, scoped = rights.get(abi, 2**16 - 1), 3 * (abi >= 4), 3 * (abi >= 6)
    expected = [struct.pack("=3Q", fs, net, scoped)] if abi else []
    assert [call.args[0] for call in made] == expected
    beneath = [a for a in actions(plan) if isinstance(a, ops.LandlockPath)]
    assert [a.path for a in beneath] == ["/"] * (abi >= 5) + ["/tmp"] * (abi >= 1)
    assert len(calls(plan, "landlock_add_rule")) == (abi >= 4)


@pytest.mark.parametrize("table", [ACCESS_FS, ACCESS_NET, SCOPES])
def test_each_word_needs_its_own_abi(table: dict[str, tuple[int, int]]) -> None:
    field = {
        id(ACCESS_FS): "handled_access_fs",
        id(ACCESS_NET): "handled_access_net",
        id(SCOPES): "scoped",
    }[id(table)]
    for word, (_, abi) in table.items():
        wanted = Landlock(**{field: [word]})
        assert both(Security(landlock_abi=abi), landlock=wanted)
        with pytest.raises(UnsupportedError) as caught:
            both(Security(landlock_abi=abi - 1), landlock=wanted)
        assert caught.value.feature == f"Landlock right {word!r}"
        assert f"ABI {abi} (Linux {LINUX_OF_ABI[abi]})" in caught.value.need


def test_the_default_masks_what_tells_of_throttling_and_no_other_list_does() -> None:
    paths = thermal_throttle_paths(2)
    host = attrs.evolve(facts(), throttled=paths)
    for config, expected in (
        (Config(), (*Config().masked_paths, *paths)),
        (Config(masked_paths=["/proc/keys"]), ("/proc/keys",)),
        (Config(masked_paths=[]), ()),
    ):
        masks = [
            a.path
            for a in actions(samples.create(config, host))
            if isinstance(a, ops.Mask)
        ]
        assert tuple(masks) == expected
