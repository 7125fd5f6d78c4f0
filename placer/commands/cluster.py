"""The command `placer cluster`."""

from __future__ import annotations

from typing import Annotated

import typer

from placer.commands.options import (
    Follow,
    Grid,
    Lef,
    PlcFile,
    Seed,
    SourcePath,
    TargetPath,
    Unfix,
    load_netlist,
    parse_source,
)


def run(
    source_file: SourcePath,
    target: TargetPath,
    clusters: Annotated[int | None, typer.Option(help="Number of soft macros; from the number of cells")] = None,
    seed: Seed = 0,
    plc: PlcFile = None,
    grid: Grid = None,
    unfix: Unfix = None,
    lef: Lef = None,
    follow_outside: Follow = False,
) -> None:
    """Group the standard cells of a netlist into soft macros.

    Example: placer cluster ibm01.aux ibm01.pb.txt.gz --clusters 300
    """
    from netlists import save
    from netlists.connectivity.cluster import cluster

    chip = load_netlist(parse_source(source_file, plc, grid, unfix, lef), follow_outside)
    save(cluster(chip, clusters, seed=seed).netlist, target)
