"""Searchers of a design space: which designs to evaluate next, given what earlier ones cost.

A searcher is asked for designs by number (`ask`) and gets their results back (`tell`).  `SEARCHES` lists them all; a
new one is a module with a class that follows `Searcher`, and one entry there.  Imports spaces; begin with `Searcher`,
then `exhaustive`.  Importing this package loads neither numba nor the library of any search.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from netlists.errors import DesignError, SettingsError, demand_seed, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dse.space.space import DesignSpace
    from dse.templates.base import Floats, Ints


class Searcher(Protocol):
    """What every searcher does; its constructor takes a space, a seed and the most designs to ask for.

    The same seed asks for the same designs, in whatever order and portions results come back.
    """

    def __init__(self, space: DesignSpace, seed: int, budget: int) -> None: ...

    def ask(self, n: int) -> Ints | range:
        """Numbers of at most n designs to evaluate; a `range` if they are consecutive, which is small for any n.

        Empty if the search needs results of earlier designs first, or if it is `done`.
        """

    def tell(self, index: Ints, objectives: Floats, feasible: npt.NDArray[np.bool_]) -> None:
        """Take the results of designs [n] that were asked for, in any order and portions.

        Objectives [n, K] are signed such that smaller is better; `feasible` is a mask [n].
        """

    @property
    def done(self) -> bool:
        """Whether the search asks for no more designs."""


@dataclass(frozen=True)
class Search:
    """An entry of `SEARCHES`."""

    name: str
    module: str  # loaded on first use: pymoo and optuna take a second
    searcher: str  # the class in it
    help: str
    budget: int | None = None  # designs by default; None: the whole space
    learns: bool = True  # whether results decide which designs it asks for next
    population_by_budget: bool = False  # whether the size of its first population follows from the budget
    reprices: bool = False  # whether results may change later: `dse.search.bayes.Bayes.reprice`


SEARCHES = {
    search.name: search
    for search in (
        Search("exhaustive", "dse.search.exhaustive", "Exhaustive", "every design, in order", learns=False),
        Search("random", "dse.search.random", "Random", "designs drawn at random, none twice", learns=False),
        Search(
            "nsga2", "dse.search.nsga", "Nsga2", "genetic search, for two or three objectives", 20_000,
            population_by_budget=True,
        ),
        Search(
            "nsga3", "dse.search.nsga", "Nsga3", "genetic search, for many objectives", 20_000,
            population_by_budget=True,
        ),
        Search(
            "bayes", "dse.search.bayes", "Bayes", "Bayesian search (TPE), for few evaluations", 1_000, reprices=True
        ),
    )
}  # fmt: skip
UNGUIDED = tuple(search.name for search in SEARCHES.values() if not search.learns)
"""Searches that draw designs regardless of what earlier ones cost."""
REPRICED = tuple(search.name for search in SEARCHES.values() if search.reprices)
"""Searches that decide which designs get a floorplan while they run."""


def find_search(name: str) -> Search:
    """The entry of a name; raises `DesignError` with the nearest one."""
    if name not in SEARCHES:
        raise DesignError(
            f"search {name!r} is unknown{did_you_mean(name, SEARCHES)}; expected one of {', '.join(SEARCHES)}"
        )
    return SEARCHES[name]


def make_searcher(name: str, space: DesignSpace, seed: int = 0, budget: int | None = None) -> Searcher:
    """A searcher that asks for at most `most_designs`.

    Raises `SettingsError` for a bad seed, `DesignError` for a budget below 1 or an unknown name.
    """
    demand_seed(seed)
    if budget is not None and budget < 1:
        raise DesignError(f"budget is {budget}; expected at least 1 design")
    search = find_search(name)
    searcher = cast("type[Searcher]", getattr(import_module(search.module), search.searcher))
    return searcher(space, seed, most_designs(name, space, budget))


def most_designs(name: str, space: DesignSpace, budget: int | None) -> int:
    """How many designs a search asks for at most; conditions may leave fewer.  Raises `DesignError`."""
    own = find_search(name).budget
    most = own if budget is None else budget
    return space.size if most is None else min(space.size, most)


def demand_extension(name: str, space: DesignSpace, before: int | None, budget: int | None) -> None:
    """Check that a search with a new budget begins as the same search with the budget before it.

    Raises `SettingsError` if it does not.
    """
    had, has = most_designs(name, space, before), most_designs(name, space, budget)
    if has < had or (budget is None and before is not None):
        raise SettingsError(f"budget was {had:,}; give that or a larger one")
    if find_search(name).population_by_budget:
        from dse.search.nsga import GENERATIONS, POPULATION, population_size

        if population_size(had) != population_size(has):
            raise SettingsError(f"budget was {had:,}, and below {POPULATION * GENERATIONS:,} populations of {name} are"
                                " smaller; choose another folder")  # fmt: skip
