# SPDX-License-Identifier: Apache-2.0
"""System call filters, seen from inside the container."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer import Seccomp, Syscall, SyscallArg
from libcontainer.security.seccomp.notify import (
    AddFd,
    Answer,
    Continue,
    Errno,
    Request,
    Value,
)
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root")

# Runs its words as system calls: number, arguments; says what each returned.
PROGRAM = r"""
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

int main(int count, char **words)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    for (int i = 1; i < count; i++) {
        unsigned long number, a[6] = {0};
        char *next = words[i];
        number = strtoul(next, &next, 0);
        for (int j = 0; *next == ',' && j < 6; j++) {
            next++;
            if (*next == '/') {
                a[j] = (unsigned long)next;
                next += strlen(next);
            } else
                a[j] = strtoul(next, &next, 0);
        }
        long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        printf("%ld ", result < 0 ? -(long)errno : result);
    }
    FILE *status = fopen("/proc/self/status", "r");
    char line[200];
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, "Seccomp:", 8))
            printf("seccomp=%c", line[9]);
    return 0;
}
"""
GETPID, MKDIR, SYNC, KILL, PERSONALITY = 39, 83, 162, 62, 135


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root filesystem with the program alone."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "calls.c"
    source.write_text(PROGRAM)
    root = folder / "root"
    for name in ("proc", "dev", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    command = ["gcc", "-O1", "-static", "-o", str(root / "calls"), str(source)]
    subprocess.run(command, check=True)
    return root


Calls = Callable[..., lc.Result]


@pytest.fixture
def calls(factory: lc.Factory, image: Path) -> Calls:
    """Make system calls in a container with a profile; return the result."""

    def run(
        profile: Seccomp | None,
        *words: str,
        notify: Callable[[Request], Answer] | None = None,
        **fields: Any,
    ) -> lc.Result:
        config = lc.Config(rootfs=lc.Overlay(str(image)), seccomp=profile, **fields)
        return lc.run(
            ["/calls", *words],
            config=config,
            factory=factory,
            notify=notify,
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


def refuse(name: str, action: str = "ERRNO", *args: SyscallArg, **more: Any) -> Seccomp:
    rule = Syscall(names=name, action=action, args=args, **more)
    return Seccomp(default_action="ALLOW", syscalls=[rule])


def said(result: lc.Result) -> list[str]:
    assert result.returncode == 0, result
    return str(result.stdout).split()


def test_a_call_fails_with_the_errno_of_the_profile(calls: Calls) -> None:
    words = [f"{MKDIR},/tmp/x,0755", f"{SYNC}"]
    assert said(calls(None, *words)) == ["0", "0", "seccomp=0"]
    refused = calls(refuse("mkdir"), *words)
    assert said(refused) == [f"{-errno.EPERM}", "0", "seccomp=2"]
    refused = calls(refuse("mkdir", errno_ret=errno.EXDEV), *words)
    assert said(refused) == [f"{-errno.EXDEV}", "0", "seccomp=2"]


@pytest.mark.parametrize(
    ("operator", "value", "two", "refused"),
    [
        ("EQ", 8, 0, {8}),
        ("NE", 8, 0, {7, 9, 2**32 + 8}),
        ("LT", 8, 0, {7}),
        ("LE", 8, 0, {7, 8}),
        ("GT", 8, 0, {9, 2**32 + 8}),
        ("GE", 8, 0, {8, 9, 2**32 + 8}),
        ("MASKED_EQ", 0xFE, 8, {8, 9, 2**32 + 8}),
    ],
)
def test_arguments_are_compared(
    calls: Calls, operator: str, value: int, two: int, refused: set[int]
) -> None:
    profile = refuse("getpid", "ERRNO", SyscallArg(0, value, two, op=operator))
    tried = [7, 8, 9, 2**32 + 8]
    *found, _ = said(calls(profile, *(f"{GETPID},{number}" for number in tried)))
    expected = ["-1" if number in refused else "1" for number in tried]
    assert found == expected


@pytest.mark.parametrize("action", ["KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP"])
def test_a_call_ends_the_program(calls: Calls, action: str) -> None:
    profile = refuse("sync", action)
    result = calls(profile, f"{GETPID}", f"{SYNC}", f"{GETPID}")
    assert result.stdout == "1 "
    assert result.returncode == -signal.SIGSYS
    assert result.status.signal == signal.SIGSYS


def test_without_a_tracer_or_an_audit_log_calls_fail_or_pass(calls: Calls) -> None:
    assert said(calls(refuse("sync", "TRACE"), f"{SYNC}"))[0] == f"{-errno.ENOSYS}"
    assert said(calls(refuse("sync", "LOG"), f"{SYNC}"))[0] == "0"


@pytest.mark.parametrize("flag", ["LOG", "SPEC_ALLOW", "TSYNC", "WAIT_KILLABLE_RECV"])
def test_the_kernel_takes_each_flag(calls: Calls, flag: str) -> None:
    with_handler = flag == "WAIT_KILLABLE_RECV"
    profile = Seccomp(
        default_action="ALLOW",
        flags=[flag],
        syscalls=[Syscall(names="sync", action="NOTIFY" if with_handler else "ERRNO")],
    )
    handler = (lambda request: Errno(1)) if with_handler else None
    found = said(calls(profile, f"{SYNC}", notify=handler))
    assert found == ["-1", "seccomp=2"]


def test_speculation_is_allowed_only_where_it_was_asked_for(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    def line(*flags: str) -> str:
        profile = Seccomp(default_action="ALLOW", flags=flags)
        config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), seccomp=profile)
        result = lc.run(
            ["grep", "Seccomp_filters", "/proc/self/status"],
            config=config,
            factory=factory,
            capture_output=True,
            text=True,
        )
        return str(result.stdout)

    assert line().split() == line("SPEC_ALLOW").split() == ["Seccomp_filters:", "1"]


def test_a_call_that_is_newer_than_the_profile_is_not_there(calls: Calls) -> None:
    found = said(calls(Seccomp.default(), "1000", "600", "250"))
    assert found == [f"{-errno.ENOSYS}"] * 2 + [f"{-errno.EPERM}", "seccomp=2"]


def test_a_ready_program_is_set(calls: Calls) -> None:
    program = b"".join(
        struct.pack("=HBBI", *fields)
        for fields in (
            (0x20, 0, 0, 0),
            (0x15, 0, 1, SYNC),
            (0x06, 0, 0, 0x00050000 | errno.EXDEV),
            (0x06, 0, 0, 0x7FFF0000),
        )
    )
    found = said(calls(Seccomp(bpf=program), f"{SYNC}", f"{GETPID}"))
    assert found == [f"{-errno.EXDEV}", "1", "seccomp=2"]


def test_a_program_that_the_kernel_refuses_is_an_error(calls: Calls) -> None:
    endless = struct.pack("=HBBI", 0x20, 0, 0, 0)
    with pytest.raises(lc.StepError, match=r"filter system calls .*EINVAL"):
        calls(Seccomp(bpf=endless), f"{GETPID}")


@pytest.mark.parametrize("capability", [None, "CAP_SYS_ADMIN"])
def test_privileges_can_be_gained_behind_a_filter(
    calls: Calls, capability: str | None
) -> None:
    capabilities = [*lc.Config().capabilities.bounding]
    if capability:
        capabilities.append(capability)
    found = said(
        calls(
            Seccomp.default(),
            f"{SYNC}",
            "165,/none",
            no_new_privs=False,
            capabilities=capabilities,
        )
    )
    # With the capability the call is made, and fails for its arguments.
    refused = errno.EFAULT if capability else errno.EPERM
    assert found == ["0", f"{-refused}", "seccomp=2"]


def test_an_unprivileged_user_has_the_filter_too(calls: Calls) -> None:
    for no_new_privs in (True, False):
        found = said(
            calls(
                refuse("sync"), f"{SYNC}", user="1000:1000", no_new_privs=no_new_privs
            )
        )
        assert found == ["-1", "seccomp=2"]


def test_a_further_process_has_the_filter(factory: lc.Factory, image: Path) -> None:
    profile = refuse("sync", errno_ret=errno.EXDEV)
    config = lc.Config(rootfs=lc.Overlay(str(image)), seccomp=profile)
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["/calls", "34"]))
        other = container.exec(lc.Process(["/calls", f"{SYNC}"], stdout=lc.PIPE))
        out, _ = other.communicate()
        assert out == b"%d seccomp=2" % -errno.EXDEV
        other.close()


def test_a_program_that_starts_again_finds_the_filter_compiled(
    tmp_path: Path, image: Path, state_root: Path
) -> None:
    script = f"""
