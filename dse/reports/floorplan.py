"""From floorplans to plain data: what `metrics.json` holds, and what the pages of `dse floorplan` show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from dse.exploration.results import Result, StoredDesign
from dse.floorplan.loop import ClosedLoop, FailedLoop
from dse.model.wires import PIPELINED, TITLES, Traffic
from dse.reports.tables import Row, Table, format_number
from dse.search.pareto import non_dominated
from dse.templates.base import Floats, Ints

COMPARED = {
    "energy_mj": "energy (mJ)", "latency_ms": "latency (ms)", "cycles": "cycles", "edp": "energy × delay (mJ·ms)",
    "power_w": "power (W)",
}  # fmt: skip
"""Metrics that wires change, and how they are called."""


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
        " half the perimeter of the box around its pins. Estimated are half the side of a square chip, and for a hop"
        " the side of an element."
    )
    return notes


@dataclass(frozen=True, eq=False)
class FrontReport:
    """The floorplans of a front."""

    facts: dict[str, str]
    notes: list[str]
    table: Table
    moves: Table  # of the placed designs in the plane of the objectives
    names: list[str]  # of the designs that were placed
    estimated_mj: Floats  # [K] energy of their wires
    placed_mj: Floats  # [K]


def report_front(result: Result, loops: Sequence[ClosedLoop | FailedLoop]) -> FrontReport:
    """How the front of an exploration changes with placed wires; designs without a floorplan are marked."""
    placed = [loop for loop in loops if isinstance(loop, ClosedLoop)]
    failed = [loop for loop in loops if isinstance(loop, FailedLoop)]
    energies = np.array([[price.metrics["energy_mj"] for price in (loop.before, loop.after)] for loop in placed])
    ranks = 1 + np.argsort(np.argsort(energies.reshape(-1, 2), axis=0, kind="stable"), axis=0, kind="stable")
    priced = reprice_front(result, placed)
    facts = {"designs placed": str(len(placed)), "failed": str(len(failed))}
    if placed:
        moved = int((ranks[:, 0] != ranks[:, 1]).sum())
        kept = int(non_dominated(priced.signed_objectives(priced.front)).sum())
        facts |= {
            "other rank by energy": f"{moved} of {len(placed)}",
            "still on the front": f"{kept} of {len(placed)}",
            "knee before": str(_knee(result)),
            "knee after": str(_knee(priced)),
        }
    estimated, after = (np.array([float(price.energy_mj.sum()) for price in prices]) for prices in
                        ([loop.before for loop in placed], [loop.after for loop in placed]))  # fmt: skip
    if len(placed) > 2:
        facts["rank correlation of wire energy"] = f"{spearmanr(estimated, after).statistic:.2f}"
    notes = [f"Design {loop.name} has no floorplan: {loop.reason}" for loop in failed]
    names = [loop.name for loop in placed]
    return FrontReport(
        facts, notes, tabulate_loops(loops, ranks), tabulate_moves(result, priced), names, estimated, after
    )


def reprice_front(result: Result, placed: Sequence[ClosedLoop]) -> Result:
    """The exploration with only the placed designs of its front, at their prices with placed wires."""
    prices: Mapping[str, ClosedLoop] = {loop.name: loop for loop in placed}
    rows: list[StoredDesign] = []
    for row in result.front:
        if loop := prices.get(str(row["id"])):
            own = {name: loop.after.metrics.get(name.removesuffix("_found")) for name, _ in result.objectives}
            rows.append({**row, **own})
    return replace(result, designs=rows)


def tabulate_moves(result: Result, priced: Result) -> Table:
    """The objectives of the placed designs with estimated and with placed wires, and who is still on the front."""
    estimated = {row["id"]: row for row in result.front}
    objectives = [name for name, _ in result.objectives]
    kept: list[bool] = non_dominated(priced.signed_objectives(priced.front)).tolist() if priced.front else []
    rows: list[Row] = [
        [str(row["id"]), *(value for name in objectives for value in (estimated[row["id"]][name], row[name])),
         "on the front" if stays else "dominated"]
        for row, stays in zip(priced.front, kept, strict=True)
    ]  # fmt: skip
    columns = [f"{wires} {name.removesuffix('_found')}" for name in objectives for wires in ("estimated", "placed")]
    return Table("How the front moves", ["design", *columns, "with placed wires"], rows)


def _knee(result: Result) -> object:
    """The id of the recommended design; – if there is none."""
    return result.knee["id"] if result.knee else "–"


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
