"""One design on one network: built from its file, evaluated and summed.

Sums are computed by `dse.model.cost.Totals` and `dse.model.metrics`, like those of an exploration, so that both give
the same numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dse.model.cost import Cost, Totals, build, price_counts
from dse.model.cost import evaluate as evaluate_designs
from dse.model.custom_parts import find_device, find_technology
from dse.model.design import Design, LayerFields, load_design
from dse.model.devices import Device
from dse.model.metrics import Work, mean_work, metrics, work
from dse.model.overflow import corner, demand_exact
from dse.model.wires import find_direct
from dse.templates import template
from dse.templates.base import COUNTS, Ints
from dse.workloads.files import load_network
from dse.workloads.layers import Layer, Network, kinds
from netlists.errors import DesignError, did_you_mean


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The cost [1, L] of a design on the L layers of a network."""

    design: Design
    device: Device | None
    cost: Cost

    @property
    def network(self) -> Network:
        """The network whose layers are evaluated."""
        return self.cost.network

    @property
    def reasons(self) -> list[str]:
        """Why each layer [L] does not run; empty if it does."""
        return [self.cost.machine.reasons[code] for code in self.cost.reason[0]]

    @property
    def feasible(self) -> bool:
        """Whether all layers run."""
        return bool(self.cost.feasible.all())

    def totals(self, layers: Sequence[int] | None = None) -> Totals:
        """The sum over some layers and their repeats, all by default; not feasible if one of them is not."""
        selection = list(range(len(self.network.layers)) if layers is None else layers)
        reason = self.cost.reason[:, selection]
        first = reason[:, (reason[0] > 0).argmax()] if selection else np.zeros(1, np.int16)
        counts = np.zeros((1, COUNTS), np.int64)
        if not first.any():
            counts = (self.cost.counts[:, selection] * self.cost.repeats[selection, None]).sum(axis=1)
        direct = self.direct_bits(selection)
        parts = price_counts(self.cost.machine, self.cost.wires, counts[:, None], direct[:, None])[:, 0]
        return Totals(counts, parts, first)

    def direct_bits(self, layers: Sequence[int] | None = None) -> Ints:
        """Bits [1, 3] of DRAM that pass by the buffers in some layers and their repeats, all by default."""
        selection = list(range(len(self.network.layers)) if layers is None else layers)
        direct = find_direct(self.cost.counts[:, selection]) * self.cost.repeats[selection, None]
        return np.asarray(direct.sum(axis=1) * bool(self.cost.feasible[:, selection].all()))

    def metrics(self, layers: Sequence[int] | None = None) -> dict[str, float]:
        """Metrics of `dse.model.metrics` of some layers, all by default; nan if not defined."""
        values = metrics(self.cost.machine, work(self.totals(layers)), self.design.batch)
        return {name: float(value[0]) for name, value in values.items()}


def mean_metrics(runs: Sequence[Evaluation], weights: Sequence[float]) -> dict[str, float]:
    """Metrics of the weighted mean of a design's runs on several networks; nan if one of them is not feasible."""
    none = Work(*[np.array([np.nan])] * len(Work._fields))
    mean = mean_work([work(run.totals()) if run.feasible else none for run in runs], weights)
    values = metrics(runs[0].cost.machine, mean, runs[0].design.batch)
    return {name: float(value[0]) for name, value in values.items()}


def evaluate(
    design: Design | str | Path,
    network: Network | str | None = None,
    *,
    search: bool | None = None,
    sizes: Mapping[str, int] | None = None,
    skip: Collection[str] = (),
    counts: str | None = None,
) -> Evaluation:
    """Evaluate a design, or a design file, on a network by name or file, by default the design's own.

    The design's batch and kinds of layers apply to any network, its fields of single layers only to its own network.
    With `search` each layer takes its best mapping; without, that depends on the design's `search_mapping`.  `sizes`,
    `skip` and `counts` hold for ONNX files, as in `load_network`.  Raises `DesignError` for a design or network that is
    not valid; a design that does not fit is marked with the reason.
    """
    if not isinstance(design, Design):
        design = load_design(design)
    if isinstance(network, str):
        design = design.moved_to(network)
    family = template(design.template)
    if (design.device is None) == family.fpga or (design.technology is None) != family.fpga:
        expected = "`device` and no `technology`" if family.fpga else "`technology` and no `device`"
        raise DesignError(f"template {family.name} takes a {expected}")
    part = find_device(design.device) if design.device is not None else None
    node = part.fabric if part else find_technology(design.technology or "")
    machine = build(family, np.array([design.row(part)]), node, part, design.overhead, design.wires)
    layers = workload(design, network if network is not None else design.network, sizes, skip, counts)
    demand_exact(family, corner(family, machine.timed[0].tolist()), layers)
    searches = design.search_mapping if search is None else search
    cost = evaluate_designs(machine, layers, search=searches)
    if design.mappings and not search:
        cost = evaluate_designs(machine, layers, mappings=_own_mappings(design, cost))
    return Evaluation(design, part, cost)


def _own_mappings(design: Design, cost: Cost) -> Ints:
    """The mappings [1, L, G] of a cost, with those of the design; raises `DesignError` for unknown names."""
    family, names = cost.machine.template, [layer.name for layer in cost.network.layers]
    columns = family.mapping
    mappings = cost.mappings.copy()
    for name, values in design.mappings.items():
        if name not in names:
            raise DesignError(f"mappings: network {cost.network.name} has no layer {name!r}{did_you_mean(name, names)}")
        for column, value in values.items():
            if column not in columns:
                raise DesignError(
                    f"mappings: {name}: template {design.template} has no mapping of {column!r}"
                    f"{did_you_mean(column, columns)}; expected {', '.join(columns) or 'nothing'}"
                )
            if value >= family.codes.get(column, value + 1):
                most = family.codes[column] - 1
                raise DesignError(f"mappings: {name}: {column} is {value}; expected 0 to {most}")
            mappings[0, names.index(name), columns.index(column)] = value
    return mappings


def workload(
    design: Design,
    network: Network | str | None,
    sizes: Mapping[str, int] | None = None,
    skip: Collection[str] = (),
    counts: str | None = None,
) -> Network:
    """The network as the design runs it: with its batch, its kinds of layers and its fields of single layers.

    `sizes`, `skip` and `counts` are added to those of the design.  Raises `DesignError` if the design names no network
    or its fields do not fit the network.
    """
    if network is None:
        raise DesignError("the design names no network; give one with --network (`dse networks` lists them)")
    if isinstance(network, Network):
        run = network.with_batch(design.batch)
    else:
        counted = counts or design.counts or counts  # empty: the only open size, if the design names none
        run = load_network(network, design.batch, {**design.sizes, **(sizes or {})}, (*design.skip, *skip), counted)
    run = run.only(kinds(design.only)) if design.only else run
    known = [layer.name for layer in run.layers]
    for name in design.layers:
        if name not in known:
            raise DesignError(f"layers: network {run.name} has no layer {name!r}{did_you_mean(name, known)}")
    return replace(
        run, layers=tuple(_set_fields(layer, design.layers.get(layer.name, LayerFields())) for layer in run.layers)
    )


def _set_fields(layer: Layer, fields: LayerFields) -> Layer:
    """The layer with the fields that a design sets."""
    return replace(layer, **fields.model_dump(exclude_none=True))
