# SPDX-License-Identifier: Apache-2.0
"""`lc.Popen` and `lc.run` do what the tests of CPython ask of subprocess.

The cases are those of ``Lib/test/test_subprocess.py`` that make sense where the
program is in a container; none of its code is here.
"""

from __future__ import annotations

import errno
import io
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.host import children

pytestmark = pytest.mark.needs("root", "rootfs")

PopenOf = Callable[..., lc.Popen[Any]]
Run = Callable[..., lc.Result[Any]]

BIG = 2 << 20


@pytest.fixture
def wishes(factory: lc.Factory, busybox_rootfs: Path) -> dict[str, Any]:
    return {"rootfs": lc.Overlay(str(busybox_rootfs)), "factory": factory}


@pytest.fixture
def popen(wishes: dict[str, Any]) -> PopenOf:
    return lambda *args, **more: lc.Popen(
        args if len(args) > 1 else args[0], **wishes | more
    )


@pytest.fixture
def run(wishes: dict[str, Any]) -> Run:
    return lambda *args, **more: lc.run(
        args if len(args) > 1 else args[0], **wishes | more
    )


def sh(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


# -- what is run


@pytest.mark.parametrize(
    "program", ["true", b"true", Path("/bin/true"), ["true"], [b"true"]]
)
def test_a_program_may_be_given_as_one_word(popen: PopenOf, program: Any) -> None:
    with popen(program) as process:
        assert process.wait() == 0


def test_a_text_with_blanks_is_one_program_and_not_a_command_line(
    popen: PopenOf,
) -> None:
    with pytest.raises(FileNotFoundError):
        popen("echo hello")


def test_a_shell_of_the_container_reads_a_text(run: Run) -> None:
    done = run("echo $0 $HOME; cd /; pwd", shell=True, stdout=lc.PIPE, text=True)
    assert done.stdout.split() == ["/bin/sh", "/root", "/"]
    assert done.args == "echo $0 $HOME; cd /; pwd"


def test_a_shell_gets_further_words_as_its_arguments(run: Run) -> None:
    done = run("echo $0 $1", "zero", "one", shell=True, stdout=lc.PIPE)
    assert done.stdout == b"zero one\n"


@pytest.mark.parametrize("args", [7, None, [None], [1, 2]])
def test_what_is_no_command_is_a_type_error(popen: PopenOf, args: Any) -> None:
    with pytest.raises(TypeError):
        popen(args)


def test_no_command_at_all_is_refused(popen: PopenOf) -> None:
    with pytest.raises(lc.ConfigError, match="args"):
        popen([])


def test_a_program_that_is_missing_is_the_error_of_the_language(
    popen: PopenOf, state_root: Path
) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        popen("/no/such/program", stdin=lc.PIPE, stdout=lc.PIPE, stderr=lc.PIPE)
    assert isinstance(caught.value, lc.ProgramError)
    assert caught.value.verdict == "setup"
    with pytest.raises(PermissionError):
        popen("/etc/passwd")
    with pytest.raises(OSError, match=r"ENOENT|ENOTDIR"):
        popen("true", cwd="/etc/passwd/x")
    assert os.listdir(state_root) == []


# -- what it gets


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"preexec_fn": print}, "preexec_fn"),
        ({"close_fds": False}, "close_fds"),
        ({"stdin": lc.STDOUT}, "STDOUT"),
        ({"stdout": lc.STDOUT}, "STDOUT"),
        ({"text": True, "universal_newlines": False}, "different things"),
    ],
)
def test_what_has_no_meaning_here_is_refused(
    popen: PopenOf, keywords: dict[str, Any], words: str, state_root: Path
) -> None:
    with pytest.raises(ValueError, match=words):
        popen("true", **keywords)
    assert os.listdir(state_root) == []


@pytest.mark.parametrize("name", ["executable", "process_group", "timeout", "nope"])
def test_a_keyword_that_is_unknown_is_a_type_error(popen: PopenOf, name: str) -> None:
    with pytest.raises(TypeError, match=name):
        popen("true", **{name: None})


def test_the_environment_is_what_is_given_and_nothing_else(run: Run) -> None:
    done = run("/bin/env", env={"FRUIT": "orange", "N": ""}, stdout=lc.PIPE, text=True)
    assert set(done.stdout.splitlines()) == {"FRUIT=orange", "N=", "HOME=/root"}


