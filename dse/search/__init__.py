"""Searchers of a design space: they ask for designs by number and are told what these cost.

`ask(n)` gives at most n numbers; none when results have to be told first, or when the search is `done`.  Results are
told in any order and portions.  The same seed asks for the same designs whoever evaluates them.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints
from netlists.errors import DesignError, SettingsError, demand_seed, did_you_mean

NAMES = ("exhaustive", "random", "nsga2", "nsga3", "bayes")
BUDGETS = {"nsga2": 20_000, "nsga3": 20_000, "bayes": 1_000}  # designs, where none is given; others take all


class Searcher(Protocol):
    """What all searchers can do."""

    def ask(self, n: int) -> Ints | range:
        """At most n numbers of designs to evaluate; a range where they are in a row, which is small whatever n is."""

    def tell(self, index: Ints, objectives: Floats, feasible: npt.NDArray[np.bool_]) -> None:
        """Results of designs [n] that were asked for: objectives [n, K], smaller is better, and feasibility [n]."""

    @property
    def done(self) -> bool:
        """Whether nothing will be asked for any more."""


def make_searcher(name: str, space: DesignSpace, seed: int = 0, budget: int | None = None) -> Searcher:
    """A searcher that asks for at most `most_designs`; raises `SettingsError` for a seed, `DesignError` otherwise."""
    demand_seed(seed)
    if budget is not None and budget < 1:
        raise DesignError(f"budget is {budget}; expected at least 1 design")
    most = most_designs(name, space, budget)
    # Imported here: pymoo and optuna take a second that other searches do not need.
    if name == "exhaustive":
        from dse.search.exhaustive import Exhaustive

        return Exhaustive(space, most)
    if name == "random":
        from dse.search.random import Random

        return Random(space, seed, most)
    if name in ("nsga2", "nsga3"):
        from dse.search.nsga import Nsga

        return Nsga(space, seed, most, many=name == "nsga3")
    if name == "bayes":
        from dse.search.bayes import Bayes

        return Bayes(space, seed, most)
    raise DesignError(f"search {name!r} is unknown{did_you_mean(name, NAMES)}; expected one of {', '.join(NAMES)}")


def most_designs(name: str, space: DesignSpace, budget: int | None) -> int:
    """How many designs a search asks for at most; fewer where conditions leave fewer."""
    return min(space.size, BUDGETS.get(name, space.size) if budget is None else budget)


def demand_extension(name: str, space: DesignSpace, before: int | None, budget: int | None) -> None:
    """Raise `SettingsError` unless a search with one budget begins as the same one with the budget before it."""
    had, has = most_designs(name, space, before), most_designs(name, space, budget)
    if has < had or (budget is None and before is not None):
        raise SettingsError(f"budget was {had:,}; give that or a larger one")
    if name in ("nsga2", "nsga3"):
        from dse.search.nsga import GENERATIONS, POPULATION, population

        if population(had) != population(has):
            raise SettingsError(f"budget was {had:,}, and below {POPULATION * GENERATIONS:,} populations of {name} are"
                                " smaller; choose another folder")  # fmt: skip
