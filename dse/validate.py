"""The models beside published designs: our number, theirs, the error, and the bar that it has to keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import isnan, nan
from typing import Any

from dse.cost import PARTS, Totals
from dse.evaluation import Evaluation, evaluate
from dse.publication import Publication, Row, load_publication
from dse.templates.base import Count
from netlists.errors import DesignError, did_you_mean

Metrics = dict[str, float]


def _moved_mb(totals: Totals, first: Count) -> float:
    return float(totals.counts[0, first : first + 3].sum()) / 8e6


def _weight_buffer_mb(totals: Totals) -> float:
    return float(totals.counts[0, Count.BUFFER_WEIGHT]) / 8e6


def _busy_share(totals: Totals) -> float:
    """Share of the cycles in which the array computes, fills or drains."""
    return float(totals.counts[0, : Count.STALL].sum() / totals.cycles[0])


def _dram_share(totals: Totals) -> float:
    """Share of the energy that off-chip memory takes."""
    return float(totals.energy_pj[0, PARTS.index("dram")] / totals.energy_pj[0].sum())


# What a publication may state of some layers: from their sum of counts and from `dse.metrics`.
QUANTITIES: dict[str, Callable[[Totals, Metrics], float]] = {
    "compute_cycles": lambda totals, _: float(totals.counts[0, Count.COMPUTE]),
    "cycles": lambda _, metrics: metrics["cycles"],
    "latency_ms": lambda _, metrics: metrics["latency_ms"],
    "processing_ms": lambda totals, metrics: metrics["latency_ms"] * _busy_share(totals),
    "fps": lambda _, metrics: metrics["throughput_fps"],
    "gops": lambda _, metrics: metrics["gops"],
    "power_mw": lambda _, metrics: 1e3 * metrics["power_w"],
    "chip_power_mw": lambda totals, metrics: 1e3 * metrics["power_w"] * (1 - _dram_share(totals)),
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


@dataclass(frozen=True)
class Compared:
    """One published number and ours."""

    row: str
    quantity: str
    ours: float | None  # None where the model says that the design does not run
    theirs: float
    error_pct: float | None
    bar_pct: float | None  # None: shown without a bar
    reason: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the error keeps the bar; None where there is none."""
        if self.bar_pct is None:
            return None
        return self.error_pct is not None and abs(self.error_pct) <= self.bar_pct


@dataclass(frozen=True)
class Comparison:
    """A publication with all its numbers."""

    name: str
    publication: Publication
    rows: tuple[Compared, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            **self.publication.model_dump(include={"title", "source", "status", "calibrated", "notes"}),
            "rows": [asdict(row) | {"ok": row.ok} for row in self.rows],
        }


def compare(name: str) -> Comparison:
    """Evaluate a publication (a ready-made one or a file) and set its numbers beside ours; raises `DesignError`."""
    publication = load_publication(name)
    try:
        found = evaluate(publication.whole_design)
        rows = tuple(compared for row in publication.compare for compared in _compared(publication, found, row))
    except DesignError as error:
        raise DesignError(f"{name}: {error}") from None
    return Comparison(name, publication, rows)


def _compared(publication: Publication, found: Evaluation, row: Row) -> list[Compared]:
    known = [layer.name for layer in found.network.layers]
    layers = list(range(len(known)))
    if row.layers != "all":
        for name in row.layers:
            if name not in known:
                raise DesignError(f"compare: {row.name}: the network has no layer {name!r}{did_you_mean(name, known)}")
        layers = [known.index(name) for name in row.layers]
    totals, metrics = found.totals(layers), found.metrics(layers)
    reason = found.cost.machine.reasons[totals.reason[0]]
    done = []
    for quantity, theirs in row.quantities.items():
        if quantity not in QUANTITIES:
            raise DesignError(
                f"compare: {row.name}: quantity {quantity!r} is unknown{did_you_mean(quantity, QUANTITIES)}; expected"
                f" one of {', '.join(QUANTITIES)}"
            )
        if isinstance(theirs, bool) or not isinstance(theirs, int | float):
            raise DesignError(f"compare: {row.name}: {quantity} is {theirs!r}; expected a number")
        ours = nan if reason else QUANTITIES[quantity](totals, metrics)
        bars = publication.tolerance.get(quantity)
        bar = None if bars is None else bars[row.layers == "all"]
        error = _error_pct(ours, theirs)
        done.append(Compared(row.name, quantity, None if isnan(ours) else ours, theirs, error, bar, reason))
    return done


def _error_pct(ours: float, theirs: float) -> float | None:
    if isnan(ours) or (theirs == 0 and ours != 0):
        return None
    return 0.0 if ours == theirs else 100 * (ours - theirs) / abs(theirs)
