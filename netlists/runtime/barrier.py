"""For compiled threads that work together: a barrier, a common counter, and arrays that share no cache line.

The barrier has no lock, does not need the interpreter, and takes a few microseconds per round of all threads.

Threads that run numba code without the interpreter's lock meet hundreds of times per second; through Python that would
take longer than their work.  Each thread counts its arrivals in a cache line of its own and reads those of the others.
A thread that waits for long yields its processor, so that more threads than processors only take turns.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from netlists.netlist import Ints

Array = TypeVar("Array", bound=npt.NDArray[Any])

LINE = 8
"""Number of 64-bit numbers in a cache line."""

APART = 128
"""Distance between arrays in bytes: two cache lines, which processors fetch together."""

SPINS = 200
"""Number of reads before a waiting thread yields its processor."""

DEAD = 2**62
"""The number of arrivals of a thread that has ended."""

YIELD = "SwitchToThread" if os.name == "nt" else "sched_yield"
"""The function of the operating system that yields the processor."""


def apart(values: Array) -> Array:
    """A copy of an array that shares no cache line with any other array.

    The array may have any shape [...].  NumPy allocates small arrays side by side.  If one thread writes an array and
    another one reads its neighbor, each waits for the other's processor: with 16 threads a single such line made a
    search 1.5 times slower.
    """
    room = np.zeros(values.nbytes + 2 * APART, dtype=np.uint8)
    first = APART - room.ctypes.data % APART
    copy: Array = room[first : first + values.nbytes].view(values.dtype).reshape(values.shape)  # type: ignore[assignment]
    copy[...] = values
    return copy


def new_barrier(threads: int) -> Ints:
    """The counts of arrivals [threads * LINE] of a barrier, all 0."""
    return np.zeros(threads * LINE, dtype=np.int64)


def give_up(arrivals: Ints, me: int) -> None:
    """End thread number `me`: from now on `meet` returns False to all others.

    `arrivals` [threads * LINE] are the counts of arrivals.
    """
    arrivals[me * LINE] = DEAD


@njit(cache=True, nogil=True)
def meet(arrivals: Ints, me: int) -> bool:
    """Wait until every thread has arrived as often as this one, number `me`; False if one of them has ended.

    `arrivals` [threads * LINE] are the counts of arrivals.  Everything that a thread wrote before the call is visible
    to the others after it.
    """
    number = arrivals[me * LINE] + 1
    store(arrivals, me * LINE, number)  # type: ignore[call-arg]
    for k in range(0, arrivals.size, LINE):
        spins = 0
        count = load(arrivals, k)
        while count < number:
            spins += 1
            if spins > SPINS:
                yield_processor()
            count = load(arrivals, k)
        if count >= DEAD:
            return False
    return True


@intrinsic
def load(context: Any, array: Any, index: Any) -> Any:
    """Read an entry; everything that its writer wrote before it is visible afterwards."""
    return types.int64(array, types.intp), _load


@intrinsic
def store(context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write an entry; everything written before is visible after it has been read."""
    return types.void(array, types.intp, types.int64), _store


@intrinsic
def take(context: Any, counter: Any) -> Any:
    """The count in the first entry of an array of integers, which then is higher by 1: no two threads get the same."""
    return types.int64(counter), _take


@intrinsic
def yield_processor(context: Any) -> Any:
    """Let another thread run on this processor."""
    return types.int32(), _yield_processor


def _load(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.load_atomic(_pointer(context, builder, signature, args), "acquire", 8)


def _store(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    builder.store_atomic(args[2], _pointer(context, builder, signature, args), "release", 8)
    return context.get_dummy_value()


def _take(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    pointer = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.atomic_rmw("add", pointer, context.get_constant(types.int64, 1), "monotonic")


def _yield_processor(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kind = ir.FunctionType(ir.IntType(32), [])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, YIELD), [])  # type: ignore[no-untyped-call]


def _pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kind = signature.args[0]
    array = context.make_array(kind)(context, builder, args[0])
    index = [args[1]]
    return cgutils.get_item_pointer(context, builder, kind, array, index, wraparound=False)  # type: ignore[no-untyped-call]
