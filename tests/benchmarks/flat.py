"""How good are places of macros on the flat design?  `python -m tests.benchmarks.flat [DESIGN ...] [--out DIR]`

Takes places of macros from published placements and from `placer.place` within budgets, leaves the macros there, places
all standard cells by `placer.cells.place` in the same way for every source, with halos around macros that the cells
keep out of, and measures the flat result.  Prints a table for the designs of LEF/DEF and one for those of ICCAD04, with
means over seeds; "vs first" is the mean of the ratios of the HPWL to that of the first row with the same seed.

    proxy       exact proxy of the flat placement, cells where they are
    HPWL        half-perimeter wirelength in µm of the nets of at most 1,000 pins; "all" of every net
    slivers     area in 1,000 µm² of gaps narrower than 10 µm between macros, and between macros and the core's edge
    blocked     sides of movable macros with pins that touch something, or have it in their halo
    faults      what makes the placement illegal: all counts of `netlists.legality.verdict` but those of fixed macros

Every finished run is kept under `--out` with its placement, and is not repeated: a run that lacks a measure is measured
again, without placing it again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netlists import load, load_placement
from netlists.errors import LegalizationError, PlacementError, SettingsError
from netlists.formats.constraints_file import constrain, halo_and_channel
from netlists.formats.lefdef.reader import beside
from netlists.legality.channels import find_channels
from netlists.legality.rules import rules
from netlists.legality.verdict import COUNTS
from netlists.netlist import ORIENTATIONS, Floats, Netlist
from netlists.placement import TOUCH, Placement
from placer import place
from placer.cells.place import place_cells
from placer.cost import summary
from placer.routing import estimate
from placer.runs.pipeline import load_row_kernels
from tests import BENCHMARKS

LEFDEF = {"ariane133_ng45": "ariane133.def.gz", "mempool_tile_ng45": "mempool_tile.def.gz"}
"""Flat designs in LEF/DEF, and the files of their netlists and floorplans."""
ICCAD04 = ("ibm01", "ibm02", "ibm04", "ibm06")
"""Flat designs in Bookshelf."""
PUBLISHED = {"innovus": "innovus_placed_macros.def.gz", "expert": "human_expert.txt", "gridded": "human_gridded.def.gz"}
"""Sources of published places of macros, and their files, of which a design may lack some."""
AGENT = "rl"
"""The method of the agent."""
OURS = {AGENT: "ours", "greedy": "no agent"}
"""What our searches are called in the table, by the method for the macros of the clustered netlist."""
LEF_ORIENTATION = {"R0": "N", "R180": "S", "MY": "FN", "MX": "FS"}
"""Names of orientations in LEF, and in DEF."""
MOST_PINS = 1000
"""Nets with more pins, clocks and resets, are left out of the HPWL: buffered trees replace them."""
SLIVER_UM = 10.0
"""A gap narrower than this is a sliver."""
COLUMNS = {"proxy": ("proxy", ".4f", 1), "hpwl_um": ("HPWL", ",.0f", 1), "hpwl_all_um": ("all", ",.0f", 1),
           "routed_um": ("routed", ",.0f", 1), "overflow": ("overflow", ",.0f", 1),
           "slivers_um2": ("slivers", ".2f", 1e-3), "blocked_sides": ("blocked", ".1f", 1),
           "faults": ("faults", ".1f", 1), "search_s": ("search s", ".0f", 1),
           "cells_s": ("cells s", ".0f", 1)}  # fmt: skip
"""Title, format and factor of each measure in the table."""

Outcome = Mapping[str, Any]
"""The measures of a run, or its `error`."""
Places = Mapping[str, tuple[float, float, int]]
"""Lower-left corner in µm in the coordinates of the design's file, and orientation, by names without backslashes."""


@dataclass(frozen=True)
class Settings:
    """What all runs under a folder have in common."""

    halo_um: float  # of macros whose floorplan has no halos
    cell_seconds: float | None  # for the cells of a run; None for all that they need, so that seeds repeat exactly
    workers: int  # threads of the search for places of macros


@dataclass(frozen=True)
class Source:
    """Where macros stand: a name, and a function that gives the starting placement for a seed and its seconds."""

    name: str
    start: Callable[[int], tuple[Placement, float]]


def read_netlist(name: str, halo_um: float) -> Netlist:
    """A flat design by its name, with halos."""
    if name in LEFDEF:
        netlist = load(BENCHMARKS / "lefdef" / name / LEFDEF[name], lef=lefs())
    else:
        netlist = load(BENCHMARKS / "iccad04" / name)
    return with_halos(netlist, halo_um)