def test_the_directory_may_be_a_path(run: Run) -> None:
    assert run("pwd", cwd=Path("/etc"), stdout=lc.PIPE).stdout == b"/etc\n"


def test_who_it_is_may_be_said_in_the_words_of_subprocess(run: Run) -> None:
    script = "id -u; id -g; id -G; umask"
    wishes = {"user": 1234, "group": 99, "extra_groups": [7, 8], "umask": 0o077}
    done = run(*sh(script), stdout=lc.PIPE, text=True, **wishes)
    assert done.stdout.splitlines() == ["1234", "99", "99 7 8", "0077"]
    done = run(*sh("id -u; id -g; id -G"), stdout=lc.PIPE, group=5, extra_groups=())
    assert done.stdout.split() == [b"0", b"5", b"5"]
    # A group alone changes nothing of the user that the configuration names.
    config = lc.Config(user="1000:1000")
    done = run(*sh("id -u; id -g"), config=config, group=5, stdout=lc.PIPE)
    assert done.stdout.split() == [b"1000", b"5"]


def test_it_leads_a_session_of_its_own(popen: PopenOf) -> None:
    script = "read x </proc/$$/stat; echo $x"
    for init in (True, False):
        with popen(*sh(script), stdout=lc.PIPE, init=init) as process:
            fields = process.communicate()[0].split()
            assert fields[0] == fields[5]


def test_there_is_no_other_session_for_it(run: Run) -> None:
    with pytest.raises(ValueError, match="leads a session"):
        run("true", start_new_session=False)


@pytest.mark.needs("cgroup1")
def test_what_cannot_be_measured_is_deleted_all_the_same(
    popen: PopenOf, factory: lc.Factory
) -> None:
    process = popen("true", pids=9)
    while process._handle.has_ended() is False:
        time.sleep(0.01)
    for path in process.container.state().cgroup.values():
        os.rmdir(path)  # as somebody may who tidies up
    with pytest.raises(lc.CgroupError):
        process.wait()
    assert factory.list() == []
    # It is told once.
    assert process.wait() == process.poll() == 0
    assert process.stats is None


def test_what_makes_no_stream_leaves_no_container(
    popen: PopenOf, factory: lc.Factory
) -> None:
    for wishes in (
        {"encoding": "nope"},
        {"text": True, "errors": "nope"},
        {"bufsize": "much"},
        {"pipesize": 3 << 30, "stdin": lc.PIPE},
    ):
        with pytest.raises((LookupError, TypeError, OSError)) as caught:
            popen("sleep", "1000", stdout=lc.PIPE, **wishes)
        # Though the error, and with it the object, is still there.
        assert factory.list() == []
        del caught


