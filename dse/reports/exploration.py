"""From a stored exploration to plain data: what its report says, shows and lists.

`gather` returns the fields of `plots.exploration.Exploration`.  The space is made again from the store, so that the
chosen design can be varied and compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import isnan
from typing import Any

import numpy as np

from dse.exploration.chosen import design_of, space_of
from dse.exploration.results import KNEE, Moment, Result, Row
from dse.exploration.run import BLIND
from dse.model.devices import RESOURCES
from dse.model.evaluation import evaluate
from dse.model.metrics import METRICS
from dse.reports import evaluation, tables
from dse.reports.sensitivity import Sweep, main_effects, sweeps
from dse.search.pareto import hypervolume
from dse.space.space import DesignSpace
from dse.validation.baselines import rivals_of

NAMES = {
    "latency_ms": "latency", "throughput_fps": "throughput", "gops": "performance", "energy_mj": "energy",
    "edp": "energy × delay", "power_w": "power", "utilization": "multipliers used", "dram_mb": "DRAM traffic",
    "bandwidth_gb_s": "DRAM bandwidth", "buffer_kb": "buffers", "area_mm2": "area", "dsp": "DSP", "bram": "BRAM",
    "lut": "LUT", "ff": "FF",
}  # fmt: skip
HEADLINE = ("latency_ms", "throughput_fps", "energy_mj", "power_w", "utilization", "dram_mb", "area_mm2", "dsp", "bram",
            "lut", "ff", "accuracy")  # fmt: skip
SHARES = ("utilization",)  # shown as percent
ROWS = 100  # of the front on the page
MOMENTS = 60  # of the curve of convergence
PLANES = 3  # objectives that are drawn against each other
FEWEST = 50  # sampled designs that shares of the variance are taken from
DIMENSIONS = 5  # objectives up to which a hypervolume takes less than a second
BEYOND = 0.1  # of the front's extent, from its worst values to the reference of the hypervolume


def gather(result: Result, which: str = KNEE) -> dict[str, Any]:
    """All that the page shows, with one design (`Result.chosen`) in detail; raises `DesignError`."""
    space = space_of(result)
    found: dict[str, Any] = {
        "title": str(space.content.get("title") or result.run["name"]),
        "story": [*story(result), *evaluation.notes([network for network, _ in space.networks])],
        "convergence": convergence(result),
        "influence": influence(result, space),
    }
    if not result.front and which == KNEE:
        return found | {"heading": "No feasible design was found" if result.evaluated else "Nothing is evaluated"}
    row = result.chosen(which)
    design = design_of(space, row)
    layers = evaluate(design)
    rivals = rivals_of(space)
    names = listed(space, [row])
    changed = space.evaluate(np.array([row["id"]])).metrics
    if any(metric(row, name) != float(changed[name][0]) for name in names):
        found["story"].append(
            f"The models have changed since version {result.run.get('version')} explored: what follows about design"
            f" {row['id']} differs from the numbers of the front. Explore again."
        )
    return found | {
        "heading": f"What to build: design {row['id']}, {'the knee' if row is result.knee else 'as chosen'}",
        "facts": {NAMES.get(name, name): with_unit(name, metric(row, name)) + room(space, row, name) for name in names},
        "design": evaluation.design_file(design),
        "comparison": comparison(result, row, names, rivals),
        "scatters": scatters(result, space, row, rivals),
        "sweeps": what_if(space, row),
        "network": layers.network.name,
        "roofline": evaluation.roofline(layers),
        "bars": evaluation.bars(layers),
        "layers": table_of(tables.layer_table(layers)),
        "memory": table_of(tables.memory_table(layers)) if layers.feasible else None,
        "mappings": evaluation.mappings(layers),
        "front": front(result, space),
        "front_size": len(result.front),
    }


def listed(space: DesignSpace, rows: Sequence[Row]) -> list[str]:
    """Metrics that some of the rows have: the objectives, then others that people ask for."""
    wanted = dict.fromkeys([*(name for name, _ in space.objectives), *HEADLINE])
    return [name for name in wanted if any(metric(row, name) is not None for row in rows)]


def metric(row: Row, name: str) -> float | None:
    """A metric of a stored design, whose column has another name where a parameter took it."""
    value: float | None = row.get(f"{name}_found", row.get(name))
    return value


def with_unit(name: str, value: float | None) -> str:
    """A metric as people read it."""
    if value is None or isnan(value):
        return tables.number(None)
    if name in SHARES:
        return f"{tables.percent(value)}%"
    unit = METRICS[name].unit if name in METRICS else "%"
    return cell(value) + (f" {unit}" if unit not in ("1", name) else "")


def room(space: DesignSpace, row: Row, name: str) -> str:
    """How much the FPGA part of a stored design has of a resource, to be said after what it takes."""
    part = space.parts[int(space.part_of(np.array([row["id"]]))[0])].device
    return f" of {getattr(part, name):,}" if part and name in RESOURCES else ""


def axis(name: str) -> str:
    """A metric's name with its unit."""
    unit = METRICS[name].unit if name in METRICS and name not in SHARES else "%"
    return NAMES.get(name, name) + (f" ({unit})" if unit not in ("1", name) else "")


