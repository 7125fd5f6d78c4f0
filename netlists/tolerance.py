"""The tolerances of netlists and placements: how much rounding of float64 sums is forgiven."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TOUCH = 1e-9
"""Overlap that is rounding, as a fraction of the longer side of the canvas.

Macros overlap if they do so by more than this in both directions, and are outside the canvas if they extend beyond it
by more than this.
"""

MACRO_GAP = 1e-6
"""Gap that is kept between hard macros wherever there is room, as a fraction of the longer side of the canvas.

With it, sums in float32 see no overlap either.
"""


def too_large(size_um: npt.NDArray[np.float64], canvas_um: tuple[float, float]) -> npt.NDArray[np.bool_]:
    """[K, 2] whether widths and heights [K, 2] exceed those of the canvas by more than `TOUCH` allows."""
    result: npt.NDArray[np.bool_] = size_um > np.array(canvas_um) + TOUCH * max(canvas_um)
    return result
