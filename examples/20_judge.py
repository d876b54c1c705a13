# SPDX-License-Identifier: Apache-2.0
"""A judge that grades ten programs at once, each in a container with limits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import libcontainer as lc

TASK = "read two numbers, print their sum"
SUBMISSIONS = {
    "anna": "read a b; echo $((a + b))",
    "ben": "read a b; echo $((a - b))",
    "carla": "read a b; echo $a + $b",
    "dora": "exit 1",
    "emil": "while :; do :; done",
    "finn": "kill -SEGV $$",
    "gina": "x=$(head -c 100000000 /dev/zero | tr '\\0' x)",
    "hans": "for i in 1 2 3 4 5 6 7 8 9; do sleep 1 & done; wait",
    "ida": "read line; set -- $line; echo $(($1 + $2))",
    "jan": "cat /etc/shadow >/dev/null; touch /mine && echo 42",
}


def grade(script: str) -> str:
    """Return what became of one program."""
    try:
        done = lc.run(
            ["sh", "-c", script],
            input="20 22\n",
            capture_output=True,
            text=True,
            timeout=4,
            memory="32M",
            pids=6,
            init=True,
        )
    except lc.TimeoutExpired:
        return "too slow"
    if done.verdict != "exited":
        return str(done.verdict)
    if done.returncode != 0:
        return f"failed with {done.returncode}"
    return "right" if done.stdout.split() == ["42"] else "wrong"


def main() -> None:
    """Grade all of them at once."""
    print(TASK)
    with ThreadPoolExecutor(len(SUBMISSIONS)) as pool:
        for name, mark in zip(
            SUBMISSIONS, pool.map(grade, SUBMISSIONS.values()), strict=True
        ):
            print(f"{name}: {mark}")


if __name__ == "__main__":
    main()
