# SPDX-License-Identifier: Apache-2.0
"""The command line of an OCI runtime, as engines call it."""

from __future__ import annotations

import array
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from referencing import Registry
from referencing.jsonschema import DRAFT4

from libcontainer.cgroups.annotations import PROPERTY, SUBGROUP
from tests.oci_bundles import Oci, cgroup_of, document, write
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

SCHEMAS = Path(__file__).resolve().parents[1] / "oci_schema"
SLEEPER = ("sh", "-c", "trap 'exit 3' TERM; echo up; sleep 1000 & wait")


def _state(oci: Oci, box: str) -> dict[str, Any]:
    return dict(json.loads(oci.said("state", box)))


def _wait_for(oci: Oci, box: str, status: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while (found := _state(oci, box))["status"] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


# -- the life of a container


def test_create_start_kill_delete_as_engines_do(
    oci: Oci, bundle: Path, tmp_path: Path
) -> None:
    box, pid_file = new_id(), tmp_path / "pid"
    write(bundle, document(*SLEEPER, annotations={"org.example.a": "b"}))
    output = tmp_path / "output"
    with output.open("w") as file:
        arguments = ["create", "--bundle", str(bundle), "--pid-file", str(pid_file)]
        subprocess.run(
            [*oci.prefix, *arguments, box],
            stdout=file,
            stdin=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )
    state = _state(oci, box)
    assert state["status"] == "created"
    assert state["pid"] == int(pid_file.read_text())
    assert state["bundle"] == str(bundle)
    assert state["annotations"] == {"org.example.a": "b"}
    assert state["ociVersion"].startswith("1.")
    assert output.read_text() == ""

    assert oci.said("start", box) == ""
    assert _state(oci, box)["status"] == "running"
    assert oci("delete", box).returncode == 1
    while output.read_text() != "up\n":
        time.sleep(0.01)
    oci.said("kill", box, "TERM")
    assert _wait_for(oci, box, "stopped")["pid"] == 0
    oci.said("delete", box)
    done = oci("state", box)
    assert (done.returncode, done.stdout) == (1, "")
    assert "does not exist" in done.stderr


@pytest.mark.needs("exit_info")
def test_wait_prints_how_it_ended(oci: Oci, bundle: Path) -> None:
    for script, code in (("sleep 1; exit 7", "7\n"), ("sleep 1; kill -9 $$", "137\n")):
        box = new_id()
        write(bundle, document("sh", "-c", f"sh -c '{script}'; exit $?"))
        # Its output is the caller's, whose pipe would otherwise stay open.
        command = [*oci.prefix, "create", "--bundle", str(bundle), box]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=60)
        oci.said("start", box)
        assert oci.said("wait", box) == code
        oci.said("delete", box)


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -9 $$", 137)])
def test_run_ends_as_its_program_does_and_leaves_nothing(
    oci: Oci, bundle: Path, script: str, status: int
) -> None:
    box = new_id()
    write(bundle, document("sh", "-c", f"echo out; echo err >&2; {script}"))
    done = oci("run", "--bundle", str(bundle), box)
    # The first process of a pid namespace cannot kill itself.
    expected = {137: {137, 0}}.get(status, {status})
    assert done.returncode in expected
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    assert oci.said("list", "-q") == ""


def test_run_keeps_the_container_if_asked(oci: Oci, bundle: Path) -> None:
    box = new_id()
    write(bundle, document("true"))
    oci.said("run", "--keep", "--bundle", str(bundle), box)
    assert _state(oci, box)["status"] == "stopped"
    oci.said("delete", box)


