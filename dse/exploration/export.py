"""The stored designs of an exploration as one table: CSV, or Parquet with types."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from dse.exploration.integrity import FLAGS
from dse.exploration.results import Result
from netlists.errors import SettingsError
from netlists.runtime.output import replaced

SUFFIXES = (".csv", ".parquet")
"""The formats, by the suffix of the file."""


def export(result: Result, file: str | Path) -> int:
    """Write all stored designs, by id: parameters, metrics, feasible, on_front, best, sampled; return their number.

    A missing value is an empty cell or a null.  Raises `SettingsError` for another suffix, `OSError` if the file cannot
    be written.
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

    types = dict.fromkeys(result.metrics, pa.float64()) | dict.fromkeys(("feasible", *FLAGS), pa.bool_())
    arrays = {name: pa.array(_unify([row[name] for row in result.designs])) for name in columns}
    arrays |= {name: arrays[name].cast(type_) for name, type_ in types.items()}
    parquet.write_table(pa.table(arrays), part)


def _unify(values: list[Any]) -> list[Any]:
    """Values of a parameter in one type: text if any is a name, floating point if any is."""
    for kind in (str, float):
        if any(isinstance(value, kind) for value in values):
            return [None if value is None else kind(value) for value in values]
    return values
