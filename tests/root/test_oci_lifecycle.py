# SPDX-License-Identifier: Apache-2.0
"""The lifecycle of the OCI runtime specification (``runtime.md``), by its sentences.

Each test holds one MUST, and is named after it; the heading says which section.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT4

from tests.oci_bundles import Oci, document, write
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

SCHEMAS = Path(__file__).resolve().parents[1] / "oci_schema"
DEVNULL = subprocess.DEVNULL
KINDS = (
    *("prestart", "createRuntime", "createContainer"),
    *("startContainer", "poststart", "poststop"),
)


@pytest.fixture
def bundle(bundle: Path) -> Path:
    """One whose hooks and programs have a place to write to."""
    (bundle / "rootfs" / "out").mkdir()
    return bundle


def _create(oci: Oci, bundle: Path, content: object) -> str:
    """Create a container; its output, which would be a pipe's, goes to a file."""
    box = new_id()
    write(bundle, content)
    done = _quiet(oci, bundle, "create", "-b", str(bundle), box)
    assert done == 0, (bundle / "said").read_text()
    return box


def _quiet(oci: Oci, bundle: Path, *words: str) -> int:
    with (bundle / "said").open("w") as said:
        return subprocess.run(
            [*oci.prefix, *words],
            stdin=DEVNULL,
            stdout=said,
            stderr=said,
            check=False,
            timeout=60,
        ).returncode


def _state(oci: Oci, box: str) -> dict[str, Any]:
    return dict(json.loads(oci.said("state", box)))


def _wait_for(oci: Oci, box: str, status: str) -> None:
    deadline = time.monotonic() + 30
    while (found := _state(oci, box)["status"]) != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def _hook(bundle: Path, name: str, status: int = 0) -> dict[str, Any]:
    """A hook that tells that it ran, and what state it was told."""
    shell = "/bin/sh" if name == "startContainer" else shutil.which("sh")
    folder = "/out" if name == "startContainer" else f"{bundle}/rootfs/out"
    script = f"cat >{folder}/{name}; echo {name} >>{folder}/order; exit {status}"
    return {"path": shell, "args": ["sh", "-c", script]}


def _order(bundle: Path) -> list[str]:
    path = bundle / "rootfs" / "out" / "order"
    return path.read_text().split() if path.exists() else []


def _with_hooks(bundle: Path, *args: str, failing: str = "") -> dict[str, Any]:
    hooks = {kind: [_hook(bundle, kind, int(kind == failing))] for kind in KINDS}
    return document(*args, hooks=hooks)


# -- State


def test_the_state_must_be_serialised_by_the_schema(oci: Oci, bundle: Path) -> None:
    box = _create(oci, bundle, document("sleep", "1000", annotations={"a": "b"}))
    resources = [
        (path.name, DRAFT4.create_resource(json.loads(path.read_text())))
        for path in SCHEMAS.glob("*.json")
    ]
    check = jsonschema.Draft4Validator(
        {"$ref": "state-schema.json"}, registry=Registry().with_resources(resources)
    )
    for verb in ((), ("start",), ("kill", "KILL")):
        if verb:
            oci.said(verb[0], box, *verb[1:])
        check.validate(_state(oci, box))
    assert _state(oci, box)["bundle"] == str(bundle)
    assert os.path.isabs(_state(oci, box)["bundle"])
    assert _state(oci, box)["annotations"] == {"a": "b"}


def test_the_pid_is_required_while_created_or_running(oci: Oci, bundle: Path) -> None:
    box = _create(oci, bundle, document("sleep", "1000"))
    created = _state(oci, box)
    assert created["status"] == "created"
    assert Path(f"/proc/{created['pid']}").exists()
    oci.said("start", box)
    assert _state(oci, box)["pid"] == created["pid"]


# -- Lifecycle


def test_the_program_must_not_be_run_by_create(oci: Oci, bundle: Path) -> None:
    box = _create(oci, bundle, document("touch", "/out/ran"))
    time.sleep(0.2)
    assert not (bundle / "rootfs" / "out" / "ran").exists()
    oci.said("start", box)
    _wait_for(oci, box, "stopped")
    assert (bundle / "rootfs" / "out" / "ran").exists()


