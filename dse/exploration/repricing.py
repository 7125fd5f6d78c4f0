"""Floorplans within a search: when they are made, and what the searcher learns from them.

A search that decides where floorplans are worth their time (`dse.search.Search.reprices`) gets them in rounds, as many
by then as its progress allows: the last ones when it is done.  After each round the searcher gets the placed prices,
and for all other designs those that are expected in their light (`dse.search.repricing`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dse.search import Searcher
from dse.search.genes import Genes
from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints

ROUND = 4
"""Floorplans that are made at a time: what a round teaches does not depend on the processors."""


class RepricedSearcher(Searcher, Protocol):
    """A searcher whose results may change."""

    def reprice(self, index: Ints, objectives: Floats) -> None:
        """Replace objectives of designs [n] that were told as feasible by [n, K]; infinite: they cannot be built."""


@dataclass(frozen=True)
class PlacementPlan:
    """How many designs of a search get a floorplan, and how they are priced with it.

    `price` takes numbers [m] of designs and returns their objectives [m, K], signed such that smaller is better; they
    are infinite for a design that cannot be placed.  It may raise `KeyboardInterrupt`.
    """

    most: int
    price: Callable[[Ints], Floats]


@dataclass(frozen=True, eq=False)
class Prices:
    """The n feasible designs of a search at both prices; objectives are signed such that smaller is better."""

    index: Ints  # [n]
    estimated: Floats  # [n, K] with estimated wires
    expected: Floats  # [n, K] with placed wires or, for designs without a floorplan, with those that are expected
    placed: npt.NDArray[np.bool_]  # [n] whether a design has a floorplan


class Repricing:
    """The floorplans of one search."""

    def __init__(
        self, space: DesignSpace, searcher: RepricedSearcher, plan: PlacementPlan, total: int, seed: int
    ) -> None:
        from dse.search.repricing import Repricer  # here, as scipy takes a while to load

        self.searcher, self.plan, self.total = searcher, plan, total
        self.repricer = Repricer(Genes(space), seed)
        self.told = 0  # designs that the searcher was told
        self.stopped = False  # whether Ctrl-C has ended a round

    def learn(self, index: Ints, objectives: Floats, feasible: npt.NDArray[np.bool_]) -> None:
        """Take results of the search, [n, K] of designs [n] with a mask [n], and place what is due by now."""
        self.told += len(index)
        self.repricer.add(index[feasible], objectives[feasible])
        done = self.searcher.done
        due = int(self.plan.most * (1.0 if done else self.told / self.total)) - len(self.repricer.placed)
        due -= 0 if done else due % ROUND
        while due > 0 and not self.stopped:
            numbers = self.repricer.choose(min(due, ROUND))
            if not len(numbers):
                return
            self._place(numbers)
            due -= len(numbers)

    def _place(self, numbers: Ints) -> None:
        """Place designs, and tell the searcher."""
        try:
            self.repricer.take(numbers, self.plan.price(numbers))
        except KeyboardInterrupt:
            self.stopped = True
            raise
        self.searcher.reprice(self.repricer.index, self.repricer.prices())

    def prices(self) -> Prices:
        """All feasible designs at both prices."""
        index, placed = self.repricer.index, self.repricer.placed
        expected = self.repricer.prices()
        mask = np.array([number in placed and bool(np.isfinite(placed[number]).all()) for number in index.tolist()])
        return Prices(index, self.repricer.estimated, expected, mask.astype(np.bool_))
