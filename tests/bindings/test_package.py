# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import importlib
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import libcontainer.bindings
from libcontainer import _native, _version
from libcontainer.bindings import _lib
from libcontainer.bindings.helper import sealed_helper
from libcontainer.bindings.memfd import FIXED, get_seals
from tests.bindings.conftest import InChild

ROOT = Path(__file__).resolve().parents[2]


def modules() -> list[str]:
    return [
        entry.name for entry in pkgutil.iter_modules(libcontainer.bindings.__path__)
    ]


@pytest.mark.parametrize("name", modules())
def test_every_binding_is_documented(name: str) -> None:
    module = importlib.import_module(f"libcontainer.bindings.{name}")
    assert module.__doc__
    own = [
        value
        for key, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and key[0] != "_"
    ]
    assert [value for value in own if not value.__doc__] == []


def test_the_module_is_built_for_the_stable_abi() -> None:
    assert str(_native.__file__).endswith("_native.abi3.so")


def test_the_native_module_is_of_this_version() -> None:
    assert _lib.ffi.string(_lib.lib.lc_version).decode() == _version.__version__
    assert _lib.lib.lc_abi == _version.ABI


@pytest.mark.parametrize("change", ["__version__ = '9.9.9'", "ABI = 99"])
def test_a_module_of_another_version_is_refused(in_child: InChild, change: str) -> None:
    script = f"""
    from libcontainer import _version
    _version.{change}
    try:
        import libcontainer.bindings._lib
    except ImportError as error:
        print(error)
    """
    said = in_child(script)
    assert change.rsplit(maxsplit=1)[-1].strip("'") in said
    assert f"of version {_version.__version__} (ABI {_version.ABI})" in said


def test_loading_the_module_loads_little_else(in_child: InChild) -> None:
    script = """
    import sys
    import libcontainer
    before = set(sys.modules)
    import libcontainer.bindings._lib
    print(*sorted(name for name in set(sys.modules) - before
                  if not name.startswith("libcontainer")))
    """
    loaded = set(in_child(script).split())
    # importlib itself imports warnings.
    allowed = {"_cffi_backend", "errno", "importlib", "os", "warnings"}
    assert {name.split(".")[0] for name in loaded} <= allowed


def test_the_helper_is_a_static_program(tmp_path: Path) -> None:
    image = _lib.helper_image()
    assert image[:4] == b"\x7fELF"
    assert len(image) < 128 * 1024
    # Program headers: no interpreter, no dynamic section, no executable stack.
    start, count = int.from_bytes(image[32:40], sys.byteorder), image[56]
    headers = [image[start + 56 * n : start + 56 * (n + 1)] for n in range(count)]
    kinds = {int.from_bytes(header[:4], sys.byteorder): header for header in headers}
    assert 2 not in kinds
    assert 3 not in kinds
    assert not kinds[0x6474E551][4] & 1


def test_the_helper_is_executed_from_a_sealed_file() -> None:
    fd = sealed_helper()
    with open(fd, "rb") as file:
        assert get_seals(fd) & FIXED == FIXED
        assert file.read() == _lib.helper_image()


def build(directory: Path, *what: str) -> None:
    command = [sys.executable, "-m", "build", "--no-isolation", *what]
    done = subprocess.run(
        [*command, "--outdir", directory, ROOT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.needs("compiler")
def test_an_sdist_builds_into_one_reproducible_wheel(tmp_path: Path) -> None:
    pytest.importorskip("build")
    digests = set()
    for turn in ("one", "two"):
        # Without a choice, build makes the wheel from the unpacked sdist.
        build(tmp_path / turn)
        (wheel,) = (tmp_path / turn).glob("*.whl")
        assert "-cp311-abi3-linux_" in wheel.name
        with zipfile.ZipFile(wheel) as files:
            names = files.namelist()
            module = files.read("libcontainer/_native.abi3.so")
        digests.add(hashlib.sha256(module).hexdigest())
        assert "libcontainer/py.typed" in names
        assert not [name for name in names if name.endswith((".c", ".h"))]
        assert str(tmp_path).encode() not in module
    assert len(digests) == 1
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as files:
        files.extractall(installed)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import libcontainer.bindings.helper as h; h.sealed_helper(); print(h.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, installed],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.startswith(str(installed))
