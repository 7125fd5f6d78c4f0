"""From a stored exploration to plain data: the sentences, tables and points of its report.

Begin with `build_report`.  The space is made again from the store, so that a design can be varied and compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isnan

import numpy as np
import numpy.typing as npt

from dse.exploration.results import KNEE, Moment, Result, StoredDesign
from dse.exploration.selection import rebuild_design, rebuild_space
from dse.model.devices import RESOURCES
from dse.model.evaluation import Evaluation, evaluate
from dse.model.metrics import METRICS
from dse.reports.evaluation import format_design, list_notes
from dse.reports.sensitivity import Sweep, compute_main_effects, sweep_parameters
from dse.reports.tables import Table, Value, format_number, format_percent
from dse.search import UNGUIDED
from dse.search.pareto import hypervolume
from dse.space.space import DesignSpace
from dse.templates.base import Floats
from dse.validation.baselines import evaluate_baselines

Baselines = Mapping[str, Mapping[str, float]]
"""Metrics of published designs, by name of the publication."""

NAMES = {
    "latency_ms": "latency", "throughput_fps": "throughput", "gops": "performance", "energy_mj": "energy",
    "edp": "energy × delay", "power_w": "power", "utilization": "multipliers used", "dram_mb": "DRAM traffic",
    "bandwidth_gb_s": "DRAM bandwidth", "buffer_kb": "buffers", "area_mm2": "area", "dsp": "DSP", "bram": "BRAM",
    "lut": "LUT", "ff": "FF",
}  # fmt: skip
"""Metrics as the page names them."""
HEADLINE = ("latency_ms", "throughput_fps", "energy_mj", "power_w", "utilization", "dram_mb", "area_mm2", "dsp", "bram",
            "lut", "ff", "accuracy")  # fmt: skip
"""Metrics that are listed after the objectives."""
FRACTIONS = ("utilization",)
"""Metrics from 0 to 1 that are shown as percent."""
ROWS = 100
"""Designs of the front on the page, at most."""
MOMENTS = 60
"""Points of the convergence curve, at most."""
PLANES = 3
"""Objectives, the first ones, that are drawn against each other."""
FEWEST = 50
"""Feasible sampled designs that are needed to explain the variance."""
DIMENSIONS = 5
"""Objectives up to which a hypervolume takes less than a second."""
BEYOND = 0.1
"""Distance from the worst values of the front to the reference of the hypervolume, relative to the front's extent."""


@dataclass(frozen=True, eq=False)
class Plane:
    """Designs in the plane of two objectives."""

    front: Floats  # [n, 2]
    sample: Floats  # [m, 2]
    labels: tuple[str, str]
    better: tuple[str, str]  # min or max
    marked: tuple[str, tuple[float, float]]  # the design of the report: its label and where it is
    published: Mapping[str, tuple[float, float]]
    connected: bool  # whether there are no other objectives


@dataclass(frozen=True)
class Convergence:
    """How the front grew."""

    evaluations: Sequence[int]  # [T]
    hypervolume: Sequence[float]  # [T] relative to the last


@dataclass(frozen=True, eq=False)
class Influence:
    """Which of P parameters explain the variance of each objective."""

    names: Sequence[str]  # [P]
    effects: Mapping[str, Floats]  # fractions [P] by objective
    note: str  # which designs they come from


@dataclass(frozen=True, eq=False)
class Curves:
    """Objectives over n values of one parameter, as multiples of those of the design."""

    name: str
    values: Sequence[float | str]  # [n]
    curves: Mapping[str, Floats]  # each [n]
    feasible: npt.NDArray[np.bool_]  # [n]
    own: int  # position of the value that the design has


@dataclass(frozen=True, eq=False)
class DesignReport:
    """One design in detail."""

    facts: Mapping[str, str]  # number with unit by name
    file: str
    comparison: Table  # with the best of the front and published designs
    planes: Mapping[str, Plane]  # by caption
    curves: Mapping[str, Curves]  # by caption
    evaluation: Evaluation


@dataclass(frozen=True, eq=False)
class ExplorationReport:
    """An exploration, with one design in detail."""

    title: str
    heading: str
    story: Sequence[str]  # sentences
    convergence: Convergence | None
    influence: Influence | None
    design: DesignReport | None = None  # None if no feasible design was found
    front: Table | None = None  # the same


