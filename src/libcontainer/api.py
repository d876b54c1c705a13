# SPDX-License-Identifier: Apache-2.0
"""`run`: one program in a container of its own, in the form of `subprocess.run`."""

from __future__ import annotations

import functools
import os
import secrets
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from libcontainer.config import Config, Mount, Resources, Rootfs
from libcontainer.errors import CalledProcessError, TimeoutExpired
from libcontainer.factory import Factory, default_root
from libcontainer.handle import ProcessHandle
from libcontainer.host.children import ExitStatus
from libcontainer.host.probe import is_privileged
from libcontainer.process import PIPE, Process
from libcontainer.verdict import Verdict, verdict_of

if TYPE_CHECKING:
    from libcontainer.cgroups.stats import Stats
    from libcontainer.security.seccomp.notify import NotifyHandler
    from libcontainer.usage import Usage

_PERIOD = 100_000


class Result(subprocess.CompletedProcess[Any]):
    """How a program ended, and what it said.

    Attributes:
        args: what was run.
        returncode: its exit code, or minus the signal that ended it.
        stdout: what it wrote, or None where that was not captured.
        stderr: the same for its errors.
        status: how it ended, as the kernel tells it.
        wall_seconds: from the launch to its end.
        verdict: why it ended, as the kernel tells it: ``exited``, ``signalled``,
            ``oom`` (it failed, and something in the container was killed for want
            of memory), ``pids_limit`` (it failed, and was refused a process). The
            last two need a limit. An error has a verdict too: ``timeout`` of a
            `TimeoutExpired`, that of the program of a `CalledProcessError`,
            ``setup`` of all others.
        usage: what it has cost: processor time, memory, input and output.
        stats: what the container had used at its end; None without a limit.
    """

    status: ExitStatus
    wall_seconds: float
    verdict: Verdict
    usage: Usage
    stats: Stats | None


def run(  # noqa: PLR0913 - the keywords of subprocess.run
    args: Sequence[str],
    *,
    rootfs: str | os.PathLike[str] | Rootfs | None = None,
    mounts: Iterable[Mount] = (),
    hostname: str | None = None,
    config: Config | None = None,
    factory: Factory | None = None,
    input: bytes | str | None = None,  # noqa: A002 - as subprocess
    capture_output: bool = False,
    stdin: Any = None,  # noqa: ANN401
    stdout: Any = None,  # noqa: ANN401
    stderr: Any = None,  # noqa: ANN401
    text: bool | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    timeout: float | None = None,
    check: bool = False,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: str | int | None = None,
    notify: NotifyHandler | None = None,
    memory: int | str | None = None,
    cpus: float | None = None,
    pids: int | None = None,
) -> Result:
    """Run a program in a container of its own, and wait for it.

    The keywords that `subprocess.run` has too mean the same. The container is
    gone when this returns, whatever happened. An unprivileged caller gets a
    user namespace in which it is root, if *config* does not say otherwise, with
    the ids of `subid_mappings`.

    Args:
        args: the program and its arguments; looked up in the container's PATH.
        rootfs: a directory, or an `Overlay`. None is the host's own root under
            a throw-away layer, so that no image is needed.
        mounts: further mounts.
        hostname: the container's host name.
        config: everything else; *rootfs*, *mounts* and *hostname* go on top. None
            is the default with the default seccomp profile.
        factory: where the container is made; None is one with the default root,
            which is kept for the next call: two fds.
        input: what the program reads from its standard input.
        capture_output: collect both outputs.
        stdin: as for `Process`.
        stdout: as for `Process`.
        stderr: as for `Process`.
        text: captured output and *input* are `str`.
        encoding: of that text; implies *text*.
        errors: how bad text is handled; implies *text*.
        timeout: seconds after which the container is killed.
        check: raise if the program's status is not 0.
        env: its environment, nothing else is in it; None is the config's.
        cwd: where it starts, a container path.
        user: ``"uid:gid"``, or names of the rootfs.
        notify: answers ``SCMP_ACT_NOTIFY`` of the config's seccomp profile.
        memory: the most it may use, in bytes or as ``"64M"``, swap included.
        cpus: how many processors' time it may use, 0.01 or more.
        pids: the most processes and threads it may have.

    Raises:
        TimeoutExpired: it ran longer than *timeout*; a
            `subprocess.TimeoutExpired` with the output so far.
        CalledProcessError: *check*, and its status is not 0.
        ConfigError, ProgramError, StepError: as for `Container.run`.
        ValueError: *input* with *stdin*, or *capture_output* with an output.
    """
    if input is not None:
        if stdin is not None:
            message = "stdin and input cannot be used together"
            raise ValueError(message)
        stdin = PIPE
    if capture_output:
        if stdout is not None or stderr is not None:
            message = "stdout and stderr cannot be used with capture_output"
            raise ValueError(message)
        stdout = stderr = PIPE
    process = Process(
        args,
        env=env,
        cwd=cwd,
        user=user,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        notify=notify,
    )
    text_form = _TextForm.of(text=text, encoding=encoding, errors=errors)
    wanted = _configure(config, rootfs, tuple(mounts), hostname)
    wanted = _limit(wanted, memory, cpus, pids)
    maker = (
        _default_factory(default_root(), os.getpid()) if factory is None else factory
    )
    done = _run_in(maker, wanted, process, text_form.encode(input), timeout)
    return text_form.finish(done, check=check)


