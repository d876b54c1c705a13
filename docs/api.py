# SPDX-License-Identifier: Apache-2.0
"""Write docs/reference/api.rst, errors.rst and bindings.rst: what is public.

The names come from ``libcontainer.__all__`` and the bindings' modules, so a
name that is new has its place at once. Nothing of these pages is kept in the
repository; `conf.py` has them written before each build.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from pathlib import Path

import libcontainer
import libcontainer.bindings

FOLDER = Path(__file__).resolve().parent / "reference"

# Title of a section: the modules whose public names it has, in this order.
SECTIONS: dict[str, tuple[str, ...]] = {
    "Run a program": ("api", "oneshot", "asyncrun", "calls", "containing"),
    "Many programs": ("pool", "executor"),
    "Make and find containers": ("factory", "container", "known", "status"),
    "What runs": (
        "process",
        "handle",
        "aio.process",
        "host.children",
        "host.attachment",
        "host.relay",
    ),
    "What a container is": (
        "config.model",
        "config.rootfs",
        "config.namespaces",
        "host.subids",
    ),
    "Mounts": ("config.mounts", "config.mount_options"),
    "Files": ("files", "contents"),
    "Devices": ("config.devices", "host.devices"),
    "Identity": ("config.identity",),
    "Limits": ("config.resources", "config.rdt", "host.rdt"),
    "Statistics and events": (
        "cgroups",
        "usage",
        "verdict",
        "events",
        "supervise",
        "host.journal",
    ),
    "Networks": ("config.network", "network"),
    "Security": ("config.seccomp", "config.landlock", "learn"),
    "What a process gets of the machine": ("config.scheduling", "config.memory"),
    "Hooks": ("config.hooks",),
    "What works here": ("checks", "host.trace"),
    "Users of an image": ("host.lookup",),
    "Checkpoints": ("config.criu",),
}
# Public classes that are reached from others, not by a name of the package.
FURTHER = {
    "Images": (
        "libcontainer.image.model",
        "libcontainer.image.store",
        "libcontainer.image.local",
        "libcontainer.image.registry",
        "libcontainer.image.unpack",
    ),
    "Parts of statistics": ("libcontainer.cgroups.stats",),
    "Cgroups without a container": ("libcontainer.cgroups.cgroup",),
    "Bundles": ("libcontainer.oci",),
    "Links by themselves": ("libcontainer.network.links",),
    "Devices of vendors": ("libcontainer.cdi.registry", "libcontainer.cdi.spec"),
}
STRATEGIES = (
    "libcontainer.network.base",
    "libcontainer.network.contract",
    "libcontainer.cgroups.strategy",
    "libcontainer.plan.steps",
)


def _title(text: str, underline: str) -> list[str]:
    return [text, underline * len(text), ""]


def _home(value: object) -> str:
    return str(getattr(value, "__module__", "")).removeprefix("libcontainer.")


def _entry(name: str, value: object) -> list[str]:
    if inspect.isclass(value):
        kind, options = "autoclass", ["   :members:"]
    else:
        kind, options = "autofunction", []
    return [f".. {kind}:: libcontainer.{name}", *options, ""]


def _objects() -> dict[str, object]:
    """Return what is public and is documented by itself: classes and functions."""
    values = {name: getattr(libcontainer, name) for name in libcontainer.__all__}
    return {name: value for name, value in values.items() if callable(value)}


def _is_error(value: object) -> bool:
    return _home(value) == "errors"


def render_api() -> str:
    """Return the page of everything but errors."""
    left = {name: v for name, v in _objects().items() if not _is_error(v)}
    lines = _title("API", "=")
    lines += [
        "Everything here is stable: it changes as :doc:`the changelog"
        " </project/changelog>` says, and by its rule of deprecation only.",
        "",
    ]
    for title, homes in SECTIONS.items():
        names = [
            name
            for home in homes
            for name, value in left.items()
            if _home(value) == home or _home(value).startswith(f"{home}.")
        ]
        lines += _title(title, "-")
        for name in dict.fromkeys(names):
            lines += _entry(name, left.pop(name))
    if left:
        lines += _title("More", "-")
        for name, value in left.items():
            lines += _entry(name, value)
    lines += _title("Constants", "-")
    constants = sorted(set(libcontainer.__all__) - set(_objects()))
    lines += [", ".join(f"``{name}``" for name in constants), ""]
    for title, modules in FURTHER.items():
        lines += _title(title, "-")
        for module in modules:
            lines += [f".. automodule:: {module}", "   :members:"]
            # A module may name what has its entry already.
            named = getattr(importlib.import_module(module), "__all__", ())
            if known := _public(named):
                lines.append(f"   :exclude-members: {', '.join(known)}")
            lines.append("")
    return "\n".join(lines)


def _public(names: Iterable[str]) -> list[str]:
    """Return which of *names* are the library's own public ones."""
    return sorted(set(names) & set(libcontainer.__all__))


def render_errors() -> str:
    """Return the page of errors, a tree first."""
    lines = _title("Errors", "=")
    lines += [
        "Every error derives from :class:`~libcontainer.LibcontainerError` and from"
        " the built-in that one would catch.",
        "",
    ]
    errors = {name: v for name, v in _objects().items() if _is_error(v)}
    for name, value in errors.items():
        is_raised = issubclass(value, BaseException)  # type: ignore[arg-type]
        kind = "autoexception" if is_raised else "autoclass"
        lines += [f".. {kind}:: libcontainer.{name}", ""]
    return "\n".join(lines)


def _modules(title: str, text: str, names: tuple[str, ...]) -> str:
    lines = [*_title(title, "="), text, ""]
    for name in names:
        lines += [*_title(f"``{name}``", "-"), f".. automodule:: {name}"]
        lines += ["   :members:", ""]
    return "\n".join(lines)


def render_bindings() -> str:
    """Return the page of the thin calls of the kernel."""
    package = libcontainer.bindings
    found = pkgutil.iter_modules(package.__path__, "libcontainer.bindings.")
    names = tuple(
        m.name for m in found if not m.name.rpartition(".")[2].startswith("_")
    )
    text = "Thin typed calls of the kernel, a module for each man page."
    return _modules("Bindings", text, names)


def render_strategies() -> str:
    """Return the page for whoever writes a strategy."""
    text = "What a network or cgroup strategy of one's own has to be, and is given."
    return _modules("Strategies", text, STRATEGIES)


def write() -> None:
    """Write the pages."""
    pages = {
        "api": render_api(),
        "errors": render_errors(),
        "bindings": render_bindings(),
        "strategies": render_strategies(),
    }
    for name, text in pages.items():
        (FOLDER / f"{name}.rst").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
