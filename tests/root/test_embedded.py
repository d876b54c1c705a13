# SPDX-License-Identifier: Apache-2.0
"""The library inside of programs of every kind, for real."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import leaks

pytestmark = pytest.mark.needs("root", "rootfs")

ROOT = Path(__file__).parents[2]

# A smoke set: a launch, a pipe, a timeout, a limit, a second process, a function.
SMOKE = """
import os, subprocess, sys
import libcontainer as lc

def smoke(root, rootfs):
    overlay = lc.Overlay(rootfs)
    with lc.Factory(root) as factory:
        wishes = {"rootfs": overlay, "factory": factory}
        assert lc.run(["sh", "-c", "exit 7"], **wishes).returncode == 7
        done = lc.run(["cat"], input="x" * 100000, text=True, stdout=lc.PIPE, **wishes)
        assert done.stdout == "x" * 100000
        try:
            lc.run(["sleep", "1000"], timeout=0.1, **wishes)
        except subprocess.TimeoutExpired:
            pass
        else:
            raise AssertionError("no timeout")
        assert lc.run(["true"], pids=9, **wishes).stats.pids.limit == 9
        with factory.create(f"box-{os.getpid()}", lc.Config(rootfs=overlay)) as box:
            with box.run(lc.Process(["sleep", "1000"])) as init:
                assert box.exec(lc.Process(["sh", "-c", "exit 3"])).wait().code == 3
                init.kill()
        assert lc.contained(**wishes)(pow)(2, 5) == 32
        child = subprocess.run(["sh", "-c", "exit 5"])
        assert child.returncode == 5
    return "smoked"
"""


@pytest.fixture
def places(state_root: Path, busybox_rootfs: Path) -> tuple[str, str]:
    state_root.chmod(0o700)
    return str(state_root), str(busybox_rootfs)


Script = Callable[..., str]


@pytest.fixture
def script(places: tuple[str, str], tmp_path: Path) -> Script:
    """Run a program that has the smoke set, and say what it said."""

    def run(text: str, *before: str, **keywords: Any) -> str:
        program = tmp_path / "program.py"
        program.write_text(SMOKE + text)
        command = [*before, sys.executable, "-W", "error", str(program), *places]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            **keywords,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert os.listdir(places[0]) == []
        return str(done.stdout).strip()

    return run


def test_the_smoke_set_itself(script: Script) -> None:
    assert script("print(smoke(*sys.argv[1:]))") == "smoked"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing_launch(script: Script, method: str) -> None:
    text = f"""
import multiprocessing
def work(task):
    config, root, code = task
    with lc.Factory(root) as factory:
        with factory.create(f"mp-{{code}}", config) as box:
            return box.run(lc.Process(["sh", "-c", f"exit {{code}}"])).wait().returncode
if __name__ == "__main__":
    smoke(*sys.argv[1:])
    context = multiprocessing.get_context({method!r})
    root, rootfs = sys.argv[1:]
    config = lc.Config(rootfs=lc.Overlay(rootfs))
    with context.Pool(3) as pool:
        tasks = [(config, root, n) for n in range(9)]
        print(pool.map(work, tasks) == list(range(9)))
"""
    assert script(text) == "True"


def test_a_prefork_server_runs_each_request_in_a_container(script: Script) -> None:
    text = """
import signal, socket
root, rootfs = sys.argv[1:]
smoke(root, rootfs)  # before the fork, as a server warms itself
listener = socket.create_server(("127.0.0.1", 0))
workers = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        with lc.Factory(root) as factory:
            while True:
                peer, _ = listener.accept()
                code = peer.recv(10).decode()
                if code == "end":
                    os._exit(0)
                done = lc.run(["sh", "-c", f"exit {code}"],
                              rootfs=lc.Overlay(rootfs), factory=factory)
                peer.sendall(str(done.returncode).encode())
                peer.close()
    workers.append(pid)
def ask(word):
    with socket.create_connection(listener.getsockname()) as peer:
        peer.sendall(word.encode())
        return peer.recv(10).decode()
print([ask(str(n)) for n in range(12)] == [str(n) for n in range(12)])
for _ in workers:
    ask("end")
assert [os.waitpid(pid, 0)[1] for pid in workers] == [0, 0, 0]
listener.close()
"""
    assert script(text) == "True"


def test_it_works_as_pid_1(script: Script) -> None:
    text = "assert os.getpid() == 1; print(smoke(*sys.argv[1:]))"
    before = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    assert script(text, *before) == "smoked"


def test_it_works_in_a_subreaper(script: Script) -> None:
    text = """
