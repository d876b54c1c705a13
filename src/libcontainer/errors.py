# SPDX-License-Identifier: Apache-2.0
"""The exception tree.

Every error of the library derives from `LibcontainerError`, and also from the
built-in that a Python user would catch where there is one. An error that wraps a
failed system call keeps ``errno``. Messages read ``verb object (flags): strerror
[ERRNO]``.
"""

from __future__ import annotations

import errno as errno_names
import os
from collections.abc import Iterable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from libcontainer.expired import CalledProcessError, TimeoutExpired
    from libcontainer.host.children import ExitStatus

    __all__ = ["CalledProcessError", "TimeoutExpired"]


class LibcontainerError(Exception):
    """Base of every error raised by the library."""

    verdict: str = "setup"
    """Why the program ended, a word of `Verdict`. ``setup``: the error is from before
    the program began."""


def errno_name(number: int) -> str:
    """Return the kernel's name of an errno, such as ``ENOENT``."""
    return errno_names.errorcode.get(number, f"errno {number}")


class Problem:
    """One thing that is wrong with a configuration.

    Attributes:
        path: where in the configuration, such as ``mounts[2].source``.
        message: what is wrong there, lower case, no final period.
    """

    __slots__ = ("message", "path")

    def __init__(self, path: str, message: str) -> None:
        self.path = path
        self.message = message

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def __repr__(self) -> str:
        return f"Problem({self.path!r}, {self.message!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Problem):
            return NotImplemented
        return (self.path, self.message) == (other.path, other.message)

    def __hash__(self) -> int:
        return hash((self.path, self.message))


def wrong_type(name: str, kind: type, value: object) -> TypeError:
    """Return the error of an argument that is of another type than it must be."""
    return TypeError(f"{name} must be a {kind.__name__}, not {type(value).__name__}")


class ConfigError(LibcontainerError, ValueError):
    """A configuration is wrong; no kernel object has been made.

    Attributes:
        problems: every problem found, not only the first.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class InvalidIdError(ConfigError):
    """A container id is not allowed."""


class UnsupportedError(LibcontainerError, NotImplementedError):
    """This host, or this release, lacks what was asked for.

    Attributes:
        feature: what was asked for.
        need: what it needs and how to get it.
    """

    def __init__(self, feature: str, need: str) -> None:
        self.feature = feature
        self.need = need
        super().__init__(feature, need)

    def __str__(self) -> str:
        return f"{self.feature}: {self.need}"


class StateError(LibcontainerError):
    """The container is not in a state that allows the call."""

    def __init__(self, container_id: str, status: str, verb: str) -> None:
        self.container_id = container_id
        self.status = status
        self.verb = verb
        super().__init__(container_id, status, verb)

    def __str__(self) -> str:
        from libcontainer.refused import refusal  # noqa: PLC0415 - rare

        return refusal(self.container_id, self.status, self.verb)


class ContainerNotFoundError(LibcontainerError, LookupError):
    """No container of this id is in the factory's root."""

    def __init__(self, container_id: str) -> None:
        self.container_id = container_id
        super().__init__(container_id)

    def __str__(self) -> str:
        return f"container {self.container_id!r} does not exist"


class ContainerExistsError(LibcontainerError, FileExistsError):
    """A container of this id is there already."""

    def __init__(self, container_id: str) -> None:
        self.container_id = container_id
        super().__init__(container_id)

    def __str__(self) -> str:
        return f"container {self.container_id!r} exists already"


class StateFileError(LibcontainerError):
    """A state file cannot be used: newer schema, wrong owner, not readable."""


class LockTimeoutError(LibcontainerError, TimeoutError):
    """Another process held the container's lock for too long."""


class ProcessNotStartedError(LibcontainerError):
    """The process has not been started, so it has no pid and no status."""


