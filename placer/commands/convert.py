"""The command `placer convert`."""

from __future__ import annotations

from placer.commands.options import Grid, PlcFile, SourcePath, TargetPath, Unfix, load_netlist, parse_source


def run(
    source_file: SourcePath,
    target: TargetPath,
    plc: PlcFile = None,
    grid: Grid = None,
    unfix: Unfix = None,
) -> None:
    """Write a netlist in another format.

    Example: placer convert ibm01.aux ibm01.pb.txt.gz
    """
    from netlists import save

    save(load_netlist(parse_source(source_file, plc, grid, unfix)), target)
