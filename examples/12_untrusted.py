# SPDX-License-Identifier: Apache-2.0
"""Run code that nobody has read, with limits, and say what became of it."""

from __future__ import annotations

import libcontainer as lc

PROGRAMS = {
    "adds": "echo $((20 + 22))",
    "eats memory": "x=$(head -c 100000000 /dev/zero | tr '\\0' x)",
    "makes processes": "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait",
    "never ends": "while :; do :; done",
}


def judge(script: str) -> str:
    """Return the verdict on one program, with what it wrote."""
    try:
        result = lc.run(
            ["sh", "-c", script],
            capture_output=True,
            text=True,
            timeout=2,
            memory="32M",
            cpus=0.5,
            pids=6,
        )
    except lc.TimeoutExpired:
        return "timeout"
    return f"{result.verdict} {result.stdout.strip()}".strip()


def main() -> None:
    """Judge each of the programs."""
    for name, script in PROGRAMS.items():
        print(f"{name}: {judge(script)}")


if __name__ == "__main__":
    main()
