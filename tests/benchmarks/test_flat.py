"""The benchmark of flat designs maps published places right, measures what it says and repeats no finished run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from netlists.errors import LegalizationError, PlacementError, SettingsError
from netlists.legality.rules import rules
from netlists.legality.verdict import COUNTS
from netlists.netlist import Kind, Netlist
from netlists.placement import Placement
from netlists.synthetic.tiny import tiny_netlist_with_rows
from placer.cost import evaluate
from tests import BENCHMARKS
from tests.benchmarks import flat

CORNERS = ((0.0, 4.0), (20.0, 4.0), (60.0, 60.0))  # of three macros of 12 µm
BROKEN = "no room"


@pytest.fixture
def chip() -> Netlist:
    return tiny_netlist_with_rows()


def places_of(netlist: Netlist, *corners: tuple[float, float]) -> dict[str, tuple[float, float, int]]:
    names = [netlist.node_names[v] for v in netlist.hard]
    return {name: (x, y, 2) for name, (x, y) in zip(names, corners, strict=False)}


@pytest.fixture
def placement(chip: Netlist) -> Placement:
    return flat.put(chip, places_of(chip, *CORNERS))


def test_places_are_mapped_from_the_coordinates_of_the_file(chip: Netlist) -> None:
    moved = chip.with_(origin_um=(-100.0, 30.0))
    corners = [(x - 100.0, y + 30.0) for x, y in CORNERS]
    placement = flat.put(moved, places_of(moved, *corners))
    np.testing.assert_allclose(placement.position_um[chip.hard], np.array(CORNERS) + 6)
    assert (placement.orientation[chip.hard] == 2).all()
    assert (placement.position_um[chip.cells] == 50).all()


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        (CORNERS[:2], "has no place"),
        ((*CORNERS[:2], (21, 5)), "overlap"),
        ((*CORNERS[:2], (95, 60)), "out of the core"),
    ],
)
def test_wrong_places_are_refused(chip: Netlist, corners: tuple[tuple[float, float], ...], message: str) -> None:
    with pytest.raises(PlacementError, match=message):
        flat.put(chip, places_of(chip, *corners))


def test_places_of_another_design_are_refused(chip: Netlist) -> None:
    with pytest.raises(PlacementError, match="no hard macro 'ram'"):
        flat.put(chip, places_of(chip, *CORNERS) | {"ram": (0.0, 0.0, 0)})


def test_a_list_of_places(tmp_path: Path) -> None:
    path = tmp_path / "macros.txt"
    path.write_text("a/ram[0] 1.5 2 R0\nb 3 4 MY\n", encoding="utf-8")
    assert flat.listed_places(path) == {"a/ram[0]": (1.5, 2.0, 0), "b": (3.0, 4.0, 2)}
    path.write_text("a 1 2 R90\n", encoding="utf-8")
    with pytest.raises(PlacementError, match="R90"):
        flat.listed_places(path)


def test_halos_of_the_floorplan_count(chip: Netlist) -> None:
    assert flat.with_halos(chip, 0.0) is chip
    spaced = flat.with_halos(chip, 5.0)
    assert (rules(spaced).halo_um[chip.hard] == 5).all()
    assert flat.with_halos(spaced, 8.0) is spaced


def test_brackets_of_names_in_def() -> None:
    assert flat.plain(r"u\[0\].ram") == "u[0].ram"


def test_wirelength_is_that_of_the_cost_with_equal_weights(chip: Netlist) -> None:
    equal = chip.with_(net_weight=np.ones(chip.num_nets))
    placement = flat.put(equal, places_of(equal, *CORNERS))
    assert flat.hpwl_um(placement) == pytest.approx(evaluate(placement).hpwl_um)
    most = int(np.diff(equal.net_start).max()) - 1
    few = equal.with_(net_weight=np.where(np.diff(equal.net_start) > most, 1e-12, 1.0))
    kept = evaluate(Placement(few, placement.position_um, placement.orientation)).hpwl_um
    assert flat.hpwl_um(placement, most) == pytest.approx(kept)
    assert kept < evaluate(placement).hpwl_um


def test_slivers_between_macros_and_along_the_core(placement: Placement) -> None:
    # 8 µm between the first two macros, 4 µm below each of them; the first touches the edge on its left.
    assert flat.slivers_um2(placement, 10.0) == pytest.approx(8 * 12 + 2 * 4 * 12)
    assert flat.slivers_um2(placement, 8.0) == pytest.approx(2 * 4 * 12)
    assert flat.slivers_um2(placement, 4.0) == 0


def test_gaps_at_all_four_edges() -> None:
    boxes = np.array([[3.0, 40, 50, 60], [60, 40, 98, 60], [20, 5, 30, 20], [20, 70, 30, 94]])
    gaps = flat.edge_gaps(boxes, np.zeros(2), np.array([100.0, 100.0]), 10.0, 1e-6)
    expected = {(0, 40, 3, 60), (98, 40, 100, 60), (20, 0, 30, 5), (20, 94, 30, 100)}
    assert {tuple(gap) for gap in gaps.tolist()} == expected


def test_open_area_counts_overlaps_once() -> None:
    boxes = np.array([[0.0, 0, 4, 4], [2, 2, 6, 6]])
    assert flat.open_area(boxes, np.empty((0, 4))) == pytest.approx(28)
    assert flat.open_area(boxes, np.array([[0.0, 0, 4, 4]])) == pytest.approx(12)
    assert flat.open_area(np.empty((0, 4)), boxes) == 0


def test_faults_of_fixed_macros_do_not_count() -> None:
    counts = dict.fromkeys(COUNTS, 0) | {"overlaps": 3, "fixed_overlaps": 2, "cells_off_rows": 4}
    assert flat.faults(counts) == 5


def test_ratios_are_paired_by_seed() -> None:
    runs: list[flat.Outcome] = [{"hpwl_um": 2.0}, {"error": BROKEN}, {"hpwl_um": 3.0}]
    first: list[flat.Outcome] = [{"hpwl_um": 1.0}, {"hpwl_um": 5.0}, {"hpwl_um": 2.0}]
    assert flat.paired(runs, first, "hpwl_um") == [2.0, 1.5]
    lines = [line.split() for line in flat.table({"innovus": first, "ours 60 s": runs})]
    assert lines[1] == ["innovus", "3/3", "3", "+0.00%", "0.00%"]
    assert lines[2] == ["ours", "60", "s", "2/3", "2", "+75.00%", "25.00%"]
    assert len(flat.table({"innovus": [{"error": BROKEN}]})) == 2


def test_a_finished_run_is_not_repeated(chip: Netlist, placement: Placement, tmp_path: Path) -> None:
    starts: Iterator[tuple[Placement, float]] = iter([(placement, 3.0)])
    source, settings = flat.Source("given", lambda _: next(starts)), flat.Settings(5.0, 1.0, 1)
    stem = tmp_path / "ours0.5s-seed0"
    first = flat.run(chip, source, 0, settings, stem)
    assert first["search_s"] == 3
    assert first["cell_overlaps"] == first["overlaps"] == 0
    assert flat.run(chip, source, 0, settings, stem) == first
    record = tmp_path / "ours0.5s-seed0.json"
    flat.write_json(record, {key: value for key, value in first.items() if key != "proxy"})
    assert flat.run(chip, source, 0, settings, stem) == first
    placed = flat.read_arrays(chip, tmp_path / "ours0.5s-seed0.npz")
    hard = chip.kind == Kind.HARD
    np.testing.assert_array_equal(placed.position_um[hard], placement.position_um[hard])
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".npz"]


def test_a_run_without_room_is_noted(chip: Netlist, tmp_path: Path) -> None:
    def fail(_: int) -> tuple[Placement, float]:
        raise LegalizationError(BROKEN)

    source, settings = flat.Source("given", fail), flat.Settings(5.0, 1.0, 1)
    assert flat.run(chip, source, 0, settings, tmp_path / "given-seed0") == {"error": BROKEN}
    assert flat.run(chip, source, 0, settings, tmp_path / "given-seed0") == {"error": BROKEN}


def test_runs_of_other_settings_are_refused(tmp_path: Path) -> None:
    flat.demand_same(flat.Settings(5.0, None, 2), tmp_path / "out")
    flat.demand_same(flat.Settings(5.0, None, 2), tmp_path / "out")
    with pytest.raises(SettingsError, match="another folder"):
        flat.demand_same(flat.Settings(0.0, None, 2), tmp_path / "out")


@pytest.mark.skipif(not (BENCHMARKS / "flat").exists(), reason="needs ../shared/benchmarks/flat")
def test_the_expert_placed_133_macros() -> None:
    places = flat.listed_places(BENCHMARKS / "flat" / "ariane133_ng45" / "human_expert.txt")
    assert len(places) == 133
    assert min(x for x, _, _ in places.values()) == pytest.approx(5.13)
    assert min(y for _, y, _ in places.values()) == pytest.approx(5.04)