def cells(row: Row, names: Sequence[str]) -> list[str]:
    """Metrics of a design, stored or not, in a table under their `axis`."""
    values = [metric(row, name) for name in names]
    return [cell(value * 100 if value and name in SHARES else value) for name, value in zip(names, values, strict=True)]


def cell(value: float | str | None) -> str:
    """A value in a table."""
    return tables.number(int(value) if isinstance(value, float) and value.is_integer() else value)


def table_of(table: tables.Table) -> dict[str, Any]:
    """Columns and rows of a table on the page."""
    return {"columns": table.columns, "rows": [[cell(value) for value in row] for row in table.rows]}


def story(result: Result) -> list[str]:
    """What was searched and how, in sentences."""
    run = result.run
    said = [
        f"{run['name']}: {run['search']} search, seed {run['seed']}, evaluated {result.evaluated:,} designs in"
        f" {result.seconds:,.1f} s; {result.feasible:,} of them are feasible, {len(result.front):,} on the Pareto"
        " front."
    ]
    if result.rejected:
        said.append(result.rejected)
    if not result.complete:
        said.append("The search was stopped, or goes on: what is shown is what it had found by then.")
    if result.front and len(names := [NAMES.get(name, name) for name in result.deciding]) == 1:
        said.append(f"The knee is the best of the front by {names[0]}.")
    elif result.front:
        said.append(
            f"The knee has the least product of {', '.join(names)} on the front: a percent more of one costs about a"
            " percent of the others. It is a compromise; where an objective has to meet a target, choose from the front"
            " below."
        )
    if result.front and result.budgets:
        said.append(result.budgets)
    if result.shares:
        said.append(
            f"Numbers are means of networks by weight: {result.shares}; `dse evaluate` gives those of each too."
        )
    return said


