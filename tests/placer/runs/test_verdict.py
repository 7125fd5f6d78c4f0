"""The verdict on legality as terminal, JSON, reports and sweeps show it: the same everywhere."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from netlists import load, save
from netlists.legality.verdict import COUNTS, is_legal, legality
from netlists.netlist import Netlist, Rows
from netlists.placement import Placement
from placer.cli import app, main
from placer.commands.report_pages import violations
from placer.commands.terminal import select_rows
from placer.cost import summary
from placer.runs.pipeline import demand_legal, place
from placer.runs.settings import PlaceSettings
from placer.runs.sweep_table import RESULTS, Outcome, SweepRun, best_outcomes, write_table
from plots.report import Run, render
from tests.designs import Box, case, design, row_set

FULL = row_set([(0, 0, 100, 100)])
WRONG: dict[str, tuple[list[Box], list[Box], Rows | None, tuple[int, ...]]] = {
    "overlaps": ([(0, 0, 30, 30), (20, 0, 30, 30)], [], None, ()),
    "fixed_overlaps": ([(0, 0, 30, 30), (20, 0, 30, 30)], [], None, (0, 1)),
    "out_of_canvas": ([(80, 0, 30, 30)], [], None, ()),
    "fixed_out_of_canvas": ([(80, 0, 30, 30)], [], None, (0,)),
    "macros_outside_rows": ([(40, 40, 30, 30)], [], row_set([(0, 0, 100, 50), (0, 50, 50, 50)]), ()),
    "macros_off_rows": ([(40.5, 40, 30, 30)], [], FULL, ()),
    "cell_overlaps": ([(0, 0, 30, 30)], [(40, 0, 3, 10), (41, 0, 3, 10)], FULL, ()),
    "cells_out_of_canvas": ([(0, 0, 30, 30)], [(98, 0, 3, 10)], FULL, ()),
    "cells_off_rows": ([(0, 0, 30, 30)], [(40, 5, 3, 10)], FULL, ()),
    "macros_too_close": ([(0, 0, 30, 30), (32, 0, 30, 30)], [], None, ()),
    "macros_outside_fences": ([(40, 40, 30, 30)], [], None, ()),
    "macros_misoriented": ([(40, 40, 30, 30)], [], None, ()),
    "macros_off_grid": ([(40.5, 40, 30, 30)], [], None, ()),
}
CONSTRAINTS = {
    "macros_too_close": "channel: 5", "macros_outside_fences": "fences: {'*': [0, 0, 50, 50]}",
    "macros_misoriented": "orientations: {'*': [S]}", "macros_off_grid": "grid: 1",
}  # fmt: skip


def wrong(key: str) -> Netlist:
    macros, cells, rows, fixed = WRONG[key]
    return design(macros, cells, rows=rows, fixed=fixed)


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *args: object) -> str:
    """What a command that succeeds writes to stdout."""
    monkeypatch.setattr(sys, "argv", ["placer", *map(str, args)])
    monkeypatch.setattr(app, "registered_commands", list(app.registered_commands))
    with pytest.raises(SystemExit) as left:
        main()
    assert not left.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("key", COUNTS)
def test_every_count_is_shown_everywhere(
    key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(wrong(key), tmp_path / "chip.aux")
    (tmp_path / "constraints.yaml").write_text(CONSTRAINTS.get(key, "channel: 0"))
    chip = [tmp_path / "chip.aux", *(["--constraints", tmp_path / "constraints.yaml"] if key in CONSTRAINTS else [])]
    cost = json.loads(command(monkeypatch, capsys, "evaluate", *chip, "--json"))
    assert cost[key] >= 1
    assert cost["legal"] is False
    table = command(monkeypatch, capsys, "evaluate", *chip)
    assert key in table
    assert [line.split("│")[2].strip() for line in table.split("\n") if "legal" in line] == ["no"]
    page = render([Run("chip", cost=cost, violations=violations(cost))], title="", figures={})
    assert '<span class="bad">no</span>' in page
    assert '<span class="good">' not in page


def test_a_legal_placement_is_shown_as_such() -> None:
    cost = summary(Placement.given(design([(0, 0, 30, 30)], [(40, 0, 3, 10)], rows=FULL)))
    assert cost["legal"] is True
    assert [key for key in select_rows(cost) if key in COUNTS] == ["overlaps", "out_of_canvas"]
    page = render([Run("chip", cost=cost, violations=violations(cost))], title="", figures={})
    assert '<span class="good">yes</span>' in page


def outcome(seed: int, proxy: float, **counts: int) -> Outcome:
    metrics: dict[str, Any] = dict.fromkeys(COUNTS, 0) | counts | {"proxy": proxy}
    return Outcome(SweepRun("chip", PlaceSettings("greedy", seed=seed)), metrics | {"legal": is_legal(metrics)})


@pytest.mark.parametrize("key", ["overlaps", "macros_off_rows", "cells_off_rows"])
def test_an_illegal_run_does_not_win_a_sweep(key: str, tmp_path: Path) -> None:
    runs = [outcome(0, 0.5, **{key: 2}), outcome(1, 0.9), outcome(2, 0.8)]
    assert best_outcomes(runs)["chip"] is runs[2]
    assert best_outcomes(runs[:1])["chip"] is runs[0]
    write_table(tmp_path, runs)
    lines = list(csv.DictReader((tmp_path / RESULTS).read_text().splitlines()))
    assert [line[key] for line in lines] == ["2", "0", "0"]
    assert [line["legal"] for line in lines] == ["False", "True", "True"]


@pytest.mark.parametrize("fixed", [(0, 1), (0, 1, 2)])
def test_what_only_fixed_macros_do_wrong_does_not_stop_place(fixed: tuple[int, ...]) -> None:
    n = design([(0, 0, 30, 30), (20, 0, 30, 30), (85, 50, 20, 20), (0, 0, 10, 10)], fixed=(*fixed, 2))
    result = place(n, method="greedy", iterations=1, workers=1)
    demand_legal(result.placement)
    counts = {key: result.metrics[key] for key in COUNTS if result.metrics[key]}
    assert counts == {"overlaps": 1, "fixed_overlaps": 1, "out_of_canvas": 1, "fixed_out_of_canvas": 1}
    assert result.metrics["legal"] is False


def test_the_flat_input_without_rows_ends_placed() -> None:
    n = load(case("p16_flat_without_rows"))
    result = place(n, method="greedy", iterations=1, workers=1)
    assert result.metrics["legal"]
    assert not any(legality(result.placement).counts.values())
    assert (result.metrics["cells"], result.metrics["cell_overlaps"], result.metrics["cells_off_rows"]) == (200, 0, 0)