def test_the_resources_must_be_created_by_create(oci: Oci, bundle: Path) -> None:
    content = document("sleep", "1000", hostname="made")
    content["linux"]["resources"] = {"pids": {"limit": 33}}
    box = _create(oci, bundle, content)
    assert oci.said("exec", box, "hostname") == "made\n"
    pid = _state(oci, box)["pid"]
    own = os.readlink("/proc/self/ns/mnt")
    assert os.readlink(f"/proc/{pid}/ns/mnt") != own


def test_updates_of_the_configuration_after_create_must_not_affect_it(
    oci: Oci, bundle: Path
) -> None:
    box = _create(oci, bundle, document("touch", "/out/first"))
    write(bundle, document("touch", "/out/second"))
    oci.said("start", box)
    _wait_for(oci, box, "stopped")
    assert {path.name for path in (bundle / "rootfs" / "out").iterdir()} == {"first"}


def test_hooks_must_be_invoked_in_their_order_and_at_their_time(
    oci: Oci, bundle: Path
) -> None:
    box = _create(
        oci, bundle, _with_hooks(bundle, "sh", "-c", "echo program >>/out/order")
    )
    assert _order(bundle) == ["prestart", "createRuntime", "createContainer"]
    oci.said("start", box)
    _wait_for(oci, box, "stopped")
    assert _order(bundle)[3] == "startContainer"
    assert sorted(_order(bundle)[4:]) == ["poststart", "program"]
    oci.said("delete", box)
    assert _order(bundle)[6:] == ["poststop"]


def test_the_state_must_be_passed_to_hooks_over_stdin(oci: Oci, bundle: Path) -> None:
    box = _create(oci, bundle, _with_hooks(bundle, "true"))
    oci.said("start", box)
    _wait_for(oci, box, "stopped")
    oci.said("delete", box)
    expected = dict.fromkeys(
        ("prestart", "createRuntime", "createContainer"), "creating"
    )
    expected |= {"startContainer": "created", "poststart": "running"}
    expected |= {"poststop": "stopped"}
    for kind, status in expected.items():
        told = json.loads((bundle / "rootfs" / "out" / kind).read_text())
        assert (told["id"], told["status"]) == (box, status), kind
        assert told["bundle"] == str(bundle)


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "createContainer"])
def test_if_a_hook_of_create_fails_it_must_generate_an_error_and_end_at_poststop(
    oci: Oci, bundle: Path, kind: str
) -> None:
    box = new_id()
    write(bundle, _with_hooks(bundle, "touch", "/out/ran", failing=kind))
    assert _quiet(oci, bundle, "create", "-b", str(bundle), box) == 1
    assert oci("state", box).returncode == 1
    assert _order(bundle)[-2:] == [kind, "poststop"]
    assert not (bundle / "rootfs" / "out" / "ran").exists()


def test_if_a_hook_of_start_fails_it_must_generate_an_error_and_stop_the_container(
    oci: Oci, bundle: Path
) -> None:
    content = _with_hooks(bundle, "touch", "/out/ran", failing="startContainer")
    box = _create(oci, bundle, content)
    assert oci("start", box).returncode == 1
    # "... and continue the lifecycle at step 12": it is destroyed.
    assert "does not exist" in oci("state", box).stderr
    assert _order(bundle)[-2:] == ["startContainer", "poststop"]
    assert not (bundle / "rootfs" / "out" / "ran").exists()


def test_if_a_poststart_hook_fails_it_must_generate_an_error_and_stop_the_container(
    oci: Oci, bundle: Path
) -> None:
    box = _create(
        oci, bundle, _with_hooks(bundle, "sleep", "1000", failing="poststart")
    )
    assert oci("start", box).returncode == 1
    assert "does not exist" in oci("state", box).stderr
    assert _order(bundle)[-2:] == ["poststart", "poststop"]


def test_if_a_poststop_hook_fails_the_remaining_ones_must_go_on(
    oci: Oci, bundle: Path
) -> None:
    content = _with_hooks(bundle, "true", failing="poststop")
    content["hooks"]["poststop"].append(_hook(bundle, "second"))
    box = _create(oci, bundle, content)
    oci.said("start", box)
    _wait_for(oci, box, "stopped")
    assert oci("delete", box).returncode == 0
    assert _order(bundle)[-2:] == ["poststop", "second"]
    assert oci("state", box).returncode == 1


