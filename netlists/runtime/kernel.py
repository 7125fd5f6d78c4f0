"""How hot loops are compiled that allocate nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

from netlists.netlist import Floats

Function = TypeVar("Function", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


def kernel(function: Function) -> Function:
    """Compile a function that allocates nothing: no reference counts, which would cost more than the arithmetic.

    Numba counts references of array views, and of arrays in tuples in and out of every call, atomically, some 10 ns
    apiece: half the time of a tried move in the placer, more where threads share arrays.  Its option `_nrt` leaves that
    out; a function that allocates does not compile with it (nor does `a[:] = b`, which may: see `copy`).  Division by
    zero gives infinity or nan, as in NumPy.

    Python calls kernels without a random generator only: Numba would not give back the reference it takes to one.
    """
    compiled: Function = njit(**OPTIONS)(function)
    return compiled


def inlined_kernel(function: Function) -> Function:
    """A kernel that becomes part of its callers: for small ones in inner loops, where a call costs as much as its work.

    A call hands over seven words for every array, in tuples too.
    """
    compiled: Function = njit(forceinline=True, **OPTIONS)(function)
    return compiled


def loose_kernel(function: Function) -> Function:
    """An inlined kernel whose sums may be taken in any order and whose products fused, so that loops run in vectors.

    Its numbers depend on the processor in their last digits; NaN and infinity keep their meaning.
    """
    flags = {"reassoc", "contract", "arcp", "nsz"}
    compiled: Function = njit(fastmath=flags, forceinline=True, **OPTIONS)(function)
    return compiled


@inlined_kernel
def unsigned(index: int) -> int:
    """The same index; arrays are faster with it, as Numba looks at every signed one for whether it counts from the end.

    Mixed with signed numbers in a sum or product it gives a float.
    """
    return np.uint64(index)  # type: ignore[return-value]


@kernel
def copy(target: Floats, source: Floats) -> None:
    """Copy arrays [N] that do not overlap."""
    for i in range(target.size):
        target[i] = source[i]