class UserLookupError(LibcontainerError, KeyError):
    """A user or group name is not in the container's passwd or group file."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:
        return self.message


class StepError(LibcontainerError, OSError):
    """One step of a launch failed; everything of that launch has been undone.

    Attributes:
        errno: what the kernel answered.
        title: what was tried, on what.
        index: the step's number in the plan, from 1; 0 outside a plan.
        total: how many steps the plan has; 0 outside a plan.
        stage: the stage of the plan that the step belongs to.
        side: ``"host"`` or ``"init"``.
        hint: one line that helps where the errno misleads, or None.
    """

    def __init__(  # noqa: PLR0913 - each is a fact of the failed step
        self,
        number: int,
        title: str,
        *,
        index: int = 0,
        total: int = 0,
        stage: str = "",
        side: str = "host",
        hint: str | None = None,
    ) -> None:
        super().__init__(number, os.strerror(number))
        self.title = title
        self.index = index
        self.total = total
        self.stage = stage
        self.side = side
        self.hint = hint

    def __str__(self) -> str:
        number = self.errno or 0
        where = errno_name(number)
        if self.total:
            where += f'; step {self.index}/{self.total} "{self.stage}", {self.side}'
        text = f"{self.title}: {os.strerror(number).lower()} [{where}]"
        return f"{text}\nhint: {self.hint}" if self.hint else text

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_step_error, (type(self), self.errno, dict(vars(self)))


class CgroupError(StepError):
    """A cgroup could not be made, changed, frozen or removed.

    The attributes are those of `StepError`; outside a launch there is no step.
    """


class NetworkError(StepError):
    """A network could not be set up, measured or taken down.

    The attributes are those of `StepError`; *title* says which link, *hint* has
    the kernel's own words where it gave some, or those of the tool.
    """


def _rebuild_step_error(
    kind: type[StepError], number: int, fields: dict[str, object]
) -> StepError:
    error = kind(number, str(fields["title"]))
    error.__dict__.update(fields)
    return error


class CriuError(LibcontainerError, OSError):
    """CRIU could not do what it was asked to.

    After a failed checkpoint the container goes on as it was; after a failed
    restore nothing of it is left.

    Attributes:
        errno: why, where CRIU or the kernel said so, else None.
        what: what it was asked for: ``dump``, ``restore``.
        reason: what is wrong, in words.
        log: the errors of CRIU's log, or its end.
    """

    def __init__(
        self, what: str, reason: str, *, errno: int | None = None, log: str = ""
    ) -> None:
        super().__init__(errno, reason)
        self.what = what
        self.reason = reason
        self.log = log

    def __str__(self) -> str:
        number = "" if self.errno is None else f" [{errno_name(self.errno)}]"
        text = f"criu {self.what}: {self.reason or 'it failed'}{number}"
        return f"{text}\nlog: {self.log}" if self.log else text

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_criu_error, (dict(vars(self)), self.errno)


def _rebuild_criu_error(fields: dict[str, str], number: int | None) -> CriuError:
    error = CriuError(fields["what"], fields["reason"], errno=number)
    error.log = fields["log"]
    return error


class HookError(StepError):
    """A hook failed; what it was part of has been undone.

    Its ``errno`` is ``ETIMEDOUT`` if the hook was killed for its time,
    ``ECANCELED`` if it ended with another status than 0 or a function raised,
    and else why it could not be executed.

    Attributes:
        hook: where it is in the configuration, ``hooks.prestart[0]``.
        reason: what is wrong with it: ``exit status 3``.
        output: the end of what it wrote, where that was kept.
    """

    def __init__(
        self, number: int, hook: str, program: str, reason: str, output: str = ""
    ) -> None:
        super().__init__(number, f"run the hook {hook} {program!r}")
        self.hook = hook
        self.reason = reason
        self.output = output

    def __str__(self) -> str:
        where = errno_name(self.errno or 0)
        if self.total:
            where += f'; step {self.index}/{self.total} "{self.stage}", {self.side}'
        text = f"{self.title}: {self.reason} [{where}]"
        return f"{text}\noutput: {self.output}" if self.output else text

    def __reduce__(self) -> tuple[object, ...]:
        fields = dict(vars(self))
        return _rebuild_hook_error, (self.errno, fields)


def _rebuild_hook_error(number: int, fields: dict[str, object]) -> HookError:
    error = HookError(number, str(fields["hook"]), "", str(fields["reason"]))
    error.__dict__.update(fields)
    return error


class ProgramError(StepError):
    """The container was set up, but its program could not be executed."""


class ProgramNotFoundError(ProgramError, FileNotFoundError):
    """The program does not exist in the container."""


class ProgramNotExecutableError(ProgramError, PermissionError):
    """The program exists in the container but may not be executed."""


class ProgramFormatError(ProgramError):
    """The program is there, but its format or its interpreter is missing."""


class HelperError(LibcontainerError):
    """The helper died or spoke another protocol than this library.

    Attributes:
        hint: one line of why, where that is known, or None.
    """

    hint: str | None = None

    def __str__(self) -> str:
        text = super().__str__()
        return f"{text}\nhint: {self.hint}" if self.hint else text


class LaunchTimeoutError(LibcontainerError, TimeoutError):
    """A launch took longer than its deadline; it has been undone."""


class ForkedError(LibcontainerError, RuntimeError):
    """A fork has used what belongs to the process that it is a fork of.

    Attributes:
        what: what was used.
        pid: of the process that has made it.
    """

    def __init__(self, what: str, pid: int) -> None:
        self.what = what
        self.pid = pid
        super().__init__(what, pid)

    def __str__(self) -> str:
        return f"{self.what} of process {self.pid} cannot be used in a fork of it"


class CallError(LibcontainerError, RuntimeError):
    """A function that was called in a container gave no proper answer."""

    verdict: str = "exited"
    """Why its process ended, a word of `Verdict`; by itself where nobody says more."""


class CallFailedError(CallError):
    """The process of a called function ended without an answer.

    Attributes:
        status: how it ended.
        verdict: why, a word of `Result.verdict`.
    """

    def __init__(self, status: ExitStatus) -> None:
        self.status = status
        self.verdict = "exited" if status.signal is None else "signalled"
        super().__init__(status)

    def __str__(self) -> str:
        if self.status.signal is not None:
            return f"killed by signal {self.status.signal} [{self.verdict}]"
        return f"ended with exit code {self.status.code} [{self.verdict}]"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.status,), {"verdict": self.verdict}


class RemoteError(CallError):
    """A function raised in a container what has no plain form.

    Attributes:
        module: where the class of its exception is from.
        name: of that class.
        message: of the exception.
        trace: its traceback, with what a terminal would obey spelled out.
    """

    def __init__(self, module: str, name: str, message: str, trace: str) -> None:
        self.module = module
        self.name = name
        self.message = message
        self.trace = trace
        super().__init__(module, name, message, trace)

    def __str__(self) -> str:
        what = f"{self.module}.{self.name}: {self.message}"
        return f"{what}\nIn the container:\n{self.trace}"


class CopyLimitError(LibcontainerError):
    """What was to be copied is more than was allowed; nothing is left of the copy."""


class ImageError(LibcontainerError):
    """An image is not what it says, or does what no image may."""


class RegistryError(ImageError):
    """A registry did not give what it was asked for.

    Attributes:
        status: of its answer, as HTTP has it; 0 if there was none.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def __getattr__(name: str) -> Any:  # noqa: ANN401 - those of subprocess, which is large
    if name not in {"CalledProcessError", "TimeoutExpired"}:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from libcontainer import expired  # noqa: PLC0415

    return getattr(expired, name)