def comparison(result: Result, row: Row, names: list[str], rivals: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Columns and rows: the design, the best of the front by each objective, and published ones by the same models."""
    own = {f"design {row['id']}": cells(row, names)}
    if result.front:
        for objective, (name, _) in enumerate(result.objectives):
            end = result.best(objective)
            own[f"best {NAMES.get(name, name)}: {end['id']}"] = cells(end, names)
    others = {rival: cells(numbers, names) for rival, numbers in rivals.items()}
    return {"columns": ["", *map(axis, names)], "rows": [[name, *found] for name, found in (own | others).items()]}


def scatters(
    result: Result, space: DesignSpace, row: Row, rivals: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, Any]]:
    """Arguments of `plots.pareto.draw` by caption: each two of the first objectives."""
    columns, better = zip(*result.objectives, strict=True)
    names = [name for name, _ in space.objectives]
    sample = [design for design in result.sample if design["feasible"]]

    def points(rows: list[Row], pair: tuple[int, int]) -> Any:
        return np.array([[design[columns[k]] for k in pair] for design in rows], np.float64).reshape(-1, 2)

    return {
        f"{NAMES.get(names[x], names[x])} and {NAMES.get(names[y], names[y])}": {
            "front": points(result.front, (x, y)),
            "sample": points(sample, (x, y)),
            "labels": (axis(names[x]), axis(names[y])),
            "better": (better[x], better[y]),
            "chosen": (f"{KNEE if row is result.knee else 'design'} {row['id']}", (row[columns[x]], row[columns[y]])),
            "published": {rival: (numbers[names[x]], numbers[names[y]]) for rival, numbers in rivals.items()
                          if not isnan(numbers.get(names[x], np.nan)) and not isnan(numbers.get(names[y], np.nan))},
            "connected": len(names) == 2,
        }
        for x, y in combinations(range(min(PLANES, len(names))), 2)
    }  # fmt: skip


def convergence(result: Result) -> dict[str, Any] | None:
    """Arguments of `plots.pareto.converged`; None where the front was stored only once, is empty, or has many sides.

    The reference point is the worst of the last front in each objective, and a tenth of its extent beyond.
    """
    moments = list(_thinned(result.history))
    if len(moments) < 2 or not len(moments[-1].front) or len(result.objectives) > DIMENSIONS:
        return None
    low, high = moments[-1].front.min(axis=0), moments[-1].front.max(axis=0)
    extent = np.where(high > low, high - low, np.maximum(np.abs(high), 1e-12))
    volumes = [hypervolume((moment.front - low) / extent, (high - low) / extent + BEYOND) for moment in moments]
    return {
        "evaluations": [moment.evaluated for moment in moments],
        "hypervolume": [volume / volumes[-1] for volume in volumes],
    }


def _thinned(history: Any) -> Iterator[Moment]:
    """At most MOMENTS of a history, the first and the last among them."""
    places = np.linspace(0, len(history) - 1, min(len(history), MOMENTS)).round().astype(int)
    return (history[place] for place in places)


def influence(result: Result, space: DesignSpace) -> dict[str, Any] | None:
    """Arguments of `plots.sensitivity.bars` and what they say; None for a sample that is too small to tell.

    The variance is that of logarithms where objectives are positive: costs multiply.
    """
    fits = [design for design in result.sample if design["feasible"]]
    varied = [name for name in result.parameters if len({design[name] for design in result.sample}) > 1]
    if len(fits) < FEWEST or not varied:
        return None
    values = np.abs(result.signed(fits))
    values = np.where((values > 0).all(axis=0), np.log(np.maximum(values, 1e-300)), values)
    shares = main_effects({name: [design[name] for design in fits] for name in varied}, values)
    series = {NAMES.get(name, name): shares[:, k] for k, (name, _) in enumerate(space.objectives)}
    if len(fits) < len(result.sample):
        may = np.array([[float(design["feasible"])] for design in result.sample])
        series["feasible or not"] = main_effects(
            {name: [design[name] for design in result.sample] for name in varied}, may
        )[:, 0]
    order = np.argsort(-np.nan_to_num(np.array(list(series.values()))).max(axis=0), kind="stable")
    note = f"{len(result.sample):,} sampled designs, {len(fits):,} of them feasible"
    if len(space.parts) > 1:
        note += "; each parameter among designs whose template has it"
    if result.run["search"] not in BLIND:
        note += "; this search prefers good designs, so they are no fair draw of the space"
    return {
        "names": [varied[k] for k in order],
        "shares": {label: share[order] for label, share in series.items()},
        "note": note,
    }


def what_if(space: DesignSpace, row: Row) -> dict[str, dict[str, Any]]:
    """Arguments of `plots.sensitivity.sweep` by caption, a parameter each."""
    return {caption(sweep): _relative(space, sweep) for sweep in sweeps(space, row["id"])}


def caption(sweep: Sweep) -> str:
    """The parameter, its value, and what keeps other values from being feasible."""
    own = sweep.values[sweep.own]
    said = f"{sweep.name}: {own if isinstance(own, str) else format(own, ',.10g')}{unit(sweep, ' {}')}"
    failed = [reason for reason, fits in zip(sweep.reasons, sweep.feasible, strict=True) if not fits]
    if failed:
        reasons = list(dict.fromkeys(failed))
        said += f"; {len(failed)} of {len(sweep.values)} values not feasible: {reasons[0]}"
        said += f", and {len(reasons) - 1} other reasons" if len(reasons) > 1 else ""
    return said


def unit(sweep: Sweep, form: str) -> str:
    """The unit in some form, unless the parameter is named so."""
    return form.format(sweep.unit) if sweep.unit and sweep.unit != sweep.name else ""


def _relative(space: DesignSpace, sweep: Sweep) -> dict[str, Any]:
    """Objectives as multiples of the design's own; one that is 0 there has no curve."""
    curves = {
        NAMES.get(name, name) + (" (max)" if better == "max" else ""):
            sweep.metrics[name] / sweep.metrics[name][sweep.own]
        for name, better in space.objectives if sweep.metrics[name][sweep.own]
    }  # fmt: skip
    return {
        "name": sweep.name + unit(sweep, " ({})"),
        "values": sweep.values,
        "curves": curves,
        "feasible": sweep.feasible,
        "own": sweep.own,
    }


def front(result: Result, space: DesignSpace) -> dict[str, Any]:
    """Columns, rows, and design files: the front by its first objective, at most ROWS designs of it."""
    shown = result.spread(ROWS)
    numbers = listed(space, shown)
    return {
        "columns": ["design", *map(axis, numbers), *result.differing],
        "rows": [
            [str(row["id"]) + (f" ({KNEE})" if row is result.knee else ""), *cells(row, numbers),
             *(cell(row[name]) for name in result.differing)]
            for row in shown
        ],
        "texts": [evaluation.design_file(design_of(space, row)) for row in shown],
    }  # fmt: skip
