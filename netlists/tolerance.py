"""How much rounding of float64 sums is forgiven: netlists and placements agree on it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TOUCH = 1e-9
"""Macros count as overlapping when they do so by more than this part of the canvas in both directions, and as out of
the canvas when they stick out by more: less is rounding, more is real."""

HAIR = 1e-6
"""Space kept between macros, as a part of the canvas, where there is room: float32 sums see no overlap either."""


def too_large(size_um: npt.NDArray[np.float64], canvas_um: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """[K, 2] whether widths and heights [K, 2] exceed the canvas' by more than `TOUCH` allows."""
    found: npt.NDArray[np.bool_] = size_um > np.array(canvas_um) + TOUCH * max(canvas_um)
    return found
