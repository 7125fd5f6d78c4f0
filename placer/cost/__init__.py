"""The exact proxy cost of a macro placement, in numba."""

from placer.cost.arrays import CostArrays, cost_arrays
from placer.cost.bounds import lower_bounds
from placer.cost.proxy import Cost, Maps, ProxyCost, evaluate, evaluate_arrays, summary

__all__ = [
    "Cost",
    "CostArrays",
    "Maps",
    "ProxyCost",
    "cost_arrays",
    "evaluate",
    "evaluate_arrays",
    "lower_bounds",
    "summary",
]
