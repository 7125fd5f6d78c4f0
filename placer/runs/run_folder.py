"""The folder of a finished run: its placement and `metrics.json`, written and read back, and what reports show of it.

`placer place` replaces a finished run only by a run of the same netlist that is not worse.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from netlists import load, load_placement, save_placement
from netlists.errors import PlacementError, SettingsError
from netlists.formats.constraints_file import constrain, halo_and_channel, read_constraints
from netlists.formats.files import is_bundled
from netlists.formats.lefdef.writer import write_tcl
from netlists.formats.registry import native_format
from netlists.formats.unfix import fix
from netlists.legality.verdict import COUNTS
from netlists.netlist import Floats, Netlist, cached_view
from netlists.placement import Placement
from netlists.runtime.output import complete, replaced_together, write_file
from netlists.runtime.stored_files import read_json
from netlists.runtime.versions import read_versions
from placer.cells.place import has_cells
from placer.cost import Maps, ProxyCost, summary
from placer.runs.pipeline import Result
from placer.runs.stored_metrics import StoredMetrics

METRICS = "metrics.json"
PAGES = ("placement.png", "report.html")
"""The picture and the page of a run, which are drawn after it has been written."""
TCL = "macros.tcl"
"""The macros of a DEF design, as commands for other tools."""
COSTS = ("proxy", "wirelength", "density", "congestion", "hpwl_um", "legal", *COUNTS)
"""Keys of `metrics.json` that say how good a placement is."""
DIGESTS = 8
"""Netlists whose digests are remembered: a sweep asks for them again for each run."""


@dataclass(frozen=True)
class Source:
    """Where a netlist was loaded from, so that it can be loaded again."""

    path: str  # a file, a folder or a bundled name
    plc: str | None = None  # the .plc of a protobuf netlist, if it is not beside it
    grid: tuple[int, int] | None = None  # rows, columns; Bookshelf only
    unfix: tuple[str, ...] = ()  # globs of fixed macros that are freed
    lef: tuple[str, ...] = ()  # the LEF files of a DEF netlist, if they are not those beside it
    constraints: str | None = None  # a YAML file
    halo: float | None = None  # µm beside all hard macros
    channel: float | None = None  # µm between hard macros that do not touch
    fix: tuple[str, ...] = ()  # globs of movable macros that stay where they are

    def load(self, follow_outside: bool = False) -> Netlist:
        """The netlist; raises as `netlists.load` does.

        `follow_outside` is no field, so that no stored run can ask for files outside of the folder of an `.aux`.
        """
        known = (("grid", self.grid), ("lef", self.lef), ("follow_outside", follow_outside))
        options = {name: value for name, value in known if value}
        netlist = load(self.path, self.plc, unfix=self.unfix, **options)
        if self.constraints:
            netlist = constrain(netlist, read_constraints(self.constraints, netlist.origin_um))
        return fix(constrain(netlist, halo_and_channel(self.halo, self.channel)), self.fix)

    def absolute(self) -> Source:
        """The same source as seen from any working folder; bundled names stay."""
        path = self.path if is_bundled(Path(self.path)) else os.path.abspath(self.path)
        lef = tuple(os.path.abspath(file) for file in self.lef)
        plc, constraints = (os.path.abspath(file) if file else None for file in (self.plc, self.constraints))
        return replace(self, path=path, plc=plc, lef=lef, constraints=constraints)

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Source:
        """The source in `metrics.json`; old ones have no `unfix`, `lef` and constraints."""
        grid, unfix, lef = fields["grid"], tuple(fields.get("unfix", ())), tuple(fields.get("lef", ()))
        return cls(
            fields["path"], fields["plc"], tuple(grid) if grid else None, unfix, lef, fields.get("constraints"),
            fields.get("halo"), fields.get("channel"), tuple(fields.get("fix", ())),
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run folder that was written or read back."""

    folder: Path
    placement: Placement
    metrics: dict[str, Any]

    @property
    def cost(self) -> dict[str, float | int]:
        """The cost of the placement in the folder, computed from the placement, with the times of the run."""
        times = {key: self.metrics[key] for key in ("seconds", "cpu_seconds") if key in self.metrics}
        return summary(self.placement) | times

    @property
    def convergence(self) -> tuple[list[float], list[float]]:
        """See the function `convergence`."""
        return convergence(self.metrics)


