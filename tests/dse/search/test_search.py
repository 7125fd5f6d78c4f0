"""Searchers: what all of them promise, and how close each comes to the true front of a small space."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from dse.search import SEARCHES, Searcher, make_searcher, random
from dse.search.genes import Genes
from dse.search.pareto import Archive, hypervolume
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints
from netlists.errors import ChipscapeError
from tests import ROOT
from tests.dse.space.test_space import TWO
from tests.dse.toy import space, toy

__all__ = ["toy"]
pytestmark = pytest.mark.usefixtures("toy")


def run(searcher: Searcher, where: DesignSpace, portion: int = 64) -> tuple[Ints, Archive]:
    """Numbers in the order in which they were asked for, and their front."""
    asked, archive = [], Archive()
    while not searcher.done:
        index = np.asarray(searcher.ask(portion))
        assert len(index) <= portion
        if not len(index):
            break
        result = where.evaluate(index)
        order = np.argsort(index % 7)  # results come in another order
        half = len(index) // 2
        for part in (order[:half], order[half:]):
            searcher.tell(index[part], result.objectives[part], result.feasible[part])
        archive.add(index, result.objectives)
        asked.append(index)
    assert searcher.done
    return np.concatenate(asked), archive


def volume(archive: Archive, truth: Archive) -> float:
    """Hypervolume relative to that of the true front, with objectives scaled to its extent."""
    assert archive.objectives is not None
    assert truth.objectives is not None
    low, high = truth.objectives.min(axis=0), truth.objectives.max(axis=0)

    def scaled(front: Floats) -> float:
        return hypervolume((front - low) / (high - low), np.full(len(low), 1.1))

    return scaled(archive.objectives) / scaled(truth.objectives)


@pytest.mark.parametrize("changes", [{}, TWO], ids=["one template", "two"])
@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_keeps_its_promises(name: str, changes: dict[str, Any]) -> None:
    """Designs stay within the budget, come once, meet the conditions, and are the same for the same seed."""
    small = space(**changes)
    budget = 60 if name == "bayes" else 150
    asked, _ = run(make_searcher(name, small, 3, budget), small)
    again, _ = run(make_searcher(name, small, 3, budget), small)
    assert np.array_equal(asked, again)
    assert len(set(asked.tolist())) == len(asked) <= budget
    if name != "exhaustive":
        assert small.holds(asked).all()
        assert len(asked) >= min(budget, small.holds(np.arange(small.size)).sum()) * 0.9
    if name in ("random", "nsga2", "bayes") and not changes:
        other, _ = run(make_searcher(name, small, 4, budget), small)
        assert not np.array_equal(asked, other)


@pytest.mark.parametrize("name", ["random", "nsga2", "nsga3"])
def test_portions_change_nothing(name: str) -> None:
    small = space()
    few, _ = run(make_searcher(name, small, 1, 200), small, 7)
    many, _ = run(make_searcher(name, small, 1, 200), small, 1000)
    assert np.array_equal(few, many)


@pytest.mark.parametrize(
    ("name", "before", "after"), [("random", 70, 200), ("nsga2", 70, 200), ("nsga3", 70, 200), ("bayes", 37, 80)]
)
def test_a_larger_budget_begins_as_a_smaller_one(name: str, before: int, after: int) -> None:
    """Also if it gets the results of the last, shorter portion of the smaller budget before it asks for more."""
    small = space()
    few, _ = run(make_searcher(name, small, 1, before), small)
    many, _ = run(make_searcher(name, small, 1, after), small)
    assert np.array_equal(few, many[:before])
    searcher, asked = make_searcher(name, small, 1, after), list[int]()
    while not searcher.done:
        index = np.asarray(searcher.ask(min(64, before - len(asked)) if len(asked) < before else 64))
        result = small.evaluate(index)
        searcher.tell(index, result.objectives, result.feasible)
        asked += index.tolist()
    assert asked == many.tolist()


def test_exhaustive_and_random_see_everything() -> None:
    small = space()
    everything = np.arange(small.size)
    assert np.array_equal(run(make_searcher("exhaustive", small), small)[0], everything)
    asked, _ = run(make_searcher("random", small, 5), small)
    assert np.array_equal(np.sort(asked), everything[small.holds(everything)])
    assert abs(np.corrcoef(asked[:-1], asked[1:])[0, 1]) < 0.1
    assert abs(np.corrcoef(asked, np.arange(len(asked)))[0, 1]) < 0.1


@pytest.mark.parametrize("name", ["random", "nsga2", "nsga3", "bayes"])
def test_conditions_that_no_design_meets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The search ends although the space is too large to go through."""
    monkeypatch.setattr(random, "BARREN", 50_000)
    many = {"from": 1, "to": 1000}
    parameters = {"rows": many, "columns": many, "buffer_kb": many, "clock_mhz": [100, 200]}
    none = space(parameters=parameters, conditions=["rows + columns < 0"])
    searcher = make_searcher(name, none, 0, 100)
    assert not len(searcher.ask(100))
    assert searcher.done


