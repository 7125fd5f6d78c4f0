"""What a netlist is, in numbers: the content of `placer info`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import networkx as nx
import numpy as np

from netlists.connectivity.dataflow import Dataflow, trace_dataflow
from netlists.connectivity.hierarchy import build_hierarchy, hierarchy_rows
from netlists.connectivity.rent import Rent, estimate_rent
from netlists.connectivity.statistics import count_net_degrees, count_node_degrees, find_components
from netlists.netlist import Ints, Netlist

HEAVIEST = 20
"""Number of macro-to-macro connections in a summary."""

DEPTH = 3
"""Levels of the hierarchy in a summary, without the root."""

MODULES = 8
"""Number of modules listed per parent, those of the largest area."""


@dataclass(frozen=True)
class MacroSize:
    """Hard macros of one width and height."""

    width_um: float
    height_um: float
    count: int
    fixed: int  # how many of them may not be moved


@dataclass(frozen=True)
class Weights:
    """The weights of the nets."""

    smallest: float
    largest: float
    mean: float
    distinct: int  # number of different weights


@dataclass(frozen=True)
class Degrees:
    """The number of connections per node of one kind."""

    nodes: int
    mean: float
    largest: int


@dataclass(frozen=True)
class ComponentCounts:
    """The connected components of the netlist."""

    count: int  # of all components, isolated nodes included
    isolated_nodes: int
    largest: int  # number of nodes in the largest


@dataclass(frozen=True)
class RowCounts:
    """The rows of sites for standard cells."""

    count: int
    height_um: float  # of the lowest row
    site_um: float  # width of the narrowest site
    area_um2: float


@dataclass(frozen=True)
class Utilization:
    """Fractions of the canvas area."""

    hard_macros: float
    soft_macros: float
    cells: float
    total: float
    cells_in_free_area: float | None  # soft macros and cells over the area without hard macros; None if there is none


@dataclass(frozen=True)
class Module:
    """A module of the hierarchy with all that lies inside it."""

    module: str  # its name in full; empty for the whole design
    label: str  # its name inside its parent
    depth: int
    hard_macros: int
    soft_macros: int
    cells: int
    macro_area_um2: float
    area_um2: float


@dataclass(frozen=True)
class Connection:
    """A directed connection between two hard macros; see `dataflow.Dataflow`."""

    source: str
    target: str
    bits: float
    hops: int
    weight: float


@dataclass(frozen=True)
class RentRule:
    """The fit of Rent's rule; see `rent.Rent`."""

    exponent: float
    coefficient: float
    levels: tuple[tuple[int, float, float], ...]  # number of blocks, mean nodes and mean terminals per block


