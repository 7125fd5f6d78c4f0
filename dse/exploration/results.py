"""The results that an exploration left in its folder: read from `results.sqlite`, written as `pareto.csv`."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dse.exploration.integrity import demand_rows, read_meta
from dse.exploration.recommendation import decides, recommend
from dse.exploration.store import FILE, WAIT_S, Run
from dse.search.pareto import signs
from dse.templates.base import Floats
from netlists.errors import DesignError, SettingsError
from netlists.runtime.output import replaced

if TYPE_CHECKING:
    from dse.exploration.repricing import Prices

PARETO = "pareto.csv"
"""Name of the table of the front in the folder of an exploration."""
KNEE = "knee"
"""The name of the recommended design, beside the ids."""
REASONS = 5
"""Reasons why designs are infeasible that are listed one by one."""

StoredDesign = Mapping[str, Any]
"""A design by column: id, parameters, metrics, feasible, on_front, best, sampled; None if a design has no value."""


@dataclass(frozen=True)
class Moment:
    """The front after some evaluations."""

    evaluated: int
    seconds: float
    front: Floats  # objectives [n, K], smaller is better


@dataclass(frozen=True, eq=False)
class Result:
    """An exploration, finished or not."""

    folder: Path
    name: str  # of the space
    space: Mapping[str, Any]  # the content of its file
    run: Run
    objectives: Sequence[tuple[str, str]]  # columns, each with min or max
    parameters: Sequence[str]  # columns
    metrics: Sequence[str]  # columns
    designs: Sequence[StoredDesign]  # all stored designs, by id
    history: Sequence[Moment]
    evaluated: int  # evaluations; a design that was evaluated twice counts twice
    feasible: int  # evaluations of feasible designs
    seconds: float
    complete: bool  # whether the search came to its end
    reasons: Sequence[tuple[str, int]]  # why designs are infeasible, and how many, the most frequent first
    prices: Prices | None = None  # of a search with floorplans that has just ended; they are not stored

    @cached_property
    def front(self) -> list[StoredDesign]:
        """The Pareto front, by id."""
        return [row for row in self.designs if row["on_front"]]

    @cached_property
    def varied_parameters(self) -> list[str]:
        """Parameters in which the designs of the front differ; all parameters if the front is a single design."""
        values = {name: {row[name] for row in self.front} for name in self.parameters}
        return [name for name, each in values.items() if len(each) > 1 or len(self.front) == 1]

    @cached_property
    def sample(self) -> list[StoredDesign]:
        """A sample of all designs that were evaluated, drawn regardless of their cost, by id."""
        return [row for row in self.designs if row["sampled"]]

    def signed_objectives(self, rows: Sequence[StoredDesign]) -> Floats:
        """Objectives [n, K] of designs, signed such that smaller is better; nan if a design has none."""
        values = [[np.nan if row[name] is None else row[name] for name, _ in self.objectives] for row in rows]
        return np.array(values, np.float64).reshape(len(rows), len(self.objectives)) * signs(self.objectives)

    @property
    def network_weights(self) -> str:
        """The networks with their weights if the metrics are means of several; otherwise empty."""
        networks = self.space["networks"]
        return ", ".join(f"{name} ({weight:g})" for name, weight in networks.items()) if len(networks) > 1 else ""

    @property
    def rejections(self) -> str:
        """A sentence on the infeasible designs and the reasons; empty if there are none."""
        if self.complete and not self.evaluated:
            parts = [self.space, *self.space.get("spaces", [])]
            conditions = [text for part in parts for text in part.get("conditions", [])]
            return f"No design was found that meets the conditions: {'; '.join(conditions)}."
        texts = [f"{count:,} as {reason}" for reason, count in self.reasons[:REASONS]]
        if rest := sum(count for _, count in self.reasons[REASONS:]):
            texts.append(f"{rest:,} for other reasons")
        return f"Not feasible: {'; '.join(texts)}." if texts else ""

    @cached_property
    def knee(self) -> StoredDesign | None:
        """The recommended design of the front (`dse.exploration.recommendation`); None if the front is empty."""
        return self._recommend(self.front) if self.front else None

    def best(self, objective: int) -> StoredDesign:
        """The design of the front that is best by one objective; the recommended one among equals."""
        values = self.signed_objectives(self.front)[:, objective]
        return self._recommend([self.front[row] for row in np.flatnonzero(values == values.min())])

    def _recommend(self, rows: Sequence[StoredDesign]) -> StoredDesign:
        constraints = self.space.get("constraints") or {}
        return rows[recommend(self.signed_objectives(rows), self._objective_names, constraints)]

    @property
    def _objective_names(self) -> list[str]:
        """Metrics of the objectives, whose columns may have another name (`dse.exploration.store.column_names`)."""
        return [name.removesuffix("_found") for name, _ in self.objectives]

    @property
    def deciding_objectives(self) -> list[str]:
        """The objectives that the recommendation follows: `dse.exploration.recommendation`."""
        names = self._objective_names
        return [name for name, follows in zip(names, decides(names, self.space.get("constraints") or {}), strict=True)
                if follows]  # fmt: skip

    @property
    def budgets(self) -> str:
        """A sentence on objectives with a budget, which the recommendation does not follow; empty without any."""
        budgeted = [name for name in self._objective_names if name not in self.deciding_objectives]
        if not budgeted:
            return ""
        return (f"Within what the part or a constraint allows, {', '.join(budgeted)} did not decide: the knee follows"
                f" {', '.join(self.deciding_objectives)}.")  # fmt: skip

    def thin_front(self, most: int) -> list[StoredDesign]:
        """At most `most` designs of the front, evenly spaced in the order of its first objective, with the knee."""
        rows = sorted(self.front, key=lambda row: float(self.signed_objectives([row])[0, 0]))
        if self.knee is None or len(rows) <= most:
            return rows
        places = np.linspace(0, len(rows) - 1, most).round().astype(int)
        own = rows.index(self.knee)
        places[1 + np.abs(places[1:-1] - own).argmin()] = own
        return [rows[place] for place in np.unique(places)]

    def select(self, which: str = KNEE) -> StoredDesign:
        """The knee, or a stored design by its id; raises `DesignError` if it is not stored or not feasible."""
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
    """Read an exploration, even while it runs; raises `SettingsError` if the folder holds none."""
    folder = Path(folder)
    try:
        with closing(sqlite3.connect(f"{(folder / FILE).absolute().as_uri()}?mode=rw", uri=True, timeout=WAIT_S)) as db:
            return _read(folder, db)
    except (sqlite3.Error, DesignError, ValueError) as error:
        raise SettingsError(f"{folder / FILE}: {error}; expected what `dse explore --out {folder}` writes") from None


def _read(folder: Path, db: sqlite3.Connection) -> Result:
    db.row_factory = sqlite3.Row
    db.execute("BEGIN")  # a consistent view, as the run may still write
    values = read_meta(db)
    settings: dict[str, Any] = {field.name: values.get(field.name) for field in fields(Run)}
    columns, complete = values["columns"], values.get("complete", False)
    demand_rows(db, columns)
    evaluated, feasible, seconds = db.execute(
        "SELECT ifnull(sum(evaluated), 0), ifnull(sum(feasible), 0), ifnull(max(seconds), 0) FROM chunks"
    ).fetchone()
    objectives = [(metric, better) for metric, better in columns["objectives"]]
    history = [
        Moment(row["evaluations"], row["seconds"], _read_front(row["front"], len(objectives)))
        for row in db.execute("SELECT * FROM history ORDER BY evaluations")
    ]
    designs = [dict(row) for row in db.execute("SELECT * FROM designs ORDER BY id")]
    counts = "SELECT reason, sum(designs) FROM reasons WHERE code > 0 GROUP BY reason ORDER BY 2 DESC, 1"
    reasons = [(reason, count) for reason, count in db.execute(counts)]
    return Result(
        folder, values["name"], values["space"], Run(**settings), objectives, columns["parameters"], columns["metrics"],
        designs, history, evaluated, feasible, seconds, complete, reasons,
    )  # fmt: skip


def _read_front(blob: bytes, objectives: int) -> Floats:
    """The objectives [n, K] of a front in the history; raises `ValueError` if one is not finite."""
    front = np.frombuffer(blob).reshape(-1, objectives)
    if not np.isfinite(front).all():
        raise ValueError("its history has objectives that are not finite")
    return front


def write_front(result: Result) -> Path:
    """Write `pareto.csv`, one line per design of the front, by the first objective; raises `OSError`."""
    file = result.folder / PARETO
    columns = ["id", *result.parameters, *result.metrics]
    order = np.argsort(result.signed_objectives(result.front)[:, 0], kind="stable")
    with replaced(file) as part, part.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(result.front[row] for row in order)
    return file
