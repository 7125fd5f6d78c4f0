"""Hard macros keep off what no row covers: in the mask, the legalizer, the search, and every method."""

from __future__ import annotations

import numpy as np
import pytest

from netlists import load
from netlists.connectivity.cluster import cluster
from netlists.legality.verdict import legality
from netlists.netlist import Netlist
from netlists.placement import Placement
from netlists.rows.cover import blocked
from placer import place
from placer.annealing.baseline import spiral
from placer.annealing.metropolis import Budget
from placer.annealing.refine import refine
from placer.environment.env import EpisodeBatch, Observation
from placer.environment.episode import cover_map
from placer.legalization.legalize import legalize
from tests.designs import Box, case, design, row_set

SHAPES: dict[str, list[Box]] = {
    "L": [(0, 0, 100, 50), (0, 50, 50, 50)],
    "U": [(0, 0, 100, 40), (0, 40, 30, 60), (70, 40, 30, 60)],
    "channel": [(0, 0, 40, 100), (60, 0, 40, 100)],
    "cross": [(30, 0, 40, 30), (0, 30, 100, 40), (30, 70, 40, 30)],
}


def shaped(shape: str) -> Netlist:
    """Five macros and 20 cells on rows of a shape; the macros in the part of the canvas without rows, at first."""
    cells: list[Box] = [(50.0, 20.0, 3.0, 10.0)] * 20
    macros: list[Box] = [(80, 80, 18, 19), (45, 70, 14.5, 20), (5, 5, 12, 30), (70, 70, 20, 10), (60, 60, 9, 9)]
    return design(macros, cells, rows=row_set(SHAPES[shape]))


def demand_inside(placement: Placement) -> None:
    wrong = placement.violations()
    assert not wrong, (wrong.overlaps, wrong.out_of_canvas, wrong.outside_rows)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_legalizer_keeps_macros_on_rows(shape: str) -> None:
    n = shaped(shape)
    assert Placement.given(n).violations().outside_rows.size
    demand_inside(legalize(Placement.given(n)))
    demand_inside(spiral(n))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_mask_allows_places_on_rows_only(shape: str) -> None:
    n = shaped(shape)
    macros = n.movable_hard
    rng, episodes = np.random.default_rng(0), EpisodeBatch(cluster(n, 4, threads=1).netlist, 3, threads=1)
    seen: Observation | None = episodes.reset()
    assert seen is not None
    np.testing.assert_allclose(seen.maps[0, 0], cover_map(blocked(n), n), rtol=1e-6)
    while seen is not None:
        assert not seen.mask.all()
        v = episodes.order[seen.t]
        for b, cell in zip(*np.nonzero(seen.mask), strict=True):
            center = episodes.state.place[b, cell // 10, cell % 10]
            low, high = center - n.size_um[v] / 2, center + n.size_um[v] / 2
            inside = (low >= 0).all() and (high <= 100).all()
            assert inside
            assert not ((low < blocked(n)[:, 2:]) & (high > blocked(n)[:, :2])).all(axis=1).any()
        seen, _ = episodes.step(np.array([rng.choice(np.flatnonzero(mask)) for mask in seen.mask]))
    assert not episodes.stuck.any()
    for b in range(3):
        demand_inside(episodes.placement(b))
    assert macros.size == episodes.steps


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("workers", [1, 2])
def test_the_search_stays_on_rows(shape: str, workers: int) -> None:
    start = legalize(Placement.given(shaped(shape)))
    result = refine(start, Budget(trials=4000), workers=workers)
    demand_inside(result.placement)
    assert result.statistics.sum() > 0
    assert (result.placement.position_um != start.position_um).any()


@pytest.mark.parametrize("method", ["greedy", "random", "anneal", "gradient"])
@pytest.mark.parametrize("shape", ["L", "U", "channel"])
def test_every_method_ends_legally(shape: str, method: str) -> None:
    result = place(shaped(shape), method=method, iterations=1, workers=1)
    assert result.metrics["legal"], {k: v for k, v in legality(result.placement).counts.items() if v}


def test_rows_that_cover_all_change_nothing() -> None:
    plain = design([(80, 80, 18, 19), (45, 70, 14.5, 20), (5, 5, 12, 30)])
    rows = plain.with_(rows=row_set([(0, 0, 100, 95)]))  # a margin lower than a row
    first, second = (
        refine(legalize(Placement.given(n)), Budget(trials=2000)).placement.position_um for n in (plain, rows)
    )
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("method", ["greedy", "anneal"])
def test_the_input_in_the_shape_of_an_l(method: str) -> None:
    result = place(load(case("b14_L_shape_rows")), method=method, iterations=1, workers=1)
    assert result.metrics["legal"]
