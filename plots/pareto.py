"""Results of an exploration: objectives against each other, and the growth of the front with the evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from netlists.errors import SettingsError
from plots import style

Floats = npt.NDArray[np.float64]

SMALL_IN = (3.8, 3.3)
"""Width and height in inches of a picture that stands beside others and fits on a phone."""

WIDE_RANGE = 8.0
"""Ratio of the largest to the smallest value above which an axis is logarithmic."""

SAMPLE_FRACTION = 0.9
"""Fraction of the sample that the axes show; its worst designs would crowd the front."""

MARKERS = ("D", "s", "^", "v", "P")
"""Markers of published designs."""


def draw(
    front: Floats,
    sample: Floats,
    *,
    labels: tuple[str, str],
    better: tuple[str, str] = ("min", "min"),
    chosen: tuple[str, tuple[float, float]] | None = None,
    published: Mapping[str, tuple[float, float]] | None = None,
    connected: bool = False,
    background: str = "sampled",
) -> Figure:
    """Draw two objectives of a Pareto front [n, 2] on top of those of a sample [m, 2] of all designs.

    `background` is the name of the latter in the legend.  `labels` are the names of the axes with their units; `better`
    is "min" or "max" for each.  One design is marked as `chosen`, others as `published`.  `connected` draws the border
    of the dominated region, for a front of these two objectives only.  Raises `SettingsError` for an empty front.
    """
    front, sample = np.asarray(front, np.float64), np.asarray(sample, np.float64).reshape(-1, 2)
    if front.ndim != 2 or front.shape[1] != 2 or not len(front):
        raise SettingsError(f"front of shape {list(front.shape)}; expected [n, 2], at least one design")
    figure = style.figure(*SMALL_IN)
    axes = figure.add_subplot()
    if len(sample):
        _dots(axes, sample, 4, (style.FAINT, 0.3), background, "sample")
    if connected:
        x, y = front[np.argsort(front[:, 0], kind="stable")].T
        axes.step(x, y, where="post" if better[0] == "min" else "pre", color=style.BLUE, linewidth=1)
    _dots(axes, front, 14, (style.BLUE, 0.8), f"front ({len(front):,})", "front")
    for k, (name, point) in enumerate((published or {}).items()):
        _mark(axes, point, MARKERS[k % len(MARKERS)], 46, style.GREEN, name, "published")
    if chosen:
        _mark(axes, chosen[1], "*", 150, style.VERMILION, chosen[0], "chosen")
    others = [*(published or {}).values(), *([chosen[1]] if chosen else [])]
    marked = np.concatenate([front, np.array(others, np.float64).reshape(-1, 2)])
    for axis, column, way in (("x", 0, better[0]), ("y", 1, better[1])):
        _span(axes, axis, marked[:, column], sample[:, column], way)
    axes.grid(True, color=style.GRID_LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    style.dress(axes, x=_directed(labels[0], better[0]), y=_directed(labels[1], better[1]))
    _legend(figure)
    return figure


def _dots(axes: Axes, points: Floats, area: float, color: tuple[str, float], name: str, gid: str) -> None:
    axes.scatter(points[:, 0], points[:, 1], s=area, color=color, linewidths=0, label=name, gid=gid, zorder=2)


def _mark(axes: Axes, at: tuple[float, float], marker: str, area: float, color: str, name: str, gid: str) -> None:
    axes.scatter(
        at[0], at[1], s=area, marker=marker, color=color, edgecolors="white", linewidths=0.8, zorder=3,
        label=style.plain(name, 24), gid=gid,
    )  # fmt: skip


def _directed(label: str, better: str) -> str:
    """A label with an arrow to the better side; on a vertical axis the arrow is rotated with the label."""
    return f"← {label}" if better == "min" else f"{label} →"


def _span(axes: Axes, name: str, marked: Floats, sample: Floats, better: str) -> None:
    """Set the limits of an axis to include all marked designs and most of the sample; logarithmic for a wide range."""
    values = marked
    if len(sample):
        values = np.append(marked, np.quantile(sample, SAMPLE_FRACTION if better == "min" else 1 - SAMPLE_FRACTION))
    low, high = float(values.min()), float(values.max())
    wide = low > 0 and high > WIDE_RANGE * low
    if wide:
        margin = (high / low) ** 0.06
        limits = low / margin, high * margin
    else:
        margin = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
        limits = low - margin, high + margin
    axes.set(**{f"{name}scale": "log" if wide else "linear", f"{name}lim": limits})
    ticks(axes.xaxis if name == "x" else axes.yaxis, wide, high / low if wide else 1.0)


def ticks(axis: Axis, logarithmic: bool, ratio: float) -> None:
    """Put few ticks on an axis, with their numbers written out; `ratio` is that of the largest to the smallest."""
    if logarithmic:
        axis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if ratio < 200 else (1,), numticks=7))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def short(value: float) -> str:
    """A number as the label of a tick: 250, 0.05, 20k, 3M."""
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if size <= abs(value) < 1e15:
            return f"{value / size:.4g}{unit}"
    return f"{value / 1e3:.4g}k" if 1e4 <= abs(value) < 1e15 else f"{value:.6g}"


def _legend(figure: Figure) -> None:
    """Put the legend above the axes, where it covers nothing."""
    legend = figure.legend(
        loc="outside upper left", fontsize=style.TICK_PT, frameon=False, ncols=2, labelcolor=style.INK, borderpad=0.0,
        handletextpad=0.3, columnspacing=1.0, labelspacing=0.3,
    )  # fmt: skip
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([max(16.0, float(handle.get_sizes()[0]))])


def converged(evaluations: Sequence[float], hypervolume: Sequence[float]) -> Figure:
    """Draw the hypervolume [T] of the front, as a fraction of the last one, against the number of designs [T].

    Raises `SettingsError` if there are none or lengths differ.
    """
    if not evaluations or len(evaluations) != len(hypervolume):
        raise SettingsError(f"{len(evaluations)} evaluations and {len(hypervolume)} hypervolumes; expected one of each")
    figure = style.figure(*SMALL_IN)
    axes = figure.add_subplot()
    axes.step(evaluations, hypervolume, where="post", color=style.BLUE, linewidth=1.6, gid="hypervolume")
    axes.scatter(evaluations[-1:], hypervolume[-1:], s=22, color=style.BLUE, zorder=3)
    ratio = evaluations[-1] / evaluations[0]
    if ratio > WIDE_RANGE:
        axes.set_xscale("log")
    ticks(axes.xaxis, ratio > WIDE_RANGE, ratio)
    bottom = min(0.99, min(hypervolume))
    axes.set_ylim(max(0.0, bottom - 0.05 * (1 - bottom)), 1 + 0.05 * (1 - bottom))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))
    axes.grid(True, color=style.GRID_LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    style.dress(axes, x="designs evaluated", y="hypervolume (% of the last)")
    return figure