import libcontainer as lc
refused = lc.Syscall(names="sync", action="ERRNO", errno_ret={errno.EXDEV})
config = lc.Config(
    rootfs=lc.Overlay({str(image)!r}),
    seccomp=lc.Seccomp(default_action="ALLOW", syscalls=[refused]),
)
with lc.Factory({str(state_root)!r}) as factory:
    print(lc.run(["/calls", "{SYNC}"], config=config, factory=factory,
                 capture_output=True, text=True).stdout)
"""
    environment = {k: v for k, v in os.environ.items() if "BYTECODE" not in k}
    environment["PYTHONPYCACHEPREFIX"] = str(tmp_path)
    for spoilt in (False, False, True):
        (*_, file) = [None, *tmp_path.rglob("seccomp/filters/*")]
        if spoilt and file is not None:
            file.write_bytes(file.read_bytes()[:-8] + bytes(8))
        before = file and file.stat().st_ino
        out = subprocess.check_output([sys.executable, "-c", script], env=environment)
        assert out.split() == [b"%d" % -errno.EXDEV, b"seccomp=2"]
        (file,) = tmp_path.rglob("seccomp/filters/*")
        # Written the first time, and again only in place of one that is no good.
        assert (before in (None, file.stat().st_ino)) is not spoilt


def test_another_process_reads_the_profile_from_the_state(
    factory: lc.Factory, image: Path
) -> None:
    profile = refuse("sync", errno_ret=errno.EXDEV)
    config = lc.Config(rootfs=lc.Overlay(str(image)), seccomp=profile)
    name = new_id()
    with factory.create(name, config):
        assert factory.load(name).config == config


def test_the_gate_keeps_the_filter(factory: lc.Factory, image: Path) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(image)), seccomp=refuse("sync"))
    with factory.create(new_id(), config) as container:
        process = container.prepare(lc.Process(["/calls", f"{SYNC}"], stdout=lc.PIPE))
        container.start()
        out, _ = process.communicate()
        assert out == b"-1 seccomp=2"


# -- the default profile


def test_run_has_the_default_profile(factory: lc.Factory, image: Path) -> None:
    result = lc.run(
        ["/calls", f"{GETPID}"],
        rootfs=lc.Overlay(str(image)),
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert said(result) == ["1", "seccomp=2"]


KERNEL_SURFACE = {
    "open_by_handle_at": "304,-1,0,0",
    "add_key": "248",
    "request_key": "249",
    "keyctl": "250",
    "bpf": "321",
    "perf_event_open": "298",
    "userfaultfd": "323",
    "io_uring_setup": "425",
    "io_uring_enter": "426",
    "io_uring_register": "427",
    "kexec_load": "246",
    "kexec_file_load": "320",
    "init_module": "175",
    "finit_module": "313",
    "delete_module": "176",
    "ptrace": "101",
    "pidfd_getfd": "438",
    "process_vm_readv": "310",
    "mount": "165",
    "umount2": "166",
    "pivot_root": "155",
    "open_tree": "428",
    "fsopen": "430",
    "unshare": "272",
    "setns": "308",
    "clone with a user namespace": "56,0x10000011",
    "clone with high bits": "56,0x110000011",
    "swapon": "167",
    "reboot": "169",
    "settimeofday": "164",
    "iopl": "172",
    "acct": "163",
    "quotactl": "179",
    "personality with ADDR_NO_RANDOMIZE": f"{PERSONALITY},0x40000",
}


def test_the_default_profile_closes_the_surface_of_the_kernel(calls: Calls) -> None:
    *found, _ = said(calls(Seccomp.default(), *KERNEL_SURFACE.values()))
    results = dict(zip(KERNEL_SURFACE, found, strict=True))
    assert results == dict.fromkeys(KERNEL_SURFACE, f"{-errno.EPERM}")


def test_typing_into_a_terminal_is_refused_with_any_high_bits(calls: Calls) -> None:
    commands = (0x5412, 0x100005412, 0xFFFFFFFF00005412, 0x541C, 0x5413)
    words = [f"16,-1,{command}" for command in commands]
    *found, _ = said(calls(Seccomp.default(), *words))
    # The last one is only for the terminal that is not there.
    assert found == [f"{-errno.EIO}"] * 4 + [f"{-errno.EBADF}"]


def test_personality_may_be_asked_for_and_set_to_known_ones(calls: Calls) -> None:
    values = ("0xffffffff", "0", "8", "0x20000")
    found = said(calls(Seccomp.default(), *(f"{PERSONALITY},{v}" for v in values)))
    assert found[:4] == ["0", "0", "0", "8"]


def test_x32_and_i386_calls_are_filtered_too(calls: Calls) -> None:
    # keyctl of x32; a kernel without x32 says that it is not there.
    *found, _ = said(calls(Seccomp.default(), f"{0x40000000 | 250}"))
    assert found == [f"{-errno.EPERM}"]
    plain = Seccomp(default_action="ALLOW")
    killed = calls(plain, f"{0x40000000 | GETPID}")
    assert killed.returncode == -signal.SIGSYS


def test_a_call_through_the_old_entry_is_filtered(
    factory: lc.Factory, tmp_path: Path
) -> None:
    source = tmp_path / "old.c"
    # mkdir(2) of i386 by int 0x80 from a 64-bit program.
    source.write_text(
        "int main(void) { long r = 39; static char p[] __attribute__((section"
        '(".data"))) = "/tmp/x"; __asm__ volatile("int $0x80" : "+a"(r) : "b"(p),'
        ' "c"(0700) : "memory", "r8", "r9", "r10", "r11"); return (int)-r; }'
    )
    root = tmp_path / "root"
    for name in ("proc", "dev", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    command = ["gcc", "-static", "-no-pie", "-o", str(root / "old"), str(source)]
    subprocess.run(command, check=True)
    codes = []
    for profile in (
        refuse("mkdir"),
        Seccomp(
            default_action="ALLOW",
            architectures=["X86"],
            syscalls=[Syscall(names="mkdir", action="ERRNO", errno_ret=errno.EXDEV)],
        ),
    ):
        config = lc.Config(rootfs=lc.Overlay(str(root)), seccomp=profile)
        codes.append(lc.run(["/old"], config=config, factory=factory).returncode)
    assert codes == [-signal.SIGSYS, errno.EXDEV]


# -- notifications


def test_a_callable_answers(calls: Calls, tmp_path: Path) -> None:
    seen: list[tuple[str | None, bytes, bool]] = []
    (tmp_path / "given").write_text("x")
    fd = os.open(tmp_path / "given", os.O_RDONLY)

    def answer(request: Request) -> Answer:
        path = request.read_text(request.args[0])
        seen.append((request.name, path, request.is_valid()))
        answers: dict[bytes, Answer] = {
            b"/tmp/errno": Errno(errno.EXDEV),
            b"/tmp/value": Value(77),
            b"/tmp/continue": Continue(),
            b"/tmp/fd": AddFd(fd),
        }
        return answers[path]

    words = [f"{MKDIR},/tmp/{w}" for w in ("errno", "value", "continue", "fd", "other")]
    try:
        profile = refuse("mkdir", "NOTIFY")
        *found, _ = said(calls(profile, *words, "21,/tmp/continue", notify=answer))
    finally:
        os.close(fd)
    assert found[:3] == [f"{-errno.EXDEV}", "77", "0"]
    assert int(found[3]) > 2
    # A handler that raises refuses.
    assert found[4:] == [f"{-errno.EPERM}", "0"]
    assert seen[0] == ("mkdir", b"/tmp/errno", True)


def test_a_handler_sees_a_further_process_too(factory: lc.Factory, image: Path) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(image)), seccomp=refuse("sync", "NOTIFY"))
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["/calls", "34"], notify=lambda request: Value(1)))
        other = container.exec(
            lc.Process(
                ["/calls", f"{SYNC}"], stdout=lc.PIPE, notify=lambda request: Value(2)
            )
        )
        assert other.communicate()[0] == b"2 seccomp=2"
        other.close()


def test_a_program_whose_handler_never_answers_can_be_killed(
    factory: lc.Factory, image: Path
) -> None:
    asked, release = threading.Event(), threading.Event()

    def never(request: Request) -> Answer:
        asked.set()
        release.wait(30)
        return Continue()

    config = lc.Config(rootfs=lc.Overlay(str(image)), seccomp=refuse("sync", "NOTIFY"))
    with factory.create(new_id(), config) as container:
        process = container.run(lc.Process(["/calls", f"{SYNC}"], notify=never))
        assert asked.wait(30)
        process.kill()
        assert process.wait(10).signal == signal.SIGKILL
        release.set()


def test_a_handler_without_a_thread_is_an_error_that_leaves_nothing(
    factory: lc.Factory, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse_start(_: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    config = lc.Config(rootfs=lc.Overlay(str(image)), seccomp=refuse("sync", "NOTIFY"))
    process = lc.Process(["/calls"], notify=lambda _: Continue())
    with factory.create(new_id(), config) as container:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse_start)
            with pytest.raises(RuntimeError, match="new thread"):
                container.run(process)
        held = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        opened = [os.readlink(path) for path in held if os.path.lexists(path)]
        assert "anon_inode:seccomp notify" not in opened


def test_a_handler_cannot_wait_at_the_gate(factory: lc.Factory, image: Path) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(image)), seccomp=refuse("sync", "NOTIFY"))
    with (
        factory.create(new_id(), config) as container,
        pytest.raises(lc.ConfigError, match="waits at the gate"),
    ):
        container.prepare(lc.Process(["/calls"], notify=lambda request: Value(1)))


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A process elsewhere that takes one listener and answers its first request."""
    path, messages = str(tmp_path / "listener"), []
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(path)
    server.listen()
    server.settimeout(30)

    def serve() -> None:
        from libcontainer.bindings.seccomp import notif_receive, notif_send

        connection, _ = server.accept()
        with connection:
            data, fds, _, _ = socket.recv_fds(connection, 65536, 1)
        messages.append(json.loads(data))
        asked = notif_receive(fds[0])
        notif_send(fds[0], asked.id, error=errno.EXDEV)
        os.close(fds[0])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield path, messages
    thread.join(30)
    server.close()


