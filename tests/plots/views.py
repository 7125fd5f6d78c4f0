"""Placements and pages for the tests of the viewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from netlists import load
from netlists.connectivity import connectivity
from netlists.netlist import Kind, Netlist
from netlists.placement import Placement
from netlists.synthetic.generate import GeneratorSettings, generate
from plots import placement, report
from plots.viewer import View
from tests.benchmarks import find


def view(placed: Placement, seed: int = 0) -> View:
    """A view of a placement with random maps."""
    rng = np.random.default_rng(seed)
    maps = {name: rng.uniform(0, 1.6, placed.netlist.grid) for name in ("Congestion", "Density")}
    return View(placed, connectivity(placed), placement.draw(placed, heat=maps["Congestion"]), maps)


def ariane() -> Placement:
    """ariane133 with the placement in its file, or a generated design of its size if ../shared is absent."""
    file = find("ariane133_ng45")
    return Placement.given(load(file) if isinstance(file, Path) else generate(GeneratorSettings(), 0))


def thousand() -> Placement:
    """A design of 1,000 hard macros with long names."""
    n = generate(
        GeneratorSettings("thousand", (4000.0, 4000.0), (64, 64), 1000, 12, soft_macros=2000, ports=1000, nets=40000), 0
    )
    long = (
        f"top/cluster_{v % 8}/tile[{v % 31}].subsystem/bank[{v // 64}].memory/{name}"
        for v, name in enumerate(n.node_names)
    )
    return Placement.given(n.with_(node_names=tuple(long)))


def flat(cells: int) -> Placement:
    """A design of macros and standard cells, with nets between them."""
    n = generate(GeneratorSettings("flat", hard_macros=50, soft_macros=2000, nets=20000), 0)
    rng = np.random.default_rng(0)
    more = cells - len(n.soft)
    kind = np.where(n.kind == Kind.SOFT, Kind.CELL, n.kind).astype(np.int8)
    size = np.where(kind[:, None] == Kind.CELL, (1.0, 1.4), n.size_um)
    return Placement.given(
        Netlist(
            "flat", (*n.node_names, *(f"cell_{k}" for k in range(more))),
            np.concatenate([kind, np.full(more, Kind.CELL, dtype=np.int8)]),
            np.concatenate([size, np.tile((1.0, 1.4), (more, 1))]),
            np.concatenate([n.fixed, np.zeros(more, dtype=bool)]),
            np.concatenate([n.position_um, rng.uniform(0, n.canvas_um, (more, 2))]),
            np.concatenate([n.orientation, np.zeros(more, dtype=np.int8)]),
            n.pin_node, 0 * n.pin_offset_um, n.net_start, n.net_pin, n.net_weight, n.canvas_um, n.grid,
        )
    )  # fmt: skip


def turned(placed: Placement) -> Placement:
    """The same chip with macros of equal size in permuted places and other orientations."""
    n = placed.netlist
    position, orientation = placed.position_um.copy(), placed.orientation.copy()
    for size in np.unique(n.size_um[n.movable_hard], axis=0):
        alike = n.movable_hard[(n.size_um[n.movable_hard] == size).all(axis=1)]
        position[alike] = position[np.roll(alike, 1)]
        orientation[alike] = np.arange(len(alike)) % 4
    return Placement(n, position, orientation)


def write(file: Path, *placements: Placement) -> Path:
    """Write the report of runs with these placements."""
    runs = [report.Run(p.netlist.name, title=f"run/{k}", view=view(p, k)) for k, p in enumerate(placements)]
    report.write(file, runs)
    return file