def test_a_status_that_nobody_can_know_is_an_error_and_leaves_nothing(
    popen: PopenOf, factory: lc.Factory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def older(_: int) -> None:
        raise OSError(errno.ENOTTY, "no such ioctl")

    # As the kernel does for who ignores SIGCHLD; before Linux 6.15 nobody tells then.
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    monkeypatch.setattr(children, "pidfd_get_info", older)
    try:
        process = popen("true", init=False)
        for _ in range(2):
            with pytest.raises(ChildProcessError, match="status lost"):
                process.wait()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert factory.list() == []


_FORGETS = """
import sys
import libcontainer as lc
factory = lc.Factory(sys.argv[1])
wishes = dict(rootfs=lc.Overlay(sys.argv[2]), factory=factory)
ended = lc.Popen(["true"], **wishes)
lives = lc.Popen(["sleep", "1000"], **wishes)
print(len(factory.list()))
"""


def test_what_is_forgotten_at_the_end_of_the_program_ends(
    state_root: Path, busybox_rootfs: Path
) -> None:
    state_root.chmod(0o700)
    words = [sys.executable, "-c", _FORGETS, str(state_root), str(busybox_rootfs)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "2\n"
    assert os.listdir(state_root) == []


def test_time_may_be_without_end(run: Run) -> None:
    for timeout in (1e10, float("inf"), 30 * 86400):
        done = run("echo", "x", stdout=lc.PIPE, timeout=timeout)
        assert done.stdout == b"x\n"


def test_descriptors_are_passed_and_no_others(popen: PopenOf) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        script = "cd /proc/self/fd; echo * >&3"
        with popen(*sh(script), pass_fds=[write]) as process:
            assert process.wait() == 0
        os.close(write)
        assert set(os.read(read, 100).split()) <= {b"0", b"1", b"2", b"3", b"4"}
    finally:
        os.close(read)


def test_streams_may_be_files_and_numbers(popen: PopenOf, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"pear")
    with (
        open(path, "rb") as source,
        open(tmp_path / "out", "wb") as target,
        popen("cat", stdin=source, stdout=target.fileno()) as process,
    ):
        assert process.wait() == 0
    assert (tmp_path / "out").read_bytes() == b"pear"
    assert process.stdin is process.stdout is process.stderr is None


def test_both_outputs_may_be_one_file(popen: PopenOf, tmp_path: Path) -> None:
    with open(tmp_path / "out", "w+b") as file:
        popen(*sh("echo a; echo b >&2"), stdout=file, stderr=file).wait()
        popen(*sh("echo c; echo d >&2"), stdout=file, stderr=lc.STDOUT).wait()
    assert (tmp_path / "out").read_bytes() == b"a\nb\nc\nd\n"


def test_nothing_is_what_dev_null_says(popen: PopenOf) -> None:
    with popen("cat", stdin=lc.DEVNULL, stdout=lc.PIPE, stderr=lc.DEVNULL) as process:
        assert process.communicate() == (b"", None)


# -- buffers and text


def test_pipes_are_buffered_unless_told_not_to_be(popen: PopenOf) -> None:
    pipes = {"stdin": lc.PIPE, "stdout": lc.PIPE}
    with popen("cat", **pipes) as process:
        assert isinstance(process.stdin, io.BufferedWriter)
        assert isinstance(process.stdout, io.BufferedReader)
    with popen("cat", bufsize=0, **pipes) as process:
        assert isinstance(process.stdin, io.FileIO)
        assert isinstance(process.stdout, io.FileIO)
        # Nothing is read ahead, so select tells the truth.
        process.stdin.write(b"ab")
        assert process.stdout.read(1) == b"a"
        assert select.select([process.stdout], [], [], 5)[0] == [process.stdout]


def test_text_by_line_is_flushed_at_the_end_of_a_line(popen: PopenOf) -> None:
    pipes = {"stdin": lc.PIPE, "stdout": lc.PIPE, "text": True, "bufsize": 1}
    with popen("cat", **pipes) as process:
        process.stdin.write("line\n")
        assert process.stdout.readline() == "line\n"
        process.stdin.close()


@pytest.mark.parametrize("name", ["text", "universal_newlines"])
def test_text_has_one_kind_of_line_end(popen: PopenOf, name: str) -> None:
    script = r"printf 'a\nb\r\nc\rd'"
    with popen(*sh(script), stdout=lc.PIPE, **{name: True}) as process:
        assert process.stdout.read() == "a\nb\nc\nd"
    with popen(*sh(script), stdout=lc.PIPE, **{name: True}) as process:
        assert process.communicate() == ("a\nb\nc\nd", None)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-be", "latin-1"])
def test_text_has_the_encoding_that_was_named(popen: PopenOf, encoding: str) -> None:
    pipes = {"stdin": lc.PIPE, "stdout": lc.PIPE}
    with popen("cat", encoding=encoding, **pipes) as process:
        assert process.communicate("1\n2\xe9") == ("1\n2\xe9", None)


def test_what_is_no_text_is_handled_as_wished(popen: PopenOf) -> None:
    bad = sh(r"printf '\200\201'")
    for errors, text in [
        ("ignore", ""),
        ("replace", "\ufffd\ufffd"),
        ("surrogateescape", "\udc80\udc81"),
    ]:
        with popen(*bad, stdout=lc.PIPE, errors=errors) as process:
            assert process.communicate() == (text, None)
    with (
        popen(*bad, stdout=lc.PIPE, text=True) as process,
        pytest.raises(UnicodeDecodeError),
    ):
        process.communicate()


def test_the_size_of_a_pipe_is_what_was_asked_for(popen: PopenOf) -> None:
    import fcntl

    with popen("true", stdout=lc.PIPE, pipesize=1 << 18) as process:
        assert fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ) == 1 << 18


# -- communicate


def test_much_goes_all_ways_at_once(popen: PopenOf) -> None:
    data = os.urandom(BIG)
    script = "tee /dev/stderr"
    with popen(*sh(script), stdin=lc.PIPE, stdout=lc.PIPE, stderr=lc.PIPE) as process:
        assert process.communicate(data) == (data, data)
        assert process.returncode == 0


def test_what_was_written_before_comes_first(popen: PopenOf) -> None:
    with popen("cat", stdin=lc.PIPE, stdout=lc.PIPE) as process:
        process.stdin.write(b"banana")
        assert process.communicate(b"split") == (b"bananasplit", None)


def test_input_may_be_any_bytes(run: Run) -> None:
    for data in (b"x", bytearray(b"x"), memoryview(b"x")):
        assert run("cat", input=data, stdout=lc.PIPE).stdout == b"x"


def test_after_a_timeout_communication_goes_on(popen: PopenOf) -> None:
    script = "echo before; read x; sleep 0.5; cat; echo after >&2"
    pipes = {"stdin": lc.PIPE, "stdout": lc.PIPE, "stderr": lc.PIPE}
    with popen(*sh(script), text=True, **pipes) as process:
        with pytest.raises(lc.TimeoutExpired) as caught:
            process.communicate("go\nbanana", timeout=0.2)
        assert caught.value.output == b"before\n"
        with pytest.raises(ValueError, match="cannot send input"):
            process.communicate("more")
        assert process.communicate() == ("before\nbanana", "after\n")


def test_after_a_timeout_much_output_is_whole(popen: PopenOf) -> None:
    script = "for i in 1 2 3 4; do sleep 0.1; head -c 65536 /dev/zero; done"
    with popen(*sh(script), stdout=lc.PIPE) as process:
        with pytest.raises(lc.TimeoutExpired):
            process.communicate(timeout=0.15)
        assert process.communicate()[0] == bytes(4 * 65536)


def test_a_program_that_reads_nothing_is_no_error(popen: PopenOf) -> None:
    with popen("true", stdin=lc.PIPE) as process:
        assert process.communicate(b"x" * BIG) == (None, None)
    with popen("true", stdin=lc.PIPE) as process:
        process.wait()
        process.stdin.write(b"x" * 10)
        # Leaving the block flushes into a pipe that nobody reads.


def test_communicate_without_pipes_only_waits(popen: PopenOf) -> None:
    with popen(*sh("exit 3")) as process:
        assert process.communicate() == (None, None)
        assert process.returncode == 3


# -- its end


def test_the_return_code_is_known_once_it_was_asked_for(popen: PopenOf) -> None:
    process = popen(*sh("read x; exit 7"), stdin=lc.PIPE)
    assert (process.poll(), process.returncode) == (None, None)
    process.stdin.close()
    assert process.wait(timeout=20) == 7
    assert (process.poll(), process.returncode) == (7, 7)
    assert process.status == lc.ExitStatus(code=7)
    assert process.verdict == "exited"


def test_waiting_has_a_timeout(popen: PopenOf) -> None:
    with popen("sleep", "1000") as process:
        with pytest.raises(lc.TimeoutExpired, match=r"timed out after 0\.1 seconds"):
            process.wait(timeout=0.1)
        assert process.poll() is None
        process.kill()
        assert process.wait(timeout=20) == -signal.SIGKILL


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_ends_it_as_it_would_without_a_container(
    popen: PopenOf, number: signal.Signals
) -> None:
    with popen("sleep", "1000") as process:
        process.send_signal(number)
        assert process.wait(timeout=20) == -number
        assert process.verdict == "signalled"


def test_a_program_that_aborts_says_so(popen: PopenOf) -> None:
    with popen(*sh("kill -ABRT $$")) as process:
        assert process.wait() == -signal.SIGABRT


def test_a_program_may_handle_a_signal(popen: PopenOf) -> None:
    script = "trap 'echo caught; exit 4' TERM; echo ready; while :; do sleep 0.1; done"
    with popen(*sh(script), stdout=lc.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.communicate() == ("caught\n", None)
        assert process.returncode == 4


def test_a_signal_after_the_end_does_nothing(popen: PopenOf) -> None:
    process = popen("true")
    process.wait()
    for send in (process.kill, process.terminate, lambda: process.send_signal(15)):
        send()
    assert process.returncode == 0


def test_output_may_be_read_after_the_end(popen: PopenOf) -> None:
    process = popen("echo", "late", stdout=lc.PIPE)
    process.wait()
    assert process.stdout.read() == b"late\n"
    process.stdout.close()


def test_killing_ends_the_whole_tree(popen: PopenOf) -> None:
    script = "(trap '' TERM; sleep 1000) & setsid sleep 1000 & echo up; sleep 1000"
    process = popen(*sh(script), stdout=lc.PIPE)
    assert process.stdout.readline() == b"up\n"
    process.kill()
    # Every process had the pipe open.
    assert process.stdout.read() == b""
    assert process.wait() == -signal.SIGKILL
    process.stdout.close()


def test_the_container_is_gone_with_the_program(
    popen: PopenOf, state_root: Path
) -> None:
    process = popen("true")
    assert os.listdir(state_root) == [process.container.id]
    process.wait()
    assert os.listdir(state_root) == []


def test_many_threads_may_wait(popen: PopenOf) -> None:
    process = popen(*sh("read x; exit 5"), stdin=lc.PIPE)
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(process.wait())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    process.stdin.close()
    for thread in threads:
        thread.join()
    assert codes == [5] * 8


def test_a_limit_is_measured_at_the_end(popen: PopenOf) -> None:
    with popen("true", memory="64M", pids=20) as process:
        process.wait()
    assert process.stats is not None
    assert process.stats.memory.limit == 64 << 20


# -- as a context manager


def test_leaving_closes_streams_and_waits(popen: PopenOf) -> None:
    with popen(*sh("read x; exit 100"), stdin=lc.PIPE, stdout=lc.PIPE) as process:
        streams = [process.stdin, process.stdout]
    assert all(stream.closed for stream in streams)
    assert process.returncode == 100


def test_leaving_by_an_error_kills(popen: PopenOf) -> None:
    with pytest.raises(KeyboardInterrupt), popen("sleep", "1000") as process:
        raise KeyboardInterrupt
    assert process.returncode == -signal.SIGKILL


def test_one_that_is_forgotten_is_killed(popen: PopenOf, state_root: Path) -> None:
    forgotten = popen("sleep", "1000")
    pid = forgotten.pid
    with pytest.warns(ResourceWarning, match=r"'sleep', '1000'.* is killed"):
        del forgotten
    assert os.listdir(state_root) == []
    assert not Path(f"/proc/{pid}").exists()


def test_many_programs_leave_no_descriptor(popen: PopenOf) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        with popen("cat", stdin=lc.PIPE, stdout=lc.PIPE, stderr=lc.PIPE) as process:
            assert process.communicate(b"x") == (b"x", b"")
        with pytest.raises(FileNotFoundError):
            popen("nope", stdin=lc.PIPE, stdout=lc.PIPE, stderr=lc.PIPE)
    # The helper's image and the template namespace are kept.
    assert len(os.listdir("/proc/self/fd")) <= before + 2


def test_it_cannot_be_pickled_and_says_what_it_is(popen: PopenOf) -> None:
    with popen("true") as process:
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(process)
        process.wait()
        assert repr(process) == "<Popen returncode=0 args='true'>"


# -- run


def test_a_timeout_does_not_wait_for_who_holds_the_pipe(run: Run) -> None:
    begun = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        run("sleep 1000 & echo up; sleep 1000", shell=True, stdout=-1, timeout=0.3)
    assert time.monotonic() - begun < 10
    assert caught.value.output == b"up\n"
    assert caught.value.verdict == "timeout"  # type: ignore[attr-defined]


def test_check_is_the_error_of_subprocess(run: Run) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run(*sh("kill -TERM $$"), check=True, init=True)
    assert str(caught.value).endswith("died with <Signals.SIGTERM: 15>.")


def test_input_and_stdin_exclude_each_other(run: Run) -> None:
    with pytest.raises(ValueError, match="stdin and input"):
        run("cat", input=b"", stdin=lc.DEVNULL)
    with pytest.raises(ValueError, match="capture_output"):
        run("cat", capture_output=True, stderr=lc.PIPE)


def test_networks_are_words_or_networks(run: Run) -> None:
    own = os.readlink("/proc/self/ns/net")
    for network, links in [("none", ["lo"]), (lc.Veth(), ["eth0", "lo"])]:
        script = "cd /sys/class/net; echo *; readlink /proc/self/ns/net"
        said = run(*sh(script), network=network, stdout=lc.PIPE, text=True).stdout
        assert sorted(said.split()[:-1]) == links
        assert said.split()[-1] != own
    done = run("readlink", "/proc/self/ns/net", network="host", stdout=lc.PIPE)
    assert done.stdout.decode().strip() == own
    with pytest.raises(lc.ConfigError, match="network: must be 'none', 'host'"):
        run("true", network="bridge")
