"""What an exploration left in its folder: read from `results.sqlite`, written as `pareto.csv`."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dse.exploration.recommendation import deciding, recommended
from dse.exploration.store import FILE, WAIT_S
from dse.templates.base import Floats
from netlists.errors import DesignError, SettingsError
from netlists.runtime.output import replaced

PARETO = "pareto.csv"
KNEE = "knee"
REASONS = 5  # why designs are not feasible, that are told

Row = Mapping[str, Any]
"""A design by column: id, parameters, metrics, feasible, on_front, best, sampled; None where a design has no value."""


@dataclass(frozen=True)
class Moment:
    """The front at some time."""

    evaluated: int
    seconds: float
    front: Floats  # objectives [n, K], smaller is better


@dataclass(frozen=True, eq=False)
class Result:
    """An exploration, finished or not."""

    folder: Path
    space: Mapping[str, Any]  # the content of its file
    run: Mapping[str, Any]  # name (of the space), search, budget, seed, chunk, version, workload
    objectives: Sequence[tuple[str, str]]  # columns, and min or max
    parameters: Sequence[str]  # columns
    metrics: Sequence[str]  # columns
    designs: Sequence[Row]  # all that is kept, by id
    history: Sequence[Moment]
    evaluated: int  # designs, one that was evaluated twice counts as two
    feasible: int
    seconds: float
    complete: bool  # the search came to its end
    reasons: Sequence[tuple[str, int]]  # why designs are not feasible, and how many, most first

    @cached_property
    def front(self) -> list[Row]:
        """The Pareto set, by id."""
        return [row for row in self.designs if row["on_front"]]

    @cached_property
    def differing(self) -> list[str]:
        """Parameters in which the designs of the front differ; of a single design all."""
        values = {name: {row[name] for row in self.front} for name in self.parameters}
        return [name for name, found in values.items() if len(found) > 1 or len(self.front) == 1]

    @cached_property
    def sample(self) -> list[Row]:
        """Some of all designs that were evaluated, drawn regardless of what they cost, by id."""
        return [row for row in self.designs if row["sampled"]]

    def signed(self, rows: Sequence[Row]) -> Floats:
        """Objectives [n, K] of rows, smaller is better; nan where a design has none."""
        sign = {"min": 1.0, "max": -1.0}
        found = [[np.nan if row[name] is None else sign[better] * row[name] for name, better in self.objectives]
                 for row in rows]  # fmt: skip
        return np.array(found).reshape(len(rows), len(self.objectives))

    @property
    def shares(self) -> str:
        """Networks with their weights where there are several, of which the metrics are means; else empty."""
        networks = self.space["networks"]
        return ", ".join(f"{name} ({weight:g})" for name, weight in networks.items()) if len(networks) > 1 else ""

    @property
    def rejected(self) -> str:
        """A sentence on the designs that are not feasible, and why; empty where there is none."""
        if self.complete and not self.evaluated:
            parts = [self.space, *self.space.get("spaces", [])]
            conditions = [text for part in parts for text in part.get("conditions", [])]
            return f"No design was found that meets the conditions: {'; '.join(conditions)}."
        told = [f"{count:,} as {reason}" for reason, count in self.reasons[:REASONS]]
        if rest := sum(count for _, count in self.reasons[REASONS:]):
            told.append(f"{rest:,} for other reasons")
        return f"Not feasible: {'; '.join(told)}." if told else ""

    @cached_property
    def knee(self) -> Row | None:
        """The recommended design of the front (`dse.exploration.recommendation`); None where the front is empty."""
        return self._recommended(self.front) if self.front else None

    def best(self, objective: int) -> Row:
        """The design of the front with the best of one objective, among several the recommended one."""
        values = self.signed(self.front)[:, objective]
        return self._recommended([self.front[row] for row in np.flatnonzero(values == values.min())])

    def _recommended(self, rows: Sequence[Row]) -> Row:
        return rows[recommended(self.signed(rows), self._names, self.space.get("constraints") or {})]

    @property
    def _names(self) -> list[str]:
        """Metrics of the objectives, whose columns may have another name (`dse.exploration.columns`)."""
        return [name.removesuffix("_found") for name, _ in self.objectives]

    @property
    def deciding(self) -> list[str]:
        """The objectives that the recommendation follows: `dse.exploration.recommendation`."""
        follows = deciding(self._names, self.space.get("constraints") or {})
        return [name for name, decides in zip(self._names, follows, strict=True) if decides]

    @property
    def budgets(self) -> str:
        """A sentence on objectives that have a budget, which the recommendation does not follow; empty without one."""
        left = [name for name in self._names if name not in self.deciding]
        if not left:
            return ""
        return (f"Within what the part or a constraint allows, {', '.join(left)} did not decide: the knee follows"
                f" {', '.join(self.deciding)}.")  # fmt: skip

    def spread(self, most: int) -> list[Row]:
        """The front by its first objective; of a longer one that many designs of it, evenly, the knee among them."""
        rows = sorted(self.front, key=lambda row: float(self.signed([row])[0, 0]))
        if self.knee is None or len(rows) <= most:
            return rows
        places = np.linspace(0, len(rows) - 1, most).round().astype(int)
        own = rows.index(self.knee)
        places[1 + np.abs(places[1:-1] - own).argmin()] = own
        return [rows[place] for place in np.unique(places)]

    def chosen(self, which: str = KNEE) -> Row:
        """The knee, or a stored design by its id; raises `DesignError` for one that is not there or not feasible."""
        if which == KNEE:
            if self.knee is None:
                raise DesignError(f"{self.folder}: no feasible design was found, so there is no knee")
            return self.knee
        for row in self.designs:
            if str(row["id"]) == which:
                if not row["feasible"]:
                    raise DesignError(f"{self.folder}: design {which} is not feasible; choose one of {PARETO}")
                return row
        raise DesignError(f"{self.folder}: design {which!r} is not stored; expected {KNEE}, or an id of {PARETO}")


def load_results(folder: str | Path) -> Result:
    """Read an exploration, also while it goes on; raises `SettingsError` where the folder holds none."""
    folder = Path(folder)
    try:
        with closing(sqlite3.connect(f"{(folder / FILE).absolute().as_uri()}?mode=rw", uri=True, timeout=WAIT_S)) as db:
            return _read(folder, db)
    except (sqlite3.Error, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        message = f"no {error}" if isinstance(error, KeyError) else error
        raise SettingsError(f"{folder / FILE}: {message}; expected what `dse explore --out {folder}` writes") from None


def _read(folder: Path, db: sqlite3.Connection) -> Result:
    db.row_factory = sqlite3.Row
    db.execute("BEGIN")  # one moment of a run that goes on
    meta = dict(tuple(row) for row in db.execute("SELECT key, value FROM meta"))
    space, name = yaml.safe_load(meta.pop("space")), meta.pop("name")
    if not isinstance(space, dict):
        raise ValueError("its space is no mapping")
    run = {key: json.loads(value) for key, value in meta.items()}
    if missing := {"search", "seed"} - run.keys():
        raise KeyError(min(missing))
    columns, complete = run.pop("columns"), run.pop("complete", False)
    evaluated, feasible, seconds = db.execute(
        "SELECT ifnull(sum(evaluated), 0), ifnull(sum(feasible), 0), ifnull(max(seconds), 0) FROM chunks"
    ).fetchone()
    objectives = [(metric, better) for metric, better in columns["objectives"]]
    history = [
        Moment(row["evaluations"], row["seconds"], np.frombuffer(row["front"]).reshape(-1, len(objectives)))
        for row in db.execute("SELECT * FROM history ORDER BY evaluations")
    ]
    designs = [dict(row) for row in db.execute("SELECT * FROM designs ORDER BY id")]
    why = "SELECT reason, sum(designs) FROM reasons WHERE code > 0 GROUP BY reason ORDER BY 2 DESC, 1"
    reasons = [(reason, count) for reason, count in db.execute(why)]
    return Result(
        folder, space, {"name": name} | run, objectives, columns["parameters"], columns["metrics"], designs, history,
        evaluated, feasible, seconds, complete, reasons,
    )  # fmt: skip


def write_front(result: Result) -> Path:
    """Write `pareto.csv`, one line a design of the front, by the first objective; raises `OSError`."""
    file = result.folder / PARETO
    columns = ["id", *result.parameters, *result.metrics]
    order = np.argsort(result.signed(result.front)[:, 0], kind="stable")
    with replaced(file) as part, part.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(result.front[row] for row in order)
    return file
