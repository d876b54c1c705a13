# SPDX-License-Identifier: Apache-2.0
"""Differences that are meant: the case, from whom, which, and what decides it."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

_VERSION: Final = "config.md: ociVersion is REQUIRED, in SemVer 2.0.0; ours are 1.x"
_USER: Final = (
    "the rootfs is in a directory of the caller alone: theirs is looked up by the"
    " mapped root, which may not; ours is opened by the caller"
)
_UNSEEN: Final = "config.md, mounts: the word is of the mount; crun 1.8 leaves it out"

# Pattern of the case, of the runtime, of the line; why.
_REASONS: Final[tuple[tuple[str, str, str, str], ...]] = (
    (
        "plain: masked *",
        "*",
        "env*",
        "HOME is looked up in /etc/passwd before that is masked",
    ),
    ("*", "crun", "dev null*", "crun gives a /dev/null on standard input to the user"),
    ("user: *", "crun", "env*", "no rule: ours and runc set HOME=/ for who has none"),
    ("cwd: relative", "crun", "*", "config.md, process: cwd MUST be an absolute path"),
    (
        "rlimits: twice",
        "*",
        "*",
        "config.md, rlimits: for duplicated entries of one type the runtime MUST"
        " generate an error",
    ),
    ("namespaces: user*", "*", "*", _USER),
    ("mounts: bind *shared", "crun", "*", _UNSEEN),
    ("mounts: bind unbindable", "crun", "*", _UNSEEN),
    (
        "mounts: cgroup ro*",
        "*",
        "mounts /sys/fs/cgroup:*",
        "config.md, mounts: ro is asked for; theirs leave the tmpfs around the"
        " hierarchies writable",
    ),
    ("mounts: none", "*", "*", "no rule asks for a /proc; runc cannot do without"),
    ("mounts: absent", "*", "*", "config.md, mounts: OPTIONAL"),
    ("devices: of no type", "crun", "*", "config-linux.md, devices: c, b, u or p"),
    ("devices: without path", "*", "*", "config-linux.md, devices: path is REQUIRED"),
    (
        "seccomp: without default",
        "*",
        "*",
        "config-linux.md, seccomp: defaultAction is REQUIRED",
    ),
    ("resources: *", "crun", "*", "crun is run without a cgroup here: see RUNTIMES"),
    (
        "hooks: poststart fails",
        "crun",
        "*",
        "runtime.md, lifecycle: a poststart hook that fails is an error",
    ),
    (
        "hooks: * works",
        "crun",
        "status*",
        "config.md, hooks: the state is passed over stdin; a hook need not read it,"
        " and crun 1.8 now and then fails if one has ended before",
    ),
    ("hooks: relative path", "crun", "*", "config.md, hooks: path MUST be absolute"),
    ("wrong: propagation shared", "runc", "*", "config-linux.md: shared is a value"),
    ("wrong: propagation unbindable", "runc", "*", "config-linux.md: a value"),
    ("wrong: * is *", "crun", "status*", "config-schema.json: of another type"),
    ("wrong: no version", "*", "*", _VERSION),
    ("wrong: version *", "*", "*", _VERSION),
)


def reason_for(case: str, peer: str, line: str) -> str | None:
    """Return why a case differs so from a runtime, or None if nobody knows."""
    for of_case, of_peer, of_line, reason in _REASONS:
        patterns = ((case, of_case), (peer, of_peer), (line, of_line))
        if all(fnmatchcase(text, pattern) for text, pattern in patterns):
            return reason
    return None
