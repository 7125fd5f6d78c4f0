"""What placed wires do to the energy of designs, one picture per node."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlists.errors import SettingsError
from plots import style
from plots.pareto import ticks

Floats = npt.NDArray[np.float64]

WIDTH_IN = 3.9
HEIGHT_IN = 2.9
"""Width and height in inches of the picture of a node."""


def draw(estimated_mj: Mapping[str, Floats], placed_mj: Mapping[str, Floats]) -> Figure:
    """Draw by how much placed wires change the energy of designs, over the energy with estimated wires.

    Both are positive energies [K] in mJ of the same designs in the same order, by the name of a node.  Designs whose
    rank by energy changes are drawn in another color, and the best design of each kind is marked.  Raises
    `SettingsError` if nodes or lengths differ, or there is nothing to draw.
    """
    for node, energies in estimated_mj.items():
        if not len(energies) or len(placed_mj.get(node, ())) != len(energies):
            raise SettingsError(f"{node} has {len(energies)} designs; expected as many with placed wires, at least 1")
    figure = style.figure(WIDTH_IN * len(estimated_mj), HEIGHT_IN)
    pictures = figure.subplots(1, len(estimated_mj), sharey=True, squeeze=False)[0]
    for axes, (node, before) in zip(pictures, estimated_mj.items(), strict=True):
        _draw_node(axes, before, placed_mj[node])
        style.dress(axes, title=node, x="mJ per run with estimated wires")
    pictures[0].set_ylabel("change by placed wires (%)", fontsize=style.LABEL_PT, color=style.INK)
    handles, labels = pictures[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=style.TICK_PT,
        labelcolor=style.INK, handletextpad=0.3, columnspacing=1.4,
    )  # fmt: skip
    return figure


def _draw_node(axes: Axes, before: Floats, after: Floats) -> None:
    """Draw the designs of a node, of energies [K] in mJ."""
    change = 100 * (after / before - 1)
    moved = np.argsort(np.argsort(before)) != np.argsort(np.argsort(after))
    axes.axhline(0.0, color=style.FAINT, linewidth=1, zorder=1)
    for group, color, name in ((~moved, style.BLUE, "same rank"), (moved, style.VERMILION, "another rank by energy")):
        axes.scatter(before[group], change[group], s=20, color=color, linewidths=0, label=name, gid=name, zorder=2)
    for best, marker, name in ((before, "o", "best as estimated"), (after, "s", "best as placed")):
        k = [int(best.argmin())]
        axes.scatter(
            before[k], change[k], s=90, marker=marker, facecolors="none", edgecolors=style.INK, linewidths=1.1,
            label=name, gid=name, zorder=3,
        )  # fmt: skip
    axes.set_xscale("log")
    ticks(axes.xaxis, True, float(before.max() / before.min()))
    axes.grid(True, color=style.GRID_LINE, linewidth=0.5)
    axes.set_axisbelow(True)
