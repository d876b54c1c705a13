# SPDX-License-Identifier: Apache-2.0
"""Landlock, seen by programs that try what they may not do."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import pytest

import libcontainer as lc
from libcontainer.host.security import read_security
from tests.root.conftest import new_id

pytestmark = pytest.mark.needs("root", "rootfs")

RIGHTS = frozenset({"write_file", "make_reg", "read_dir", "remove_file"})
TRY = "; ".join(
    [
        "echo x > /tmp/a && echo wrote",
        "ls /home > /dev/null && echo listed",
        "echo x > /root/b && echo leaked",
    ]
)
WRITES = lc.Landlock(
    handled_access_fs=RIGHTS,
    paths=[
        lc.LandlockPath("/tmp", RIGHTS),
        lc.LandlockPath("/home", ["read_dir"]),
        lc.LandlockPath("/dev/null", ["write_file"]),
    ],
)
SINGLE = [lc.IdMapping(0, 100000, 65536)]


@pytest.fixture
def shell(factory: lc.Factory, busybox_rootfs: Path) -> Any:
    """Run a shell script in a container, return what it says."""

    def run(script: str, **fields: Any) -> lc.Result:
        fields.setdefault("rootfs", lc.Overlay(str(busybox_rootfs)))
        return lc.run(
            ["sh", "-c", script],
            config=lc.Config(**fields),
            factory=factory,
            capture_output=True,
            text=True,
        )

    return run


def needs_abi(abi: int) -> pytest.MarkDecorator:
    """Leave a test out on a kernel of a lower ABI."""
    here = read_security().landlock_abi
    return pytest.mark.skipif(here < abi, reason=f"Landlock ABI {here} is below {abi}")


@pytest.mark.parametrize("no_new_privs", [True, False])
def test_only_what_the_rules_allow_can_be_done(shell: Any, no_new_privs: bool) -> None:
    done = shell(TRY, landlock=WRITES, no_new_privs=no_new_privs)
    assert done.stdout == "wrote\nlisted\n"
    assert "/root/b: Permission denied" in done.stderr


def test_without_landlock_all_of_it_can_be_done(shell: Any) -> None:
    assert shell(TRY).stdout == "wrote\nlisted\nleaked\n"


def test_it_holds_in_a_user_namespace_and_for_another_user(shell: Any) -> None:
    kinds = ["mount", "pid", "network", "ipc", "uts", "user"]
    done = shell(
        f"id -u; {TRY}",
        landlock=WRITES,
        user="1000:1000",
        mounts=[lc.Mount.tmpfs("/tmp")],
        namespaces=kinds,
        uid_mappings=SINGLE,
        gid_mappings=SINGLE,
    )
    assert done.stdout == "1000\nwrote\nlisted\n"


def test_the_children_of_the_program_are_restricted_too(shell: Any) -> None:
    done = shell(f"sh -c '{TRY}'", landlock=WRITES)
    assert done.stdout == "wrote\nlisted\n"


def test_a_process_that_joins_has_the_configs_rules_or_its_own(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)), landlock=WRITES)

    def said(container: lc.Container, **wishes: Any) -> bytes:
        process = lc.Process(["sh", "-c", TRY], stdout=lc.PIPE, **wishes)
        with container.exec(process) as handle:
            return handle.communicate()[0] or b""

    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sleep", "60"]))
        assert said(container) == b"wrote\nlisted\n"
        assert said(container, user="1000:1000") == b"listed\n"  # a is root's
        assert said(container, landlock=lc.Landlock()) == b"wrote\nlisted\nleaked\n"
        nothing = lc.Landlock(handled_access_fs=["write_file"])
        assert said(container, landlock=nothing) == b""


def test_a_program_that_may_not_be_executed_is_an_error_of_its_own(shell: Any) -> None:
    landlock = lc.Landlock(handled_access_fs=["execute"])
    with pytest.raises(lc.ProgramNotExecutableError):
        shell("true", landlock=landlock)


def test_the_convenience_leaves_nothing_but_the_directories(shell: Any) -> None:
    landlock = lc.Landlock.filesystem(
        read_only=["/bin"], read_write=["/tmp", "/dev"], abi=1
    )
    script = (
        "echo x > /tmp/a && cat /tmp/a; cat /etc/passwd; ls /home;"
        " echo x > /bin/y; mkdir /tmp/d && rmdir /tmp/d && echo made"
    )
    done = shell(script, landlock=landlock)
    assert done.stdout == "x\nmade\n"
    assert done.stderr.count("Permission denied") == 3


def test_a_path_is_resolved_inside_the_root(
    shell: Any, busybox_rootfs: Path, tmp_path: Path
) -> None:
    rootfs = tmp_path / "rootfs"
    shutil.copytree(busybox_rootfs, rootfs, symlinks=True)
    # On the host this is another directory, and one that is there.
    (rootfs / "link").symlink_to("/home")
    landlock = lc.Landlock(
        handled_access_fs=["make_reg"], paths=[lc.LandlockPath("/link", ["make_reg"])]
    )
    script = "touch /home/a && echo home; touch /root/b && echo root"
    assert shell(script, rootfs=lc.Directory(rootfs), landlock=landlock).stdout == (
        "home\n"
    )


def test_a_magic_link_cannot_lead_a_rule_out_of_the_root(
    shell: Any, busybox_rootfs: Path, tmp_path: Path
) -> None:
    rootfs = tmp_path / "rootfs"
    shutil.copytree(busybox_rootfs, rootfs, symlinks=True)
    (rootfs / "link").symlink_to("/proc/self/root")
    path = lc.LandlockPath("/link", ["make_reg"])
    landlock = lc.Landlock(handled_access_fs=["make_reg"], paths=[path])
    with pytest.raises(lc.StepError) as caught:
        shell("true", rootfs=lc.Directory(rootfs), landlock=landlock)
    assert caught.value.errno == errno.ELOOP


def test_a_path_that_is_not_there_is_an_error(shell: Any) -> None:
    path = lc.LandlockPath("/absent", ["write_file"])
    landlock = lc.Landlock(handled_access_fs=["write_file"], paths=[path])
    with pytest.raises(lc.StepError) as caught:
        shell("true", landlock=landlock)
    assert caught.value.errno == errno.ENOENT
    assert "allow write_file beneath '/absent'" in str(caught.value)


def test_a_right_of_directories_on_a_file_is_an_error_with_a_hint(shell: Any) -> None:
    path = lc.LandlockPath("/etc/passwd", ["read_dir"])
    landlock = lc.Landlock(handled_access_fs=["read_dir"], paths=[path])
    with pytest.raises(lc.StepError) as caught:
        shell("true", landlock=landlock)
    assert caught.value.errno == errno.EINVAL
    assert "a file takes execute" in str(caught.value.hint)


@needs_abi(4)
def test_only_the_ports_of_the_rules_can_be_bound(shell: Any) -> None:
    landlock = lc.Landlock(
        handled_access_net=["bind_tcp"], ports=[lc.LandlockPort(8080, ["bind_tcp"])]
    )
    script = (
        "for p in 8080 8081; do"
        " timeout 1 nc -l -p $p 127.0.0.1 < /dev/null; [ $? = 1 ] && echo no $p;"
        " done; true"
    )
    assert shell(script, landlock=landlock).stdout == "no 8081\n"


@needs_abi(4)
def test_a_connection_is_refused_by_the_kernel_not_by_the_peer(shell: Any) -> None:
    script = "nc -w 1 127.0.0.1 9 < /dev/null; true"
    free = shell(script)
    bound = shell(script, landlock=lc.Landlock(handled_access_net=["connect_tcp"]))
    assert "Connection refused" in free.stderr
    assert "Permission denied" in bound.stderr


@needs_abi(6)
def test_signals_end_at_the_border_of_the_domain(
    factory: lc.Factory, busybox_rootfs: Path
) -> None:
    config = lc.Config(rootfs=lc.Overlay(str(busybox_rootfs)))
    with factory.create(new_id(), config) as container:
        container.run(lc.Process(["sh", "-c", "sleep 60; true"]))
        kill = ["sh", "-c", "kill -0 1 && echo can; kill -0 $$ && echo own"]
        for landlock, expected in (
            (None, b"can\nown\n"),
            (lc.Landlock(scoped=["signal"]), b"own\n"),
        ):
            process = lc.Process(kill, landlock=landlock, stdout=lc.PIPE)
            with container.exec(process) as handle:
                assert handle.communicate()[0] == expected


def test_a_word_that_the_kernel_does_not_know_is_refused_before_anything_is_made(
    factory: lc.Factory, busybox_rootfs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from libcontainer.host import security

    real = read_security()
    lower = type(real)(landlock_abi=1)
    monkeypatch.setattr(security, "read_security", lambda: lower)
    config = lc.Config(
        rootfs=lc.Overlay(str(busybox_rootfs)),
        landlock=lc.Landlock(handled_access_fs=["truncate", "write_file"]),
    )
    with (
        factory.create(new_id(), config) as container,
        pytest.raises(lc.UnsupportedError, match=r"'truncate'.*ABI 3 \(Linux 6.2"),
    ):
        container.run(lc.Process(["true"]))
