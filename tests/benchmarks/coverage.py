"""How many lines do the tests reach?  `python -m tests.benchmarks.coverage [--parts netlists,placer/cost,...]`

Runs the tests of each part with `coverage` (`pip install -e '.[coverage]'`): as they are; and those of its kernels once
more with kernels interpreted, whose lines are not seen otherwise, without the tests that need them compiled (marker
`compiled`).  Prints the lines of each part, and those of each module that no test reaches; ends with 1 if a part is
below LEAST.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from tests import ROOT

LEAST = 0.95
"""Fraction of the lines of a part that tests have to reach."""


class Part(NamedTuple):
    """Test folders of a part of the code, and those of them whose kernels are interpreted once more."""

    tests: tuple[str, ...]
    kernels: tuple[str, ...]


PARTS = {
    "netlists": Part(("tests/netlists", "tests/abuse"), ("tests/netlists/legality", "tests/netlists/runtime")),
    "placer/cost": Part(("tests/placer/cost",), ("tests/placer/cost",)),
    "dse/model": Part(("tests/dse/model",), ("tests/dse/model",)),
    "dse/templates": Part(("tests/dse/templates",), ("tests/dse/templates",)),
}


def measure(name: str, tests: tuple[str, ...], interpreted: bool, folder: Path) -> None:
    """Run tests and leave in the folder which lines of a part they reach; those that assert a time may fail."""
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "NUMBA_DISABLE_JIT": "1" if interpreted else "0",
        "COVERAGE_FILE": str(folder / "data"),
    }
    command = [sys.executable, "-m", "coverage", "run", "--parallel-mode", f"--source={name}", "-m", "pytest", *tests]
    command += ["-q", "-p", "no:cacheprovider"] + (["-m", "not compiled"] if interpreted else [])
    print(f"{name}: {' '.join(tests)}{', interpreted' if interpreted else ''}", flush=True)
    if subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode > 1:
        raise SystemExit(f"error: the tests of {name} do not run")


def combine(folder: Path) -> dict[str, Any]:
    """The report of `coverage` on all runs in the folder: by file, lines that are reached and that are not."""
    environment = os.environ | {"COVERAGE_FILE": str(folder / "data")}
    for command in (["combine", "-q"], ["json", "-q", "-o", str(folder / "report.json")]):
        subprocess.run([sys.executable, "-m", "coverage", *command], cwd=ROOT, env=environment, check=True)
    files: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))["files"]
    return files


def report(name: str, files: dict[str, Any]) -> float:
    """Print the lines of a part that are not reached, by module, and return the fraction that is."""
    lines = reached = 0
    for file, result in sorted(files.items()):
        summary = result["summary"]
        lines, reached = lines + summary["num_statements"], reached + summary["covered_lines"]
        if result["missing_lines"]:
            print(f"  {file}: {spans(result['missing_lines'])}")
    print(f"{name}: {reached} of {lines} lines, {100 * reached / lines:.1f}%", flush=True)
    return reached / lines


def spans(numbers: list[int]) -> str:
    """Numbers in ascending order as text, with runs of neighbors as `first-last`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help="separated by commas")
    fractions = []
    for name in parser.parse_args().parts.split(","):
        with tempfile.TemporaryDirectory() as top:
            measure(name, PARTS[name].tests, False, Path(top))
            measure(name, PARTS[name].kernels, True, Path(top))
            fractions.append(report(name, combine(Path(top))))
    raise SystemExit(0 if min(fractions) >= LEAST else 1)


if __name__ == "__main__":
    main()
