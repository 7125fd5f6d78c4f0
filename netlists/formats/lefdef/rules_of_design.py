"""What a DEF design and its LEF libraries ask of hard macros: `Constraints`, and the grid of the routing tracks.

Halos and groups come from DEF, orientations from the SYMMETRY of LEF: X allows a flip top to bottom (FS), Y one left
to right (FN), both a turn by half (S), R90 a turn by a quarter.  The orientation in the DEF file is allowed in any
case.  A node that lies on its side (see `design`) has its halo and its orientations turned with it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from netlists.constraints import MASTER, Blockage, Constraints, Halo, Region, Turns
from netlists.formats.lefdef.def_file import Component, DefDesign
from netlists.formats.lefdef.lef import Library, Master, MasterPin
from netlists.netlist import ORIENTATION_MATRIX, ORIENTATIONS, Bools, Floats, Kind, TrackGrid

T = TypeVar("T")

KINDS = {"HARD": "hard", "SOFT": "soft", "PARTIAL": "partial"}
UPRIGHT = {frozenset(): ("N",), frozenset("X"): ("N", "FS"), frozenset("Y"): ("N", "FN"),
           frozenset("XY"): ("N", "S", "FN", "FS")}  # fmt: skip
"""Orientations that the symmetries X and Y allow."""
QUARTER = {"N": ("E", "W"), "S": ("E", "W"), "FN": ("FE", "FW"), "FS": ("FE", "FW")}
"""Orientations that R90 adds to an upright one."""


class Macro(NamedTuple):
    """A component that is a hard macro."""

    node: int
    component: Component
    master: Master
    sideways: bool


def constraints_of(
    design: DefDesign, library: Library, macros: list[Macro], origin: tuple[float, float],
    file_orientation: Callable[[str, bool], str],
) -> Constraints:  # fmt: skip
    """The constraints on the hard macros of a design whose canvas has its lower-left corner at `origin`, in µm.

    `file_orientation(name, sideways)` is the orientation in the file of a node with an orientation.
    """
    units, (x, y) = design.units, origin
    blockages = tuple(
        Blockage((a / units - x, b / units - y, c / units - x, d / units - y), KINDS[each.kind])
        for each in design.blockages
        if not each.layer and not each.component
        for a, b, c, d in each.boxes
        if c > a and d > b
    )
    turns = _grouped(macros, lambda m: _allowed(m, file_orientation))
    halos = _grouped(macros, lambda m: _halo(m, units))
    return Constraints(
        halos=tuple(Halo(glob, *sides) for glob, sides in halos if sides),
        blockages=blockages,
        regions=_regions(design, macros, origin),
        turns=tuple(Turns(glob, names) for glob, names in turns),
        grid_um=max(library.grid_um, 1 / units),
    )


def _grouped(macros: list[Macro], value: Callable[[Macro], T]) -> list[tuple[str, T]]:
    """Globs of macros with their values: the master if all of its macros have the same, otherwise each macro's name."""
    values: dict[str, list[tuple[str, T]]] = defaultdict(list)
    for macro in macros:
        values[macro.master.name].append((macro.component.name, value(macro)))
    result: list[tuple[str, T]] = []
    for master, entries in values.items():
        first = entries[0][1]
        result += [(MASTER + master, first)] if all(each == first for _, each in entries) else entries
    return result


def _allowed(macro: Macro, file_orientation: Callable[[str, bool], str]) -> tuple[str, ...]:
    """The orientations that the node of a macro may have."""
    names = set(UPRIGHT[frozenset(macro.master.symmetry & {"X", "Y"})])
    if "R90" in macro.master.symmetry:
        names |= {quarter for name in names for quarter in QUARTER[name]}
    names.add(macro.component.orientation)
    return tuple(name for name in ORIENTATIONS if file_orientation(name, macro.sideways) in names)


