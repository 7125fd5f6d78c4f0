"""Does every reader answer damaged and hostile files with one error?  `python -m tests.benchmarks.abuse`

Makes a small file of each kind, damages it at random (`tests.abuse.mutations`) and reads it, over and over for
`--seconds` a reader.  Prints how many files were refused and read, the slowest answer, and every fault: an exception
that is none of ours, an answer that takes more than HANG_S of processor time, or a result that is not finite.
`--first` is the number of the first damage, which decides what it is: `--first N --count 1` repeats one.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import NoReturn

from tests.abuse.targets import TARGETS, Target, attack

HANG_S = 5.0
"""Seconds of processor time after which an answer counts as a hang."""


class Hang(BaseException):
    """No answer in time; no handler of other errors catches it."""


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Hang


def run(name: str, target: Target, seconds: float, first: int, count: int | None) -> int:
    """Attack one target and print how it went; returns the number of faults."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _stop)
    ends: Counter[str] = Counter()
    faults: dict[str, tuple[int, str]] = {}
    slowest = (0.0, first)
    with tempfile.TemporaryDirectory() as top:
        original = Path(top) / "original"
        original.mkdir()
        target.make(original)
        target.read(shutil.copytree(original, Path(top) / "whole"))  # loads kernels, and shows that it can be read
        end, number = time.monotonic() + seconds, first
        while number - first < count if count else time.monotonic() < end:
            folder = Path(top) / "damaged"
            shutil.copytree(original, folder)
            began = time.process_time()
            signal.setitimer(signal.ITIMER_REAL, 4 * HANG_S)
            try:
                ends["refused" if attack(target, folder, random.Random(number)) else "read"] += 1
            except (Exception, Hang) as error:
                ends["faults"] += 1
                frame = traceback.extract_tb(error.__traceback__)[-1]
                key = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
                faults.setdefault(
                    key, (number, f"{str(error)[:200]!r}\n" + "".join(traceback.format_tb(error.__traceback__)[-6:]))
                )
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            slowest = max(slowest, (taken := time.process_time() - began, number))
            if taken > HANG_S:
                ends["slow"] += 1
                faults.setdefault("slow", (number, f"{taken:.1f} s"))
            shutil.rmtree(folder)
            number += 1
    print(
        f"{name}: {number - first} files, {dict(ends)}, slowest {slowest[0]:.2f} s (--first {slowest[1]})", flush=True
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
