"""Hard macros that lie on their sides, of which readers of every format say that their sizes are not swapped."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from netlists.netlist import ORIENTATIONS, Kind

TURNED = [ORIENTATIONS.index(name) for name in ("E", "W", "FE", "FW")]


def turned_notes(file: str, kind: npt.NDArray[np.int8], orientation: npt.NDArray[np.int8]) -> list[str]:
    """A note of a file on its hard macros turned by 90 degrees, given [V] kinds and orientations, if there are any."""
    count = int(np.isin(orientation[kind == Kind.HARD], TURNED).sum())
    if not count:
        return []
    return [
        f"{file}: {count:,} hard macro{'' if count == 1 else 's'} turned by 90 degrees: width and height are used as "
        "they stand, only pins are turned, as in the reference evaluator"
    ]