def _halo(macro: Macro, units: float) -> tuple[float, float, float, float] | None:
    """The halo of a node in µm, left, bottom, right and top of orientation N; None if it has none."""
    if macro.component.halo is None:
        return None
    left, bottom, right, top = (side / units for side in macro.component.halo)
    return (top, left, bottom, right) if macro.sideways else (left, bottom, right, top)


def _regions(design: DefDesign, macros: list[Macro], origin: tuple[float, float]) -> tuple[Region, ...]:
    """The regions in which macros must or should be; those of standard cells alone have no macro here."""
    members: dict[str, list[str]] = defaultdict(list)
    for group in design.groups:
        members[group.region] += group.members
    for macro in macros:
        if macro.component.region:
            members[macro.component.region].append(macro.component.name)
    units, (x, y) = design.units, origin
    return tuple(
        Region(
            tuple(members[region.name]),
            tuple((a / units - x, b / units - y, c / units - x, d / units - y) for a, b, c, d in region.boxes),
            "guide" if region.kind == "GUIDE" else "fence",
        )
        for region in design.regions
        if members[region.name] and region.boxes
    )


def track_grid(
    design: DefDesign, library: Library, macros: list[Macro], size_um: Floats, origin: tuple[float, float]
) -> TrackGrid | None:
    """The lower-left corners at which pins of macros are on tracks; None without tracks.

    In each direction the layer with the most pins of the macro decides, and its first pin.  `size_um` [V, 2] has the
    sizes of the nodes.
    """
    if not design.tracks or not macros:
        return None
    pitch, offset = np.zeros((len(size_um), 2)), np.zeros((len(size_um), 8, 2))
    known: dict[tuple[str, bool], list[tuple[int, float, float, Floats]]] = {}
    for macro in macros:
        key = (macro.master.name, macro.sideways)
        if key not in known:
            known[key] = _tracked_pins(design, library, macro, origin)
        for axis, start, step, place in known[key]:
            pitch[macro.node, axis] = step
            corner = place @ np.swapaxes(ORIENTATION_MATRIX, 1, 2) + size_um[macro.node] / 2  # [8, 2]
            offset[macro.node, :, axis] = (start - corner[:, axis]) % step
    return TrackGrid(pitch, offset)


def _tracked_pins(
    design: DefDesign, library: Library, macro: Macro, origin: tuple[float, float]
) -> list[tuple[int, float, float, Floats]]:
    """For each axis with tracks: axis, first track and pitch in µm on the canvas, and a pin's place from the center."""
    result = []
    pins = [pin for pin in macro.master.pins.values() if pin.shapes and not pin.is_supply]
    for axis, direction in ((0, "VERTICAL"), (1, "HORIZONTAL")):
        layers = Counter(pin.shapes[0][0] for pin in pins)
        layers = Counter({name: count for name, count in layers.items()
                          if (layer := library.layers.get(name)) and layer.direction == direction})  # fmt: skip
        for name, _ in layers.most_common():
            tracks = [t for t in design.tracks if t.x == (axis == 0) and name in t.layers and t.step > 0]
            if not tracks:
                continue
            first = min((pin for pin in pins if pin.shapes[0][0] == name), key=lambda pin: pin.name)
            start = tracks[0].start / design.units - origin[axis]
            result.append((axis, start, tracks[0].step / design.units, _from_center(macro, first)))
            break
    return result


def _from_center(macro: Macro, pin: MasterPin) -> Floats:
    """The place of a pin of a node from its center, in µm; turned by W if the node lies on its side."""
    assert pin.center_um
    x, y = pin.center_um[0] - macro.master.size_um[0] / 2, pin.center_um[1] - macro.master.size_um[1] / 2
    return np.array([-y, x]) if macro.sideways else np.array([x, y])


def macros_of(
    design: DefDesign, masters: list[Master], kind: npt.NDArray[np.int8], sideways: Bools
) -> list[Macro]:  # fmt: skip
    """The components that are hard macros; `kind` and `sideways` [V] belong to the nodes."""
    return [
        Macro(v, component, masters[v], bool(sideways[v]))
        for v, component in enumerate(design.components)
        if kind[v] == Kind.HARD
    ]