@dataclass(frozen=True)
class Summary:
    """A netlist in numbers."""

    name: str
    hard_macros: int
    fixed_macros: int
    soft_macros: int
    cells: int
    ports: int
    nets: int
    pins: int  # connections of nets
    canvas_um: tuple[float, float]
    grid_rows: int
    grid_columns: int
    placed: float  # fraction of nodes that have a position in the file
    rows: RowCounts | None
    utilization: Utilization
    macro_sizes: tuple[MacroSize, ...]  # the largest area first
    net_degrees: dict[int, int]  # number of nets by their number of pins
    node_degrees: dict[str, Degrees]  # by kind of node
    net_weights: Weights | None  # None without nets
    components: ComponentCounts
    rent: RentRule | None  # None for small netlists
    hierarchy: tuple[Module, ...]  # the top levels as an outline, the whole design first
    modules: int  # in the whole hierarchy, without the root
    connections: int  # directed, between hard macros
    max_hops: int  # most cells and soft macros on the way of a connection
    heaviest_connections: tuple[Connection, ...]
    notes: tuple[str, ...]  # of the reader

    def as_dict(self) -> dict[str, object]:
        """The summary as plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Graphs:
    """The graphs that a summary is made from."""

    dataflow: Dataflow
    hierarchy: nx.DiGraph
    rent: Rent | None


def build_graphs(netlist: Netlist, *, seed: int = 0) -> Graphs:
    """Build the dataflow, the hierarchy and the Rent fit of a netlist.  Raises `SettingsError` for a bad seed."""
    return Graphs(trace_dataflow(netlist), build_hierarchy(netlist), estimate_rent(netlist, seed=seed))


def summarize(netlist: Netlist, graphs: Graphs | None = None) -> Summary:
    """Collect what a netlist is; `graphs`, if they are built already, are those of the netlist."""
    n, graphs = netlist, graphs or build_graphs(netlist)
    flow, tree = graphs.dataflow, graphs.hierarchy
    return Summary(
        name=n.name, hard_macros=len(n.hard), fixed_macros=int(n.fixed[n.hard].sum()), soft_macros=len(n.soft),
        cells=len(n.cells), ports=len(n.ports), nets=n.num_nets, pins=len(n.net_pin), canvas_um=n.canvas_um,
        grid_rows=n.grid[0], grid_columns=n.grid[1],
        placed=float(np.isfinite(n.position_um).all(axis=1).mean()) if n.num_nodes else 0.0,
        rows=_count_rows(n), utilization=_utilization(n), macro_sizes=_group_macro_sizes(n),
        net_degrees=count_net_degrees(n), node_degrees=_degrees_by_kind(n), net_weights=_weights(n),
        components=_count_components(n), rent=_rent_rule(graphs.rent),
        hierarchy=tuple(_module(tree, name) for name in hierarchy_rows(tree, DEPTH, MODULES)), modules=len(tree) - 1,
        connections=len(flow.source), max_hops=flow.max_hops,
        heaviest_connections=_list_connections(flow, HEAVIEST), notes=n.notes,
    )  # fmt: skip


def _count_rows(netlist: Netlist) -> RowCounts | None:
    rows = netlist.rows
    if rows is None or not len(rows):
        return None
    area_um2 = float(np.sum((rows.right_um - rows.x_um) * rows.height_um))
    return RowCounts(len(rows), float(rows.height_um.min()), float(rows.site_um.min()), area_um2)


def _utilization(netlist: Netlist) -> Utilization:
    area_um2 = netlist.size_um.prod(axis=1)
    canvas_um2 = netlist.canvas_um[0] * netlist.canvas_um[1]
    hard, soft, cells = (float(area_um2[kind].sum()) for kind in (netlist.hard, netlist.soft, netlist.cells))
    free = canvas_um2 - hard
    return Utilization(
        hard / canvas_um2, soft / canvas_um2, cells / canvas_um2, (hard + soft + cells) / canvas_um2,
        (soft + cells) / free if free > 0 else None,
    )  # fmt: skip


def _group_macro_sizes(netlist: Netlist) -> tuple[MacroSize, ...]:
    sizes, group = np.unique(netlist.size_um[netlist.hard], axis=0, return_inverse=True)
    count = np.bincount(group.ravel(), minlength=len(sizes))
    fixed = np.bincount(group.ravel(), netlist.fixed[netlist.hard], minlength=len(sizes))
    order = np.argsort(-sizes.prod(axis=1), kind="stable")
    return tuple(MacroSize(float(sizes[k, 0]), float(sizes[k, 1]), int(count[k]), int(fixed[k])) for k in order)


def _degrees_by_kind(netlist: Netlist) -> dict[str, Degrees]:
    degree = count_node_degrees(netlist)
    kinds: dict[str, Ints] = {
        "hard_macros": netlist.hard, "soft_macros": netlist.soft, "cells": netlist.cells, "ports": netlist.ports
    }  # fmt: skip
    return {
        kind: Degrees(len(nodes), float(degree[nodes].mean()), int(degree[nodes].max()))
        for kind, nodes in kinds.items()
        if len(nodes)
    }


def _weights(netlist: Netlist) -> Weights | None:
    weight = netlist.net_weight
    if not len(weight):
        return None
    return Weights(float(weight.min()), float(weight.max()), float(weight.mean()), len(np.unique(weight)))


def _count_components(netlist: Netlist) -> ComponentCounts:
    components = find_components(netlist)
    return ComponentCounts(len(components.nodes), components.isolated, int(components.nodes.max(initial=0)))


def _rent_rule(rent: Rent | None) -> RentRule | None:
    if rent is None:
        return None
    levels = tuple(zip(rent.blocks.tolist(), rent.nodes, rent.terminals, strict=True))
    return RentRule(rent.exponent, rent.coefficient, levels)


def _module(tree: nx.DiGraph, name: str) -> Module:
    a = tree.nodes[name]
    return Module(name, a["label"], a["depth"], a["hard"], a["soft"], a["cells"], a["macro_area_um2"], a["area_um2"])


def _list_connections(flow: Dataflow, most: int) -> tuple[Connection, ...]:
    names, bits, hops, weight = flow.netlist.node_names, flow.total_bits, flow.hops, flow.weight
    return tuple(
        Connection(names[flow.source[k]], names[flow.target[k]], float(bits[k]), int(hops[k]), float(weight[k]))
        for k in flow.heaviest(most)
    )
