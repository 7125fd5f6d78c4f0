"""`placer info`: what a netlist is, as tables, one JSON object or a page with pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from netlists.runtime.command import command_line, say
from netlists.runtime.output import check_out
from placer.commands.options import Follow, Grid, Lef, NetlistPath, PlcFile, Unfix, load_netlist, parse_source
from placer.commands.terminal import PlainTable

if TYPE_CHECKING:
    from netlists.connectivity import Summary
    from netlists.netlist import Netlist

SIZES = 10
"""Number of macro sizes in the table of the terminal."""

CONNECTIONS = 10
"""Number of macro-to-macro connections in the table of the terminal."""

DEPTH = 2
"""Levels of the hierarchy in the table of the terminal."""

SMALLEST_MODULE = 0.005
"""Modules of a smaller fraction of the area of all instances are left out of the table of the terminal."""


def run(
    netlist: NetlistPath,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of tables")] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE.html", help="Write a page with pictures")] = None,
    plc: PlcFile = None,
    grid: Grid = None,
    unfix: Unfix = None,
    lef: Lef = None,
    follow_outside: Follow = False,
) -> None:
    """Describe a netlist: macros, nets, utilization, hierarchy, and the dataflow between macros.

    Example: placer info harbor --out harbor.html
    """
    if out:
        check_out(out.parent)
    from netlists.connectivity import build_graphs, summarize

    chip = load_netlist(parse_source(netlist, plc, grid, unfix, lef), follow_outside)
    graphs = build_graphs(chip)
    summary = summarize(chip, graphs)
    if out:
        from plots import netlist as netlist_page

        out.parent.mkdir(parents=True, exist_ok=True)
        netlist_page.write(out, chip, summary, graphs, footer=command_line("placer"))
    if as_json:
        print(json.dumps(summary.as_dict()))
        return
    print_summary(summary, chip)
    if out:
        say(f"page: {out}")


def print_summary(summary: Summary, netlist: Netlist) -> None:
    """Print the summary of a netlist on the terminal, as tables."""
    console = Console()
    for table in (
        _overview(summary), _macro_sizes(summary), _nets(summary), _hierarchy(summary), _connections(summary, netlist)
    ):  # fmt: skip
        if table.row_count:
            console.print(table)


def _overview(s: Summary) -> Table:
    u, c = s.utilization, s.components
    table = PlainTable("", s.name)
    rows = [
        ("hard macros", f"{s.hard_macros:,}" + (f", {s.fixed_macros:,} of them fixed" if s.fixed_macros else "")),
        ("soft macros", f"{s.soft_macros:,}"),
        ("standard cells", f"{s.cells:,}"),
        ("ports", f"{s.ports:,}"),
        ("nets", f"{s.nets:,}"),
        ("pins", f"{s.pins:,}" + (f", {s.pins / s.nets:.2f} per net" if s.nets else "")),
        ("canvas", f"{s.canvas_um[0]:,.6g} × {s.canvas_um[1]:,.6g} µm"),
        ("grid", f"{s.grid_columns} columns × {s.grid_rows} rows"),
        ("rows", f"{s.rows.count:,}, {s.rows.height_um:.6g} µm high" if s.rows else "none"),
        ("nodes with a position", f"{s.placed:.1%}"),
        (
            "utilization",
            f"{u.total:.1%}: hard macros {u.hard_macros:.1%}, soft {u.soft_macros:.1%}, cells {u.cells:.1%}",
        ),
        (
            "  of the free area",
            f"{_percent(u.cells_in_free_area)} taken by soft macros and cells (free: without hard macros)",
        ),
        ("net weights", _weights(s)),
        ("components", f"{c.count:,}, {c.isolated_nodes:,} of them single nodes; the largest has {c.largest:,} nodes"),
        ("Rent exponent", f"{s.rent.exponent:.3f}" if s.rent else "netlist too small"),
        ("modules", f"{s.modules:,}"),
        ("macro-to-macro", f"{s.connections:,} connections of at most {s.max_hops} hops"),
    ]
    for row in rows:
        table.add_row(*row)
    return table


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{fraction:.1%}"


def _weights(s: Summary) -> str:
    w = s.net_weights
    if w is None:
        return "no nets"
    if w.distinct == 1:
        return f"all {w.smallest:.6g}"
    return f"{w.smallest:.6g} to {w.largest:.6g}, mean {w.mean:.4g}, {w.distinct:,} different"


def _macro_sizes(s: Summary) -> Table:
    table = _numbers("hard macros, width × height (µm)", "count", "fixed", "area (µm²)")
    for m in s.macro_sizes[:SIZES]:
        size = f"{m.width_um:,.6g} × {m.height_um:,.6g}"
        table.add_row(size, f"{m.count:,}", f"{m.fixed:,}", f"{m.count * m.width_um * m.height_um:,.0f}")
    rest = s.macro_sizes[SIZES:]
    if rest:
        area_um2 = sum(m.count * m.width_um * m.height_um for m in rest)
        counts = (sum(m.count for m in rest), sum(m.fixed for m in rest), area_um2)
        table.add_row(f"{len(rest):,} smaller sizes", *(f"{value:,.0f}" for value in counts))
    return table


def _nets(s: Summary) -> Table:
    from netlists.connectivity import group_net_degrees

    table = _numbers("pins per net", "nets", "fraction")
    for pins, nets in group_net_degrees(s.net_degrees).items():
        table.add_row(pins, f"{nets:,}", f"{nets / s.nets:.1%}")
    return table


def _hierarchy(s: Summary) -> Table:
    table = _numbers("module", "hard macros", "soft macros", "cells", "area (µm²)")
    if not s.modules:
        return table
    for m in s.hierarchy:
        if m.depth <= DEPTH and m.area_um2 >= SMALLEST_MODULE * s.hierarchy[0].area_um2:
            name = "  " * m.depth + (m.label or "whole design")
            table.add_row(name, f"{m.hard_macros:,}", f"{m.soft_macros:,}", f"{m.cells:,}", f"{m.area_um2:,.0f}")
    return table


def _connections(s: Summary, netlist: Netlist) -> Table:
    from plots.labels import short_labels

    table = _numbers("heaviest connections, from → to", "bits", "hops", "weight")
    names = [netlist.node_names[v] for v in netlist.hard]
    label = dict(zip(names, short_labels(names), strict=True))
    for c in s.heaviest_connections[:CONNECTIONS]:
        table.add_row(f"{label[c.source]} → {label[c.target]}", f"{c.bits:,.6g}", f"{c.hops}", f"{c.weight:,.4g}")
    return table


def _numbers(first: str, *columns: str) -> Table:
    """A table whose first column is text and whose others are numbers."""
    table = PlainTable(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table
