"""Options that several commands share, and the values that they stand for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netlists.errors import SettingsError
from netlists.formats.files import NETLIST_HELP
from netlists.formats.registry import netlist_endings, placement_endings
from netlists.runtime.command import warn

if TYPE_CHECKING:
    from netlists.netlist import Netlist
    from placer.runs.run_folder import Source

NetlistPath = Annotated[str, typer.Argument(metavar="NETLIST", help=NETLIST_HELP)]
NetlistPaths = Annotated[list[str], typer.Argument(metavar="NETLIST...", help="One or several netlists")]
SourcePath = Annotated[str, typer.Argument(metavar="IN", help=NETLIST_HELP)]
TargetPath = Annotated[Path, typer.Argument(metavar="OUT", help=netlist_endings())]
PlacementPath = Annotated[
    Path | None, typer.Option("--placement", help=f"{placement_endings()}; the netlist's own by default")
]
PlcFile = Annotated[str | None, typer.Option("--plc", help="The .plc of a protobuf netlist, if not beside it")]
Grid = Annotated[str | None, typer.Option("--grid", metavar="COLSxROWS", help="Grid of a Bookshelf or DEF netlist")]
Lef = Annotated[
    list[str] | None,
    typer.Option("--lef", metavar="FILE", help="A LEF file of a DEF netlist, technology first; may be repeated"),
]
Unfix = Annotated[
    list[str] | None,
    typer.Option("--unfix", metavar="GLOB", help="Free the fixed macros with such names, as 'ram*'; may be repeated"),
]
Fix = Annotated[
    list[str] | None,
    typer.Option("--fix", metavar="GLOB", help="Leave macros with such names where they are; may be repeated"),
]
ConstraintsFile = Annotated[
    str | None, typer.Option("--constraints", metavar="FILE", help="YAML: halos, channels, blockages, fences, ...")
]
Halo = Annotated[float | None, typer.Option("--halo", metavar="UM", help="Space beside all sides of hard macros")]
Channel = Annotated[
    float | None, typer.Option("--channel", metavar="UM", help="Least gap of hard macros that do not touch")
]
Follow = Annotated[
    bool, typer.Option("--follow-outside", help="Read what an .aux names or links to outside of its folder, too")
]
OutDir = Annotated[Path, typer.Option("--out", help="Folder for the results")]
Workers = Annotated[int, typer.Option("--workers", help="Threads; all cores by default")]
Weights = Annotated[
    str | None,
    typer.Option(help="rl: file or folder written by placer train, or none (untrained); the bundled ones by default"),
]
Device = Annotated[str, typer.Option("--device", help="Where torch computes: auto (a GPU if any), cpu or cuda")]
Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same random numbers")]
RAY_HELP = "Of a cluster; auto within one; local for this machine's cores"
"""About the address in `--ray`."""


def parse_source(
    netlist: str, plc: str | None = None, grid: str | None = None, unfix: Sequence[str] | None = None,
    lef: Sequence[str] | None = None, constraints: str | None = None, halo: float | None = None,
    channel: float | None = None, fix: Sequence[str] | None = None,
) -> Source:  # fmt: skip
    """Where to load a netlist from; raises `SettingsError` if its grid is not COLSxROWS."""
    from placer.runs.run_folder import Source

    shape = re.fullmatch(r"(\d{1,4})x(\d{1,4})", grid or "")
    if grid and not (shape and int(shape[1]) and int(shape[2])):
        raise SettingsError(f"--grid is {grid!r}; expected COLSxROWS, as in 32x32")
    return Source(
        netlist, plc, (int(shape[2]), int(shape[1])) if shape else None, tuple(unfix or ()), tuple(lef or ()),
        constraints, halo, channel, tuple(fix or ()),
    )  # fmt: skip


def load_netlist(source: Source, follow_outside: bool = False) -> Netlist:
    """The netlist, after a warning on stderr for each of its notes; raises as `Source.load` does."""
    netlist = source.load(follow_outside)
    for note in netlist.notes:
        warn(f"warning: {note}")
    return netlist
