"""Comparison of the models with published designs: our number, theirs, the error, and the bar that it must keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any

from dse.model.cost import PARTS, Totals
from dse.model.evaluation import Evaluation, evaluate
from dse.templates.base import Count
from dse.validation.publication import Publication, PublishedRow, load_publication
from dse.workloads.layers import Network
from dse.workloads.scalesim import product_layer, scalesim_layer
from netlists.errors import DesignError, did_you_mean

Metrics = dict[str, float]


def _moved_mb(totals: Totals, first: Count) -> float:
    return float(totals.counts[0, first : first + 3].sum()) / 8e6


def _weight_buffer_mb(totals: Totals) -> float:
    return float(totals.counts[0, Count.BUFFER_WEIGHT]) / 8e6


def _buffer_pj(totals: Totals) -> float:
    return float(totals.energy_pj[0, PARTS.index("buffer")])


def _busy_fraction(totals: Totals) -> float:
    """Fraction of the cycles in which the array computes, fills or drains."""
    return float(totals.counts[0, : Count.STALL].sum() / totals.cycles[0])


def _dram_fraction(totals: Totals) -> float:
    """Fraction of the energy that off-chip memory takes."""
    return float(totals.energy_pj[0, PARTS.index("dram")] / totals.energy_pj[0].sum())


QUANTITIES: dict[str, Callable[[Totals, Metrics], float]] = {
    "compute_cycles": lambda totals, _: float(totals.counts[0, Count.COMPUTE]),
    "array_cycles": lambda totals, _: float(totals.counts[0, : Count.STALL].sum()),  # compute and fill
    "cycles": lambda _, metrics: metrics["cycles"],
    "latency_ms": lambda _, metrics: metrics["latency_ms"],
    "processing_ms": lambda totals, metrics: metrics["latency_ms"] * _busy_fraction(totals),
    "fps": lambda _, metrics: metrics["throughput_fps"],
    "gops": lambda _, metrics: metrics["gops"],
    "power_mw": lambda _, metrics: 1e3 * metrics["power_w"],
    "chip_power_mw": lambda totals, metrics: 1e3 * metrics["power_w"] * (1 - _dram_fraction(totals)),
    "energy_mj": lambda _, metrics: metrics["energy_mj"],
    "utilization_pct": lambda _, metrics: 100 * metrics["utilization"],
    "dram_mb": lambda totals, _: _moved_mb(totals, Count.DRAM_INPUT),
    "buffer_mb": lambda totals, _: _moved_mb(totals, Count.BUFFER_INPUT),
    "feature_buffer_mb": lambda totals, _: _moved_mb(totals, Count.BUFFER_INPUT) - _weight_buffer_mb(totals),
    "area_mm2": lambda _, metrics: metrics["area_mm2"],
    "dsp": lambda _, metrics: metrics["dsp"],
    "bram": lambda _, metrics: metrics["bram"],
    "lut": lambda _, metrics: metrics["lut"],
    "ff": lambda _, metrics: metrics["ff"],
}
"""The quantities that a publication may state of some layers, from the sum of their counts and their metrics."""

RELATIVE: dict[str, Callable[[Totals, Totals], float]] = {
    "speedup": lambda totals, rival: float(rival.cycles[0] / totals.cycles[0]),
    "buffer_saving_pct": lambda totals, rival: 100 * (1 - _buffer_pj(totals) / _buffer_pj(rival)),
}
"""Quantities that compare some layers of a design with those of a rival."""


@dataclass(frozen=True)
class QuantityComparison:
    """One published number and ours."""

    row: str
    quantity: str
    ours: float | None  # None if the model says that the design does not run
    theirs: float | tuple[float, float]  # a number or a range
    error_pct: float | None  # percent, from the nearest number of a range
    bar_pct: float | None  # percent of error at most; None: no bar
    reason: str = ""  # why the design does not run
    stated: str = ""  # why the model is off, according to the file of the publication
    source: str = ""  # of this row, if it differs from that of the publication

    @property
    def ok(self) -> bool | None:
        """Whether the error keeps the bar; None if there is no bar."""
        if self.bar_pct is None:
            return None
        return self.error_pct is not None and abs(self.error_pct) <= self.bar_pct


@dataclass(frozen=True)
class Comparison:
    """A publication with all of its numbers."""

    name: str
    publication: Publication
    rows: tuple[QuantityComparison, ...]

    def as_dict(self) -> dict[str, Any]:
        """The comparison as JSON holds it."""
        return {
            "name": self.name,
            **self.publication.model_dump(include={"title", "source", "status", "calibrated", "notes"}),
            "rows": [asdict(row) | {"ok": row.ok} for row in self.rows],
        }


def compare(name: str) -> Comparison:
    """Evaluate a publication, a ready-made one or a file, and compare its numbers with ours; raises `DesignError`."""
    publication = load_publication(name)
    try:
        evaluate(publication.whole_design)  # reports mistakes of a design without rows, too
        rows = tuple(each for row in publication.compare for each in _compare_row(publication, row))
    except DesignError as error:
        raise DesignError(f"{name}: {error}") from None
    return Comparison(name, publication, rows)


def _compare_row(publication: Publication, row: PublishedRow) -> list[QuantityComparison]:
    try:
        for quantity in row.quantities:
            _demand_known(quantity, row.against is not None)
        evaluation = _evaluate_row(publication, row, {})
        layers = _row_layers(evaluation, row)
        totals = evaluation.totals(layers)
        reason = evaluation.cost.machine.reasons[totals.reason[0]]
        numbers = {} if reason else _numbers(publication, row, evaluation, layers)
        return [_compare_quantity(publication, row, name, numbers.get(name, nan), reason) for name in row.quantities]
    except DesignError as error:
        raise DesignError(f"compare: {row.name}: {error}") from None


def _demand_known(quantity: str, has_rival: bool) -> None:
    known = [*QUANTITIES, *RELATIVE]
    if quantity not in known:
        raise DesignError(
            f"quantity {quantity!r} is unknown{did_you_mean(quantity, known)}; expected one of {', '.join(known)}"
        )
    if quantity in RELATIVE and not has_rival:
        raise DesignError(f"{quantity} needs `against`: the parameters of a rival")


def _numbers(
    publication: Publication, row: PublishedRow, evaluation: Evaluation, layers: list[int]
) -> dict[str, float]:
    """Our numbers by quantity; those relative to a rival that does not run are nan."""
    totals, metrics = evaluation.totals(layers), evaluation.metrics(layers)
    numbers = {name: quantity(totals, metrics) for name, quantity in QUANTITIES.items() if name in row.quantities}
    if row.against is not None:
        rival = _evaluate_row(publication, row, row.against).totals(layers)
        for name in RELATIVE.keys() & row.quantities.keys():
            numbers[name] = nan if rival.reason[0] else RELATIVE[name](totals, rival)
    return numbers


def _evaluate_row(publication: Publication, row: PublishedRow, changes: dict[str, Any]) -> Evaluation:
    """The design of a row on its network."""
    design = publication.whole_design
    parameters = {**design.parameters, **row.parameters, **changes}
    design = design.moved_to(row.network) if row.network else design
    own = {"batch": row.batch or design.batch, "overhead": row.overhead or design.overhead}
    design = design.model_copy(update={"parameters": parameters, **own})
    if row.topology is not None:
        return evaluate(design, Network(row.name, (scalesim_layer(row.name, row.topology),)))
    if row.product is not None:
        return evaluate(design, Network(row.name, (product_layer(row.name, row.product),)))
    return evaluate(design)


def _row_layers(evaluation: Evaluation, row: PublishedRow) -> list[int]:
    """Positions of the layers of a row in its network."""
    known = [layer.name for layer in evaluation.network.layers]
    if row.layers == "all":
        return list(range(len(known)))
    for name in row.layers:
        if name not in known:
            raise DesignError(f"network {evaluation.network.name} has no layer {name!r}{did_you_mean(name, known)}")
    return [known.index(name) for name in row.layers]


def _compare_quantity(
    publication: Publication, row: PublishedRow, quantity: str, ours: float, reason: str
) -> QuantityComparison:
    value = row.quantities[quantity]
    bounds = value if isinstance(value, list) and len(value) == 2 else [value, value]
    if any(isinstance(bound, bool) or not isinstance(bound, int | float) for bound in bounds):
        raise DesignError(f"{quantity} is {value!r}; expected a number, or a range as in [4.0, 8.3]")
    low, high = bounds
    bars = publication.tolerance.get(quantity)
    bar = None if bars is None else bars[row.layers == "all"]
    error = _error_pct(ours, min(max(ours, low), high))
    theirs = low if low == high else (low, high)
    return QuantityComparison(
        row.name, quantity, None if isnan(ours) else ours, theirs, error, bar, reason, row.reason, row.source
    )


def _error_pct(ours: float, theirs: float) -> float | None:
    if isnan(ours) or (theirs == 0 and ours != 0):
        return None
    return 0.0 if ours == theirs else 100 * (ours - theirs) / abs(theirs)
