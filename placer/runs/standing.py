"""Finished runs that are in the way of a new one: they are replaced by better ones of the same netlist only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netlists.errors import PlacementError, SettingsError
from netlists.netlist import Netlist
from placer.cells.place import has_cells
from placer.runs.run_folder import digest, read_metrics


def standing(folder: Path, netlist: Netlist) -> dict[str, Any] | None:
    """The metrics of the finished run of a netlist in a folder, if there is one.

    Raises `SettingsError` where the run is of another netlist.
    """
    try:
        metrics = read_metrics(folder)
    except PlacementError:  # none, or none that could be read again
        return None
    if metrics.get("digest") != digest(netlist):
        raise SettingsError(
            f"--out {folder} holds a finished run of another netlist ({metrics.get('netlist')}), or of this one before "
            "it was changed; choose another folder, or replace the run by --force"
        )
    return metrics


def better(old: Mapping[str, Any], new: Mapping[str, Any], netlist: Netlist) -> str:
    """Why a finished run is to stay, given its metrics and those of the new run; empty where it is not better."""
    key = "hpwl_um" if has_cells(netlist) else "proxy"
    if not old.get(key, float("inf")) < new[key]:
        return ""
    return f"its {key} of {old[key]:,.6g} is lower than {new[key]:,.6g} of the new run"
