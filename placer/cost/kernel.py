"""How hot loops are compiled that take their arrays in tuples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

from netlists.netlist import Floats

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile a function that allocates nothing, without counting references to the arrays given.

    Numba leaves the counts out by itself where arguments are arrays and numbers alone; arrays in tuples (`CostArrays`,
    `State`) it counts in and out of every call, atomically.  That took half the time of a tried move, and more where
    threads share arrays and wait for one another's counters.

    Python calls kernels without a random generator only: Numba would not give back the reference it takes to one.
    """
    compiled: Function = njit(cache=True, nogil=True, _nrt=False)(function)  # type: ignore[call-overload]
    return compiled


@kernel
def copy(target: Floats, source: Floats) -> None:
    """Copy arrays [N] that do not overlap; numba's own assignment would allocate if they did."""
    for i in range(target.size):
        target[i] = source[i]
