"""Which parameters matter: the fractions of the variance they explain, and the effect of changing one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from netlists.errors import SettingsError
from plots import style
from plots.pareto import SMALL_IN, WIDE_RANGE, short, ticks

Floats = npt.NDArray[np.float64]

BAR_IN = 0.1
"""Thickness of a bar in inches."""

ROW_GAP_IN = 0.1
"""Gap between the bars of two parameters in inches."""

EVEN = 12
"""Largest number of values that are evenly spaced on the axis."""

MOST_NAMES = 8
"""Largest number of names below the axis."""

NAMES_WIDTH = 34
"""Number of characters that fit below the axis."""


def bars(names: Sequence[str], shares: Mapping[str, Sequence[float] | Floats]) -> Figure:
    """Draw fractions `shares` [n] of the variance that n parameters explain, from 0 to 1, one series per objective.

    Raises `SettingsError` if lengths differ.
    """
    for label, values in shares.items():
        if len(values) != len(names):
            raise SettingsError(f"{label} has {len(values)} fractions; expected {len(names)}, one per parameter")
    group = BAR_IN * len(shares) + ROW_GAP_IN
    figure = style.figure(SMALL_IN[0], max(SMALL_IN[1], group * len(names) + 1.0))
    axes = figure.add_subplot()
    thick = BAR_IN / group
    for k, (label, values) in enumerate(shares.items()):
        place = np.arange(len(names)) + (k - (len(shares) - 1) / 2) * thick
        width = 100 * np.nan_to_num(np.asarray(values, np.float64))
        color = style.SERIES[k % len(style.SERIES)]
        axes.barh(place, width, height=0.85 * thick, color=color, label=style.plain(label, 24), gid=label)
    axes.set_yticks(range(len(names)), [style.plain(name, 24) for name in names], parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(left=0)
    axes.grid(True, axis="x", color=style.GRID_LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    style.dress(axes, x="variance explained by the parameter alone (%)")
    if shares:
        _legend(figure, len(shares))
    return figure


def sweep(
    name: str,
    values: Sequence[float | str],
    curves: Mapping[str, Sequence[float] | Floats],
    *,
    feasible: Sequence[bool] | npt.NDArray[np.bool_],
    own: int,
) -> Figure:
    """Draw objectives [n], as multiples of those of a design, over the n values of one of its parameters.

    `own` is the index of the design's own value; `feasible` [n] tells whether a value is feasible.  Infeasible values
    are marked by crosses, at the bottom if the objectives are NaN.  Raises `SettingsError` if lengths differ.
    """
    if any(len(curve) != len(values) for curve in (*curves.values(), feasible)) or not 0 <= own < len(values):
        raise SettingsError(f"sweep of {name}: expected {len(values)} numbers in each curve, and the design among them")
    figure = style.figure(*SMALL_IN)
    axes = figure.add_subplot()
    x, fits = _places(axes, values), np.asarray(feasible, bool)
    axes.axvline(x[own], color=style.FAINT, linewidth=1.0, linestyle=":")
    axes.axhline(1.0, color=style.FAINT, linewidth=1.0, linestyle=":")
    objectives = np.array([np.asarray(curve, np.float64) for curve in curves.values()]).reshape(-1, len(values))
    for k, (label, y) in enumerate(zip(curves, objectives, strict=True)):
        color, dashes = style.SERIES[k % len(style.SERIES)], style.LINE_STYLES[k % len(style.LINE_STYLES)]
        axes.plot(x, y, color=color, linestyle=dashes, linewidth=1.3, label=style.plain(label, 24), gid=label)
        axes.scatter(x[fits], y[fits], s=9 if len(x) <= 40 else 2, color=color, zorder=3)
        axes.scatter(x[~fits], y[~fits], s=16, marker="x", linewidths=1.0, color=style.INK, zorder=4)
    absent = ~fits & ~np.isfinite(objectives).any(axis=0)
    axes.scatter(
        x[absent], np.full(absent.sum(), 0.03), s=16, marker="x", linewidths=1.0, color=style.INK,
        transform=axes.get_xaxis_transform(), zorder=4, gid="infeasible",
    )  # fmt: skip
    _scale_vertically(axes, objectives)
    axes.grid(True, axis="y", color=style.GRID_LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    style.dress(axes, x=style.plain(name, 40), y="multiple of the design's own value")
    if curves:
        _legend(figure, len(curves))
    return figure


def _places(axes: Axes, values: Sequence[float | str]) -> Floats:
    """Places of the values [n] on the x axis: evenly spaced with their names or, if they are many numbers, to scale."""
    numbers = [value for value in values if not isinstance(value, str)]
    if len(values) > EVEN and len(numbers) == len(values):
        ticks(axes.xaxis, False, 1.0)
        margin = 0.03 * (max(numbers) - min(numbers))
        axes.set_xlim(min(numbers) - margin, max(numbers) + margin)
        return np.array(numbers, np.float64)
    names = [style.plain(value, 12) if isinstance(value, str) else short(value) for value in values]
    room = max(2, min(MOST_NAMES, NAMES_WIDTH // (max(map(len, names)) + 1)))
    step = -(-len(names) // room)
    axes.set_xticks(range(0, len(names), step), names[::step], parse_math=False)
    axes.set_xlim(-0.4, len(names) - 0.6)
    return np.arange(len(names), dtype=np.float64)


def _scale_vertically(axes: Axes, curves: Floats) -> None:
    positive = curves[np.isfinite(curves) & (curves > 0)]
    ratio = float(positive.max() / positive.min()) if len(positive) else 1.0
    if ratio > WIDE_RANGE:
        axes.set_yscale("log")
    elif ratio < 1.1:
        axes.set_ylim(0.9, 1.1)
    else:
        low, high = float(positive.min()), float(positive.max())
        axes.set_ylim(low - 0.1 * (high - low), high + 0.08 * (high - low))
    ticks(axes.yaxis, ratio > WIDE_RANGE, ratio)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}"))


def _legend(figure: Figure, entries: int) -> None:
    """Put the legend above the axes, where it covers nothing."""
    figure.legend(
        loc="outside upper left", fontsize=style.TICK_PT, frameon=False, ncols=min(3, entries), labelcolor=style.INK,
        borderpad=0.0, handletextpad=0.4, columnspacing=1.0, labelspacing=0.3, handlelength=1.6,
    )  # fmt: skip
