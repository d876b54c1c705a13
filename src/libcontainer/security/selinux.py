# SPDX-License-Identifier: Apache-2.0
"""SELinux labels: their form, and categories that keep containers apart.

All containers run in one type of process. Two categories of their own (MCS), in the
label of the processes and of the files, keep one from the other's. Source:
selinux(8), the policy's ``contexts/lxc_contexts``.
"""

from __future__ import annotations

import os
import random
import re
import threading
from collections.abc import Iterable
from typing import Final

from attrs import evolve, frozen

_SELINUXFS: Final = "/sys/fs/selinux"
_CONFIG: Final = "/etc/selinux/config"
_CATEGORIES: Final = 1024
_PART: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SENSITIVITY: Final = r"s[0-9]{1,2}"
_CATEGORY: Final = r"c[0-9]{1,4}(?:\.c[0-9]{1,4})?"
_LEVEL: Final = re.compile(
    rf"{_SENSITIVITY}(?::{_CATEGORY}(?:,{_CATEGORY})*)?"
    rf"(?:-{_SENSITIVITY}(?::{_CATEGORY}(?:,{_CATEGORY})*)?)?"
)
_NUMBER: Final = re.compile(r"c([0-9]+)")
_OPTION: Final = re.compile(r"(disable|(user|role|type|level)[:=](.+))")

# Relabelled, any of these would break the host. What is below most of them would
# not: it may be a folder that was made for a container.
_NEVER: Final = frozenset(
    {"/", "/bin", "/boot", "/dev", "/etc", "/etc/passwd", "/etc/pki", "/etc/shadow"}
    | {"/home", "/lib", "/lib64", "/media", "/mnt", "/opt", "/proc", "/root", "/run"}
    | {"/sbin", "/srv", "/sys", "/tmp", "/usr", "/var", "/var/lib", "/var/log"}
)
_NEVER_BELOW: Final = ("/boot", "/dev", "/proc", "/sys", "/usr")


@frozen
class Label:
    """A security context: ``user:role:type:level``."""

    user: str
    role: str
    type: str
    level: str = "s0"
    """Sensitivity and categories, such as ``s0:c1,c2``."""

    @staticmethod
    def parse(text: str) -> Label:
        """Return the label that a text is; no level means ``s0``.

        Raises:
            ValueError: it is none.
        """
        parts = text.split(":", 3)
        if len(parts) < 3 or not all(_PART.fullmatch(part) for part in parts[:3]):
            message = f"a label is user:role:type:level, not {text!r}"
            raise ValueError(message)
        label = Label(*parts)
        if not _LEVEL.fullmatch(label.level):
            message = f"a level is such as s0:c1,c2, not {label.level!r}"
            raise ValueError(message)
        return label

    @property
    def categories(self) -> frozenset[int]:
        """Numbers of the categories that the level names; of a range its ends."""
        return frozenset(int(number) for number in _NUMBER.findall(self.level))

    def __str__(self) -> str:
        return f"{self.user}:{self.role}:{self.type}:{self.level}"


def is_enabled() -> bool:
    """Tell whether the kernel has SELinux, and it is not switched off."""
    return os.path.exists(f"{_SELINUXFS}/enforce")


def is_enforcing() -> bool:
    """Tell whether what the policy denies is denied, not only logged.

    Raises:
        OSError: SELinux is not enabled.
    """
    with open(f"{_SELINUXFS}/enforce") as file:
        return file.read(1) == "1"


def container_labels() -> tuple[Label, Label]:
    """Return what the policy has for containers: of processes, and of files.

    Raises:
        FileNotFoundError: the policy has no ``lxc_contexts``.
        ValueError: there are no such labels in it.
    """
    with open(f"/etc/selinux/{_policy()}/contexts/lxc_contexts") as file:
        return parse_contexts(file.read())


def parse_contexts(text: str) -> tuple[Label, Label]:
    """Return the labels ``process`` and ``file`` of an ``lxc_contexts`` file.

    Raises:
        ValueError: one of them is not there, or is no label.
    """
    found = dict(re.findall(r'^\s*(\w+)\s*=\s*"([^"]*)"\s*$', text, re.MULTILINE))
    for key in ("process", "file"):
        if key not in found:
            message = f"lxc_contexts has no {key!r}"
            raise ValueError(message)
    return Label.parse(found["process"]), Label.parse(found["file"])


_RANDOM: Final = random.SystemRandom()


