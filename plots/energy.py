"""Where time and energy go: one row per layer, latency stacked by kind of cycle, energy by component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from netlists.errors import SettingsError
from plots import style

Floats = npt.NDArray[np.float64]

CYCLE_COLORS = {"compute": style.BLUE, "fill": style.ORANGE, "stall": style.VERMILION}
"""Color of each kind of cycle."""

COMPONENT_COLORS = {
    "mac": style.BLUE, "register": style.SKY, "network": style.PURPLE, "buffer": style.GREEN, "dram": style.VERMILION,
    "wire": style.ORANGE, "static": style.FAINT,
}  # fmt: skip
"""Color of each component that energy is spent in."""

ROW_IN = 0.2
"""Height of a row in inches."""

MOST_IN = 60.0
"""Largest height of the whole figure in inches."""

SMALLEST_PT = 3.0
"""Smallest type size of the names of layers, in points."""


def draw(
    names: Sequence[str],
    latency_ms: Mapping[str, Sequence[float] | Floats],
    energy_mj: Mapping[str, Sequence[float] | Floats],
    *,
    title: str = "",
) -> Figure:
    """Draw L layers in the order in which they run: milliseconds [L] by kind of cycle, millijoules [L] by component.

    Layers that do not run have NaN, and their row stays empty.  Raises `SettingsError` if lengths differ.
    """
    for key, values in (*latency_ms.items(), *energy_mj.items()):
        if len(values) != len(names):
            raise SettingsError(f"{key} has {len(values)} values; expected {len(names)}, one per layer")
    height = min(MOST_IN, ROW_IN * len(names) + 1.5)
    figure = style.figure(10.0, height)
    if title:
        figure.suptitle(style.plain(title), fontsize=style.TITLE_PT, color=style.INK, parse_math=False)
    left, right = figure.subplots(1, 2, sharey=True)
    _stack(left, latency_ms, CYCLE_COLORS)
    _stack(right, energy_mj, COMPONENT_COLORS)
    style.dress(left, title="Latency", x="ms")
    style.dress(right, title="Energy", x="mJ")
    room_pt = 72 * (height - 1.5) / max(1, len(names))
    left.set_yticks(range(len(names)), [style.plain(name, 28) for name in names], parse_math=False)
    left.tick_params(axis="y", labelsize=max(SMALLEST_PT, min(style.TICK_PT, 0.75 * room_pt)))
    left.set_ylim(len(names) - 0.4, -0.6)  # the first layer on top
    return figure


def _stack(axes: Axes, series: Mapping[str, Sequence[float] | Floats], colors: Mapping[str, str]) -> None:
    start: float | Floats = 0.0
    for name, values in series.items():
        width = np.nan_to_num(np.asarray(values, np.float64))
        if not width.any():
            continue
        axes.barh(np.arange(len(width)), width, left=start, height=0.72, color=colors[name], label=name, gid=name)
        start = start + width
    axes.grid(True, axis="x", color=style.GRID_LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlim(left=0)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            fontsize=style.TICK_PT, frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1, 1), borderpad=0.1,
            handlelength=1.0, columnspacing=1.0, labelcolor=style.INK,
        )  # fmt: skip
