"""The page about a netlist: its numbers, the dataflow between its macros, its nets, its hierarchy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from netlists.connectivity import Graphs, Summary, group_net_degrees
from netlists.connectivity.summary import RentRule
from netlists.netlist import Netlist
from plots import dataflow, hierarchy, page, style
from plots.labels import short_labels
from plots.pareto import ticks

CONNECTIONS = 300
"""Number of connections drawn, the heaviest ones."""

SIZES = 24
"""Number of macro sizes in the table, those of the largest macros."""

SMALLEST_MODULE = 0.001
"""Modules of a smaller fraction of the area of all instances are left out of the table."""


def write(path: str | Path, netlist: Netlist, summary: Summary, graphs: Graphs, *, footer: str = "") -> None:
    """Write the page, whole or not at all.  Raises `OSError`."""
    sections = [_numbers(summary), _dataflow(netlist, summary, graphs), _nets(summary), _hierarchy(summary, graphs)]
    page.write(path, [s for s in sections if s], title=f"{summary.name}: netlist", footer=footer)


def draw_net_degrees(net_degrees: Mapping[int, int]) -> Figure:
    """Draw the number of nets by their number of pins, grouped, on a logarithmic axis."""
    groups = group_net_degrees(net_degrees)
    figure = style.figure(5.2, 3.4)
    axes = figure.add_subplot()
    axes.bar(range(len(groups)), list(groups.values()), color=style.BLUE, width=0.75, gid="nets")
    for k, count in enumerate(groups.values()):
        axes.annotate(
            f"{count:,}", (k, count), (0, 2), textcoords="offset points", ha="center", fontsize=6, color=style.INK
        )
    axes.set_yscale("log")
    if groups:
        axes.set_ylim(0.7, 2.5 * max(groups.values()))
    axes.set_xticks(range(len(groups)), [name.replace(" and more", "+") for name in groups])
    style.dress(axes, x="pins per net", y="nets")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def draw_rent(rent: RentRule) -> Figure:
    """Draw terminals against nodes per block, and the line fitted through them."""
    figure = style.figure(5.2, 3.4)
    axes = figure.add_subplot()
    _, nodes, terminals = np.array(rent.levels).T
    x = np.array([nodes.min(), nodes.max()])
    axes.plot(x, rent.coefficient * x**rent.exponent, color=style.ORANGE, linewidth=1.4, gid="fit")
    axes.scatter(nodes, terminals, s=22, color=style.BLUE, zorder=3, gid="levels")
    axes.set(xscale="log", yscale="log")
    ticks(axes.xaxis, True, float(nodes.max() / nodes.min()))
    ticks(axes.yaxis, True, float(terminals.max() / terminals.min()))
    style.dress(axes, x="nodes per block", y="nets that leave a block")
    axes.grid(True, color=style.GRID_LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    return figure


def _numbers(s: Summary) -> page.Section:
    facts: dict[str, object] = {
        "Hard macros": s.hard_macros, "Fixed macros": s.fixed_macros, "Soft macros": s.soft_macros,
        "Standard cells": s.cells, "Ports": s.ports, "Nets": s.nets, "Pins": s.pins,
        "Canvas (µm)": f"{s.canvas_um[0]:,.6g} × {s.canvas_um[1]:,.6g}",
        "Grid (columns × rows)": f"{s.grid_columns} × {s.grid_rows}",
        "Utilization": f"{s.utilization.total:.1%}",
        "Rent exponent": f"{s.rent.exponent:.2f}" if s.rent else None,
        "Components": s.components.count,
    }  # fmt: skip
    u = s.utilization
    dense = None if u.cells_in_free_area is None else f"{u.cells_in_free_area:.1%}"
    parts = [("hard macros", u.hard_macros), ("soft macros", u.soft_macros), ("cells", u.cells)]
    areas = page.Table(
        "Area as a fraction of the canvas", ["", "fraction"],
        [[name, f"{value:.1%}"] for name, value in [*parts, ("all", u.total)]]
        + [["soft macros and cells in the area left by hard macros", dense]],
    )  # fmt: skip
    some = f": the {SIZES} largest of {len(s.macro_sizes):,}" if len(s.macro_sizes) > SIZES else ""
    sizes = page.Table(
        f"Hard macros by size{some}", ["width × height (µm)", "count", "fixed"],
        [[f"{m.width_um:,.6g} × {m.height_um:,.6g}", m.count, m.fixed] for m in s.macro_sizes[:SIZES]],
    )  # fmt: skip
    return page.Section("", facts=facts, notes=s.notes, tables=[areas, *([sizes] if s.macro_sizes else [])])


def _dataflow(netlist: Netlist, s: Summary, graphs: Graphs) -> page.Section | None:
    if not s.connections:
        return None
    number = min(CONNECTIONS, s.connections)
    caption = (
        f"The {number:,} heaviest of {s.connections:,} connections between macros through at most {s.max_hops} cells or"
        " soft macros (hops). Width: weight, the sum of bits / (hops + 1)². Color: fewest hops."
    )
    names = [netlist.node_names[v] for v in netlist.hard]
    label = dict(zip(names, short_labels(names), strict=True))
    rows = [[f"{label[c.source]} → {label[c.target]}", c.bits, c.hops, c.weight] for c in s.heaviest_connections]
    table = page.Table("Heaviest connections", ["from → to", "bits", "hops", "weight"], rows)
    figure = dataflow.draw(graphs.dataflow.graph(CONNECTIONS), netlist, title="Dataflow between hard macros")
    return page.Section("Dataflow", figures={caption: figure}, tables=[table])


def _nets(s: Summary) -> page.Section:
    figures = {"Nets by their number of pins": draw_net_degrees(s.net_degrees)} if s.nets else {}
    notes = []
    if s.rent:
        caption = (
            f"Rent's rule: a block of B nodes has {s.rent.coefficient:.3g} B^{s.rent.exponent:.2f} terminals. Blocks by"
            " recursive bipartitioning, one point per level"
        )
        figures[caption] = draw_rent(s.rent)
        notes.append(
            "The smaller the Rent exponent, the more local the wiring: a two-dimensional mesh has 0.5, logic usually"
            " 0.5 to 0.75, and random wiring 1."
        )
    degrees = [[kind.replace("_", " "), d.nodes, d.mean, d.largest] for kind, d in s.node_degrees.items()]
    table = page.Table("Pins per node", ["", "nodes", "mean", "largest"], degrees)
    return page.Section("Nets", small=figures, notes=notes, tables=[table] if degrees else [])


def _hierarchy(s: Summary, graphs: Graphs) -> page.Section | None:
    if not s.modules:
        return None
    least_um2 = SMALLEST_MODULE * s.hierarchy[0].area_um2
    rows = [
        [
            "\u2003" * m.depth + (m.label or "whole design"), m.hard_macros, m.soft_macros, m.cells,
            round(m.macro_area_um2), round(m.area_um2),
        ]
        for m in s.hierarchy if m.area_um2 >= least_um2
    ]  # fmt: skip
    columns = ["module", "hard macros", "soft macros", "cells", "macro area (µm²)", "area (µm²)"]
    caption = "Modules by area; the dark strip at the left of a module is the fraction that hard macros take"
    return page.Section(
        "Hierarchy", figures={caption: hierarchy.draw(graphs.hierarchy)},
        tables=[page.Table(f"Top levels of {s.modules:,} modules, the largest of each", columns, rows)],
    )  # fmt: skip
