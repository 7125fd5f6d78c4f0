"""The module hierarchy as an icicle: each module a bar as long as its area, inner modules to its right."""

from __future__ import annotations

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from netlists.connectivity.hierarchy import ROOT
from plots import style

DEPTH = 4
"""Levels drawn, without the whole design."""

SMALLEST = 0.004
"""Modules of a smaller fraction of the area are not drawn."""

NAMED = 0.016
"""Modules of a smaller fraction of the area are not named."""

HEIGHT_IN = 6.5
LABEL_CHARACTERS = 34


def draw(tree: nx.DiGraph, *, title: str = "") -> Figure:
    """Draw a tree of modules, as `netlists.connectivity.build_hierarchy` makes it.

    From top to bottom modules stand in the order of their areas; what is left of the height of a module is its own
    instances and modules too small to be drawn.  Colors follow the modules of the first level; the dark part at the
    left of a bar is the fraction of its area that hard macros take.
    """
    depth = min(DEPTH, max((tree.nodes[module]["depth"] for module in tree), default=0))
    figure = style.figure(2.6 * (depth + 1) + 0.4, HEIGHT_IN)
    axes = figure.add_subplot()
    axes.set(xlim=(0, depth + 1), ylim=(1, 0), xticks=[])
    style.dress(axes, title=title, y="fraction of the area of all instances")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    total = tree.nodes[ROOT]["area_um2"]
    if total > 0:
        _draw_module(axes, tree, ROOT, 0.0, total, style.FAINT)
    return figure


def _draw_module(axes: Axes, tree: nx.DiGraph, module: str, top: float, total_um2: float, color: str) -> None:
    a = tree.nodes[module]
    height = a["area_um2"] / total_um2
    macros = a["macro_area_um2"] / a["area_um2"] if a["area_um2"] else 0.0
    pale = tuple(1 - 0.3 * (1 - part) for part in to_rgb(color))
    x = a["depth"]
    axes.add_patch(Rectangle((x, top), 0.98, height, facecolor=pale, edgecolor="white", linewidth=0.6, gid="module"))
    axes.add_patch(Rectangle((x, top), 0.03, height * macros, facecolor=color, linewidth=0))
    if height > NAMED:
        axes.text(
            x + 0.05, top + height / 2, _label(a), fontsize=7, color=style.INK, va="center", parse_math=False,
            clip_on=True,
        )  # fmt: skip
    if a["depth"] == DEPTH:
        return
    inner = sorted(tree.successors(module), key=lambda name: (-tree.nodes[name]["area_um2"], name))
    for k, name in enumerate(inner):
        part = tree.nodes[name]["area_um2"] / total_um2
        if part < SMALLEST:
            break
        _draw_module(axes, tree, name, top, total_um2, style.SERIES[k % len(style.SERIES)] if x == 0 else color)
        top += part


def _label(attributes: dict[str, object]) -> str:
    counts = [
        f"{attributes[key]:,} {name}"
        for key, name in (("hard", "macros"), ("soft", "soft"), ("cells", "cells"))
        if attributes[key]
    ]
    name = style.plain(str(attributes["label"]) or "whole design", LABEL_CHARACTERS)
    return f"{name} ({', '.join(counts)})" if len(name) < 16 else name