def with_halos(netlist: Netlist, halo_um: float) -> Netlist:
    """The netlist with halos around all its macros, if it has none of its own."""
    limits = rules(netlist)
    has_halos = limits.active and bool(limits.halo_um[netlist.hard].any())
    return netlist if has_halos or not halo_um else constrain(netlist, halo_and_channel(halo_um, None))


def lefs() -> list[Path]:
    """The LEF files of the designs in LEF/DEF, technology first."""
    return beside(BENCHMARKS / "lefdef" / "nangate45" / "any.def")


def plain(name: str) -> str:
    """A name of DEF without the backslashes that mark brackets in it as part of the name."""
    return name.replace("\\", "")


def read_places(path: Path, netlist: Netlist) -> Places:
    """The places of hard macros in a list of NAME X Y ORIENTATION, in a DEF file or in a placement of the netlist.

    Raises `PlacementError` for a macro of a list on its side.
    """
    if path.name.endswith(".txt"):
        return listed_places(path)
    if path.name.endswith((".def", ".def.gz")):
        design = load(path, lef=lefs())
        position_um, orientation = design.position_um, design.orientation
    else:
        placement = load_placement(netlist, path)
        design, position_um, orientation = netlist, placement.position_um, placement.orientation
    corner = position_um - design.size_um / 2 + design.origin_um
    names = design.node_names
    return {
        plain(names[v]): (float(corner[v, 0]), float(corner[v, 1]), int(orientation[v])) for v in design.hard.tolist()
    }


def listed_places(path: Path) -> Places:
    """The places in a list of NAME X Y ORIENTATION: lower-left corners in µm, orientations as LEF names them.

    Raises `PlacementError` for a macro on its side.
    """
    places = {}
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        name, x, y, orientation = text.split()
        if orientation not in LEF_ORIENTATION:
            known = ", ".join(LEF_ORIENTATION)
            raise PlacementError(f"{path}:{number}: orientation {orientation!r} of {name!r}; expected one of {known}")
        places[plain(name)] = float(x), float(y), ORIENTATIONS.index(LEF_ORIENTATION[orientation])
    return places


def put(netlist: Netlist, places: Places) -> Placement:
    """The macros at their places and all movable cells in the middle of the canvas.

    Raises `PlacementError` if the places are those of other macros, overlap or lie out of the core.
    """
    n = netlist
    index = {plain(n.node_names[v]): v for v in n.hard.tolist()}
    movable = {plain(n.node_names[v]) for v in n.movable_hard.tolist()}
    if strange := sorted(places.keys() - index.keys()):
        raise PlacementError(f"{n.name} has no hard macro {strange[0]!r} ({len(strange)} of {len(places)} are strange)")
    if lost := sorted(movable - places.keys()):
        raise PlacementError(f"macro {lost[0]!r} of {n.name} has no place ({len(lost)} of {len(movable)} have none)")
    position_um, orientation = n.position_um.copy(), n.orientation.copy()
    for name in movable:
        v, (x, y, turned) = index[name], places[name]
        position_um[v] = np.array([x, y]) - n.origin_um + n.size_um[v] / 2
        orientation[v] = turned
    placement = centered(Placement(n, np.where(np.isfinite(position_um), position_um, 0.0), orientation))
    demand_legal(placement)
    return placement


def centered(placement: Placement) -> Placement:
    """The same macros, with all movable cells in the middle of the canvas: no source may help its cells."""
    n, position_um, orientation = placement.netlist, placement.position_um.copy(), placement.orientation.copy()
    position_um[n.movable_cells], orientation[n.movable_cells] = np.array(n.canvas_um) / 2, 0
    return Placement(n, position_um, orientation)


def core_um(netlist: Netlist) -> tuple[Floats, Floats]:
    """Lower-left and upper-right corner [2] in µm of the bounding box of all rows, or of the canvas without rows."""
    rows = netlist.rows
    if rows is None:
        return np.zeros(2), np.array(netlist.canvas_um)
    low = np.array([rows.x_um.min(), rows.y_um.min()])
    return low, np.array([rows.right_um.max(), (rows.y_um + rows.height_um).max()])


