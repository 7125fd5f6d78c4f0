"""The picture of a placement: canvas, grid, macros, ports, and a map of loads below them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.patheffects import withStroke

from netlists.errors import PlacementError
from netlists.netlist import ORIENTATION_MATRIX, Floats, Ints
from netlists.placement import Placement
from plots import style
from plots.labels import short_labels

HARD_FILL = "#b8c4d0"
HARD_LINE = style.INK
FIXED_FILL = "#f3d9a4"
SOFT_FILL = style.GREEN
CELL_FILL = style.SKY
PORT_FILL = style.PURPLE

WRONG_LINE = "#c4005a"
"""Outline of illegal macros; not among the colors of the map."""

MAX_GRID_LINES = 200
"""Most rows or columns of a grid that is drawn; more lines would hide the picture below them."""

LABEL_SIZES_PT = (9, 7, 5.5)
"""Type sizes of the names of macros; the first that fits is used."""

NOTCH = (0.30, 0.15)
"""Legs of the cut corner along the macro's own x and y axis, as fractions of its shorter side."""


def draw(
    placement: Placement,
    *,
    heat: npt.NDArray[np.float64] | None = None,
    title: str = "",
    heat_label: str = "congestion",
) -> Figure:
    """Draw a placement to scale, in µm from the lower-left corner of the canvas.

    Hard macros are outlined, fixed ones also hatched; those that overlap or leave the canvas are outlined in crimson.
    The cut corner of a hard macro is its lower-left corner in orientation N; the longer leg of the cut lies along the
    macro's own x axis.  `heat` [R, C] is a map of loads with row 0 at the bottom; a load of 1 is full.
    Raises `PlacementError` if `heat` does not have the shape of the netlist's grid.
    """
    n = placement.netlist
    if heat is not None and heat.shape != n.grid:
        raise PlacementError(f"heat map has shape {heat.shape}; expected the grid, {n.grid}")
    low, high = view(placement)
    width_in = 8.0
    height_in = float(np.clip(width_in * (high[1] - low[1]) / (high[0] - low[0]), 1.2, 11.0))
    figure = style.figure(width_in + 0.8 * (heat is not None), height_in + 0.6)
    axes = figure.add_subplot()
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    style.dress(axes, title=title or n.name, x="x (µm)", y="y (µm)")
    style.label_lengths(axes)
    _draw_grid(axes, n.canvas_um, n.grid)
    if heat is not None:
        _draw_heat(axes, heat, n.canvas_um, heat_label)
    _draw_nodes(axes, placement, over_heat=heat is not None)
    illegal = wrong(placement)
    _add(axes, placement, illegal, "wrong", facecolors="none", edgecolors=WRONG_LINE, linewidths=1.8)
    axes.add_patch(Rectangle((0, 0), *n.canvas_um, fill=False, edgecolor=style.INK, linewidth=1.4, zorder=3))
    um_per_pt = (high[0] - low[0]) / (72 * width_in * 0.85)  # the axes take about 85% of the width
    _draw_labels(axes, placement, um_per_pt)
    figure.legend(
        handles=_legend(placement, len(illegal)), loc="outside lower center", ncols=6, frameon=False,
        fontsize=style.TICK_PT, labelcolor=style.INK, handlelength=1.4, columnspacing=1.4,
    )  # fmt: skip
    return figure


def corners(placement: Placement, nodes: Ints) -> Floats:
    """[K, 4, 2] corners in µm of the nodes with the indices [K], counterclockwise from the lower left.

    Sizes are those of the netlist whatever the orientation, as in `Placement.violations`.
    """
    half = placement.netlist.size_um[nodes, None] / 2
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return np.asarray(placement.position_um[nodes, None] + half * signs)


def notches(placement: Placement, nodes: Ints) -> Floats:
    """[K, 2, 2] ends in µm of the lines that cut the corners of the nodes with the indices [K].

    The corner is the one that is at the lower left in orientation N.
    """
    turn = ORIENTATION_MATRIX[placement.orientation[nodes]]  # [K, 2, 2]
    size = placement.netlist.size_um[nodes]
    corner = placement.position_um[nodes] + size / 2 * (turn @ np.array([-1.0, -1.0]))
    along_x, along_y = turn @ np.array([NOTCH[0], 0.0]), turn @ np.array([0.0, NOTCH[1]])
    side = size.min(axis=1, keepdims=True)
    return np.stack([corner + side * along_x, corner + side * along_y], axis=1)


def view(placement: Placement) -> tuple[Floats, Floats]:
    """Lower-left and upper-right corner [2] in µm of the picture.

    It holds the canvas, and the macros and ports outside it up to a distance of half its size.
    """
    n = placement.netlist
    canvas = np.array(n.canvas_um)
    points = [np.zeros((1, 2)), canvas[None], placement.position_um[n.ports], corners(placement, n.hard).reshape(-1, 2)]
    corner = np.concatenate(points)
    margin = 0.015 * canvas.max()
    low = np.maximum(corner.min(axis=0), -canvas / 2) - margin
    return low, np.minimum(corner.max(axis=0), 1.5 * canvas) + margin


def _draw_grid(axes: Axes, canvas_um: tuple[float, float], grid: tuple[int, int]) -> None:
    rows, columns = grid
    if max(rows, columns) > MAX_GRID_LINES:
        return
    width, height = canvas_um
    lines = [[(x, 0.0), (x, height)] for x in np.linspace(0, width, columns + 1)]
    lines += [[(0.0, y), (width, y)] for y in np.linspace(0, height, rows + 1)]
    axes.add_collection(LineCollection(lines, colors=style.GRID_LINE, linewidths=0.4, zorder=0.5), autolim=False)


