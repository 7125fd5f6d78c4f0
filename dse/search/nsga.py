"""Genetic search of the front: NSGA-II, and NSGA-III for many objectives, by pymoo (Blank and Deb, IEEE Access 2020).

Our own additions: genes are positions in the lists of the parameters, so the operators are those of ordered integers;
no design is asked for twice, and none that violates a condition; the population grows with the front, so the search is
quick at first and covers a large front at the end.
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

POPULATION = 100
"""Designs in the first population, and designs bred per generation."""
SMALLEST = 20
"""Designs in the first population of a small budget."""
LARGEST = 1_000
"""Designs in a population at most."""
PARENTS = 0.5
"""Size of the population relative to that of the front."""
GENERATIONS = 20
"""Generations for which a small budget suffices at least."""
DRAWS = 100
"""Attempts to fill the first population with designs that meet the conditions."""
CORNERS = 4
"""One in this many designs of the first population is a corner of the space."""
RESET = 0.25
"""Fraction of mutations that draw any value rather than a nearby one."""


class _Nsga:
    """A genetic search; it asks for one generation and needs all of its results before the next."""

    def __init__(self, space: DesignSpace, seed: int, budget: int) -> None:
        self.space, self.genes = space, Genes(space)
        self.left = budget
        self.seen: set[int] = set()
        self.generation: Any = None  # pymoo's population, out for evaluation
        self.waiting = np.zeros(0, np.int64)  # designs of the generation that were not asked for yet
        self.results: dict[int, tuple[Floats, bool]] = {}
        self.front = Archive()
        self.stuck = False  # whether no new design can be bred
        operators = {
            "sampling": _FirstPopulation(self),
            "crossover": _UniformCrossover(n_parents=2, n_offsprings=2),
            "mutation": _StepMutation(),
            "eliminate_duplicates": _NewDesigns(self),
        }
        objectives = len(space.objectives)
        self.algorithm = self._algorithm(objectives, population_size(budget), operators)
        problem = Problem(
            n_var=len(self.genes.counts), n_obj=objectives, n_ieq_constr=1, xl=0, xu=self.genes.counts - 1, vtype=int
        )
        self.algorithm.setup(problem, termination=NoTermination(), seed=seed)

    def _algorithm(self, objectives: int, size: int, operators: dict[str, Any]) -> Any:
        """Pymoo's algorithm for so many objectives, with a population of some size."""
        raise NotImplementedError

    def _grow(self) -> None:
        """Adapt the size of the population to the front."""

    @property
    def done(self) -> bool:
        """Whether the budget is spent or no new design can be bred."""
        return self.stuck or (self.left == 0 and not len(self.waiting))

    def ask(self, n: int) -> Ints:
        """The next n designs of the generation; none while results of the last one are missing."""
        if self.generation is None and not self.done:
            self._breed()
        asked, self.waiting = self.waiting[:n], self.waiting[n:]
        return asked

    def _breed(self) -> None:
        offspring = self.algorithm.ask()
        if offspring is None or not len(offspring):
            self.stuck = True
            return
        self.generation = offspring[: self.left]
        self.waiting = self.numbers(self.generation)
        self.seen.update(self.waiting.tolist())
        self.left -= len(self.waiting)

    def tell(self, index: Ints, objectives: Floats, feasible: npt.NDArray[np.bool_]) -> None:
        """Take results, objectives [n, K] and mask `feasible` [n]; the last of a generation lets the next be bred."""
        for number, row, fits in zip(index.tolist(), objectives, feasible.tolist(), strict=True):
            self.results[number] = row, fits
        if self.generation is None or len(self.results) < len(self.generation):
            return
        results = [self.results[number] for number in self.numbers(self.generation).tolist()]
        fits = np.array([fits for _, fits in results])
        rows = np.array([row for row, _ in results])
        # NSGA-II ranks infeasible designs below the others, by their violation alone.
        known = StaticProblem(
            self.algorithm.problem, F=np.where(fits[:, None], rows, 0.0), G=np.where(fits, 0.0, 1.0)[:, None]
        )
        self.algorithm.evaluator.eval(known, self.generation)
        self.front.add(self.numbers(self.generation), rows)
        self._grow()
        self.algorithm.tell(infills=self.generation)
        self.generation, self.results = None, {}

    def numbers(self, population: Any) -> Ints:
        """Numbers [n] of the designs of a population."""
        return self.genes.decode(population.get("X").astype(np.int64))


class Nsga2(_Nsga):
    """NSGA-II; its population grows with the front."""

    def _algorithm(self, objectives: int, size: int, operators: dict[str, Any]) -> Any:
        return NSGA2(pop_size=size, survival=RankAndCrowding(crowding_func=_crowding), **operators)

    def _grow(self) -> None:
        self.algorithm.pop_size = int(np.clip(PARENTS * len(self.front), self.algorithm.n_offsprings, LARGEST))


class Nsga3(_Nsga):
    """NSGA-III; its population has as many designs as there are reference directions."""

    def _algorithm(self, objectives: int, size: int, operators: dict[str, Any]) -> Any:
        directions = get_reference_directions("das-dennis", objectives, n_partitions=_partitions(objectives, size))
        selection = TournamentSelection(func_comp=_feasible_first)
        return NSGA3(directions, pop_size=size, selection=selection, **operators)