def demand_legal(placement: Placement) -> None:
    """Raise `PlacementError` naming a movable macro that overlaps another or is out of the core.

    A core is rounded to whole rows: macros may extend beyond it by less than one.
    """
    n, wrong = placement.netlist, placement.violations()
    if len(wrong.overlaps):
        first, second = (n.node_names[v] for v in wrong.overlaps[0])
        raise PlacementError(f"macros {first!r} and {second!r} overlap ({len(wrong.overlaps)} pairs do)")
    low, high = core_um(n)
    slack = float(n.rows.height_um.max()) if n.rows else TOUCH * max(n.canvas_um)
    macros = n.movable_hard
    half, center = n.size_um[macros] / 2, placement.position_um[macros]
    out = macros[((center - half <= low - slack) | (center + half >= high + slack)).any(axis=1)]
    if len(out):
        raise PlacementError(f"macro {n.node_names[out[0]]!r} is out of the core ({len(out)} of {len(macros)} are)")


def hpwl_um(placement: Placement, most_pins: float = np.inf) -> float:
    """Half-perimeter wirelength in µm of the nets of at most so many pins, without their weights."""
    pins = np.diff(placement.netlist.net_start)
    return float(placement.net_lengths_um()[pins <= most_pins].sum())


def slivers_um2(placement: Placement, least_um: float = SLIVER_UM) -> float:
    """Area in µm² of the gaps narrower than `least_um` between macros, and between macros and the edge of the core."""
    n = placement.netlist
    half = n.size_um / 2
    boxes = np.hstack([placement.position_um - half, placement.position_um + half])
    edges = edge_gaps(boxes[n.movable_hard], *core_um(n), least_um, TOUCH * max(n.canvas_um))
    return open_area(np.vstack([find_channels(placement, least_um).slivers, edges]), boxes[n.hard])


def edge_gaps(boxes: Floats, low: Floats, high: Floats, least_um: float, slack: float) -> Floats:
    """[K, 4] the gaps in µm between macros [M, 4] and the edges of a core, from `low` [2] to `high` [2], that are
    wider than `slack` and narrower than `least_um`."""
    found = [np.empty((0, 4))]
    for axis in (0, 1):
        for side, edge in ((axis, low[axis]), (axis + 2, high[axis])):
            gap = np.abs(boxes[:, side] - edge)
            inside = (boxes[:, side] > edge) == (side == axis)
            strips = boxes[inside & (gap > slack) & (gap < least_um - slack)].copy()
            strips[:, 2 - side + 2 * axis] = strips[:, side]
            strips[:, side] = edge
            found.append(strips)
    return np.vstack(found)


def open_area(boxes: Floats, closed: Floats) -> float:
    """Area in µm² of the union of boxes [K, 4] outside of others [M, 4], all low x, low y, high x, high y in µm."""
    lines = [np.unique(np.concatenate([b[:, [axis, axis + 2]].ravel() for b in (boxes, closed)])) for axis in (0, 1)]
    if not len(boxes):
        return 0.0
    is_open = np.zeros((len(lines[0]) - 1, len(lines[1]) - 1), dtype=bool)
    for rectangles, value in ((boxes, True), (closed, False)):
        x0, y0, x1, y1 = (np.searchsorted(lines[k % 2], rectangles[:, k]) for k in range(4))
        for k in range(len(rectangles)):
            is_open[x0[k] : x1[k], y0[k] : y1[k]] = value
    return float(np.diff(lines[0]) @ is_open @ np.diff(lines[1]))


def routed(placement: Placement) -> dict[str, float]:
    """Measures of the global routing of a placement."""
    found = estimate(placement)
    return {"steiner_um": found.steiner_um, "routed_um": found.routed_um, "overflow": found.overflow}


def measure(placement: Placement) -> dict[str, float]:
    """The measures of a flat placement."""
    costs = summary(placement)
    sides = find_channels(placement, SLIVER_UM).blocked_sides
    return {
        "proxy": costs["proxy"], "hpwl_um": hpwl_um(placement, MOST_PINS), "hpwl_all_um": hpwl_um(placement),
        **routed(placement),
        "slivers_um2": slivers_um2(placement),
        "blocked_sides": int((~placement.netlist.fixed[sides[:, 0]]).sum()),
        "faults": faults(costs),
        **{key: costs[key] for key in ("wirelength", "density", "congestion", *COUNTS)},
    }  # fmt: skip


def faults(counts: Mapping[str, float]) -> float:
    """The sum of all counts of the verdict, without those of fixed macros alone, which no placer can repair."""
    fixed = ("fixed_overlaps", "fixed_out_of_canvas")  # the counts of all macros have these too
    return sum(counts[key] for key in COUNTS) - 2 * sum(counts[key] for key in fixed)


