"""How fast is the routing estimate, and what does it say?  `python -m tests.benchmarks.routing [--placement FILE]`

Estimates the flat ariane133_ng45 with all macros where a commercial placer put them, its standard cells by ours, which
takes `--seconds`; or a placement of that design in a DEF file.  Beside it stands an independent estimate of the same
macros with cells placed by other tools, from `../shared/benchmarks/flat/README.md`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import numpy as np

from netlists import load, load_placement
from netlists.formats.lefdef.def_file import read_def
from netlists.netlist import ORIENTATIONS, Netlist
from netlists.placement import Placement
from placer.cells.place import place_cells
from placer.cost import evaluate
from placer.routing import estimate
from placer.routing.estimation import connect, route
from placer.routing.gcells import capacities, gcells
from placer.routing.patterns import empty_edges
from tests import BENCHMARKS

ARIANE = BENCHMARKS / "lefdef/ariane133_ng45/ariane133.def.gz"
LEF = [
    BENCHMARKS / "lefdef/nangate45" / name
    for name in ("NangateOpenCellLibrary.tech.lef", "NangateOpenCellLibrary.macro.mod.lef", "fakeram45_256x16.lef")
]
MACROS = BENCHMARKS / "flat/ariane133_ng45/innovus_placed_macros.def.gz"
PUBLISHED = {"HPWL": 2.689e6, "Steiner": 3.225e6, "routed": 3.285e6, "overflow": 0.0}
RUNS = 5


def place(netlist: Netlist, seconds: float) -> Placement:
    """The macros as in `MACROS`, and the standard cells around them."""
    design = read_def(MACROS)
    position, orientation = netlist.position_um.copy(), netlist.orientation.copy()
    for component in design.components:
        v = netlist.index(component.name)
        corner = np.array([component.x, component.y]) / design.units - netlist.origin_um
        position[v] = corner + netlist.size_um[v] / 2
        orientation[v] = ORIENTATIONS.index(component.orientation)
    position = np.where(np.isfinite(position), position, np.array(netlist.canvas_um) / 2)
    bare = netlist.with_(constraints=None)  # without halos, as in the independent estimate
    return place_cells(Placement(bare, position, orientation), seconds=seconds).placement


def measure(placement: Placement) -> None:
    """Print times and results."""
    estimate(placement)  # compiles
    grid = gcells(placement.netlist)
    whole_s, trees_s, routes_s, count = [], [], [], 0
    for _ in range(RUNS):
        began = time.perf_counter()
        result = estimate(placement)
        whole_s.append(time.perf_counter() - began)
        began = time.perf_counter()
        ends = connect(placement, grid).ends
        trees_s.append(time.perf_counter() - began)
        horizontal, vertical = capacities(placement, grid)
        began = time.perf_counter()
        route(ends, empty_edges(horizontal), empty_edges(vertical.T))
        routes_s.append(time.perf_counter() - began)
        count = len(ends)
    n = placement.netlist
    print(f"{n.name}: {n.num_nets:,} nets, {len(n.net_pin):,} pins, {grid.rows} by {grid.cols} gcells, "
          f"{result.nets_left_out} nets left out")  # fmt: skip
    print(f"whole estimate  {median(whole_s):8.3f} s  (median of {RUNS}, one core)")
    print(f"Steiner trees   {median(trees_s):8.3f} s  {n.num_nets / median(trees_s):12,.0f} nets/s")
    print(f"routes          {median(routes_s):8.3f} s  {count / median(routes_s):12,.0f} connections/s of {count:,}")
    ours = {"HPWL": evaluate(placement).hpwl_um, "Steiner": result.steiner_um, "routed": result.routed_um,
            "overflow": result.overflow}  # fmt: skip
    for name, value in ours.items():
        print(f"{name:12}  {value:14,.1f}  independent {PUBLISHED[name]:14,.1f}")
    print(f"Steiner / HPWL  {ours['Steiner'] / ours['HPWL']:.4f}  independent "
          f"{PUBLISHED['Steiner'] / PUBLISHED['HPWL']:.4f}")  # fmt: skip
    print(f"utilization     {result.utilization_max:.3f} at most, {result.utilization_top:.3f} in the fullest 1%")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--placement", type=Path, help="a DEF file with all nodes placed")
    parser.add_argument("--seconds", type=float, default=150.0, help="to place the standard cells")
    options = parser.parse_args()
    netlist = load(ARIANE, lef=LEF)
    measure(load_placement(netlist, options.placement) if options.placement else place(netlist, options.seconds))


if __name__ == "__main__":
    main()