# -- Errors


def test_an_error_must_leave_the_environment_as_it_was(oci: Oci, bundle: Path) -> None:
    before = Path("/proc/self/mountinfo").read_text()
    content = document("true")
    content["linux"]["sysctl"] = {"net.ipv4.ip_forward": "x"}
    write(bundle, content)
    box = new_id()
    assert oci("create", "-b", str(bundle), box).returncode == 1
    assert oci.said("list", "-q") == ""
    assert Path("/proc/self/mountinfo").read_text() == before
    assert list(Path("/sys/fs/cgroup").glob(f"**/*{box}")) == []


# -- Operations


@pytest.mark.parametrize("verb", ["state", "create", "start", "kill", "delete"])
def test_it_must_generate_an_error_without_an_id(oci: Oci, verb: str) -> None:
    assert oci(verb).returncode == 1


@pytest.mark.parametrize("verb", ["state", "start", "kill", "delete"])
def test_it_must_generate_an_error_for_a_container_that_is_not_there(
    oci: Oci, verb: str
) -> None:
    done = oci(verb, new_id())
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not exist" in done.stderr


def test_an_id_that_is_not_unique_must_be_an_error_and_make_no_container(
    oci: Oci, bundle: Path
) -> None:
    box = _create(oci, bundle, document("sleep", "1000"))
    before = _state(oci, box)
    assert oci("create", "-b", str(bundle), box).returncode == 1
    assert _state(oci, box) == before
    assert oci.said("list", "-q") == f"{box}\n"


def test_what_cannot_be_applied_must_be_an_error_and_make_no_container(
    oci: Oci, bundle: Path
) -> None:
    content = document("true")
    content["linux"]["resources"] = {"cpu": {"cpus": "4095"}}
    write(bundle, content)
    assert oci("create", "-b", str(bundle), new_id()).returncode == 1
    assert oci.said("list", "-q") == ""


def test_start_of_what_is_not_created_must_have_no_effect(
    oci: Oci, bundle: Path
) -> None:
    box = _create(oci, bundle, document("sleep", "1000"))
    oci.said("start", box)
    before = _state(oci, box)
    assert oci("start", box).returncode == 1
    assert _state(oci, box) == before
    oci.said("kill", box, "KILL")
    _wait_for(oci, box, "stopped")
    assert oci("start", box).returncode == 1
    assert _state(oci, box)["status"] == "stopped"


def test_it_must_generate_an_error_if_no_process_was_set(
    oci: Oci, bundle: Path
) -> None:
    # Here by create already: nothing could ever be started.
    content = document("true")
    del content["process"]
    write(bundle, content)
    done = oci("create", "-b", str(bundle), new_id())
    assert done.returncode == 1
    assert "process" in done.stderr


def test_kill_of_what_is_neither_created_nor_running_must_have_no_effect(
    oci: Oci, bundle: Path
) -> None:
    box = _create(oci, bundle, document("true"))
    oci.said("start", box)
    _wait_for(oci, box, "stopped")
    before = _state(oci, box)
    assert oci("kill", box, "KILL").returncode == 1
    assert _state(oci, box) == before


def test_kill_must_send_the_signal_to_the_container_process(
    oci: Oci, bundle: Path
) -> None:
    script = (
        "trap 'touch /out/got; exit' USR1; touch /out/up; while :; do sleep 0.05; done"
    )
    box = _create(oci, bundle, document("sh", "-c", script))
    oci.said("start", box)
    deadline = time.monotonic() + 20
    while not (bundle / "rootfs" / "out" / "up").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    oci.said("kill", box, "USR1")
    _wait_for(oci, box, "stopped")
    assert (bundle / "rootfs" / "out" / "got").exists()


def test_kill_reaches_a_container_that_is_created(oci: Oci, bundle: Path) -> None:
    box = _create(oci, bundle, document("sleep", "1000"))
    oci.said("kill", box, "KILL")
    _wait_for(oci, box, "stopped")


