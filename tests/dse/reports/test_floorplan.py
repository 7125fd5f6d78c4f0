"""What the pages of floorplans show: changes, ranks, failures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dse.exploration.repricing import Prices
from dse.exploration.results import Result
from dse.exploration.store import Run
from dse.floorplan import close_loop
from dse.floorplan.loop import ClosedLoop, FailedLoop
from dse.model.wires import TITLES, Traffic
from dse.reports.floorplan import (
    compare_fronts,
    format_change,
    format_facts,
    list_loop_notes,
    report_front,
    summarize_loop,
    tabulate_prices,
    tabulate_wires,
)
from tests.dse.floorplan import NETWORK, make_design, place_in_rows


def loop_of(name: str, energy: tuple[float, float]) -> ClosedLoop:
    """A loop of which only name and energies, before and after, matter."""
    loop = close_loop(make_design("systolic"), place_in_rows, name=name, workload=[(NETWORK, 1.0)])
    before, after = (
        replace(price, metrics={**price.metrics, "energy_mj": mj}, energy_mj=np.full(len(Traffic), mj / 10))
        for price, mj in zip((loop.before, loop.after), energy, strict=True)
    )
    return replace(loop, before=before, after=after)


def result_of(latency_and_energy: Mapping[int, tuple[float, float]]) -> Result:
    """An exploration with a front of known designs."""
    rows: list[dict[str, Any]] = [
        {"id": number, "latency_ms": ms, "energy_mj": mj, "feasible": 1, "on_front": 1, "best": 0, "sampled": 0}
        for number, (ms, mj) in latency_and_energy.items()
    ]
    return Result(
        Path("run"), "space", {"constraints": {}, "networks": {"conv": 1.0}}, Run("exhaustive", 0, 0),
        [("latency_ms", "min"), ("energy_mj", "min")], [], ["latency_ms", "energy_mj"], rows, [], 3, 3, 0.0, True, [],
    )  # fmt: skip


def test_changes_have_signs() -> None:
    assert [format_change(2.0, 3.0), format_change(2.0, 1.0), format_change(1.0, 1.0)] == ["+50.0%", "-50.0%", "+0.0%"]


def test_tables_of_a_design() -> None:
    loop = loop_of("7", (10.0, 12.0))
    prices = {row[0]: row[1:] for row in tabulate_prices(loop).rows}
    assert prices["energy (mJ)"] == [10.0, 12.0, "+20.0%"]
    rows = tabulate_wires(loop).rows
    assert [row[0] for row in rows] == list(TITLES)
    assert rows[Traffic.DRAM][5:] == [1.0, 1.2]
    facts = format_facts(loop)
    assert facts["energy with placed wires"] == "12.00 mJ (+20.0%)"
    assert facts["wires' part of the energy"] == "50.0%"  # five classes with a tenth each
    summary = summarize_loop(loop)
    assert summary["after"]["wires"]["dram"]["energy_mj"] == 1.2
    assert summary["before"]["metrics"]["dsp"] is None  # JSON has no nan


def test_notes_say_whether_the_clock_is_met() -> None:
    loop = loop_of("7", (1.0, 1.0))
    assert list_loop_notes(loop)[0] == "Every hop inside the array takes less than a clock period."
    periods = loop.after.periods.copy()
    periods[Traffic.ARRAY], periods[Traffic.DRAM] = 1.5, 2.5
    notes = list_loop_notes(replace(loop, after=replace(loop.after, periods=periods)))
    assert "takes 1.50 clock periods" in notes[0]
    assert notes[1].startswith("Wires of DRAM interface take registers")


def test_a_front_after_placement() -> None:
    result = result_of({1: (1.0, 9.0), 2: (2.0, 5.0), 3: (4.0, 4.0)})
    assert result.knee
    assert result.knee["id"] == 1  # latency × energy: 9, 10, 16
    loops: list[ClosedLoop | FailedLoop] = [
        loop_of("1", (9.0, 20.0)),
        loop_of("2", (5.0, 4.0)),
        loop_of("3", (4.0, 6.0)),
    ]
    move = compare_fronts(result, [loop for loop in loops if isinstance(loop, ClosedLoop)])
    assert move.priced[:, 1].tolist() == [20.0, 4.0, 6.0]
    assert move.after.tolist() == [False, True, False]
    report = report_front(result, loops)
    ranks = [row[4:6] for row in report.table.rows]
    assert ranks == [[3, 3], [2, 1], [1, 2]]
    assert report.facts["other rank by energy"] == "2 of 3"
    assert report.facts["knee before"] == "1"
    assert report.facts["knee after"] == "2"
    assert report.facts["rank correlation of wire energy"] == "0.50"
    assert report.names == ["1", "2", "3"]
    # Latencies are the same in all loops, so only the lowest energy stays on the front.
    assert [row[3:5] for row in report.moves.rows] == [[9.0, 20.0], [5.0, 4.0], [4.0, 6.0]]
    assert [row[-1] for row in report.moves.rows] == ["dominated", "on the front", "dominated"]
    assert report.moves.columns[3:5] == ["estimated energy_mj", "placed energy_mj"]


def test_a_front_that_was_priced_during_the_search() -> None:
    """Design 1 leaves the front, 4 enters it; 3 has no floorplan and is expected to stay where it was."""
    index = np.array([1, 2, 3, 4])
    estimated = np.array([[1.0, 9.0], [2.0, 5.0], [4.0, 4.0], [2.0, 6.0]])
    expected = np.array([[3.0, 9.0], [2.0, 5.0], [4.0, 4.0], [1.5, 6.0]])
    prices = Prices(index, estimated, expected, np.array([True, True, False, True]))
    result = replace(result_of({1: (1.0, 9.0), 2: (2.0, 5.0), 3: (4.0, 4.0)}), prices=prices)
    report = report_front(result, [loop_of(name, (mj, mj + 1)) for name, mj in (("1", 5.0), ("2", 4.0), ("4", 6.0))])
    assert report.facts["still on the front"] == "2 of 3"
    assert report.facts["new on the front"] == "1"
    assert report.facts["knee before"] == "1"
    assert report.facts["knee after"] == "4"
    states = {row[0]: row[-2:] for row in report.moves.rows}
    assert states == {
        "1": ["placed", "dominated"], "2": ["placed", "on the front"], "3": ["expected", "on the front"],
        "4": ["placed", "new on the front"],
    }  # fmt: skip
    assert report.plane
    assert report.plane.before.tolist() == [[1.0, 9.0], [2.0, 5.0], [4.0, 4.0]]
    assert report.plane.after.tolist() == [[2.0, 5.0], [4.0, 4.0], [1.5, 6.0]]
    # In units of 3 ms and 5 mJ from the best values, up to 1.1 of the extent of both fronts.
    before = 1.1 * 0.1 + (1.1 - 1 / 3) * (1.0 - 0.2) + 0.1 * 0.2
    assert report.facts["hypervolume"].startswith(f"{before:.4f} before")


def test_failures_are_marked_and_the_rest_goes_on() -> None:
    result = result_of({1: (1.0, 9.0), 2: (2.0, 5.0)})
    report = report_front(result, [FailedLoop("1", "no room"), loop_of("2", (5.0, 6.0))])
    assert report.notes == ["Design 1 has no floorplan: no room"]
    assert [row[-1] for row in report.table.rows] == ["no floorplan", "ok"]
    assert report.facts["designs placed"] == report.facts["failed"] == "1"
    nothing = report_front(result, [FailedLoop("1", "no room"), FailedLoop("2", "no room")])
    assert nothing.facts == {"designs placed": "0", "failed": "2"}
    assert not nothing.names
    assert not nothing.moves.rows
