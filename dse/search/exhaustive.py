"""All designs of a space in the order of their numbers: the truth that other searches are measured by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints


class Exhaustive:
    """Streams through a space; keeps nothing."""

    def __init__(self, space: DesignSpace, budget: int) -> None:
        self.next, self.end = 0, budget

    @property
    def done(self) -> bool:
        return self.next == self.end

    def ask(self, n: int) -> range:
        first, self.next = self.next, min(self.next + n, self.end)
        return range(first, self.next)

    def tell(self, index: Ints, objectives: Floats, feasible: npt.NDArray[np.bool_]) -> None:
        """Results change nothing."""
