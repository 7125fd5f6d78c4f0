"""A barrier for compiled threads: no lock, no interpreter, a few microseconds for a round of all of them.

Threads that run numba code without the interpreter's lock meet hundreds of times a second; through Python that would
take longer than their work.  Each thread counts its arrivals in a cache line of its own and looks at the others'.
Whoever waits long gives its processor away, so that more threads than processors only take turns.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from netlists.netlist import Ints

LINE = 8  # numbers in a cache line
SPINS = 200  # looks before the processor is given away
DEAD = 2**62  # the arrivals of a thread that is gone
YIELD = "SwitchToThread" if os.name == "nt" else "sched_yield"


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
