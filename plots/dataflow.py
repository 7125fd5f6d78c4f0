"""The dataflow between hard macros as a graph: at the places of the macros, or laid out by springs."""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from netlists.netlist import Floats, Netlist
from plots import style
from plots.labels import short_labels

HOP_COLORS = (style.BLUE, style.GREEN, style.ORANGE, style.VERMILION, style.PURPLE)
"""Colors of connections from the fewest hops to the most, in groups of about the same size."""

LINE_PT = (0.3, 3.5)
"""Widths of the lightest and of the heaviest line."""

DOTS_PT2 = (12.0, 260.0)
"""Areas of the smallest and of the largest macro in a layout by springs of few macros, in square points."""

CROWD = 40
"""Number of macros above which the dots shrink in proportion."""

SPREAD = 3.0
"""Length of the springs as a multiple of the mean distance of macros."""

LAYOUT_SEED = 0
MOST_LABELS = 60
"""With more macros none is named."""


def draw(graph: nx.DiGraph, netlist: Netlist, *, title: str = "") -> Figure:
    """Draw a graph of hard macros, as `netlists.connectivity.Dataflow.graph` makes it.

    The two directions between a pair of macros are one line, as wide as their weights together, in the color of the
    smaller number of hops.  If every macro has a position in the netlist, macros are drawn to scale in µm; otherwise
    they are dots, laid out by springs as strong as the connections.
    """
    figure = style.figure(8.0, 8.0)
    axes = figure.add_subplot()
    pairs = join_directions(graph)
    placed = bool(np.isfinite(netlist.position_um[netlist.hard]).all())
    place = _places(netlist) if placed else _layout(graph, pairs)
    if placed:
        width, height = netlist.canvas_um
        axes.add_patch(Rectangle((0, 0), width, height, fill=False, edgecolor=style.INK, linewidth=1.2))
        axes.set(xlim=(-0.02 * width, 1.02 * width), ylim=(-0.02 * height, 1.02 * height), aspect="equal")
        style.dress(axes, title=title or netlist.name, x="x (µm)", y="y (µm)")
        style.label_lengths(axes)
        _draw_rectangles(axes, netlist)
    else:
        style.dress(axes, title=title or netlist.name)
        axes.set(xticks=[], yticks=[])
        _draw_dots(axes, graph, place)
    _draw_lines(axes, pairs, place)
    _draw_names(axes, graph, place)
    _draw_legend(figure, [hops for _, hops in pairs.values()])
    return figure


def join_directions(graph: nx.DiGraph) -> dict[tuple[int, int], tuple[float, int]]:
    """Weight and smallest number of hops between each pair of macros, both directions together."""
    pairs: dict[tuple[int, int], tuple[float, int]] = {}
    for a, b, edge in graph.edges(data=True):
        key = (min(a, b), max(a, b))
        weight, hops = pairs.get(key, (0.0, edge["hops"]))
        pairs[key] = weight + edge["weight"], min(hops, edge["hops"])
    return pairs


def _places(netlist: Netlist) -> dict[int, Floats]:
    return {int(v): netlist.position_um[v] for v in netlist.hard}


def _layout(graph: nx.DiGraph, pairs: Mapping[tuple[int, int], tuple[float, int]]) -> dict[int, Floats]:
    """Places of the macros by springs; macros without a connection stand below the others in rows."""
    joined = nx.Graph()
    most = max((weight for weight, _ in pairs.values()), default=1.0)
    joined.add_weighted_edges_from((a, b, weight / most) for (a, b), (weight, _) in pairs.items())
    length = SPREAD / np.sqrt(max(len(joined), 1))
    place: dict[int, Floats] = nx.spring_layout(joined, k=length, seed=LAYOUT_SEED) if joined else {}
    alone = [v for v in graph if v not in place]
    per_row = max(1, int(np.ceil(np.sqrt(4 * len(alone)))))
    for k, v in enumerate(alone):
        place[v] = np.array([-1 + 2 * (k % per_row + 0.5) / per_row, -1.2 - 0.1 * (k // per_row)])
    return place


def _draw_rectangles(axes: Axes, netlist: Netlist) -> None:
    boxes = [
        Rectangle(tuple(netlist.position_um[v] - netlist.size_um[v] / 2), *netlist.size_um[v].tolist())
        for v in netlist.hard
    ]
    axes.add_collection(
        PatchCollection(boxes, facecolor="#e9edf1", edgecolor=style.FAINT, linewidth=0.6, gid="macros"), autolim=False
    )


def _draw_dots(axes: Axes, graph: nx.DiGraph, place: Mapping[int, Floats]) -> None:
    if not place:
        return
    points = np.array([place[v] for v in graph])
    area = np.array([graph.nodes[v]["area_um2"] for v in graph])
    low, high = (size / max(1.0, len(graph) / CROWD) for size in DOTS_PT2)
    size = low + (high - low) * area / max(area.max(), np.finfo(float).tiny)
    axes.scatter(
        points[:, 0],
        points[:, 1],
        s=size,
        color="#b8c4d0",
        edgecolors=style.INK,
        linewidths=0.6,
        zorder=3,
        gid="macros",
    )


def _hop_bounds(hops: list[int]) -> list[int]:
    """The largest number of hops of each color, rising, without repetition."""
    bounds = np.quantile(hops, np.linspace(0, 1, len(HOP_COLORS) + 1)[1:], method="higher")
    return [int(bound) for bound in np.unique(bounds)]


def _draw_lines(axes: Axes, pairs: Mapping[tuple[int, int], tuple[float, int]], place: Mapping[int, Floats]) -> None:
    if not pairs:
        return
    order = sorted(pairs, key=lambda pair: pairs[pair][0])  # the heaviest on top
    weight = np.array([pairs[pair][0] for pair in order])
    hops = [pairs[pair][1] for pair in order]
    low, high = LINE_PT
    color = np.searchsorted(_hop_bounds(hops), hops)
    lines = LineCollection(
        [[place[a], place[b]] for a, b in order], linewidths=low + (high - low) * weight / weight.max(),
        colors=[HOP_COLORS[k] for k in color], alpha=0.55, zorder=2, capstyle="round", gid="connections",
    )  # fmt: skip
    axes.add_collection(lines, autolim=False)


def _draw_names(axes: Axes, graph: nx.DiGraph, place: Mapping[int, Floats]) -> None:
    if len(graph) > MOST_LABELS:
        return
    names = short_labels([graph.nodes[v]["name"] for v in graph])
    halo = [withStroke(linewidth=1.8, foreground=(1, 1, 1, 0.8))]
    for v, name in zip(graph, names, strict=True):
        axes.text(
            place[v][0], place[v][1], style.plain(name, 28), fontsize=6, color=style.INK, ha="center", va="center",
            zorder=5, parse_math=False, path_effects=halo,
        )  # fmt: skip


def _draw_legend(figure: Figure, hops: list[int]) -> None:
    if not hops:
        return
    handles, least = [], min(hops)
    for color, most in zip(HOP_COLORS, _hop_bounds(hops), strict=False):
        number = f"{most}" if least == most else f"{least} to {most}"
        handles.append(Line2D([], [], color=color, linewidth=3, label=f"{number} hop{'s' * (most != 1)}"))
        least = most + 1
    figure.legend(
        handles=handles, loc="outside lower center", ncols=5, frameon=False, fontsize=style.TICK_PT,
        labelcolor=style.INK, handlelength=1.6, columnspacing=1.4,
    )  # fmt: skip