MEASURES = frozenset(
    {"proxy", "hpwl_um", "hpwl_all_um", "steiner_um", "routed_um", "overflow", "slivers_um2", "blocked_sides", "faults"}
)
"""Keys that `measure` gives at least; a run without one of them is measured again."""


def ours(netlist: Netlist, budget_s: float, workers: int, method: str) -> Source:
    """The places that the placer finds within a budget, with a method for the macros of the clustered netlist."""

    def start(seed: int) -> tuple[Placement, float]:
        result = place(netlist, method=method, budget_s=budget_s, workers=workers, seed=seed)
        if result.interrupted:
            raise KeyboardInterrupt
        found = Placement(netlist, result.placement.position_um, result.placement.orientation)
        return centered(found), result.metrics["seconds"]

    return Source(f"{OURS[method]} {budget_s:g} s", start)


def from_file(netlist: Netlist, name: str, path: Path) -> Source:
    """The places in a file, for every seed."""
    return Source(name, lambda _: (put(netlist, read_places(path, netlist)), 0.0))


def sources(name: str, netlist: Netlist, arguments: argparse.Namespace) -> list[Source]:
    """The published placements of a design, those given, and ours within each budget."""
    folder = BENCHMARKS / "flat" / name
    files = {key: folder / file for key, file in PUBLISHED.items() if (folder / file).exists()}
    files |= {path.name.partition(".")[0]: path for path in arguments.macros}
    found = [from_file(netlist, key, path) for key, path in files.items()]
    methods = OURS if arguments.without_agent else [AGENT]
    found += [ours(netlist, budget_s, arguments.workers, each) for budget_s in arguments.budgets for each in methods]
    return [source for source in found if not arguments.sources or source.name in arguments.sources]


def run(netlist: Netlist, source: Source, seed: int, settings: Settings, stem: Path) -> Outcome:
    """The measures of one run, from its files if they are there: `stem`.json, .npz and, before the cells, .macros.npz.

    Raises `KeyboardInterrupt` after Ctrl-C, also if a stage has ended with a placement because of it.
    """
    record, whole, start = (stem.parent / f"{stem.name}{end}" for end in (".json", ".npz", ".macros.npz"))
    if record.exists():
        done: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
        if "error" in done or done.keys() >= MEASURES:
            return done
        done |= measure(read_arrays(netlist, whole))
    else:
        try:
            done = place_all(netlist, source, seed, settings, whole, start)
        except LegalizationError as error:
            done = {"error": str(error)}
    write_json(record, done)
    start.unlink(missing_ok=True)
    return done


def place_all(
    netlist: Netlist, source: Source, seed: int, settings: Settings, whole: Path, start: Path
) -> dict[str, Any]:
    """Place macros, unless the file `start` has them, then the cells; the placement is kept in the file `whole`.

    Raises `KeyboardInterrupt` after Ctrl-C.
    """
    if not start.exists():
        write_arrays(start, *source.start(seed))
    with np.load(start) as arrays:
        search_s = float(arrays["search_s"])
    macros = read_arrays(netlist, start)
    load_row_kernels()
    began = time.perf_counter()
    result = place_cells(macros, move_macros=False, seed=seed, seconds=settings.cell_seconds)
    if result.interrupted:
        raise KeyboardInterrupt
    cells_s = time.perf_counter() - began
    write_arrays(whole, result.placement, search_s)
    return {"search_s": search_s, "cells_s": cells_s, **measure(result.placement)}


def write_arrays(path: Path, placement: Placement, search_s: float) -> None:
    """Keep a placement, and the seconds of the search for its macros."""
    scratch = path.parent / f".{path.name}"
    np.savez_compressed(
        scratch, position_um=placement.position_um, orientation=placement.orientation, search_s=np.array(search_s)
    )
    scratch.replace(path)


