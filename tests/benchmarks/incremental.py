"""How fast is the incremental cost?  `python -m tests.benchmarks.incremental [NETLIST...]`

Measures the CPU time of one core per change that is tried and rejected, and its ratio to a full evaluation.  Nodes are
drawn evenly; `soft` and `hard` changes go anywhere on the canvas, `near` ones stay within half a grid cell.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numba import njit

from netlists import load
from netlists.netlist import Ints, Netlist
from netlists.placement import Placement
from placer.cost import ProxyCost
from placer.cost.incremental import IncrementalCost, add_to_trial, evaluate_trial, reject
from placer.cost.state import CostState

ANYWHERE, NEAR, SWAP, FLIP = range(4)
CHANGES = (("soft", ANYWHERE), ("soft near", NEAR), ("soft swap", SWAP),
           ("hard", ANYWHERE), ("hard near", NEAR), ("hard swap", SWAP), ("hard flip", FLIP))  # fmt: skip


@njit(cache=True)
def try_and_reject(state: CostState, nodes: Ints, kind: int, times: int, rng: np.random.Generator) -> float:
    """Try and reject `times` changes of one kind to `nodes` [n] (indices); returns the lowest proxy of them."""
    a = state.arrays
    w, h = a.canvas_width_um, a.canvas_height_um
    position, turn = state.position_um, state.orientation
    lowest = np.inf
    for _ in range(times):
        v, u = nodes[int(rng.random() * nodes.size)], nodes[int(rng.random() * nodes.size)]
        x, y = position[v]
        if kind == SWAP:
            if u == v:
                continue
            add_to_trial(state, v, position[u, 0], position[u, 1], turn[v])
            add_to_trial(state, u, x, y, turn[u])
        elif kind == FLIP:
            add_to_trial(state, v, x, y, turn[v] ^ 1)
        elif kind == NEAR:
            add_to_trial(
                state, v, x + (rng.random() - 0.5) * w / a.cols, y + (rng.random() - 0.5) * h / a.rows, turn[v]
            )
        else:
            add_to_trial(state, v, rng.random() * w, rng.random() * h, turn[v])
        lowest = min(lowest, evaluate_trial(state, np.inf, 0.0))
        reject(state)
    return lowest


def microseconds(call: Callable[[], object], times: int) -> float:
    """CPU time in µs per repetition of a call that repeats something `times` times."""
    start = time.process_time()
    call()
    return (time.process_time() - start) / times * 1e6


def report(netlist: Netlist, times: int) -> None:
    """Print the table of one netlist."""
    placement = Placement.given(netlist)
    full, state = ProxyCost(netlist), IncrementalCost(placement).state
    rng = np.random.default_rng(0)

    def evaluate() -> None:
        for _ in range(20):
            full(placement.position_um, placement.orientation)

    evaluate()
    whole = microseconds(evaluate, 20)
    print(f"{netlist.name}: full evaluation {whole:.0f} µs")
    for name, kind in CHANGES:
        nodes = netlist.movable_soft if name.startswith("soft") else netlist.movable_hard
        try_and_reject(state, nodes, kind, 10, rng)
        each = microseconds(lambda n=nodes, k=kind: try_and_reject(state, n, k, times, rng), times)  # type: ignore[misc]
        print(f"  {name:10} {each:6.1f} µs   1/{whole / each:.0f}")


def main() -> None:
    """Print the tables of the netlists that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("netlists", nargs="*", default=["harbor", "jetty"])
    parser.add_argument("--times", type=int, default=20_000, help="changes of each kind")
    arguments = parser.parse_args()
    for name in arguments.netlists:
        report(load(name), arguments.times)


if __name__ == "__main__":
    main()
