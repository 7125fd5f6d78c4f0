"""Floorplans within a search: when they are made, what comes back, and what stops it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dse.exploration.repricing import PlacementPlan
from dse.exploration.results import Result
from dse.exploration.run import ExplorationProgress, explore
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints
from netlists.errors import SettingsError
from tests.dse.toy import space, toy

__all__ = ["toy"]
BUDGET = 96


class Placer:
    """Prices designs of a space as if all wires made the first objective dearer, by a factor of their number."""

    def __init__(self, where: DesignSpace, stop_after: int = 1000, fail: bool = False) -> None:
        self.where, self.stop_after, self.fail = where, stop_after, fail
        self.rounds: list[list[int]] = []

    def price(self, numbers: Ints) -> Floats:
        if len(self.rounds) == self.stop_after:
            raise KeyboardInterrupt
        self.rounds.append(numbers.tolist())
        factor = np.ones((len(numbers), len(self.where.objectives)))
        factor[:, 0] = 1.0 + numbers % 7 / 10
        return np.full_like(factor, np.inf) if self.fail else self.where.evaluate(numbers).objectives * factor


def search(
    folder: Path, placer: Placer, most: int = 10, resume: bool = False, budget: int = BUDGET
) -> tuple[Result, list[ExplorationProgress]]:
    """A Bayesian search in this process with floorplans by a placer."""
    seen = list[ExplorationProgress]()
    plan = PlacementPlan(most, placer.price)
    result = explore(
        placer.where, folder, search="bayes", budget=budget, resume=resume, plan=plan, on_progress=seen.append
    )
    return result, seen


@pytest.fixture
def in_process(toy: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches start no cluster."""
    from contextlib import nullcontext

    from dse.exploration import run

    monkeypatch.setattr(run, "connected", lambda *address: nullcontext())


@pytest.mark.usefixtures("in_process")
def test_floorplans_keep_pace_with_the_search(tmp_path: Path) -> None:
    placer = Placer(space())
    result, seen = search(tmp_path / "run", placer)
    assert [len(each) for each in placer.rounds] == [4, 4, 2]
    numbers = [number for each in placer.rounds for number in each]
    assert len(set(numbers)) == 10
    # Four of ten are due after 39 of 96 designs, eight after 77; batches are of 16.
    assert [each.placed for each in seen] == [0, 0, 4, 4, 8, 10]
    prices = result.prices
    assert prices
    assert sorted(prices.index[prices.placed].tolist()) == sorted(numbers)
    rows = np.flatnonzero(prices.placed)
    factor = 1.0 + prices.index[rows] % 7 / 10
    np.testing.assert_allclose(prices.expected[rows, 0], prices.estimated[rows, 0] * factor)
    assert np.array_equal(prices.expected[rows, 1:], prices.estimated[rows, 1:])


@pytest.mark.usefixtures("in_process")
def test_new_prices_change_what_is_searched(tmp_path: Path) -> None:
    small = space()
    with_prices, _ = search(tmp_path / "a", Placer(small))
    again, _ = search(tmp_path / "b", Placer(small))
    without = explore(small, tmp_path / "c", search="bayes", budget=BUDGET)
    ids = [[row["id"] for row in result.designs] for result in (with_prices, again, without)]
    assert ids[0] == ids[1]
    assert ids[0] != ids[2]
    assert without.prices is None


@pytest.mark.usefixtures("in_process")
def test_a_stopped_search_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    small = space()
    whole, _ = search(tmp_path / "whole", Placer(small))
    stopped, _ = search(tmp_path / "run", Placer(small, stop_after=1))
    assert not stopped.complete
    placer = Placer(small)
    resumed, _ = search(tmp_path / "run", placer, resume=True)
    assert resumed.complete
    assert resumed.designs == whole.designs
    assert resumed.prices
    assert whole.prices
    assert np.array_equal(resumed.prices.expected, whole.prices.expected)
    last, _ = search(tmp_path / "last", Placer(small, stop_after=2))  # in the last round, all designs are stored
    assert not last.complete


@pytest.mark.usefixtures("in_process")
def test_designs_that_cannot_be_placed_are_none(tmp_path: Path) -> None:
    placer = Placer(space(), fail=True)
    result, _ = search(tmp_path / "run", placer)
    assert result.prices
    failed = np.isinf(result.prices.expected).any(axis=1)
    assert sorted(result.prices.index[failed].tolist()) == sorted(number for each in placer.rounds for number in each)
    assert not result.prices.placed.any()
    assert result.complete


@pytest.mark.usefixtures("in_process")
def test_the_plan_belongs_to_the_run(tmp_path: Path) -> None:
    small = space()
    search(tmp_path / "run", Placer(small))
    with pytest.raises(SettingsError, match="as place was 10, not 20"):
        search(tmp_path / "run", Placer(small), most=20, resume=True)
    with pytest.raises(SettingsError, match="a search with floorplans"):
        search(tmp_path / "run", Placer(small), resume=True, budget=2 * BUDGET)
    with pytest.raises(SettingsError, match="random places nothing during the search; expected bayes"):
        explore(small, tmp_path / "other", search="random", plan=PlacementPlan(3, Placer(small).price))
    assert not (tmp_path / "other").exists()
