"""The exact proxy cost of a macro placement, in numba: from scratch, and incrementally while nodes move.

`definition` has the constants, `proxy` the full evaluation from the terms in `wirelength`, `density` and `congestion`.
A `CostState` (`state`) keeps a placement with its pins, maps and terms; `incremental` tries, accepts and rejects
changes of it by what `delta` and `terms` compute, and `recompute` fills it from scratch.  `bounds` has lower bounds.

Imports `netlists` only.  Begin reading with `proxy`, then `state` and `incremental`.
"""

from placer.cost.arrays import CostArrays, cost_arrays
from placer.cost.bounds import lower_bounds
from placer.cost.proxy import CostTerms, Maps, ProxyCost, evaluate, evaluate_arrays, summary

__all__ = [
    "CostArrays",
    "CostTerms",
    "Maps",
    "ProxyCost",
    "cost_arrays",
    "evaluate",
    "evaluate_arrays",
    "lower_bounds",
    "summary",
]
