"""The report: one self-contained HTML page about one or several placement runs."""

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
    "fixed_out_of_canvas": "Fixed macros out of canvas", "macros_outside_rows": "Macros where no row is",
    "macros_off_rows": "Macros off rows or sites", "cell_overlaps": "Overlapping cells",
    "cells_out_of_canvas": "Cells out of canvas", "cells_off_rows": "Cells off rows or sites",
    "hard_macros": "Hard macros", "soft_macros": "Soft macros",
    "ports": "Ports", "nets": "Nets", "seconds": "Time (s)", "cpu_seconds": "CPU time (s)", "name": "Stage",
}  # fmt: skip
"""What the keys of `metrics.json` are called on the page; other keys are shown as they are."""

LOWER_IS_BETTER = ("proxy", "wirelength", "density", "congestion", "hpwl_um")
WIDE = 1.8  # figures wider than this times their height scroll on a phone instead of shrinking


@dataclass(frozen=True, eq=False)
class Run:
    """What the page shows of one placement run; whatever is empty is left out."""

    netlist: str  # its name; runs on netlists of the same name are compared
    method: str = ""
    title: str = ""  # netlist and method when empty
    cost: Mapping[str, float] = field(default_factory=dict)  # as printed by `placer evaluate --json`
    bounds: Mapping[str, float] = field(default_factory=dict)  # what no placement can go below, keys as in `cost`
    violations: Mapping[str, int] | None = None  # what makes it illegal: how many of each; None: not known
    facts: Mapping[str, object] = field(default_factory=dict)  # about the netlist: file, canvas, grid, ...
    stages: Sequence[Mapping[str, object]] = ()  # one row a stage, the same keys: name, seconds, cpu_seconds, proxy
    settings: Mapping[str, object] = field(default_factory=dict)
    command: str = ""
    view: View | None = None
    figures: Mapping[str, Figure | bytes] = field(default_factory=dict)  # caption: figure, or PNG bytes
    notes: Sequence[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)  # of the programs that made the run

    @property
    def name(self) -> str:
        """The heading of the run."""
        return self.title or " · ".join(part for part in (self.netlist, self.method) if part)

    @property
    def legal(self) -> bool | None:
        """Whether nothing makes the placement illegal; None when that is not known."""
        return None if self.violations is None else not any(self.violations.values())

    @property
    def broken(self) -> dict[str, int]:
        """What makes the placement illegal, without what does not occur."""
        return {key: count for key, count in (self.violations or {}).items() if count}

    def above(self, key: str) -> str:
        """How far a cost lies above its bound, as the page says it; empty without a useful bound."""
        bound = self.bounds.get(key, 0.0)
        return f"{100 * (self.cost[key] / bound - 1):+.1f}%" if bound > 0 else ""


@dataclass(frozen=True)
class Picture:
    """A PNG as it stands in the page."""

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
) -> None:
    """Write the page, whole or not at all: a comparison and `figures` about all runs first, then a section a run.

    Views of one chip stand side by side in the comparison, others in the section of their run.  The page needs no
    network and no fonts of its own, and runs no script but its own.  Raises `OSError` when the file cannot be written.
    """
    page = render(runs, title=title, figures=figures or {})
    # Names from a file system may hold bytes that are not UTF-8.
    style.write(path, page.encode("utf-8", errors="replace"))


def render(runs: Sequence[Run], *, title: str, figures: Mapping[str, Figure | bytes]) -> str:
    """The page as text; everything that comes from input files is escaped."""
    template = environment().get_template("report.html")
    counts = dict.fromkeys(key for run in runs for key in run.broken)
    columns = [key for key in (*LOWER_IS_BETTER, *counts, "seconds") if any(key in run.cost for run in runs)]
    shared, own = _viewers(runs)
    return template.render(
        title=title, runs=runs, figures=figures, columns=columns, best=best(runs), shared=shared, own=own,
        script=SCRIPT if shared or own else "", script_hash=SCRIPT_HASH,
    )  # fmt: skip


def _viewers(runs: Sequence[Run]) -> tuple[list[Viewer], dict[int, Viewer]]:
    """The viewers of several runs on one chip, and those of single runs by the index of the run."""
    found = viewers([(run.name, run.view) for run in runs if run.view])
    alone = {id(v.views[0]): v for v in found if len(v.views) == 1}
    return [v for v in found if len(v.views) > 1], {
        i: alone[id(r.view)] for i, r in enumerate(runs) if id(r.view) in alone
    }


def environment() -> Environment:
    """Where the pages of this package come from, and how they write values."""
    made = Environment(
        loader=PackageLoader("plots", ""), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(shown=shown, label=lambda key: LABELS.get(key, key), pictures=pictures)
    return made


def best(runs: Sequence[Run]) -> set[tuple[int, str]]:
    """(index of a run, cost key) of the lowest costs on each netlist, ties included.

    Illegal placements do not compete, and if all costs are equal none is best.
    """
    found: set[tuple[int, str]] = set()
    for netlist in {run.netlist for run in runs}:
        rivals = {i: run.cost for i, run in enumerate(runs) if run.netlist == netlist and run.legal is not False}
        for key in LOWER_IS_BETTER:
            costs = {i: cost[key] for i, cost in rivals.items() if key in cost}
            if len(set(costs.values())) > 1:
                found |= {(i, key) for i, cost in costs.items() if cost == min(costs.values())}
    return found


def pictures(figures: Mapping[str, Figure | bytes]) -> list[Picture]:
    """The figures as PNG pictures."""
    return [
        Picture(caption, style.png(image) if isinstance(image, Figure) else image) for caption, image in figures.items()
    ]


def shown(value: Any, key: str = "") -> str:
    """A value as people read it: 1,234,567, 0.0513, yes, – for none; sequences joined; times to a tenth of a second."""
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
        return ", ".join(f"{key} {shown(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(shown(part) for part in value)
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
