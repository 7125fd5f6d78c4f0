"""All designs of a space in the order of their numbers: the truth that other searches are measured against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints


class Exhaustive:
    """Asks for designs 0, 1, 2, ... up to its budget; keeps nothing."""

    def __init__(self, space: DesignSpace, seed: int, budget: int) -> None:
        self.next, self.end = 0, budget

    @property
    def done(self) -> bool:
        """Whether every design of the budget was asked for."""
        return self.next == self.end

    def ask(self, n: int) -> range:
        """The next n designs, fewer at the end."""
        first, self.next = self.next, min(self.next + n, self.end)
        return range(first, self.next)

    def tell(self, index: Ints, objectives: Floats, feasible: npt.NDArray[np.bool_]) -> None:
        """Ignore the results: objectives [n, K] of designs [n] and their mask `feasible` [n]."""
