"""The report: a self-contained HTML page about one or several placement runs."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from plots import style
from plots.viewer import SCRIPT, SCRIPT_HASH, View, Viewer, viewers

LABELS = {
    "proxy": "Proxy cost", "wirelength": "Wirelength cost", "density": "Density cost",
    "congestion": "Congestion cost", "hpwl_um": "HPWL (µm)", "overlaps": "Overlaps",
    "legal": "Legal", "out_of_canvas": "Out of canvas", "fixed_overlaps": "Overlaps of fixed macros",
    "fixed_out_of_canvas": "Fixed macros out of canvas", "macros_outside_rows": "Macros where there is no row",
    "macros_off_rows": "Macros off rows or sites", "cell_overlaps": "Overlapping cells",
    "cells_out_of_canvas": "Cells out of canvas", "cells_off_rows": "Cells off rows or sites",
    "macros_too_close": "Macros closer than a channel", "macros_outside_fences": "Macros outside their fence",
    "macros_misoriented": "Macros in a forbidden orientation", "macros_off_grid": "Macros off the grid",
    "hard_macros": "Hard macros", "soft_macros": "Soft macros",
    "ports": "Ports", "nets": "Nets", "seconds": "Time (s)", "cpu_seconds": "CPU time (s)", "name": "Stage",
}  # fmt: skip
"""Names of the keys of `metrics.json` on the page; other keys stay as they are."""

LOWER_IS_BETTER = ("proxy", "wirelength", "density", "congestion", "hpwl_um")
"""Keys of the costs whose best values are highlighted."""

WIDE = 1.8
"""Ratio of width to height above which a figure scrolls on a phone instead of shrinking."""


@dataclass(frozen=True, eq=False)
class Run:
    """The content of the page about one placement run; empty fields are left out."""

    netlist: str  # name; runs on netlists of the same name are compared
    method: str = ""
    title: str = ""  # netlist and method if empty
    cost: Mapping[str, float] = field(default_factory=dict)  # as printed by `placer evaluate --json`
    bounds: Mapping[str, float] = field(default_factory=dict)  # lower bounds of costs, keys as in `cost`
    violations: Mapping[str, int] | None = None  # number of violations of each kind; None if unknown
    facts: Mapping[str, object] = field(default_factory=dict)  # about the netlist: file, canvas, grid, ...
    stages: Sequence[Mapping[str, object]] = ()  # one row per stage: name, seconds, cpu_seconds, proxy
    settings: Mapping[str, object] = field(default_factory=dict)
    command: str = ""
    view: View | None = None
    figures: Mapping[str, Figure | bytes] = field(default_factory=dict)  # caption: figure or PNG bytes
    notes: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)  # versions of the programs used in the run

    @property
    def name(self) -> str:
        """The heading of the run."""
        return self.title or " · ".join(part for part in (self.netlist, self.method) if part)

    @property
    def legal(self) -> bool | None:
        """Whether the placement has no violation; None if unknown."""
        return None if self.violations is None else not any(self.violations.values())

    @property
    def broken(self) -> dict[str, int]:
        """The kinds of violations that occur, with their numbers."""
        return {key: count for key, count in (self.violations or {}).items() if count}

    def above(self, key: str) -> str:
        """By what percentage a cost lies above its bound, as text; empty without a positive bound."""
        bound = self.bounds.get(key, 0.0)
        return f"{100 * (self.cost[key] / bound - 1):+.1f}%" if bound > 0 else ""


@dataclass(frozen=True)
class Picture:
    """A PNG that is embedded in the page."""

    caption: str
    content: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, from the IHDR chunk (PNG specification, 11.2.2)."""
        width, height = struct.unpack(">II", self.content[16:24])
        return width, height

    @property
    def wide(self) -> bool:
        """Whether the picture is too wide to shrink to a phone."""
        return self.size[0] > WIDE * self.size[1]

    @property
    def source(self) -> str:
        """The picture as a `data:` address."""
        return "data:image/png;base64," + base64.b64encode(self.content).decode("ascii")


