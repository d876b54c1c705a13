# SPDX-License-Identifier: Apache-2.0
"""``./dev conformance``: run every bundle and write the page of differences."""

from __future__ import annotations

import datetime
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conformance.cases import cases
from tests.conformance.differ import RUNTIMES, differences, see
from tests.conformance.explained import reason_for
from tests.conformance.rootfs import make_rootfs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "conformance.md"


def main() -> int:
    """Run the cases; return how many differences have no reason."""
    found = cases()
    rows: list[tuple[str, str, str, str]] = []
    with tempfile.TemporaryDirectory(prefix="lcconform-") as folder:
        make_rootfs(Path(folder) / "rootfs")
        for number, case in enumerate(found):
            seen = {name: see(name, case, Path(folder), number) for name in RUNTIMES}
            for peer in (name for name in RUNTIMES if name != "ours"):
                for line in differences(seen["ours"], seen[peer]):
                    reason = reason_for(case.name, peer, line)
                    rows.append((case.name, peer, line, reason or ""))
                    print(f"{case.name}: {peer}: {line}: {reason or 'NO REASON'}")
    _write(len(found), rows)
    return min(1, sum(not reason for *_, reason in rows))


def _write(total: int, rows: list[tuple[str, str, str, str]]) -> None:
    lines = [
        "# Conformance",
        "",
        f"Written by `./dev conformance` on {datetime.date.today().isoformat()}, Linux"
        f" {platform.release()}: {total} bundles, one feature or rule of the"
        " specification each, run with ours and with the runtimes below. A static"
        " program tells what it sees inside; exit status and what is left behind are"
        " compared too.",
        "",
        *(f"- {line}" for line in _versions()),
        "",
        f"{len({name for name, *_ in rows})} bundles differ from one of them:",
        "",
        "| bundle | from | ours / theirs | why |",
        "|---|---|---|---|",
        *(f"| {n} | {p} | `{line}` | {why} |" for n, p, line, why in rows),
        "",
    ]
    PAGE.write_text("\n".join(lines))


def _versions() -> list[str]:
    return [
        subprocess.run(
            [name, "--version"], capture_output=True, text=True, check=True
        ).stdout.splitlines()[0]
        for name in ("runc", "crun")
        if shutil.which(name)
    ]


if __name__ == "__main__":
    sys.exit(main())
