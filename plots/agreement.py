"""Estimates beside what was measured: points around the diagonal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from netlists.errors import SettingsError
from plots import style
from plots.pareto import ticks

Floats = npt.NDArray[np.float64]


def draw(
    measured: Floats, estimates: Mapping[str, Floats], *, label: str, title: str = "", names: Sequence[str] = ()
) -> Figure:
    """Draw estimates [K] by name against what was measured [K], all positive values of the quantity `label`.

    Scales are logarithmic and equal; on the line both agree.  `names` [K] are written beside the points of the first
    estimate.  Raises `SettingsError` if lengths differ or there is nothing to draw.
    """
    for name, values in estimates.items():
        if len(values) != len(measured) or not len(values):
            raise SettingsError(f"{name} has {len(values)} values; expected {len(measured)}, and at least 1")
    figure = style.figure(5.4, 5.2)
    axes = figure.add_subplot()
    everything = np.concatenate([measured, *estimates.values()])
    low, high = float(everything.min()) / 1.2, float(everything.max()) * 1.2
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.plot([low, high], [low, high], color=style.FAINT, linewidth=1, zorder=1)
    for color, (name, values) in zip(style.SERIES, estimates.items(), strict=False):
        axes.scatter(measured, values, s=18, color=color, linewidths=0, alpha=0.8, label=style.plain(name), zorder=2)
    first = next(iter(estimates.values()))
    for name, x, y in zip(names, measured, first, strict=False):
        axes.annotate(style.plain(name), (x, y), xytext=(3, 3), textcoords="offset points", fontsize=6, color=style.INK)
    for axis in (axes.xaxis, axes.yaxis):
        ticks(axis, True, high / low)
    style.dress(axes, title=title, x=f"placed: {label}", y=f"estimated: {label}")
    axes.legend(frameon=False, fontsize=style.TICK_PT, labelcolor=style.INK)
    return figure