def build_report(result: Result, which: str = KNEE) -> ExplorationReport:
    """The report of an exploration with one design in detail (`Result.select`); raises `DesignError`."""
    space = rebuild_space(result)
    title = str(space.content.get("title") or result.name)
    story = [*tell_story(result), *list_notes([network for network, _ in space.networks])]
    convergence, influence = measure_convergence(result), measure_influence(result, space)
    if not result.front and which == KNEE:
        heading = "No feasible design was found" if result.evaluated else "Nothing is evaluated"
        return ExplorationReport(title, heading, story, convergence, influence)
    row = result.select(which)
    heading = f"What to build: design {row['id']}, {'the knee' if row is result.knee else 'as chosen'}"
    design = _build_design_report(result, space, row)
    if _models_changed(space, row):
        story.append(
            f"The models have changed since version {result.run.version} explored: what follows about design"
            f" {row['id']} differs from the numbers of the front. Explore again."
        )
    return ExplorationReport(title, heading, story, convergence, influence, design, tabulate_front(result, space))


def _build_design_report(result: Result, space: DesignSpace, row: StoredDesign) -> DesignReport:
    design = rebuild_design(space, row)
    baselines = evaluate_baselines(space)
    names = select_metrics(space, [row])
    return DesignReport(
        facts={
            NAMES.get(name, name): format_metric(name, read_metric(row, name)) + format_budget(space, row, name)
            for name in names
        },
        file=format_design(design),
        comparison=compare_designs(result, row, names, baselines),
        planes=project_designs(result, space, row, baselines),
        curves={describe_sweep(sweep): _relate(space, sweep) for sweep in sweep_parameters(space, row["id"])},
        evaluation=evaluate(design),
    )


def _models_changed(space: DesignSpace, row: StoredDesign) -> bool:
    """Whether a stored design would now cost something else."""
    now = space.evaluate(np.array([row["id"]])).metrics
    return any(read_metric(row, name) != float(now[name][0]) for name in select_metrics(space, [row]))


def select_metrics(space: DesignSpace, rows: Sequence[StoredDesign]) -> list[str]:
    """Metrics that some of the designs have: the objectives, then those of HEADLINE."""
    wanted = dict.fromkeys([*(name for name, _ in space.objectives), *HEADLINE])
    return [name for name in wanted if any(read_metric(row, name) is not None for row in rows)]


def read_metric(row: StoredDesign | Mapping[str, float], name: str) -> float | None:
    """A metric of a stored design, whose column has another name if a parameter shares its own."""
    value: float | None = row.get(f"{name}_found", row.get(name))
    return value


def format_metric(name: str, value: float | None) -> str:
    """A metric with its unit."""
    if value is None or isnan(value):
        return format_number(None)
    if name in FRACTIONS:
        return f"{format_percent(value)}%"
    unit = METRICS[name].unit if name in METRICS else "%"
    return format_cell(value) + (f" {unit}" if unit not in ("1", name) else "")


def format_budget(space: DesignSpace, row: StoredDesign, name: str) -> str:
    """How much of a resource the FPGA part of a stored design has, to follow what the design takes."""
    part = space.parts[int(space.part_of(np.array([row["id"]]))[0])].device
    return f" of {getattr(part, name):,}" if part and name in RESOURCES else ""


def format_axis(name: str) -> str:
    """The name of a metric with its unit."""
    unit = METRICS[name].unit if name in METRICS and name not in FRACTIONS else "%"
    return NAMES.get(name, name) + (f" ({unit})" if unit not in ("1", name) else "")


def format_metrics(row: StoredDesign | Mapping[str, float], names: Sequence[str]) -> list[str]:
    """Metrics of a design as cells of a table with columns `format_axis`."""
    values = [read_metric(row, name) for name in names]
    return [
        format_cell(value * 100 if value and name in FRACTIONS else value)
        for name, value in zip(names, values, strict=True)
    ]


def format_cell(value: Value) -> str:
    """A value in a table of the page; integers have no decimals."""
    return format_number(int(value) if isinstance(value, float) and value.is_integer() else value)


