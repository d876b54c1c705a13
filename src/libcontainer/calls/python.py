# SPDX-License-Identifier: Apache-2.0
"""The caller's interpreter in a container: mounts, and the command that starts it."""

from __future__ import annotations

import functools
import os
import struct
import sys
import sysconfig
from typing import Final

from attrs import evolve, frozen

from libcontainer.config import Config, Mount
from libcontainer.errors import UnsupportedError

HOME: Final = "/run/libcontainer-python"
"""Where the interpreter is in a container."""

_PT_INTERP = 3
_PROGRAM: Final = f"{HOME}/bin/python3"


@frozen
class Python:
    """The caller's interpreter.

    Attributes:
        binds: host path and container path of what is mounted.
        path: its ``sys.path`` in the container.
        command: how it is started there, without a program of its own.
    """

    binds: tuple[tuple[str, str], ...]
    path: tuple[str, ...]
    command: tuple[str, ...]


def with_python(config: Config) -> Config:
    """Return a configuration whose containers have the caller's interpreter.

    It is mounted read-only below ``/run/libcontainer-python``, with its standard
    library, the libraries it is linked with, and every folder of ``sys.path``; the
    root filesystem needs nothing of it. `Container.call` needs it.

    Raises:
        UnsupportedError: there is no interpreter that a container could run.
    """
    if has_python(config):
        return config
    binds = this_python().binds
    mounts = [Mount.bind(source, target, read_only=True) for source, target in binds]
    return evolve(config, mounts=(*config.mounts, *mounts))


def has_python(config: Config) -> bool:
    """Tell whether a configuration is one of `with_python`."""
    return any(mount.destination == _PROGRAM for mount in config.mounts)


def this_python() -> Python:
    """Return the running interpreter.

    Raises:
        UnsupportedError: it has no executable of its own.
    """
    return _python(sys.executable, tuple(sys.path))


def program_text() -> str:
    """Return the text of the program that answers calls."""
    # Not by its loader: pytest and the commands put others in place, which do not
    # tell it.
    path = os.path.join(os.path.dirname(__file__), "inside.py")
    with open(path, encoding="utf-8") as file:
        return file.read()


@functools.lru_cache(maxsize=8)
def _python(executable: str, path: tuple[str, ...]) -> Python:
    program = _program(executable)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    binds = {program: _PROGRAM}
    standard = os.path.realpath(sysconfig.get_path("stdlib"))
    binds[standard] = f"{HOME}/lib/{version}"
    # In a few systems the compiled half is in a place of its own.
    compiled = os.path.realpath(str(sysconfig.get_config_var("DESTSHARED")))
    if not compiled.startswith(f"{standard}/") and os.path.isdir(compiled):
        binds[compiled] = f"{HOME}/lib/{version}/lib-dynload"
    inside = [
        _place(binds, os.path.realpath(entry), "path")
        for entry in path
        if os.path.exists(entry or ".")
    ]
    loader = _interpreter_of(program)
    command: tuple[str, ...] = (_PROGRAM,)
    if loader is not None:
        # The system's last: it may have another libpython of the same name.
        system = os.path.dirname(loader)
        folders = [f for f in _library_folders(binds) if f != system]
        places = [_place(binds, f, "libraries") for f in (*folders, system)]
        # The image's own libraries may be of another kind, or not there.
        start = f"{places[-1]}/{os.path.basename(loader)}"
        libraries = ("--library-path", ":".join(places))
        command = (start, "--argv0", _PROGRAM, *libraries, _PROGRAM)
    # Isolated, without site and its .pth files, and without writing any .pyc.
    command = (*command, "-I", "-S", "-B", "-c", program_text())
    return Python(tuple(binds.items()), tuple(dict.fromkeys(inside)), command)


def _program(executable: str) -> str:
    """Return the host path of the file that is being run."""
    for path in (executable, "/proc/self/exe"):
        program = os.path.realpath(path) if path else ""
        if os.access(program, os.R_OK | os.X_OK):
            return program
    raise UnsupportedError("call", "sys.executable, an interpreter on the disk")


def _place(binds: dict[str, str], source: str, kind: str) -> str:
    """Return where a host path is inside, mounted if it is not there already."""
    for known, target in binds.items():
        if source == known or source.startswith(f"{known}/"):
            return target + source.removeprefix(known)
    target = f"{HOME}/{kind}/{len(binds)}"
    binds[source] = target
    return target


def _library_folders(binds: dict[str, str]) -> list[str]:
    """Return the folders of the shared libraries that are in use."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        lines = [line.split(maxsplit=5) for line in maps]
    paths = {line[5].strip() for line in lines if len(line) == 6}
    found = {
        os.path.dirname(os.path.realpath(path))
        for path in paths
        if path.startswith("/") and ".so" in os.path.basename(path)
    }
    return sorted(
        folder
        for folder in found
        if os.path.isdir(folder)
        and not any(folder == b or folder.startswith(f"{b}/") for b in binds)
    )


def _interpreter_of(program: str) -> str | None:
    """Return the host path of the dynamic loader that an ELF program names.

    Source: elf(5), PT_INTERP. None: it is linked statically.
    """
    with open(program, "rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            raise UnsupportedError("call", f"an ELF program of 64 bits, not {program}")
        (table,) = struct.unpack_from("=Q", head, 32)
        size, count = struct.unpack_from("=HH", head, 54)
        for number in range(count):
            file.seek(table + number * size)
            kind, _, offset, _, _, length = struct.unpack("=IIQQQQ", file.read(40))
            if kind == _PT_INTERP:
                file.seek(offset)
                name = file.read(length).rstrip(b"\0")
                return os.path.realpath(os.fsdecode(name))
    return None
