"""The tests of Chipscape: one folder for each package, laid out as the package is, and the benchmarks."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"  # vectors, cases and references beside the checkout; tests that need them skip
BENCHMARKS = SHARED / "benchmarks"  # netlists
