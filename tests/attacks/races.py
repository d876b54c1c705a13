# SPDX-License-Identifier: Apache-2.0
"""Launches while another process exchanges directories of the image for symlinks.

``./dev attacks`` runs them for as long as it is told.

Each race has names that are swapped with renameat2(RENAME_EXCHANGE) as fast as one
processor can, and a launch that goes through them. A launch may be refused; it may not
change the canary, nor see what is in it, nor run with a kernel file uncovered.
"""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import libcontainer as lc

SECRET = "the canary's own words"
_MASKED = ("/proc/keys", "/proc/timer_list", "/proc/interrupts")


@dataclass(frozen=True)
class Race:
    """What is swapped, and how a launch goes through it.

    Attributes:
        name: of the race.
        real: directories of the image.
        evil: for each of them the symlink that takes its place; ``{canary}`` is the
            canary's path.
        wishes: for `Config`; ``{volume}`` is a directory to be bound.
        cwd: where the program starts.
    """

    name: str
    real: tuple[str, ...]
    evil: tuple[str, ...]
    wishes: dict[str, Any] = field(default_factory=dict)
    cwd: str = "/"


def _bind(destination: str) -> dict[str, Any]:
    return {"mounts": [("{volume}", destination)]}


RACES = (
    Race("mount target", ("mnt/x",), ("{canary}",), _bind("/mnt/x")),
    Race("its parent", ("mnt/p",), ("{canary}",), _bind("/mnt/p/made/below")),
    Race("relative link", ("mnt/r",), ("../../../../../../..{canary}",),
         _bind("/mnt/r/folder")),
    Race("below a bind", ("volume:sub",), ("{canary}",), {
        "mounts": [("{shared}", "/vol"), ("{volume}", "/vol/sub/made")]}),
    Race("proc", ("proc",), ("fake",)),
    Race("sys and dev", ("sys", "dev"), ("fake", "{canary}")),
    Race("masked", ("etc/deep",), ("{canary}",), {
        "masked_paths": ("/etc/deep/secret", *_MASKED),
        "readonly_paths": ("/etc/deep/folder", "/proc/sys")}),
    Race("working directory", ("work",), ("{canary}",), {}, "/work/below"),
)  # fmt: skip


@dataclass
class Field:
    """The directories of one race."""

    image: Path
    shared: Path
    volume: Path
    canary: Path
    attacker: Path

    def pairs(self, race: Race) -> list[str]:
        """Make what is swapped; return the names in pairs."""
        (self.image / "fake" / "sys").mkdir(parents=True, exist_ok=True)
        for name in _MASKED:
            (self.image / "fake" / Path(name).name).write_text("fake")
        names: list[str] = []
        for real, evil in zip(race.real, race.evil, strict=True):
            base = self.shared if real.startswith("volume:") else self.image
            path = base / real.removeprefix("volume:")
            link = path.with_name(f".{path.name}.evil")
            if path.is_symlink():
                # As the last attacker has left them.
                path.unlink()
                link.rename(path)
            (path / "folder").mkdir(parents=True, exist_ok=True)
            (path / "secret").write_text("the image's own")
            link.unlink(missing_ok=True)
            link.symlink_to(evil.format(canary=self.canary))
            names += [str(path), str(link)]
        return names

    def config(self, race: Race) -> lc.Config:
        """Return the configuration of the launches of a race."""
        wishes = dict(race.wishes)
        places = {"{volume}": str(self.volume), "{shared}": str(self.shared)}
        wishes["mounts"] = [
            lc.Mount.bind(places[source], where)
            for source, where in wishes.get("mounts", ())
        ]
        return lc.Config(rootfs=str(self.image), **wishes)


@contextmanager
def exchanging(attacker: Path, names: list[str], swaps: Counter[str]) -> Iterator[None]:
    """Swap the names for the length of a block; add up how often."""
    process = subprocess.Popen(
        [attacker, "exchange", *names], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        swaps["swaps"] += int(process.stdout.readline())
        process.wait(10)
        process.stdout.close()


def run(race: Race, where: Field, factory: lc.Factory, launches: int) -> Counter[str]:
    """Launch that often; return how many ran, were refused, and the swaps.

    Raises:
        AssertionError: a launch got out.
    """
    names, config = where.pairs(race), where.config(race)
    looks = [f"{where.canary}/secret", "secret", "../secret"]
    looks += [f"{mount.destination}/secret" for mount in config.mounts]
    process = lc.Process(["/attacker", "look", *looks], stdout=lc.PIPE, cwd=race.cwd)
    counts: Counter[str] = Counter()
    with exchanging(where.attacker, names, counts):
        for number in range(launches):
            try:
                with (
                    factory.create(f"race-{number}", config) as container,
                    container.run(process) as handle,
                ):
                    out, _ = handle.communicate(timeout=10)
            except lc.TimeoutExpired:
                raise
            except lc.LibcontainerError as error:
                counts[f"refused {getattr(error, 'errno', None)}"] += 1
                continue
            counts["ran"] += 1
            _check(race, config, (out or b"").decode(errors="replace"))
    return counts


def _check(race: Race, config: lc.Config, out: str) -> None:
    assert SECRET not in out, f"{race.name}: {out}"
    assert "(unreachable)" not in out, f"{race.name}: {out}"
    rows = [line.split() for line in out.splitlines() if line.startswith("mount ")]
    if not rows:
        return  # /proc was exchanged for something of the image's by then.
    kernels = {row[1] for row in rows if row[row.index("-") + 1] == "proc"}
    masks = [row for row in rows if row[2] in kernels]
    hidden = {row[5].rpartition("/")[2] for row in masks}
    wanted = {path.rpartition("/")[2] for path in _MASKED}
    assert wanted <= hidden, f"{race.name}: a mask is not on the procfs: {out}"


def make_field(base: Path, attacker: Path) -> Field:
    """Make the directories of one race."""
    import shutil

    for name in ("image", "shared", "volume", "canary"):
        (base / name).mkdir(parents=True)
    for name in ("proc", "sys", "dev", "mnt", "etc"):
        (base / "image" / name).mkdir()
    shutil.copy(attacker, base / "image" / "attacker")
    (base / "canary" / "secret").write_text(SECRET)
    (base / "canary" / "folder").mkdir()
    return Field(
        base / "image", base / "shared", base / "volume", base / "canary", attacker
    )


def _listing(path: Path) -> list[tuple[str, int, int]]:
    return sorted(
        (str(p), p.lstat().st_mode, p.lstat().st_mtime_ns)
        for p in (path, *path.rglob("*"))
    )
