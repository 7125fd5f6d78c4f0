"""Which designs get a floorplan: what is known of the process, and what a search does with new prices."""

from __future__ import annotations

import numpy as np
import pytest

from dse.search.bayes import Bayes
from dse.search.genes import Genes
from dse.search.repricing import PILOT, Repricer
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints
from tests.dse.space.test_space import TWO
from tests.dse.toy import space, toy

__all__ = ["toy"]
pytestmark = pytest.mark.usefixtures("toy")
OBJECTIVES = [{"latency_ms": "min"}, {"area_mm2": "min"}]


def evaluated(count: int) -> tuple[DesignSpace, Ints, Floats]:
    """A small space, and its first feasible designs with their objectives."""
    small = space(objectives=OBJECTIVES)
    numbers = np.arange(small.size)
    result = small.evaluate(numbers)
    numbers = numbers[result.feasible][:count]
    return small, numbers, result.objectives[result.feasible][:count]


def test_the_first_placements_lie_evenly_along_the_front() -> None:
    small, _, _ = evaluated(1)
    repricer = Repricer(Genes(small), 0)
    values = np.array([[1.0, 9.0], [2.0, 8.0], [3.0, 7.0], [4.0, 6.0], [5.0, 5.0], [6.0, 9.0]])
    repricer.add(np.array([3, 1, 7, 5, 9, 11]), values)
    assert repricer.choose(3).tolist() == [3, 7, 9]  # the ends and the middle; 11 is dominated
    repricer.take(np.array([3, 7, 9]), np.full((3, 2), np.inf))
    assert repricer.choose(3).tolist() == [1, 5]  # without a single floorplan nothing else is known
    assert np.isinf(repricer.prices()).all(axis=1).tolist() == [False, True, False, True, True, False]
    assert repricer.prices()[0].tolist() == [2.0, 8.0]  # of design 1


def test_a_common_factor_is_expected_everywhere() -> None:
    """If wires cost a tenth more in each placed design, they do so in all, and nothing is left to learn."""
    small, numbers, _ = evaluated(60)
    along = np.linspace(1.0, 2.0, 60)
    objectives = np.stack([along, 3.0 - along], axis=1)
    objectives[10:] += 2.0  # ten designs on the front
    repricer = Repricer(Genes(small), 0)
    repricer.add(numbers, objectives)
    placed = repricer.choose(PILOT)
    rows = np.searchsorted(numbers, placed)
    repricer.take(placed, objectives[rows] * [1.1, 1.0])
    np.testing.assert_allclose(repricer.prices(), objectives * [1.1, 1.0])
    left = set(numbers[:10].tolist()) - set(placed.tolist())
    assert set(repricer.choose(100).tolist()) == left  # the probability is 1 on the front, and 0 elsewhere


def test_neighbors_share_what_floorplans_change() -> None:
    """The ratio of prices grows along the genes: predictions follow it, and are exact where it was measured."""
    small, numbers, objectives = evaluated(400)
    genes = Genes(small)
    slope = genes.encode(numbers)[:, 0] / (genes.counts[0] - 1)
    truth = objectives * np.exp(0.3 * slope)[:, None] ** [1.0, 0.0]
    repricer = Repricer(genes, 0)
    repricer.add(numbers, objectives)
    rows = np.random.default_rng(0).permutation(len(numbers))[:30]
    repricer.take(numbers[rows], truth[rows])
    prices = repricer.prices()
    assert np.array_equal(prices[rows], truth[rows])
    error = np.abs(np.log(prices / truth))[:, 0]
    plain = np.abs(np.log(objectives / truth))[:, 0]
    assert error.mean() < 0.2 * plain.mean()
    assert np.array_equal(np.delete(prices, rows, axis=0)[:, 1], np.delete(objectives, rows, axis=0)[:, 1])


def test_dominated_designs_are_not_placed() -> None:
    """Floorplans change prices by a few percent; a design that costs ten times as much is no candidate."""
    small, numbers, _ = evaluated(50)
    random = np.random.default_rng(1)
    along = np.linspace(1.0, 2.0, 50)
    objectives = np.stack([along, 3.0 - along], axis=1)
    objectives[25:] *= 10.0
    repricer = Repricer(Genes(small), 0)
    repricer.add(numbers, objectives)
    placed = repricer.choose(PILOT)
    rows = np.searchsorted(numbers, placed)
    repricer.take(placed, objectives[rows] * np.exp(random.normal(0, 0.03, (PILOT, 2))))
    chosen = repricer.choose(100)
    assert 0 < len(chosen) <= 25 - PILOT
    assert set(chosen.tolist()) <= set(numbers[:25].tolist()) - set(placed.tolist())


def test_templates_tell_nothing_of_each_other() -> None:
    both = space(**TWO)
    repricer = Repricer(Genes(both), 0)
    numbers = np.arange(both.size)
    owner = both.part_of(numbers)
    repricer.add(numbers, np.ones((both.size, len(both.objectives))))
    distance = repricer._distances(numbers, numbers)
    assert np.isinf(distance[owner[:, None] != owner[None]]).all()
    assert (np.diag(distance) == 0).all()
    assert np.isfinite(distance[owner[:, None] == owner[None]]).all()


def propose(searcher: Bayes, where: DesignSpace, batches: int) -> list[int]:
    """Numbers that a search asks for in so many batches."""
    asked = list[int]()
    for _ in range(batches):
        index = searcher.ask(64)
        result = where.evaluate(index)
        searcher.tell(index, result.objectives, result.feasible)
        asked += index.tolist()
    return asked


def test_a_search_learns_from_new_prices() -> None:
    """If the same prices are told again nothing changes but the random numbers; doubled ones count as such."""
    small = space()
    searcher = Bayes(small, 0, 200)
    numbers = np.array(propose(searcher, small, 3))
    feasible = small.evaluate(numbers).feasible
    prices = np.array([searcher.told[number].values for number in numbers[feasible].tolist()])
    prices[0] *= 2
    prices[1] = np.inf
    searcher.reprice(numbers[feasible], prices)
    trials = searcher.study.get_trials(deepcopy=False)
    assert [trial.values for trial in trials] == [prices[0].tolist(), *prices[2:].tolist()]
    assert all(trial.params == searcher.told[number].params
               for trial, number in zip(trials, np.delete(numbers[feasible], 1).tolist(), strict=True))  # fmt: skip
    more = propose(searcher, small, 2)
    assert len(more) == 32
    assert not set(more) & set(numbers.tolist())


def test_designs_that_are_out_stay_out_when_prices_change() -> None:
    small = space()
    searcher = Bayes(small, 0, 200)
    numbers = np.array(propose(searcher, small, 2))
    out = searcher.ask(64)
    feasible = small.evaluate(numbers).feasible
    searcher.reprice(numbers[feasible], small.evaluate(numbers).objectives[feasible])
    result = small.evaluate(out)
    searcher.tell(out, result.objectives, result.feasible)
    assert not searcher.out
