# SPDX-License-Identifier: Apache-2.0
"""The calls that scripts and other runtimes' own tests make, and what they look for.

Each was seen in a script that was written for another runtime: words of errors,
exit statuses, forms of output, order of options.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.oci_bundles import Oci, cgroup_of, document, write
from tests.root.conftest import new_id
from tests.root.test_detached import wait_until

pytestmark = pytest.mark.needs("root", "rootfs")

DEVNULL = subprocess.DEVNULL
SCRIPT = "#!/mmnnttbb foo bar\nsh\n"


def _start(oci: Oci, bundle: Path, *words: str, **changes: Any) -> str:
    """Run a container in the background; return its id."""
    box = new_id()
    content = document(*(words or ("sleep", "1000")))
    content["linux"] |= changes.pop("linux", {})
    write(bundle, content | changes)
    # A pipe would be the container's too, and end with it alone.
    with (bundle / "said").open("w") as said:
        done = subprocess.run(
            [*oci.prefix, "run", "-d", "-b", str(bundle), box],
            stdin=DEVNULL,
            stdout=said,
            stderr=said,
            check=False,
            timeout=20,
        )
    assert done.returncode == 0, (bundle / "said").read_text()
    return box


@pytest.fixture
def running(oci: Oci, bundle: Path) -> str:
    return _start(oci, bundle)


def _status(oci: Oci, box: str) -> str:
    return str(json.loads(oci.said("state", box))["status"])


def _wait_for(oci: Oci, box: str, status: str) -> None:
    deadline = time.monotonic() + 20
    while (found := _status(oci, box)) != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def _host_cgroup(oci: Oci, box: str, controller: str) -> Path:
    return cgroup_of(json.loads(oci.said("state", box))["pid"], controller)


# -- options


def test_global_options_come_before_or_after_the_command(
    oci: Oci, running: str
) -> None:
    root = oci.prefix[oci.prefix.index("--root") + 1]
    base = [sys.executable, "-m", "libcontainer.commands.oci"]
    for words in (
        ["--root", root, "state", running],
        [f"--root={root}", "state", running],
        ["state", "--root", root, running],
        ["state", running, f"--root={root}"],
        ["--debug", "--log-format", "text", "--root", root, "state", running],
        ["--cgroup-manager=cgroupfs", f"--root={root}", "state", "--", running],
        ["--rootless=auto", "--criu=criu", f"--root={root}", "state", running],
        ["-root", root, "state", running],
    ):
        done = subprocess.run(
            [*base, *words], capture_output=True, text=True, check=False, timeout=20
        )
        assert done.returncode == 0, (words, done.stderr)
        assert json.loads(done.stdout)["id"] == running


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope", "-h"], "No help topic for 'nope'"),
        (["state"], "ID is missing"),
        (["state", "a", "b"], "'b' is too much"),
        (["state", "--nope", "a"], "unknown option --nope"),
        (["run", "-dx", "a"], "unknown option -x"),
        (["run", "--bundle"], "a value is needed"),
        (["list", "--format", "xml"], "one of table, json"),
        (["run", "--preserve-fds", "x", "a"], "takes a number"),
        (["run", "--detach=perhaps", "a"], "on or off"),
        (["--log-format=invalid", "list"], "one of text, json"),
        (["--log=/nope/nope/log", "list"], "'--log=/nope/nope/log': No such file"),
        (["mounts", "turn", "a", "b"], "add or remove"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_is_not_understood_is_one_line(
    oci: Oci, words: list[str], said: str
) -> None:
    prefix = oci.prefix[:3]
    done = subprocess.run(
        [*prefix, *words], capture_output=True, text=True, check=False, timeout=20
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_every_command_has_help(oci: Oci) -> None:
    page = oci.said("--help")
    assert page.splitlines()[0] == "NAME:"
    assert "Open Container Initiative runtime" in page.splitlines()[1]
    assert oci.said() == page
    names = page.partition("COMMANDS:\n")[2].partition("\n\n")[0].splitlines()
    assert len(names) >= 20
    for line in names:
        name = line.split()[0]
        if name == "image":
            continue  # it has commands of its own
        for option in ("--help", "-h"):
            shown = oci.said(name, option).splitlines()
            assert shown[0] == "NAME:"
            assert shown[1].strip().startswith(f"oci.py {name} - ") or (
                f"libcontainer {name} - " in shown[1]
            )


def test_a_link_of_another_name_is_that_program(tmp_path: Path) -> None:
    link = tmp_path / "runc"
    link.symlink_to(Path(sys.executable).with_name("libcontainer"))
    done = subprocess.run(
        [link, "--version"], capture_output=True, text=True, check=True
    )
    number = r"\d+\.\d+\.\d+"
    lines = rf"runc version {number}\ncommit: v{number}\nspec: {number}\n"
    assert re.fullmatch(lines, done.stdout)
    done = subprocess.run(
        [link, "delete", "-h"], capture_output=True, text=True, check=True
    )
    assert "runc delete - " in done.stdout


def test_debug_goes_to_standard_error_or_to_the_log(
    oci: Oci, bundle: Path, tmp_path: Path
) -> None:
    write(bundle, document("echo", "Hello World"))
    base = [*oci.prefix[:5], "--debug"]
    run = ["run", "--bundle", str(bundle), new_id()]

    def told(*options: str) -> subprocess.CompletedProcess[str]:
        words = [*base, *options, *run]
        return subprocess.run(words, capture_output=True, text=True, check=True)

    done = told()
    assert done.stdout == "Hello World\n"
    assert "level=debug" in done.stderr
    assert "pivot_root" in done.stderr
    log = tmp_path / "debug.log"
    done = told("--log", str(log))
    assert (done.stdout, done.stderr) == ("Hello World\n", "")
    assert "level=debug" in log.read_text()
    log.unlink()
    told("--log", f"file:{log}", "--log-format", "json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {line["level"] for line in lines} == {"debug"}
    assert '"level":"debug"' in log.read_text()


# -- run and create


def test_run_twice_under_one_id(oci: Oci, bundle: Path) -> None:
    box = new_id()
    write(bundle, document("echo", "hi"))
    for _ in range(2):
        assert oci.said("run", "-b", str(bundle), box) == "hi\n"


def test_an_id_that_is_taken(oci: Oci, bundle: Path, running: str) -> None:
    done = oci("create", "--bundle", str(bundle), running)
    assert done.returncode == 1
    assert "container with given ID already exists" in done.stderr
    assert _status(oci, running) == "running"


def test_a_configuration_below_the_bundle(oci: Oci, bundle: Path) -> None:
    (bundle / "config").mkdir()
    write(bundle, document("echo", "other"))
    (bundle / "config.json").rename(bundle / "config" / "config.json")
    said = oci.said("run", "--config", "config/config.json", new_id(), cwd=bundle)
    assert said == "other\n"


def test_a_created_container_is_deleted_without_force(oci: Oci, bundle: Path) -> None:
    box = new_id()
    write(bundle, document("sleep", "1000"))
    subprocess.run(
        [*oci.prefix, "create", "-b", str(bundle), box],
        check=True,
        stdin=DEVNULL,
        stdout=DEVNULL,
        timeout=20,
    )
    assert oci.said("exec", box, "echo", "before") == "before\n"
    oci.said("delete", box)
    assert oci("state", box).returncode == 1


def test_the_default_cgroup_is_found_by_the_id(oci: Oci, running: str) -> None:
    assert running in _host_cgroup(oci, running, "pids").name


def test_a_cgroup_is_for_one_container(oci: Oci, bundle: Path) -> None:
    path = f"/libcontainer-calls-{os.getpid()}/shared"
    _start(oci, bundle, linux={"cgroupsPath": path})
    for command in ("create", "run"):
        done = oci(command, "-b", str(bundle), new_id())
        assert done.returncode == 1
        assert "container's cgroup is not empty" in done.stderr


def test_a_cgroup_that_is_frozen_is_refused(oci: Oci, bundle: Path) -> None:
    hierarchy = Path("/sys/fs/cgroup/freezer")
    if not hierarchy.is_dir():
        pytest.skip("cgroup v2")
    own = Path("/proc/self/cgroup").read_text().partition(":freezer:")[2]
    frozen = hierarchy / own.partition("\n")[0].strip("/") / f"lc-frozen-{os.getpid()}"
    frozen.mkdir()
    try:
        (frozen / "freezer.state").write_text("FROZEN")
        content = document("true")
        content["linux"]["cgroupsPath"] = frozen.name
        write(bundle, content)
        for command in ("create", "run"):
            done = oci(command, "-b", str(bundle), new_id())
            assert done.returncode == 1
            assert "container's cgroup unexpectedly frozen" in done.stderr
    finally:
        if frozen.exists():
            frozen.rmdir()


def test_a_program_of_a_missing_interpreter(oci: Oci, bundle: Path) -> None:
    script = bundle / "rootfs" / "run.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    write(bundle, document("/run.sh"))
    done = oci("run", "-b", str(bundle), new_id())
    assert done.returncode != 0
    # Alone and exactly so, while the log has the rest.
    assert done.stderr == "exec /run.sh: no such file or directory\n"
    assert "[ENOENT" in oci.messages()[-1]["msg"]


def test_the_home_of_the_user_is_looked_up(oci: Oci, bundle: Path) -> None:
    with (bundle / "rootfs" / "etc" / "passwd").open("a") as file:
        file.write("tempuser:x:2000:2000:tempuser:/home/tempuser:/bin/sh\n")
    content = document("sh", "-c", "echo $HOME")
    content["process"]["user"] = {"uid": 2000, "gid": 0}
    write(bundle, content)
    assert oci.said("run", "-b", str(bundle), new_id()) == "/home/tempuser\n"
    box = _start(oci, bundle)
    exec_ = ("exec", "-u", "2000", box, "sh", "-c", "echo $HOME")
    assert oci.said(*exec_) == "/home/tempuser\n"
    exec_ = ("exec", "--user", "4242", box, "sh", "-u", "-c", "echo $HOME")
    assert oci.said(*exec_) == "/\n"


def test_a_default_device_may_be_listed_too(oci: Oci, bundle: Path) -> None:
    content = document("stat", "-c", "%a %t %T", "/dev/tty")
    tty = {"path": "/dev/tty", "type": "c", "major": 5, "minor": 0}
    content["linux"]["devices"] = [tty]
    write(bundle, content)
    assert oci.said("run", "-b", str(bundle), new_id()) == "666 5 0\n"


@pytest.mark.parametrize(
    "kind",
    ["prestart", "createRuntime", "createContainer", "startContainer", "poststart"],
)
def test_a_hook_that_fails_is_named_by_its_number(
    oci: Oci, bundle: Path, kind: str
) -> None:
    hooks = {kind: [{"path": "/bin/true"}, {"path": "/bin/false"}]}
    write(bundle, document("true", hooks=hooks))
    done = oci("run", "-b", str(bundle), new_id())
    assert done.returncode != 0
    assert f"error running {kind} hook #1:" in done.stderr
    assert oci.said("list", "-q") == ""


def test_resources_of_the_other_version_are_refused(oci: Oci, bundle: Path) -> None:
    if not Path("/sys/fs/cgroup/memory").is_dir():
        pytest.skip("cgroup v2")
    content = document("true")
    content["linux"]["resources"] = {"unified": {"memory.min": "131072"}}
    write(bundle, content)
    done = oci("run", "-d", "-b", str(bundle), new_id())
    assert done.returncode == 1
    assert "unified" in done.stderr


# -- descriptors


def test_fds_are_preserved_as_far_as_they_are_open(oci: Oci, bundle: Path) -> None:
    write(bundle, document("sh", "-c", "cat <&5; ls /proc/self/fd"))
    read, other = os.pipe()
    os.write(other, b"hello\n")
    os.close(other)
    inner = 'exec 5<&"$0" 3<&- 4<&-; exec "$@"'
    words = ["run", "--preserve-fds", "100", "-b", str(bundle), new_id()]
    done = subprocess.run(
        ["bash", "-c", inner, str(read), *oci.prefix, *words],
        pass_fds=(read,),
        stdin=DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    os.close(read)
    assert done.stdout.splitlines()[0] == "hello", done.stderr
    words[2] = "1"
    done = subprocess.run(
        ["bash", "-c", 'exec 3<&-; exec "$@"', "bash", *oci.prefix, *words],
        stdin=DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 1
    assert "preserved-fd 0" in done.stderr


def test_sockets_of_a_service_manager_are_passed_on(oci: Oci, bundle: Path) -> None:
    script = "echo $LISTEN_FDS $LISTEN_PID; readlink /proc/self/fd/3"
    write(bundle, document("sh", "-c", script))
    with socket.socket() as listener:
        for pid in (None, "1", "999999"):
            environment = {**os.environ, "LISTEN_FDS": "1"}
            if pid is not None:
                environment["LISTEN_PID"] = pid
            words = ["run", "-b", str(bundle), new_id()]
            inner = 'exec 3<&"$0"; exec "$@"'
            done = subprocess.run(
                ["bash", "-c", inner, str(listener.fileno()), *oci.prefix, *words],
                pass_fds=(listener.fileno(),),
                stdin=DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                env=environment,
                timeout=20,
            )
            first, *others = done.stdout.splitlines()
            if pid == "999999":
                assert first == ""
            else:
                assert first == "1 1", done.stderr
                assert others[0].startswith("socket:")


# -- exec


def test_the_status_of_exec(oci: Oci, running: str) -> None:
    assert oci("exec", running, "false").returncode == 1
    assert oci("exec", running, "sh", "-c", "exit 42").returncode == 42
    assert oci("exec", running, "no-such-binary").returncode == 255
    assert oci("exec", "-d", running, "/no-such-binary").returncode == 255
    assert oci("exec", "no-such-container", "true").returncode == 255
    at = ("--pid-file", "/non-existent/directory")
    assert oci("exec", *at, running, "true").returncode == 255
    assert oci("exec", running).returncode == 255
    assert oci("exec").returncode == 255


def test_exec_with_every_option(oci: Oci, running: str, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid.txt"
    script = "id -G; pwd; echo $A $B; grep -E 'CapEff|NoNew' /proc/self/status"
    said = oci.said(
        *("exec", "-u", "1000:1000", "-g", "100", "--additional-gids", "65534"),
        *("-e", "A=1", "--env=B=2", "--cwd", "/bin", "-c", "CAP_SYS_ADMIN"),
        *("--no-new-privs", "--pid-file", str(pid_file), "--process-label", ""),
        *("--apparmor", "", running, "sh", "-c", script),
    )
    groups, cwd, variables, effective, nnp = said.splitlines()
    assert groups == "1000 100 65534"
    assert (cwd, variables) == ("/bin", "1 2")
    # A user that is not root has what is ambient alone.
    assert effective.split()[1].strip("0") == ""
    assert nnp.split() == ["NoNewPrivs:", "1"]
    assert re.fullmatch(r"\d+", pid_file.read_text())
    state = json.loads(oci.said("state", running))
    assert int(pid_file.read_text()) != state["pid"]


def test_exec_adds_a_capability_and_passes_an_unknown_one_over(
    oci: Oci, bundle: Path
) -> None:
    content = document("sleep", "1000")
    content["process"]["capabilities"] = {}
    box = _start(oci, bundle, process=content["process"])

    def effective(*options: str) -> str:
        words = ("exec", *options, box, "grep", "CapEff", "/proc/self/status")
        return oci.said(*words).split()[1]

    assert effective() == "0" * 16
    assert effective("--cap", "CAP_KILL") == "0000000000000020"
    assert effective("--cap", "CAP_UNKNOWN") == "0" * 16


def test_exec_reads_a_process_from_a_pipe(oci: Oci, running: str) -> None:
    process = {"args": ["sh", "-c", "id -u; tty"], "cwd": "/"}
    read, other = os.pipe()
    os.write(other, json.dumps(process).encode())
    os.close(other)
    done = subprocess.run(
        [*oci.prefix, "exec", "-t", "-p", f"/dev/fd/{read}", running],
        pass_fds=(read,),
        stdin=DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    os.close(read)
    assert done.stdout.split() == ["0", "/dev/pts/0"], done.stderr


def test_a_terminal_needs_no_terminal_of_the_caller(oci: Oci, running: str) -> None:
    done = oci("exec", "-t", running, "sh", "-c", "stty size; exit 3")
    assert (done.returncode, done.stderr) == (3, "")


def test_exec_in_a_paused_container(oci: Oci, running: str) -> None:
    oci.said("pause", running)
    done = oci("exec", running, "echo", "ok")
    assert done.returncode == 255
    assert "cannot exec in a paused container" in done.stderr
    resume = subprocess.Popen(
        ["sh", "-c", f"sleep 1; {_words(oci, 'resume', running)}"]
    )
    assert oci.said("exec", "--ignore-paused", running, "echo", "ok") == "ok\n"
    assert resume.wait(20) == 0


def _words(oci: Oci, *words: str) -> str:
    return " ".join([*oci.prefix, *words])


def test_exec_waits_until_a_fifo_is_read(
    oci: Oci, running: str, tmp_path: Path
) -> None:
    fifo, pid_file = tmp_path / "go", tmp_path / "pid"
    os.mkfifo(fifo)
    exec_ = ("exec", "--exec-wait-fifo")
    words = (*exec_, str(fifo), "-d", "--pid-file", str(pid_file), running)
    # It waits with the streams that its program is to have.
    silent = subprocess.DEVNULL
    line = [*oci.prefix, *words, "touch", "/tmp/ran"]
    subprocess.run(line, stdout=silent, stderr=silent, check=True, timeout=30)
    assert Path(f"/proc/{pid_file.read_text()}").exists()
    assert oci("exec", running, "test", "-e", "/tmp/ran").returncode == 1
    assert fifo.read_bytes() == b""
    wait_until(lambda: oci("exec", running, "test", "-e", "/tmp/ran").returncode == 0)
    done = oci(*exec_, str(pid_file), running, "true")
    assert (done.returncode, "is not a fifo" in done.stderr) == (255, True)
    done = oci(*exec_, str(tmp_path / "none"), running, "true")
    assert done.returncode == 255
    assert "failed to open exec wait fifo" in done.stderr


def test_exec_in_a_cgroup_below(oci: Oci, running: str) -> None:
    if not Path("/sys/fs/cgroup/memory").is_dir():
        pytest.skip("cgroup v2")
    below = _host_cgroup(oci, running, "memory") / "submem"
    below.mkdir()
    cat = (running, "cat", "/proc/self/cgroup")
    done = oci("exec", "--cgroup", "..", *cat)
    assert done.returncode == 255
    assert "bad sub cgroup path" in done.stderr
    for word in ("nonexistent", "cpu:nonexistent"):
        done = oci("exec", "--cgroup", word, *cat)
        assert done.returncode == 255
        assert re.search(" adding pid .*no such file or directory", done.stderr)
    done = oci("exec", "--cgroup", "whaaat:/", *cat)
    assert "unknown controller" in done.stderr
    assert oci.said("exec", "--cgroup", "/", *cat) == oci.said("exec", *cat)
    for first in ((), ("--cgroup", "/")):
        said = oci.said("exec", *first, "--cgroup", "memory:submem", *cat)
        assert ":memory:/submem\n" in said
    assert ":pids:/\n" in said


# -- kill and delete


def test_kill_of_what_has_ended(oci: Oci, running: str) -> None:
    oci.said("kill", running, "KILL")
    _wait_for(oci, running, "stopped")
    done = oci("kill", running, "0")
    assert done.returncode == 1
    assert "container not running" in done.stderr
    assert oci("kill", "-a", running, "0").returncode == 0
    assert oci.said("ps", running).splitlines()[0].split()[1] == "PID"
    oci.said("delete", running)


@pytest.mark.parametrize("word", ["SIGUSR1", "usr1", "10", "RTMIN+3", "SIGRTMAX-1"])
def test_kill_by_name_and_number(oci: Oci, bundle: Path, word: str) -> None:
    names = {"RTMIN+3": signal.SIGRTMIN + 3, "SIGRTMAX-1": signal.SIGRTMAX - 1}
    number = int(names.get(word, signal.SIGUSR1))
    script = f"trap 'echo got >/got' {number}; while :; do sleep 0.05; done"
    box = _start(oci, bundle, "sh", "-c", script)
    deadline = time.monotonic() + 20
    while not (bundle / "rootfs" / "got").exists():
        # Until the shell has come to its trap, the first process ignores it.
        oci.said("kill", box, word)
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_kill_refuses_what_is_no_signal(oci: Oci, running: str) -> None:
    for word in ("INVALID_SIGNAL", "65", "-1", "RTMIN+99", "1e1"):
        assert oci("kill", "--", running, word).returncode == 1
    assert oci("kill", "nonexistent", "TERM").returncode == 1


def _without_pids(bundle: Path, oci: Oci) -> tuple[str, list[int]]:
    kinds = [{"type": kind} for kind in ("mount", "ipc", "uts", "network")]
    box = _start(oci, bundle, linux={"namespaces": kinds})
    for _ in range(3):
        subprocess.run(
            [*oci.prefix, "exec", "-d", box, "sleep", "3600"],
            check=True,
            stdin=DEVNULL,
            stdout=DEVNULL,
            timeout=20,
        )
    pids = json.loads(oci.said("ps", "-f", "json", box))
    assert len(pids) == 4
    return box, pids


def _wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 20
    for pid in pids:
        # It may go between the open and the read: that is ESRCH.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while _letter_of(pid) not in "ZX":
                assert time.monotonic() < deadline
                time.sleep(0.02)


def _letter_of(pid: int) -> str:
    text = Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()[0]


@pytest.mark.parametrize("first", [False, True], ids=["init lives", "init is gone"])
def test_kill_ends_all_that_shares_the_hosts_pids(
    oci: Oci, bundle: Path, *, first: bool
) -> None:
    box, pids = _without_pids(bundle, oci)
    init = json.loads(oci.said("state", box))["pid"]
    if first:
        os.kill(init, signal.SIGKILL)
        _wait_until_gone([init])
    oci.said("kill", box, "KILL")
    _wait_for(oci, box, "stopped")
    _wait_until_gone(pids)
    assert oci("kill", box, "KILL").returncode == 1


@pytest.mark.parametrize("options", [(), ("--force",)])
def test_delete_ends_what_its_init_has_left(
    oci: Oci, bundle: Path, options: tuple[str, ...]
) -> None:
    box, pids = _without_pids(bundle, oci)
    init = json.loads(oci.said("state", box))["pid"]
    os.kill(init, signal.SIGKILL)
    _wait_until_gone([init])
    oci.said("delete", *options, box)
    _wait_until_gone(pids)


def test_delete_of_a_paused_container(oci: Oci, running: str) -> None:
    oci.said("pause", running)
    assert oci("delete", running).returncode == 1
    oci.said("delete", "--force", running)
    assert oci("state", running).returncode == 1


def test_kill_of_a_paused_container_ends_it(oci: Oci, running: str) -> None:
    oci.said("pause", running)
    oci.said("kill", running, "KILL")
    _wait_for(oci, running, "stopped")


def test_delete_takes_cgroups_that_were_made_inside(oci: Oci, bundle: Path) -> None:
    box = _start(oci, bundle)
    below = _host_cgroup(oci, box, "freezer") / "foo"
    below.mkdir()
    pid = json.loads(oci.said("state", box))["pid"]
    (below / "cgroup.procs").write_text(str(pid))
    oci.said("delete", "--force", box)
    assert not below.parent.exists()


def test_delete_and_kill_by_an_expression(oci: Oci, bundle: Path) -> None:
    boxes = [_start(oci, bundle) for _ in range(2)]
    assert oci("kill", "--regex", "(", "9").returncode == 1
    oci.said("kill", "--regex", "^test-", "KILL")
    for box in boxes:
        _wait_for(oci, box, "stopped")
    oci.said("delete", "-f", "--regex", "test-*")
    assert oci.said("list", "-q") == ""


# -- looking


def test_the_forms_of_list_events_and_ps(oci: Oci, bundle: Path) -> None:
    boxes = [_start(oci, bundle) for _ in range(3)]
    title, *lines = oci.said("list").splitlines()
    assert re.match("ID +PID +STATUS +BUNDLE +CREATED +OWNER", title)
    assert [line.split()[0] for line in lines] == sorted(boxes)
    assert oci.said("list", "-q").split() == sorted(boxes)
    said = oci.said("list", "--format", "json")
    one = (
        r'\{"ociVersion":"1\.\d\.\d","id":"%s","pid":\d+,"status":"running",'
        r'"bundle":"[^"]+","rootfs":"[^"]+","created":"[^"]+"[^}]*\}'
    )
    each = ",".join(one % re.escape(box) for box in sorted(boxes))
    assert re.fullmatch(rf"\[{each}\]\n", said)
    said = oci.said("events", "--stats", boxes[0])
    assert said.startswith(f'{{"type":"stats","id":"{boxes[0]}","data":')
    assert re.search(
        "UID +PID +PPID +C +STIME +TTY +TIME +CMD", oci.said("ps", boxes[0])
    )
    assert re.search(
        " +PID +TTY +STAT +TIME +COMMAND", oci.said("ps", boxes[0], "-e", "x")
    )
    assert oci("pause", "nonexistent").returncode == 1
    assert oci("resume", "nonexistent").returncode == 1


def test_the_keys_of_state(oci: Oci, running: str, bundle: Path) -> None:
    found = json.loads(oci.said("state", running))
    assert list(found)[:7] == [
        *("ociVersion", "id", "pid", "status", "bundle", "rootfs", "created")
    ]
    assert found["rootfs"] == str(bundle / "rootfs")
    assert found["owner"] == "root"


@pytest.mark.needs("exit_info")
def test_wait_and_gc(oci: Oci, bundle: Path) -> None:
    box = _start(oci, bundle, "sh", "-c", "sleep 2; exit 5")
    assert oci.said("wait", box) == "5\n"
    assert oci.said("gc") == ""


def test_check_says_what_works(oci: Oci) -> None:
    rows = json.loads(oci.said("check", "--format", "json"))
    works = {row["feature"]: row["works"] for row in rows}
    assert works["containers"]
    assert "containers" in oci.said("check", "containers")


# -- limits


def test_update_by_every_option(oci: Oci, bundle: Path) -> None:
    if not Path("/sys/fs/cgroup/memory").is_dir():
        pytest.skip("cgroup v2")
    limits = {
        "memory": {"limit": 32 << 20, "reservation": 24 << 20},
        "cpu": {"shares": 100, "quota": 500000, "period": 1000000},
        "pids": {"limit": 20},
    }
    box = _start(oci, bundle, linux={"resources": limits})

    def value(controller: str, name: str) -> str:
        return (_host_cgroup(oci, box, controller) / f"{controller}.{name}").read_text()

    def quota() -> tuple[str, str]:
        return value("cpu", "cfs_quota_us"), value("cpu", "cfs_period_us")

    oci.said("update", box, "--memory", "67108864")
    assert value("memory", "limit_in_bytes") == "67108864\n"
    oci.said("update", box, "--memory", "50M", "--memory-reservation", "33554432")
    assert value("memory", "limit_in_bytes") == "52428800\n"
    assert value("memory", "soft_limit_in_bytes") == "33554432\n"
    oci.said("update", box, "--memory", "30M", "--memory-swap", "50M")
    oci.said("update", box, "--memory", "60M", "--memory-swap", "80M")
    assert value("memory", "memsw.limit_in_bytes") == f"{80 << 20}\n"
    oci.said("update", box, "--memory-swap", "-1")
    oci.said("update", box, "--memory", "-1")
    assert int(value("memory", "limit_in_bytes")) > 2**60
    oci.said("update", "--cpu-period", "900000", box)
    assert quota() == ("500000\n", "900000\n")
    oci.said("update", "--cpu-quota", "600000", "--cpu-share", "200", box)
    assert quota() == ("600000\n", "900000\n")
    assert value("cpu", "shares") == "200\n"
    oci.said("update", "--cpu-quota", "-1", "--cpu-period", "100000", box)
    assert quota() == ("-1\n", "100000\n")
    oci.said("update", "--pids-limit", "10", "--cpuset-cpus", "0", box)
    assert value("pids", "max") == "10\n"
    assert value("cpuset", "cpus") == "0\n"
    oci.said("update", "--pids-limit=-1", box)
    assert value("pids", "max") == "max\n"
    oci.said("update", "-r", "-", box, input=json.dumps(limits))
    assert quota() == ("500000\n", "1000000\n")
    assert value("pids", "max") == "20\n"
    done = oci("update", "--l3-cache-schema", "L3:0=f", box)
    assert done.returncode == 1


def test_a_quota_or_a_period_alone(oci: Oci, bundle: Path) -> None:
    if not Path("/sys/fs/cgroup/cpu").is_dir():
        pytest.skip("cgroup v2")
    for limits, expected in (
        ({"period": 1000000}, ["-1", "1000000"]),
        ({"quota": 5000}, ["5000", "100000"]),
        ({}, ["-1", "100000"]),
    ):
        box = _start(oci, bundle, linux={"resources": {"cpu": limits}})
        at = _host_cgroup(oci, box, "cpu")
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        assert [(at / name).read_text().strip() for name in names] == expected
        oci.said("delete", "-f", box)
    box = _start(oci, bundle)
    oci.said("update", "--cpu-quota", "30000", box)
    at = _host_cgroup(oci, box, "cpu")
    assert (at / "cpu.cfs_quota_us").read_text() == "30000\n"


# -- mounts, terminals, checkpoints


def test_mounts_are_added_and_removed(oci: Oci, running: str, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("there\n")
    mount = {
        "destination": "/mnt",
        "type": "bind",
        "source": str(tmp_path / "source"),
        "options": ["bind", "ro"],
    }
    path = tmp_path / "mounts.json"
    for content in ([mount], {"mounts": [mount]}):
        path.write_text(json.dumps(content))
        oci.said("mounts", "add", running, str(path))
        assert oci.said("exec", running, "cat", "/mnt/file") == "there\n"
        oci.said("mounts", "remove", running, str(path))
        assert oci("exec", running, "cat", "/mnt/file").returncode == 1
    path.write_text(json.dumps([{"destination": "/mnt", "type": "tmpfs"}]))
    oci.said("mounts", "add", running, str(path))
    assert " /mnt tmpfs " in oci.said("exec", running, "cat", "/proc/mounts")
    oci.said("mounts", "remove", running, str(path))
    path.write_text(json.dumps([mount, mount | {"source": "/nope"}]))
    assert oci("mounts", "add", running, str(path)).returncode == 1
    assert oci("exec", running, "cat", "/mnt/file").returncode == 1


@pytest.fixture
def receiver(oci: Oci, public_tmp: Path) -> Iterator[str]:
    path = str(public_tmp / f"{new_id()}.sock")
    words = [
        *oci.prefix,
        "recvtty",
        "--mode",
        "null",
        "--pid-file",
        f"{path}.pid",
        path,
    ]
    with subprocess.Popen(words) as process:
        deadline = time.monotonic() + 20
        while not Path(f"{path}.pid").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert int(Path(f"{path}.pid").read_text()) == process.pid
        yield path
        process.kill()
    for name in (path, f"{path}.pid"):
        Path(name).unlink(missing_ok=True)


def test_a_receiver_of_terminals_takes_all_that_come(
    oci: Oci, bundle: Path, receiver: str
) -> None:
    content = document("sh")
    content["process"]["terminal"] = True
    write(bundle, content)
    boxes = [new_id() for _ in range(2)]
    for box in boxes:
        oci.said("run", "-d", "--console-socket", receiver, "-b", str(bundle), box)
        assert _status(oci, box) == "running"
    # A relative path is one of the current directory.
    relative = ("exec", "-t", "-d", "--console-socket", os.path.basename(receiver))
    folder = os.path.dirname(receiver)
    oci.said(*relative, boxes[0], "sleep", "10", cwd=folder)


def test_a_receiver_stands_between_caller_and_terminal(
    oci: Oci, bundle: Path, public_tmp: Path
) -> None:
    content = document("sh", "-c", "tty; read line; echo got $line")
    content["process"]["terminal"] = True
    write(bundle, content)
    path, box = str(public_tmp / f"{new_id()}.sock"), new_id()
    words = [*oci.prefix, "recvtty", path]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 20
        while not Path(path).exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        oci.said("run", "-d", "--console-socket", path, "-b", str(bundle), box)
        said, _ = process.communicate("typed\n", timeout=20)
    # The terminal may have said what is typed before the program runs.
    assert "/dev/pts/0" in said.splitlines()
    assert said.splitlines()[-1] == "got typed"
    assert process.returncode == 0


# -- what bundles leave out


def test_help_has_the_usage_in_one_line(oci: Oci) -> None:
    for name, usage in (
        ("delete", "delete CONTAINER"),
        ("mounts", "mounts [add|remove] CONTAINER FILE"),
        ("update", "update [OPTION]... CONTAINER"),
        ("kill", "kill CONTAINER [SIGNAL]"),
    ):
        lines = oci.said(name, "--help").splitlines()
        program = lines[1].split()[0]
        assert f"Usage: {program} [OPTION...] {usage}" in lines


def test_a_user_namespace_without_maps_has_the_callers_id_alone(
    oci: Oci, bundle: Path
) -> None:
    content = document("cat", "/proc/self/uid_map", "/proc/self/gid_map")
    content["linux"]["namespaces"].append({"type": "user"})
    # Neither has any other id: not the group of the terminals, not that of a mount.
    content["mounts"] = [m for m in content["mounts"] if m["type"] == "proc"]
    write(bundle, content)
    done = oci("run", "-b", str(bundle), new_id())
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    if Path("/etc/subuid").read_text().startswith("root:"):
        assert rows[0][0] == "0"
    else:
        assert rows == [["0", "0", "1"]] * 2
        assert "without id maps" in oci.messages()[-1]["msg"]


def test_a_sysfs_that_could_not_be_mounted_is_the_hosts_read_only(
    oci: Oci, bundle: Path
) -> None:
    script = (
        "ls -d /sys/kernel/mm && ! echo 1 > /sys/kernel/mm/nope && cat /proc/mounts"
    )
    content = document("sh", "-c", script)
    ids = [{"containerID": 0, "hostID": 0, "size": 65536}]
    kinds = [
        kind for kind in content["linux"]["namespaces"] if "network" not in str(kind)
    ]
    content["linux"] |= {
        "namespaces": [*kinds, {"type": "user"}],
        "uidMappings": ids,
        "gidMappings": ids,
    }
    write(bundle, content)
    said = oci.said("run", "-b", str(bundle), new_id())
    (options,) = (
        line.split()[3] for line in said.splitlines() if " /sys sysfs" in line
    )
    assert {"ro", "nosuid", "nodev", "noexec"} <= set(options.split(","))


def test_a_pidfd_goes_where_an_annotation_says(
    oci: Oci, bundle: Path, public_tmp: Path
) -> None:
    path = str(public_tmp / f"{new_id()}.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(10)
        box = _start(oci, bundle, annotations={"run.oci.pidfd_receiver": path})
        with listener.accept()[0] as connection:
            _, (pidfd,), _, _ = socket.recv_fds(connection, 100, 1)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    os.close(pidfd)
    _wait_for(oci, box, "stopped")


def test_a_hook_of_the_end_that_fails_is_a_warning(oci: Oci, bundle: Path) -> None:
    content = document("true", hooks={"poststop": [{"path": "/bin/false"}] * 2})
    write(bundle, content)
    oci.said("run", "-b", str(bundle), new_id())
    told = [line["msg"] for line in oci.messages() if line["level"] == "warning"]
    assert len(told) == 2
    assert told[0].startswith("poststop hook failed with exit code 1: ")
    assert "hooks.poststop[0] '/bin/false'" in told[0]


def test_a_hook_in_the_container_has_the_environment_of_its_program(
    oci: Oci, bundle: Path
) -> None:
    script = 'echo "$ONE $HOME $0"'
    hooks = {
        "startContainer": [
            {"path": "/bin/sh", "args": ["sh", "-c", script]},
            {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["ONE=own"]},
        ]
    }
    content = document("true", hooks=hooks)
    content["process"]["env"] = ["ONE=two"]
    write(bundle, content)
    done = oci("run", "-b", str(bundle), new_id())
    assert (done.stdout + done.stderr).splitlines() == ["two / sh", "own  sh"]


def test_what_a_failing_hook_says_at_a_terminal_is_shown(
    oci: Oci, bundle: Path
) -> None:
    hook = {"path": "/bin/busybox", "args": ["cat", "/nosuchfile"]}
    content = document("true", hooks={"startContainer": [hook]})
    content["process"]["terminal"] = True
    write(bundle, content)
    done = oci("run", "-b", str(bundle), new_id())
    assert done.returncode == 1
    assert "can't open '/nosuchfile'" in done.stdout
    assert "error running startContainer hook #0:" in done.stderr


def test_a_root_that_somebody_has_named_must_be_there_to_be_listed(oci: Oci) -> None:
    done = oci("list", "--root", "/nope/nope")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No such file" in done.stderr


def test_delete_of_what_runs_says_that_it_is_not_stopped(
    oci: Oci, running: str
) -> None:
    done = oci("delete", running)
    assert (done.returncode, done.stdout) == (1, "")
    assert "that is not stopped: " in done.stderr
    assert "it is running" in done.stderr


def test_a_filter_that_knows_no_close_range_does_not_stop_the_start(
    oci: Oci, bundle: Path
) -> None:
    rule = {"names": ["close_range"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}
    content = document("echo", "up")
    # Without it the filter comes before the wait for the start.
    content["process"]["noNewPrivileges"] = False
    content["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [rule],
    }
    write(bundle, content)
    assert oci.said("run", "-b", str(bundle), new_id()) == "up\n"
