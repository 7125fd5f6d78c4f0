"""The interactive picture of placements in a page: its data as JSON, which `viewer.js` draws."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imsave

from netlists.connectivity import Connectivity
from netlists.netlist import ORIENTATION_MATRIX, ORIENTATIONS, Floats, Ints, Netlist
from netlists.placement import Placement
from plots import placement as drawing
from plots import style
from plots.labels import short_labels

Map = npt.NDArray[np.float64]

SCRIPT = (Path(__file__).parent / "viewer.js").read_text(encoding="utf-8")
SCRIPT_HASH = "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
"""The only script that the content security policy of the page allows."""

DECIMALS = 4
"""Decimal places of lengths in µm."""

COLORS = 64
"""Steps of the color scale of maps."""

HEAVIEST = 100
"""Number of connections in the layer of the heaviest connections between hard macros."""

MOST_LINKS = 20_000
"""Number of connections of all hard macros in a page, and of all soft macros, that keeps the page small."""

LEAST_LINKS = 8
"""Number of connections in the page that every macro may have, the strongest ones, even beyond `MOST_LINKS`."""

LINKS = 64
"""Largest number of connections per macro in the page."""

CELL_PIXELS = 512
"""Largest number of pixels along a side of the picture of standard cells."""


@dataclass(frozen=True, eq=False)
class View:
    """A placement for the interactive picture."""

    placement: Placement
    connectivity: Connectivity
    still: Figure | bytes  # for readers without scripts
    maps: Mapping[str, Map] = field(default_factory=dict)  # name: loads [R, C], row 0 at the bottom; 1 is full

    def beside(self, other: View) -> bool:
        """Whether both show the same chip, so that their pictures can move together."""
        a, b = self.placement.netlist, other.placement.netlist
        return a.node_names == b.node_names and (a.canvas_um, a.grid) == (b.canvas_um, b.grid)


@dataclass(frozen=True, eq=False)
class Viewer:
    """Views of one chip side by side, which zoom and move together."""

    views: Sequence[View]
    titles: Sequence[str]  # one per view

    @property
    def netlist(self) -> Netlist:
        """The chip."""
        return self.views[0].placement.netlist

    @property
    def maps(self) -> list[str]:
        """Names of the maps, those of the first view."""
        return list(self.views[0].maps)

    @property
    def counts(self) -> dict[str, int]:
        """The number of nodes of each kind in the layers."""
        n = self.netlist
        kinds = {"hard": n.hard, "fixed": n.hard[n.fixed[n.hard]], "soft": n.soft, "cells": n.cells, "ports": n.ports}
        return {kind: len(nodes) for kind, nodes in kinds.items()}

    @property
    def heaviest(self) -> int:
        """The number of connections in the layer of the heaviest ones."""
        return len(_heaviest(self.netlist, self.views[0].connectivity))

    @property
    def stills(self) -> dict[str, Figure | bytes]:
        """Pictures for readers without scripts."""
        return {title: view.still for title, view in zip(self.titles, self.views, strict=True)}

    @cached_property
    def json(self) -> str:
        """The data, safe inside a script element: `<`, `>` and `&` are escaped."""
        text = json.dumps(self._data(), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")

    def _data(self) -> dict[str, Any]:
        n, links = self.netlist, self.views[0].connectivity
        nodes = np.concatenate([n.hard, n.soft, n.ports])  # in the order of the indices of the script
        names = [n.node_names[v] for v in nodes]
        low, high = zip(*(drawing.view(v.placement) for v in self.views), strict=True)
        maps = [values for view in self.views for values in view.maps.values()]
        partners, limits = _links(n, links, nodes)
        return {
            "canvas": n.canvas_um, "grid": n.grid, "low": np.min(low, axis=0).tolist(),
            "high": np.max(high, axis=0).tolist(), "orientations": ORIENTATIONS,
            "turns": ORIENTATION_MATRIX.astype(int).tolist(), "notch_legs": drawing.NOTCH,
            "hard": len(n.hard), "soft": len(n.soft), "ports": len(n.ports), "cells": len(n.cells),
            "names": names, "labels": short_labels(names[: len(n.hard)]),
            "w": _rounded(n.size_um[nodes, 0]), "h": _rounded(n.size_um[nodes, 1]),
            "fixed": np.flatnonzero(n.fixed[nodes] & (np.arange(len(nodes)) < len(n.hard) + len(n.soft))).tolist(),
            "nets": links.nets[nodes].tolist(), "weight": [_digits(w) for w in links.weight[nodes]],
            "links": partners, "kept": limits, "heaviest": _heaviest(n, links),
            "scale": _scale(maps) if maps else None,
            "runs": [_run(view, title, nodes) for view, title in zip(self.views, self.titles, strict=True)],
        }  # fmt: skip


def viewers(views: Sequence[tuple[str, View]]) -> list[Viewer]:
    """Viewers of views with their titles: one viewer per chip, in the order of first occurrence."""
    groups: list[list[tuple[str, View]]] = []
    for title, view in views:
        for group in groups:
            if view.beside(group[0][1]):
                group.append((title, view))
                break
        else:
            groups.append([(title, view)])
    return [Viewer([view for _, view in group], [title for title, _ in group]) for group in groups]


def _run(view: View, title: str, nodes: Ints) -> dict[str, Any]:
    """The part of the data that differs between placements of a chip."""
    p = view.placement
    index = {int(v): k for k, v in enumerate(nodes)}
    return {
        "title": title,
        "x": _rounded(p.position_um[nodes, 0]), "y": _rounded(p.position_um[nodes, 1]),
        "o": p.orientation[nodes].tolist(),
        "wrong": [index[int(v)] for v in drawing.wrong(p)],
        "maps": {name: np.round(1000 * np.nan_to_num(values)).astype(int).ravel().tolist()
                 for name, values in view.maps.items()},
        "cells": _cells(p),
    }  # fmt: skip


def _rounded(lengths: Floats) -> list[float]:
    return [float(length) for length in np.round(lengths, DECIMALS)]


def _digits(value: float) -> float:
    """A weight rounded to four digits."""
    return float(f"{value:.4g}")


def _links(n: Netlist, links: Connectivity, nodes: Ints) -> tuple[list[list[float]], list[int]]:
    """[partner, strength, ...] of each macro, strongest first, and the limits per hard and per soft macro.

    Partners are indices of the script: nodes, then grid cells of standard cells.
    """
    index = np.full(n.num_nodes + n.grid[0] * n.grid[1], -1)
    index[nodes] = np.arange(len(nodes))
    index[n.num_nodes :] = len(nodes) + np.arange(n.grid[0] * n.grid[1])
    limits = [int(np.clip(MOST_LINKS // max(len(kind), 1), LEAST_LINKS, LINKS)) for kind in (n.hard, n.soft)]
    macros = nodes[: len(n.hard) + len(n.soft)]
    start = np.searchsorted(links.macro, macros)
    stop = np.searchsorted(links.macro, macros, side="right")
    stop = np.minimum(stop, start + np.repeat(limits, [len(n.hard), len(n.soft)]))
    partners: list[list[float]] = []
    for a, b in zip(start, stop, strict=True):
        pairs = zip(index[links.partner[a:b]].tolist(), links.strength[a:b].tolist(), strict=True)
        partners.append([value for partner, strength in pairs for value in (partner, _digits(strength))])
    return partners, limits


def _heaviest(n: Netlist, links: Connectivity) -> list[list[float]]:
    """[hard macro, hard macro, strength] of the strongest connections between hard macros."""
    place = np.full(n.num_nodes + n.grid[0] * n.grid[1], -1)
    place[n.hard] = np.arange(len(n.hard))
    a, b = place[links.macro], place[links.partner]
    pairs = np.flatnonzero((a >= 0) & (a < b))
    best = pairs[np.argsort(-links.strength[pairs], kind="stable")][:HEAVIEST]
    return [[int(a[k]), int(b[k]), _digits(links.strength[k])] for k in best]


def _scale(maps: Sequence[Map]) -> dict[str, Any]:
    """The colors of loads from 0 to `top` on a light and on a dark page, and whether some loads lie above."""
    colors, norm, beyond = style.load_scale(*maps)
    top = float(norm.vmax or 1.0)
    loads = (np.arange(COLORS) + 0.5) / COLORS * top
    return {
        "top": top, "beyond": beyond, "light": [to_hex(c) for c in colors(norm(loads))],
        "dark": [to_hex(c) for c in style.dark_loads(loads)],
    }  # fmt: skip


def _cells(p: Placement) -> str | None:
    """The standard cells as a picture of the canvas, the more opaque the denser; None without cells."""
    n = p.netlist
    if not len(n.cells):
        return None
    canvas, size = np.array(n.canvas_um), n.size_um[n.cells]
    side = max(canvas.max() / CELL_PIXELS, float(np.median(np.sqrt(size.prod(axis=1)))), 1e-9)  # µm per pixel
    columns, rows = np.maximum(np.ceil(canvas / side).astype(int), 1)
    pixel = np.clip((p.position_um[n.cells] / canvas * (columns, rows)).astype(int), 0, (columns - 1, rows - 1))
    at = pixel[:, 1] * columns + pixel[:, 0]
    area = np.bincount(at, size.prod(axis=1), minlength=rows * columns).reshape(rows, columns)
    pixels = np.empty((rows, columns, 4))
    pixels[..., :3] = mpl.colors.to_rgb(drawing.CELL_FILL)
    pixels[..., 3] = np.sqrt(np.clip(area / (canvas.prod() / (columns * rows)), 0, 1))
    picture = io.BytesIO()
    imsave(picture, pixels[::-1], format="png")
    return "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode("ascii")
