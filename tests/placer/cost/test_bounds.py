"""Lower bounds of the cost: below every legal placement, and as known on paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists import load
from netlists.errors import LegalizationError
from netlists.netlist import Kind, Netlist, Routing
from netlists.placement import Placement
from netlists.synthetic.generate import generate, random_case
from placer.annealing.baseline import spiral
from placer.cost import evaluate, lower_bounds
from placer.cost.bounds import cells_covered, largest_cover


@pytest.mark.compiled
@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_no_legal_placement_is_below(seed: int) -> None:
    chip = generate(random_case(seed), seed)
    try:
        placement = spiral(chip)
    except LegalizationError:
        return
    result, least = evaluate(placement), lower_bounds(chip)
    for part in ("wirelength", "density", "congestion", "proxy"):
        assert getattr(result, part) >= getattr(least, part) * (1 - 1e-9)


def test_macros_half_a_cell_wide_and_one_and_a_half_high() -> None:
    chip = load("jetty")
    n, size = len(chip.hard), chip.size_um.copy()
    size[chip.hard] = np.array(chip.cell_um) * (0.5, 1.5)  # at least 3/4 of some cell's height
    least = lower_bounds(chip.with_(size_um=size))
    ratio = chip.routing.macro_horizontal_per_um / chip.routing.horizontal_per_um
    other = chip.routing.macro_vertical_per_um / chip.routing.vertical_per_um
    k = int(0.1 * chip.grid[0] * chip.grid[1])
    assert n < k <= 2 * n
    assert least.congestion == pytest.approx((0.75 * ratio * n + 0.25 * other * (k - n)) / k)
    even = 0.5 * size.prod(axis=1)[chip.kind != Kind.PORT].sum() / np.prod(chip.canvas_um)
    assert least.density == pytest.approx(even)


def slow_cover(length: float, start: float) -> list[float]:
    return [max(0.0, min(start + length, c + 1) - max(start, c)) for c in range(12)]


@pytest.mark.parametrize("length", [0.3, 1.0, 1.4, 1.95, 2.0, 2.7, 3.0, 5.5])
def test_spans_are_the_least_over_all_positions(length: float) -> None:
    covers = [slow_cover(length, start) for start in np.linspace(1, 2, 201)]
    span = np.array([length])
    assert cells_covered(span)[0] == min(sum(part > 1 - 1e-9 for part in cover) for cover in covers)
    assert largest_cover(span)[0] == pytest.approx(min(max(cover) for cover in covers), abs=0.003)


def test_even_spreading_and_blocked_tracks() -> None:
    netlist = one_macro()
    least = lower_bounds(netlist)
    # One macro of 4x4 cells on a 10x10 grid fills at least 3x3 cells; the tenth of the 10 fullest cells comes from
    # spreading the other 7 cells of area evenly over 91.
    assert least.density == pytest.approx(0.5 * (9 + 7 / 91) / 10)
    # At least 3 full rows x 3 columns of vertical edges are blocked by half of their capacity, and as many horizontal
    # edges: more than the 10 worst edges, so that the edges which the macro blocks partly do not count.
    assert least.congestion == pytest.approx(0.5)


@pytest.mark.parametrize(("x_um", "counts"), [(2.0, True), (8.0, True), (1.9, False), (8.1, False)])
def test_a_fixed_macro_beyond_the_canvas_does_not_count(x_um: float, counts: bool) -> None:
    """What lies outside covers no cell of the grid; a macro at the edge of the canvas is inside."""
    least = lower_bounds(one_macro().with_(fixed=np.ones(1, bool), position_um=np.array([[x_um, 5.0]])))
    assert least.density == (pytest.approx(0.5 * (9 + 7 / 91) / 10) if counts else 0.0)
    assert least.congestion == (pytest.approx(0.5) if counts else 0.0)


def test_a_grid_of_one_cell() -> None:
    """A macro on all of it fills the cell, and blocks at least half of what it would block of aligned cells."""
    whole = one_macro().with_(grid=(1, 1), size_um=np.array([[10.0, 10.0]]))
    least, result = lower_bounds(whole), evaluate(Placement.given(whole))
    assert (least.density, least.congestion) == (0.5, 0.25)
    assert (result.density, result.congestion) == (0.5, 0.5)


def test_fixed_pins_bound_the_wirelength() -> None:
    """Two ports 8 µm and 6 µm apart and a macro that moves: 14 µm with weight 3, of 20 µm times the weights."""
    macro = one_macro()
    chip = macro.with_(
        node_names=("m", "a", "b"), kind=np.array([Kind.HARD, Kind.PORT, Kind.PORT], np.int8),
        size_um=np.array([[4.0, 4.0], [0.0, 0.0], [0.0, 0.0]]), fixed=np.array([False, True, True]),
        position_um=np.array([[5.0, 5.0], [0.0, 2.0], [8.0, 8.0]]), orientation=np.zeros(3, np.int8),
        pin_node=np.arange(3), pin_offset_um=np.zeros((3, 2)), net_start=np.array([0, 3, 5, 6]),
        net_pin=np.array([0, 1, 2, 1, 0, 0]), net_weight=np.array([3.0, 1.0, 1.0]),
    )  # fmt: skip
    least = lower_bounds(chip)
    assert least.hpwl_um == 3 * 14
    assert least.wirelength == pytest.approx(3 * 14 / (20 * 5))


def one_macro() -> Netlist:
    return Netlist(
        name="one",
        node_names=("m",),
        kind=np.array([Kind.HARD], np.int8),
        size_um=np.array([[4.0, 4.0]]),
        position_um=np.array([[5.0, 5.0]]),
        orientation=np.zeros(1, np.int8),
        fixed=np.zeros(1, bool),
        net_start=np.zeros(1, np.int64),
        pin_node=np.zeros(0, np.int64),
        pin_offset_um=np.zeros((0, 2)),
        net_pin=np.zeros(0, np.int64),
        net_weight=np.zeros(0),
        canvas_um=(10.0, 10.0),
        grid=(10, 10),
        routing=Routing(1.0, 1.0, 0.5, 0.5, 0),
    )
