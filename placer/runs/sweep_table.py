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
from netlists.legality.verdict import COUNTS, is_legal
from netlists.netlist import Netlist
from placer.runs.pipeline import Result
from placer.runs.run_folder import FinishedRun, Source, convergence, digest, read_metrics, write_run, write_text
from placer.runs.settings import PlaceSettings

RESULTS = "results.csv"
COSTS = ("proxy", "wirelength", "density", "congestion", "hpwl_um", "legal", *COUNTS)
COLUMNS = ("netlist", "method", "seed", *COSTS, "seconds", "cpu_seconds", "error")


@dataclass(frozen=True)
class Job:
    """One run to be made."""

    netlist: str
    settings: PlaceSettings

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.netlist}-{self.settings.method}-{self.settings.seed}"


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a job: the content of its `metrics.json`, or why there is none."""

    job: Job
    metrics: Mapping[str, Any]
    error: str = ""

    @property
    def title(self) -> str:
        """How it was made, for people."""
        return f"{self.job.settings.method}, seed {self.job.settings.seed}"

    @property
    def row(self) -> dict[str, Any]:
        """Its line in the table; costs are missing where the run failed."""
        settings = self.job.settings
        known = {"netlist": self.job.netlist, "method": settings.method, "seed": settings.seed, "error": self.error}
        return {key: self.metrics[key] for key in COLUMNS if key in self.metrics} | known

    @property
    def convergence(self) -> tuple[list[float], list[float]]:
        """Seconds and the best cost then, as `reporting.convergence`; empty where the run failed."""
        return convergence(self.metrics)

    def read(self, out: Path, netlist: Netlist) -> FinishedRun:
        """The finished run with its placement, from its folder."""
        folder = out / self.job.name
        return FinishedRun(folder, load_placement(netlist, folder / self.metrics["placement"]), dict(self.metrics))


def keep(job: Job, result: Result | str, out: Path, source: Source, command: str) -> Outcome:
    """Write the folder of a run, whole or not at all, in place of an earlier one; nothing where it failed."""
    if isinstance(result, str):
        return Outcome(job, {}, result)
    folder = out / job.name
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)  # left by a driver that was killed
    run = write_run(part, result, source, command)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return Outcome(job, run.metrics)


def kept(job: Job, out: Path, source: Source, netlist: Netlist) -> Outcome | None:
    """The outcome of the same run made before: same netlist file and content, same settings; None without one."""
    try:
        metrics = read_metrics(out / job.name)
    except PlacementError:
        return None
    same = {"settings": job.settings.as_dict(), "source": vars(source.absolute()), "digest": digest(netlist)}
    if any(metrics.get(key) != json.loads(json.dumps(value)) for key, value in same.items()):
        return None
    return Outcome(job, metrics)


def best(outcomes: Iterable[Outcome]) -> dict[str, Outcome]:
    """The run with the lowest proxy of each netlist; a legal one, if there is any."""
    lowest: dict[str, Outcome] = {}
    for outcome in outcomes:
        if not outcome.error:
            rival = lowest.setdefault(outcome.job.netlist, outcome)
            if rank(outcome.metrics) < rank(rival.metrics):
                lowest[outcome.job.netlist] = outcome
    return lowest


def rank(metrics: Mapping[str, Any]) -> tuple[bool, float]:
    """What orders runs of a netlist: legal ones first, then a low proxy."""
    return is_legal(metrics) is False, metrics["proxy"]


def write_table(out: Path, outcomes: Iterable[Outcome]) -> None:
    """Write `results.csv`, one line a run, whole or not at all; raises `OSError`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(outcome.row for outcome in outcomes)
    write_text(out / RESULTS, text.getvalue())
