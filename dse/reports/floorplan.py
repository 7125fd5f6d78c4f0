"""From floorplans to plain data: what `metrics.json` holds, and what the pages of `dse floorplan` show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from dse.exploration.results import Result, StoredDesign
from dse.floorplan.loop import ClosedLoop, FailedLoop
from dse.model.wires import FITTED, HALF_SIDE, PIPELINED, TITLES, Traffic
from dse.reports.exploration import DIMENSIONS, measure_volumes
from dse.reports.tables import Row, Table, format_number
from dse.search.pareto import non_dominated, signs
from dse.templates.base import Floats, Ints

COMPARED = {
    "energy_mj": "energy (mJ)", "latency_ms": "latency (ms)", "cycles": "cycles", "edp": "energy × delay (mJ·ms)",
    "power_w": "power (W)",
}  # fmt: skip
"""Metrics that wires change, and how they are called."""
ESTIMATES = {
    HALF_SIDE: "half the side of a square chip, and for a hop the side of an element",
    FITTED: "lengths that were fitted to placed designs of the template",
}
"""What estimated wires are."""
MOVES = 100
"""Designs of the table that shows how the front moves, at most."""


def summarize_loop(loop: ClosedLoop) -> dict[str, Any]:
    """A design before and after its placement, ready for JSON: None if a number is not defined."""
    return {
        "name": loop.name,
        "design": loop.design.model_dump(exclude_none=True, exclude_defaults=True),
        "granularity": loop.settings.granularity,
        "utilization": loop.settings.utilization,
        "seed": loop.seed,
        **{
            moment: {
                "metrics": {key: None if np.isnan(value) else value for key, value in price.metrics.items()},
                "wires": {
                    each.name.lower(): {
                        "bits": price.bits[each].tolist(),
                        "mean_mm": price.wires.mean_mm[0, each].tolist(),
                        "longest_mm": float(price.wires.longest_mm[0, each]),
                        "periods": float(price.periods[each]),
                        "energy_mj": float(price.energy_mj[each]),
                    }
                    for each in Traffic
                },
            }
            for moment, price in (("before", loop.before), ("after", loop.after))
        },
    }


def format_facts(loop: ClosedLoop) -> dict[str, str]:
    """The headline of a floorplan: number with unit by name."""
    n, before, after = loop.placement.netlist, loop.before, loop.after
    return {
        "energy with estimated wires": f"{format_number(before.metrics['energy_mj'])} mJ",
        "energy with placed wires": f"{format_number(after.metrics['energy_mj'])} mJ"
        f" ({format_change(before.metrics['energy_mj'], after.metrics['energy_mj'])})",
        "latency": f"{format_number(after.metrics['latency_ms'])} ms"
        f" ({format_change(before.metrics['latency_ms'], after.metrics['latency_ms'])})",
        "wires' part of the energy": f"{100 * float(after.energy_mj.sum()) / after.metrics['energy_mj']:.1f}%",
        "canvas": f"{n.canvas_um[0] / 1e3:.2f} × {n.canvas_um[1] / 1e3:.2f} mm",
        "macros": f"{len(n.hard)} SRAMs, {len(n.soft)} soft",
        "nets": f"{n.num_nets:,} buses",
    }


def format_change(before: float, after: float) -> str:
    """A relative change as percent with sign."""
    return f"{100 * (after / before - 1):+.1f}%"


def tabulate_prices(loop: ClosedLoop) -> Table:
    """The metrics that wires change, before and after."""
    before, after = loop.before.metrics, loop.after.metrics
    rows: list[Row] = [
        [title, before[key], after[key], format_change(before[key], after[key])] for key, title in COMPARED.items()
    ]
    return Table("Cost with estimated and with placed wires", ["", "estimated", "placed", "change"], rows)


def tabulate_wires(loop: ClosedLoop) -> Table:
    """Lengths, delays and energies of the wires by class."""
    before, after = loop.before, loop.after
    rows: list[Row] = []
    for each in Traffic:
        lengths = [float(price.mean_mm[each]) for price in (before, after)]
        rows.append(
            [TITLES[each], *lengths, float(after.wires.longest_mm[0, each]), float(after.periods[each]),
             float(before.energy_mj[each]), float(after.energy_mj[each])]
        )  # fmt: skip
    columns = ["class", "estimated mm", "placed mm", "longest mm", "its delay in periods", "estimated mJ", "placed mJ"]
    return Table("Wires by class of traffic; inside the array those of a hop", columns, rows)


def list_loop_notes(loop: ClosedLoop) -> list[str]:
    """What a reader of the numbers should know, one sentence each."""
    periods = loop.after.periods
    notes = []
    if loop.after.is_slow:
        notes.append(
            f"The longest hop inside the array takes {periods[Traffic.ARRAY]:.2f} clock periods: the clock is too fast"
            " for this floorplan."
        )
    else:
        notes.append("Every hop inside the array takes less than a clock period.")
    slow = [TITLES[each] for each in PIPELINED if periods[each] > 1]
    if slow:
        notes.append(f"Wires of {', '.join(slow)} take registers, whose cycles are in the latency.")
    notes.append(
        "Energy of a wire: bits × length × pJ per bit and mm; a hop has its FIFO beside that. The length of a net is"
        f" half the perimeter of the box around its pins. Estimated are {ESTIMATES[loop.design.wires]}."
    )
    return notes


@dataclass(frozen=True, eq=False)
class FrontMove:
    """Designs at two prices, and which are on the front at each; objectives are signed: smaller is better."""

    index: Ints  # [n]
    estimated: Floats  # [n, K]
    priced: Floats  # [n, K] with placed wires or, for designs without a floorplan, with those that are expected
    placed: npt.NDArray[np.bool_]  # [n]
    before: npt.NDArray[np.bool_]  # [n] on the front with estimated wires
    after: npt.NDArray[np.bool_]  # [n] on the front with placed wires


@dataclass(frozen=True, eq=False)
class FrontPlane:
    """Both fronts in the plane of the first two objectives."""

    before: Floats  # [n, 2]
    after: Floats  # [m, 2]
    labels: tuple[str, str]
    better: tuple[str, str]  # min or max
    connected: bool  # whether there are no other objectives


@dataclass(frozen=True, eq=False)
class FrontReport:
    """The floorplans of a front."""

    facts: dict[str, str]
    notes: list[str]
    table: Table
    moves: Table  # of designs in the plane of the objectives
    plane: FrontPlane | None  # None for a single objective, or without placed designs
    names: list[str]  # of the designs that were placed
    estimated_mj: Floats  # [K] energy of their wires
    placed_mj: Floats  # [K]


def report_front(result: Result, loops: Sequence[ClosedLoop | FailedLoop]) -> FrontReport:
    """How the front of an exploration changes with placed wires; designs without a floorplan are marked."""
    placed = [loop for loop in loops if isinstance(loop, ClosedLoop)]
    failed = [loop for loop in loops if isinstance(loop, FailedLoop)]
    energies = np.array([[price.metrics["energy_mj"] for price in (loop.before, loop.after)] for loop in placed])
    ranks = 1 + np.argsort(np.argsort(energies.reshape(-1, 2), axis=0, kind="stable"), axis=0, kind="stable")
    move = compare_fronts(result, placed)
    facts = {"designs placed": str(len(placed)), "failed": str(len(failed))}
    if placed:
        moved = int((ranks[:, 0] != ranks[:, 1]).sum())
        facts |= {"other rank by energy": f"{moved} of {len(placed)}", **format_move(result, move)}
    estimated, after = (np.array([float(price.energy_mj.sum()) for price in prices]) for prices in
                        ([loop.before for loop in placed], [loop.after for loop in placed]))  # fmt: skip
    if len(placed) > 2:
        facts["rank correlation of wire energy"] = f"{spearmanr(estimated, after).statistic:.2f}"
    notes = [f"Design {loop.name} has no floorplan: {loop.reason}" for loop in failed]
    if not move.placed.all():
        notes.append(
            "The search decided which designs to place. Others have the price that is expected in the light of those:"
            " their own estimate, corrected by what floorplans changed in similar designs."
        )
    names = [loop.name for loop in placed]
    return FrontReport(
        facts, notes, tabulate_loops(loops, ranks), tabulate_moves(result, move), _make_plane(result, move), names,
        estimated, after,
    )  # fmt: skip


def compare_fronts(result: Result, placed: Sequence[ClosedLoop]) -> FrontMove:
    """All designs of a search that priced them again while it ran, or else the placed ones of the front."""
    if prices := result.prices:
        index, estimated, priced, has_floorplan = prices.index, prices.estimated, prices.expected, prices.placed
    else:
        loops = {loop.name: loop for loop in placed}
        rows = [row for row in result.front if str(row["id"]) in loops]
        again = [_reprice(result, row, loops[str(row["id"])]) for row in rows]
        index, has_floorplan = np.array([row["id"] for row in rows], np.int64), np.ones(len(rows), np.bool_)
        estimated, priced = result.signed_objectives(rows), result.signed_objectives(again)
    return FrontMove(index, estimated, priced, has_floorplan, non_dominated(estimated), non_dominated(priced))


def _reprice(result: Result, row: StoredDesign, loop: ClosedLoop) -> StoredDesign:
    """A design at its price with placed wires; objectives that these do not change, as accuracy, stay."""
    own = {name: loop.after.metrics.get(name.removesuffix("_found"), row[name]) for name, _ in result.objectives}
    return {**row, **own}


def format_move(result: Result, move: FrontMove) -> dict[str, str]:
    """How the front moves: who stays and who is new, the recommended designs, the volume that it dominates."""
    before, after = move.before, move.after
    facts = {"still on the front": f"{np.count_nonzero(before & after)} of {np.count_nonzero(before)}"}
    if not move.placed.all():
        facts["new on the front"] = str(np.count_nonzero(after & ~before))
    facts |= {
        "knee before": _knee(result, move.index[before], move.estimated[before]),
        "knee after": _knee(result, move.index[after], move.priced[after]),
    }
    if move.estimated.shape[1] <= DIMENSIONS:
        fronts = [move.estimated[before], move.priced[before], move.priced[after]]
        fronts = [front[np.isfinite(front).all(axis=1)] for front in fronts]
        first, same, last = measure_volumes(fronts, np.concatenate(fronts))
        facts["hypervolume"] = f"{first:.4f} before, {last:.4f} after"
        if not move.placed.all():
            facts["of the first front, with placed wires"] = f"{same:.4f}"
    return facts


def tabulate_moves(result: Result, move: FrontMove) -> Table:
    """The objectives of placed designs and of both fronts with estimated and with placed wires, at most MOVES."""
    rows: list[Row] = []
    for row in np.flatnonzero(move.placed | move.before | move.after)[:MOVES].tolist():
        pairs = zip(signs(result.objectives).tolist(), move.estimated[row], move.priced[row], strict=True)
        values = [sign * float(value) for sign, *both in pairs for value in both]
        state = ("new on the front", "on the front")[int(move.before[row])] if move.after[row] else "dominated"
        rows.append([str(move.index[row]), *values, "placed" if move.placed[row] else "expected", state])
    names = [name.removesuffix("_found") for name, _ in result.objectives]
    columns = [f"{wires} {name}" for name in names for wires in ("estimated", "placed")]
    return Table("How the front moves", ["design", *columns, "wires", "with placed wires"], rows, 1 + len(columns))


def _make_plane(result: Result, move: FrontMove) -> FrontPlane | None:
    """The picture of both fronts; None if there is nothing to draw."""
    if len(result.objectives) < 2 or not move.after.any():
        return None
    (first, one), (second, other) = result.objectives[:2]
    both = signs(result.objectives[:2])
    before, after = move.estimated[move.before, :2] * both, move.priced[move.after, :2] * both
    labels = first.removesuffix("_found"), second.removesuffix("_found")
    return FrontPlane(before, after, labels, (one, other), len(result.objectives) == 2)


def _knee(result: Result, index: Ints, objectives: Floats) -> str:
    """The id of the recommended one of the designs [n] of a front with signed objectives [n, K]; – if there is none."""
    names = [name for name, _ in result.objectives]
    values = (objectives * signs(result.objectives)).tolist()
    rows: list[StoredDesign] = [
        {"id": number, "on_front": 1, **dict(zip(names, row, strict=True))}
        for number, row in zip(index.tolist(), values, strict=True)
    ]
    knee = replace(result, designs=rows).knee
    return str(knee["id"]) if knee else "–"


def tabulate_loops(loops: Sequence[ClosedLoop | FailedLoop], ranks: Ints) -> Table:
    """Designs before and after their placement; `ranks` [K, 2] are numbers from 1, of the K placed ones by energy."""
    rows: list[Row] = []
    own = iter(ranks.tolist())
    for loop in loops:
        if isinstance(loop, FailedLoop):
            rows.append([loop.name, *[None] * 7, "no floorplan"])
            continue
        before, after = loop.before.metrics, loop.after.metrics
        first, second = next(own)
        rows.append(
            [loop.name, before["energy_mj"], after["energy_mj"],
             format_change(before["energy_mj"], after["energy_mj"]), first, second, before["latency_ms"],
             after["latency_ms"], "array too slow" if loop.after.is_slow else "ok"]
        )  # fmt: skip
    columns = ["design", "estimated mJ", "placed mJ", "change", "rank estimated", "rank placed", "estimated ms",
               "placed ms", "wires"]  # fmt: skip
    return Table("Designs of the front with estimated and with placed wires", columns, rows, 8)
