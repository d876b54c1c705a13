# SPDX-License-Identifier: Apache-2.0
"""How the native module is built.

Three C programs come out of this directory. ``helper/*.c`` becomes the static
helper, which shares nothing with Python, not even a C library; ``monitor/*.c``, with
what the two have in common, the monitor of a detached container. ``ffi.c`` and
``spawn.c`` become ``libcontainer._native``, which carries the images of both as byte
arrays, so they can never be of different versions and nothing has to be found at run
time.

setup.py runs this file; it is no module of the installed package's API. It needs
a C compiler (``$CC``, default ``cc``) and the C library's headers, and gives the
same bytes for the same sources and compiler.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from cffi import FFI

NATIVE = Path(__file__).parent
PROGRAMS = {
    "helper": sorted(NATIVE.glob("helper/*.c")),
    "monitor": [
        *sorted(NATIVE.glob("monitor/*.c")),
        *(NATIVE / "helper" / name for name in ("memory.c", "message.c")),
    ],
}
HELPER_FLAGS = [
    "-std=c11",
    "-Os",
    "-static",
    "-nostdlib",
    "-nostartfiles",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-stack-protector",
    "-fno-asynchronous-unwind-tables",
    "-fno-pie",
    "-no-pie",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wl,--build-id=none",
    "-Wl,-z,noexecstack",
    "-Wl,-z,norelro",
    "-Wl,-z,noseparate-code",  # 10 KiB and a page fault less; no page is writable code
    "-s",
]
# -g0: debug information would carry the build directory into the module.
# -z now: the child of lc_spawn must not run the lazy symbol resolver.
MODULE_FLAGS = ["-std=gnu11", "-g0", "-Wall", "-Wextra", "-fvisibility=hidden"]
MODULE_LINK_FLAGS = ["-Wl,-z,now", "-Wl,--build-id=none"]


def package_version() -> str:
    """Return the version that ``_version.py`` states."""
    names: dict[str, object] = {}
    exec((NATIVE.parent / "_version.py").read_text(), names)  # noqa: S102
    return str(names["__version__"])


def program_image(sources: list[Path]) -> bytes:
    """Compile a static program and return its ELF image."""
    compiler = shlex.split(os.environ.get("CC", "cc"))
    with tempfile.TemporaryDirectory() as scratch:
        image = Path(scratch, "program")
        command = [*compiler, *HELPER_FLAGS, f"-I{NATIVE}", "-o", str(image)]
        subprocess.run([*command, *map(str, sources)], check=True)
        return image.read_bytes()


def write_generated_header(directory: Path) -> None:
    """Write ``generated.h``: the version and the images of the programs as C."""
    lines = [f'#define LC_VERSION "{package_version()}"']
    for name, sources in PROGRAMS.items():
        image = program_image(sources)
        rows = (image[start : start + 24] for start in range(0, len(image), 24))
        lines += [
            f"static const unsigned char generated_{name}_image[] = {{",
            *(",".join(map(str, row)) + "," for row in rows),
            "};",
        ]
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "generated.h").write_text("\n".join(lines) + "\n")


def declarations() -> str:
    """Return what cffi must know: the shared layout and the C functions."""
    headers = [NATIVE / "plan_abi.h", NATIVE / "ffi.cdef.h"]
    return "\n".join(path.read_text() for path in headers)


def dependencies() -> list[str]:
    """Return the files whose change makes the module out of date."""
    scripts = [NATIVE / "build.py", NATIVE.parent / "_version.py"]
    return sorted(map(str, [*NATIVE.rglob("*.[ch]"), *scripts]))


ffibuilder = FFI()
ffibuilder.cdef(declarations())
ffibuilder.set_source(
    "libcontainer._native",
    '#include <stddef.h>\n#include <stdint.h>\n#include "plan_abi.h"\n'
    '#include "ffi.cdef.h"\n',
    sources=[str(NATIVE / "ffi.c"), str(NATIVE / "spawn.c")],
    include_dirs=[str(NATIVE)],
    depends=dependencies(),
    define_macros=(
        []
        if sysconfig.get_config_var("Py_GIL_DISABLED")
        else [("Py_LIMITED_API", "0x030b0000")]
    ),
    extra_compile_args=MODULE_FLAGS,
    extra_link_args=MODULE_LINK_FLAGS,
)
