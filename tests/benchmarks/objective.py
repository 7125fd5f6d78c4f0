"""What predicts the flat result from macros alone?  `python -m tests.benchmarks.objective [DESIGN ...] --out DIR`

Makes places of macros in many ways: published ones; every method with and without refinement; macros placed together
with the cells, in more and in less time; and those with pairs of equal macros exchanged.  Measures each by the real
thing, a global placement of all cells and the routing estimate, and by what could replace it, then prints how well the
latter rank them: Spearman's rank correlation with the routed length, over all and over the better half.

    proxy         exact proxy of the clustered netlist, as the search for macros ends with it
    wirelength    its part, congestion and density likewise
    dataflow      distance between macros times the weight of their dataflow
    slivers       area of gaps too narrow for cells between macros
    quick         wirelength of all cells, spread `HURRY` times as fast as usual
    coarse N      wirelength of N clusters placed around the macros (`tests.benchmarks.coarse`)

Finished measurements are kept under `--out` and not repeated.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from netlists.connectivity.cluster import Clustering, cluster
from netlists.connectivity.dataflow import Dataflow, trace_dataflow
from netlists.errors import LegalizationError
from netlists.netlist import Floats, Kind, Netlist
from netlists.placement import Placement
from placer import place
from placer.cells.global_placement import place_globally
from placer.cells.together import place_together
from placer.cost import evaluate
from placer.routing import estimate
from placer.runs.pipeline import load_row_kernels
from placer.soft.multi_start import settle_soft
from tests import BENCHMARKS
from tests.benchmarks import flat
from tests.benchmarks.coarse import CoarseDesign, carry, coarsen

METHODS = ("greedy", "random", "gradient", "rl")
METHOD_S = 4.0
"""Seconds of a method without refinement."""
REFINED_S = (5.0, 10.0, 20.0)
"""Seconds of the default method with refinement."""
TOGETHER_S = (10.0, 20.0, np.inf)
"""Seconds for macros with cells."""
EXCHANGES = (1, 3, 10, 30)
"""Pairs of equal macros that are exchanged."""
PARENTS = 5
"""Placements whose macros are exchanged: every other one of the best by HPWL."""
COARSE = (300, 1000, 3000)
"""Numbers of clusters."""
HURRY = 8.0
"""Pace of the quick global placement of all cells; see `placer.cells.global_placement`."""
SOFT_S = 2.0
"""Seconds for the soft macros of the clustered netlist."""

Values = Mapping[str, float]
"""What a placement is worth, by the name of the measure."""


class Judge:
    """Measures placements of one design."""

    def __init__(self, netlist: Netlist, workers: int) -> None:
        self.netlist = netlist
        self.clustering: Clustering = cluster(netlist, threads=workers)
        self.coarse: dict[int, CoarseDesign] = {count: coarsen(netlist, count, threads=workers) for count in COARSE}
        self.dataflow: Dataflow = trace_dataflow(self.clustering.netlist)

    def spread(self, start: Placement, pace: float = 1.0) -> Placement:
        """All movable cells placed globally around the macros."""
        return place_globally(start, self.netlist.movable_cells, seed=0, slowest=pace)

    def clustered(self, placement: Placement) -> Placement:
        """The placement of the clustered netlist, soft macros placed around the macros."""
        kept = np.flatnonzero((self.netlist.kind != Kind.CELL) | self.netlist.fixed)
        carried = carry(placement, kept, self.clustering.netlist, self.clustering.cluster_of[kept])
        return settle_soft(carried, time.perf_counter() + SOFT_S)[0]

    def measure(self, placement: Placement) -> Values:
        """All measures of places of macros."""
        start = flat.centered(placement)
        whole, quick = self.spread(start), self.spread(start, HURRY)
        routed = estimate(whole)
        clustered = self.clustered(placement)
        cost, at, flow = evaluate(clustered), clustered.position_um, self.dataflow
        distance = np.abs(at[flow.source] - at[flow.target]).sum(axis=1)
        return {
            "routed_um": routed.routed_um, "overflow": routed.overflow, "hpwl_um": evaluate(whole).hpwl_um,
            "proxy": cost.proxy, "wirelength": cost.wirelength, "density": cost.density,
            "congestion": cost.congestion, "dataflow": float((distance * flow.weight).sum()),
            "slivers": flat.slivers_um2(placement), "quick": evaluate(quick).hpwl_um,
            **{f"coarse {count}": design.wirelength_um(start) for count, design in self.coarse.items()},
        }  # fmt: skip


def candidates(name: str, judge: Judge, seeds: int, workers: int) -> Iterator[tuple[str, Placement]]:
    """Names of ways to place macros, and their legal placements, without exchanged macros."""
    n, folder = judge.netlist, BENCHMARKS / "flat" / name
    for key, file in flat.PUBLISHED.items():
        if (folder / file).exists():
            yield key, flat.put(n, flat.read_places(folder / file, n))
    for seed in range(seeds):
        runs = [(method, METHOD_S, False) for method in METHODS] + [("rl", seconds, True) for seconds in REFINED_S]
        for method, seconds, refine in runs:
            key = f"{method}{'+' * refine}-{seconds:g}-{seed}"
            try:
                result = place(
                    judge.clustering.netlist, method=method, budget_s=seconds, refine=refine, seed=seed, workers=workers
                )
                yield key, judge.clustering.expand(result.placement)
            except LegalizationError as error:
                print(f"{name} {key}: {error}", flush=True)
        for seconds in TOGETHER_S:
            start = flat.centered(Placement(n, np.nan_to_num(n.position_um), n.orientation))
            key, deadline = f"together-{seconds:g}-{seed}", time.perf_counter() + seconds
            try:
                yield key, place_together(start, seed=seed, deadline=deadline)
            except LegalizationError as error:
                print(f"{name} {key}: {error}", flush=True)


def exchanged(placement: Placement, pairs: int, seed: int) -> Placement:
    """The placement with so many random pairs of macros of equal sizes exchanged, each with its orientation."""
    n, rng = placement.netlist, np.random.default_rng(seed)
    position, orientation = placement.position_um.copy(), placement.orientation.copy()
    for _ in range(pairs):
        first = rng.choice(n.movable_hard)
        equal = n.movable_hard[(n.size_um[n.movable_hard] == n.size_um[first]).all(axis=1)]
        second = rng.choice(equal)
        pair = np.array([first, second])
        position[pair], orientation[pair] = position[pair[::-1]], orientation[pair[::-1]]
    return Placement(n, position, orientation)


def study(name: str, folder: Path, seeds: int, workers: int) -> dict[str, Values]:
    """The measures of all placements of a design by their names; kept in a file for each."""
    netlist = flat.read_netlist(name, 5.0)
    judge = Judge(netlist, workers)
    folder.mkdir(parents=True, exist_ok=True)
    known = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}

    def measure(item: tuple[str, Placement]) -> None:
        key, placement = item
        if key not in known:
            known[key] = judge.measure(placement)
            flat.write_json(folder / f"{key}.json", known[key])
            print(f"{name} {key}: routed {known[key]['routed_um']:.4g} µm", flush=True)

    made = dict[str, Placement]()
    if not (folder / "made.npz").exists():
        for key, placement in candidates(name, judge, seeds, workers):
            made[key] = placement
        arrays = {
            f"{key}/{part}": getattr(p, part) for key, p in made.items() for part in ("position_um", "orientation")
        }
        np.savez_compressed(folder / "made.npz", **arrays)
    with np.load(folder / "made.npz") as arrays:
        keys = sorted({key.rpartition("/")[0] for key in arrays.files})
        made = {key: Placement(netlist, arrays[f"{key}/position_um"], arrays[f"{key}/orientation"]) for key in keys}
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(measure, made.items()))
        best = sorted(made, key=lambda key: known[key]["hpwl_um"])[: 2 * PARENTS : 2]
        variants = {
            f"{key}~{pairs}-{seed}": exchanged(made[key], pairs, seed)
            for key in best for pairs in EXCHANGES for seed in range(2)
        }  # fmt: skip
        list(pool.map(measure, variants.items()))
    return known


def correlations(values: Sequence[Values]) -> list[str]:
    """A line per measure: its rank correlation with the routed length over all and over the better half."""
    routed = np.array([each["routed_um"] for each in values])
    good = routed <= np.median(routed)
    lines = [f"{'measure':<14} {'all':>7} {'good half':>10}"]
    for key in values[0]:
        if key not in ("routed_um", "overflow"):
            measured = np.array([each[key] for each in values])
            columns = correlation(measured, routed), correlation(measured[good], routed[good])
            lines.append(f"{key:<14} {columns[0]:>7.2f} {columns[1]:>10.2f}")
    return lines


def correlation(first: Floats, second: Floats) -> float:
    """Spearman's rank correlation of two measures [K]; 0 if one is the same for all."""
    return float(spearmanr(first, second).statistic) if np.ptp(first) and np.ptp(second) else 0.0


def main() -> None:
    """Measure, and print a table for each design."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = (*flat.LEFDEF, *flat.ICCAD04)
    parser.add_argument("designs", nargs="*", help=f"of {', '.join(known)}; all by default")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True, help="folder to keep the measurements in")
    arguments = parser.parse_args()
    if strange := [name for name in arguments.designs if name not in known]:
        parser.error(f"design {strange[0]!r}; expected one of {', '.join(known)}")
    load_row_kernels()
    for name in arguments.designs or known:
        values = list(study(name, arguments.out / name, arguments.seeds, arguments.workers).values())
        print(f"\n{name}, {len(values)} placements", *correlations(values), sep="\n", flush=True)


if __name__ == "__main__":
    main()