class Categories:
    """Hands out pairs of categories, none of them twice at a time.

    One object knows of its own only: programs that run containers with labels
    beside each other may get the same pair. Threads may share it.
    """

    def __init__(self) -> None:
        self._taken: set[frozenset[int]] = set()
        self._lock = threading.Lock()

    def take(self) -> tuple[int, int]:
        """Return a free pair, the lower number first, and keep it.

        Raises:
            LookupError: all of them are taken.
        """
        with self._lock:
            if len(self._taken) >= _CATEGORIES * (_CATEGORIES - 1) // 2:
                message = "all pairs of SELinux categories are taken"
                raise LookupError(message)
            while True:
                low, high = sorted(_RANDOM.sample(range(_CATEGORIES), 2))
                if frozenset((low, high)) not in self._taken:
                    self._taken.add(frozenset((low, high)))
                    return low, high

    def reserve(self, label: str) -> None:
        """Keep the pair of a label that is in use already.

        A label without exactly two categories takes no pair.

        Raises:
            ValueError: it is no label.
        """
        pair = Label.parse(label).categories
        if len(pair) == 2:
            with self._lock:
                self._taken.add(pair)

    def release(self, label: str) -> None:
        """Let go of the pair of a label; it is no error if it was not taken.

        Raises:
            ValueError: it is no label.
        """
        pair = Label.parse(label).categories
        with self._lock:
            self._taken.discard(pair)


CATEGORIES: Final = Categories()
"""The pairs that this program has in use."""


def init_labels(
    options: Iterable[str] = (), categories: Categories = CATEGORIES
) -> tuple[str, str] | None:
    """Return labels for a new container: of its processes, and of its files.

    The pair of categories they share is taken until ``categories.release``.

    Args:
        options: words that change the policy's labels: ``user:U``, ``role:R``,
            ``type:T``, ``level:L``; the type is that of processes. A level of one's
            own takes no new pair. ``disable`` alone: no labels.
        categories: where the pair comes from.

    Returns:
        For ``process_label`` and ``mount_label``; None for ``disable``, or where
        SELinux is not enabled.

    Raises:
        ValueError: an option is none of these.
        FileNotFoundError: the policy has no labels for containers.
    """
    wishes = parse_options(options)
    if wishes is None or not is_enabled():
        return None
    process, file = container_labels()
    return labels_of(process, file, wishes, categories)


def parse_options(options: Iterable[str]) -> dict[str, str] | None:
    """Return label options as a mapping, None for ``disable``.

    Raises:
        ValueError: one is not known, or given twice, or goes along with ``disable``.
    """
    wishes: dict[str, str] = {}
    words = list(options)
    for word in words:
        match = _OPTION.fullmatch(word)
        if match is None:
            message = (
                f"a label option is user:, role:, type:, level: or disable: {word!r}"
            )
            raise ValueError(message)
        if match[1] == "disable":
            if len(words) > 1:
                message = "'disable' cannot be combined with other label options"
                raise ValueError(message)
            return None
        if match[2] in wishes:
            message = f"label option {match[2]!r} is given twice"
            raise ValueError(message)
        wishes[match[2]] = match[3]
    return wishes


def labels_of(
    process: Label, file: Label, wishes: dict[str, str], categories: Categories
) -> tuple[str, str]:
    """Return the labels of `init_labels` from the policy's; pure but for the pair.

    Raises:
        ValueError: a wish makes no label.
    """
    changed = Label.parse(str(evolve(process, **wishes)))
    level = changed.level
    if "level" not in wishes:
        sensitivity = process.level.partition(":")[0].partition("-")[0]
        low, high = categories.take()
        level = f"{sensitivity}:c{low},c{high}"
    user = wishes.get("user", file.user)
    return str(evolve(changed, level=level)), str(evolve(file, user=user, level=level))


def relabel_target(host_path: str, mount_label: str, *, shared: bool) -> str:
    """Return the label that a folder of the host is to get for a container.

    Pure: nothing is relabelled. This is the decision of 1.2.0's ``relabel``.

    Args:
        host_path: absolute path of the folder, without symbolic links.
        mount_label: of the container.
        shared: for all containers (``z``), without categories; else for this one
            alone (``Z``).

    Raises:
        ValueError: *mount_label* is no label, or the host needs the folder as it is.
    """
    label = Label.parse(mount_label)
    # Two slashes at the start stay two in POSIX.
    path = os.path.normpath(host_path).replace("//", "/", 1)
    below = any(path.startswith(f"{folder}/") for folder in _NEVER_BELOW)
    if not path.startswith("/") or path in _NEVER or below:
        message = f"relabelling {host_path!r} would harm the host"
        raise ValueError(message)
    if not shared:
        return str(label)
    return str(evolve(label, level=label.level.partition(":")[0].partition("-")[0]))


def _policy() -> str:
    try:
        with open(_CONFIG) as file:
            match = re.search(r"^SELINUXTYPE=(\w+)", file.read(), re.MULTILINE)
    except FileNotFoundError:
        match = None
    return match[1] if match else "targeted"
