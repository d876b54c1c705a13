# SPDX-License-Identifier: Apache-2.0
"""A command line that is read without argparse says what argparse would read."""

from __future__ import annotations

import pytest

from libcontainer.commands.oci import read_quickly
from libcontainer.commands.oci_parser import argument_parser
from libcontainer.commands.words import UnsureError

RIGHT = (
    "create box",
    "create --bundle /b --pid-file p box",
    "--root /r --log l --log-format json --systemd-cgroup create -b /b box",
    "--root=/r --debug run -d --keep --preserve-fds 3 box",
    "--root=/r --cgroup-manager=disabled run --console-socket=/s box -b .",
    "run --no-pivot --no-new-keyring --no-subreaper --pidfd-socket s box",
    "--rootless true start box",
    "state box",
    "pause box",
    "resume box",
    "kill box",
    "kill -a box KILL",
    "kill --regex box.* 9",
    "kill box --all",
    "delete box",
    "delete --force -r box",
    "exec box sh -c true",
    "exec -t -e A=b -e C=d --cwd / --user 1:2 box sh",
    "exec --process p.json --pid-file p --detach box",
    "exec -c CAP_KILL --ignore-paused box ls -l --color",
)

LEFT_TO_ARGPARSE = (
    "",
    "--version",
    "--help",
    "frobnicate",
    "create",
    "create --frob box",
    "create box other",
    "create --bundl /b box",
    "create --preserve-fds x box",
    "create -b",
    "create -b --pid-file p",
    "create -h",
    "--log-format xml state box",
    "--cgroup-manager",
    "run --detach=yes box",
    "run -bdir box",
    "exec box -t sh",
    "exec -- box sh",
    "kill box -9",
    "list",
    "state -- box",
)


@pytest.mark.parametrize("line", RIGHT)
def test_what_is_right_is_read_as_argparse_reads_it(line: str) -> None:
    words = line.split()
    expected = vars(argument_parser(words).parse_args(words))
    assert expected.pop("version") is None
    assert vars(read_quickly(words)) == expected


@pytest.mark.parametrize("line", LEFT_TO_ARGPARSE)
def test_what_is_wrong_or_seldom_is_left_to_argparse(line: str) -> None:
    with pytest.raises(UnsureError):
        read_quickly(line.split())
