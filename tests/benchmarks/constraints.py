"""Do placements keep every constraint?  `python -m tests.benchmarks.constraints [--designs 300] [--seconds 2]`

Places generated netlists under random sets of constraints (halos of 0 to 20 µm, channels, fences, guides, blockages of
up to 40% of the canvas, orientations, a manufacturing grid, fixed macros), each with one of the methods in turn, and
judges the results by the checker of the tests, which looks at every macro and every pair by itself.  Prints how many
ended legal, with an error that names the constraints, or wrong, by utilization: the area of the macros, each with half
of the channels and halos around it, over the area free of blockages.
"""

from __future__ import annotations

import argparse
import time
import traceback
from collections import Counter

import numpy as np

from netlists.constraints import Blockage, Constraints, Halo, Region, Turns
from netlists.errors import ChipscapeError, LegalizationError
from netlists.netlist import Netlist
from netlists.placement import Placement
from netlists.rows.cover import blocked
from netlists.synthetic.generate import GeneratorSettings, generate
from placer import place
from placer.runs.methods import METHODS
from tests.benchmarks.robustness import flaw, unplaced
from tests.netlists.legality.obvious_rules import broken_rules

BANDS = (0.2, 0.4, 0.6, 0.8, np.inf)
TURNS = (("N", "S", "FN", "FS"), ("N", "FN"), ("N", "FS"), ("N",))


def random_netlist(seed: int) -> Netlist:
    """A netlist of 1 to 80 hard macros, about 100 µm long, that cover 5% to 60% of the canvas."""
    random = np.random.default_rng(seed)
    macros, coverage = int(np.exp(random.uniform(0, np.log(80)))), float(random.uniform(0.05, 0.6))
    side = 100 * np.sqrt(macros / coverage)
    aspect = float(np.exp(random.uniform(-0.4, 0.4)))
    settings = GeneratorSettings(
        name=f"constrained_{seed}", canvas_um=(round(side * aspect, 2), round(side / aspect, 2)), grid=(16, 16),
        hard_macros=macros, macro_sizes=int(random.integers(1, min(macros, 5) + 1)), hard_coverage=coverage,
        fixed_macros=int(random.integers(0, macros // 4 + 1)) if random.random() < 0.4 else 0, soft_macros=40, ports=20,
        nets=300,
    )  # fmt: skip
    netlist = generate(settings, seed)
    size = np.maximum(np.round(netlist.size_um, 2), 0.0)
    return unplaced(netlist.with_(size_um=np.where(netlist.kind[:, None] == 0, size, netlist.size_um)))


def random_constraints(netlist: Netlist, seed: int) -> Constraints:
    """A random set of constraints, of which each kind is there half the time."""
    random = np.random.default_rng([seed, 1])
    canvas = np.array(netlist.canvas_um)
    hard = netlist.movable_hard

    def some() -> bool:
        return bool(random.random() < 0.5)

    halos, regions, turns, blockages = [], [], [], []
    if some():
        halos.append(Halo("*", *np.round(random.uniform(0, 20, 4), 2).tolist()))
    if hard.size and some():
        halos.append(Halo(netlist.node_names[hard[0]], *([round(float(random.uniform(0, 20)), 2)] * 4)))
    covered = 0.0
    while random.random() < 0.4 and covered < 0.4:
        low = random.uniform(0, 1, 2) * canvas
        high = np.minimum(low + random.uniform(0.05, 0.4, 2) * canvas, canvas)
        covered += float(np.prod((high - low) / canvas))
        if covered < 0.4 and (high > low).all():
            blockages.append(Blockage((*low.tolist(), *high.tolist()), str(random.choice(["hard", "soft", "partial"]))))
    if hard.size and random.random() < 0.3:
        box = np.concatenate([np.zeros(2), canvas * random.uniform(0.5, 1.0, 2)])
        kind = "fence" if some() else "guide"
        regions.append(
            Region(tuple(netlist.node_names[v] for v in hard[: max(1, hard.size // 4)]), (tuple(box),), kind)
        )
    if some():
        turns.append(Turns("*", TURNS[int(random.integers(len(TURNS)))]))
    return Constraints(
        tuple(halos), round(float(random.uniform(0, 15)), 2) if some() else 0.0,
        round(float(random.uniform(0, 10)), 2) if random.random() < 0.3 else 0.0,
        10.0 if random.random() < 0.2 else 0.0, str(random.choice(["pinless", "any", "never"])), tuple(blockages),
        tuple(regions), tuple(turns), "grid", 0.01 if some() else 0.0,
    )  # fmt: skip


def utilization(netlist: Netlist) -> float:
    """Area of the macros with half of what must be free around them, over the area without blockages."""
    from netlists.legality.rules import rules

    r, hard = rules(netlist), netlist.hard
    halo = np.maximum(r.halo_um[hard], r.channel_um / 2)
    area = (netlist.size_um[hard] + halo[:, :2] + halo[:, 2:]).prod(axis=1).sum()
    bare = blocked(netlist)
    shut = float(((bare[:, 2] - bare[:, 0]) * (bare[:, 3] - bare[:, 1])).sum())
    return float(area / (np.prod(netlist.canvas_um) - shut))


def attempt(seed: int, seconds: float) -> tuple[float, str, str]:
    """Utilization, how the placement of a random design under random constraints ended, and why."""
    netlist = random_netlist(seed)
    netlist = netlist.with_(constraints=random_constraints(netlist, seed))
    method = list(METHODS)[seed % len(METHODS)]
    fullness = utilization(netlist)
    try:
        placement: Placement = place(netlist, method=method, budget_s=seconds, workers=1, seed=seed).placement
    except (LegalizationError, ChipscapeError) as error:
        return fullness, "clear error", f"{method}: {error}"
    except Exception:
        return fullness, "failed", traceback.format_exc()
    wrong = broken_rules(placement)
    overlaps = flaw(placement)
    if wrong or overlaps:
        return fullness, "failed", f"{method}: {overlaps} {'; '.join(wrong[:3])}"
    return fullness, "legal", ""


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", type=int, default=300)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    ends: dict[float, Counter[str]] = {band: Counter() for band in BANDS}
    began = time.perf_counter()
    for seed in range(arguments.first, arguments.first + arguments.designs):
        fullness, end, why = attempt(seed, arguments.seconds)
        ends[next(band for band in BANDS if fullness < band)][end] += 1
        if why:
            print(f"{seed} utilization {fullness:.0%} {end}: {why}", flush=True)
    print(f"{'utilization below':>18} {'legal':>7} {'clear error':>12} {'failed':>7}")
    for band, counts in ends.items():
        print(f"{band:18.0%} {counts['legal']:7} {counts['clear error']:12} {counts['failed']:7}")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
