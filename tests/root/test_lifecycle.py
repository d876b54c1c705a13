# SPDX-License-Identifier: Apache-2.0
"""The life of a container: every state, every verb, and what is on disk."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import libcontainer as lc
from libcontainer.host import gate
from libcontainer.host.store import Folder
from libcontainer.status import TRANSITIONS, Status
from tests.fewfiles import few_files
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

SLEEPER = lc.Process(["sleep", "1000"])
TRUE = lc.Process(["true"])

Bring = Callable[[Status], lc.Container]

VERBS: dict[str, Callable[[lc.Container], object]] = {
    "run": lambda box: box.run(SLEEPER),
    "prepare": lambda box: box.prepare(SLEEPER),
    "start": lambda box: box.start(),
    "restart": lambda box: box.restart(SLEEPER),
    "restart (force)": lambda box: box.restart(SLEEPER, force=True),
    "exec": lambda box: box.exec(TRUE).wait(),
    "signal": lambda box: box.signal("SIGCONT"),
    "pause": lambda box: box.pause(),
    "resume": lambda box: box.resume(),
    "update": lambda box: box.update(lc.Resources(pids=100)),
    "stats": lambda box: box.stats(),
    "delete": lambda box: box.delete(),
    "delete (force)": lambda box: box.delete(force=True),
}


@pytest.fixture
def config(busybox_rootfs: Path) -> lc.Config:
    """The configuration of a default container."""
    return lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))


@pytest.fixture
def bring(factory: lc.Factory, config: lc.Config) -> Iterator[Bring]:
    """Return a container in a state; it is deleted at the end."""
    made = []

    def to(status: Status) -> lc.Container:
        container = factory.create(new_id(), config)
        made.append(container)
        if status in (Status.CREATED, Status.STOPPED):
            container.prepare(SLEEPER)
        if status in (Status.RUNNING, Status.PAUSED):
            container.run(SLEEPER)
        if status is Status.PAUSED:
            container.pause()
        if status is Status.STOPPED:
            container.signal("KILL")
            container.wait(10)
        assert container.status() is status
        return container

    yield to
    for container in made:
        container.delete(force=True)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_does_what_the_table_says_or_is_refused(
    bring: Bring, verb: str, status: Status
) -> None:
    container = bring(status)
    if status not in TRANSITIONS[verb]:
        with pytest.raises(lc.StateError) as caught:
            VERBS[verb](container)
        assert (caught.value.verb, caught.value.status) == (verb, status.value)
        assert container.status() is status
        return
    result = VERBS[verb](container)
    if isinstance(result, lc.ProcessHandle) and result is not container.init:
        result.kill()
        result.wait()
    after = TRANSITIONS[verb][status]
    if after is not None:
        assert container.status() is after
        return
    with pytest.raises(lc.ContainerNotFoundError):
        container.status()


def test_wait_returns_once_init_has_ended(bring: Bring) -> None:
    with pytest.raises(lc.ProcessNotStartedError):
        bring(Status.CREATING).wait()
    assert bring(Status.STOPPED).wait() == lc.ExitStatus(signal=9)
    for status in (Status.CREATED, Status.RUNNING):
        container = bring(status)
        with pytest.raises(lc.TimeoutExpired):
            container.wait(0.01)
        container.signal(signal.SIGKILL)
        assert container.wait() == lc.ExitStatus(signal=9)
        assert container.status() is Status.STOPPED


def _other(script: str, container: lc.Container) -> subprocess.Popen[str]:
    """Run a script in another process; ``box`` is the container there."""
    root = os.path.dirname(container.path)
    start = (
        "import sys; import libcontainer as lc;"
        " box = lc.Factory(sys.argv[1]).load(sys.argv[2])\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", start + script, root, container.id]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _said(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return out.strip()


def test_another_process_starts_a_prepared_container(
    factory: lc.Factory, config: lc.Config
) -> None:
    with factory.create(new_id(), config) as container:
        with container.prepare(lc.Process(["sh", "-c", "exit 42"])) as process:
            assert _said(_other("box.start(); print(box.status())", container))
            assert process.wait() == lc.ExitStatus(code=42)
        with pytest.raises(lc.StateError):
            container.start()


@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"terminal": True},
        {"init": True},
        {"namespaces": ["mount", "uts"]},
        {"hooks": lc.Hooks(start_container=[lc.Hook("/bin/true")])},
    ],
    ids=lambda wishes: next(iter(wishes), "plain"),
)
def test_a_prepared_init_has_nothing_of_the_host_open(
    factory: lc.Factory, config: lc.Config, tmp_path: Path, wishes: dict[str, Any]
) -> None:
    with (
        factory.create(new_id(), evolve(config, **wishes)) as container,
        open(tmp_path / "passed", "w+") as passed,
    ):
        words = ["sh", "-c", "test -e /proc/self/fd/3"]
        process = lc.Process(words, pass_fds=[passed.fileno()])
        # What it was given, the streams of this test, a terminal, which is inside, and
        # what a hook reads and where it writes.
        allowed = {os.readlink(f"/proc/self/fd/{fd}") for fd in range(3)}
        allowed |= {str(tmp_path / "passed"), "/dev/pts/0"}
        allowed |= {"/memfd:libcontainer-hook (deleted)"}
        handle = container.prepare(process)
        held = _held(handle.host_pid)
        assert held <= allowed
        assert str(tmp_path / "passed") in held
        container.start()
        assert handle.wait(20) == lc.ExitStatus(code=0)
        handle.close()


def _held(pid: int) -> set[str]:
    """Return the files that a process has open; not its sockets and pipes."""
    held = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            held.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
    return {path for path in held if path.startswith("/")}


def _holds_pidfd(pid: int, host_pid: int) -> bool:
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if f"\nPid:\t{host_pid}\n" in info.read_text():
                return True
    return False


@pytest.mark.needs("exit_info")
def test_another_process_waits_for_the_status(bring: Bring) -> None:
    container = bring(Status.RUNNING)
    init = container.state().init
    assert init is not None
    with _other("print(box.wait(20).returncode)", container) as process:
        # Until it holds init's pidfd: the status is not told to who comes late.
        while not _holds_pidfd(process.pid, init.host_pid):
            assert process.poll() is None
            time.sleep(0.01)
        container.signal("TERM")
        container.signal("KILL")
        assert container.wait() == lc.ExitStatus(signal=9)
        assert _said(process) == "-9"


def test_another_process_runs_signals_and_deletes(bring: Bring) -> None:
    container = bring(Status.RUNNING)
    script = "print(box.exec(lc.Process(['sh', '-c', 'exit 3'])).wait().code)"
    assert _said(_other(script, container)) == "3"
    assert _said(_other("box.delete(force=True)", container)) == ""
    with pytest.raises(lc.ContainerNotFoundError):
        container.status()


@pytest.mark.parametrize("detach", [False, True])
def test_another_process_deletes_though_the_maker_of_a_further_one_does_not_wait(
    factory: lc.Factory, config: lc.Config, state_root: Path, detach: bool
) -> None:
    container = factory.create(new_id(), config)
    container.run(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL), detach=detach)
    further = container.exec(lc.Process(["sleep", "2000"], stdin=lc.DEVNULL))
    begun = time.monotonic()
    process = _other("box.delete(force=True); print('gone')", container)
    assert _said(process) == "gone"
    # A monitor has ten seconds to pass on what was said.
    assert time.monotonic() - begun < (20 if detach else 9)
    assert os.listdir(state_root) == []
    assert further.wait(20).signal == signal.SIGKILL
    container.delete(force=True)


def test_only_one_of_many_starts_wins(bring: Bring) -> None:
    container = bring(Status.CREATED)
    results: list[str] = []

    def start() -> None:
        try:
            container.start()
            results.append("started")
        except lc.StateError:
            results.append("refused")

    threads = [threading.Thread(target=start) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["refused"] * 15 + ["started"]


@pytest.mark.parametrize("files", range(4))
def test_a_start_that_init_was_not_told_of_may_be_repeated(
    factory: lc.Factory, config: lc.Config, files: int
) -> None:
    with factory.create(new_id(), config) as container:
        container.prepare(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        try:
            with few_files(files):
                container.start()
        except OSError:
            assert files < 2
            assert container.status() is lc.Status.CREATED
            container.start()
        assert container.status() is lc.Status.RUNNING


def test_an_interrupt_on_the_way_out_of_a_block_comes_after_the_end(
    factory: lc.Factory, busybox_rootfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = Folder.remove

    def interrupted(folder: Folder) -> None:
        monkeypatch.setattr(Folder, "remove", remove)
        raise KeyboardInterrupt

    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with pytest.raises(KeyboardInterrupt), factory.create("box", config) as container:
        container.run(lc.Process(["sleep", "1000"]))
        monkeypatch.setattr(Folder, "remove", interrupted)
    assert factory.list() == []


def test_a_start_that_is_interrupted_before_may_be_repeated(
    factory: lc.Factory, config: lc.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with factory.create(new_id(), config) as container:
        container.prepare(lc.Process(["sleep", "1000"], stdin=lc.DEVNULL))
        with monkeypatch.context() as patch:
            patch.setattr(gate, "control_send", interrupted)
            with pytest.raises(KeyboardInterrupt):
                container.start()
        assert container.status() is lc.Status.CREATED
        container.start()
        assert container.status() is lc.Status.RUNNING


@pytest.mark.parametrize("files", range(6))
def test_what_cannot_be_made_for_want_of_files_leaves_no_folder(
    factory: lc.Factory, config: lc.Config, state_root: Path, files: int
) -> None:
    try:
        with few_files(files):
            made = factory.create(new_id(), config)
    except OSError:
        assert os.listdir(state_root) == []
    else:
        made.delete()


def test_only_one_of_many_creates_wins(factory: lc.Factory, config: lc.Config) -> None:
    name = new_id()
    results: list[object] = []

    def create() -> None:
        try:
            results.append(factory.create(name, config))
        except lc.ContainerExistsError as error:
            results.append(error)

    threads = [threading.Thread(target=create) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 100
    assert sum(isinstance(result, lc.Container) for result in results) == 1
    assert os.listdir(factory.root) == [name]
    factory[name].delete()


def test_a_factory_finds_what_it_has(factory: lc.Factory, config: lc.Config) -> None:
    names = sorted(new_id() for _ in range(3))
    for name in reversed(names):
        factory.create(name, config)
    assert [container.id for container in factory.list()] == names
    assert [container.id for container in factory] == names
    assert names[0] in factory
    assert "nothing" not in factory
    assert factory[names[1]].config == factory.load(names[1]).config == config
    for missing in (factory.load, factory.__getitem__):
        with pytest.raises(lc.ContainerNotFoundError):
            missing("nothing")
    for container in factory:
        container.delete()


@pytest.mark.parametrize(
    "name", ["a", "A-z_0+9.b", "..a", ".a", "_", "a-", "+", "0", "a" * 255]
)
def test_an_id_that_is_allowed_names_a_container(
    factory: lc.Factory, config: lc.Config, name: str
) -> None:
    with factory.create(name, config) as container:
        assert container.run(TRUE).wait() == lc.ExitStatus(code=0)
        assert Path(container.path).parent == Path(factory.root)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "-a", "a/b", "/", "../a", "a b", "a\n", "a\0", "é", "a" * 256, 7],
)
def test_an_id_that_is_not_allowed_makes_nothing(
    factory: lc.Factory, config: lc.Config, name: str
) -> None:
    with pytest.raises(lc.InvalidIdError):
        factory.create(name, config)
    with pytest.raises(lc.InvalidIdError):
        factory.load(name)
    assert os.listdir(factory.root) == []
    assert name not in factory


def test_the_state_is_the_owners_alone_and_never_half_written(bring: Bring) -> None:
    container = bring(Status.RUNNING)
    path = Path(container.path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for file in path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    inode = (path / "state.json").stat().st_ino
    second = bring(Status.CREATED)
    text = Path(second.path, "state.json")
    with open(text) as old:
        second.start()
        # The old file is whole still, the new one is another.
        assert json.load(old)["status"] == "created"
    assert json.loads(text.read_text())["status"] == "running"
    assert (path / "state.json").stat().st_ino == inode


def test_the_state_tells_the_process(bring: Bring) -> None:
    container = bring(Status.RUNNING)
    state = container.state()
    assert container.init is not None
    assert state.init is not None
    assert state.init.host_pid == container.init.host_pid
    assert state.args == SLEEPER.args
    assert state.owner_uid == os.geteuid()
    assert state.status is Status.RUNNING
    paths = state.namespace_paths
    assert set(paths) == set(lc.NamespaceType)
    for kind in container.config.namespaces:
        own = os.stat(f"/proc/self/ns/{kind.proc_name}").st_ino
        assert os.stat(paths[kind]).st_ino != own


def test_an_init_that_nobody_has_reaped_counts_as_stopped(bring: Bring) -> None:
    container = bring(Status.RUNNING)
    assert container.init is not None
    os.kill(container.init.host_pid, signal.SIGKILL)
    os.waitid(os.P_PIDFD, container.init.pidfd, os.WEXITED | os.WNOWAIT)
    stat_text = Path(f"/proc/{container.init.host_pid}/stat").read_text()
    assert stat_text.rpartition(")")[2].split()[0] == "Z"
    assert container.status() is Status.STOPPED
    container.delete()


@pytest.mark.parametrize("field", ["start_time", "boot_id"])
def test_a_pid_that_has_come_to_mean_another_process_is_left_alone(
    factory: lc.Factory, bring: Bring, field: str
) -> None:
    file = Path(bring(Status.CREATING).path, "state.json")
    with subprocess.Popen(["sleep", "1000"]) as bystander:
        try:
            document = json.loads(file.read_text())
            creator = document["creator"]
            record = {**creator, "host_pid": bystander.pid}
            stat_text = Path(f"/proc/{bystander.pid}/stat").read_text()
            record["start_time"] = int(stat_text.rpartition(")")[2].split()[19])
            record[field] = 1 if field == "start_time" else "another boot"
            file.write_text(json.dumps({**document, "init": record}))
            container = factory.load(document["id"])
            assert container.status() is Status.STOPPED
            with pytest.raises(lc.StateError):
                container.signal("KILL")
            with pytest.raises(lc.StateError):
                container.exec(TRUE)
            assert container.wait() == lc.ExitStatus()
            container.delete(force=True)
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_delete_is_for_good_and_force_is_idempotent(bring: Bring) -> None:
    container = bring(Status.STOPPED)
    container.delete()
    with pytest.raises(lc.ContainerNotFoundError):
        container.delete()
    container.delete(force=True)
    container.delete(force=True)


def test_a_folder_that_is_half_gone_can_be_deleted(
    factory: lc.Factory, bring: Bring
) -> None:
    container = bring(Status.CREATING)
    Path(container.path, "state.json").unlink()
    with pytest.raises(lc.ContainerNotFoundError):
        container.status()
    assert factory.list() == []
    container.delete()
    assert os.listdir(factory.root) == []


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 99}', "\xff"])
def test_a_state_file_that_is_not_ours_is_told(
    factory: lc.Factory, bring: Bring, text: str
) -> None:
    container = bring(Status.CREATING)
    file = Path(container.path, "state.json")
    good = file.read_bytes()
    file.write_text(text)
    try:
        with pytest.raises(lc.StateFileError):
            container.status()
        assert factory.recover() == ()
    finally:
        file.write_bytes(good)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "\xff"])
def test_a_configuration_that_is_no_object_is_told_when_it_is_asked_for(
    factory: lc.Factory, bring: Bring, text: str
) -> None:
    path = bring(Status.CREATED).path
    Path(path, "config.json").write_text(text)
    # What needs none of it goes on.
    (found,) = factory.list()
    assert found.status() is Status.CREATED
    with pytest.raises(lc.StateFileError, match=r"config\.json"):
        _ = found.config
    with pytest.raises(lc.StateFileError, match=r"config\.json"):
        found.delete(force=True)  # and has told of hooks that it cannot know
    assert not os.path.exists(path)


def test_what_cannot_be_made_of_a_configuration_is_told_when_it_is_asked_for(
    factory: lc.Factory, bring: Bring
) -> None:
    path = bring(Status.CREATED).path
    file = Path(path, "config.json")
    document = json.loads(file.read_text())
    document["mounts"], document["hooks"]["poststop"] = [{"nothing": 1}], [{"no": 1}]
    file.write_text(json.dumps(document))
    found = factory.load(os.path.basename(path))
    # What needs none of it goes on.
    assert found.status() is Status.CREATED
    assert found.oci_state()["status"] == "created"
    with pytest.raises(lc.StateFileError, match=r"config\.json cannot be read"):
        _ = found.config
    with pytest.raises(lc.StateFileError):
        found.delete(force=True)  # and has told of the hook that it cannot run
    assert not os.path.exists(path)


def test_delete_ends_what_another_process_made_anew_under_the_id(
    factory: lc.Factory, config: lc.Config
) -> None:
    with factory.create(new_id(), config) as old:
        old.run(TRUE).wait()
        factory.load(old.id).delete()
        factory.create(old.id, config)
        script = (
            "process = lc.Process(['sleep', '1000'], stdout=lc.DEVNULL,"
            " stderr=lc.DEVNULL); print(box.run(process).host_pid)"
        )
        pid = int(_said(_other(script, old)))
        pidfd = os.pidfd_open(pid)
        assert old.status() is Status.RUNNING
        old.delete(force=True)
        # Ended; its maker is gone, so it is for somebody else to reap it.
        assert select.select([pidfd], [], [], 0)[0]
        os.close(pidfd)


def test_what_needs_a_cgroup_says_so(state_root: Path, config: lc.Config) -> None:
    factory = lc.Factory(state_root, cgroups="disabled")
    with factory, factory.create(new_id(), config) as container:
        container.run(SLEEPER)
        limits = lc.Resources(pids=100)
        for verb in (
            container.pause,
            container.processes,
            container.stats,
            lambda: container.update(limits),
        ):
            with pytest.raises(lc.UnsupportedError, match="cgroup"):
                verb()
        with pytest.raises(lc.UnsupportedError, match="not disabled"):
            factory.create(new_id(), lc.Config(resources=limits))


def test_a_context_ends_and_deletes_its_container(
    factory: lc.Factory, config: lc.Config
) -> None:
    with pytest.raises(ZeroDivisionError), factory.create(new_id(), config) as box:
        process = box.run(SLEEPER)
        raise ZeroDivisionError
    assert process.wait() == lc.ExitStatus(signal=9)
    assert os.listdir(factory.root) == []


@pytest.mark.parametrize("which", ["init", "further"])
def test_a_closed_handle_does_not_keep_the_container_from_being_deleted(
    factory: lc.Factory, config: lc.Config, which: str
) -> None:
    container = factory.create(new_id(), config)
    init = container.run(lc.Process(["sleep", "1000"]))
    further = container.exec(lc.Process(["sleep", "1000"]))
    (init if which == "init" else further).close()
    container.delete(force=True)
    assert init.wait(10) == further.wait(10) == lc.ExitStatus(signal=9)
