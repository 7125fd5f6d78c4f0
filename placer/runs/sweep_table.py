"""The runs of a sweep: their folders, and the table of all of them."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netlists import load_placement
from netlists.errors import PlacementError
from netlists.legality.verdict import is_legal
from netlists.netlist import Netlist
from netlists.runtime.output import folder_name, write_file
from placer.runs.pipeline import Result
from placer.runs.run_folder import COSTS, FinishedRun, Source, convergence, digest, read_metrics, write_run
from placer.runs.settings import PlaceSettings

RESULTS = "results.csv"
COLUMNS = ("netlist", "method", "seed", *COSTS, "seconds", "cpu_seconds", "error")
"""Columns of `results.csv`."""


@dataclass(frozen=True)
class SweepRun:
    """One run to make: a netlist, by its name, and how to place it."""

    netlist: str
    settings: PlaceSettings

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{folder_name(self.netlist)}-{self.settings.method}-{self.settings.seed}"


@dataclass(frozen=True, eq=False)
class Outcome:
    """The end of a run: the content of its `metrics.json`, or the reason why there is none."""

    run: SweepRun
    metrics: Mapping[str, Any]
    error: str = ""

    @property
    def title(self) -> str:
        """How the run was made, for people."""
        return f"{self.run.settings.method}, seed {self.run.settings.seed}"

    @property
    def row(self) -> dict[str, Any]:
        """Its line in the table; costs are missing if the run failed."""
        settings = self.run.settings
        known = {"netlist": self.run.netlist, "method": settings.method, "seed": settings.seed, "error": self.error}
        return {key: self.metrics[key] for key in COLUMNS if key in self.metrics} | known

    @property
    def convergence(self) -> tuple[list[float], list[float]]:
        """See `run_folder.convergence`; empty if the run failed."""
        return convergence(self.metrics)

    def read(self, out: Path, netlist: Netlist) -> FinishedRun:
        """The finished run with its placement, from its folder in `out`."""
        folder = out / self.run.name
        return FinishedRun(folder, load_placement(netlist, folder / self.metrics["placement"]), dict(self.metrics))


def write_outcome(run: SweepRun, result: Result | str, out: Path, source: Source, command: str) -> Outcome:
    """Write the folder of a run, whole or not at all, in place of an earlier one; none for the error of a failed run.

    Raises `OSError` and `NetlistError` as `write_run` does.
    """
    if isinstance(result, str):
        return Outcome(run, {}, result)
    folder = out / run.name
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left behind if this process was killed
    finished = write_run(part, result, source, command)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return Outcome(run, finished.metrics)


def read_outcome(run: SweepRun, out: Path, source: Source, netlist: Netlist) -> Outcome | None:
    """The outcome of the same run made earlier: same netlist file and content, same settings; None without one."""
    try:
        metrics = read_metrics(out / run.name)
    except PlacementError:
        return None
    same = {"settings": run.settings.as_dict(), "source": vars(source.absolute()), "digest": digest(netlist)}
    if any(metrics.get(key) != json.loads(json.dumps(value)) for key, value in same.items()):
        return None
    return Outcome(run, metrics)


def best_outcomes(outcomes: Iterable[Outcome]) -> dict[str, Outcome]:
    """The run with the lowest proxy of each netlist; a legal one, if there is any."""
    lowest: dict[str, Outcome] = {}
    for outcome in outcomes:
        if not outcome.error:
            rival = lowest.setdefault(outcome.run.netlist, outcome)
            if rank(outcome.metrics) < rank(rival.metrics):
                lowest[outcome.run.netlist] = outcome
    return lowest


def rank(metrics: Mapping[str, Any]) -> tuple[bool, float]:
    """The order of runs of a netlist: legal ones first, then by their proxy."""
    return is_legal(metrics) is False, metrics["proxy"]


def write_table(out: Path, outcomes: Iterable[Outcome]) -> None:
    """Write `results.csv`, one line per run, whole or not at all; raises `OSError`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(outcome.row for outcome in outcomes)
    write_file(out / RESULTS, text.getvalue())