import ctypes
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
print(smoke(*sys.argv[1:]))
try:
    os.waitpid(-1, os.WNOHANG)
    print("a child is left")
except ChildProcessError:
    pass
"""
    assert script(text) == "smoked"


def test_it_works_under_a_debugger_and_development_mode(script: Script) -> None:
    text = """
lines = []
sys.settrace(lambda *a: lines.append(1) or (lambda *b: None))
import threading
threading.settrace(sys.gettrace())
print(smoke(*sys.argv[1:]))
sys.settrace(None)
assert lines
"""
    assert script(text) == "smoked"
    assert script("print(smoke(*sys.argv[1:]))", "env", "PYTHONDEVMODE=1") == "smoked"


def test_it_works_where_gevent_has_patched_everything(script: Script) -> None:
    pytest.importorskip("gevent", reason="gevent is an extra of the tests")
    # In an interpreter of its own: what it patches stays patched.
    text = """
import warnings
warnings.simplefilter("default")
from gevent import monkey
monkey.patch_all()
import gevent
print(smoke(*sys.argv[1:]))
ticks = []
def tick():
    while True:
        ticks.append(1)
        gevent.sleep(0.01)
ticker = gevent.spawn(tick)
root, rootfs = sys.argv[1:]
with lc.Factory(root) as factory:
    lc.run(["sleep", "0.5"], rootfs=lc.Overlay(rootfs), factory=factory)
ticker.kill()
print(len(ticks) > 10)
"""
    assert script(text).split() == ["smoked", "True"]


def test_workers_of_xdist_launch(places: tuple[str, str], tmp_path: Path) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is an extra of the tests")
    (tmp_path / "test_smoke.py").write_text(
        SMOKE
        + f"""
import pytest
@pytest.mark.parametrize("number", range(6))
def test_smoke(number, tmp_path):
    root = tmp_path / "state"
    root.mkdir(mode=0o700)
    assert smoke(str(root), {places[1]!r}) == "smoked"
"""
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "2",
        "-p",
        "no:cacheprovider",
    ]
    environment = {k: v for k, v in os.environ.items() if k != leaks.SUPERVISOR}
    done = subprocess.run(
        [*command, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert "6 passed" in done.stdout, done.stdout + done.stderr


NOTEBOOK = """
import nbclient, nbformat
root, rootfs = sys.argv[1:]
launch = f'''
with lc.Factory({root!r}) as factory:
    wishes = {{"rootfs": lc.Overlay({rootfs!r}), "factory": factory}}
    done = await lc.arun(["echo", "awaited"], capture_output=True, text=True, **wishes)
    print(done.stdout)
    base = 40
    @lc.contained(**wishes)
    def work(n):
        return base + n
    print(work(2))
'''
smoked = open(sys.argv[0]).read().partition("import nbclient")[0]
cells = [smoked, f"print(smoke({root!r}, {rootfs!r}))", launch]
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
for cell in notebook.cells:
    for output in cell.outputs:
        print(output.text, end="")
"""


def test_a_kernel_of_jupyter_runs_a_notebook(
    places: tuple[str, str], tmp_path: Path
) -> None:
    for name in ("ipykernel", "nbclient"):
        pytest.importorskip(name, reason="pip install -e '.[notebook]'")
    program = tmp_path / "program.py"
    program.write_text(SMOKE + NOTEBOOK)
    # In a process of its own, with its files in a home of its own.
    done = subprocess.run(
        [sys.executable, str(program), *places],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path)},
    )
    assert done.stdout.split() == ["smoked", "awaited", "42"], done.stderr
    assert os.listdir(places[0]) == []


def test_the_notebook_of_the_examples_runs(tmp_path: Path) -> None:
    for name in ("ipykernel", "nbclient"):
        pytest.importorskip(name, reason="pip install -e '.[notebook]'")
    script = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
for cell in notebook.cells:
    for output in cell.get("outputs", ()):
        print(output.get("text") or output["data"]["text/html"][:31], end="")
"""
    notebook = ROOT / "examples" / "26_notebook.ipynb"
    done = subprocess.run(
        [sys.executable, "-c", script, str(notebook)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path)},
    )
    assert done.stdout == (
        "hello from cell exited\n[0, 1, 2]\n42\n<table><tr><th colspan=2>Stats<"
    ), done.stderr
