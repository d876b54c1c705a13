# SPDX-License-Identifier: Apache-2.0
"""The build steps that pyproject.toml cannot express."""

from __future__ import annotations

import runpy
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

BUILD = "src/libcontainer/native/build.py"
# A free-threaded interpreter has no stable ABI before 3.15.
ABI3 = (
    {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"py_limited_api": "cp311"}
)


class BuildNative(build_ext):
    """Build the static helper before the module that embeds its image."""

    def pre_run(self, ext: Extension, ffi: object) -> None:
        """Write the generated header; cffi calls this before it writes its C."""
        generated = Path(self.build_temp)
        runpy.run_path(BUILD)["write_generated_header"](generated)
        ext.include_dirs.append(str(generated))


setup(
    cffi_modules=[f"{BUILD}:ffibuilder"],
    cmdclass={"build_ext": BuildNative},
    options={"bdist_wheel": ABI3},
    # Not entry points: those cannot tell the interpreter to be isolated.
    scripts=["scripts/libcontainer", "scripts/nsinit"],
)
