"""The exact proxy cost of a placement: wirelength + 0.5 density + 0.5 congestion.

`definition` says where the constants come from.  All sums are float64 and in netlist order, so that a result is the
same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numba import njit

from netlists.errors import PlacementError
from netlists.legality.verdict import is_legal, legality
from netlists.netlist import Floats, Kind, Netlist
from netlists.placement import Placement
from placer.cost.arrays import CostArrays, Orientations, Positions, cost_arrays
from placer.cost.congestion import congestion_cost, congestion_maps
from placer.cost.definition import CONGESTION_WEIGHT, DENSITY_WEIGHT
from placer.cost.density import density_cost, density_map
from placer.cost.wirelength import locate_pins, weighted_hpwl, wirelength_cost


@dataclass(frozen=True)
class CostTerms:
    """The three terms of the proxy cost of one placement, without unit, and its wirelength in µm."""

    wirelength: float
    density: float
    congestion: float
    hpwl_um: float  # sum over all nets of weight × HPWL

    def __post_init__(self) -> None:
        """Raise `PlacementError` for a term that is no finite number, before it is compared with another one."""
        for name, value in vars(self).items():
            if not isfinite(value):
                raise PlacementError(f"the {name} of a placement is {value}; expected a finite number: all positions, "
                                     "sizes and net weights have to be finite")  # fmt: skip

    @property
    def proxy(self) -> float:
        """The weighted sum of the three terms."""
        return self.wirelength + DENSITY_WEIGHT * self.density + CONGESTION_WEIGHT * self.congestion

    def as_dict(self) -> dict[str, float]:
        """All five numbers, by the names of `placer evaluate --json`."""
        return {
            "wirelength": self.wirelength,
            "density": self.density,
            "congestion": self.congestion,
            "proxy": self.proxy,
            "hpwl_um": self.hpwl_um,
        }


@dataclass(frozen=True, eq=False)
class Maps:
    """Where on the grid density and congestion arise."""

    density: Floats  # [R, C] covered fraction of each cell
    horizontal: Floats  # [R, C] demand / capacity across the right edge of each cell
    vertical: Floats  # [R, C] demand / capacity across the top edge of each cell


class ProxyCost:
    """The exact cost of any placement of one netlist, whose arrays are prepared once."""

    def __init__(self, netlist: Netlist) -> None:
        self.arrays = cost_arrays(netlist)

    def __call__(self, position: Positions, orientation: Orientations) -> CostTerms:
        """The cost of centers [V, 2] in µm and orientations [V]."""
        return CostTerms(*evaluate_arrays(self.arrays, position, orientation))

    def maps(self, position: Positions, orientation: Orientations) -> Maps:
        """The density and the congestion of every grid cell, for centers [V, 2] in µm and orientations [V]."""
        a = self.arrays
        pins = np.empty(a.offset_um.shape)
        density, horizontal, vertical = np.empty((3, a.rows, a.cols))
        locate_pins(a, position, orientation, pins)
        density_map(a, position, density)
        congestion_maps(a, pins, position, horizontal, vertical)
        return Maps(density, horizontal, vertical)


@njit(cache=True, nogil=True)
def evaluate_arrays(
    arrays: CostArrays, position: Positions, orientation: Orientations
) -> tuple[float, float, float, float]:
    """Wirelength, density and congestion cost, and the weighted HPWL in µm.

    `position` [V, 2] has the centers in µm, `orientation` [V] the orientations.
    """
    pins = np.empty((arrays.node.size, 2))
    grid = np.empty((arrays.rows, arrays.cols))
    other = np.empty((arrays.rows, arrays.cols))
    locate_pins(arrays, position, orientation, pins)
    hpwl_um = weighted_hpwl(arrays, pins)
    density_map(arrays, position, grid)
    density = density_cost(grid)
    congestion_maps(arrays, pins, position, grid, other)
    return wirelength_cost(arrays, hpwl_um), density, congestion_cost(grid, other), hpwl_um


def evaluate(placement: Placement) -> CostTerms:
    """The exact proxy cost of a placement."""
    return ProxyCost(placement.netlist)(placement.position_um, placement.orientation)


def summary(placement: Placement) -> dict[str, float | int]:
    """The cost, the verdict on legality and its counts, and sizes: the keys of `placer evaluate --json`.

    `cells` is present only for netlists with standard cells.
    """
    n, counts = placement.netlist, legality(placement).counts
    numbers: dict[str, float | int] = {
        **evaluate(placement).as_dict(),
        "legal": bool(is_legal(counts)),
        **counts,
        "hard_macros": int(np.sum(n.kind == Kind.HARD)),
        "soft_macros": int(np.sum(n.kind == Kind.SOFT)),
        "nets": n.num_nets,
    }
    return numbers | ({"cells": len(n.cells)} if n.cells.size else {})
