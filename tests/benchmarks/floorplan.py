"""How well are wires known before the placement?  `python -m tests.benchmarks.floorplan [--designs N] [--technology T]`

Draws designs of a space of systolic arrays with VGG16, places each, and compares the energy of its wires (bits × length
× pJ per bit and mm, FIFOs of hops left out) with two estimates: the naive one (half the side of a square chip, the side
of an element for a hop) and the fitted one of `dse.model.wires`, each design predicted by a model that was
fitted to the designs of the other folds.  Then says how much the placed wires change the energy of the designs, and
their order, and with `--plot FILE` draws that.  The same seed, designs and iterations give the same figures.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from dse.commands.placing import place_netlist
from dse.floorplan.estimate import cross_validate, wire_energy_mj
from dse.floorplan.loop import ClosedLoop, close_loops
from dse.model.design import Design
from dse.model.wires import TITLES, Traffic
from dse.space.file import make_space
from dse.templates.base import Floats
from dse.workloads.layers import Network
from placer.runs.settings import PlaceSettings
from plots import style, wires

SPACE = {
    "template": "systolic",
    "wires": "half_side",
    "networks": {"vgg16": 1.0},
    "parameters": {
        "rows": [8, 12, 16, 24, 32],
        "columns": [8, 12, 16, 24, 32],
        "dataflow": ["ws", "os", "is"],
        "input_kb": {"powers_of_two": [64, 1024]},
        "weight_kb": {"powers_of_two": [64, 1024]},
        "output_kb": {"powers_of_two": [64, 1024]},
        "clock_mhz": 700,
        "weight_bits": 8,
        "input_bits": 8,
    },
    "objectives": [{"latency_ms": "min"}, {"energy_mj": "min"}],
}
ROW = "{:18}{:>12}{:>12}{:>12}{:>12}"


def draw(technology: str, count: int, seed: int) -> tuple[list[tuple[str, Design]], list[tuple[Network, float]]]:
    """Feasible designs of the space, by their numbers, and the networks."""
    space = make_space({**SPACE, "technology": technology}, "floorplans")
    order = np.random.default_rng(seed).permutation(space.size)[: 2 * count]
    fits = order[space.evaluate(order).feasible][:count]
    return [(str(k), Design.model_validate(space.describe(int(k)))) for k in fits], list(space.networks)


def errors(estimates: Floats, placed: Floats) -> Floats:
    """Absolute errors [K] of estimates [K] as fractions of what was placed [K]."""
    return np.abs(estimates - placed) / placed


def print_errors(loops: list[ClosedLoop]) -> None:
    """Print the mean errors of both estimates, of all wires and by class."""
    placed = np.array([wire_energy_mj(loop, loop.after.wires) for loop in loops])
    naive = np.array([wire_energy_mj(loop, loop.before.wires) for loop in loops])
    fitted = np.array([wire_energy_mj(loop, each) for loop, each in zip(loops, cross_validate(loops), strict=True)])
    print(ROW.format("mean error %", "mJ placed", "naive", "fitted", "ratio"))
    rows = {TITLES[each]: (placed[:, each], naive[:, each], fitted[:, each]) for each in Traffic}
    rows["all wires"] = (placed.sum(axis=1), naive.sum(axis=1), fitted.sum(axis=1))
    for name, (truth, simple, model) in rows.items():
        if (truth > 0).all():
            first, second = 100 * errors(simple, truth).mean(), 100 * errors(model, truth).mean()
            print(ROW.format(name, f"{truth.mean():.2f}", f"{first:.1f}", f"{second:.1f}", f"{second / first:.2f}"))
    ranks = [spearmanr(each.sum(axis=1), placed.sum(axis=1)).statistic for each in (naive, fitted)]
    print(f"rank correlation with the placed wires: naive {ranks[0]:.3f}, fitted {ranks[1]:.3f}")


def energies(loops: list[ClosedLoop]) -> tuple[Floats, Floats]:
    """[K] energies in mJ of a run of the designs, with estimated and with placed wires."""
    before = [loop.before.metrics["energy_mj"] for loop in loops]
    return np.array(before), np.array([loop.after.metrics["energy_mj"] for loop in loops])


def print_changes(loops: list[ClosedLoop]) -> None:
    """Print how much placed wires change the energy of designs and their order."""
    before, after = energies(loops)
    part = np.array([loop.after.energy_mj.sum() for loop in loops]) / after
    change = 100 * (after / before - 1)
    moved = int((np.argsort(np.argsort(before)) != np.argsort(np.argsort(after))).sum())
    low, mean, high = 100 * part.min(), 100 * part.mean(), 100 * part.max()
    print(f"wires (with FIFOs of hops) are {mean:.1f}% of the energy on average, {low:.1f} to {high:.1f}")
    print(f"energy changes by {change.mean():+.1f}% on average, {change.min():+.1f} to {change.max():+.1f}")
    print(f"{moved} of {len(loops)} designs have another rank by energy, the best is"
          f" {'the same' if before.argmin() == after.argmin() else 'another one'}")  # fmt: skip


def place_designs(technology: str, arguments: argparse.Namespace) -> list[ClosedLoop]:
    """Designs of the space at a node, placed; those that cannot be placed are named and left out."""
    designs, workload = draw(technology, arguments.designs, arguments.seed)
    settings = PlaceSettings(arguments.method, seed=arguments.seed, workers=1, iterations=arguments.iterations)
    loops = close_loops(designs, partial(place_netlist, settings, None), arguments.seed, workload=workload)
    for loop in loops:
        if not isinstance(loop, ClosedLoop):
            print(f"design {loop.name} has no floorplan: {loop.reason}")
    return [loop for loop in loops if isinstance(loop, ClosedLoop)]


def main() -> None:
    """Place, fit, print the tables, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", type=int, default=30)
    parser.add_argument("--technology", nargs="+", default=["28nm"])
    parser.add_argument("--method", default="gradient")
    parser.add_argument("--iterations", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plot", type=Path, help="PNG: changes of the energy at each node")
    arguments = parser.parse_args()
    placed = {technology: place_designs(technology, arguments) for technology in arguments.technology}
    for technology, loops in placed.items():
        print(f"{len(loops)} designs at {technology}, placed by {arguments.method}")
        print_errors(loops)
        print_changes(loops)
    if arguments.plot:
        before, after = (
            {technology: energies(loops)[moment] for technology, loops in placed.items()} for moment in (0, 1)
        )
        style.write(arguments.plot, style.png(wires.draw(before, after)))


if __name__ == "__main__":
    main()
