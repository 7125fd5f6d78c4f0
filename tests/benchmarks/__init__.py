"""Benchmarks: each prints a table of ratios measured in one run; none asserts a time."""

from __future__ import annotations

from pathlib import Path

from tests import BENCHMARKS


def find(name: str) -> Path | str:
    """The file of a netlist in ../shared, or the name itself for a bundled one (or when ../shared is absent)."""
    clustered = BENCHMARKS / "clustered" / name / "netlist.pb.txt.gz"
    return clustered if clustered.exists() else name
