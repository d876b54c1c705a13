# SPDX-License-Identifier: Apache-2.0
"""Run one program in a container, as subprocess.run runs it outside of one."""

from __future__ import annotations

import libcontainer as lc


def main() -> None:
    """Show that the program sees another machine than this one."""
    script = (
        "echo hello from $(hostname); echo I am pid $$; ls /proc | grep -c '^[0-9]'"
    )
    done = lc.run(
        ["sh", "-c", script],
        hostname="box",
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    print(done.stdout, end="")
    print(f"status {done.returncode}, {done.wall_seconds * 1000:.1f} ms")


if __name__ == "__main__":
    main()
