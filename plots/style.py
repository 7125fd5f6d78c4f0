"""The common look of all figures: colors, type sizes, canvases without a display, and PNG out.

Figures are built with `Figure` and the Agg canvas alone: no pyplot and no rcParams, so nothing global changes, no
display is needed and several threads may draw at once.
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
FAINT = "#8a94a0"
GRID_LINE = "#d5dae0"
# Okabe and Ito, "Color universal design", 2008: told apart with any color vision.
BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"
SERIES = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK)
DARK_GROUND, DARK_FULL = "#0d1117", "#2f81d6"  # of maps on a dark page: where the load is 0 and 1
LINE_STYLES = ("-", "--", "-.", ":")

TITLE_PT, LABEL_PT, TICK_PT = 11, 9, 8
DPI = 130


def figure(width_in: float, height_in: float) -> Figure:
    """An empty white figure with an Agg canvas and the constrained layout."""
    made = Figure(figsize=(width_in, height_in), dpi=DPI, facecolor="white", layout="constrained")
    made.get_layout_engine().set(w_pad=0.08, h_pad=0.08)  # type: ignore[union-attr, call-arg]
    FigureCanvasAgg(made)
    return made


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
    """Text that the built-in font can draw: one line, foreign glyphs as `?`, the middle of long text left out."""
    drawn = "".join(c if c.isprintable() and ord(c) < 0x400 else "?" for c in text)
    return drawn if len(drawn) <= limit else f"{drawn[: limit // 2 - 1]}…{drawn[-limit // 2 :]}"


def load_scale(*values: Array) -> tuple[ListedColormap, Normalize, bool]:
    """Colors for a load where 1 is full: white to blue up to 1, orange to dark red above, so that overflow stands out.

    Takes the arrays that share the scale; NaN is left out.  Returns the colormap, its linear scale from 0, and whether
    some values lie above its end, which a few extreme cells do not get to set.
    """
    all_values = np.concatenate([np.ravel(v) for v in values])
    finite = all_values[np.isfinite(all_values)]
    top = max(1.0, float(np.quantile(finite, 0.998))) if finite.size else 1.0
    steps = 512
    full = round(steps / top)
    below = mpl.colormaps["Blues"](np.linspace(0.0, 0.65, full))
    # A scale that ends at 1.2 shows light orange only: up to 2, a color means the same overflow in every figure.
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
    """Put a color bar to the right of axes, for a map drawn with `load_scale`; a line marks where the load is full."""
    beside = axes.inset_axes((1.025, 0, 0.03, 1))
    bar = axes.get_figure().colorbar(image, cax=beside, extend="max" if beyond else "neither")  # type: ignore[union-attr]
    bar.set_label(label, fontsize=LABEL_PT, color=INK)
    beside.tick_params(labelsize=TICK_PT, colors=INK, color=FAINT)
    beside.axhline(1.0, color=INK, linewidth=1.0)


def png(drawn: Figure) -> bytes:
    """The figure as PNG bytes, the same for the same figure."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def write(path: str | Path, content: bytes) -> None:
    """Write a file under a temporary name in its folder and rename it: whole or not at all.  Raises `OSError`."""
    with replaced(Path(path)) as part:
        part.write_bytes(content)
