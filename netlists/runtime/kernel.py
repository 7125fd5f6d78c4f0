"""Decorators that compile hot loops which allocate nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

from netlists.netlist import Floats

Function = TypeVar("Function", bound=Callable[..., Any])

OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
"""Options of all kernels; `_nrt` turns off reference counts (see `kernel`)."""


def kernel(function: Function) -> Function:
    """Compile a function that allocates nothing, without reference counts.

    Numba counts references to array views, and to arrays in the tuples passed to and from every call.  Each atomic
    count takes some 10 ns: in all half the time of a trial move in the placer, and more if threads share arrays.  The
    option `_nrt` turns that off.  A function that allocates does not compile with it, nor does `a[:] = b`, which may
    allocate (see `copy`).  Division by zero gives infinity or NaN, as in NumPy.

    Python may call only kernels without a random generator among their arguments: Numba would not release its
    reference to the generator.
    """
    compiled: Function = njit(**OPTIONS)(function)
    return compiled


def inlined_kernel(function: Function) -> Function:
    """Compile a kernel that becomes part of its callers: for small functions in inner loops, where calls are costly.

    A call passes seven words for every array, including those in tuples.
    """
    compiled: Function = njit(forceinline=True, **OPTIONS)(function)
    return compiled


def loose_kernel(function: Function) -> Function:
    """Compile an inlined kernel whose sums may be reordered and whose products may be fused, so that loops vectorize.

    The last digits of its results depend on the processor; NaN and infinity keep their meaning.
    """
    flags = {"reassoc", "contract", "arcp", "nsz"}
    compiled: Function = njit(fastmath=flags, forceinline=True, **OPTIONS)(function)
    return compiled


@inlined_kernel
def unsigned(index: int) -> int:
    """The same index as an unsigned number, which is faster, as Numba checks whether a signed one counts from the end.

    In a sum or product with signed numbers it gives a float.
    """
    return np.uint64(index)  # type: ignore[return-value]


@kernel
def copy(target: Floats, source: Floats) -> None:
    """Copy the values of `source` [K] to `target` [K]; they must not overlap."""
    for i in range(target.size):
        target[i] = source[i]
