"""Macros moved apart in their order: disjoint, inside, as little as possible, and none jumps over another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netlists.constraints import Constraints, Halo
from netlists.legality.rules import rule_violations
from netlists.netlist import Floats, Kind, Netlist
from netlists.placement import Placement
from placer.legalization import keep_order as module
from placer.legalization.by_rules import legalize_by_rules
from placer.legalization.keep_order import keep_order, least_displacement


def macros(size: Floats, canvas: tuple[float, float], fixed: int = 0, halo_um: float = 0.0) -> Netlist:
    """Hard macros of sizes [M, 2] in µm without nets; the last `fixed` of them stay."""
    count = len(size)
    halos = Constraints(halos=(Halo("*", halo_um, halo_um, halo_um, halo_um),)) if halo_um else None
    return Netlist(
        name="macros", node_names=tuple(f"m{k}" for k in range(count)), kind=np.full(count, Kind.HARD, dtype=np.int8),
        size_um=size, fixed=np.arange(count) >= count - fixed, position_um=np.tile(np.array(canvas) / 2, (count, 1)),
        orientation=np.zeros(count, dtype=np.int8), pin_node=np.array([], dtype=np.int64),
        pin_offset_um=np.empty((0, 2)), net_start=np.array([0]), net_pin=np.array([], dtype=np.int64),
        net_weight=np.array([]), canvas_um=canvas, grid=(4, 4), constraints=halos,
    )  # fmt: skip


def placed(netlist: Netlist, position: Floats) -> Placement:
    return Placement(netlist, position, netlist.orientation)


def least(target: Floats, size: Floats, low: float, high: float) -> float:
    """The least total displacement of segments on a line in the order of their targets, tried on a grid of 1."""

    def best(k: int, start: float) -> float:
        if k == len(target):
            return 0.0
        places = np.arange(start + size[k] / 2, high - size[k] / 2 + 1e-9, 1.0)
        return min((abs(x - target[k]) + best(k + 1, x + size[k] / 2) for x in places), default=np.inf)

    return best(0, low)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from([2, 4])), min_size=1, max_size=4))
def test_displacement_is_the_least_on_a_line(segments: list[tuple[int, int]]) -> None:
    target, size = (np.array(column, dtype=float) for column in zip(*sorted(segments), strict=True))
    count = len(target)
    found = least_displacement(target, size, size / 2, 14 - size / 2, np.triu(np.ones((count, count), dtype=bool), 1))
    expected = least(target, size, 0.0, 14.0)
    if found is None:
        assert expected == np.inf
    else:
        assert np.abs(found - target).sum() == pytest.approx(expected, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 14), st.sampled_from([0.0, 3.0]), st.sampled_from([0, 1]))
def test_macros_end_apart_inside_and_near(seed: int, count: int, halo_um: float, fixed: int) -> None:
    rng = np.random.default_rng(seed)
    size = rng.integers(5, 20, (count + fixed, 2)).astype(float)
    n = macros(size, (120.0, 100.0), fixed, halo_um)
    start = rng.random(size.shape) * np.array(n.canvas_um)
    if fixed:
        start[-1] = 60.0, 50.0
    moved = keep_order(placed(n, start))
    if moved is None:  # a chain that fits along neither axis
        return
    assert not moved.violations().overlaps.size
    assert not moved.violations().out_of_canvas.size
    np.testing.assert_array_equal(moved.position_um[n.fixed], start[n.fixed])
    if halo_um:
        assert not rule_violations(moved)
        assert legalize_by_rules(moved) is moved


def test_a_legal_placement_stays() -> None:
    n = macros(np.full((9, 2), 10.0), (50.0, 50.0))
    position = np.array([[8.0 + 15 * i, 9.0 + 14 * j] for i in range(3) for j in range(3)])
    moved = keep_order(placed(n, position))
    assert moved is not None
    np.testing.assert_allclose(moved.position_um, position, atol=1e-7)


def test_a_row_that_is_too_long_goes_on_above() -> None:
    """Six macros at nearly one height do not fit side by side: some go up or down, in the order of their heights."""
    n = macros(np.full((6, 2), 20.0), (70.0, 70.0))
    position = np.column_stack([np.linspace(12, 58, 6), 35 + np.array([0.0, 1, 0, 1, 0, 1])])
    moved = keep_order(placed(n, position))
    assert moved is not None
    assert not moved.violations()


def test_macros_that_cannot_fit_are_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert keep_order(placed(macros(np.full((2, 2), 10.0), (12.0, 12.0)), np.full((2, 2), 6.0))) is None
    n = macros(np.full((3, 2), 2.0), (12.0, 12.0))
    monkeypatch.setattr(module, "MOST_MACROS", 2)
    assert keep_order(placed(n, np.full((3, 2), 6.0))) is None


def test_equal_targets_are_ordered_by_number() -> None:
    n = macros(np.full((3, 2), 10.0), (40.0, 10.0))
    moved = keep_order(placed(n, np.tile([20.0, 5.0], (3, 1))))
    assert moved is not None
    assert not moved.violations()
    np.testing.assert_allclose(moved.position_um[:, 0], [10.0, 20.0, 30.0])