def test_run_detached_leaves_the_container_running(
    oci: Oci, bundle: Path, tmp_path: Path
) -> None:
    box, pid_file = new_id(), tmp_path / "pid"
    write(bundle, document("sleep", "1000"))
    where = ("--bundle", str(bundle), "--pid-file", str(pid_file))
    subprocess.run(
        [*oci.prefix, "run", "--detach", *where, box],
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert _state(oci, box)["pid"] == int(pid_file.read_text())
    assert _state(oci, box)["status"] == "running"
    oci.said("delete", "--force", box)


def test_the_bundle_may_be_the_current_directory_and_its_file_another(
    oci: Oci, bundle: Path
) -> None:
    write(bundle, document("echo", "here"))
    (bundle / "config.json").rename(bundle / "other.json")
    done = oci("run", "--config", "other.json", new_id(), cwd=bundle)
    assert (done.returncode, done.stdout) == (0, "here\n")


# -- what fails


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "config.json"),
        ('{"ociVersion": "1.0.0", "ociVersion": "1.0.0"}', "ociVersion"),
        (document("true", root={}), "root.path: is required"),
        (document("true", ociVersion="2.0.0"), "ociVersion"),
        (document("true", mounts=7), "mounts"),
        (document("true", linux={"namespaces": [{"type": "what"}]}), "namespaces"),
        (document("true", process=None), "process: is required"),
    ],
    ids=["json", "twice", "no root", "version", "type", "word", "no process"],
)
def test_a_bad_bundle_is_one_line_and_leaves_nothing(
    oci: Oci, bundle: Path, content: object, said: str
) -> None:
    write(bundle, content)
    done = oci("create", "--bundle", str(bundle), new_id())
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    (message,) = oci.messages()
    assert message["level"] == "error"
    assert said in message["msg"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*", message["time"])
    assert oci.said("list", "-q") == ""


def test_a_directory_without_a_configuration_is_told(oci: Oci, tmp_path: Path) -> None:
    done = oci("create", "--bundle", str(tmp_path), new_id())
    assert done.returncode == 1
    assert "config.json" in done.stderr


@pytest.mark.parametrize("box", ["../x", "a/b", "", ".", "x" * 300])
def test_an_id_that_is_a_path_is_refused(oci: Oci, bundle: Path, box: str) -> None:
    write(bundle, document("true"))
    done = oci("create", "--bundle", str(bundle), box)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize(
    ("program", "words"),
    [("/nope", "executable file not found"), ("/etc/passwd", "permission denied")],
)
def test_engines_find_their_words_when_a_program_cannot_run(
    oci: Oci, bundle: Path, program: str, words: str
) -> None:
    write(bundle, document(program))
    done = oci("create", "--bundle", str(bundle), new_id())
    assert done.returncode == 1
    assert words in oci.messages()[-1]["msg"]
    assert oci.said("list", "-q") == ""


def test_deleting_what_is_not_there(oci: Oci) -> None:
    assert oci("delete", new_id()).returncode == 1
    assert oci("delete", "--force", new_id()).returncode == 0


def test_unknown_keys_are_passed_over_and_told_by_check(oci: Oci, bundle: Path) -> None:
    content = document("echo", "fine", frob=1)
    content["process"]["frob"] = 2
    content["linux"]["frob"] = 3
    write(bundle, content)
    assert oci.said("run", "--bundle", str(bundle), new_id()) == "fine\n"
    checked = oci("spec", "--check", "--bundle", str(bundle))
    assert checked.returncode == 0
    for path in ("frob", "process.frob", "linux.frob"):
        assert f"warning: {path}: unknown key" in checked.stderr


# -- a further process


@pytest.fixture
def running(oci: Oci, bundle: Path) -> str:
    box = new_id()
    content = document("sleep", "1000")
    content["process"]["env"].append("FROM=bundle")
    write(bundle, content)
    arguments = ["run", "--detach", "--bundle", str(bundle), box]
    devnull = subprocess.DEVNULL
    subprocess.run(
        [*oci.prefix, *arguments], check=True, timeout=60, stdin=devnull, stdout=devnull
    )
    return box


def test_exec_has_streams_status_and_what_the_container_has(
    oci: Oci, running: str
) -> None:
    script = "cat; echo $FROM $MORE; id -u; pwd; exit 4"
    options = ("--env", "MORE=x", "--user", "1000:1000", "--cwd", "/tmp")
    done = oci("exec", *options, running, "sh", "-c", script, input="typed\n")
    assert done.returncode == 4
    assert done.stdout == "typed\nbundle x\n1000\n/tmp\n"


def test_exec_takes_a_process_from_a_file(
    oci: Oci, running: str, tmp_path: Path
) -> None:
    process = {
        "args": ["sh", "-c", "echo $A; id -u"],
        "env": ["A=b", "PATH=/bin"],
        "cwd": "/",
        "user": {"uid": 1000, "gid": 1000},
        "frob": "passed over",
    }
    (tmp_path / "process.json").write_text(json.dumps(process))
    pid_file = tmp_path / "pid"
    done = oci(
        *("exec", "--process", str(tmp_path / "process.json")),
        *("--pid-file", str(pid_file), running),
    )
    assert (done.returncode, done.stdout) == (0, "b\n1000\n")
    assert int(pid_file.read_text()) > 1


def test_exec_that_cannot_be_is_told_apart_from_its_program(
    oci: Oci, running: str
) -> None:
    done = oci("exec", running, "/nope")
    assert done.returncode == 255
    assert "executable file not found" in done.stderr
    assert oci("exec", new_id(), "true").returncode == 255


def test_exec_detached_goes_on(oci: Oci, running: str, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    arguments = ("exec", "--detach", "--pid-file", str(pid_file), running)
    with (tmp_path / "out").open("w") as out:
        subprocess.run(
            [*oci.prefix, *arguments, "sh", "-c", "sleep 0.3; echo late"],
            check=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            stdout=out,
        )
    assert Path(f"/proc/{pid_file.read_text()}").exists()
    deadline = time.monotonic() + 20
    while (tmp_path / "out").read_text() != "late\n":
        assert time.monotonic() < deadline
        time.sleep(0.02)


# -- control


def test_pause_and_resume(oci: Oci, running: str) -> None:
    oci.said("pause", running)
    assert _state(oci, running)["status"] == "paused"
    assert oci("exec", running, "true").returncode == 255
    oci.said("resume", running)
    assert _state(oci, running)["status"] == "running"


def test_kill_all_reaches_every_process(oci: Oci, running: str) -> None:
    subprocess.run(
        [*oci.prefix, "exec", "--detach", running, "sleep", "1001"],
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    assert len(json.loads(oci.said("ps", "--format", "json", running))) == 2
    oci.said("kill", "--all", running, "KILL")
    _wait_for(oci, running, "stopped")


def test_kill_of_what_has_stopped_says_so(oci: Oci, running: str) -> None:
    oci.said("kill", running, "9")
    _wait_for(oci, running, "stopped")
    done = oci("kill", running, "TERM")
    assert done.returncode == 1
    assert "not running" in done.stderr
    assert oci("kill", running, "NOPE").returncode == 1


def test_update_by_options_and_by_json(oci: Oci, running: str) -> None:
    limit = cgroup_of(_state(oci, running)["pid"], "pids") / "pids.max"
    oci.said("update", "--pids-limit", "57", running)
    assert limit.read_text() == "57\n"
    oci.said("update", "--resources", "-", running, input='{"pids": {"limit": 58}}')
    assert limit.read_text() == "58\n"
    done = oci("update", "--resources", "-", running, input='{"pids": {"limit": "x"}}')
    assert done.returncode == 1
    assert "pids.limit" in done.stderr
    assert limit.read_text() == "58\n"


def test_delete_by_expression(oci: Oci, bundle: Path) -> None:
    write(bundle, document("true"))
    boxes = [new_id() for _ in range(2)]
    for box in boxes:
        oci.said("run", "--keep", "--bundle", str(bundle), box)
    oci.said("delete", "--regex", "|".join(boxes))
    assert oci.said("list", "-q") == ""


def test_events_are_lines_of_json(oci: Oci, running: str) -> None:
    (line,) = oci.said("events", "--stats", running).splitlines()
    found = json.loads(line)
    assert (found["type"], found["id"]) == ("stats", running)
    assert found["data"]["pids"]["current"] == 1
    assert found["data"]["cpu"]["usage"]["total"] > 0
    assert found["data"]["memory"]["usage"]["usage"] > 0
    arguments = [*oci.prefix, "events", "--interval", "50ms", running]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert {line["type"] for line in lines} == {"stats"}
        oci.said("kill", running, "KILL")
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert oci("events", "--stats", running).returncode == 1
    assert oci("events", "--interval", "0s", running).returncode == 1


def test_an_oom_kill_is_an_event(oci: Oci, bundle: Path) -> None:
    box = new_id()
    fill = 'x=$(head -c 100000000 /dev/zero | tr "\\0" x)'
    content = document("sh", "-c", f"sh -c '{fill}'; sleep 1000")
    limits = {"limit": 32 << 20, "swap": 32 << 20}
    content["linux"]["resources"] = {"memory": limits}
    write(bundle, content)
    devnull = subprocess.DEVNULL
    arguments = [*oci.prefix, "run", "--detach", "--bundle", str(bundle), box]
    streams = {"stdin": devnull, "stdout": devnull, "stderr": devnull}
    subprocess.run(arguments, check=True, timeout=60, **streams)
    deadline = time.monotonic() + 20
    while '"type":"oom"' not in (said := oci.said("events", "--stats", box)):
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


def test_an_oom_kill_is_told_as_it_happens(oci: Oci, bundle: Path) -> None:
    box = new_id()
    fill = 'read go; x=$(head -c 100000000 /dev/zero | tr "\\0" x)'
    content = document("sh", "-c", f"sh -c '{fill}'; sleep 1000")
    limits = {"limit": 32 << 20, "swap": 32 << 20}
    content["linux"]["resources"] = {"memory": limits}
    write(bundle, content)
    read, written = os.pipe()
    arguments = [*oci.prefix, "run", "--detach", "--bundle", str(bundle), box]
    streams = {"stdin": read, "stdout": subprocess.DEVNULL}
    subprocess.run(
        arguments, check=True, timeout=60, stderr=subprocess.DEVNULL, **streams
    )
    os.close(read)
    follow = [*oci.prefix, "events", "--interval", "1h", box]
    with subprocess.Popen(follow, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["type"] == "stats"
        os.write(written, b"go\n")
        os.close(written)
        told = json.loads(process.stdout.readline())
        assert told == {"type": "oom", "id": box}
        oci.said("kill", box, "KILL")
        process.communicate(timeout=20)
    assert process.returncode == 0


# -- looking


def test_list_as_table_json_and_ids(oci: Oci, running: str, bundle: Path) -> None:
    assert oci.said("list", "--quiet") == f"{running}\n"
    (found,) = json.loads(oci.said("list", "--format", "json"))
    assert json.loads(oci.said("list", "--json")) == [found]
    assert found["id"] == running
    assert found["bundle"] == str(bundle)
    title, line = oci.said("list").splitlines()
    assert title.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert line.split()[:3] == [running, str(found["pid"]), "running"]


def test_ps_as_table_and_json(oci: Oci, running: str) -> None:
    pid = _state(oci, running)["pid"]
    assert json.loads(oci.said("ps", "--format", "json", running)) == [pid]
    assert json.loads(oci.said("ps", "--json", running)) == [pid]
    title, line = oci.said("ps", running).splitlines()
    assert title.split()[1] == "PID"
    assert line.split()[1] == str(pid)
    _, line = oci.said("ps", running, "-o", "pid,comm").splitlines()
    assert line.split() == [str(pid), "sleep"]


def test_version_and_features_are_those_engines_read(oci: Oci) -> None:
    assert re.match(
        r"libcontainer version \S+\ncommit: v\S+\nspec: 1\.", oci.said("--version")
    )
    features = json.loads(oci.said("features"))
    assert "cgroup" in features["linux"]["namespaces"]
    assert "rbind" in features["mountOptions"]


def _validator(name: str) -> jsonschema.Draft4Validator:
    """Return a check against a schema of the specification."""
    resources = [
        (path.name, DRAFT4.create_resource(json.loads(path.read_text())))
        for path in SCHEMAS.glob("*.json")
    ]
    schema = {"$ref": name}
    registry = Registry().with_resources(resources)
    return jsonschema.Draft4Validator(schema, registry=registry)


def test_a_state_is_of_the_schema(oci: Oci, running: str) -> None:
    _validator("state-schema.json").validate(_state(oci, running))


def test_features_are_of_the_schema(oci: Oci) -> None:
    features = json.loads(oci.said("features"))
    _validator("features-schema.json").validate(features)
    assert {"ro", "rbind", "idmap"} <= set(features["mountOptions"])
    assert "createRuntime" in features["hooks"]
    unsafe = features["potentiallyUnsafeConfigAnnotations"]
    assert set(unsafe) == {PROPERTY, SUBGROUP}


@pytest.mark.parametrize("option", [(), ("--rootless",)])
def test_a_specification_is_of_the_schema(
    oci: Oci, tmp_path: Path, option: tuple[str, ...]
) -> None:
    oci.said("spec", "--bundle", str(tmp_path), *option)
    written = json.loads((tmp_path / "config.json").read_text())
    _validator("config-schema.json").validate(written)
    # What is there is not overwritten.
    assert oci("spec", "--bundle", str(tmp_path)).returncode == 1


def test_spec_writes_what_can_be_run(oci: Oci, bundle: Path) -> None:
    oci.said("spec", "--bundle", str(bundle))
    written = json.loads((bundle / "config.json").read_text())
    written["process"] |= {"terminal": False, "args": ["hostname"]}
    write(bundle, written)
    assert oci.said("run", "--bundle", str(bundle), new_id()) == "libcontainer\n"


# -- terminals


def _receive(listener: socket.socket) -> int:
    connection, _ = listener.accept()
    with connection:
        _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    ((_, _, data),) = ancillary
    return array.array("i", data)[0]


def test_the_terminal_goes_to_the_engine(
    oci: Oci, bundle: Path, public_tmp: Path
) -> None:
    content = document("sh", "-c", "tty; stty size")
    content["process"] |= {"terminal": True, "consoleSize": {"height": 9, "width": 33}}
    write(bundle, content)
    box = new_id()
    assert oci("create", "--bundle", str(bundle), box).returncode == 1
    path = str(public_tmp / f"{box}.socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(20)
        oci.said("create", "--bundle", str(bundle), "--console-socket", path, box)
        master = _receive(listener)
    os.unlink(path)
    oci.said("start", box)
    said = b""
    try:
        while b"33" not in said:
            said += os.read(master, 1000)
    finally:
        os.close(master)
    assert said.split() == [b"/dev/pts/0", b"9", b"33"]
    oci.said("delete", "--force", box)


def test_a_signal_of_the_caller_is_passed_on_by_run(oci: Oci, bundle: Path) -> None:
    write(bundle, document(*SLEEPER))
    arguments = [*oci.prefix, "run", "--bundle", str(bundle), new_id()]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 3
