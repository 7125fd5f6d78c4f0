"""Heat maps of a grid side by side on one scale: congestion and density, or the use of routing tracks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from netlists.errors import PlacementError
from plots import style

Map = npt.NDArray[np.float64]


def draw(
    horizontal: Map, vertical: Map, density: Map, *, canvas_um: tuple[float, float] | None = None, title: str = ""
) -> Figure:
    """Draw three maps [R, C] of loads, row 0 at the bottom.  A load of 1 is full; overflow is orange to red.

    Axes are in µm if the canvas (width, height) is passed, otherwise in grid cells.
    Raises `PlacementError` if the shapes differ.
    """
    return _draw(
        {"Horizontal congestion": horizontal, "Vertical congestion": vertical, "Density": density}, canvas_um, title
    )


def draw_routing(horizontal: Map, vertical: Map, *, canvas_um: tuple[float, float]) -> Figure:
    """Draw the wires per track of an estimate of routing, two maps [R, C], over a canvas (width, height) in µm.

    Row 0 is at the bottom.  Raises `PlacementError` if the shapes differ.
    """
    return _draw({"Horizontal wires per track": horizontal, "Vertical wires per track": vertical}, canvas_um, "")


def _draw(maps: Mapping[str, Map], canvas_um: tuple[float, float] | None, title: str) -> Figure:
    """Draw maps [R, C] side by side on one scale; raises `PlacementError` if the shapes differ."""
    horizontal = next(iter(maps.values()))
    if len({values.shape for values in maps.values()}) != 1 or horizontal.ndim != 2:
        raise PlacementError(f"maps have shapes {[values.shape for values in maps.values()]}; expected one [R, C]")
    rows, columns = horizontal.shape
    width, height = canvas_um or (float(columns), float(rows))
    unit = "µm" if canvas_um else "grid cells"
    figure = style.figure(4.0 * len(maps), float(np.clip(3.6 * height / width, 1.0, 9.0)) + 0.9 + 0.3 * bool(title))
    if title:
        figure.suptitle(style.plain(title), fontsize=style.TITLE_PT, color=style.INK, parse_math=False)
    panels = figure.subplots(1, len(maps), sharex=True, sharey=True)
    colors, scale, beyond = style.load_scale(*maps.values())
    for axes, (name, values) in zip(panels, maps.items(), strict=True):
        extent = (0.0, width, 0.0, height)
        image = axes.imshow(values, cmap=colors, norm=scale, origin="lower", extent=extent, interpolation="nearest")
        style.dress(axes, title=name, x=f"x ({unit})", y=f"y ({unit})" if axes is panels[0] else "")
        style.label_lengths(axes)
    style.load_bar(image, panels[-1], "used / available", beyond=beyond)
    return figure
