"""How close do searches come to the true front?  `python -m tests.benchmarks.explore [SPACE...] [--budget N]`

For each space, finds the true front by evaluating every design and measures the fraction of its hypervolume that
searches reach with the budget.  Objectives are scaled to the extent of the true front; the reference point lies a tenth
beyond it.  Then prints the optimum of Zhang's space, with AlexNet's layers as the paper has them, beside the published
design.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from dse.search import make_searcher
from dse.search.pareto import Archive, hypervolume, non_dominated
from dse.space.file import load_space
from dse.space.space import DesignSpace
from dse.templates.base import Floats
from dse.workloads.layers import Network

ENUMERABLE = ("zhang_vx485t", "qiu_xc7z045", "tpu_28nm", "cbrain", "eyeriss_65nm", "nvdla_28nm")
SEARCHES = ("nsga2", "random")
CHUNK = 100_000  # designs that are asked for at a time
BEYOND = 1.1  # the reference point in every objective, if the true front reaches from 0 to 1
ROW = "{:14}{:>12}{:>8}{:>10}  {:10}{:>10}{:>9}{:>9}{:>9}"


def run_search(space: DesignSpace, search: str, budget: int | None, seed: int = 0) -> tuple[Archive, int]:
    """The front that a search finds, and how many designs it evaluated."""
    searcher, archive, evaluated = make_searcher(search, space, seed, budget), Archive(), 0
    while not searcher.done:
        index = np.asarray(searcher.ask(CHUNK))
        if not len(index):
            break
        result = space.evaluate(index)
        searcher.tell(index, result.objectives, result.feasible)
        best = non_dominated(result.objectives)
        archive.add(index[best], result.objectives[best])
        evaluated += len(index)
    return archive, evaluated


def front(archive: Archive) -> Floats:
    """Objectives [n, K] of the designs in an archive."""
    return np.zeros((0, 1)) if archive.objectives is None else archive.objectives


def volume(rows: Floats, truth: Floats) -> float:
    """Hypervolume of a front [n, K] whose objectives are scaled to the extent of the true front [m, K]."""
    low, extent = truth.min(axis=0), np.ptp(truth, axis=0)
    scaled = (rows - low) / np.where(extent > 0, extent, 1.0)
    return hypervolume(scaled, np.full(truth.shape[1], BEYOND))


def compare(name: str, budget: int, seeds: int) -> None:
    """Print one row per search of a space."""
    space, start = load_space(name), time.process_time()
    truth = front(run_search(space, "exhaustive", None)[0])
    seconds = time.process_time() - start
    for search in SEARCHES:
        archives, spent = [], time.process_time()
        for seed in range(seeds):
            archive, evaluated = run_search(space, search, budget, seed)
            archives.append(front(archive))
        each = (time.process_time() - spent) / seeds
        percent = [100 * volume(rows, truth) / volume(truth, truth) for rows in archives]
        size = f"{np.mean([len(rows) for rows in archives]):.0f}"
        print(ROW.format(name, space.size, len(truth), f"{seconds:.1f}", search, evaluated, size,
                         f"{min(percent):.2f}", f"{each:.2f}"), flush=True)  # fmt: skip


def zhang() -> None:
    """Print the published design and the fastest one, with every layer of AlexNet in the paper's two groups."""
    space = load_space("zhang_vx485t")
    halves = []
    for layer in space.networks[0][0].layers:
        # conv1 and conv3 are not split in the network; the paper gives each half its own 3 or 256 input maps.
        doubled = layer if layer.groups == 2 else replace(layer, groups=2, in_channels=2 * layer.in_channels)
        halves.append(doubled)
    space.networks = ((Network("alexnet in two groups", tuple(halves)), 1.0),)
    archive, _ = run_search(space, "exhaustive", None)
    rows = archive.index[front(archive)[:, 0].argmin()], published(space)
    for title, index in zip(("fastest", "published"), rows, strict=True):
        values = dict(zip(space.parameters, space.values(np.array([index]))[0].tolist(), strict=True))
        metrics = space.evaluate(np.array([index])).metrics
        print(f"zhang_vx485t {title}: Tm {values['tm']:.0f}, Tn {values['tn']:.0f},"
              f" buffers for {values['tr']:.0f} x {values['tc']:.0f}, {metrics['cycles'][0]:,.0f} cycles,"
              f" {metrics['dsp'][0]:.0f} DSP, {metrics['bram'][0]:.0f} BRAM")  # fmt: skip


def published(space: DesignSpace) -> int:
    """The number of the published design: <64, 7>, tiles of 13 x 13, output stationary."""
    wanted = {"tm": 64, "tn": 7, "tr": 13, "tc": 13, "stationary": 0}
    (part,) = space.parts
    digits = [values.tolist().index(wanted.get(name, values[0])) for name, values in part.choices.items()]
    return int(part.index(np.array([digits]))[0])


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs="*", default=ENUMERABLE)
    parser.add_argument("--budget", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    print(ROW.format("space", "designs", "front", "CPU s", "search", "evaluated", "front", "worst %", "CPU s"))
    for name in arguments.spaces:
        compare(name, arguments.budget, arguments.seeds)
    if "zhang_vx485t" in arguments.spaces:
        zhang()


if __name__ == "__main__":
    main()
