"""From finished runs to what a report needs, as plain data: `metrics.json`, facts, versions, maps; and back again."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from netlists import load, load_placement, save_placement
from netlists.errors import PlacementError
from netlists.formats.files import is_bundled
from netlists.formats.registry import native_format
from netlists.netlist import Netlist, cached_view
from netlists.placement import Placement
from netlists.runtime.output import replaced
from placer.cost import Maps, ProxyCost, summary
from placer.runs.pipeline import Result

METRICS = "metrics.json"
NEEDED = (
    "source", "placement", "proxy", "method", "settings", "history", "stages", "interrupted", "stuck", "command",
    "versions",
)  # fmt: skip
PROGRAMS = ("chipscape", "torch", "numba", "numpy", "mtkahypar")


@dataclass(frozen=True)
class Source:
    """Where a netlist was loaded from, so that it can be loaded again."""

    path: str  # a file, a folder or a bundled name
    plc: str | None = None
    grid: tuple[int, int] | None = None  # rows, columns; Bookshelf only
    unfix: tuple[str, ...] = ()  # globs of fixed macros that are freed

    def load(self) -> Netlist:
        """The netlist; raises as `netlists.load` does."""
        return load(self.path, self.plc, unfix=self.unfix, **({"grid": self.grid} if self.grid else {}))

    def absolute(self) -> Source:
        """The same from any working folder; bundled names stay."""
        path = self.path if is_bundled(Path(self.path)) else os.path.abspath(self.path)
        return replace(self, path=path, plc=os.path.abspath(self.plc) if self.plc else None)

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Source:
        """The source that `metrics.json` keeps; those of old have no `unfix`."""
        grid = fields["grid"]
        return cls(fields["path"], fields["plc"], tuple(grid) if grid else None, tuple(fields.get("unfix", ())))


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run folder read back."""

    folder: Path
    placement: Placement
    metrics: dict[str, Any]

    @property
    def cost(self) -> dict[str, float | int]:
        """The cost of the placement in the folder, computed anew."""
        times = {key: self.metrics[key] for key in ("seconds", "cpu_seconds") if key in self.metrics}
        return summary(self.placement) | times

    @property
    def convergence(self) -> tuple[list[float], list[float]]:
        """Seconds and the best cost then, of the search."""
        return convergence(self.metrics)


def convergence(metrics: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Seconds and the best cost then: HPWL in µm of a flat design, whose cells decide, otherwise the proxy."""
    history = metrics.get("hpwl_history") or metrics.get("history", [])
    return [seconds for seconds, _ in history], [cost for _, cost in history]


def write_run(folder: Path, result: Result, source: Source, command: str) -> FinishedRun:
    """Write the placement and `metrics.json`, each whole or not at all; raises `OSError` and `NetlistError`."""
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
        "versions": versions(),
    }
    costs = {key: float(metrics[key]) for key in ("wirelength", "density", "congestion")}
    save_placement(result.placement, folder / name, costs)
    write_text(folder / METRICS, json.dumps(metrics, indent=1) + "\n")
    return FinishedRun(folder, result.placement, metrics)


def read_run(folder: Path) -> FinishedRun:
    """Read a folder written by `write_run`; raises `PlacementError` when its `metrics.json` is missing or damaged."""
    metrics = read_metrics(folder)
    netlist = Source.read(metrics["source"]).load()
    return FinishedRun(folder, load_placement(netlist, folder / metrics["placement"]), metrics)


def read_metrics(folder: Path) -> dict[str, Any]:
    """The `metrics.json` that `write_run` wrote to a folder; raises `PlacementError` when it is missing or damaged."""
    file = folder / METRICS
    try:
        metrics: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        missing = [key for key in NEEDED if key not in metrics]
        if missing or not {"path", "plc", "grid"} <= set(metrics["source"]):
            raise ValueError(f"without {', '.join(missing) or 'the file it was made from'}")
    except FileNotFoundError:
        raise PlacementError(f"{file}: no such file, expected a folder written by `placer place`") from None
    except OSError as error:
        raise PlacementError(f"{file}: {error.strerror}, expected a folder written by `placer place`") from None
    except (ValueError, TypeError) as error:
        raise PlacementError(f"{file}: damaged ({error}), expected the file as `placer place` wrote it") from None
    return metrics


@cached_view
def digest(netlist: Netlist) -> str:
    """SHA-256 of what a netlist is; netlists that differ in more than pin and net names differ in it."""
    n = netlist
    found = sha256(repr((n.node_names, n.canvas_um, n.grid, n.routing, n.origin_um)).encode())
    arrays: list[Any] = [n.kind, n.size_um, n.fixed, n.position_um, n.orientation, n.net_start, n.net_weight]
    arrays += [n.connection_node, n.connection_offset_um, *(vars(n.rows).values() if n.rows else ())]
    for array in arrays:
        found.update(array.tobytes())
    return found.hexdigest()


def facts(netlist: Netlist) -> dict[str, object]:
    """What a netlist is, in a few numbers."""
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
    """Density and congestion of every grid cell."""
    return ProxyCost(placement.netlist).maps(placement.position_um, placement.orientation)


def congestion(maps: Maps) -> Any:
    """[R, C] the larger of horizontal and vertical congestion."""
    return np.maximum(maps.horizontal, maps.vertical)


def versions() -> dict[str, str]:
    """Of the programs that a run depends on."""
    found = {"Python": platform.python_version()}
    for name in PROGRAMS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def curves(history: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Columns of a training history for the learning curves: best so far instead of per iteration, time since start."""
    columns: dict[str, list[float]] = {key: [row[key] for row in history] for key in history[0] if key != "netlist"}
    columns["proxy_best"] = np.minimum.accumulate(columns["proxy_best"]).tolist()
    columns["seconds"] = np.cumsum(columns["seconds"]).tolist()
    return columns


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name in its folder and rename it; raises `OSError`."""
    with replaced(path) as part:
        part.write_text(text, encoding="utf-8")
