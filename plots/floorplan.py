"""The designer's view of a placement: halos, pin sides, blockages, fences, and the slivers between macros."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from netlists.legality.cells import with_halos
from netlists.legality.channels import Channels
from netlists.legality.rules import BOTTOM, LEFT, RIGHT, TOP, TURNED_SIDE, sides_with_pins
from netlists.netlist import Floats
from netlists.placement import Placement
from plots import style
from plots.placement import FIXED_FILL, HARD_FILL, HARD_LINE, WRONG_LINE, corners, view

PIN_SIDE = style.PURPLE
BLOCKAGE = "#8a8f98"
REGION = style.GREEN
HALO = style.SKY


def draw(placement: Placement, channels: Channels, title: str = "") -> Figure:
    """Draw the hard macros with their halos and pin sides, blockages, fences and guides, to scale in µm.

    Slivers and blocked pin sides are crimson.
    """
    n = placement.netlist
    low, high = view(placement)
    width_in = 8.0
    height_in = float(np.clip(width_in * (high[1] - low[1]) / (high[0] - low[0]), 1.2, 11.0))
    figure = style.figure(width_in, height_in + 0.6)
    axes = figure.add_subplot()
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    style.dress(axes, title=title or f"{n.name}: floorplan", x="x (µm)", y="y (µm)")
    style.label_lengths(axes)
    axes.add_patch(Rectangle((0, 0), *n.canvas_um, fill=False, edgecolor=style.INK, linewidth=1.4, zorder=3))
    _draw_areas(axes, placement)
    _add(axes, with_halos(placement, n.hard), "halos", facecolors=(HALO, 0.25), edgecolors=(HALO, 0.8), linewidths=0.4)
    for nodes, fill in ((n.movable_hard, HARD_FILL), (n.hard[n.fixed[n.hard]], FIXED_FILL)):
        if len(nodes):
            axes.add_collection(
                PolyCollection(list(corners(placement, nodes)), facecolors=fill, edgecolors=HARD_LINE, linewidths=0.5),
                autolim=False,
            )
    _add(axes, channels.slivers, "slivers", facecolors=(WRONG_LINE, 0.8), linewidths=0)
    _draw_pin_sides(axes, placement, channels)
    figure.legend(
        handles=[
            Patch(facecolor=HARD_FILL, edgecolor=HARD_LINE, label="hard macro"),
            Patch(facecolor=(HALO, 0.25), edgecolor=HALO, label="halo"),
            Patch(facecolor=PIN_SIDE, label="side with pins"),
            Patch(facecolor=(BLOCKAGE, 0.4), hatch="xx", label="blockage"),
            Patch(facecolor="none", edgecolor=REGION, label="fence or guide"),
            Patch(facecolor=WRONG_LINE, label="sliver or blocked pins"),
        ],
        loc="outside lower center", ncols=6, frameon=False, fontsize=style.TICK_PT, labelcolor=style.INK,
        handlelength=1.4, columnspacing=1.4,
    )  # fmt: skip
    return figure


def _draw_areas(axes: Axes, placement: Placement) -> None:
    """Draw the blockages, fences and guides of the constraints."""
    constraints = placement.netlist.constraints
    if constraints is None:
        return
    blocked = np.array([each.box_um for each in constraints.blockages]).reshape(-1, 4)
    _add(axes, blocked, "blockages", facecolors=(BLOCKAGE, 0.4), hatch="xx", edgecolors=BLOCKAGE, linewidths=0.5)
    boxes = np.array([box for region in constraints.regions for box in region.boxes_um]).reshape(-1, 4)
    _add(axes, boxes, "regions", facecolors=(REGION, 0.06), edgecolors=REGION, linewidths=1.4)


def _draw_pin_sides(axes: Axes, placement: Placement, channels: Channels) -> None:
    """Draw a thick line along the sides with pins."""
    n, pins = placement.netlist, sides_with_pins(placement.netlist)
    blocked = {(v, side) for v, side in channels.blocked_sides.tolist()}
    lines: dict[str, list[Floats]] = {PIN_SIDE: [], WRONG_LINE: []}
    ends = {LEFT: (0, 3), BOTTOM: (0, 1), RIGHT: (1, 2), TOP: (3, 2)}
    for v, corner in zip(n.hard.tolist(), corners(placement, n.hard), strict=True):
        for side, (first, last) in ends.items():
            if pins[v, TURNED_SIDE[placement.orientation[v], side]]:
                inset = 0.03 * (placement.position_um[v] - corner[[first, last]])
                lines[WRONG_LINE if (v, side) in blocked else PIN_SIDE].append(corner[[first, last]] + inset)
    for color, segments in lines.items():
        axes.add_collection(LineCollection(segments, colors=color, linewidths=2.0, zorder=2.5), autolim=False)


def _add(axes: Axes, boxes: Floats, gid: str, **look: object) -> None:
    """Add boxes [K, 4] in µm to a picture."""
    if len(boxes):
        polygons = np.stack([boxes[:, [0, 1]], boxes[:, [2, 1]], boxes[:, [2, 3]], boxes[:, [0, 3]]], axis=1)
        axes.add_collection(PolyCollection(list(polygons), gid=gid, **look), autolim=False)  # type: ignore[arg-type]
