"""Rows for the standard cells of a netlist that has none, from the cells alone: the same ones every time.

A flat Circuit Training netlist has standard cells but no rows.  Rows have the most common height of the movable cells,
or the median if fewer than one cell in ten shares a height or the cells would not fit in such rows, or else the least;
they lie one on the other from the bottom of the canvas.
A site is the greatest common divisor of the widths in whole nanometers, divided until a row is at least
`LEAST_PER_HEIGHT` sites high; if that is less than a `MOST_PER_HEIGHT`-th of the height, a row is so many sites high,
and cells take whole sites.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from netlists.netlist import Floats, Netlist, Rows
from netlists.tolerance import TOUCH

NANOMETER = 1e-3  # in µm
LEAST_SHARE = 0.1  # of the cells, for a height to be that of rows
LEAST_PER_HEIGHT, MOST_PER_HEIGHT = 4, 64  # sites to the height of a row


@lru_cache(maxsize=8)
def cell_rows(netlist: Netlist) -> Rows | None:
    """The rows on which standard cells stand: those of the netlist or, if it has none, derived ones.

    None if there are no rows and no movable cells that have an area, or if no row fits into the canvas.
    """
    if netlist.rows is not None:
        return netlist.rows
    cells = netlist.cells[~netlist.fixed[netlist.cells]]
    size = netlist.size_um[cells]
    size = size[(size > 0).all(axis=1)]
    if not len(size):
        return None
    area = float(np.prod(netlist.canvas_um) - netlist.size_um[netlist.hard].prod(axis=1).sum())
    found = [rows for height in _heights_um(size[:, 1]) if (rows := _rows(netlist, size, height))]
    return next((rows for rows in found if _needed(size, rows) <= area), found[0] if found else None)


def _heights_um(height_um: Floats) -> list[float]:
    """Heights that rows may have for cells of heights [K], the best first: lower rows waste less on odd cells."""
    heights, count = np.unique(height_um, return_counts=True)
    common = [float(heights[np.argmax(count)])] if count.max() >= LEAST_SHARE * len(height_um) else []
    return [*common, float(np.median(height_um)), float(heights[0])]


def _needed(size: Floats, rows: Rows) -> float:
    """The area that cells of sizes [K, 2] take in whole sites and rows."""
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
    if common < height_um / MOST_PER_HEIGHT:
        return height_um / MOST_PER_HEIGHT
    return common / max(1, int(np.ceil(LEAST_PER_HEIGHT * common / height_um - TOUCH)))


def noted(netlist: Netlist) -> Netlist:
    """The netlist with a note about derived rows, if cells get such."""
    rows = cell_rows(netlist)
    if rows is None or netlist.rows is not None:
        return netlist
    note = (
        f"{netlist.name} has {len(netlist.cells)} standard cells but no rows: they are placed on {len(rows)} rows "
        f"{rows.height_um[0]:.6g} µm high with sites {rows.site_um[0]:.6g} µm wide, derived from the sizes of the cells"
    )
    return netlist.with_(notes=(*netlist.notes, note))