def test_delete_of_what_runs_must_have_no_effect(oci: Oci, bundle: Path) -> None:
    # But what is only created goes: engines call delete to be rid of it.
    box = _create(oci, bundle, document("sleep", "1000"))
    oci.said("start", box)
    before = _state(oci, box)
    assert oci("delete", box).returncode == 1
    assert _state(oci, box) == before
    oci.said("pause", box)
    assert oci("delete", box).returncode == 1
    assert _state(oci, box)["status"] == "paused"


def test_delete_must_remove_what_create_has_made_and_nothing_else(
    oci: Oci, bundle: Path
) -> None:
    shared = Path(f"/run/lc-{new_id()}")
    shared.touch()
    subprocess.run(["mount", "--bind", "/proc/self/ns/net", shared], check=True)
    try:
        content = document("true")
        for item in content["linux"]["namespaces"]:
            if item["type"] == "network":
                item["path"] = str(shared)
        box = _create(oci, bundle, content)
        inode = shared.stat().st_ino
        oci.said("start", box)
        _wait_for(oci, box, "stopped")
        oci.said("delete", box)
        assert list(Path("/sys/fs/cgroup").glob(f"**/*{box}")) == []
        assert shared.stat().st_ino == inode
        assert (bundle / "rootfs").is_dir()
    finally:
        subprocess.run(["umount", shared], check=True)
        shared.unlink()


def test_the_id_may_be_used_again_once_it_is_deleted(oci: Oci, bundle: Path) -> None:
    box = _create(oci, bundle, document("true"))
    oci.said("delete", box)
    assert _quiet(oci, bundle, "create", "-b", str(bundle), box) == 0
    assert _state(oci, box)["status"] == "created"


# -- Half-made, of another version, not JSON


def test_a_container_is_creating_from_the_first_moment_and_goes_if_its_maker_dies(
    oci: Oci, bundle: Path
) -> None:
    # A hook is the host's: it goes on for its time, whoever dies.
    hook = {"path": shutil.which("sleep"), "args": ["sleep", "4"]}
    write(bundle, document("true", hooks={"createRuntime": [hook]}))
    box = new_id()
    words = [*oci.prefix, "create", "-b", str(bundle), box]
    with subprocess.Popen(words, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL) as made:
        deadline = time.monotonic() + 30
        while oci("state", box).returncode != 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert _state(oci, box)["status"] == "creating"
        made.kill()
    oci.said("delete", "--force", box)
    assert oci("state", box).returncode == 1
    assert list(Path("/sys/fs/cgroup").glob(f"**/*{box}")) == []


def test_a_state_of_a_newer_version_is_refused(
    oci: Oci, bundle: Path, state_root: Path
) -> None:
    box = _create(oci, bundle, document("sleep", "1000"))
    path = state_root / box / "state.json"
    text = path.read_text()
    newer = json.loads(text)
    (key,) = [name for name in newer if "schema" in name or name == "version"]
    path.write_text(json.dumps(newer | {key: 999}))
    for verb in ("state", "start", "kill", "delete"):
        done = oci(verb, box)
        assert (done.returncode, done.stdout) == (1, ""), verb
        assert len(done.stderr.splitlines()) == 1
        assert "999" in done.stderr
    path.write_text(text)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": 1,\n "b": }', "line 2 column 7"),
        (b'{"ociVersion": "\xff"}', "UTF-8"),
        (b'{"root": {}, "root": {}}', "root"),
        (b"[]", "object"),
        (b"", "line 1 column 1"),
        (b"[" * 100000, "deep"),
        (b'{"a": 1e999}', "a"),
    ],
    ids=["broken", "bytes", "twice", "array", "empty", "deep", "infinite"],
)
def test_what_is_no_json_is_told_with_its_place(
    oci: Oci, bundle: Path, content: bytes, said: str
) -> None:
    (bundle / "config.json").write_bytes(content)
    for command in (("create", new_id()), ("spec", "--check")):
        done = oci(command[0], "-b", str(bundle), *command[1:])
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert said in oci.messages()[-1]["msg"]
    assert oci.said("list", "-q") == ""
