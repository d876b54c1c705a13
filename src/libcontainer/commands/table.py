# SPDX-License-Identifier: Apache-2.0
"""Every command of ``libcontainer``: its function, its options, its operands."""

from __future__ import annotations

from collections.abc import Mapping

from libcontainer.commands.options import Command, Option

GLOBAL = (
    Option("--root", what="where containers are kept", metavar="DIR"),
    Option(
        "--log",
        what="write messages there: [file:]FILE, journald:NAME or syslog:NAME",
        metavar="FILE",
    ),
    Option(
        "--log-format",
        what="text or json",
        choices=("text", "json"),
        default="text",
    ),
    Option("--log-level", metavar="LEVEL"),
    Option("--debug", "flag", "tell more, each step of a launch too"),
    Option(
        "--cgroup-manager",
        what="who makes cgroups: cgroupfs, systemd or disabled",
        choices=("cgroupfs", "systemd", "disabled"),
        default="cgroupfs",
    ),
    Option(
        "--systemd-cgroup",
        "flag",
        "as --cgroup-manager=systemd",
        dest="cgroup_manager",
        default="cgroupfs",
        const="systemd",
    ),
    Option("--rootless", what="taken and not needed: it is found out", metavar="BOOL"),
    Option("--criu", metavar="PATH"),
)

_PID_FILE = Option("--pid-file", what="write its host pid there", metavar="FILE")
_CONSOLE = Option("--console-socket", what="send the terminal there", metavar="SOCKET")
_PIDFD = Option("--pidfd-socket", what="send a pidfd there", metavar="SOCKET")
_DETACH = Option("--detach -d", "flag", "do not wait for it")
_NO_SUBREAPER = Option("--no-subreaper", "flag", "take no orphans of it")
_BUNDLE = Option(
    "--bundle -b", what="the directory of the bundle", metavar="DIR", default="."
)
_CONFIG = Option(
    "--config -f", what="the file in it", metavar="FILE", default="config.json"
)
_FORMAT = Option(
    "--format -f", what="table or json", choices=("table", "json"), default="table"
)
_JSON = Option(
    "--json", "flag", "as --format=json", dest="format", default="table", const="json"
)
_FORCE = Option("--force -f", "flag", "kill it first")
_REGEX = Option("--regex -r", "flag", "ID is a regular expression: all that match")

_CREATE = (
    *(_BUNDLE, _CONFIG, _PID_FILE, _CONSOLE, _PIDFD),
    Option("--preserve-fds", "number", "pass N more fds, from 3 on", "N", default=0),
    Option("--no-pivot", "flag", "chroot(2) instead of pivot_root(2): less safe"),
    Option("--no-new-keyring", "flag", "keep the session keyring"),
)
EXEC = (
    *(_DETACH, _PID_FILE, _CONSOLE, _PIDFD, _NO_SUBREAPER),
    Option("--cgroup", "list", "run it below: [CONTROLLER[,...]:]PATH", "PATH"),
    Option("--exec-wait-fifo", "text", "wait until somebody reads the fifo", "PATH"),
)
RUN = (
    *(*_CREATE, _DETACH, _NO_SUBREAPER),
    Option("--keep", "flag", "do not delete it"),
)

COMMANDS: Mapping[str, Command] = {
    "create": Command(
        "oci_start",
        "create",
        "make a container whose program waits for start",
        _CREATE,
        "ID",
    ),
    "start": Command("oci_start", "start", "let its program run", (), "ID"),
    "run": Command(
        "oci_start",
        "run",
        "make a container, run its program and delete it",
        RUN,
        "ID",
    ),
    "exec": Command(
        "oci_exec",
        "execute",
        "run a further program in a container",
        "exec_table:OPTIONS",
        "ID",
        rest="ARGS",
        failed=255,
    ),
    "state": Command("oci_show", "state", "print its state as JSON", (), "ID"),
    "list": Command(
        "oci_show",
        "show_list",
        "list the containers",
        (_FORMAT, _JSON, Option("--quiet -q", "flag", "the ids alone")),
    ),
    "kill": Command(
        "oci_control",
        "kill",
        "send a signal to the first process of a container",
        (Option("--all -a", "flag", "to all its processes"), _REGEX),
        "ID [SIGNAL]",
    ),
    "delete": Command(
        "oci_control", "delete", "remove a container", (_FORCE, _REGEX), "ID"
    ),
    "pause": Command("oci_control", "pause", "freeze its processes", (), "ID"),
    "resume": Command("oci_control", "resume", "let them go on", (), "ID"),
    "ps": Command(
        "oci_show",
        "ps",
        "list the processes of a container",
        (_FORMAT, _JSON),
        "ID",
        rest="PS_OPTIONS",
    ),
    "update": Command(
        "oci_update", "update", "change its limits", "oci_update:OPTIONS", "ID"
    ),
    "events": Command(
        "oci_events",
        "events",
        "print what a container uses, as lines of JSON",
        (
            Option("--stats", "flag", "once, and end"),
            Option("--interval", what="how often", metavar="TIME", default="5s"),
        ),
        "ID",
    ),
    "wait": Command(
        "oci_control", "wait", "wait for its end and print the exit status", (), "ID"
    ),
    "mounts": Command(
        "oci_mounts",
        "mounts",
        "add mounts to a running container, or remove them",
        (),
        "ACTION ID FILE",
    ),
    "gc": Command(
        "oci_control", "recover", "remove what crashed creators left; print its ids"
    ),
    "spec": Command(
        "oci_spec",
        "spec",
        "write a config.json to begin with, or check one",
        (
            *(_BUNDLE, _CONFIG),
            Option("--rootless", "flag", "for an ordinary user"),
            Option("--check", "flag", "read one instead and tell what is wrong"),
        ),
    ),
    "features": Command("oci_spec", "features", "print what it can do as JSON"),
    "check": Command(
        "check",
        "run",
        "try what works on this machine, for this user",
        (_FORMAT, _JSON),
        "[FEATURES...]",
    ),
    "image": Command(
        "oci_image",
        "image",
        "pull, unpack, list and remove images",
        rest="WORDS",
    ),
    "top": Command(
        "top",
        "top",
        "show what every container uses, until q and return",
        (
            Option("--interval", what="how often", metavar="TIME", default="2s"),
            Option("--once", "flag", "show it once, and end"),
            Option("--json", "flag", "a line of JSON each time"),
        ),
    ),
    "completion": Command(
        "completion",
        "completion",
        "print the script by which a shell completes words",
        (),
        "SHELL",
    ),
    "recvtty": Command(
        "oci_recvtty",
        "recvtty",
        "take the terminals that are sent to a socket",
        (
            Option(
                "--mode -m",
                what="single or null",
                choices=("single", "null"),
                default="single",
            ),
            Option("--pid-file -p", what="write our own pid there", metavar="FILE"),
            Option("--no-stdin", "flag", "do not pass our input on"),
        ),
        "SOCKET",
    ),
    "checkpoint": Command(
        "oci_checkpoint",
        "checkpoint",
        "write the processes of a container to an image",
        "oci_checkpoint:CHECKPOINT",
        "ID",
    ),
    "restore": Command(
        "oci_checkpoint",
        "restore",
        "make a container of an image and let it go on",
        "oci_checkpoint:RESTORE_BUNDLE",
        "ID",
    ),
}
