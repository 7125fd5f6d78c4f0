"""Benchmarks: one module per question, each of which prints a table of ratios measured in one run; none asserts a time.

Run one as `python -m tests.benchmarks.NAME --help`.  `RESULTS.md` has the published figures, each with its command.
"""

from __future__ import annotations

from pathlib import Path

from tests import BENCHMARKS


def find(name: str) -> Path | str:
    """The file of a netlist in ../shared; the name itself for a bundled netlist, or if ../shared is absent."""
    clustered = BENCHMARKS / "clustered" / name / "netlist.pb.txt.gz"
    return clustered if clustered.exists() else name
