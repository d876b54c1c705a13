# SPDX-License-Identifier: Apache-2.0
"""The directory of containers, as any user may have one."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from libcontainer.errors import (
    ContainerExistsError,
    ContainerNotFoundError,
    InvalidIdError,
    LockTimeoutError,
    StateFileError,
)
from libcontainer.host.abandoned import remove_abandoned
from libcontainer.host.processref import record_of
from libcontainer.host.store import Folder, Store
from libcontainer.state import ProcessRecord, State
from libcontainer.status import Status

CONFIG = b'{"a": 1}'
HOLDER = """
import sys, time
from libcontainer.host.store import Store
with Store(sys.argv[1]).open("box").locked(timeout=5) as folder:
    print("locked", flush=True)
    sys.stdin.readline()
    if sys.argv[2] == "remove":
        folder.remove()
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store in a directory that is yet to be made; no fd of it may be left."""
    before = set(os.listdir("/proc/self/fd"))
    yield Store(str(tmp_path / "a" / "root"))
    assert len(os.listdir("/proc/self/fd")) <= len(before)


def state_of(name: str, creator: ProcessRecord | None = None) -> State:
    return State(
        id=name,
        created=1.0,
        owner_uid=os.geteuid(),
        creator=creator or record_of(os.getpid()),
        status=Status.CREATING,
    )


def make(store: Store, name: str, creator: ProcessRecord | None = None) -> State:
    state = state_of(name, creator)
    store.create(state, CONFIG).close()
    return state


def dead() -> ProcessRecord:
    return evolve(record_of(os.getpid()), start_time=1)


def hold(store: Store, then: str) -> subprocess.Popen[str]:
    """Start a process that has locked the container ``box``."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, store.root, then],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    return holder


def let_go(holder: subprocess.Popen[str]) -> None:
    holder.communicate("\n", timeout=20)
    assert holder.returncode == 0


def test_a_new_container_is_private_locked_and_complete(store: Store) -> None:
    folder = store.create(state_of("box"), CONFIG)
    other = store.open("box")
    try:
        with pytest.raises(LockTimeoutError, match="'box'"):
            other.lock(timeout=0)
        assert other.read() == state_of("box")
        assert other.read_config() == CONFIG
        assert os.stat(store.root).st_mode & 0o777 == 0o700
        assert os.stat(folder.path).st_mode & 0o777 == 0o700
        assert {
            os.stat(f"{folder.path}/{n}").st_mode & 0o777
            for n in os.listdir(folder.path)
        } == {0o600}
    finally:
        folder.close()
        other.lock(timeout=0)
        other.close()


def test_an_id_is_given_once(store: Store) -> None:
    state = make(store, "box")
    with pytest.raises(ContainerExistsError, match="'box'"):
        store.create(evolve(state, created=2.0), b"other")
    folder = store.open("box")
    assert (folder.read(), folder.read_config()) == (state, CONFIG)
    folder.close()
    assert os.listdir(store.root) == ["box"]


def test_two_that_make_one_id_at_once_get_one_container(store: Store) -> None:
    results: list[str] = []

    def attempt() -> None:
        try:
            make(store, "box")
            results.append("made")
        except ContainerExistsError:
            results.append("exists")

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["exists"] * 7 + ["made"]
    assert os.listdir(store.root) == ["box"]


def test_what_is_not_there_is_not_found(store: Store) -> None:
    assert store.ids() == []
    assert remove_abandoned(store) == ()
    with pytest.raises(ContainerNotFoundError):
        store.open("box")
    make(store, "other")
    with pytest.raises(ContainerNotFoundError):
        store.open("box")
    Path(store.root, "file").touch()
    with pytest.raises(ContainerNotFoundError):
        store.open("file")
    with pytest.raises(InvalidIdError):
        store.open("../a")


def test_a_folder_that_others_may_write_is_refused(store: Store) -> None:
    make(store, "box")
    folder = Path(store.root, "box")
    folder.chmod(0o770)
    with pytest.raises(StateFileError, match="mode 0o770"):
        store.open("box")
    folder.chmod(0o700)
    Path(store.root).chmod(0o702)
    with pytest.raises(StateFileError, match="mode 0o702"):
        store.open("box")
    with pytest.raises(StateFileError, match="mode 0o702"):
        make(store, "new")


