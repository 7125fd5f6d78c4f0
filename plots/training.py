"""Learning curves: one panel per quantity that a training run logs, and the convergence of several runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from netlists.errors import SettingsError
from plots import style

PANELS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("Proxy cost", "proxy cost", {"proxy_mean": "mean of batch", "proxy_best": "best so far"}),
    ("Entropy of the policy", "nats", {"entropy": "entropy"}),
    ("KL divergence per update", "nats", {"kl": "KL divergence"}),
    ("Explained variance of the value", "1 − Var[error] / Var[return]", {"explained_variance": "explained variance"}),
    ("Speed", "environment steps / s", {"steps_per_second": "speed"}),
)
"""Title, label of the y axis and columns of the history (name: label) of each panel."""

LEGEND_COLUMNS = 3


def draw(history: Mapping[str, Sequence[float]], *, title: str = "") -> Figure:
    """Draw the columns of a training history, all of length T, over the iteration, one panel per quantity.

    Columns are `iteration` (by default 1, 2, ...), `seconds` since the start (of which the last is shown), and those in
    `PANELS`.  A panel without columns is left out, and NaN leaves a gap.  Raises `SettingsError` if no column is known
    or lengths differ.
    """
    panels = [panel for panel in PANELS if any(column in history for column in panel[2])]
    if not panels:
        known = ", ".join(column for panel in PANELS for column in panel[2])
        raise SettingsError(f"training history has the columns {list(history)}; expected some of {known}")
    lengths = {column: len(values) for column, values in history.items()}
    if len(set(lengths.values())) != 1:
        raise SettingsError(f"columns of the training history have lengths {lengths}; expected one length")
    iteration = history.get("iteration", range(1, next(iter(lengths.values())) + 1))
    seconds = history.get("seconds", ())
    x_label = f"iteration ({seconds[-1]:,.0f} s in all)" if len(seconds) else "iteration"
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = style.figure(4.0 * columns, 2.7 * rows + 0.3)
    if title:
        figure.suptitle(style.plain(title), fontsize=style.TITLE_PT, color=style.INK, parse_math=False)
    for k, (name, unit, series) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, k + 1)
        _curves(axes, iteration, {label: history[c] for c, label in series.items() if c in history})
        style.dress(axes, title=name, x=x_label, y=unit)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def _curves(axes: Axes, x: Sequence[float], curves: Mapping[str, Sequence[float]]) -> None:
    marker = "o" if len(x) < 3 else ""  # a line needs two points to be seen
    for k, (label, y) in enumerate(curves.items()):
        color, dashes = style.SERIES[k % len(style.SERIES)], style.LINE_STYLES[k % len(style.LINE_STYLES)]
        axes.plot(x, y, color=color, linestyle=dashes, linewidth=1.4, marker=marker, markersize=4, label=label)
    axes.grid(color=style.GRID_LINE, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=style.TICK_PT, labelcolor=style.INK)


def convergence(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]], *, title: str = "", quantity: str = "proxy cost"
) -> Figure:
    """Draw the best cost so far over wall-clock seconds, one step curve per label; `quantity` is the name of the cost.

    `series` maps a label to (seconds [T], cost [T]).  Raises `SettingsError` if there is no curve, or a curve is empty
    or its lengths differ.
    """
    if not series:
        raise SettingsError("no curves to draw; expected at least one label with seconds and proxy costs")
    figure = style.figure(8.0, 4.0 + 0.2 * -(-len(series) // LEGEND_COLUMNS))
    axes = figure.add_subplot()
    curves: list[Line2D] = []
    for k, (label, (seconds, cost)) in enumerate(series.items()):
        if len(seconds) != len(cost) or not len(seconds):
            raise SettingsError(f"curve {label!r} has {len(seconds)} times and {len(cost)} costs; expected one of each")
        color = style.SERIES[k % len(style.SERIES)]
        dashes = style.LINE_STYLES[k // len(style.SERIES) % len(style.LINE_STYLES)]
        curves += axes.step(seconds, cost, where="post", color=color, linestyle=dashes, linewidth=1.5)
        axes.plot(seconds[-1], cost[-1], "o", color=color, markersize=4)
    style.dress(axes, title=title or f"Best {quantity} over time", x="wall-clock time (s)", y=quantity)
    axes.grid(color=style.GRID_LINE, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    legend = figure.legend(
        curves, [style.plain(label, 32) for label in series], loc="outside lower center", ncols=LEGEND_COLUMNS,
        frameon=False, fontsize=style.TICK_PT, labelcolor=style.INK,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure
