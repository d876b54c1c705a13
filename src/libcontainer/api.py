# SPDX-License-Identifier: Apache-2.0
"""`run`: one program in a container of its own, in the form of `subprocess.run`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from libcontainer.errors import CalledProcessError, TimeoutExpired
from libcontainer.host.shield import shielded
from libcontainer.oneshot.popen import Popen
from libcontainer.oneshot.result import Result
from libcontainer.oneshot.wishes import KEYWORDS, Command
from libcontainer.process import PIPE

if TYPE_CHECKING:
    from typing import Unpack

    from libcontainer.oneshot.options import AllOptions, RunOptions


@overload
def run(
    args: Command | Sequence[Command],
    *,
    text: Literal[True],
    input: str | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    **options: Unpack[RunOptions],
) -> Result[str]: ...
@overload
def run(
    args: Command | Sequence[Command],
    *,
    encoding: str,
    input: str | None = None,
    text: bool | None = None,
    errors: str | None = None,
    **options: Unpack[RunOptions],
) -> Result[str]: ...
@overload
def run(
    args: Command | Sequence[Command],
    *,
    text: Literal[False] | None = None,
    input: bytes | None = None,
    **options: Unpack[RunOptions],
) -> Result[bytes]: ...
@overload
def run(
    args: Command | Sequence[Command], **options: Unpack[AllOptions]
) -> Result[Any]: ...
def run(args: Command | Sequence[Command], **options: Any) -> Result[Any]:
    """Run a program in a container of its own, and wait for it.

    The keywords that `subprocess.run` has too mean the same. The container is
    gone when this returns, whatever happened. An unprivileged caller gets a
    user namespace in which it is root, if *config* does not say otherwise, with
    the ids of `subid_mappings`. In the main thread a KeyboardInterrupt kills the
    container and is raised when that is gone; for this the work is done in another
    thread.

    Args:
        args: the program and its arguments; looked up in the container's PATH. A
            single text is a program without arguments.
        options: what follows.

    As of `subprocess.run`:
        - **input**: what the program reads from its standard input.
        - **capture_output**: collect both outputs.
        - **stdin**, **stdout**, **stderr**: as for `Process`.
        - **text**, **universal_newlines**, **encoding**, **errors**: captured
          output and *input* are `str`; UTF-8 where no encoding is given.
        - **bufsize**, **pipesize**: of the pipes on the caller's side.
        - **timeout**: seconds after which the container is killed.
        - **check**: raise if the program's status is not 0.
        - **env**: its environment, nothing else is in it; None is the config's.
        - **cwd**: where it starts, a container path.
        - **user**, **group**, **extra_groups**, **umask**: who it is in the
          container; *user* may also be ``"uid:gid"``.
        - **pass_fds**: fds of the caller, numbered from 3 inside, in order.
        - **shell**: *args* goes to ``/bin/sh -c`` in the container.
        - **close_fds**, **start_new_session**: only True makes sense.

    Of the container:
        - **rootfs**: a directory, or an `Overlay`. None is the host's own root
          under a throw-away layer, so that no image is needed.
        - **mounts**: further mounts.
        - **hostname**: its host name.
        - **network**: ``"none"``, ``"host"``, a network or several.
        - **memory**: the most it may use, in bytes or as ``"64M"``, swap included.
        - **cpus**: how many processors' time it may use, 0.01 or more, a number or
          a text.
        - **pids**: the most processes and threads it may have.
        - **seccomp**: which system calls it may make.
        - **notify**: answers ``SCMP_ACT_NOTIFY`` of that profile.
        - **init**: a supervisor is the first process, see `Config.init`. Without
          it the program is, which heeds no signal from inside that it does not
          handle, its own included.
        - **config**: everything else; what is above goes on top. None is the
          default with the default seccomp profile.
        - **factory**: where the container is made; None is one with the default
          root, which is kept for the next call: two fds.

    Raises:
        TimeoutExpired: it ran longer than *timeout*; a
            `subprocess.TimeoutExpired` with the output so far, in bytes.
        CalledProcessError: *check*, and its status is not 0.
        ConfigError, ProgramError, StepError: as for `Container.run`.
        TypeError: there is no such keyword.
        ValueError: *input* with *stdin*, *capture_output* with an output, or
            what has no meaning in a container, such as *preexec_fn*.
    """
    data, timeout, check = take_own("run", options)
    work = _Run(args, options, data, timeout)
    # What is no configuration is refused where all keywords are looked at.
    if getattr(options.get("config"), "parent_death_signal", None) is not None:
        # It would come at the end of a thread made for this.
        return checked(work.do(), check=check)
    return checked(shielded(work.do, work.stop), check=check)


class _Run:
    """One run, which another thread may stop."""

    def __init__(
        self,
        args: Command | Sequence[Command],
        options: dict[str, Any],
        data: Any,  # noqa: ANN401 - text or bytes
        timeout: float | None,
    ) -> None:
        self._args = args
        self._options = options
        self._data = data
        self._timeout = timeout
        self._is_stopped = False
        self._process: Popen[Any] | None = None

    def do(self) -> Result[Any]:
        with Popen(self._args, **self._options) as process:
            self._process = process
            if self._is_stopped:
                process.kill()
            try:
                out, err = process.communicate(self._data, self._timeout)
            except TimeoutExpired as error:
                process.give_up(error)
                raise
            return process.result(out, err)

    def stop(self) -> None:
        self._is_stopped = True
        if self._process is not None:
            self._process.kill()


def take_own(caller: str, options: dict[str, Any]) -> tuple[Any, float | None, bool]:
    """Take what `run` has and `Popen` has not out of *options*.

    Raises:
        TypeError: there is no such keyword, of *caller*.
        ValueError: keywords that exclude each other.
    """
    data = options.pop("input", None)
    if data is not None:
        if options.get("stdin") is not None:
            message = "stdin and input arguments may not both be used"
            raise ValueError(message)
        options["stdin"] = PIPE
    if options.pop("capture_output", False):
        if options.get("stdout") is not None or options.get("stderr") is not None:
            message = "stdout and stderr arguments may not be used with capture_output"
            raise ValueError(message)
        options["stdout"] = options["stderr"] = PIPE
    timeout, check = options.pop("timeout", None), bool(options.pop("check", False))
    if not options.keys() <= KEYWORDS:
        from libcontainer.oneshot.keywords import OF_RUN, unknown_keyword  # noqa: PLC0415

        raise unknown_keyword(caller, options, KEYWORDS | OF_RUN)
    if options.get("config") is None:
        # Nobody sends a signal to it but the one that ends everything.
        options.setdefault("init", False)
    return data, timeout, check


def checked(result: Result[Any], *, check: bool) -> Result[Any]:
    """Return a result, if it is a success or that does not matter."""
    if check and result.returncode:
        error = CalledProcessError(
            result.returncode, result.args, result.stdout, result.stderr
        )
        error.verdict = result.verdict
        raise error
    return result
