"""The stored designs of an exploration as one table: CSV, or Parquet with types."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from dse.results import Result
from dse.store import FLAGS
from netlists.errors import SettingsError
from netlists.output import replaced

SUFFIXES = (".csv", ".parquet")


def export(result: Result, file: str | Path) -> int:
    """Write all stored designs, by id: parameters, metrics, feasible, on_front, best, sampled; returns how many.

    No value is an empty cell or a null.  Raises `SettingsError` for another suffix, `OSError` when the file cannot be
    written.
    """
    file = Path(file)
    if file.suffix not in SUFFIXES:
        raise SettingsError(f"{file}: suffix {file.suffix!r} is unknown; expected {' or '.join(SUFFIXES)}")
    columns = ["id", *result.parameters, *result.metrics, "feasible", *FLAGS]
    with replaced(file) as part:
        if file.suffix == ".csv":
            with part.open("w", encoding="utf-8", newline="") as text:
                writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
                writer.writeheader()
                writer.writerows(result.designs)
        else:
            _write_parquet(result, columns, part)
    return len(result.designs)


def _write_parquet(result: Result, columns: list[str], part: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    arrays = {name: pa.array(_typed(name, [row[name] for row in result.designs])) for name in columns}
    parquet.write_table(pa.table(arrays), part)


def _typed(name: str, values: list[Any]) -> list[Any]:
    """Values of one type: flags as truth, numbers as they are, all as text where some are names."""
    if name in ("feasible", *FLAGS):
        return [bool(value) for value in values]
    if any(isinstance(value, str) for value in values):
        return [None if value is None else str(value) for value in values]
    if any(isinstance(value, float) for value in values):
        return [None if value is None else float(value) for value in values]
    return values
