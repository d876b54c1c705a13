# SPDX-License-Identifier: Apache-2.0
"""The fuzz campaign.

    python -m tests.campaigns.fuzz [--only TARGET] [--scale PERCENT] [--part WORD]

Rows go to ``.trust/fuzz.jsonl``, one for each batch; see `./dev help`.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import time
from pathlib import Path
from zlib import crc32

from tests.campaigns import launched, targets
from tests.campaigns.rows import PLACE, ROOT, Rows, add_options, nice, tried
from tests.plan.samples import SAMPLES

NAME = "fuzz"
NATIVE = ROOT / "src" / "libcontainer" / "native"
FULL = {"parser": 10**8, "texts": 10**7, "config": 10**7, "launches": 20_000}
BATCH = {"parser": 2 * 10**7, "texts": 250_000, "config": 100_000, "launches": 200}


def main(arguments: list[str]) -> int:
    """Run the campaign; return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="./dev fuzz")
    add_options(parser)
    parser.add_argument("--only", action="append", choices=sorted(FULL))
    parser.add_argument("--scale", type=float, default=100, help="percent of the full")
    options = parser.parse_args(arguments)
    if options.only is None or "launches" in options.only:
        code = launched.alone_if_root("tests.campaigns.fuzz", arguments)
        if code is not None:
            return code
    nice()
    rows = Rows(NAME, fresh=options.fresh, part=options.part)
    for name in options.only or FULL:
        _target(rows, name, int(FULL[name] * options.scale / 100))
    rows.close()
    return report()


def _target(rows: Rows, name: str, wanted: int) -> None:
    """Go on with one target until so many inputs have been tried."""
    while True:
        own = [row for row in tried(NAME) if row["target"] == name]
        left = wanted - sum(row["count"] for row in own)
        if left <= 0:
            return
        numbers = itertools.count()
        key = next(k for n in numbers if (k := f"{name}/{rows.part}{n}") not in rows)
        begun = time.monotonic()
        # Each batch of each part has numbers of its own.
        count, answers, wrong = _RUNS[name](min(BATCH[name], left), crc32(key.encode()))
        rows.add(key, "; ".join(wrong)[:1000] or "good", family="fuzz", target=name,
                 count=count, answers=answers,
                 seconds=round(time.monotonic() - begun, 1))  # fmt: skip
        if wrong:
            return


Run = tuple[int, dict[str, int], list[str]]


def parser(count: int, seed: int) -> Run:
    """Feed the helper's parser with libFuzzer, or with our own mutations."""
    folder = PLACE / "fuzz-parser"
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for name, sample in SAMPLES.items():
        plan = sample()
        data = targets.Compiled(plan).image.fill([3] * len(plan.slots))
        (corpus / name).write_bytes(data)
    try:
        program = _build("clang", folder, "-fsanitize=fuzzer", "-DLC_LIBFUZZER")
    except (FileNotFoundError, subprocess.CalledProcessError):
        return _own_mutations(folder, count, seed)
    command = [program, f"-runs={count}", f"-seed={seed}", "-max_len=65536",
               f"-artifact_prefix={folder}/", "-verbosity=0", "-print_final_stats=1",
               corpus]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    counted = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    wrong = [] if done.returncode == 0 else [done.stderr[-500:]]
    return int(counted[1]) if counted else 0, {"libFuzzer": 1}, wrong


def _own_mutations(folder: Path, count: int, seed: int) -> Run:
    program = _build("gcc", folder)
    command = [program, "-n", str(count), "-s", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wrong = [] if done.returncode == 0 else [done.stderr[-500:]]
    words = done.stdout.split()
    return count, {"accepted": int(words[2]) if not wrong else 0}, wrong


def _build(compiler: str, folder: Path, *more: str) -> Path:
    program = folder / f"fuzz-{compiler}"
    flags = "-std=c11 -O2 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
    sources = [NATIVE / "fuzz" / "fuzz_plan.c", NATIVE / "helper" / "plan.c"]
    command = [compiler, *flags.split(), *more, "-o", program, *sources]
    subprocess.run(command, check=True)
    return program


def config(count: int, seed: int) -> Run:
    """Documents to plans."""
    return targets.loop(targets.Config(seed), count, 3600)


def texts(count: int, seed: int) -> Run:
    """Texts of the host and of images to what they say."""
    return targets.loop(targets.Texts(seed), count, 3600)


_RUNS = {"parser": parser, "config": config, "texts": texts,
         "launches": launched.launches}  # fmt: skip


def report() -> int:
    """Print the figures; return 1 if a row is not good."""
    rows = tried(NAME)
    for name in FULL:
        own = [row for row in rows if row["target"] == name]
        print(f"{sum(row['count'] for row in own):12,} {name}")
    bad = [row for row in rows if row["verdict"] != "good"]
    for row in bad:
        print(f"{row['key']}: {row['verdict']}")
    print(f"{len(bad)} findings")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
