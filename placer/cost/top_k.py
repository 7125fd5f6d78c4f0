"""The sum of the k largest of many values, found in a few vectorized passes instead of by sorting.

The sum equals the minimum over t of k t + Σ max(value - t, 0), reached at the k-th largest value (Ogryczak and Tamir,
Minimizing the sum of the k largest functions in linear time, 2003, eq. 4).  The function is convex and made of
straight pieces, so that cutting planes find the minimum exactly; a guess from a moment ago starts next to it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats

ROUNDING = 1e-13  # relative; passes end when they cannot tell the function from its tangents
STEP, STEPS = 1.5, 3
PASSES = 100  # never reached in practice: a pass ends on a new piece each time


@njit(cache=True, nogil=True, fastmath={"reassoc", "nnan", "nsz"})
def above(values: Floats, level: float) -> tuple[float, int]:
    """Sum of the excess over a level, and how many values exceed it."""
    total, count = 0.0, 0
    for i in range(values.size):
        excess = values[i] - level
        total += excess if excess > 0.0 else 0.0
        count += 1 if excess > 0.0 else 0
    return total, count


@njit(cache=True, nogil=True, fastmath={"reassoc", "nnan", "nsz"})
def total_of(values: Floats) -> float:
    """Sum of all values."""
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total


@njit(cache=True, nogil=True)
def sum_of_largest(values: Floats, k: int, guess: float) -> tuple[float, float]:
    """Sum of the k largest of n values, 0 < k <= n, and a level that parts them from the others.

    `guess` is such a level for similar values; any number will do.
    """
    # Tangents left and right of the minimum; to begin with, those far out.
    left, left_slope = total_of(values), k - values.size
    right, right_slope = 0.0, k
    if left_slope == 0:
        return left, guess
    level, bound = guess, -np.inf
    left_far = right_far = True
    value = 0.0
    for i in range(PASSES):
        total, count = above(values, level)
        value = k * level + total
        if count == k or value <= bound + ROUNDING * abs(bound):
            break
        if count > k:
            left, left_slope, left_far = total + count * level, k - count, False
        else:
            right, right_slope, right_far = total + count * level, k - count, False
        if i < STEPS and left_far != right_far and 0 < count < 2 * k:
            # Values lie about total / count² apart here: step just over the minimum.
            level += STEP * (count - k) * total / (count * count)
            bound = -np.inf
        else:
            level = (right - left) / (left_slope - right_slope)
            bound = left + left_slope * level
    return value, level
