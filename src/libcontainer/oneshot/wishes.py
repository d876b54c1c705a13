# SPDX-License-Identifier: Apache-2.0
"""From the keywords of `run` and `Popen` to a configuration and a process."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from math import inf, nan
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from attrs import evolve, field, fields, frozen

from libcontainer.config import Config, Mount, Rootfs
from libcontainer.config.report import show
from libcontainer.errors import ConfigError, Problem, wrong_type
from libcontainer.factory import Factory
from libcontainer.host.probe import is_privileged
from libcontainer.memo import Memo
from libcontainer.oneshot.text import TextForm
from libcontainer.process import STDOUT, Process

if TYPE_CHECKING:
    from libcontainer.config.network import Network
    from libcontainer.config.seccomp import Seccomp
    from libcontainer.security.seccomp.notify import NotifyHandler

_PERIOD = 100_000
_LEAST_CPUS = 0.01
_SHELL = "/bin/sh"
_NO_PYTHON = "no Python runs between clone and exec: use cwd, user, umask, pass_fds"

# The same keywords make the same configuration, and with it the same plan.
_made: Memo[Hashable, Config] = Memo()
_Wanted: TypeAlias = "str | tuple[Network, ...] | None"

Command = str | bytes | os.PathLike[str] | os.PathLike[bytes]
"""One word of a command line."""


@frozen(kw_only=True)
class Wishes:
    """Every keyword of `Popen` with its default; `run` takes them too."""

    # What subprocess has as well.
    stdin: Any = None
    stdout: Any = None
    stderr: Any = None
    bufsize: int = -1
    pipesize: int = -1
    shell: bool = False
    preexec_fn: Any = field(default=None)
    close_fds: bool = True
    start_new_session: bool = True
    cwd: str | os.PathLike[str] | None = None
    env: Mapping[str, str] | None = None
    user: str | int | None = None
    group: str | int | None = None
    extra_groups: Iterable[int] | None = None
    umask: int = -1
    pass_fds: Sequence[int] = ()
    text: bool | None = None
    universal_newlines: bool | None = None
    encoding: str | None = None
    errors: str | None = None
    # What a container has besides.
    rootfs: str | os.PathLike[str] | Rootfs | None = None
    mounts: Iterable[Mount] = ()
    hostname: str | None = None
    config: Config | None = None
    factory: Factory | None = None
    network: str | Network | Iterable[Network] | None = None
    memory: int | str | None = None
    cpus: float | str | None = None
    pids: int | None = None
    seccomp: Seccomp | None = None
    notify: NotifyHandler | None = None
    init: bool | None = None

    @classmethod
    def of(cls, caller: str, options: Mapping[str, Any]) -> Self:
        """Return the keywords that *caller*, such as ``run``, was given.

        Raises:
            TypeError: there is no such keyword, or one is of a wrong type.
        """
        if not options.keys() <= KEYWORDS:
            from libcontainer.oneshot.keywords import unknown_keyword  # noqa: PLC0415

            raise unknown_keyword(caller, options, KEYWORDS)
        wishes = cls(**options)
        config, factory = wishes.config, wishes.factory
        if config is not None and not isinstance(config, Config):
            raise wrong_type("config", Config, config)
        if factory is not None and not isinstance(factory, Factory):
            raise wrong_type("factory", Factory, factory)
        return wishes

    @classmethod
    def of_container(cls, caller: str, options: Mapping[str, Any]) -> Self:
        """Do the same where only what is about the container has a meaning."""
        if not options.keys() <= OF_CONTAINER:
            from libcontainer.oneshot.keywords import unknown_keyword  # noqa: PLC0415

            raise unknown_keyword(caller, options, OF_CONTAINER)
        return cls.of(caller, options)

    @property
    def text_form(self) -> TextForm:
        """How the streams are turned into text.

        Raises:
            ValueError: *text* and *universal_newlines* say different things.
        """
        text, older = self.text, self.universal_newlines
        if None not in (text, older) and bool(text) != bool(older):
            message = "text and universal_newlines say different things"
            raise ValueError(message)
        text = text or older
        return TextForm.of(text=text, encoding=self.encoding, errors=self.errors)

    def process(self, args: Command | Sequence[Command]) -> Process:
        """Return the process that *args* and the keywords describe.

        Raises:
            ValueError: a keyword that has no meaning in a container.
        """
        self._refuse()
        return Process(
            _words(args, shell=self.shell),
            env=self.env,
            cwd=None if self.cwd is None else os.fspath(self.cwd),
            user=self._user(),
            additional_groups=_groups(self.extra_groups),
            umask=None if self.umask == -1 else self.umask,
            pass_fds=self.pass_fds,
            stdin=self.stdin,
            stdout=self.stdout,
            stderr=self.stderr,
            notify=self.notify,
        )

    def configuration(self, *, init: bool = False) -> Config:
        """Return what the container is.

        Args:
            init: whether there is a supervisor where nothing else is said.

        Raises:
            ConfigError: *network* is no word, and no network; *cpus* is no number,
                or too small.
        """
        mounts, network = tuple(self.mounts), _one_or_more(self.network)
        scalars = (init, self.init, self.hostname, self.memory, self.cpus, self.pids)
        key = (
            (self.config, is_privileged(), self.rootfs, self.seccomp, mounts, network),
            scalars,
            # A number of another type is as equal, and may be wrong.
            tuple(map(type, scalars)),
        )
        return _made.get(key, lambda _: self._configure(mounts, network, init=init))

    def _configure(
        self, mounts: tuple[Mount, ...], network: _Wanted, *, init: bool
    ) -> Config:
        base = default_config(init=init) if self.config is None else self.config
        changes: dict[str, Any] = {}
        for name in ("rootfs", "hostname", "seccomp", "init"):
            if (value := getattr(self, name)) is not None:
                changes[name] = value
        if mounts:
            changes["mounts"] = (*base.mounts, *mounts)
        changes |= self._limits(base)
        if network is not None:
            changes |= _network(base, network)
        if network == "host" and self.config is None:
            changes["base_mounts"] = _without_network(base)
        return evolve(base, **changes) if changes else base

    def _refuse(self) -> None:
        if self.preexec_fn is not None:
            message = f"preexec_fn: {_NO_PYTHON}"
            raise ValueError(message)
        if not self.close_fds:
            message = "close_fds=False: only what pass_fds names is inherited"
            raise ValueError(message)
        if not isinstance(self.bufsize, int):
            message = f"bufsize must be a whole number, not {self.bufsize!r}"
            raise TypeError(message)
        if not self.start_new_session:
            message = "start_new_session=False: a container's init leads a session"
            raise ValueError(message)
        if STDOUT in (self.stdin, self.stdout):
            message = "STDOUT can only be used for stderr"
            raise ValueError(message)

    def _user(self) -> str | int | None:
        if self.group is None:
            return self.user
        user = self.user
        if user is None:
            config = self.config
            user = "0" if config is None else config.user.partition(":")[0]
        return f"{user}:{self.group}"

    def _limits(self, base: Config) -> dict[str, Any]:
        limits: dict[str, Any] = {}
        if self.memory is not None:
            limits |= {"memory": self.memory, "memory_swap": self.memory}
        if self.cpus is not None:
            limits |= {"cpu_quota": _quota(self.cpus), "cpu_period": _PERIOD}
        if self.pids is not None:
            limits["pids"] = self.pids
        return {"resources": evolve(base.resources, **limits)} if limits else {}


KEYWORDS: Final = frozenset(each.name for each in fields(Wishes))
"""Every keyword of `Popen`."""

OF_CONTAINER: Final = frozenset(
    {"rootfs", "mounts", "hostname", "config", "factory", "network", "memory", "cpus"}
    | {"pids", "seccomp", "init"}
)
"""Those about the container, and not about the program: `ContainerOptions`."""


def default_config(*, init: bool = False) -> Config:
    """Return the configuration where none is given.

    The host's own root under a throw-away layer, with the default seccomp
    profile; for an unprivileged caller also a user namespace.
    """
    from libcontainer.config.seccomp import Seccomp  # noqa: PLC0415

    if is_privileged():
        return Config(seccomp=Seccomp.default(), init=init)
    kinds = [*Config().namespaces, "user"]
    return Config(seccomp=Seccomp.default(), namespaces=kinds, init=init)


def _without_network(base: Config) -> tuple[Mount, ...]:
    """Return the base mounts of a configuration that has the host's network.

    A sysfs shows a network namespace, and is mounted by whoever owns that: in a
    user namespace the host's is bound instead, read-only.
    """
    if "user" not in base.namespaces:
        return base.base_mounts
    options = ["rbind", "rro", "nosuid", "noexec", "nodev"]
    return tuple(
        Mount.from_options("bind", "/sys", mount.destination, options)
        if mount.type == "sysfs"
        else mount
        for mount in base.base_mounts
    )


def said_args(args: Command | Sequence[Command], process: Process) -> str | list[str]:
    """Return what a result calls the program: one word if it was asked for by one."""
    if isinstance(args, str | bytes | os.PathLike):
        return process.args[-1]
    return list(process.args)


def _quota(cpus: float | str) -> int:
    """Return how many microseconds of a period a number of processors are."""
    try:
        number = nan if isinstance(cpus, bool) else float(cpus)
    except (TypeError, ValueError):
        number = nan
    if not _LEAST_CPUS <= number < inf:
        message = f"must be a number, {_LEAST_CPUS} or more, not {show(cpus)}"
        raise ConfigError([Problem("cpus", message)])
    return round(number * _PERIOD)


def _words(args: Command | Sequence[Command], *, shell: bool) -> list[str]:
    if isinstance(args, str | bytes | os.PathLike):
        args = [args]
    words = [os.fsdecode(word) for word in args]
    return [_SHELL, "-c", *words] if shell else words


def _groups(extra: Iterable[int] | None) -> tuple[int, ...] | None:
    return None if extra is None else tuple(extra)


def _one_or_more(wish: str | Network | Iterable[Network] | None) -> _Wanted:
    if wish is None or isinstance(wish, str):
        return wish
    return tuple(wish) if isinstance(wish, Iterable) else (wish,)


def _network(base: Config, wish: str | tuple[Network, ...]) -> dict[str, Any]:
    if not isinstance(wish, str):
        return {"networks": wish}
    if wish == "none":
        return {"namespaces": base.namespaces | {"network"}, "networks": ()}
    if wish == "host":
        return {"namespaces": base.namespaces - {"network"}, "networks": ()}
    message = f"must be 'none', 'host' or networks, not {show(wish)}"
    raise ConfigError([Problem("network", message)])
