"""Exported tables hold what is stored."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from dse.exploration.export import export
from netlists.errors import SettingsError
from tests.dse.exploration.toy_exploration import explore_toy
from tests.dse.toy import space, toy

__all__ = ["toy"]
pytestmark = pytest.mark.usefixtures("toy")

FLAGS = ("feasible", "on_front", "best", "sampled")
TWO: dict[str, Any] = {
    "template": None, "technology": None, "parameters": None, "conditions": None,
    "spaces": [
        {"template": "toy", "technology": "28nm", "parameters": {"rows": [8, 16], "dram_gb_s": [1, 2.5]}},
        {"template": "toy", "technology": "45nm", "parameters": {"columns": [4, 8], "order": ["first", "second"]}},
    ],
}  # fmt: skip


@pytest.mark.parametrize("changes", [{}, TWO])
def test_tables_hold_every_stored_design(tmp_path: Path, changes: dict[str, Any]) -> None:
    result = explore_toy(tmp_path / "run", space(**changes), chunks=2)
    assert export(result, tmp_path / "all.csv") == export(result, tmp_path / "all.parquet") == len(result.designs)
    columns = ["id", *result.parameters, *result.metrics, *FLAGS]
    table = parquet.read_table(tmp_path / "all.parquet")
    assert table.column_names == columns
    stored = [{name: bool(row[name]) if name in FLAGS else row[name] for name in columns} for row in result.designs]
    assert table.to_pylist() == stored
    assert str(table.schema.field("lut").type) == "double"  # though no design has any
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == columns
    for row, design in zip(rows, result.designs, strict=True):
        for name, text in row.items():
            value = design[name]
            assert value == (None if text == "" else text if isinstance(value, str) else float(text))


def test_another_suffix_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    result = explore_toy(tmp_path / "run", space(), chunks=2, fraction=0.01)
    with pytest.raises(SettingsError, match=r"'.xls' is unknown; expected .csv or .parquet"):
        export(result, tmp_path / "all.xls")
    for name in ("all.csv", "all.parquet"):
        with pytest.raises(OSError, match="none"):
            export(result, tmp_path / "none" / name)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
