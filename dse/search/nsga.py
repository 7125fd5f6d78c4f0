"""Genetic search of the front: NSGA-II, and NSGA-III for many objectives, by pymoo (Blank and Deb, IEEE Access 2020).

What is our own: genes are positions in the parameters' lists, so the operators are those of ordered whole numbers; no
design is asked for twice, nor one that fails a condition; the population grows with the front that is found, so that
it is quick at first and covers a large front in the end.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import numpy.typing as npt
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.algorithms.moo.nsga3 import NSGA3
from pymoo.core.crossover import Crossover
from pymoo.core.duplicate import DuplicateElimination
from pymoo.core.mutation import Mutation
from pymoo.core.problem import Problem
from pymoo.core.sampling import Sampling
from pymoo.core.termination import NoTermination
from pymoo.functions import load_function
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
from pymoo.problems.static import StaticProblem
from pymoo.util.ref_dirs import get_reference_directions

from dse.search.genes import Genes
from dse.search.pareto import Archive
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints

POPULATION = 100  # at first, and bred at a time
SMALLEST = 20  # a population, of small budgets
LARGEST = 1_000
PARENTS = 0.5  # size of the population over that of the front
GENERATIONS = 20  # at least, when the budget is small
DRAWS = 100  # tries to fill the first population with designs that meet the conditions
CORNERS = 4  # one in so many of the first population is a corner
RESET = 0.25  # share of mutations that draw any value instead of one nearby


class Nsga:
    """NSGA-II or, with `many`, NSGA-III; one generation is asked for before its results have to be told."""

    def __init__(self, space: DesignSpace, seed: int, budget: int, many: bool = False) -> None:
        self.space, self.genes = space, Genes(space)
        self.left = budget
        self.seen: set[int] = set()
        self.generation: Any = None  # pymoo's population, out for evaluation
        self.waiting = np.zeros(0, np.int64)  # of it, not yet asked for
        self.results: dict[int, tuple[Floats, bool]] = {}
        self.front = Archive()
        self.stuck = False  # nothing new can be bred
        size = population(budget)
        common = {
            "pop_size": size,
            "sampling": _First(self),
            "crossover": _Uniform(n_parents=2, n_offsprings=2),
            "mutation": _Step(),
            "eliminate_duplicates": _Fresh(self),
        }
        objectives = len(space.objectives)
        if many:
            directions = get_reference_directions("das-dennis", objectives, n_partitions=_partitions(objectives, size))
            self.algorithm: Any = NSGA3(directions, selection=TournamentSelection(func_comp=_feasible_first), **common)
        else:
            self.algorithm = NSGA2(survival=RankAndCrowding(crowding_func=_spread), **common)
        problem = Problem(
            n_var=len(self.genes.counts), n_obj=objectives, n_ieq_constr=1, xl=0, xu=self.genes.counts - 1, vtype=int
        )
        self.algorithm.setup(problem, termination=NoTermination(), seed=seed)

    @property
    def done(self) -> bool:
        return self.stuck or (self.left == 0 and not len(self.waiting))

    def ask(self, n: int) -> Ints:
        if self.generation is None and not self.done:
            self._breed()
        asked, self.waiting = self.waiting[:n], self.waiting[n:]
        return asked

    def _breed(self) -> None:
        bred = self.algorithm.ask()
        if bred is None or not len(bred):
            self.stuck = True
            return
        self.generation = bred[: self.left]
        self.waiting = self.numbers(self.generation)
        self.seen.update(self.waiting.tolist())
        self.left -= len(self.waiting)

    def tell(self, index: Ints, objectives: Floats, feasible: npt.NDArray[np.bool_]) -> None:
        for number, row, fits in zip(index.tolist(), objectives, feasible.tolist(), strict=True):
            self.results[number] = row, fits
        if self.generation is None or len(self.results) < len(self.generation):
            return
        told = [self.results[number] for number in self.numbers(self.generation).tolist()]
        fits = np.array([each[1] for each in told])
        rows = np.array([each[0] for each in told])
        # NSGA-II ranks what is not feasible behind the rest by its violation alone.
        known = StaticProblem(
            self.algorithm.problem, F=np.where(fits[:, None], rows, 0.0), G=np.where(fits, 0.0, 1.0)[:, None]
        )
        self.algorithm.evaluator.eval(known, self.generation)
        self.front.add(self.numbers(self.generation), rows)
        if isinstance(self.algorithm, NSGA2):  # NSGA-III keeps as many as it has directions
            self.algorithm.pop_size = int(np.clip(PARENTS * len(self.front), self.algorithm.n_offsprings, LARGEST))
        self.algorithm.tell(infills=self.generation)
        self.generation, self.results = None, {}

    def numbers(self, population: Any) -> Ints:
        """The designs [n] of a population."""
        return self.genes.decode(population.get("X").astype(np.int64))


def population(budget: int) -> int:
    """How many designs the first population has."""
    return int(np.clip(budget // GENERATIONS, SMALLEST, POPULATION))


def _spread(objectives: Floats, n_remove: int) -> Floats:
    """How far each of n different rows [n, K] of a front is from the others, as it is when n_remove are gone.

    Instead of the original's crowding distance, which spreads three objectives badly: distances to the two nearest
    (Kukkonen and Deb, PPSN 2006), for two objectives pruning one by one (the same, CEC 2006).  pymoo's functions read
    beyond the end of so few rows that none can be removed.
    """
    n, count = objectives.shape
    if n <= max(count, 2):
        return np.full(n, np.inf)
    return np.asarray(load_function("calc_pcd" if count < 3 else "calc_2nn")(objectives, n_remove=n_remove))


def _feasible_first(population: Any, pairs: Ints, **kwargs: Any) -> Ints:
    """Of each pair [n, 2], drawn at random, the one that is feasible, else the first.

    pymoo's own comparison of NSGA-III draws between equals from a generator that no seed reaches.
    """
    violation = population.get("CV")[:, 0]
    second = violation[pairs[:, 1]] < violation[pairs[:, 0]]
    return np.where(second, pairs[:, 1], pairs[:, 0])[:, None]


def _partitions(objectives: int, size: int) -> int:
    """How finely NSGA-III divides each objective so that there are at most `size` directions."""
    steps = 1
    while objectives > 1 and comb(steps + objectives, objectives - 1) <= size:
        steps += 1
    return steps


class _First(Sampling):  # type: ignore[misc]
    """Corners of the space, every gene at either end, and random designs, all of which meet the conditions."""

    def __init__(self, search: Nsga) -> None:
        super().__init__()
        self.search = search

    def _do(self, problem: Any, n_samples: int, *args: Any, random_state: Any = None, **kwargs: Any) -> Ints:
        counts, genes = self.search.genes.counts, np.zeros((0, len(self.search.genes.counts)), np.int64)
        for attempt in range(DRAWS):
            drawn = random_state.integers(0, counts, (n_samples, len(counts)))
            if attempt == 0:
                corner = random_state.integers(0, 2, (n_samples // CORNERS, len(counts))) * (counts - 1)
                drawn = np.concatenate([corner, drawn])
            held = self.search.space.holds(self.search.genes.decode(drawn))
            genes = np.unique(np.concatenate([genes, drawn[held]]), axis=0)
            if len(genes) >= n_samples:
                break
        return np.asarray(random_state.permutation(genes)[:n_samples])


class _Uniform(Crossover):  # type: ignore[misc]
    """Each gene of a child comes from either parent."""

    def _do(self, problem: Any, X: Ints, *args: Any, random_state: Any = None, **kwargs: Any) -> Ints:
        swap = random_state.random(X.shape[1:]) < 0.5
        return np.stack([np.where(swap, X[1], X[0]), np.where(swap, X[0], X[1])])


class _Step(Mutation):  # type: ignore[misc]
    """A gene or two move to a near value, the nearer the likelier, or to any."""

    def _do(self, problem: Any, X: Ints, *args: Any, random_state: Any = None, **kwargs: Any) -> Ints:
        counts, X = (problem.xu + 1).astype(np.int64), X.astype(np.int64)
        chosen = random_state.random(X.shape) < 1.0 / X.shape[1]
        chosen[np.arange(len(X)), random_state.integers(0, X.shape[1], len(X))] |= random_state.random(len(X)) < 0.5
        # Scale-free steps: 1 as likely as 2 or 3, as 4 to 7, ...
        reach = np.floor(np.exp2(random_state.random(X.shape) * np.log2(np.maximum(counts - 1, 1) + 1)))
        step = (reach * random_state.choice([-1, 1], X.shape)).astype(np.int64)
        near = np.clip(X + step, 0, counts - 1)
        return np.where(
            chosen, np.where(random_state.random(X.shape) < RESET, random_state.integers(0, counts, X.shape), near), X
        )


class _Fresh(DuplicateElimination):  # type: ignore[misc]
    """Keeps what is new: not asked for before, not twice in one generation, and meeting the conditions."""

    def __init__(self, search: Nsga) -> None:
        super().__init__()
        self.search = search

    def do(self, pop: Any, *others: Any, **kwargs: Any) -> Any:
        if not len(pop):
            return pop
        index = self.search.numbers(pop)
        known = set(self.search.seen)
        for other in others[1:]:
            known.update(self.search.numbers(other).tolist() if len(other) else ())
        kept = []
        for place, number in enumerate(index.tolist()):
            if number not in known:
                known.add(number)
                kept.append(place)
        places = np.array(kept, np.int64)
        return pop[places[self.search.space.holds(index[places])]]
