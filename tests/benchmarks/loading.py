"""How long netlists take to load: `python -m tests.benchmarks.loading [NETLIST...]`."""

from __future__ import annotations

import sys
import time
from statistics import median

from netlists import load
from tests import BENCHMARKS

DESIGNS = ("clustered/nvdla_ng45", "clustered/ariane133_ng45", "bookshelf/ibm01", "bookshelf/mempool_tile_ng45")


def main(netlists: list[str]) -> None:
    for path in netlists:
        taken = []
        for _ in range(3):
            start = time.perf_counter()
            netlist = load(path)
            taken.append(time.perf_counter() - start)
        print(f"{median(taken):7.3f} s  {path}: {netlist.num_nodes:,} nodes, {netlist.num_nets:,} nets")


if __name__ == "__main__":
    shared = [str(BENCHMARKS / design) for design in DESIGNS if (BENCHMARKS / design).exists()]
    main(sys.argv[1:] or ["harbor", "jetty", *shared])