def test_a_symlink_is_no_container(store: Store, tmp_path: Path) -> None:
    make(store, "box")
    Path(store.root, "link").symlink_to("box")
    with pytest.raises(ContainerNotFoundError):
        store.open("link")
    folder = store.open("box")
    (tmp_path / "elsewhere").write_bytes(Path(folder.path, "state.json").read_bytes())
    Path(folder.path, "state.json").unlink()
    Path(folder.path, "state.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="Too many levels"):
        folder.read()
    folder.close()


def test_the_state_of_another_container_is_refused(store: Store) -> None:
    make(store, "box")
    make(store, "other")
    text = Path(store.root, "other", "state.json").read_bytes()
    Path(store.root, "box", "state.json").write_bytes(text)
    folder = store.open("box")
    with pytest.raises(StateFileError, match="of container 'other'"):
        folder.read()
    folder.close()


def test_a_state_is_replaced_in_one_step(store: Store) -> None:
    state = make(store, "box")
    folder = store.open("box")
    with folder.locked(timeout=1):
        folder.write(evolve(state, status=Status.RUNNING))
        assert folder.read().status is Status.RUNNING
        assert sorted(os.listdir(folder.path)) == ["config.json", "state.json"]


def test_ids_are_sorted_and_leave_half_made_ones_out(store: Store) -> None:
    for name in ("b", "a", ".new-a", "..c"):
        make(store, name)
    Path(store.root, ",new-7ffffffe-2").mkdir()
    assert store.ids() == ["..c", ".new-a", "a", "b"]


def test_a_removed_container_is_gone(store: Store) -> None:
    make(store, "box")
    folder = store.open("box")
    folder.lock(timeout=0)
    folder.remove()
    assert store.ids() == []
    with pytest.raises(ContainerNotFoundError):
        folder.read()
    folder.remove()
    folder.close()
    folder.close()


def test_a_lock_is_waited_for_no_longer_than_told(store: Store) -> None:
    make(store, "box")
    holder = hold(store, "nothing")
    folder = store.open("box")
    with pytest.raises(LockTimeoutError) as caught, folder.locked(timeout=0.05):
        pytest.fail("locked twice")
    assert isinstance(caught.value, TimeoutError)
    assert folder.fd == -1
    let_go(holder)


def test_a_lock_is_had_once_the_other_process_lets_go(store: Store) -> None:
    make(store, "box")
    holder = hold(store, "nothing")
    folder = store.open("box")
    waiter = threading.Thread(target=folder.lock, kwargs={"timeout": 20})
    waiter.start()
    let_go(holder)
    waiter.join()
    other = store.open("box")
    with pytest.raises(LockTimeoutError):
        other.lock(timeout=0)
    folder.close()
    other.lock(timeout=0)
    other.close()


def test_a_container_removed_while_its_lock_is_awaited_is_not_found(
    store: Store,
) -> None:
    make(store, "box")
    holder = hold(store, "remove")
    folder = store.open("box")
    errors: list[Exception] = []

    def wait() -> None:
        try:
            folder.lock(timeout=20)
        except ContainerNotFoundError as error:
            errors.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.05)
    let_go(holder)
    waiter.join()
    folder.close()
    assert [str(error) for error in errors] == ["container 'box' does not exist"]


def test_only_what_a_dead_maker_left_is_abandoned(store: Store) -> None:
    make(store, "mine")
    make(store, "left", dead())
    make(store, ".new-mine")
    make(store, "half", dead())
    Path(store.root, "half", "state.json").unlink()
    started = state_of("started", dead())
    store.create(evolve(started, init=dead()), CONFIG).close()
    Path(store.root, ",new-7ffffffe-2").mkdir()
    Path(store.root, "file").touch()
    assert remove_abandoned(store) == (",new-7ffffffe-2", "half", "left")
    assert store.ids() == [".new-mine", "file", "mine", "started"]


def test_a_folder_of_somebody_else_is_left_alone(store: Store) -> None:
    make(store, "box", dead())
    photos = Path(store.root, "photos")
    photos.mkdir()
    (photos / "config.json").touch()
    (photos / "a.jpg").touch()
    assert remove_abandoned(store) == ("box",)
    assert (photos / "a.jpg").exists()


def test_what_cannot_be_removed_stays_and_holds_up_no_other(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = tmp_path / "class"
    made.mkdir()
    (made / "file").touch()
    state = evolve(state_of("stuck", dead()), rdt=(str(made),))
    store.create(state, CONFIG).close()
    make(store, "under", dead())
    assert remove_abandoned(store) == ("under",)
    assert "stuck cannot be removed yet" in caplog.text
    (made / "file").unlink()
    assert remove_abandoned(store) == ("stuck",)
    assert not made.exists()


def test_what_is_locked_or_cannot_be_read_is_left_alone(store: Store) -> None:
    make(store, "box", dead())
    make(store, "bad", dead())
    Path(store.root, "bad", "state.json").write_text("{")
    holder = hold(store, "nothing")
    assert remove_abandoned(store) == ()
    let_go(holder)
    assert remove_abandoned(store) == ("box",)
    assert store.ids() == ["bad"]


def test_a_gate_is_a_socket_only(store: Store) -> None:
    make(store, "box")
    folder: Folder = store.open("box")
    assert not folder.has_gate()
    Path(folder.path, "gate").touch()
    assert not folder.has_gate()
    folder.remove_gate()
    folder.remove_gate()
    assert not Path(folder.path, "gate").exists()
    folder.close()


def test_the_lock_of_a_folder_that_was_dropped_is_let_go(tmp_path: Path) -> None:
    """A Ctrl-C may come on the way to close it."""
    store = Store(str(tmp_path))
    make(store, "box")
    dropped = store.open("box")
    dropped.lock(timeout=0)
    del dropped
    gc.collect()
    with store.open("box").locked(timeout=0):
        pass


def test_an_interrupt_on_the_way_out_lets_go_of_the_lock(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create(state_of("box"), CONFIG).close()
    close = Folder.close
    interrupts = [KeyboardInterrupt()]

    def interrupted(folder: Folder) -> None:
        if interrupts:
            raise interrupts.pop()
        close(folder)

    monkeypatch.setattr(Folder, "close", interrupted)
    try:
        with store.open("box").locked(timeout=5):
            pass
    except KeyboardInterrupt:
        # While the error, and with it the folder, is still there.
        with store.open("box").locked(timeout=0.5) as folder:
            assert folder.read().id == "box"
    assert not interrupts
