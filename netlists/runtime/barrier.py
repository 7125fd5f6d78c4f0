"""What compiled threads that work together need: a barrier, and arrays that do not slow each other down.

The barrier has no lock, needs no interpreter, and costs a few microseconds for a round of all threads.

Threads that run numba code without the interpreter's lock meet hundreds of times a second; through Python that would
take longer than their work.  Each thread counts its arrivals in a cache line of its own and looks at the others'.
Whoever waits long gives its processor away, so that more threads than processors only take turns.
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

LINE = 8  # numbers in a cache line
APART = 128  # bytes: two cache lines, which processors fetch together
SPINS = 200  # looks before the processor is given away
DEAD = 2**62  # the arrivals of a thread that is gone
YIELD = "SwitchToThread" if os.name == "nt" else "sched_yield"


def apart(values: Array) -> Array:
    """A copy of an array that shares no cache line with any other array.

    NumPy puts small arrays side by side.  If one thread writes an array and another one reads its neighbor, each waits
    for the other's processor: with 16 threads a search was 1.5 times slower by a single such line.
    """
    room = np.zeros(values.nbytes + 2 * APART, dtype=np.uint8)
    first = APART - room.ctypes.data % APART
    copy: Array = room[first : first + values.nbytes].view(values.dtype).reshape(values.shape)  # type: ignore[assignment]
    copy[...] = values
    return copy


def new_barrier(threads: int) -> Ints:
    """Arrivals of each thread [threads * LINE], none yet."""
    return np.zeros(threads * LINE, dtype=np.int64)


def give_up(arrivals: Ints, me: int) -> None:
    """Let the others know that this thread will not arrive again: `meet` is False for all of them from then on."""
    arrivals[me * LINE] = DEAD


@njit(cache=True, nogil=True)
def meet(arrivals: Ints, me: int) -> bool:
    """Wait until every thread has arrived as often as this one, number `me`; False when one of them is gone.

    What a thread wrote before, the others see after it.
    """
    number = arrivals[me * LINE] + 1
    store(arrivals, me * LINE, number)  # type: ignore[call-arg]
    for k in range(0, arrivals.size, LINE):
        spins = 0
        count = load(arrivals, k)
        while count < number:
            spins += 1
            if spins > SPINS:
                give_away()
            count = load(arrivals, k)
        if count >= DEAD:
            return False
    return True


@intrinsic
def load(context: Any, array: Any, index: Any) -> Any:
    """An entry, read after all that its writer wrote before it."""
    return types.int64(array, types.intp), _load


@intrinsic
def store(context: Any, array: Any, index: Any, value: Any) -> Any:
    """Write an entry, after all that was written before."""
    return types.void(array, types.intp, types.int64), _store


@intrinsic
def give_away(context: Any) -> Any:
    """Let another thread have this processor."""
    return types.int32(), _give_away


def _load(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.load_atomic(_pointer(context, builder, signature, args), "acquire", 8)


def _store(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    builder.store_atomic(args[2], _pointer(context, builder, signature, args), "release", 8)
    return context.get_dummy_value()


def _give_away(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kind = ir.FunctionType(ir.IntType(32), [])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, YIELD), [])  # type: ignore[no-untyped-call]


def _pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    kind = signature.args[0]
    array = context.make_array(kind)(context, builder, args[0])
    index = [args[1]]
    return cgutils.get_item_pointer(context, builder, kind, array, index, wraparound=False)  # type: ignore[no-untyped-call]