def _run_in(
    factory: Factory,
    config: Config,
    process: Process,
    data: bytes | None,
    timeout: float | None,
) -> Result:
    begun = time.monotonic()
    name = f"run-{secrets.token_hex(8)}"
    with factory.create(name, config) as container:
        handle = container.run(process)
        try:
            out, err = handle.communicate(data, timeout)
        except TimeoutExpired as error:
            handle.kill()
            error.output, error.stderr = _rest(handle, error)
            error.usage = container.usage(time.monotonic() - begun)
            raise
        finally:
            handle.close()
        status = handle.wait()
        limited = config.resources != Resources()
        stats = container.stats() if limited else None
        usage = container.usage(time.monotonic() - begun)
    result = Result(list(process.args), status.returncode, out, err)
    result.status = status
    result.stats = stats
    result.verdict = verdict_of(status, stats)
    result.usage = usage
    result.wall_seconds = time.monotonic() - begun
    return result


def _limit(
    config: Config, memory: int | str | None, cpus: float | None, pids: int | None
) -> Config:
    changes: dict[str, Any] = {}
    if memory is not None:
        changes |= {"memory": memory, "memory_swap": memory}
    if cpus is not None:
        changes |= {"cpu_quota": round(cpus * _PERIOD), "cpu_period": _PERIOD}
    if pids is not None:
        changes["pids"] = pids
    if not changes:
        return config
    return evolve(config, resources=evolve(config.resources, **changes))


def _rest(handle: ProcessHandle, error: TimeoutExpired) -> tuple[Any, Any]:
    """Read what was still in the pipes when the program was killed."""
    try:
        out, err = handle.communicate(None, 1.0)
    except TimeoutExpired as again:
        out, err = again.output, again.stderr
    return _join(error.output, out), _join(error.stderr, err)


def _join(first: bytes | None, then: bytes | None) -> bytes | None:
    return first if then is None else (first or b"") + then


def _configure(
    config: Config | None,
    rootfs: str | os.PathLike[str] | Rootfs | None,
    mounts: tuple[Mount, ...],
    hostname: str | None,
) -> Config:
    base = _default_config() if config is None else config
    changes: dict[str, Any] = {}
    if rootfs is not None:
        changes["rootfs"] = rootfs
    if mounts:
        changes["mounts"] = (*base.mounts, *mounts)
    if hostname is not None:
        changes["hostname"] = hostname
    return evolve(base, **changes) if changes else base


def _default_config() -> Config:
    from libcontainer.config.seccomp import Seccomp  # noqa: PLC0415

    if is_privileged():
        return Config(seccomp=Seccomp.default())
    return Config(seccomp=Seccomp.default(), namespaces=[*Config().namespaces, "user"])


@functools.lru_cache(maxsize=1)
def _default_factory(root: str, own_pid: int) -> Factory:
    # Kept, so that the helper's image and the template namespace are made once.
    # A forked program makes its own: a lock of its parent's may be held for ever.
    return Factory(root)


class _TextForm:
    """How bytes and text are turned into each other, if at all."""

    def __init__(self, encoding: str | None, errors: str) -> None:
        self._encoding = encoding
        self._errors = errors

    @classmethod
    def of(
        cls, *, text: bool | None, encoding: str | None, errors: str | None
    ) -> _TextForm:
        wanted = text or encoding or errors
        return cls((encoding or "utf-8") if wanted else None, errors or "strict")

    def encode(self, data: bytes | str | None) -> bytes | None:
        if isinstance(data, str):
            return data.encode(self._encoding or "utf-8", self._errors)
        return data

    def decode(self, data: bytes | None) -> Any:  # noqa: ANN401
        if data is None or self._encoding is None:
            return data
        text = data.decode(self._encoding, self._errors)
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def finish(self, done: Result, *, check: bool) -> Result:
        done.stdout = self.decode(done.stdout)
        done.stderr = self.decode(done.stderr)
        if check and done.returncode:
            error = CalledProcessError(
                done.returncode, done.args, done.stdout, done.stderr
            )
            error.verdict = done.verdict
            raise error
        return done
