"""The sum of the k largest of many values, by a few vectorized passes instead of sorting.

The sum equals the minimum over t of k t + Σ max(value - t, 0), reached at the k-th largest value (Ogryczak and Tamir,
"Minimizing the sum of the k largest functions in linear time", Information Processing Letters 85(3), 2003, eq. 4).
The function is convex and piecewise linear, so cutting planes find the minimum exactly; if the values have changed
little since the last call, the threshold found then is a starting point right next to it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from netlists.netlist import Floats

ROUNDING = 1e-13
"""Relative: the passes end when the function and its tangents differ by no more than rounding."""

OVERSHOOT = 1.5
"""A step from values alone is this many times as long as estimated, so that it passes the minimum."""

ESTIMATED_STEPS = 3
"""First passes that may step by an estimate from the values instead of by two tangents."""

PASSES = 100
"""Passes at most; never reached in practice, as every pass ends on another linear piece."""


@njit(cache=True, nogil=True, fastmath={"reassoc", "nnan", "nsz"})
def sum_above(values: Floats, threshold: float) -> tuple[float, int]:
    """The sum of the excess of values [K] over a threshold, and the number of values that exceed it."""
    total, count = 0.0, 0
    for i in range(values.size):
        excess = values[i] - threshold
        total += excess if excess > 0.0 else 0.0
        count += 1 if excess > 0.0 else 0
    return total, count


@njit(cache=True, nogil=True, fastmath={"reassoc", "nnan", "nsz"})
def sum_all(values: Floats) -> float:
    """The sum of all values [K]."""
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total


@njit(cache=True, nogil=True)
def sum_of_largest(values: Floats, k: int, guess: float) -> tuple[float, float]:
    """The sum of the k largest of n values [n], 0 < k <= n, and a threshold that separates them from the others.

    `guess` is such a threshold for similar values; any number is valid.
    """
    # Tangents left and right of the minimum; at first those at minus and plus infinity.
    left, left_slope = sum_all(values), k - values.size
    right, right_slope = 0.0, k
    if left_slope == 0:
        return left, guess
    threshold, bound = guess, -np.inf
    left_is_far = right_is_far = True
    value = 0.0
    for i in range(PASSES):
        total, count = sum_above(values, threshold)
        value = k * threshold + total
        if count == k or value <= bound + ROUNDING * abs(bound):
            break
        if count > k:
            left, left_slope, left_is_far = total + count * threshold, k - count, False
        else:
            right, right_slope, right_is_far = total + count * threshold, k - count, False
        if i < ESTIMATED_STEPS and left_is_far != right_is_far and 0 < count < 2 * k:
            # Neighboring values are about total / count² apart here: step just past the minimum.
            threshold += OVERSHOOT * (count - k) * total / (count * count)
            bound = -np.inf
        else:
            threshold = (right - left) / (left_slope - right_slope)
            bound = left + left_slope * threshold
    return value, threshold
