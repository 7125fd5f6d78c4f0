"""The wires with which plain exploration prices designs: `python -m tests.benchmarks.fitted_wires` fits them again.

Draws designs of each ASIC template at three nodes, places each as `dse floorplan` would with a quick method, fits
`dse.model.wires.WireModel` to the lengths of their wires, and prints the cross-validated error of the energy of wires
beside that of the naive estimate (half the side of a square chip).  With `--write` the coefficients go into the file
that comes with the package.  The same seed and designs give the same file.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dse.commands.placing import place_netlist
from dse.floorplan.estimate import cross_validate, fit_wires, wire_energy_mj
from dse.floorplan.loop import ClosedLoop, close_loop
from dse.model.design import Design
from dse.model.wires import FITTED_WIRES, HALF_SIDE, save_fitted
from dse.space.file import make_space
from netlists.errors import ChipscapeError
from placer.runs.settings import PlaceSettings
from tests.benchmarks.floorplan import errors

NODES = ("65nm", "28nm", "7nm")
COMMON = {"clock_mhz": 500, "weight_bits": [8, 16], "input_bits": [8, 16], "dram_gb_s": [4, 16, 64]}
BUFFERS = {f"{operand}_kb": {"powers_of_two": [32, 1024]} for operand in ("input", "weight", "output")}
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "systolic": {
        "rows": [8, 16, 24, 32, 48, 64], "columns": [8, 16, 24, 32, 48, 64], "dataflow": ["ws", "os", "is"], **BUFFERS
    },
    "row_stationary": {
        "rows": {"from": 6, "to": 24, "step": 2}, "columns": {"from": 8, "to": 32, "step": 2},
        "filter_words": [128, 224, 320], "psum_words": [16, 24, 32], "buffer_kb": [64, 100, 160, 256],
        "filter_kb": [8, 16, 32], "input_bus": [1, 2],
    },
    "adaptive": {"tin": [8, 16, 24, 32, 48, 64], "tout": [8, 16, 24, 32, 48, 64], **BUFFERS},
    "spatial": {
        "atomic_c": {"from": 8, "to": 128, "step": 8}, "atomic_k": {"from": 4, "to": 64, "step": 4},
        "buffer_kb": [64, 128, 256, 512, 1024], "weight_share": [0.25, 0.5, 0.75],
    },
}  # fmt: skip
"""Of each template, the parameters whose designs are drawn."""
SOURCE = "python -m tests.benchmarks.fitted_wires --write"
"""The command that reproduces the bundled file, which names it."""
ROW = "{:16}{:>8}{:>12}{:>12}{:>10}"


def draw(template: str, node: str, count: int, seed: int) -> list[Design]:
    """Designs of a template at a node that run AlexNet."""
    content = {
        "template": template, "technology": node, "networks": {"alexnet": 1.0}, "wires": HALF_SIDE,
        "parameters": {**PARAMETERS[template], **COMMON}, "objectives": [{"energy_mj": "min"}],
    }  # fmt: skip
    space = make_space(content, template)
    order = np.random.default_rng(seed).permutation(space.size)[: 20 * count]
    return [Design.model_validate(space.describe(int(k))) for k in order[space.evaluate(order).feasible][:count]]


def place_designs(designs: Sequence[Design], method: str, seed: int) -> list[ClosedLoop]:
    """The designs with their wires placed; those that cannot be placed are named and left out."""
    placer = partial(place_netlist, PlaceSettings(method, seed=seed, workers=1, iterations=1), None)
    loops = []
    for k, design in enumerate(designs):
        try:
            loops.append(close_loop(design, placer, seed))
        except ChipscapeError as error:
            print(f"design {k} of {design.template} has no floorplan: {error}")
    return loops


def mean_errors(loops: Sequence[ClosedLoop]) -> tuple[float, float]:
    """Mean errors of the energy of all wires as fractions of what was placed: naive, and fitted by other folds."""
    placed = np.array([wire_energy_mj(loop, loop.after.wires).sum() for loop in loops])
    naive = np.array([wire_energy_mj(loop, loop.before.wires).sum() for loop in loops])
    folds = zip(loops, cross_validate(loops), strict=True)
    fitted = np.array([wire_energy_mj(loop, each).sum() for loop, each in folds])
    return float(errors(naive, placed).mean()), float(errors(fitted, placed).mean())


def main() -> None:
    """Place, fit, print the errors, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--designs", type=int, default=20, help="Of each template at each node")
    parser.add_argument("--method", default="gradient")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help=f"Write {FITTED_WIRES.name} of the package")
    arguments = parser.parse_args()
    print(ROW.format("template", "designs", "naive %", "fitted %", "ratio"))
    models = {}
    for template in PARAMETERS:
        designs = [design for k, node in enumerate(NODES)
                   for design in draw(template, node, arguments.designs, arguments.seed + k)]  # fmt: skip
        loops = place_designs(designs, arguments.method, arguments.seed)
        naive, fitted = mean_errors(loops)
        print(ROW.format(template, len(loops), f"{100 * naive:.1f}", f"{100 * fitted:.1f}", f"{fitted / naive:.2f}"),
              flush=True)  # fmt: skip
        models[fit_wires(loops)] = {
            "designs": len(loops), "naive_error": round(naive, 3), "fitted_error": round(fitted, 3)
        }  # fmt: skip
    if arguments.write:
        save_fitted(FITTED_WIRES, models, {"command": SOURCE, "nodes": NODES})


if __name__ == "__main__":
    main()