def tell_story(result: Result) -> list[str]:
    """What was searched and how, in sentences."""
    run = result.run
    story = [
        f"{result.name}: {run.search} search, seed {run.seed}, evaluated {result.evaluated:,} designs in"
        f" {result.seconds:,.1f} s; {result.feasible:,} of them are feasible, {len(result.front):,} on the Pareto"
        " front."
    ]
    if result.rejections:
        story.append(result.rejections)
    if not result.complete:
        story.append("The search was stopped, or still runs: what is shown is what it had found by then.")
    if result.front and len(names := [NAMES.get(name, name) for name in result.deciding_objectives]) == 1:
        story.append(f"The knee is the best of the front by {names[0]}.")
    elif result.front:
        story.append(
            f"The knee has the least product of {', '.join(names)} on the front: a percent more of one costs about a"
            " percent of the others. It is a compromise; if an objective has to meet a target, choose from the front"
            " below."
        )
    if result.front and result.budgets:
        story.append(result.budgets)
    if result.network_weights:
        story.append(
            f"Numbers are means of networks by weight: {result.network_weights}; `dse evaluate` gives those of each"
            " too."
        )
    return story


def compare_designs(result: Result, row: StoredDesign, names: list[str], baselines: Baselines) -> Table:
    """The metrics of a design, of the best of the front by each objective, and of published designs."""
    designs = {f"design {row['id']}": format_metrics(row, names)}
    if result.front:
        for objective, (name, _) in enumerate(result.objectives):
            best = result.best(objective)
            designs[f"best {NAMES.get(name, name)}: {best['id']}"] = format_metrics(best, names)
    designs |= {name: format_metrics(metrics, names) for name, metrics in baselines.items()}
    title = "Beside the ends of the front and published designs, by the same models"
    return Table(title, ["", *map(format_axis, names)], [[name, *cells] for name, cells in designs.items()])


def project_designs(result: Result, space: DesignSpace, row: StoredDesign, baselines: Baselines) -> dict[str, Plane]:
    """The front, the sample and some designs in the planes of each two of the first PLANES objectives, by caption."""
    columns, better = zip(*result.objectives, strict=True)
    names = [name for name, _ in space.objectives]
    sample = [design for design in result.sample if design["feasible"]]
    label = f"{KNEE if row is result.knee else 'design'} {row['id']}"

    def points(rows: list[StoredDesign], pair: tuple[int, int]) -> Floats:
        return np.array([[design[columns[k]] for k in pair] for design in rows], np.float64).reshape(-1, 2)

    return {
        f"{NAMES.get(names[x], names[x])} and {NAMES.get(names[y], names[y])}": Plane(
            front=points(result.front, (x, y)),
            sample=points(sample, (x, y)),
            labels=(format_axis(names[x]), format_axis(names[y])),
            better=(better[x], better[y]),
            marked=(label, (row[columns[x]], row[columns[y]])),
            published={
                name: (metrics[names[x]], metrics[names[y]])
                for name, metrics in baselines.items()
                if not isnan(metrics.get(names[x], np.nan)) and not isnan(metrics.get(names[y], np.nan))
            },
            connected=len(names) == 2,
        )
        for x, y in combinations(range(min(PLANES, len(names))), 2)
    }


def measure_convergence(result: Result) -> Convergence | None:
    """The hypervolume of the front over the evaluations.

    None if the front was stored only once, if it is empty, or if there are more than DIMENSIONS objectives.  The extent
    of `measure_volumes` is that of the last front.
    """
    moments = _thin_history(result.history)
    if len(moments) < 2 or not len(moments[-1].front) or len(result.objectives) > DIMENSIONS:
        return None
    volumes = measure_volumes([moment.front for moment in moments], moments[-1].front)
    return Convergence([moment.evaluated for moment in moments], [volume / volumes[-1] for volume in volumes])


def measure_volumes(fronts: Sequence[Floats], base: Floats) -> list[float]:
    """Hypervolumes of fronts [n, K] in units of the extent of designs `base` [m, K], smaller is better.

    The reference point lies beyond the worst of `base` in each objective, by BEYOND of its extent.
    """
    low, high = base.min(axis=0), base.max(axis=0)
    extent = np.where(high > low, high - low, np.maximum(np.abs(high), 1e-12))
    return [hypervolume((front - low) / extent, (high - low) / extent + BEYOND) for front in fronts]


