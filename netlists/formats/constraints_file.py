"""Constraints as people write them: a YAML file, and the options of commands that stand for its most frequent entries.

    halo: 5                                  # µm beside all macros, or {left: 5, bottom: 5, right: 5, top: 10}
    halos: {"master:fakeram45_*": 8}         # by glob over names or, after `master:`, over masters
    channel: 10                              # µm between macros that do not touch
    boundary: 2                              # µm from the canvas edge
    io_depth: 20                             # µm along ports
    abut: pinless                            # which sides may touch: pinless, any or never
    snap: grid                               # grid, tracks or none; `grid: 0.005` gives its pitch
    blockages: [{box: [0, 0, 100, 50], kind: hard}]
    fences: {"u_core/*": [0, 0, 400, 400]}   # or a list of boxes
    guides: {"u_io/*": [0, 0, 400, 100]}
    orientations: {"master:pll*": [N, FN]}

Boxes are low x, low y, high x, high y in µm, in the coordinates of the netlist's file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from netlists.constraints import Blockage, Box, Constraints, Halo, Region, Turns
from netlists.errors import DesignError, NetlistError, did_you_mean
from netlists.legality.rules import named_nodes
from netlists.netlist import Netlist
from netlists.runtime.yaml_file import read_yaml

ALL = "*"


class _Sides(BaseModel):
    model_config = ConfigDict(extra="forbid")
    left: float = 0.0
    bottom: float = 0.0
    right: float = 0.0
    top: float = 0.0


class _Blockage(BaseModel):
    model_config = ConfigDict(extra="forbid")
    box: tuple[float, float, float, float]
    kind: Literal["hard", "soft", "partial"] = "hard"


class _File(BaseModel):
    """The fields of a file."""

    model_config = ConfigDict(extra="forbid")
    halo: float | _Sides | None = None
    halos: dict[str, float | _Sides] = Field(default_factory=dict)
    channel: float = 0.0
    boundary: float = 0.0
    io_depth: float = 0.0
    abut: Literal["pinless", "any", "never"] = "pinless"
    snap: Literal["grid", "tracks", "none"] = "grid"
    grid: float = 0.0
    blockages: list[_Blockage] = Field(default_factory=list)
    fences: dict[str, Box | list[Box]] = Field(default_factory=dict)
    guides: dict[str, Box | list[Box]] = Field(default_factory=dict)
    orientations: dict[str, list[str]] = Field(default_factory=dict)


def read_constraints(path: str | Path, origin_um: tuple[float, float]) -> Constraints:
    """The constraints in a YAML file, for a canvas whose lower-left corner is at `origin_um` in the netlist's file.

    Raises `NetlistError` naming the file and what is wrong in it.
    """
    try:
        content = _File.model_validate(read_yaml(path))
        return _to_constraints(content, origin_um)
    except ValidationError as error:
        raise NetlistError(f"{path}: {_first_mistake(error)}") from None
    except (DesignError, NetlistError) as error:
        message = str(error).replace("; expected a YAML file of a design", "; expected a YAML file of constraints")
        raise NetlistError(message if str(path) in message else f"{path}: {message}") from None


def halo_and_channel(halo_um: float | None, channel_um: float | None) -> Constraints | None:
    """The constraints of a halo on all sides of all macros and of a channel; None if neither is given.

    Raises `NetlistError` for a negative one.
    """
    if halo_um is None and channel_um is None:
        return None
    halos = () if halo_um is None else (Halo(ALL, halo_um, halo_um, halo_um, halo_um),)
    return Constraints(halos=halos, channel_um=channel_um or 0.0)


def constrain(netlist: Netlist, constraints: Constraints | None) -> Netlist:
    """The netlist with further constraints, which count where its own ones say something else.

    Raises `NetlistError` for an entry that names no hard macro.
    """
    if constraints is None:
        return netlist
    hard = netlist.hard.tolist()
    globs = [halo.nodes for halo in constraints.halos] + [turns.nodes for turns in constraints.turns]
    globs += [glob for region in constraints.regions for glob in region.nodes]
    for glob in globs:
        if glob != ALL and not named_nodes(netlist, glob, hard):
            known = {netlist.node_names[v] for v in hard} | {f"master:{netlist.masters[v]}" for v in hard
                                                             if netlist.masters}  # fmt: skip
            raise NetlistError(
                f"constraints name {glob!r}, which is none of the {len(hard)} hard macros of {netlist.name} and the "
                f"master of none; expected a glob that is{did_you_mean(glob, known)}"
            )
    own = netlist.constraints or Constraints()
    if not own.grid_um and netlist.units_per_um:
        own = replace(own, grid_um=1 / netlist.units_per_um)
    return netlist.with_(constraints=own.then(constraints))


def _to_constraints(content: _File, origin_um: tuple[float, float]) -> Constraints:
    halos = [] if content.halo is None else [_halo(ALL, content.halo)]
    halos += [_halo(glob, value) for glob, value in content.halos.items()]
    return Constraints(
        tuple(halos), content.channel, content.boundary, content.io_depth, content.abut,
        tuple(Blockage(_move(each.box, origin_um), each.kind) for each in content.blockages),
        (*_regions(content.fences, "fence", origin_um), *_regions(content.guides, "guide", origin_um)),
        tuple(Turns(glob, tuple(names)) for glob, names in content.orientations.items()),
        content.snap, content.grid,
    )  # fmt: skip


def _halo(glob: str, value: float | _Sides) -> Halo:
    sides = value if isinstance(value, _Sides) else _Sides(left=value, bottom=value, right=value, top=value)
    return Halo(glob, sides.left, sides.bottom, sides.right, sides.top)


def _regions(entries: Mapping[str, Box | list[Box]], kind: str, origin_um: tuple[float, float]) -> list[Region]:
    return [
        Region((glob,), tuple(_move(box, origin_um) for box in (boxes if isinstance(boxes, list) else [boxes])), kind)
        for glob, boxes in entries.items()
    ]


def _move(box: Box, origin_um: tuple[float, float]) -> Box:
    x, y = origin_um
    return box[0] - x, box[1] - y, box[2] - x, box[3] - y


def _first_mistake(error: ValidationError) -> str:
    """The first mistake in one line."""
    mistake = error.errors()[0]
    place = ".".join(str(part) for part in mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        known = list(_File.model_fields)
        return f"unknown entry {place!r}; expected one of {', '.join(known)}{did_you_mean(place, known)}"
    return f"{place}: {mistake['msg']}, got {mistake['input']!r:.40}; expected an entry as in the README"
