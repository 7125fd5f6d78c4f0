"""What `results.sqlite` must hold to be read back, checked before anything in it is used.

A file that was damaged, edited or made by others may hold any type in any column, and programs as views and triggers.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from dse.exploration.summary import BINS
from netlists.errors import MAX_SEED
from netlists.runtime.stored_files import demand_fields
from netlists.runtime.yaml_file import parse_yaml

TABLES = ("meta", "designs", "chunks", "history", "histograms", "reasons")
"""The tables of a file; there is nothing else in it."""
FLAGS = ("on_front", "best", "sampled")
"""Columns that say why a design is stored."""
MOST = 2**53
"""The largest count; sums of counts and their values as float64 stay exact."""
LARGEST = "1.7976931348623157e308"
"""The largest finite number, for SQL."""

Count = Annotated[int, Field(ge=1, le=MOST)]


class _Columns(BaseModel):
    model_config = ConfigDict(strict=True)
    parameters: list[str]
    metrics: list[str]
    objectives: Annotated[list[Annotated[list[str], Field(min_length=2, max_length=2)]], Field(min_length=1)]


class _Meta(BaseModel):
    """The values of the table `meta`, decoded."""

    model_config = ConfigDict(strict=True)
    name: str
    search: str
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    budget: Count | None
    chunk: Count | None
    version: str | None
    place: Count | None = None
    columns: _Columns
    complete: bool = False


def read_meta(db: sqlite3.Connection) -> dict[str, Any]:
    """The decoded values of `meta`: see `_Meta`, and under `space` the mapping of the space file.

    Raises `ValueError` or `sqlite3.Error` if the file is not one of an exploration of this version.
    """
    demand_tables(db)
    texts = dict(tuple(row) for row in db.execute("SELECT key, value FROM meta"))
    if not all(isinstance(text, str) for pair in texts.items() for text in pair):
        raise ValueError("its settings are no texts")
    if missing := {"space", "name"} - texts.keys():
        raise ValueError(f"no {min(missing)}")
    space, name = texts.pop("space"), texts.pop("name")
    try:
        values = {key: json.loads(text) for key, text in texts.items()}
    except RecursionError:
        raise ValueError("its settings are nested too deeply") from None
    values |= {"name": name, "space": parse_yaml(space, "its space")}
    demand_fields(values, _Meta)
    _demand_columns(db, values["columns"])
    return values


def demand_tables(db: sqlite3.Connection) -> None:
    """Raise `ValueError` unless the database holds the tables of an exploration and nothing else."""
    db.execute("PRAGMA trusted_schema = OFF")
    entries = list(db.execute("SELECT type, name, ifnull(sql, '') FROM sqlite_master"))
    tables = sorted(name for kind, name, _ in entries if kind == "table")
    indexes = {name for kind, name, _ in entries if kind == "index" and name.startswith("sqlite_autoindex_")}
    if tables != sorted(TABLES) or len(entries) != len(tables) + len(indexes):
        raise ValueError("no exploration of this version")
    if any(kind == "table" and not sql.startswith("CREATE TABLE ") for kind, _, sql in entries):
        raise ValueError("no exploration of this version, but virtual tables")


def _demand_columns(db: sqlite3.Connection, columns: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless the designs have the columns of the parameters and metrics, and the objectives too."""
    names = ["id", *columns["parameters"], *columns["metrics"], "feasible", *FLAGS]
    if [row[1] for row in db.execute("PRAGMA table_info(designs)")] != names:
        raise ValueError("its designs have other columns than its settings say")
    for name, better in columns["objectives"]:
        if name not in columns["metrics"] or better not in ("min", "max"):
            raise ValueError(f"its objective {name[:40]!r} is no metric with min or max")


def demand_rows(db: sqlite3.Connection, columns: Mapping[str, Any]) -> None:
    """Raise `ValueError` that names a table with a row whose values are missing, of other types or out of range."""
    for table, condition in _conditions(columns).items():
        found = db.execute(f"SELECT rowid FROM {table} WHERE NOT ifnull({condition}, 0) LIMIT 1").fetchone()
        if found is not None:
            raise ValueError(f"row {found[0]} of its table {table} has values of other types or out of range")


def _conditions(columns: Mapping[str, Any]) -> dict[str, str]:
    """For each table an SQL condition that all its rows fulfill."""
    objectives = columns["objectives"]
    width = 8 * len(objectives)  # bytes of float64
    metrics = {spelling for name, _ in objectives for spelling in (name, name.removesuffix("_found"))}
    names = ", ".join("'" + name.replace("'", "''") + "'" for name in sorted(metrics))
    designs = [f"feasible IN (0, 1) AND {_count('id', 2**63 - 1)}", *(f"{flag} IN (0, 1)" for flag in FLAGS)]
    designs += ["(feasible OR NOT on_front)"]
    designs += [f"typeof({quote(name)}) <> 'blob'" for name in columns["parameters"]]
    designs += [f"({quote(name)} IS NULL OR typeof({quote(name)}) = 'real')" for name in columns["metrics"]]
    designs += [f"(NOT feasible OR {_finite(quote(name))})" for name, _ in objectives]
    return {
        "designs": " AND ".join(designs),
        "chunks": f"{_count('number')} AND {_count('evaluated')} AND {_count('feasible')} AND feasible <= evaluated "
        f"AND {_finite('seconds')} AND seconds >= 0 AND (objectives IS NULL OR typeof(objectives) = 'blob' "
        f"AND length(objectives) = evaluated * {width})",
        "history": f"{_count('evaluations')} AND {_finite('seconds')} AND seconds >= 0 AND typeof(front) = 'blob' "
        f"AND length(front) % {width} = 0",
        "histograms": f"objective IN ({names}) AND {_count('bin', BINS - 1)} AND {_count('count')} "
        f"AND {_finite('low')} AND {_finite('high')}",
        "reasons": f"{_count('code')} AND {_count('designs')} AND typeof(reason) = 'text'",
    }


def quote(name: str) -> str:
    """A column name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def _count(column: str, most: int = MOST) -> str:
    return f"(typeof({column}) = 'integer' AND {column} BETWEEN 0 AND {most})"


def _finite(column: str) -> str:
    return f"(typeof({column}) = 'real' AND abs({column}) <= {LARGEST})"
