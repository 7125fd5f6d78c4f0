"""Designs drawn at random, none twice, in memory that does not grow with the number drawn.

The numbers 0, 1, 2, ... go through a keyed permutation of the space: a Feistel network (Luby and Rackoff, SIAM J.
Comput. 17(2), 1988) on the next larger power of four, which is applied again while its result lies outside the space
(cycle walking: Black and Rogaway, CT-RSA 2002).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from dse.space.space import DesignSpace
from dse.templates.base import Floats, Ints

ROUNDS = 6
"""Rounds of the Feistel network."""
LEAST = 1024
"""Numbers drawn at once at least, as conditions are checked on arrays."""
BARREN = 2**24
"""Numbers in a row of which none meets the conditions before the search ends."""


class Random:
    """Draws designs that meet the conditions of the space, each at most once."""

    def __init__(self, space: DesignSpace, seed: int, budget: int) -> None:
        self.space, self.left = space, budget
        self.keys = np.random.default_rng(seed).integers(0, 2**63, ROUNDS, np.uint64)
        self.half_bits = max(1, (max(space.size - 1, 1).bit_length() + 1) // 2)
        self.drawn = 0  # numbers sent through the permutation
        self.end = min(space.size, BARREN)  # numbers to send through it; each design that meets the conditions adds
        self.waiting = np.zeros(0, np.int64)  # drawn, but not asked for yet

    @property
    def done(self) -> bool:
        """Whether the budget is spent or no more designs meet the conditions."""
        return self.left == 0 or (self.drawn == self.end and not len(self.waiting))

    def ask(self, n: int) -> Ints:
        """The next n designs, fewer at the end."""
        wanted = min(n, self.left)
        while len(self.waiting) < wanted and self.drawn < self.end:
            end = min(self.drawn + max(wanted, LEAST), self.end)
            numbers = np.empty(end - self.drawn, np.int64)
            _permute(self.drawn, self.space.size, np.uint64(self.half_bits), self.keys, numbers)
            valid = np.flatnonzero(self.space.holds(numbers))
            self.waiting = np.concatenate([self.waiting, numbers[valid]])
            if len(valid):
                self.end = min(self.drawn + int(valid[-1]) + 1 + BARREN, self.space.size)
            self.drawn = end
        asked, self.waiting = self.waiting[:wanted], self.waiting[wanted:]
        self.left -= len(asked)
        return asked

    def tell(self, index: Ints, objectives: Floats, feasible: npt.NDArray[np.bool_]) -> None:
        """Ignore the results: objectives [n, K] of designs [n] and their mask `feasible` [n]."""


@njit(cache=True, nogil=True)
def _permute(first: int, size: int, half_bits: np.uint64, keys: npt.NDArray[np.uint64], out: Ints) -> None:
    """Fill `out` [n] with the permutation of `first`, `first` + 1, ... within 0 to `size` - 1."""
    mask = (np.uint64(1) << half_bits) - np.uint64(1)
    for i in range(len(out)):
        number = np.uint64(first + i)
        while True:
            left, right = number >> half_bits, number & mask
            for key in keys:
                # The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) as the round function.
                mixed = right + key
                mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                left, right = right, left ^ ((mixed ^ (mixed >> np.uint64(31))) & mask)
            number = (left << half_bits) | right
            if number < np.uint64(size):
                break
        out[i] = number
