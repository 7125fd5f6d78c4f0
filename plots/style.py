"""The common look of all figures: colors, type sizes, canvases without a display, and PNG output.

Figures are built with `Figure` and the Agg canvas, without pyplot and rcParams: no global state changes, no display is
needed, and several threads may draw at the same time.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from netlists.runtime.output import replaced

Array = npt.NDArray[Any]

INK = "#1f2933"
"""Text and outlines."""

FAINT = "#8a94a0"
"""Axes and secondary text."""

GRID_LINE = "#d5dae0"

# Okabe and Ito, "Color universal design", 2008: distinct for every kind of color vision.
BLUE = "#0072b2"
ORANGE = "#e69f00"
GREEN = "#009e73"
VERMILION = "#d55e00"
PURPLE = "#cc79a7"
SKY = "#56b4e9"

SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)
"""Colors of the curves of a figure, in this order."""

LINE_STYLES = ("-", "--", "-.", ":")
"""Line styles of the curves of a figure, in this order."""

DARK_GROUND = "#0d1117"
"""Color of a load of 0 on a dark page."""

DARK_FULL = "#2f81d6"
"""Color of a load of 1 on a dark page."""

TITLE_PT = 11
"""Type size of titles in points."""

LABEL_PT = 9
"""Type size of axis labels in points."""

TICK_PT = 8
"""Type size of tick labels and legends in points."""

DPI = 130
"""Pixels per inch of all figures."""


def figure(width_in: float, height_in: float) -> Figure:
    """An empty white figure with an Agg canvas and the constrained layout."""
    empty = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white", layout="constrained")
    empty.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    FigureCanvasAgg(empty)
    return empty


def dress(axes: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Give axes their title, axis labels (with units) and the common type sizes and colors."""
    axes.set_title(plain(title), fontsize=TITLE_PT, color=INK, loc="left", parse_math=False)
    axes.set_xlabel(x, fontsize=LABEL_PT, color=INK)
    axes.set_ylabel(y, fontsize=LABEL_PT, color=INK)
    axes.tick_params(labelsize=TICK_PT, colors=INK, color=FAINT)
    for spine in axes.spines.values():
        spine.set_color(FAINT)


def label_lengths(axes: Axes) -> None:
    """Write lengths on both axes in full, without a power of ten to multiply by."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(6))
        axis.set_major_formatter(lambda length, _: f"{length:,.10g}")


def plain(text: str, limit: int = 90) -> str:
    """Text that the built-in font can draw: one line, other glyphs as `?`, the middle of long text left out."""
    line = "".join(c if c.isprintable() and ord(c) < 0x400 else "?" for c in text)
    return line if len(line) <= limit else f"{line[: limit // 2 - 1]}…{line[-limit // 2 :]}"


def load_scale(*values: Array) -> tuple[ListedColormap, Normalize, bool]:
    """Colors for loads: white to blue up to 1 (full), orange to dark red above, so that overflow stands out.

    `values` are arrays of loads of any shape [...] with a common scale; NaN is left out.  Returns the colormap, its
    linear scale from 0, and whether some values lie above its end, a quantile that ignores a few extreme cells.
    """
    all_values = np.concatenate([np.ravel(v) for v in values])
    finite = all_values[np.isfinite(all_values)]
    top = max(1.0, float(np.quantile(finite, 0.998))) if finite.size else 1.0
    steps = 512
    full = round(steps / top)
    below = mpl.colormaps["Blues"](np.linspace(0.0, 0.65, full))
    # A scale that ends at 1.2 has light orange only, so that a color means the same overflow in every figure up to 2.
    above = mpl.colormaps["YlOrRd"](np.linspace(0.3, 0.3 + 0.7 * min(1.0, top - 1), steps - full))
    colors = ListedColormap(np.vstack([below, above]), name="load")
    return colors, Normalize(0, top), bool(finite.size and finite.max() > top)


def dark_loads(loads: Array) -> Array:
    """[K, 4] colors of loads [K] on a dark ground: black to blue up to 1, dark red to yellow from there to 2."""
    full = np.clip(loads, 0, 1)[:, None]
    below = (1 - full) * np.array(to_rgba(DARK_GROUND)) + full * np.array(to_rgba(DARK_FULL))
    above = mpl.colormaps["YlOrRd_r"](0.12 + 0.75 * np.clip(loads - 1, 0, 1))
    return np.asarray(np.where((loads > 1)[:, None], above, below))


def load_bar(image: ScalarMappable, axes: Axes, label: str, *, beyond: bool) -> None:
    """Put a color bar to the right of axes, for a map drawn with `load_scale`; a line marks a load of 1."""
    beside = axes.inset_axes((1.025, 0, 0.03, 1))
    bar = axes.get_figure().colorbar(image, cax=beside, extend="max" if beyond else "neither")  # type: ignore[union-attr]
    bar.set_label(label, fontsize=LABEL_PT, color=INK)
    beside.tick_params(labelsize=TICK_PT, colors=INK, color=FAINT)
    beside.axhline(1.0, color=INK, linewidth=1.0)


def png(figure: Figure) -> bytes:
    """The figure as PNG bytes; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def write(path: str | Path, content: bytes) -> None:
    """Write a file under a temporary name in its folder and rename it: whole or not at all.  Raises `OSError`."""
    with replaced(Path(path)) as part:
        part.write_bytes(content)
