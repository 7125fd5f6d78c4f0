"""Does every reader answer damaged and hostile files with one error?  `python -m tests.benchmarks.abuse`

Makes a small file of each kind, damages it at random (`tests.abuse.mutations`) and reads it, over and over for
`--seconds` a reader.  Prints how many files were refused and read, the slowest answer, the most memory, and every
fault: an exception that is none of ours, an answer beyond the limits of `tests.abuse.limits`, or a result that is not
finite.
`--first` is the number of the first damage, which decides what it is: `--first N --count 1` repeats one.
"""

from __future__ import annotations

import argparse
import random
import shutil
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from tests.abuse.limits import Hang, demand_limits, describe, measured, size_of
from tests.abuse.targets import TARGETS, Target, attack


def run(name: str, target: Target, seconds: float, first: int, count: int | None) -> int:
    """Attack one target and print how it went; returns the number of faults."""
    warnings.simplefilter("ignore")
    ends: Counter[str] = Counter()
    faults: dict[str, tuple[int, str]] = {}
    slowest, largest = (0.0, first), 0
    with tempfile.TemporaryDirectory() as top:
        original = Path(top) / "original"
        original.mkdir()
        target.make(original)
        target.read(shutil.copytree(original, Path(top) / "whole"))  # loads kernels, and shows that it can be read
        end, number = time.monotonic() + seconds, first
        while number - first < count if count else time.monotonic() < end:
            folder = Path(top) / "damaged"
            shutil.copytree(original, folder)
            try:
                with measured() as usage:
                    answer = attack(target, folder, random.Random(number))
                demand_limits(usage, size_of(folder))
                ends["refused" if answer else "read"] += 1
            except (Exception, Hang) as error:
                ends["faults"] += 1
                key, text = describe(error)
                faults.setdefault(key, (number, text))
            slowest, largest = max(slowest, (usage.seconds, number)), max(largest, usage.memory)
            shutil.rmtree(folder)
            number += 1
    print(
        f"{name}: {number - first} files, {dict(ends)}, slowest {slowest[0]:.2f} s (--first {slowest[1]}), "
        f"at most {largest / 1e6:.0f} MB",
        flush=True,
    )
    for key, (damage, text) in faults.items():
        print(f"  {key} (--first {damage}): {text}", flush=True)
    return len(faults)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", default=",".join(TARGETS), help="names, separated by commas")
    parser.add_argument("--seconds", type=float, default=600.0, help="for each reader")
    parser.add_argument("--first", type=int, default=0, help="number of the first damage")
    parser.add_argument("--count", type=int, help="how many files, instead of --seconds")
    options = parser.parse_args()
    faults = sum(
        run(name, TARGETS[name], options.seconds, options.first, options.count) for name in options.targets.split(",")
    )
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