@pytest.mark.parametrize("gate", [False, True])
def test_a_listener_gets_the_fd_and_the_state(
    factory: lc.Factory,
    image: Path,
    listener: tuple[str, list[dict[str, Any]]],
    gate: bool,
) -> None:
    path, messages = listener
    profile = Seccomp(
        default_action="ALLOW",
        listener_path=path,
        listener_metadata="mine",
        syscalls=[Syscall(names="sync", action="NOTIFY")],
    )
    config = lc.Config(rootfs=lc.Overlay(str(image)), seccomp=profile)
    name = new_id()
    with factory.create(name, config) as container:
        start = container.prepare if gate else container.run
        # The second call comes when nobody listens any more.
        words = ["/calls", f"{SYNC}", f"{SYNC}"]
        process = start(lc.Process(words, stdout=lc.PIPE))
        if gate:
            container.start()
        out, _ = process.communicate()
        assert out == b"%d %d seccomp=2" % (-errno.EXDEV, -errno.ENOSYS)
        (message,) = messages
        assert message["fds"] == ["seccompFd"]
        assert message["metadata"] == "mine"
        assert message["pid"] == message["state"]["pid"] == process.host_pid
        assert message["state"]["id"] == name


@pytest.mark.parametrize("gate", [False, True])
def test_without_who_listens_nothing_runs(
    factory: lc.Factory, image: Path, tmp_path: Path, gate: bool
) -> None:
    profile = Seccomp(
        default_action="ALLOW",
        listener_path=tmp_path / "nobody",
        syscalls=[Syscall(names="getpid", action="NOTIFY")],
    )
    config = lc.Config(rootfs=lc.Overlay(str(image)), seccomp=profile)
    with factory.create(new_id(), config) as container:
        process = lc.Process(["/calls", f"{GETPID}", "34"])
        with pytest.raises(lc.StepError, match="hand the seccomp listener to"):
            if gate:
                container.prepare(process)
                container.start()
            else:
                container.run(process)
        expected = lc.Status.STOPPED if gate else lc.Status.CREATING
        assert container.status() is expected


# -- learning


def test_what_was_learnt_is_enough_and_no_more(
    factory: lc.Factory, image: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(image)))
    words = ["/calls", f"{MKDIR},/tmp/x,0700", f"{GETPID}"]
    profile = lc.learn_seccomp(words, config=config, factory=factory, stdout=lc.DEVNULL)
    names = profile.syscalls[0].names
    assert {"mkdir", "getpid", "execve", "write"} <= set(names)
    assert "sync" not in names
    result = lc.run(
        [*words, f"{SYNC}"],
        config=lc.Config(rootfs=lc.Overlay(str(image)), seccomp=profile),
        factory=factory,
        capture_output=True,
        text=True,
    )
    assert said(result) == ["0", "1", "-1", "seccomp=2"]
