"""The way in to LEF and DEF: a netlist from a DEF file and its LEF files, a placement from a DEF of the same design."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from netlists.errors import NetlistError, PlacementError, at
from netlists.formats.lefdef.def_file import read_def
from netlists.formats.lefdef.design import SIDEWAYS, flip_after_w, to_netlist
from netlists.formats.lefdef.lef import read_lef
from netlists.formats.textfile import build_placement
from netlists.netlist import ORIENTATIONS, Netlist
from netlists.placement import Placement


def read(path: str | Path, *, lef: Sequence[str | Path] = (), grid: tuple[int, int] | None = None) -> Netlist:
    """Read a DEF file with its LEF files, technology first; by default all LEF files beside the DEF.

    `grid` is rows R by columns C, by default about square cells.  Raises `NetlistError` naming file and line if a file
    cannot be read, breaks the syntax, or if the files do not belong together.
    """
    path = Path(path)
    libraries = [Path(file) for file in lef] or beside(path)
    design = read_def(path)
    if not libraries:
        raise NetlistError(f"{path}: there is no LEF file beside it; name those of its masters with --lef")
    return to_netlist(design, read_lef(libraries), grid)


def beside(path: Path) -> list[Path]:
    """The LEF files in the folder of a file, by name; those that are technologies by their names come first."""
    files = [file for file in path.parent.iterdir() if file.name.lower().removesuffix(".gz").endswith(".lef")]
    return sorted(files, key=lambda file: ("tech" not in file.name.lower(), file.name))


def read_placement(netlist: Netlist, path: str | Path) -> Placement:
    """The placement in a DEF file of the same components.

    Raises `NetlistError` if it cannot be read, `PlacementError` naming file and line if it has other components, moves
    a fixed one, lays one on another side or lacks the place of one.
    """
    design = read_def(path)
    assert design.words
    nodes, lines, centers, orientations = [], [], [], []
    for word, component in zip(design.component_words, design.components, strict=True):
        line = design.words.line(word)
        try:
            v = netlist.index(component.name)
        except NetlistError as error:
            raise PlacementError(at(path, line, str(error))) from None
        if component.status not in ("PLACED", "FIXED", "COVER"):
            continue
        sideways, expected = (
            component.orientation in SIDEWAYS,
            bool(netlist.sideways is not None and netlist.sideways[v]),
        )
        if sideways != expected:
            raise PlacementError(
                at(path, line, f"component {component.name!r} has orientation {component.orientation}, but lies "
                   f"{'on its side' if expected else 'upright'} in the netlist; expected it to stay so")
            )  # fmt: skip
        flip = flip_after_w(component.orientation) if sideways else component.orientation
        nodes.append(v)
        lines.append(line)
        corner = np.array([component.x, component.y]) / design.units - netlist.origin_um
        centers.append(corner + netlist.size_um[v] / 2)
        orientations.append(ORIENTATIONS.index(flip))
    return build_placement(
        netlist, Path(path), np.array(nodes, dtype=np.int64), np.array(lines, dtype=np.int64),
        np.array(centers, dtype=np.float64).reshape(-1, 2), np.array(orientations, dtype=np.int8),
    )  # fmt: skip


def write(netlist: Netlist, path: str | Path) -> None:
    """Raise `NetlistError`: a DEF file needs masters in LEF, which other formats do not have."""
    raise NetlistError(
        f"{path}: a netlist of another format cannot be written as DEF, which needs masters in LEF files; expected "
        ".pb.txt[.gz] or .aux; to write a placement of a DEF design, use `placer place` or `placer convert --placement`"
    )
