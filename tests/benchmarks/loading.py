"""How long do netlists take to load?  `python -m tests.benchmarks.loading [NETLIST...]`

Prints the median wall-clock seconds of three loads, microseconds per node, and the ratio of the latter to the first
netlist's.
"""

from __future__ import annotations

import sys
import time
from statistics import median

from netlists import load
from tests import BENCHMARKS

DESIGNS = ("clustered/nvdla_ng45", "clustered/ariane133_ng45", "bookshelf/ibm01", "bookshelf/mempool_tile_ng45")
REPEATS = 3  # loads per netlist


def main(netlists: list[str]) -> None:
    """Print one row per netlist."""
    first = 0.0
    print("seconds  µs/node  ratio  netlist")
    for path in netlists:
        taken = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            netlist = load(path)
            taken.append(time.perf_counter() - start)
        per_node = median(taken) / netlist.num_nodes * 1e6
        first = first or per_node
        print(
            f"{median(taken):7.3f} {per_node:8.1f} {per_node / first:6.2f}  {path}: {netlist.num_nodes:,} nodes,"
            f" {netlist.num_nets:,} nets",
            flush=True,
        )


if __name__ == "__main__":
    shared = [str(BENCHMARKS / design) for design in DESIGNS if (BENCHMARKS / design).exists()]
    main(sys.argv[1:] or ["harbor", "jetty", *shared])
