"""The roofline: attainable performance against operational intensity, with the layers of a network as points.

Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009; for accelerators Zhang et al., FPGA'15, figure 8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from netlists.errors import SettingsError
from plots import style

Floats = npt.NDArray[np.float64]

SAME_PX = 5.0
"""Points closer than this many pixels have a common label."""

REACHES_PT = (2.0, 8.0, 16.0, 26.0)
"""Distances in points between a point and its label, tried in order; from the second on a line joins the two."""

MOST_LABELS = 30

SIDES = ((1, 0), (-1, 0), (0, -1), (1, -1), (-1, -1), (0, 1), (1, 1), (-1, 1))
"""Directions from a point to its label, tried in order."""

HORIZONTAL: dict[int, Literal["left", "center", "right"]] = {1: "left", 0: "center", -1: "right"}
VERTICAL: dict[int, Literal["bottom", "center", "top"]] = {1: "bottom", 0: "center", -1: "top"}

AREA_PT2 = (22.0, 260.0)
"""Areas of the smallest and the largest point, in square points."""


def draw(
    names: Sequence[str],
    intensity: Sequence[float] | Floats,
    gops: Sequence[float] | Floats,
    *,
    peak_gops: float,
    bandwidth_gb_s: float,
    share: Sequence[float] | Floats | None = None,
    title: str = "",
) -> Figure:
    """Draw L layers at their intensity [L] (operations per byte of off-chip traffic) and performance [L] (GOPS).

    The roof is the smaller of `peak_gops` and intensity × `bandwidth_gb_s`.  `share` [L] is the time of each layer in
    any unit; it sets the areas of the points, and layers that take longer are labeled first.  A label without a free
    place is left out.  Raises `SettingsError` if lengths differ or numbers do not fit on logarithmic axes.
    """
    x, y = np.asarray(intensity, np.float64), np.asarray(gops, np.float64)
    weight = np.ones(len(x)) if share is None else np.asarray(share, np.float64)
    if not len(names) == len(x) == len(y) == len(weight):
        raise SettingsError(
            f"roofline of {len(names)} names, {len(x)} intensities, {len(y)} performances and "
            f"{len(weight)} shares; expected equal numbers"
        )
    if not (np.all(x > 0) and np.all(y > 0) and peak_gops > 0 and bandwidth_gb_s > 0 and np.isfinite(x).all()):
        raise SettingsError("roofline: expected finite intensities, performances, peak and bandwidth above zero")
    figure = style.figure(8.0, 5.2)
    axes = figure.add_subplot()
    _roof(axes, x, y, peak_gops, bandwidth_gb_s)
    size = weight / weight.max() if len(weight) and weight.max() > 0 else np.ones(len(x))
    low, high = AREA_PT2
    axes.scatter(
        x, y, s=low + (high - low) * size, color=style.BLUE, alpha=0.55, edgecolors="white", linewidths=0.8, zorder=3,
        gid="layers",
    )  # fmt: skip
    style.dress(
        axes, title=title, x="operational intensity (operations / byte of DRAM traffic)", y="performance (GOPS)"
    )
    if share is not None and len(x):
        axes.text(
            0.99, 0.02, "area of a point: fraction of the time", transform=axes.transAxes, ha="right", va="bottom",
            fontsize=style.TICK_PT, color=style.FAINT,
        )  # fmt: skip
    figure.draw_without_rendering()  # the layout moves the axes; after it they must not move
    figure.set_layout_engine("none")
    _name_slope(axes, bandwidth_gb_s)
    _label(axes, names, np.column_stack([x, y]), weight, np.sqrt(low + (high - low) * size) / 2)
    return figure


def _roof(axes: Axes, x: Floats, y: Floats, peak_gops: float, bandwidth_gb_s: float) -> None:
    ridge = peak_gops / bandwidth_gb_s
    left, right = min([ridge, *x]) / 3, max([ridge, *x]) * 3
    bottom = min([left * bandwidth_gb_s, *(y / 2)])
    axes.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom, peak_gops * 2.2))
    for axis, span in ((axes.xaxis, right / left), (axes.yaxis, peak_gops * 2.2 / bottom)):
        axis.set_major_locator(LogLocator(10, subs=(1,) if span > 100 else (1, 2, 5), numticks=12))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.grid(True, which="major", color=style.GRID_LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    roof = np.array([left, ridge, right])
    axes.plot(roof, np.minimum(roof * bandwidth_gb_s, peak_gops), color=style.INK, linewidth=1.6, gid="roof")
    axes.axvline(ridge, color=style.FAINT, linewidth=0.8, linestyle=":")
    axes.text(
        right / 1.05, peak_gops * 1.06, f"peak {peak_gops:,.4g} GOPS", fontsize=style.LABEL_PT, color=style.INK,
        ha="right", va="bottom",
    )  # fmt: skip


def _name_slope(axes: Axes, bandwidth_gb_s: float) -> None:
    """Write the bandwidth along its line, beginning at the lower left."""
    start = max(axes.get_xlim()[0], axes.get_ylim()[0] / bandwidth_gb_s) * 1.15
    ends = axes.transData.transform([(start, start * bandwidth_gb_s), (start * 2, start * 2 * bandwidth_gb_s)])
    angle = np.degrees(np.arctan2(*(ends[1] - ends[0])[::-1]))
    axes.annotate(
        f"DRAM {bandwidth_gb_s:,.4g} GB/s", (start, start * bandwidth_gb_s), (-2, 3), textcoords="offset points",
        fontsize=style.LABEL_PT, color=style.INK, ha="left", va="bottom", rotation=angle, rotation_mode="anchor",
        gid="bandwidth",
    )  # fmt: skip


def _label(axes: Axes, names: Sequence[str], points: Floats, weight: Floats, radius_pt: Floats) -> None:
    """Name the points, the heaviest first, each at the first place where its name and line cover nothing."""
    pixels = axes.transData.transform(points) if len(points) else points
    area = axes.get_window_extent()
    roof = axes.lines[0].get_xydata()
    marks = [_around(pixel, radius * style.DPI / 72) for pixel, radius in zip(pixels, radius_pt, strict=True)]
    for ends in pairwise(axes.transData.transform(roof)):
        marks += _along(*ends, 60)
    written, lines = [_extent(text) for text in axes.texts], list[Bbox]()
    for members in list(_groups(pixels, np.argsort(-weight, kind="stable")))[:MOST_LABELS]:
        first = members[0]
        name = style.plain(names[first], 24) + (f" +{len(members) - 1}" if len(members) > 1 else "")
        for label in _tries(axes, name, points[first], radius_pt[first]):
            own = _extent(label)
            center = np.array([(own.x0 + own.x1) / 2, (own.y0 + own.y1) / 2])
            line = _along(pixels[first], center, 12) if label.arrow_patch else []
            free = not any(own.overlaps(other) for other in [*marks, *written, *lines])
            if free and _inside(own, area) and not any(a.overlaps(b) for a in line for b in written):
                written.append(own)
                lines += line
                break
            label.remove()


def _groups(pixels: Floats, order: npt.NDArray[np.int64]) -> Iterator[list[int]]:
    """Groups of indices of points at almost the same place, in the given order."""
    left = [int(k) for k in order]
    while left:
        near = [k for k in left if np.hypot(*(pixels[k] - pixels[left[0]])) < SAME_PX]
        yield near
        left = [k for k in left if k not in near]


def _tries(axes: Axes, name: str, point: Floats, radius_pt: float) -> Iterator[Annotation]:
    """The label at each of its possible places in turn."""
    leader = {"arrowstyle": "-", "color": style.FAINT, "linewidth": 0.6, "shrinkA": 0, "shrinkB": radius_pt}
    for reach in REACHES_PT:
        for x, y in SIDES:
            distance = (radius_pt + reach) / np.hypot(x, y)
            yield axes.annotate(
                name, (point[0], point[1]), (x * distance, y * distance), textcoords="offset points", ha=HORIZONTAL[x],
                va=VERTICAL[y], fontsize=style.TICK_PT, color=style.INK, parse_math=False, zorder=4,
                arrowprops=leader if reach > REACHES_PT[0] else None,
            )  # fmt: skip


def _extent(text: Text) -> Bbox:
    """The box around a text in pixels, without the line to its point."""
    if isinstance(text, Annotation):
        text.update_positions(text.get_figure(root=True).canvas.get_renderer())  # type: ignore[union-attr]
    return Text.get_window_extent(text)


def _along(start: Floats, end: Floats, steps: int) -> list[Bbox]:
    return [_around(start + (end - start) * k / steps, 1.0) for k in range(steps + 1)]


def _around(pixel: Floats, reach: float) -> Bbox:
    return Bbox([pixel - reach, pixel + reach])


def _inside(box: Bbox, area: Bbox) -> bool:
    return bool(area.x0 <= box.x0 and box.x1 <= area.x1 and area.y0 <= box.y0 and box.y1 <= area.y1)
