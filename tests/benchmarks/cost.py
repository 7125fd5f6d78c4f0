"""How fast is the exact cost?  `python -m tests.benchmarks.cost [NETLIST]`

Measures one full evaluation on one core, the ratio to its plain-Python twin, and the time of a fresh process from the
import to its first evaluation.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

from netlists import Placement, load
from placer.cost import ProxyCost
from tests import BENCHMARKS
from tests.placer.cost import slow_cost

ARIANE = BENCHMARKS / "clustered/ariane133_ng45/netlist.pb.txt.gz"
FRESH = """
import time; start = time.perf_counter()
import placer.cost
imported = time.perf_counter()
from netlists import Placement, load
placement = Placement.given(load({netlist!r}))
loaded = time.perf_counter()
placer.cost.evaluate(placement)
print(imported - start + time.perf_counter() - loaded)
"""


def seconds(run: Callable[[], object], times: int) -> list[float]:
    """Wall-clock seconds of each of `times` calls."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return taken


def main(netlist: str) -> None:
    """Measure, and print the tables."""
    placement = Placement.given(load(netlist))
    cost = ProxyCost(placement.netlist)
    proxy = cost(placement.position_um, placement.orientation).proxy
    fast_s = median(seconds(lambda: cost(placement.position_um, placement.orientation), 200))
    parts = (slow_cost.wirelength, slow_cost.density, slow_cost.congestion)
    slow_s = seconds(lambda: [part(placement) for part in parts], 1)[0]
    fresh = subprocess.run(
        [sys.executable, "-c", FRESH.format(netlist=netlist)], capture_output=True, text=True, check=True
    )
    n = placement.netlist
    print(f"{n.name}: {len(n.hard)} hard macros, {len(n.soft)} soft macros, {n.num_nets} nets, proxy {proxy:.6f}")
    print(f"full evaluation           {1000 * fast_s:10.3f} ms  (median of 200, one core)")
    print(f"plain Python              {1000 * slow_s:10.1f} ms  {slow_s / fast_s:.0f} times as long")
    print(f"import, first evaluation  {float(fresh.stdout):10.2f} s   (fresh process, kernels in numba's cache)")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else str(ARIANE) if ARIANE.exists() else "harbor")