@pytest.mark.parametrize("portion", [1, 7, 1000])
def test_a_random_search_ends_after_the_same_misses_whatever_is_asked_for(
    portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = space(conditions=["rows == 4", "columns == 6", "clock_mhz == 100"])
    order = np.asarray(make_searcher("random", space(conditions=["rows > 0"]), 1).ask(small.size))
    places = np.flatnonzero(small.holds(order))
    gaps = np.diff(places, prepend=-1)
    most = int(gaps[:4].max())
    found = int(np.flatnonzero(gaps > most)[0])
    monkeypatch.setattr(random, "BARREN", most)
    monkeypatch.setattr(random, "LEAST", 1)
    asked, _ = run(make_searcher("random", small, 1), small, portion)
    assert np.array_equal(asked, order[places[:found]])
    assert 4 <= found < len(places)


@pytest.mark.parametrize("rows", [[8], [8, 16], [4, 8, 16]])
@pytest.mark.parametrize("name", SEARCHES)
def test_tiny_spaces_end(name: str, rows: list[int]) -> None:
    """A search ends after all designs; a space of one design has nothing to cross or mutate."""
    tiny = space(parameters={"rows": rows, "buffer_kb": 64})
    assert sorted(run(make_searcher(name, tiny), tiny)[0].tolist()) == list(range(tiny.size))


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_fronts_of_few_different_values(name: str, count: int) -> None:
    """Many designs cost the same; pymoo compares none of them."""
    objectives: list[dict[str, str]] = [{"multipliers": "min"}, {"area_mm2": "max"}, {"buffer_kb": "min"}]
    same = space(
        parameters={"rows": [8, 16], "buffer_kb": 64, "clock_mhz": {"from": 100, "to": 200}},
        objectives=objectives[:count],
        conditions=[],
    )
    asked, found = run(make_searcher(name, same, 0, 150), same)
    assert len(asked) == 150
    assert len(found) == min(count, 2)


def test_genetic_search_finds_the_front() -> None:
    small = space(objectives=[{"latency_ms": "min"}, {"energy_mj": "min"}, {"area_mm2": "min"}])
    _, truth = run(make_searcher("exhaustive", small), small)
    assert len(truth) > 20
    for name in ("nsga2", "nsga3"):
        found = volume(run(make_searcher(name, small, 0, 500), small)[1], truth)
        assert found > 0.99
        assert found > volume(run(make_searcher("random", small, 0, 500), small)[1], truth)


def test_bayesian_search_needs_few_designs() -> None:
    small = space()
    _, truth = run(make_searcher("exhaustive", small), small)
    assert volume(run(make_searcher("bayes", small, 0, 120), small, 16)[1], truth) > 0.94


def test_genetic_search_leaves_the_infeasible_region() -> None:
    """One design in a hundred meets the constraints, and the conditions do not tell which."""
    small = space(constraints={"area_mm2": {"max": 1.0}, "latency_ms": {"max": 30}})
    _, truth = run(make_searcher("exhaustive", small), small)
    feasible = small.evaluate(np.arange(small.size)).feasible.mean()
    assert 0 < feasible < 0.02
    assert volume(run(make_searcher("nsga2", small, 0, 600), small)[1], truth) > 0.95


@pytest.mark.parametrize("changes", [{}, TWO], ids=["one template", "two"])
def test_genes_name_all_designs(changes: dict[str, Any]) -> None:
    small = space(**changes)
    genes = Genes(small)
    index = np.arange(small.size)
    encoded = genes.encode(index)
    assert (encoded >= 0).all()
    assert (encoded < genes.counts).all()
    assert np.array_equal(genes.decode(encoded), index)
    random = np.random.default_rng(0).integers(0, genes.counts, (5000, len(genes.counts)))
    assert len(set(genes.decode(random).tolist())) > 0.85 * small.size


def test_wrong_options_are_named() -> None:
    small = space()
    with pytest.raises(ChipscapeError, match="search 'nsga' is unknown; did you mean 'nsga"):
        make_searcher("nsga", small)
    with pytest.raises(ChipscapeError, match="budget is 0"):
        make_searcher("random", small, 0, 0)
    with pytest.raises(ChipscapeError, match="seed is -1"):
        make_searcher("random", small, -1)


def test_the_readme_lists_every_search() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in SEARCHES if f"`{name}`" not in text] == []


def test_searches_are_listed_without_loading_them() -> None:
    code = "import sys, dse.search; print(sorted({'numba', 'pymoo', 'optuna'} & set(sys.modules)))"
    process = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"
