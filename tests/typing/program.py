# SPDX-License-Identifier: Apache-2.0
"""A program that uses the API; it is type-checked, never run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import libcontainer as lc


def one_program() -> str:
    """Run one program, as with `subprocess.run`."""
    result = lc.run(["true"], capture_output=True, text=True, timeout=5.0)
    assert_type(result, lc.Result[str])
    assert_type(lc.run("true"), lc.Result[bytes])
    assert_type(lc.run("ls", encoding="utf-8", memory="64M").stdout, str)
    assert_type(lc.run("cat", input=b"x", stdout=lc.PIPE), lc.Result[bytes])
    assert_type(result.returncode, int)
    assert_type(result.status, lc.ExitStatus)
    return result.stdout


def a_running_program() -> int:
    """Talk with a program, as with `subprocess.Popen`."""
    with lc.Popen(["cat"], stdin=lc.PIPE, stdout=lc.PIPE, text=True) as process:
        assert_type(process, lc.Popen[str])
        out, err = process.communicate("x", timeout=1)
        assert_type(out, str)
        assert_type(err, str)
        assert_type(process.returncode, int | None)
        assert_type(lc.Popen("true").communicate(), tuple[bytes, bytes])
    return process.wait()


async def in_a_loop(container: lc.Container) -> lc.ExitStatus:
    """Do the same under asyncio."""
    assert_type(await lc.arun("true", text=True), lc.Result[str])
    assert_type(await lc.arun("true"), lc.Result[bytes])
    async with container as same:
        assert_type(same, lc.Container)
        async with await same.arun(lc.Process("true")) as process:
            assert_type(process, lc.AsyncProcess)
            assert_type(await process.communicate(), tuple[bytes | None, bytes | None])
            assert_type(await process.wait(), lc.ExitStatus)
    return await process.handle


@lc.contained(memory="64M", timeout=5)
def work(numbers: list[int]) -> dict[str, int]:
    """Be run in a container."""
    return {"sum": sum(numbers)}


def functions(container: lc.Container) -> None:
    """Call functions there."""
    assert_type(work([1]), dict[str, int])
    assert_type(container.call(work, [1]), dict[str, int])
    assert_type(lc.with_python(container.config), lc.Config)


def a_configuration(image: Path) -> lc.Config:
    """Give every field what is natural to write."""
    return lc.Config(
        rootfs=image,
        namespaces=["mount", lc.NamespaceType.USER],
        uid_mappings=[lc.IdMapping(0, 1000, 1)],
        gid_mappings=(lc.IdMapping(0, 1000, 1),),
        mounts=[lc.Mount.bind(image, "/a"), lc.Mount.tmpfs("/b", size=64 * lc.MIB)],
        devices=[lc.Device("/dev/x", "c", 1, 3)],
        env={"A": "1"},
        user=1000,
        capabilities=["CAP_KILL"],
        rlimits=[lc.Rlimit("nofile", 10, None)],
        labels={"a": "b"},
    )


def a_container(root: Path, config: lc.Config) -> int | None:
    """Make a container, run two processes in it, look at everything."""
    with lc.Factory(root) as factory:
        with factory.create("box", config) as container:
            assert_type(container, lc.Container)
            process = lc.Process(["cat"], stdin=lc.PIPE, stdout=lc.PIPE)
            handle = container.run(process)
            assert_type(handle, lc.ProcessHandle)
            out, err = handle.communicate(b"x", timeout=1)
            assert_type(out, bytes | None)
            assert_type(err, bytes | None)
            assert_type(handle.wait(), lc.ExitStatus)
            assert_type(container.status(), lc.Status)
            with container.exec(lc.Process(["true"], user="a:b", env=["A=1"])) as more:
                more.signal("TERM")
            code = handle.wait().code
            assert_type(code, int | None)
        assert_type(factory.list(), list[lc.Container])
    return code


def errors(error: lc.LibcontainerError) -> str:
    """Tell what went wrong."""
    if isinstance(error, lc.ConfigError):
        return ", ".join(problem.path for problem in error.problems)
    if isinstance(error, lc.StepError):
        assert_type(error.hint, str | None)
        return f"{error.title} {error.index}/{error.total}"
    return str(error)


def what_it_uses(factory: lc.Factory, container: lc.Container) -> float:
    """Measure, and follow what happens."""
    assert_type(container.stats(), lc.Stats)
    assert_type(factory.stats(), dict[str, lc.Stats])
    assert_type(lc.openmetrics(factory.stats(), labels={"a": {"app": "b"}}), str)
    with container.stats_reader() as reader:
        before = reader.read()
    trigger = lc.PressureTrigger("memory", stall_us=1000)
    with container.events("oom", trigger, lc.MemoryLevel("low")) as events:
        for event in events:
            assert_type(event, lc.CgroupEvent)
            assert_type(event.kind, lc.EventKind)
    with factory.events(existing=True) as stream:
        for happened in stream:
            assert_type(happened, lc.ContainerEvent)
            assert_type(happened.status, lc.ExitStatus | None)
    assert_type(container.usage().cpu_seconds, float | None)
    again = container.restart(lc.Process(["true"]), force=True)
    assert_type(again, lc.ProcessHandle)
    policy = lc.RestartPolicy(when="always", max_restarts=3)
    assert_type(
        lc.Supervisor(container, lc.Process(["true"]), policy).run(), lc.ExitStatus
    )
    return lc.cpu_percent(before, container.stats())
