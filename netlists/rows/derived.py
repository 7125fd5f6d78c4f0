"""Rows for the standard cells of a netlist that has none, derived from the cells alone.

A flat Circuit Training netlist has standard cells but no rows.  The rows have the most common height of the movable
cells; the median height if fewer than one cell in ten shares a height, or if the cells do not fit into such rows; and
otherwise the least height.  They are stacked from the bottom of the canvas.

The width of a site is the greatest common divisor of the widths of the cells in whole nanometers, divided until a row
is at least `MIN_SITES_PER_HEIGHT` sites high.  If that is less than the height divided by `MAX_SITES_PER_HEIGHT`, the
row is that many sites high, and cells are rounded up to whole sites.
"""

from __future__ import annotations

import numpy as np

from netlists.netlist import Floats, Netlist, Rows, cached_view
from netlists.tolerance import TOUCH

NANOMETER = 1e-3
"""A nanometer in µm."""

COMMON_FRACTION = 0.1
"""Fraction of the cells that must share a height for it to be the height of rows."""

MIN_SITES_PER_HEIGHT = 4
"""Least height of a row in widths of a site."""

MAX_SITES_PER_HEIGHT = 64
"""Greatest height of a row in widths of a site."""


@cached_view
def cell_rows(netlist: Netlist) -> Rows | None:
    """The rows on which standard cells are placed: those of the netlist or, if it has none, derived ones.

    None if there are no rows and no movable cells that have an area, or if no row fits into the canvas.
    """
    if netlist.rows is not None:
        return netlist.rows
    cells = netlist.movable_cells
    size = netlist.size_um[cells]
    size = size[(size > 0).all(axis=1)]
    if not len(size):
        return None
    area = float(np.prod(netlist.canvas_um) - netlist.size_um[netlist.hard].prod(axis=1).sum())
    candidates = [rows for height in _heights_um(size[:, 1]) if (rows := _rows(netlist, size, height))]
    fitting = (rows for rows in candidates if _area_on_rows(size, rows) <= area)
    return next(fitting, candidates[0] if candidates else None)


def _heights_um(height_um: Floats) -> list[float]:
    """Candidates for the height of rows for cells of heights [K], the best first: low rows waste less on odd cells."""
    heights, count = np.unique(height_um, return_counts=True)
    common = [float(heights[np.argmax(count)])] if count.max() >= COMMON_FRACTION * len(height_um) else []
    return [*common, float(np.median(height_um)), float(heights[0])]


def _area_on_rows(size: Floats, rows: Rows) -> float:
    """The area in µm² of cells of sizes [K, 2], rounded up to whole sites and rows."""
    step = np.array([rows.site_um[0], rows.height_um[0]])
    return float((np.ceil(size / step - TOUCH) * step).prod(axis=1).sum())


def _rows(netlist: Netlist, size: Floats, height: float) -> Rows | None:
    """Rows of a height over the whole canvas for cells of sizes [K, 2]; None if there is no room for one."""
    site = _site_um(size[:, 0], height)
    slack = TOUCH * max(netlist.canvas_um)
    sites = int((netlist.canvas_um[0] + slack) / site)
    levels = int((netlist.canvas_um[1] + slack) / height)
    if not sites or not levels:
        return None
    return Rows(
        np.zeros(levels), height * np.arange(levels, dtype=np.float64), np.full(levels, height), np.full(levels, site),
        np.full(levels, sites, dtype=np.int64),
    )  # fmt: skip


def _site_um(width_um: Floats, height_um: float) -> float:
    """The width of a site for cells of widths [K] on rows of a height."""
    common = NANOMETER * float(np.gcd.reduce(np.rint(width_um / NANOMETER).astype(np.int64)))
    if common < height_um / MAX_SITES_PER_HEIGHT:
        return height_um / MAX_SITES_PER_HEIGHT
    return common / max(1, int(np.ceil(MIN_SITES_PER_HEIGHT * common / height_um - TOUCH)))


def add_note(netlist: Netlist) -> Netlist:
    """The netlist with a note on its derived rows, if it gets such rows."""
    rows = cell_rows(netlist)
    if rows is None or netlist.rows is not None:
        return netlist
    note = (
        f"{netlist.name} has {len(netlist.cells)} standard cells but no rows: they are placed on {len(rows)} rows "
        f"{rows.height_um[0]:.6g} µm high with sites {rows.site_um[0]:.6g} µm wide, derived from the sizes of the cells"
    )
    return netlist.with_(notes=(*netlist.notes, note))
