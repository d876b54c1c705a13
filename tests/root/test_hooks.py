# SPDX-License-Identifier: Apache-2.0
"""Hooks: when they run, where, with what, and what becomes of a failure."""

from __future__ import annotations

import errno
import itertools
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

# Before the program it has the host's files, in the container those of the image.
ON_HOST = ("prestart", "create_runtime", "create_container", "poststart", "poststop")
ALL = (*ON_HOST[:3], "start_container", *ON_HOST[3:])
PATH = {"PATH": "/bin:/usr/bin"}
PROGRAM = lc.Process(["sh", "-c", "exit 7"], stderr=lc.DEVNULL)

_NAMESPACES: dict[str, Any] = {
    "plain": {},
    "user namespace": {
        "namespaces": [*lc.Config().namespaces, "user"],
        "uid_mappings": [lc.IdMapping(0, 100000, 65536)],
        "gid_mappings": [lc.IdMapping(0, 100000, 65536)],
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder where anybody can write and that hooks know."""
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.stat().st_mode & 0o777 == 0o700:
            parent.chmod(0o711)
    (tmp_path / "order").touch()
    (tmp_path / "order").chmod(0o666)
    return tmp_path


def shell(script: str, **wishes: Any) -> lc.Hook:
    """A hook that runs a script of the shell."""
    return lc.Hook("/bin/sh", ["sh", "-c", script], PATH, **wishes)


def _noted(folder: Path, name: str) -> lc.Hook:
    return shell(f"echo {name} >> {folder}/order; cat > {folder}/{name}.json")


def _order(folder: Path) -> list[str]:
    return (folder / "order").read_text().split()


def _states(folder: Path) -> dict[str, dict[str, Any]]:
    return {f.stem: json.loads(f.read_text()) for f in folder.glob("*.json")}


def _config(rootfs: Path, hooks: lc.Hooks, **wishes: Any) -> lc.Config:
    return lc.Config(rootfs=lc.Overlay(str(rootfs)), hooks=hooks, **wishes)


def _bind(folder: Path) -> lc.Mount:
    return lc.Mount.bind(str(folder), "/home")


def _seen_at(kind: str, folder: Path) -> Path:
    """Where a hook finds the folder that `_bind` brings into the container."""
    return Path("/home") if kind == "start_container" else folder


def _full(folder: Path, rootfs: Path, **wishes: Any) -> lc.Config:
    """A configuration with a noting hook of every kind."""
    kinds = {kind: [_noted(_seen_at(kind, folder), kind)] for kind in ALL}
    return _config(rootfs, lc.Hooks(**kinds), mounts=[_bind(folder)], **wishes)


@pytest.mark.parametrize("wishes", _NAMESPACES.values(), ids=_NAMESPACES)
def test_hooks_run_in_the_order_of_the_specification(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path, wishes: dict[str, Any]
) -> None:
    config = _full(folder, busybox_rootfs, labels={"team": "blue"}, **wishes)
    container = factory.create(new_id(), config)
    process = container.prepare(lc.Process(["sh", "-c", "echo PROGRAM >> /home/order"]))
    assert _order(folder) == ["prestart", "create_runtime", "create_container"]
    container.start()
    process.wait()
    assert sorted(_order(folder)[3:]) == ["PROGRAM", "poststart", "start_container"]
    assert _order(folder)[3] == "start_container"
    container.delete()
    assert _order(folder)[6:] == ["poststop"]
    _check_states(_states(folder), container.id, process.host_pid)


def _check_states(
    states: dict[str, dict[str, Any]], container_id: str, host_pid: int
) -> None:
    expected = {
        "prestart": ("creating", host_pid),
        "create_runtime": ("creating", host_pid),
        "create_container": ("creating", 1),
        "start_container": ("created", 1),
        "poststart": ("running", host_pid),
        "poststop": ("stopped", None),
    }
    assert set(states) == set(expected)
    for kind, state in states.items():
        _check_schema(state)
        assert (state["status"], state.get("pid")) == expected[kind], kind
        assert state["id"] == container_id
        assert state["annotations"] == {"team": "blue"}


def _check_schema(state: dict[str, Any]) -> None:
    """Assert what state-schema.json of the specification asks for."""
    assert set(state) <= {"ociVersion", "id", "status", "pid", "bundle", "annotations"}
    assert {"ociVersion", "id", "status", "bundle"} <= set(state)
    assert all(isinstance(state[key], str) for key in ("ociVersion", "id", "bundle"))
    assert state["ociVersion"].count(".") == 2
    assert state["status"] in ("creating", "created", "running", "stopped")
    assert isinstance(state.get("pid", 0), int)
    assert os.path.isabs(state["bundle"])
    assert all(isinstance(text, str) for text in state["annotations"].values())


def test_run_runs_them_as_well(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path
) -> None:
    with factory.create(new_id(), _full(folder, busybox_rootfs)) as container:
        container.run(PROGRAM).wait()
    assert _order(folder) == list(ALL)


def test_without_a_pid_namespace_every_hook_is_told_the_same_pid(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path
) -> None:
    kinds = lc.Config().namespaces - {lc.NamespaceType.PID}
    config = _full(folder, busybox_rootfs, namespaces=kinds)
    with factory.create(new_id(), config) as container:
        process = container.run(PROGRAM)
        process.wait()
    told = {state.get("pid") for state in _states(folder).values()}
    assert told == {process.host_pid, None}


_NS = ("mnt", "pid", "net", "ipc", "uts", "cgroup")
_SHOW_NS = f"for n in {' '.join(_NS)}; do readlink /proc/self/ns/$n; done"


@pytest.mark.parametrize("wishes", _NAMESPACES.values(), ids=_NAMESPACES)
def test_hooks_of_the_host_and_of_the_container_run_in_its_namespaces(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path, wishes: dict[str, Any]
) -> None:
    kinds = {
        kind: [shell(f"({_SHOW_NS}) > {_seen_at(kind, folder)}/{kind}")] for kind in ALL
    }
    hooks = lc.Hooks(**kinds)
    config = _config(busybox_rootfs, hooks, mounts=[_bind(folder)], **wishes)
    with factory.create(new_id(), config) as container:
        script = f"({_SHOW_NS}) > /home/program"
        container.run(lc.Process(["sh", "-c", script])).wait()
    seen = {name: (folder / name).read_text().split() for name in (*ALL, "program")}
    host = [os.readlink(f"/proc/self/ns/{name}") for name in _NS]
    for kind in ("prestart", "create_runtime", "poststart", "poststop"):
        assert seen[kind] == host, kind
    assert seen["start_container"] == seen["program"]
    assert set(seen["create_container"]).isdisjoint(host)
    assert seen["create_container"] == seen["program"]


def test_create_container_has_the_hosts_files_and_the_containers_root_below_it(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path, tmp_path_factory: Any
) -> None:
    rootfs = tmp_path_factory.mktemp("rootfs")
    subprocess.run(["cp", "-a", f"{busybox_rootfs}/.", rootfs], check=True)
    (rootfs / "from-hook").mkdir()
    here = shell(f"pwd > {folder}/cwd; ls -d {folder} && mount -t tmpfs none from-hook")
    named = shell(f"echo made > {rootfs}/from-hook/file")
    config = lc.Config(
        rootfs=str(rootfs), hooks=lc.Hooks(create_container=[here, named])
    )
    with factory.create(new_id(), config) as container:
        process = container.run(lc.Process(["cat", "/from-hook/file"], stdout=lc.PIPE))
        assert process.communicate()[0] == b"made\n"
    assert (folder / "cwd").read_text() == f"{rootfs}\n"
    assert list((rootfs / "from-hook").iterdir()) == []


def test_prestart_finds_a_container_whose_root_is_not_pivoted_yet(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    found: list[str] = []

    def look(state: Mapping[str, Any]) -> None:
        found.append(os.readlink(f"/proc/{state['pid']}/root"))
        found.append(factory.load(state["id"]).status())
        found.append(factory.load(state["id"]).oci_state()["status"])

    hooks = lc.Hooks(prestart=[look])
    with factory.create(new_id(), _config(busybox_rootfs, hooks)) as container:
        container.run(PROGRAM).wait()
    assert found == ["/", "creating", "creating"]


@pytest.mark.parametrize("kind", ["prestart", "create_container", "poststop"])
def test_a_hook_gets_its_arguments_its_environment_and_nothing_else(
    factory: lc.Factory, init_rootfs: Path, folder: Path, kind: str
) -> None:
    shutil.copy(init_rootfs / "test_init", folder)
    inherited = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(inherited, True)
    # What it writes is kept for nobody, so it goes through files.
    script = f"exec {folder}/test_init > {folder}/seen"
    copy = (
        f"open({str(folder / 'args')!r}, 'w').write(open('/proc/self/cmdline').read())"
    )
    python = os.path.realpath(sys.executable)
    hooks = [
        lc.Hook("/bin/sh", ["sh", "-c", script], {"A": "b c", "E": ""}),
        lc.Hook(python, ["other name", "-SEc", copy, "x y", ""]),
    ]
    config = _config(init_rootfs, lc.Hooks(**{kind: hooks}))
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["/test_init"], stdout=lc.DEVNULL)).wait()
    os.close(inherited)
    assert (folder / "args").read_text() == f"other name\0-SEc\0{copy}\0x y\0\0"
    seen = json.loads((folder / "seen").read_text())
    # A shell adds what is of no use to anybody but itself.
    own = {"PWD", "OLDPWD", "SHLVL", "_"}
    assert sorted(e for e in seen["env"] if e.split("=")[0] not in own) == [
        "A=b c",
        "E=",
    ]
    assert sorted(seen["fds"]) == ["0", "1", "2"]
    assert seen["sid"] == seen["pid"]
    assert (seen["status"]["SigBlk"], seen["status"]["SigIgn"]) == ("0" * 16, "0" * 16)


def test_start_container_runs_as_the_user_with_the_privileges_of_the_program(
    factory: lc.Factory, init_rootfs: Path
) -> None:
    hook = lc.Hook("/test_init", ["/test_init", "as a hook"], {"FROM": "hook"})
    config = _config(init_rootfs, lc.Hooks(start_container=[hook]))
    with factory.create(new_id(), config) as container:
        process = container.run(
            lc.Process(
                ["/test_init"],
                user="1000:1000",
                capabilities=["CAP_KILL"],
                stdout=lc.PIPE,
                stderr=lc.PIPE,
            )
        )
        out, err = process.communicate()
        process.wait()
    program, seen = json.loads(out or b""), json.loads(err or b"")
    assert seen["args"] == ["/test_init", "as a hook"]
    assert seen["env"] == ["FROM=hook"]
    assert sorted(seen["fds"]) == ["0", "1", "2"]
    assert seen["uid"] == program["uid"] == [1000, 1000, 1000]
    for name in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb", "NoNewPrivs"):
        assert seen["status"][name] == program["status"][name], name
    assert (seen["pid"], seen["ppid"]) == (2, 1)


def _bad(folder: Path) -> dict[str, tuple[lc.Hook, int, str]]:
    return {
        "status": (
            shell("echo why it failed >&2; exit 3"),
            errno.ECANCELED,
            "exit status 3",
        ),
        "signal": (shell("kill -KILL $$"), errno.ECANCELED, "was ended by signal"),
        "time": (
            shell(f"echo $$ > {folder}/pid; sleep 1000 & sleep 1000", timeout=1),
            errno.ETIMEDOUT,
            "was killed",
        ),
        "absent": (lc.Hook("/absent/hook"), errno.ENOENT, "no such file or directory"),
    }


@pytest.mark.parametrize(
    "case",
    list(
        itertools.product(
            ("run", "prepare"),
            ("prestart", "create_runtime", "create_container"),
            ("status", "signal", "time", "absent"),
        )
    ),
    ids=" ".join,
)
def test_a_hook_that_fails_before_the_program_undoes_the_launch(
    factory: lc.Factory,
    busybox_rootfs: Path,
    folder: Path,
    case: tuple[str, str, str],
) -> None:
    verb, kind, how = case
    bad, number, reason = _bad(folder)[how]
    kinds: dict[str, Any] = {name: [_noted(folder, name)] for name in ALL}
    kinds[kind] = [_noted(folder, "first"), bad, _noted(folder, "never")]
    config = _config(busybox_rootfs, lc.Hooks(**kinds))
    with factory.create(new_id(), config) as container:
        with pytest.raises(lc.HookError) as caught:
            getattr(container, verb)(PROGRAM)
        assert caught.value.hook == f"hooks.{kind}[1]"
        assert caught.value.errno == number
        assert reason in caught.value.reason
        assert f"hooks.{kind}[1]" in str(caught.value) or how == "absent"
        if how == "status":
            assert caught.value.output == "why it failed"
        before = list(ALL[: ALL.index(kind)])
        assert _order(folder) == [*before, "first", "poststop"]
        assert container.status() is lc.Status.CREATING
        assert container.state().init is None
    # It never was, so nothing follows its end.
    assert _order(folder).count("poststop") == 1


def test_a_hook_in_the_container_that_takes_too_long_is_killed_with_its_children(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path
) -> None:
    kinds = lc.Config().namespaces - {lc.NamespaceType.PID}
    script = f"sleep 1000 & echo $! > {folder}/pid; sleep 1000"
    for kind in ("prestart", "create_container"):
        hooks = lc.Hooks(**{kind: [shell(script, timeout=1)]})
        config = _config(busybox_rootfs, hooks, namespaces=kinds)
        with (
            factory.create(new_id(), config) as container,
            pytest.raises(lc.HookError),
        ):
            container.run(PROGRAM)
        pid = int((folder / "pid").read_text())
        _await_end(pid)


def _await_end(pid: int) -> None:
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}/cmdline").exists():
        try:
            if not Path(f"/proc/{pid}/cmdline").read_bytes():
                return  # a zombie, somebody else's to reap
        except (FileNotFoundError, ProcessLookupError):
            return
        assert time.monotonic() < deadline, "a child of the hook lives on"
        time.sleep(0.01)


@pytest.mark.parametrize("how", ["status", "signal", "time", "absent"])
def test_start_container_that_fails_ends_init(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path, how: str
) -> None:
    bad, number, reason = _bad(Path("/tmp"))[how]
    hooks = lc.Hooks(
        start_container=[shell(":"), bad], poststop=[_noted(folder, "poststop")]
    )
    config = _config(busybox_rootfs, hooks)
    process = lc.Process(["sh", "-c", "exit 7"], stderr=lc.DEVNULL)
    with factory.create(new_id(), config) as container:
        init = container.prepare(process)
        with pytest.raises(lc.HookError) as caught:
            container.start()
        assert caught.value.hook == "hooks.start_container[1]"
        assert (caught.value.errno, reason in caught.value.reason) == (number, True)
        assert init.wait() == lc.ExitStatus(code=1)
        assert container.status() is lc.Status.STOPPED
        assert _order(folder) == []
    assert _order(folder) == ["poststop"]
    with factory.create(new_id(), config) as container:
        with pytest.raises(lc.HookError) as caught:
            container.run(process)
        assert caught.value.hook == "hooks.start_container[1]"
        assert container.status() is lc.Status.CREATING
    assert _order(folder) == ["poststop", "poststop"]


@pytest.mark.parametrize("verb", ["run", "start"])
def test_poststart_that_fails_stops_the_container(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path, verb: str
) -> None:
    hooks = lc.Hooks(
        poststart=[shell("exit 5"), _noted(folder, "never")],
        poststop=[_noted(folder, "poststop")],
    )
    sleeper = lc.Process(["sleep", "1000"])
    with factory.create(new_id(), _config(busybox_rootfs, hooks)) as container:
        if verb == "start":
            container.prepare(sleeper)
        with pytest.raises(lc.HookError, match="exit status 5"):
            container.start() if verb == "start" else container.run(sleeper)
        expected = lc.Status.STOPPED if verb == "start" else lc.Status.CREATING
        assert container.status() is expected
    assert _order(folder) == ["poststop"]


def test_poststop_that_fails_is_a_warning_and_the_others_run(
    factory: lc.Factory,
    busybox_rootfs: Path,
    folder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(state: Mapping[str, Any]) -> None:
        message = "broken function"
        raise ValueError(message)

    bad = [shell("exit 5"), broken, lc.Hook("/absent"), shell("sleep 99", timeout=1)]
    hooks = lc.Hooks(poststop=[*bad, _noted(folder, "last")])
    container = factory.create(new_id(), _config(busybox_rootfs, hooks))
    container.run(PROGRAM).wait()
    with caplog.at_level(logging.WARNING, "libcontainer"):
        container.delete()
    assert _order(folder) == ["last"]
    for number, text in enumerate(
        ["exit status 5", "broken function", "no such", "killed"]
    ):
        line = caplog.messages[number]
        assert f"hooks.poststop[{number}]" in line or number == 2, line
        assert text in line
    assert len(caplog.messages) == 4


def test_poststop_that_cannot_even_begin_is_a_warning(
    factory: lc.Factory,
    busybox_rootfs: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run(*_: object) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    hooks = lc.Hooks(poststop=[shell(":")])
    container = factory.create(new_id(), _config(busybox_rootfs, hooks))
    container.run(PROGRAM).wait()
    monkeypatch.setattr("libcontainer.host.hooks._Program.run", run)
    with caplog.at_level(logging.WARNING, "libcontainer"):
        container.delete()
    assert ["too many open files" in line for line in caplog.messages] == [True]


def test_poststop_runs_when_the_folder_is_gone(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    seen: list[tuple[bool, bool]] = []

    def look(state: Mapping[str, Any]) -> None:
        seen.append((os.path.exists(state["bundle"]), state["id"] in factory))

    hooks = lc.Hooks(poststop=[look])
    with factory.create(new_id(), _config(busybox_rootfs, hooks)) as container:
        container.run(PROGRAM).wait()
    assert seen == [(False, False)]


def test_a_container_that_never_ran_has_no_poststop(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path
) -> None:
    hooks = lc.Hooks(poststop=[_noted(folder, "poststop")])
    factory.create(new_id(), _config(busybox_rootfs, hooks)).delete()
    assert _order(folder) == []


def test_functions_run_in_the_program_with_the_state(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    seen: list[str] = []
    kinds = ("prestart", "create_runtime", "poststart", "poststop")

    def note(kind: str) -> Callable[[Mapping[str, Any]], None]:
        return lambda state: seen.append(f"{kind} {state['status']} {os.getpid()}")

    hooks = lc.Hooks(**{kind: [note(kind)] for kind in kinds})
    with factory.create(new_id(), _config(busybox_rootfs, hooks)) as container:
        container.run(PROGRAM).wait()
    own = os.getpid()
    assert seen == [
        f"prestart creating {own}",
        f"create_runtime creating {own}",
        f"poststart running {own}",
        f"poststop stopped {own}",
    ]


def test_a_function_that_raises_undoes_the_launch_and_is_the_cause(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    cause = ValueError("no address left")

    def broken(state: Mapping[str, Any]) -> None:
        raise cause

    config = _config(busybox_rootfs, lc.Hooks(create_runtime=[broken]))
    with factory.create(new_id(), config) as container:
        with pytest.raises(lc.HookError, match="no address left") as caught:
            container.run(PROGRAM)
        assert caught.value.__cause__ is cause
        assert caught.value.hook == "hooks.create_runtime[0]"
        assert "broken" in str(caught.value)
        again = pickle.loads(pickle.dumps(caught.value))
        assert str(again) == str(caught.value)


def test_another_program_cannot_run_a_function_but_deletes_with_a_warning(
    factory: lc.Factory, busybox_rootfs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = lc.Hooks(poststart=[print], poststop=[print])
    made = factory.create(new_id(), _config(busybox_rootfs, hooks))
    process = made.prepare(PROGRAM)
    loaded = factory.load(made.id)
    with pytest.raises(
        lc.HookError, match="function of the program that made"
    ) as caught:
        loaded.start()
    assert caught.value.errno == errno.ENOTSUP
    assert loaded.status() is lc.Status.STOPPED
    with caplog.at_level(logging.WARNING, "libcontainer"):
        loaded.delete()
    process.wait()
    (line,) = caplog.messages
    assert "hooks.poststop[0] 'builtins.print'" in line


_CRASHES = """
import os, sys
import libcontainer as lc
root, rootfs, folder = sys.argv[1:]
def die(state):
    os.kill(os.getpid(), 9)
stop = lc.Hook("/bin/sh", ["sh", "-c", f"echo poststop >> {folder}/order"])
hooks = lc.Hooks(create_runtime=[die], poststop=[stop])
config = lc.Config(rootfs=lc.Overlay(rootfs), hooks=hooks)
lc.Factory(root).create("crashed", config).run(lc.Process(["true"]))
"""


def test_poststop_follows_a_creator_that_died_in_its_hooks(
    factory: lc.Factory, state_root: Path, busybox_rootfs: Path, folder: Path
) -> None:
    words = [str(state_root), str(busybox_rootfs), str(folder)]
    done = subprocess.run([sys.executable, "-c", _CRASHES, *words], check=False)
    assert done.returncode == -9
    container = factory.load("crashed")
    deadline = time.monotonic() + 5
    while container.status() is not lc.Status.STOPPED:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert factory.recover() == ()
    container.delete()
    assert _order(folder) == ["poststop"]


def test_a_hook_may_take_longer_than_a_launch(
    state_root: Path, busybox_rootfs: Path
) -> None:
    state_root.chmod(0o700)
    slow = [shell("sleep 1", timeout=20)]
    hooks = lc.Hooks(prestart=slow, create_container=slow, start_container=slow)
    with (
        lc.Factory(state_root, deadline_seconds=1.5) as factory,
        factory.create(new_id(), _config(busybox_rootfs, hooks)) as container,
    ):
        assert container.run(PROGRAM).wait() == lc.ExitStatus(code=7)


def test_a_hook_that_leaves_a_daemon_is_not_waited_for_by_its_output(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path
) -> None:
    hooks = lc.Hooks(prestart=[shell(f"sleep 60 & echo $! > {folder}/pid")])
    begun = time.monotonic()
    with factory.create(new_id(), _config(busybox_rootfs, hooks)) as container:
        assert container.run(PROGRAM).wait() == lc.ExitStatus(code=7)
    assert time.monotonic() - begun < 30
    os.kill(int((folder / "pid").read_text()), 9)


def test_a_hook_that_writes_much_does_not_block(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    loud = shell("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo the end; exit 1")
    for kind in ("prestart", "create_container"):
        config = _config(busybox_rootfs, lc.Hooks(**{kind: [loud]}))
        with factory.create(new_id(), config) as container:
            with pytest.raises(lc.HookError) as caught:
                container.run(PROGRAM)
            assert caught.value.output.endswith("\nthe end")
            assert len(caught.value.output) <= 2000


def test_the_state_on_standard_input_cannot_be_changed_for_the_next_hook(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path
) -> None:
    spoil = shell("echo '{}' 1<>/dev/stdin || :")
    keep = _noted(folder, "second")
    config = _config(busybox_rootfs, lc.Hooks(create_container=[spoil, keep]))
    with factory.create(new_id(), config) as container:
        container.run(PROGRAM).wait()
    assert _states(folder)["second"]["id"] == container.id


def test_what_a_hook_writes_is_kept_in_a_file(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path
) -> None:
    log = folder / "log"
    hooks = lc.Hooks(
        prestart=[shell("echo one; echo two >&2", output=log)],
        create_runtime=[shell("seq 1 20000 | tail -n 20000; exit 3", output=log)],
    )
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), hooks=hooks)
    container = factory.create(new_id(), config)
    with container, pytest.raises(lc.HookError, match="exit status 3"):
        container.run(PROGRAM)
    lines = log.read_text().splitlines()
    assert lines == ["one", "two", *map(str, range(1, 20001))]
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_file_of_a_hook_is_never_a_link_or_a_fifo(
    factory: lc.Factory, busybox_rootfs: Path, folder: Path
) -> None:
    (folder / "link").symlink_to(folder / "order")
    os.mkfifo(folder / "fifo")
    reader = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        for name, message in (("link", "ELOOP"), ("fifo", "no regular file")):
            hooks = lc.Hooks(poststart=[shell("echo no", output=folder / name)])
            config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), hooks=hooks)
            container = factory.create(new_id(), config)
            with container, pytest.raises(lc.HookError, match=message):
                container.run(lc.Process(["sleep", "60"]))
    finally:
        os.close(reader)
    assert (folder / "order").read_text() == ""