def population_size(budget: int) -> int:
    """How many designs the first population of a budget has."""
    return int(np.clip(budget // GENERATIONS, SMALLEST, POPULATION))


def _crowding(objectives: Floats, n_remove: int) -> Floats:
    """How far each of n different rows [n, K] of a front is from the others after n_remove of them are removed.

    This replaces the crowding distance of NSGA-II, which spreads three objectives badly, by distances to the two
    nearest neighbors (Kukkonen and Deb, PPSN 2006) and, for two objectives, by pruning one row at a time (the same
    authors, CEC 2006).  Fronts too short to lose a row are left out: pymoo's functions read beyond their ends.
    """
    n, count = objectives.shape
    if n <= max(count, 2):
        return np.full(n, np.inf)
    return np.asarray(load_function("calc_pcd" if count < 3 else "calc_2nn")(objectives, n_remove=n_remove))


def _feasible_first(population: Any, pairs: Ints, **kwargs: Any) -> Ints:
    """Of each pair [n, 2], drawn at random, the feasible design, or else the first.

    Pymoo's own comparison for NSGA-III breaks ties with a generator that no seed reaches.
    """
    violation = population.get("CV")[:, 0]
    second = violation[pairs[:, 1]] < violation[pairs[:, 0]]
    return np.where(second, pairs[:, 1], pairs[:, 0])[:, None]


def _partitions(objectives: int, size: int) -> int:
    """Into how many steps NSGA-III divides each objective so that there are at most `size` directions."""
    steps = 1
    while objectives > 1 and comb(steps + objectives, objectives - 1) <= size:
        steps += 1
    return steps


class _FirstPopulation(Sampling):  # type: ignore[misc]
    """Corners of the space (every gene at either end) and random designs, all of which meet the conditions."""

    def __init__(self, search: _Nsga) -> None:
        super().__init__()
        self.search = search

    def _do(self, problem: Any, n_samples: int, *args: Any, random_state: Any = None, **kwargs: Any) -> Ints:
        counts, genes = self.search.genes.counts, np.zeros((0, len(self.search.genes.counts)), np.int64)
        for attempt in range(DRAWS):
            drawn = random_state.integers(0, counts, (n_samples, len(counts)))
            if attempt == 0:
                corner = random_state.integers(0, 2, (n_samples // CORNERS, len(counts))) * (counts - 1)
                drawn = np.concatenate([corner, drawn])
            valid = self.search.space.holds(self.search.genes.decode(drawn))
            genes = np.unique(np.concatenate([genes, drawn[valid]]), axis=0)
            if len(genes) >= n_samples:
                break
        return np.asarray(random_state.permutation(genes)[:n_samples])


class _UniformCrossover(Crossover):  # type: ignore[misc]
    """Each gene of a child comes from either parent."""

    def _do(self, problem: Any, X: Ints, *args: Any, random_state: Any = None, **kwargs: Any) -> Ints:
        swap = random_state.random(X.shape[1:]) < 0.5
        return np.stack([np.where(swap, X[1], X[0]), np.where(swap, X[0], X[1])])


class _StepMutation(Mutation):  # type: ignore[misc]
    """Move one or two genes to a nearby value, the nearer the likelier, or to any value."""

    def _do(self, problem: Any, X: Ints, *args: Any, random_state: Any = None, **kwargs: Any) -> Ints:
        counts, X = (problem.xu + 1).astype(np.int64), X.astype(np.int64)
        mutated = random_state.random(X.shape) < 1.0 / X.shape[1]
        mutated[np.arange(len(X)), random_state.integers(0, X.shape[1], len(X))] |= random_state.random(len(X)) < 0.5
        # Scale-free steps: 1 is as likely as 2 or 3, or as 4 to 7, ...
        reach = np.floor(np.exp2(random_state.random(X.shape) * np.log2(np.maximum(counts - 1, 1) + 1)))
        step = (reach * random_state.choice([-1, 1], X.shape)).astype(np.int64)
        near = np.clip(X + step, 0, counts - 1)
        return np.where(
            mutated, np.where(random_state.random(X.shape) < RESET, random_state.integers(0, counts, X.shape), near), X
        )


class _NewDesigns(DuplicateElimination):  # type: ignore[misc]
    """Keeps new designs: not asked for before, not twice in one generation, and meeting the conditions."""

    def __init__(self, search: _Nsga) -> None:
        super().__init__()
        self.search = search

    def do(self, pop: Any, *others: Any, **kwargs: Any) -> Any:
        if not len(pop):
            return pop
        index = self.search.numbers(pop)
        known = set(self.search.seen)
        for other in others[1:]:
            known.update(self.search.numbers(other).tolist() if len(other) else ())
        new = []
        for place, number in enumerate(index.tolist()):
            if number not in known:
                known.add(number)
                new.append(place)
        places = np.array(new, np.int64)
        return pop[places[self.search.space.holds(index[places])]]
