# SPDX-License-Identifier: Apache-2.0
"""A build step without network: it sees its sources, and writes to one folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

import libcontainer as lc

SOURCE = "message() { echo built without network; }\n"
STEPS = """
set -e
cat /src/lib.sh > /out/program
echo message >> /out/program
if ping -c 1 -w 1 192.0.2.1 >/dev/null 2>&1; then echo "online?"; exit 1; fi
if echo x > /src/lib.sh; then echo "sources changed?"; exit 1; fi 2>/dev/null
sh /out/program
"""


def build(source: Path, out: Path) -> lc.Result[str]:
    """Run the steps; sources are read-only, HOME is empty, /tmp its own."""
    return lc.run(
        ["sh", "-c", STEPS],
        mounts=[
            lc.Mount.bind(source, "/src", read_only=True),
            lc.Mount.bind(out, "/out"),
            lc.Mount.tmpfs("/tmp", size=64 * lc.MIB),
            lc.Mount.tmpfs("/root", size=lc.MIB),
        ],
        network="none",
        capture_output=True,
        text=True,
        timeout=60,
    )


def main() -> None:
    """Build in two folders that are thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "src"), Path(folder, "out")
        source.mkdir()
        out.mkdir()
        (source / "lib.sh").write_text(SOURCE)
        done = build(source, out)
        print(done.stdout.strip(), f"[{done.returncode}]")
        print("made:", *[path.name for path in out.iterdir()])


if __name__ == "__main__":
    main()
