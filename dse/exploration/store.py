"""DIR/results.sqlite: the results of an exploration, and which of its chunks are finished.

    designs      id, one column per parameter and per metric, feasible, on_front, best, sampled; the front, the best
                 designs by each objective, and a sample of all designs that were evaluated
    chunks       finished chunks: number of designs, seconds since the start; objectives, if the search needs them
    history      evaluations, seconds, and the objectives [n, K] of the front at that time (float64, row by row)
    histograms   per objective: feasible designs between two values
    reasons      number of infeasible designs per reason; feasible ones count under the empty reason
    meta         the space file, search, seed, version

Each chunk is one transaction of SQLite's write-ahead log: a process that is killed loses only its unfinished chunks.
One process at a time writes; a lock of the operating system, which ends with the process, keeps others out.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dse.exploration.integrity import FLAGS, TABLES, demand_rows, demand_tables, quote, read_meta
from dse.exploration.summary import Points, Summary, bin_edges, in_sample
from dse.search import demand_extension
from dse.search.pareto import signs
from dse.space.space import TEMPLATE, DesignSpace
from dse.templates.base import Floats, Ints
from netlists.errors import ChipscapeError, DesignError, SettingsError
from netlists.runtime.lock import hold_lock, remove_empty
from netlists.runtime.output import remove_abandoned

FILE = "results.sqlite"
"""Name of the database in the folder of an exploration."""
LOCK = "results.lock"
"""Name of the lock file beside it."""
IS_NEEDED = " OR ".join(FLAGS)
"""SQL: whether a design still has a reason to be stored."""
GROWTH = 1.1
"""Factor by which the evaluations grow between two rows of history, at least."""
WAIT_S = 30
"""Seconds to wait for another connection that holds the database."""


def column_names(space: DesignSpace) -> tuple[list[str], list[str]]:
    """Columns of the parameters and of the metrics; a metric that shares its name with a parameter is METRIC_found."""
    taken = {"id", "feasible", *FLAGS, *(name.lower() for name in space.parameters)}
    return list(space.parameters), [f"{name}_found" if name.lower() in taken else name for name in space.metrics]


@dataclass(frozen=True)
class Run:
    """The settings of an exploration; a resumed run has the same, except for a larger budget."""

    search: str
    seed: int
    budget: int | None = None  # designs; None: the default of the search
    chunk: int | None = None  # designs per chunk
    version: str | None = None  # of Chipscape
    place: int | None = None  # floorplans during the search, from which it learns


class Store:
    """The file of one exploration, open for writing; see `open_store`."""

    def __init__(self, folder: Path, space: DesignSpace) -> None:
        self.file, self.space = folder / FILE, space
        self.parameters, self.metrics = column_names(space)
        self._db = sqlite3.connect(self.file, timeout=WAIT_S, isolation_level=None)
        self._texts: dict[tuple[str, Any, Any], Any] = {}  # parameter values of design files: by name, template, value
        self._recorded = 0  # evaluations at the last row of history
        self.empty = False  # whether the file is ours and holds no finished chunk
        self._larger: tuple[str, float] | None = None  # a new budget and its sampled fraction, until a chunk is added

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def remove(self) -> None:
        """Close and delete the database, with the files that SQLite may have left beside it."""
        self._db.close()
        for end in ("", "-wal", "-shm"):
            self.file.with_name(FILE + end).unlink(missing_ok=True)

    def begin(self, run: Run, resume: bool, fraction: float) -> None:
        """Make the tables, or check that they hold the same run; raises `SettingsError` if they do not.

        `fraction` of the designs are sampled.
        """
        tables = self._check()
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        objectives = [(self.metrics[self.space.metrics.index(name)], better) for name, better in self.space.objectives]
        columns = {"parameters": self.parameters, "metrics": self.metrics, "objectives": objectives}
        text = yaml.safe_dump(self.space.content, sort_keys=False, allow_unicode=True)
        rest = {**asdict(run), "columns": columns, "workload": self.space.workload}
        settings = {"space": text, "name": self.space.name} | {key: json.dumps(value) for key, value in rest.items()}
        self.empty = not tables or not self.finished()
        if tables and self.empty:  # the run was stopped before its first chunk
            with self._transaction():
                for name in TABLES:
                    self._db.execute(f"DROP TABLE {name}")
            tables = False
        if not tables:
            self._make(settings)
            return
        known = dict(self._db.execute("SELECT key, value FROM meta"))
        self._demand_same_run(known, settings, resume)
        if known["budget"] != settings["budget"]:
            self._demand_extension(json.loads(known["budget"]), run)
            self._larger = settings["budget"], fraction
        self._recorded = self._db.execute("SELECT ifnull(max(evaluations), 0) FROM history").fetchone()[0]

    def _check(self) -> bool:
        """Whether the file has tables; raises `SettingsError` if they or their rows are not those of an exploration."""
        if not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return False
        try:
            demand_tables(self._db)
            if self.finished():
                columns = read_meta(self._db)["columns"]
                demand_rows(self._db, columns)
        except (ValueError, DesignError) as error:
            raise SettingsError(f"{self.file} holds {error}; choose another folder") from None
        return True

    def _demand_same_run(self, known: Mapping[str, str], settings: Mapping[str, str], resume: bool) -> None:
        if not resume:
            raise SettingsError(f"{self.file.parent} holds an exploration of {known['name']}; choose another folder, or"
                                " continue it with --resume")  # fmt: skip
        for key, value in settings.items():
            if known.get(key, "null") != value and key not in ("name", "budget"):
                was = "another" if key in ("space", "workload") else f"{known.get(key)}, not {value}"
                raise SettingsError(f"{self.file}: cannot resume, as {key} was {was}; give the same space and settings,"
                                    " or choose another folder")  # fmt: skip

    def _demand_extension(self, before: int | None, run: Run) -> None:
        if run.place is not None:
            raise SettingsError(f"{self.file}: cannot resume, as budget was {before}, and a search with floorplans has"
                                " made those of that budget; choose another folder")  # fmt: skip
        try:
            demand_extension(run.search, self.space, before, run.budget)
        except SettingsError as error:
            raise SettingsError(f"{self.file}: cannot resume, as {error}") from None

    def _make(self, settings: Mapping[str, str]) -> None:
        parameters = [quote(name) for name in self.parameters]  # numbers or names
        metrics = [f"{quote(name)} REAL" for name in self.metrics]
        flags = [f"{name} INTEGER NOT NULL DEFAULT 0" for name in FLAGS]
        columns = ["id INTEGER PRIMARY KEY", *parameters, *metrics, "feasible INTEGER NOT NULL", *flags]
        with self._transaction():
            for table, content in zip(TABLES, (
                "key TEXT PRIMARY KEY, value TEXT",
                ", ".join(columns),
                "number INTEGER PRIMARY KEY, evaluated INTEGER, feasible INTEGER, seconds REAL, objectives BLOB",
                "evaluations INTEGER PRIMARY KEY, seconds REAL, front BLOB",
                "objective TEXT, bin INTEGER, low REAL, high REAL, count INTEGER, PRIMARY KEY (objective, bin)",
                "code INTEGER PRIMARY KEY, reason TEXT, designs INTEGER",
            ), strict=True):  # fmt: skip
                self._db.execute(f"CREATE TABLE {table} ({content})")
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", settings.items())

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite rolls back by itself if the disk is full
                self._db.execute("ROLLBACK")
            raise

    def finished(self) -> dict[int, int]:
        """Numbers of the finished chunks, and how many designs each evaluated."""
        return dict(self._db.execute("SELECT number, evaluated FROM chunks"))

    def seconds(self) -> float:
        """Seconds until the end of the last chunk, all runs of this exploration together."""
        return float(self._db.execute("SELECT ifnull(max(seconds), 0) FROM chunks").fetchone()[0])

    def objectives(self, number: int) -> Floats:
        """Objectives [n, K] of the designs of a finished chunk; raises `SettingsError` if it has none."""
        (blob,) = self._db.execute("SELECT objectives FROM chunks WHERE number = ?", (number,)).fetchone()
        values = np.frombuffer(blob or b"").reshape(-1, len(self.space.objectives))
        if blob is None or np.isnan(values).any():
            raise SettingsError(f"{self.file}: chunk {number} lacks objectives of its designs; choose another folder")
        return values

    def summary(self, start: Summary) -> Summary:
        """The summary of the finished chunks, without their sample; `start` is that of no designs.

        Raises `SettingsError` if it cannot be that of this space.
        """
        histogram, by_reason = start.histogram.copy(), start.by_reason.copy()
        names = [name for name, _ in self.space.objectives]
        for name, number, count in self._db.execute("SELECT objective, bin, count FROM histograms"):
            histogram[names.index(name), number] = count
        for code, count in self._db.execute("SELECT code, designs FROM reasons"):
            if code >= len(by_reason):
                raise SettingsError(f"{self.file}: reason {code} is none of this space; choose another folder")
            by_reason[code] = count
        return Summary(self._points("on_front"), self._points("best"), start.sample, histogram, by_reason)

    def _points(self, flag: str) -> Points:
        columns = ", ".join(quote(name) for name in self.metrics)
        rows = self._db.execute(f"SELECT id, {columns} FROM designs WHERE {flag} ORDER BY id").fetchall()
        metrics = np.array([row[1:] for row in rows], np.float64).reshape(len(rows), len(self.metrics))
        of_objectives = [self.space.metrics.index(name) for name, _ in self.space.objectives]
        objectives = metrics[:, of_objectives] * signs(self.space.objectives)
        return Points(np.array([row[0] for row in rows], np.int64), objectives, metrics)

    def _extend(self) -> None:
        """Take the larger budget, if there is one: only once there is a chunk to add, as a run may fail before that."""
        if self._larger is None:
            return
        budget, fraction = self._larger
        self._db.execute("UPDATE meta SET value = ? WHERE key = 'budget'", (budget,))
        self._db.execute("DELETE FROM meta WHERE key = 'complete'")
        ids = np.array([number for (number,) in self._db.execute("SELECT id FROM designs WHERE sampled")], np.int64)
        left = _keys(ids[~in_sample(ids, fraction)])
        self._db.executemany("UPDATE designs SET sampled = 0 WHERE id = ?", left)
        self._db.executemany(f"DELETE FROM designs WHERE id = ? AND NOT ({IS_NEEDED})", left)
        self._larger = None

    def add(
        self, number: int, chunk: Summary, before: Summary, after: Summary, seconds: float, objectives: Floats | None
    ) -> None:
        """Store a finished chunk by the changes that it makes to the summary of all chunks, whole or not at all.

        `objectives` [n, K] are those of its designs, for a search that learns from them.
        """
        with self._transaction():
            self._extend()
            self._insert([after.front, after.best, chunk.sample], np.union1d(before.front.index, before.best.index))
            self._flag("on_front", before.front.index, after.front.index)
            self._flag("best", before.best.index, after.best.index)
            self._flag("sampled", chunk.sample.index[:0], chunk.sample.index)
            left = np.setdiff1d(before.front.index, after.front.index)
            left = np.union1d(left, np.setdiff1d(before.best.index, after.best.index))
            self._db.executemany(f"DELETE FROM designs WHERE id = ? AND NOT ({IS_NEEDED})", _keys(left))
            self._add_histogram(chunk.histogram)
            self._add_reasons(chunk.by_reason)
            blob = None if objectives is None else objectives.tobytes()
            self._db.execute(
                "INSERT INTO chunks VALUES (?, ?, ?, ?, ?)", (number, chunk.evaluated, chunk.feasible, seconds, blob)
            )
            if after.evaluated >= GROWTH * self._recorded:
                self._record(after, seconds)
        self.empty = False

    def _insert(self, parts: Iterable[Points], known: Ints) -> None:
        """Add rows for designs that have none; those of the numbers `known` [m] have one."""
        rows = []
        for points in parts:
            new = points.take(np.flatnonzero(~np.isin(points.index, known)))
            feasible = np.asarray(np.isfinite(new.objectives).all(axis=1)).tolist()
            columns = zip(new.index.tolist(), self._values(new.index), new.metrics.tolist(), feasible, strict=True)
            rows += [[number, *values, *metrics, fits, 0, 0, 0] for number, values, metrics, fits in columns]
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._db.executemany(f"INSERT OR IGNORE INTO designs VALUES ({marks})", rows)

    def _values(self, index: Ints) -> Iterator[list[Any]]:
        """Parameters [P] of each design as in a design file; None for those that its template does not have."""
        for number, row in zip(index.tolist(), self.space.values(index).tolist(), strict=True):
            family = row[0] if TEMPLATE in self.parameters else None  # templates name their choices differently
            values = [None if isnan(value) else value for value in row]
            keys = [(name, family, value) for name, value in zip(self.parameters, values, strict=True)]
            if any(key not in self._texts for key in keys):  # a value that no earlier design had
                design = self.space.describe(number)
                texts = {TEMPLATE: design["template"]} | design["parameters"]
                self._texts.update({key: texts.get(key[0]) for key in keys})
            yield [self._texts[key] for key in keys]

    def _flag(self, flag: str, before: Ints, after: Ints) -> None:
        for value, ids in ((0, np.setdiff1d(before, after)), (1, np.setdiff1d(after, before))):
            self._db.executemany(f"UPDATE designs SET {flag} = {value} WHERE id = ?", _keys(ids))

    def _add_histogram(self, histogram: Ints) -> None:
        edges = bin_edges()
        rows = [
            (self.space.objectives[k][0], int(number), edges[number], edges[number + 1], int(histogram[k, number]))
            for k, number in np.argwhere(histogram)
        ]
        self._db.executemany(
            "INSERT INTO histograms VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (objective, bin) DO UPDATE SET count = count + excluded.count",
            rows,
        )

    def _add_reasons(self, by_reason: Ints) -> None:
        rows = zip(range(len(by_reason)), self.space.reasons, by_reason.tolist(), strict=True)
        self._db.executemany(
            "INSERT INTO reasons VALUES (?, ?, ?)"
            " ON CONFLICT (code) DO UPDATE SET designs = designs + excluded.designs",
            [row for row in rows if row[2]],
        )

    def _record(self, after: Summary, seconds: float) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO history VALUES (?, ?, ?)",
            (after.evaluated, seconds, after.front.objectives.tobytes()),
        )
        self._recorded = after.evaluated

    def finish(self, after: Summary, seconds: float, complete: bool) -> None:
        """Record the front at the end of a run, and whether the search is complete."""
        with self._transaction():
            self._extend()
            self._record(after, seconds)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('complete', ?)", (json.dumps(complete),))


@contextmanager
def open_store(folder: Path, space: DesignSpace, run: Run, resume: bool, fraction: float = 1.0) -> Iterator[Store]:
    """Open the store in a folder, which is made if it is missing, for as long as the block lasts.

    `fraction` of all designs are sampled.  An error in the block before the first chunk is stored leaves no new file or
    folder behind.  Raises `SettingsError` if another process writes there, if the folder holds an exploration and
    `resume` is not set or, with `resume`, if that is one of another space or other settings (`run`); `ChipscapeError`
    if a file cannot be written, on a full disk for example.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with hold_lock(folder / LOCK), closing(Store(folder, space)) as store:
            remove_abandoned(folder, "*", 0.0)
            try:
                store.begin(run, resume, fraction)
                yield store
            except Exception:
                if store.empty:
                    store.remove()
                    (folder / LOCK).unlink(missing_ok=True)
                raise
    except sqlite3.Error as error:
        advice = "what was stored until then stays readable: make room or repair it, and continue with --resume"
        if getattr(error, "sqlite_errorname", "") == "SQLITE_NOTADB":
            advice = "choose another folder"
        raise ChipscapeError(f"{folder / FILE}: {error}; {advice}") from None
    finally:
        remove_empty(missing)


def _keys(index: Ints) -> list[tuple[int]]:
    return [(number,) for number in index.tolist()]
