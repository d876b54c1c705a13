# SPDX-License-Identifier: Apache-2.0
"""Programs, and functions, that run at fixed points of a container's life."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from attrs import field, frozen

from libcontainer.config.convert import (
    to_optional_path,
    to_pairs,
    to_path,
    to_strings,
    to_tuple,
)


@frozen
class Hook:
    """A program that is run at one point of a container's life.

    It gets the container's state (OCI runtime specification, *State*) as JSON
    on its standard input, and no other descriptors but its two outputs. It has
    to end with status 0, else the operation fails that it is part of.
    """

    path: str = field(converter=to_path)
    """Absolute path of the program: of the host, but of the container for
    `Hooks.start_container`."""

    args: tuple[str, ...] = field(default=(), converter=to_strings)
    """Its arguments, the first of them its name. Empty: the path alone."""

    env: tuple[tuple[str, str], ...] = field(default=(), converter=to_pairs)
    """Its environment, and nothing else: a mapping, ``K=V`` texts or pairs."""

    timeout: int | None = field(default=None)
    """Seconds after which it is killed, with its process group, and has
    failed. None: it may take for ever, and the launch with it."""

    output: str | None = field(default=None, converter=to_optional_path)
    """Absolute host path of a file that what it writes is appended to, made 0600 if
    it is absent; only for a hook on the host. None: the end is in the error of a
    hook that fails, and nowhere else."""

    @property
    def argv(self) -> tuple[str, ...]:
        """What it is executed with."""
        return self.args or (self.path,)


@frozen
class UnavailableHook:
    """What is left of a function in a container that another program made.

    Attributes:
        name: module and name of the function.
    """

    name: str


HookFunction = Callable[[Mapping[str, Any]], object]
"""A hook in the program itself; it gets the state as a mapping."""

AnyHook = Hook | HookFunction | UnavailableHook


def to_hooks(value: Iterable[AnyHook]) -> tuple[AnyHook, ...]:
    """Return hooks as a tuple."""
    return to_tuple(value)


def _hooks() -> tuple[AnyHook, ...]:
    return field(default=(), converter=to_hooks)


@frozen
class Hooks:
    """The hooks of a container, in the order in which they run.

    The first that fails ends the operation and what was made is undone, except
    after *poststop*. Where they run on the host an item may also be a Python
    function, which is called with the state. A function belongs to this
    program: `config.json` keeps only its name, and another program that loads
    the container cannot run it. For *poststop* that is a warning, for the others
    an error.

    Source: OCI runtime specification, ``config.md`` *POSIX-platform Hooks* and
    ``runtime.md`` *Lifecycle*.
    """

    prestart: tuple[AnyHook, ...] = _hooks()
    """Deprecated by the specification, and the same as *create_runtime*, just
    before it."""

    create_runtime: tuple[AnyHook, ...] = _hooks()
    """On the host, after the namespaces and mounts are made and before
    pivot_root(2)."""

    create_container: tuple[AnyHook, ...] = _hooks()
    """In the container's namespaces, before pivot_root(2): the path is the
    host's, whose files are still there. The working directory is the
    container's root."""

    start_container: tuple[AnyHook, ...] = _hooks()
    """In the container, as its user and with its privileges, before the
    program takes its place. What they write goes to the process's standard
    error."""

    poststart: tuple[AnyHook, ...] = _hooks()
    """On the host, after the program has been executed. If one fails, the
    container is stopped."""

    poststop: tuple[AnyHook, ...] = _hooks()
    """On the host, after the container is gone, also after a launch that failed
    behind its first hook. One that fails is a warning in the log, and the
    others still run."""


HOOK_KINDS: Final = (
    "prestart",
    "create_runtime",
    "create_container",
    "start_container",
    "poststart",
    "poststop",
)
"""The fields of `Hooks`, in the order in which they run."""

IN_CONTAINER: Final = frozenset({"create_container", "start_container"})
"""Hooks that run in the container's namespaces, and so cannot be functions."""

NO_HOOKS: Final = Hooks()


def function_name(function: object) -> str:
    """Return the module and name of a function, for people."""
    module = getattr(function, "__module__", None) or "?"
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return f"{module}.{name}"


def _to_json(hook: AnyHook) -> dict[str, Any]:
    """Return a hook as JSON values; of a function only the name."""
    if isinstance(hook, Hook):
        fields: dict[str, Any] = {"path": hook.path}
        if hook.args:
            fields["args"] = list(hook.args)
        if hook.env:
            fields["env"] = [f"{key}={value}" for key, value in hook.env]
        if hook.timeout is not None:
            fields["timeout"] = hook.timeout
        if hook.output is not None:
            fields["output"] = hook.output
        return fields
    if isinstance(hook, UnavailableHook):
        return {"function": hook.name}
    return {"function": function_name(hook)}


def hooks_to_json(hooks: Hooks) -> dict[str, list[dict[str, Any]]]:
    """Return hooks as JSON values, without the kinds that have none."""
    kinds = ((kind, getattr(hooks, kind)) for kind in HOOK_KINDS)
    return {kind: [_to_json(hook) for hook in found] for kind, found in kinds if found}


def hooks_from_json(document: Mapping[str, Any]) -> Hooks:
    """Return the hooks that `hooks_to_json` wrote.

    Raises:
        KeyError, TypeError: they are not of this form.
    """
    kinds = document.items()
    return Hooks(**{kind: tuple(map(_hook, items)) for kind, items in kinds})


def _hook(document: Mapping[str, Any]) -> AnyHook:
    if "function" in document:
        return UnavailableHook(str(document["function"]))
    return Hook(**document)