def _thin_history(history: Sequence[Moment]) -> list[Moment]:
    """At most MOMENTS of a history, including the first and the last."""
    places = np.linspace(0, len(history) - 1, min(len(history), MOMENTS)).round().astype(int)
    return [history[place] for place in places]


def measure_influence(result: Result, space: DesignSpace) -> Influence | None:
    """Which parameters explain the variance of the objectives; None if there are too few sampled designs to tell.

    The variance is that of logarithms if objectives are positive: costs multiply.
    """
    feasible = [design for design in result.sample if design["feasible"]]
    varied = [name for name in result.parameters if len({design[name] for design in result.sample}) > 1]
    if len(feasible) < FEWEST or not varied:
        return None
    values = np.abs(result.signed_objectives(feasible))
    values = np.where((values > 0).all(axis=0), np.log(np.maximum(values, 1e-300)), values)
    effects = compute_main_effects({name: [design[name] for design in feasible] for name in varied}, values)
    series = {NAMES.get(name, name): effects[:, k] for k, (name, _) in enumerate(space.objectives)}
    if len(feasible) < len(result.sample):
        mask = np.array([[float(design["feasible"])] for design in result.sample])
        columns = {name: [design[name] for design in result.sample] for name in varied}
        series["feasible or not"] = compute_main_effects(columns, mask)[:, 0]
    order = np.argsort(-np.nan_to_num(np.array(list(series.values()))).max(axis=0), kind="stable")
    note = f"{len(result.sample):,} sampled designs, {len(feasible):,} of them feasible"
    if len(space.parts) > 1:
        note += "; each parameter among designs whose template has it"
    if result.run.search not in UNGUIDED:
        note += "; this search prefers good designs, so they are not a fair sample of the space"
    return Influence([varied[k] for k in order], {label: each[order] for label, each in series.items()}, note)


def describe_sweep(sweep: Sweep) -> str:
    """The parameter, its value in the design, and why other values are infeasible."""
    own = sweep.values[sweep.own]
    text = f"{sweep.name}: {own if isinstance(own, str) else format(own, ',.10g')}{_format_unit(sweep, ' {}')}"
    failures = [reason for reason, feasible in zip(sweep.reasons, sweep.feasible, strict=True) if not feasible]
    if failures:
        reasons = list(dict.fromkeys(failures))
        text += f"; {len(failures)} of {len(sweep.values)} values not feasible: {reasons[0]}"
        text += f", and {len(reasons) - 1} other reasons" if len(reasons) > 1 else ""
    return text


def _format_unit(sweep: Sweep, template: str) -> str:
    """The unit of the parameter in a template, unless the parameter has the same name."""
    return template.format(sweep.unit) if sweep.unit and sweep.unit != sweep.name else ""


def _relate(space: DesignSpace, sweep: Sweep) -> Curves:
    """Objectives as multiples of the design's own; an objective that is 0 there has no curve."""
    curves = {
        NAMES.get(name, name) + (" (max)" if better == "max" else ""):
            sweep.metrics[name] / sweep.metrics[name][sweep.own]
        for name, better in space.objectives if sweep.metrics[name][sweep.own]
    }  # fmt: skip
    return Curves(sweep.name + _format_unit(sweep, " ({})"), sweep.values, curves, sweep.feasible, sweep.own)


def tabulate_front(result: Result, space: DesignSpace) -> Table:
    """The front by its first objective, at most ROWS designs of it, with the design file of each."""
    rows = result.thin_front(ROWS)
    names = select_metrics(space, rows)
    some = "" if len(rows) == len(result.front) else f", {len(rows)} of them; all are in pareto.csv"
    return Table(
        f"{len(result.front):,} designs{some}. Open one for its file, or use `dse evaluate DIR --design ID`.",
        ["design", *map(format_axis, names), *result.varied_parameters],
        [
            [str(row["id"]) + (f" ({KNEE})" if row is result.knee else ""), *format_metrics(row, names),
             *(format_cell(row[name]) for name in result.varied_parameters)]
            for row in rows
        ],
        texts=[format_design(rebuild_design(space, row)) for row in rows],
    )  # fmt: skip