def read_arrays(netlist: Netlist, path: Path) -> Placement:
    """The placement that `write_arrays` kept."""
    with np.load(path) as arrays:
        return Placement(netlist, arrays["position_um"], arrays["orientation"])


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file at once, so that a stopped benchmark leaves none that is cut short."""
    scratch = path.parent / f".{path.name}"
    scratch.write_text(json.dumps(content, indent=1), encoding="utf-8")
    scratch.replace(path)


def demand_same(settings: Settings, folder: Path) -> None:
    """Raise `SettingsError` if the runs in a folder were made with other settings; an empty folder notes them."""
    path, mine = folder / "settings.json", asdict(settings)
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, mine)
    elif (theirs := json.loads(path.read_text(encoding="utf-8"))) != mine:
        raise SettingsError(f"{path}: the runs there have {theirs}, these {mine}; give another folder by --out")


def table(outcomes: Mapping[str, Sequence[Outcome]]) -> list[str]:
    """The lines of a design's table: one per source, from its outcomes by seed."""
    titles = [title for title, _, _ in COLUMNS.values()]
    lines = [f"{'source':<16} {'runs':>5} " + " ".join(f"{title:>10}" for title in [*titles, "vs first", "± seeds"])]
    first = next(iter(outcomes.values()), [])
    for name, runs in outcomes.items():
        done = [each for each in runs if "error" not in each]
        cells = [f"{len(done)}/{len(runs)}".rjust(5)]
        for key, (_, shape, factor) in COLUMNS.items():
            values = [each[key] for each in done if key in each]
            cells.append((format(factor * float(np.mean(values)), shape) if values else "").rjust(10))
        ratios = paired(runs, first, "hpwl_um")
        cells += [f"{np.mean(ratios) - 1:+10.2%}", f"{np.std(ratios):10.2%}"] if ratios else []
        lines.append(f"{name:<16} {' '.join(cells)}".rstrip())
    return lines


def paired(runs: Sequence[Outcome], others: Sequence[Outcome], key: str) -> list[float]:
    """The ratio of a measure for each seed that both have."""
    pairs = zip(runs, others, strict=False)
    return [mine[key] / theirs[key] for mine, theirs in pairs if key in mine and key in theirs]


def run_design(
    name: str, arguments: argparse.Namespace, settings: Settings, folder: Path, outcomes: dict[str, list[Outcome]]
) -> None:
    """Place a design from every source with every seed; `outcomes` by source get one more after each run."""
    netlist = read_netlist(name, settings.halo_um)
    chosen = sources(name, netlist, arguments)
    outcomes |= {source.name: [] for source in chosen}
    (folder / name).mkdir(exist_ok=True)
    for seed in range(arguments.seeds):
        for source in chosen:
            stem = folder / name / f"{source.name.replace(' ', '')}-seed{seed}"
            try:
                outcome = run(netlist, source, seed, settings, stem)
            except PlacementError as error:
                outcome = {"error": str(error)}
            outcomes[source.name].append(outcome)
            told = outcome.get("error") or f"HPWL {outcome['hpwl_um']:.4g} µm, {outcome['cells_s']:.0f} s for cells"
            print(f"{name} {source.name}, seed {seed}: {told}", flush=True)


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("designs", nargs="*", help=f"of {', '.join((*LEFDEF, *ICCAD04))}; all by default")
    parser.add_argument("--budgets", type=float, nargs="*", default=[60, 150, 450], help="of our searches, in seconds")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="threads of our searches")
    parser.add_argument("--macros", type=Path, nargs="+", default=[], help="further places of the macros of one design")
    parser.add_argument("--sources", nargs="+", help='rows of the table, as expert or "ours 60 s"; all by default')
    parser.add_argument("--without-agent", action="store_true", help="also our searches with greedy in its place")
    parser.add_argument("--halo", type=float, default=5.0, help="µm around macros if the floorplan has no halos")
    parser.add_argument("--cell-seconds", type=float, help="for the cells of each run; by default all that they need")
    parser.add_argument("--out", type=Path, help="folder to keep the runs in")
    arguments = parser.parse_args()
    arguments.designs = arguments.designs or [*LEFDEF, *ICCAD04]
    if strange := [name for name in arguments.designs if name not in (*LEFDEF, *ICCAD04)]:
        parser.error(f"design {strange[0]!r}; expected one of {', '.join((*LEFDEF, *ICCAD04))}")
    if arguments.macros and len(arguments.designs) != 1:
        parser.error("--macros are places of the macros of one design: name it")
    return arguments


def main() -> None:
    """Measure, and print the tables."""
    arguments = parse()
    settings = Settings(arguments.halo, arguments.cell_seconds, arguments.workers)
    designs: dict[str, dict[str, list[Outcome]]] = {name: {} for name in arguments.designs}
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.out or Path(scratch)
        demand_same(settings, folder)
        try:
            for name in arguments.designs:
                run_design(name, arguments, settings, folder, designs[name])
        except KeyboardInterrupt:
            print("stopped; the finished runs are kept with --out")
    for title, group in (("LEF/DEF", LEFDEF), ("ICCAD04", ICCAD04)):
        for name in (name for name in group if designs.get(name)):
            print(f"\n{name} ({title})", *table(designs[name]), sep="\n")


if __name__ == "__main__":
    main()
