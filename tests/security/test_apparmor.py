# SPDX-License-Identifier: Apache-2.0
"""The text of the generated profile, and the parser it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from libcontainer.errors import LibcontainerError, UnsupportedError
from libcontainer.host import security
from libcontainer.security import apparmor

VERSIONS = [
    ("AppArmor parser version 3.0.8\nCopyright (C) 1999-2008 Novell", (3, 0, 8)),
    ("AppArmor parser version 2.8.95~2430\n", (2, 8, 95)),
    ("AppArmor parser version 4.1\n", (4, 1, 0)),
]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the PATH, with no parser in it or elsewhere."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(apparmor, "_SBIN", "")
    return tmp_path


def fake_parser(folder: Path, script: str) -> None:
    """Put a program in the parser's place."""
    program = folder / "apparmor_parser"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_the_profile_has_its_name_and_denies_what_it_is_for(programs: Path) -> None:
    text = apparmor.default_profile("my-profile")
    assert "profile my-profile flags=(attach_disconnected,mediate_deleted) {" in text
    lines = [line.strip() for line in text.splitlines()]
    for rule in (
        "network,",
        "capability,",
        "file,",
        "deny mount,",
        "deny @{PROC}/sysrq-trigger rwklx,",
        "deny @{PROC}/kcore rwklx,",
        "deny @{PROC}/sys/fs/** wklx,",
        "deny /sys/kernel/security/** rwklx,",
    ):
        assert rule in lines
    assert text.count("{\n") == text.count("\n}") == 1
    assert not any(line.startswith("umount") for line in lines)


def test_an_old_parser_gets_no_words_it_does_not_know(programs: Path) -> None:
    fake_parser(programs, "echo AppArmor parser version 2.8.0")
    assert "signal," not in apparmor.default_profile()
    fake_parser(programs, "echo AppArmor parser version 3.0.8")
    text = apparmor.default_profile("box")
    assert "  signal," in text
    assert "peer=box," in text


@pytest.mark.parametrize(
    ("tunables", "first"),
    [(True, "#include <tunables/global>"), (False, "@{PROC}=/proc/")],
)
def test_the_hosts_own_files_are_included_where_there_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tunables: bool, first: str
) -> None:
    file = tmp_path / "file"
    if tunables:
        file.touch()
    monkeypatch.setattr(apparmor, "_TUNABLES", str(file))
    monkeypatch.setattr(apparmor, "_BASE", str(file))
    text = apparmor.default_profile()
    assert text.startswith(f"{first}\n")
    assert ("#include <abstractions/base>" in text) is tunables


@pytest.mark.parametrize("name", ["", "a b", "a{", "-x", "a\n", "é", "a/b", "a,b"])
def test_a_name_that_could_be_more_than_a_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="profile's name"):
        apparmor.default_profile(name)


@pytest.mark.parametrize(("text", "version"), VERSIONS)
def test_the_version_of_the_parser_is_read(
    text: str, version: tuple[int, int, int]
) -> None:
    assert apparmor.parse_version(text) == version


def test_a_parser_without_a_version_is_an_error() -> None:
    with pytest.raises(LibcontainerError, match="no version"):
        apparmor.parse_version("something else")


def test_a_missing_parser_is_named_with_its_package(programs: Path) -> None:
    with pytest.raises(UnsupportedError, match=r"apparmor_parser .*apt-get install"):
        apparmor.load("profile x {}")


def test_what_the_parser_says_is_in_the_error(programs: Path) -> None:
    fake_parser(programs, "echo syntax error on line 3 >&2; exit 1")
    with pytest.raises(LibcontainerError, match="-Kr failed: syntax error on line 3"):
        apparmor.load("profile x {}")


def test_the_parser_gets_the_text(programs: Path) -> None:
    fake_parser(programs, f'echo "$*" > {programs}/seen; /bin/cat >> {programs}/seen')
    apparmor.load("profile x {}")
    assert (programs / "seen").read_text() == "-Kr\nprofile x {}"


def test_the_list_of_profiles_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = tmp_path / "profiles"
    profiles.write_text("docker-default (enforce)\n/usr/bin/a b (complain)\n")
    monkeypatch.setattr(apparmor, "_PROFILES", str(profiles))
    assert apparmor.loaded_profiles() == {"docker-default", "/usr/bin/a b"}
    assert apparmor.is_loaded("docker-default")
    assert not apparmor.is_loaded("docker")


@pytest.mark.parametrize(("text", "enabled"), [("Y\n", True), ("N\n", False)])
def test_whether_it_is_enabled_is_what_the_kernel_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, enabled: bool
) -> None:
    file = tmp_path / "enabled"
    monkeypatch.setattr(apparmor, "_ENABLED", str(file))
    assert apparmor.is_enabled() is False
    file.write_text(text)
    assert apparmor.is_enabled() is enabled


def test_the_default_is_not_loaded_where_apparmor_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apparmor, "_ENABLED", "/absent")
    with pytest.raises(UnsupportedError, match="AppArmor enabled"):
        apparmor.load_default()


@pytest.mark.parametrize(
    ("name", "fine"),
    [
        (None, True),
        ("unconfined", True),
        ("box", True),
        (":other:profile", True),
        ("box//&other", True),
        ("other", False),
        ("bo", False),
    ],
)
def test_a_profile_is_refused_only_where_it_is_certainly_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None, fine: bool
) -> None:
    enabled, profiles = tmp_path / "enabled", tmp_path / "profiles"
    enabled.write_text("Y\n")
    profiles.write_text("box (enforce)\n")
    monkeypatch.setattr(apparmor, "_ENABLED", str(enabled))
    monkeypatch.setattr(apparmor, "_PROFILES", str(profiles))
    if fine:
        security.require_profile(name)
    else:
        with pytest.raises(UnsupportedError, match="is not loaded"):
            security.require_profile(name)
    # Who may not read the list leaves it to the kernel.
    profiles.unlink()
    security.require_profile(name)