def write(
    path: str | Path,
    runs: Sequence[Run],
    *,
    title: str = "Placement report",
    figures: Mapping[str, Figure | bytes] | None = None,
    links: Mapping[str, str] | None = None,
) -> None:
    """Write the page, whole or not at all: a comparison of all runs with `figures`, then one section per run.

    Several views of the same chip stand side by side in the comparison; other views stand in the sections of their
    runs.  The page needs no network and no fonts, and its content security policy allows only its own script.
    `links` are addresses of other pages, relative to this one, by their names.  Raises `OSError` if the file cannot be
    written.
    """
    page = render(runs, title=title, figures=figures or {}, links=links or {})
    # Names from a file system may hold bytes that are not UTF-8.
    style.write(path, page.encode("utf-8", errors="replace"))


def render(
    runs: Sequence[Run], *, title: str, figures: Mapping[str, Figure | bytes], links: Mapping[str, str] | None = None
) -> str:
    """The page as text; everything that comes from input files is escaped."""
    template = environment().get_template("report.html")
    counts = dict.fromkeys(key for run in runs for key in run.broken)
    columns = [key for key in (*LOWER_IS_BETTER, *counts, "seconds") if any(key in run.cost for run in runs)]
    shared, own = _viewers(runs)
    return template.render(
        title=title, runs=runs, figures=figures, columns=columns, best=best(runs), shared=shared, own=own,
        script=SCRIPT if shared or own else "", script_hash=SCRIPT_HASH, links=links or {},
    )  # fmt: skip


def _viewers(runs: Sequence[Run]) -> tuple[list[Viewer], dict[int, Viewer]]:
    """The viewers of several runs on one chip, and those of single runs by the index of the run."""
    every = viewers([(run.name, run.view) for run in runs if run.view])
    alone = {id(v.views[0]): v for v in every if len(v.views) == 1}
    return [v for v in every if len(v.views) > 1], {
        i: alone[id(r.view)] for i, r in enumerate(runs) if id(r.view) in alone
    }


def environment() -> Environment:
    """The jinja2 environment of the pages: templates of this package, and filters that format values."""
    jinja = Environment(
        loader=PackageLoader("plots", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    jinja.filters.update(as_text=as_text, label=lambda key: LABELS.get(key, key), pictures=pictures)
    return jinja


def best(runs: Sequence[Run]) -> set[tuple[int, str]]:
    """(index of a run, cost key) of the lowest costs on each netlist, ties included.

    Illegal placements are left out, and if all costs are equal none is best.
    """
    lowest: set[tuple[int, str]] = set()
    for netlist in {run.netlist for run in runs}:
        rivals = {i: run.cost for i, run in enumerate(runs) if run.netlist == netlist and run.legal is not False}
        for key in LOWER_IS_BETTER:
            costs = {i: cost[key] for i, cost in rivals.items() if key in cost}
            if len(set(costs.values())) > 1:
                lowest |= {(i, key) for i, cost in costs.items() if cost == min(costs.values())}
    return lowest


def pictures(figures: Mapping[str, Figure | bytes]) -> list[Picture]:
    """The figures as PNG pictures."""
    return [
        Picture(caption, style.png(image) if isinstance(image, Figure) else image) for caption, image in figures.items()
    ]


def as_text(value: Any, key: str = "") -> str:
    """A value as text: 1,234,567, 0.0513, yes, – for None; sequences joined; seconds (by the key) with one decimal."""
    if value is None:
        return "–"
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if isinstance(value, float | np.floating):
        if key.endswith("seconds") and np.isfinite(value):
            return f"{value:,.1f}"
        return _decimal(float(value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {as_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(as_text(item) for item in value)
    return str(value)


def _decimal(value: float) -> str:
    if not np.isfinite(value):
        return "–" if np.isnan(value) else str(value)
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.4f}" if size >= 0.01 or value == 0 else f"{value:.3g}"