def convergence(metrics: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Seconds, and the best cost at each: HPWL in µm of a flat design, whose cells decide, otherwise the proxy."""
    history = metrics.get("hpwl_history") or metrics.get("history", [])
    return [seconds for seconds, _ in history], [cost for _, cost in history]


def write_run(folder: Path, result: Result, source: Source, command: str, tool: str = "openroad") -> FinishedRun:
    """Write the placement and `metrics.json`, and for DEF designs `macros.tcl` for a tool: all of them or none.

    The pages of an earlier run are removed.  Raises `OSError` and `NetlistError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"placement{native_format(result.placement.netlist).placement_suffix}"
    metrics = result.metrics | {
        "netlist": result.placement.netlist.name,
        "interrupted": result.interrupted,
        "settings": result.settings.as_dict(),
        "history": result.history,
        "source": vars(source.absolute()),
        "digest": digest(result.placement.netlist),
        "placement": name,
        "command": command,
        "versions": read_versions(),
    }
    costs = {key: float(metrics[key]) for key in ("wirelength", "density", "congestion")}
    with replaced_together(folder) as part:
        save_placement(result.placement, part / name, costs)
        write_file(part / METRICS, json.dumps(metrics, indent=1) + "\n")
        if result.placement.netlist.def_file:
            write_tcl(result.placement, part / TCL, tool)
        for page in PAGES:
            (folder / page).unlink(missing_ok=True)
    return FinishedRun(folder, result.placement, metrics)


def read_run(folder: Path, follow_outside: bool = False) -> FinishedRun:
    """Read a folder written by `write_run`; raises `PlacementError` if its `metrics.json` is missing or damaged.

    `follow_outside` is that of `Source.load`.
    """
    metrics = read_metrics(folder)
    netlist = Source.read(metrics["source"]).load(follow_outside)
    return FinishedRun(folder, load_placement(netlist, folder / metrics["placement"]), metrics)


def read_metrics(folder: Path) -> dict[str, Any]:
    """The `metrics.json` that `write_run` wrote to a folder; raises `PlacementError` if it is missing or damaged."""
    complete(folder)
    file = folder / METRICS
    try:
        return read_json(file, StoredMetrics)
    except FileNotFoundError:
        raise PlacementError(f"{file}: no such file, expected a folder written by `placer place`") from None
    except OSError as error:
        raise PlacementError(f"{file}: {error.strerror}, expected a folder written by `placer place`") from None
    except ValueError as error:
        raise PlacementError(f"{file}: damaged ({error}), expected the file as `placer place` wrote it; make the run "
                             "again") from None  # fmt: skip


def read_earlier_run(folder: Path, netlist: Netlist) -> dict[str, Any] | None:
    """The metrics of the finished run of a netlist in a folder, or None if there is none that can be read.

    Raises `SettingsError` if the run is of another netlist.
    """
    try:
        metrics = read_metrics(folder)
    except PlacementError:
        return None
    if metrics.get("digest") != digest(netlist):
        raise SettingsError(
            f"--out {folder} holds a finished run of another netlist ({metrics.get('netlist')}), or of this one before "
            "it was changed; choose another folder, or replace the run by --force"
        )
    return metrics


def reason_to_keep(old: Mapping[str, Any], new: Mapping[str, Any], netlist: Netlist) -> str:
    """Why a finished run with the metrics `old` should stay instead of a new one; empty if it is not better."""
    key = "hpwl_um" if has_cells(netlist) else "proxy"
    if not old.get(key, float("inf")) < new[key]:
        return ""
    return f"its {key} of {old[key]:,.6g} is lower than {new[key]:,.6g} of the new run"


@cached_view
def digest(netlist: Netlist) -> str:
    """SHA-256 of a netlist; netlists that differ in more than pin and net names differ in it."""
    n = netlist
    sha = sha256(repr((n.node_names, n.canvas_um, n.grid, n.routing, n.origin_um)).encode())
    arrays: list[Any] = [n.kind, n.size_um, n.fixed, n.position_um, n.orientation, n.net_start, n.net_weight]
    arrays += [n.connection_node, n.connection_offset_um, *(vars(n.rows).values() if n.rows else ())]
    for array in arrays:
        sha.update(array.tobytes())
    return sha.hexdigest()


def facts(netlist: Netlist) -> dict[str, object]:
    """A netlist in a few numbers, by what they count."""
    return {
        "canvas (µm)": f"{netlist.canvas_um[0]:,.6g} × {netlist.canvas_um[1]:,.6g}",
        "grid": f"{netlist.grid[0]} rows × {netlist.grid[1]} columns",
        "hard_macros": len(netlist.hard),
        "fixed hard macros": int(netlist.fixed[netlist.hard].sum()),
        "soft_macros": len(netlist.soft),
        "standard cells": len(netlist.cells),
        "ports": len(netlist.ports),
        "nets": netlist.num_nets,
    }


def maps(placement: Placement) -> Maps:
    """Density and congestion of every grid cell [R, C]."""
    return ProxyCost(placement.netlist).maps(placement.position_um, placement.orientation)


def congestion(maps: Maps) -> Floats:
    """[R, C] the larger of horizontal and vertical congestion of every grid cell."""
    larger: Floats = np.maximum(maps.horizontal, maps.vertical)
    return larger


def curves(history: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Columns of a training history for the learning curves.

    `proxy_best` is the best so far instead of the best of each iteration, and seconds count from the start.
    """
    columns: dict[str, list[float]] = {key: [row[key] for row in history] for key in history[0] if key != "netlist"}
    columns["proxy_best"] = np.minimum.accumulate(columns["proxy_best"]).tolist()
    columns["seconds"] = np.cumsum(columns["seconds"]).tolist()
    return columns
