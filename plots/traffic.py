"""The floorplan of an accelerator: its macros, and the nets between them colored by class of traffic."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from netlists.errors import SettingsError
from netlists.netlist import Floats, Ints
from netlists.placement import Placement
from plots import style
from plots.placement import HARD_FILL, HARD_LINE, PORT_FILL, SOFT_FILL, corners, view

WIDTHS_PT = (0.3, 3.0)
"""Widths of the lines of the narrowest and the widest bus."""


def draw(placement: Placement, net_class: Ints, classes: Sequence[str], title: str = "") -> Figure:
    """Draw macros to scale in µm, and each net as lines from its driver to its sinks.

    `net_class` [N] is the index of the class of each net among the names `classes`, which have a color each.  The width
    of a line grows with the square root of the net's weight: its bits.  Raises `SettingsError` if the number of classes
    of nets is not that of the nets.
    """
    n = placement.netlist
    if len(net_class) != n.num_nets:
        raise SettingsError(f"{len(net_class)} classes of nets; expected {n.num_nets}, one per net")
    low, high = view(placement)
    figure = style.figure(8.0, 8.0 * float(high[1] - low[1]) / float(high[0] - low[0]) + 0.6)
    axes = figure.add_subplot()
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    style.dress(axes, title=title or n.name, x="x (µm)", y="y (µm)")
    style.label_lengths(axes)
    axes.add_patch(Rectangle((0, 0), *n.canvas_um, fill=False, edgecolor=style.INK, linewidth=1.4, zorder=3))
    for nodes, fill, name in ((n.soft, (SOFT_FILL, 0.18), "soft macros"), (n.hard, (HARD_FILL, 0.8), "hard macros")):
        boxes = PolyCollection(
            list(corners(placement, nodes)), facecolors=fill, edgecolors=HARD_LINE, linewidths=0.4, gid=name
        )
        axes.add_collection(boxes, autolim=False)
    ports = placement.position_um[n.ports]
    axes.scatter(ports[:, 0], ports[:, 1], s=16, marker="s", color=PORT_FILL, linewidths=0, zorder=4, gid="ports")
    lines, net = driver_lines(placement)
    width = np.sqrt(n.net_weight[net] / max(float(n.net_weight.max()), 1.0)) * WIDTHS_PT[1]
    handles: list[Patch | Line2D] = [
        Patch(facecolor=HARD_FILL, edgecolor=HARD_LINE, label="SRAM"),
        Patch(facecolor=(SOFT_FILL, 0.18), edgecolor=HARD_LINE, label="tile of the array"),
    ]
    for k, name in enumerate(classes):
        mine = net_class[net] == k
        if mine.any():
            color = style.SERIES[k % len(style.SERIES)]
            look = {"colors": color, "linewidths": np.maximum(width[mine], WIDTHS_PT[0]), "alpha": 0.55, "zorder": 2.5}
            axes.add_collection(LineCollection(list(lines[mine]), gid=name, **look), autolim=False)
            handles.append(Line2D([], [], color=color, linewidth=2, label=name))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=style.TICK_PT,
        labelcolor=style.INK, handlelength=1.4, columnspacing=1.4,
    )  # fmt: skip
    return figure


def driver_lines(placement: Placement) -> tuple[Floats, Ints]:
    """[K, 2, 2] ends in µm of the lines from the driver of each net to each of its sinks, and [K] the net of each."""
    n = placement.netlist
    pin = placement.pins_um()
    sink = np.ones(len(pin), dtype=bool)
    sink[n.net_start[:-1][np.diff(n.net_start) > 0]] = False
    net = n.connection_net[sink]
    return np.stack([pin[n.net_start[net]], pin[sink]], axis=1), net