def _draw_heat(axes: Axes, heat: npt.NDArray[np.float64], canvas_um: tuple[float, float], label: str) -> None:
    colors, scale, beyond = style.load_scale(heat)
    extent = (0.0, canvas_um[0], 0.0, canvas_um[1])
    image = axes.imshow(
        heat,
        cmap=colors,
        norm=scale,
        origin="lower",
        extent=extent,
        interpolation="nearest",
        zorder=0.3,
        aspect="equal",
    )
    style.load_bar(image, axes, label, beyond=beyond)


def _draw_nodes(axes: Axes, placement: Placement, *, over_heat: bool) -> None:
    n = placement.netlist
    fixed_hard = n.hard[n.fixed[n.hard]]
    line = {"edgecolors": HARD_LINE, "linewidths": float(np.clip(12 / np.sqrt(len(n.hard) + 1), 0.3, 1.0))}
    fade = 0.3 if over_heat else 1.0  # let the map shine through
    # Cells have no outline, so that the opacity of many small cells in a pixel adds up to their density.
    _add(axes, placement, n.cells, "cells", facecolors=CELL_FILL, linewidths=0, alpha=0.55 * fade)
    _add(
        axes,
        placement,
        n.soft,
        "soft macros",
        facecolors=(SOFT_FILL, 0.22 * fade),
        edgecolors=(SOFT_FILL, 0.7),
        linewidths=0.4,
    )
    _add(axes, placement, n.movable_hard, "hard macros", facecolors=(HARD_FILL, 0.75 * fade), **line)
    _add(axes, placement, fixed_hard, "fixed macros", facecolors=(FIXED_FILL, 0.85 * fade), hatch="////", **line)
    cuts = LineCollection(list(notches(placement, n.hard)), colors=HARD_LINE, linewidths=line["linewidths"], zorder=2)
    cuts.set_gid("orientations")
    axes.add_collection(cuts, autolim=False)
    ports = placement.position_um[n.ports]
    size_pt2 = float(np.clip(6000 / (len(ports) + 1), 4, 30))
    axes.scatter(ports[:, 0], ports[:, 1], s=size_pt2, marker="s", color=PORT_FILL, linewidths=0, zorder=4, gid="ports")


def _add(axes: Axes, placement: Placement, nodes: Ints, gid: str, **look: object) -> None:
    if len(nodes):
        boxes = PolyCollection(list(corners(placement, nodes)), gid=gid, rasterized=True, zorder=2, **look)  # type: ignore[arg-type]
        axes.add_collection(boxes, autolim=False)


def wrong(placement: Placement) -> Ints:
    """The indices of the hard macros that overlap or leave the canvas."""
    violations = placement.violations()
    return np.union1d(violations.overlaps, violations.out_of_canvas).astype(np.int64)


def _draw_labels(axes: Axes, placement: Placement, um_per_pt: float) -> None:
    """Write the names of hard macros into those in which they fit, shortened if the full name does not fit."""
    n = placement.netlist
    halo = [withStroke(linewidth=1.8, foreground=(1, 1, 1, 0.75))]  # readable on hatching and on the map
    names = [n.node_names[v] for v in n.hard]
    for v, name, label in zip(n.hard, names, short_labels(names), strict=True):
        width_pt, height_pt = n.size_um[v] / um_per_pt
        fits = (
            (text, size) for text in (name, label) for size in LABEL_SIZES_PT
            if 0.62 * size * len(text) < 0.9 * width_pt and 1.2 * size < height_pt
        )  # fmt: skip
        for text, size in fits:
            x, y = placement.position_um[v]
            axes.text(
                x, y, style.plain(text), fontsize=size, color=style.INK, ha="center", va="center", parse_math=False,
                clip_on=True, zorder=5, path_effects=halo,
            )  # fmt: skip
            break


def _legend(placement: Placement, illegal: int) -> list[Patch | Line2D]:
    n = placement.netlist
    fixed = int(n.fixed[n.hard].sum())
    kinds = (
        (len(n.hard) - fixed, "hard macro", {"facecolor": HARD_FILL, "edgecolor": HARD_LINE}),
        (fixed, "fixed macro", {"facecolor": FIXED_FILL, "edgecolor": HARD_LINE, "hatch": "////"}),
        (len(n.soft), "soft macro", {"facecolor": (SOFT_FILL, 0.22), "edgecolor": SOFT_FILL}),
        (len(n.cells), "cell", {"facecolor": CELL_FILL}),
        (illegal, "illegal macro", {"facecolor": "none", "edgecolor": WRONG_LINE}),
    )
    handles: list[Patch | Line2D] = [Patch(label=_count(k, what), **look) for k, what, look in kinds if k]
    if len(n.hard):
        label = "cut corner: lower left in orientation N"
        corner = [(-1, -1), (1, -1), (-1, 0), (-1, -1)]
        look = Line2D([], [], color=HARD_LINE, marker=corner, markersize=9, markerfacecolor="none", linestyle="")
        look.set_label(label)
        handles.append(look)
    if len(n.ports):
        label = _count(len(n.ports), "port")
        handles.append(Line2D([], [], color=PORT_FILL, marker="s", markersize=4, linestyle="", label=label))
    return handles


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)
