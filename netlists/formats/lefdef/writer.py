"""Writing placements for the next tool: the input DEF with other places, and macro placements as Tcl.

Source: LEF/DEF 5.8 Language Reference, "COMPONENTS"; OpenROAD's `place_macro`; Innovus's `placeInstance`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from netlists.errors import PlacementError, SettingsError, did_you_mean
from netlists.formats.lefdef.def_file import DefDesign, read_def
from netlists.formats.lefdef.design import file_orientation
from netlists.formats.textfile import decimal, read_text, write_text
from netlists.netlist import ORIENTATIONS, Kind
from netlists.placement import Placement

ENTRY = re.compile(r'-\s+(\S+)\s+(\S+)((?:[^;"]|"[^"]*")*?)(\s*);')
PLACE = re.compile(
    r"\+\s+(?:(?:PLACED|FIXED|COVER)\s*\(\s*\S+\s+\S+\s*\)\s*\S+|UNPLACED(?:\s*\(\s*\S+\s+\S+\s*\)\s*\S+)?)"
)
TOOLS = ("openroad", "innovus")
"""The tools whose commands `tcl_text` writes."""

OPENROAD_ORIENTATIONS = {
    "N": "R0", "S": "R180", "W": "R90", "E": "R270", "FN": "MY", "FS": "MX", "FW": "MXR90", "FE": "MYR90",
}  # fmt: skip
"""What DEF's orientations are called in OpenROAD (LEF/DEF 5.8, "Component orientation")."""


def def_text(placement: Placement, source: str | Path) -> str:
    """The text of the DEF file that the netlist came from, with the places of its movable components replaced.

    Every other byte is that of the file.  Raises `PlacementError` if the file has other components, `NetlistError` if
    it cannot be read.
    """
    design, text = read_def(source), read_text(Path(source))
    _demand_same(placement, design)
    begin = re.search(r"^\s*COMPONENTS\s+\d+\s*;", text, flags=re.MULTILINE)
    if begin is None:
        return text
    n, places = placement.netlist, places_in_file(placement)
    pieces, at = [text[: begin.end()]], begin.end()
    for k, match in enumerate(_entries(text, at, len(design.components))):
        options = match[3] if n.fixed[k] else _with_place(match[3], n.kind[k] == Kind.HARD, places[k])
        pieces += [text[at : match.start(3)], options]
        at = match.end(3)
    return "".join([*pieces, text[at:]])


def write_placement(placement: Placement, path: str | Path) -> None:
    """Write the DEF file that the netlist was read from with the places of the placement, gzipped for names in `.gz`.

    Raises `PlacementError` if the netlist is of another format or that file has other components, `NetlistError` if
    one of the files cannot be read or written.
    """
    write_text(Path(path), def_text(placement, source_of(placement)))


def write_tcl(placement: Placement, path: str | Path, tool: str = "openroad") -> None:
    """Write `tcl_text`; raises what it does, and `NetlistError` if the file cannot be written."""
    write_text(Path(path), tcl_text(placement, tool))


def demand_tool(tool: str) -> None:
    """Raise `SettingsError` if a tool is none of `TOOLS`."""
    if tool not in TOOLS:
        raise SettingsError(f"tcl is {tool!r}; expected one of {', '.join(TOOLS)}{did_you_mean(tool, TOOLS)}")


def source_of(placement: Placement) -> str:
    """The DEF file that the netlist was read from; raises `PlacementError` if there is none."""
    if not placement.netlist.def_file:
        raise PlacementError(
            f"netlist {placement.netlist.name} was not read from a DEF file; expected a netlist that was"
        )
    return placement.netlist.def_file


def tcl_text(placement: Placement, tool: str = "openroad") -> str:
    """Commands that place the movable hard macros of a DEF design, one per line, for `openroad` or `innovus`.

    Raises `PlacementError` if the netlist is of another format.
    """
    source_of(placement)
    n, places = placement.netlist, places_in_file(placement)
    lines = []
    for v in n.movable_hard.tolist():
        x, y, orientation = places[v]
        x_um, y_um = decimal(x / n.units_per_um), decimal(y / n.units_per_um)
        name = tcl_word(_unescape(n.node_names[v]))
        if tool == "innovus":
            lines.append(f"placeInstance {name} {x_um} {y_um} {OPENROAD_ORIENTATIONS[orientation]} -fixed\n")
        else:
            lines.append(
                f"place_macro -macro_name {name} -location {{{x_um} {y_um}}} "
                f"-orientation {OPENROAD_ORIENTATIONS[orientation]}\n"
            )
    return "".join(lines)


def places_in_file(placement: Placement) -> list[tuple[int, int, str]]:
    """Of each node of a DEF design, the lower-left corner in whole database units and the orientation as DEF has it."""
    n = placement.netlist
    sideways = np.zeros(n.num_nodes, dtype=bool) if n.sideways is None else n.sideways
    names = [[file_orientation(name, turned) for turned in (False, True)] for name in ORIENTATIONS]
    corners = placement.corner_units().astype(np.int64).tolist()
    turns = zip(placement.orientation.tolist(), sideways.tolist(), strict=True)
    return [(x, y, names[orientation][turned]) for (x, y), (orientation, turned) in zip(corners, turns, strict=True)]


def _demand_same(placement: Placement, design: DefDesign) -> None:
    names = tuple(component.name for component in design.components)
    if placement.netlist.node_names[: len(names)] != names:
        raise PlacementError(
            f"{design.path}: its components are not those of the netlist; expected the DEF file that it was read from"
        )


def _entries(text: str, at: int, count: int) -> Iterator[re.Match[str]]:
    """The entries of COMPONENTS."""
    for _ in range(count):
        match = ENTRY.search(text, at)
        assert match is not None  # the reader has found them all
        yield match
        at = match.end()


def _with_place(options: str, is_macro: bool, place: tuple[int, int, str]) -> str:
    """The options of a movable component with its place."""
    x, y, orientation = place
    text = f"+ {'FIXED' if is_macro else 'PLACED'} ( {x} {y} ) {orientation}"
    changed, count = PLACE.subn(text, options, count=1)
    return changed if count else f"{options.rstrip()} {text}{options[len(options.rstrip()) :]}"


def tcl_word(text: str) -> str:
    """A text as a word of a Tcl script that is taken as it is: no name of others becomes a command.

    Braces keep all characters except braces and backslashes from being interpreted; with these, all are escaped.  See
    rules 6 and 9 of Tcl(n).
    """
    if not set(text) & set("{}\\"):
        return f"{{{text}}}"
    return re.sub(r"([^\w/.])", r"\\\1", text)


def _unescape(name: str) -> str:
    """A name without the backslashes of DEF, as tools show it."""
    return re.sub(r"\\(.)", r"\1", name)
