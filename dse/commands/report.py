"""The command `dse report`: the page of an exploration, and its designs as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netlists.runtime.command import say


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of dse explore")],
    out: Annotated[Path | None, typer.Option(help="An .html file; DIR/report.html by default")] = None,
    design: Annotated[str, typer.Option(metavar="ID", help="The design shown in detail")] = "knee",
    export: Annotated[
        Path | None, typer.Option(help="Write all stored designs to a .csv or .parquet file; the page only with --out")
    ] = None,
) -> None:
    """Write the page of an exploration: what to build, the front (also DIR/pareto.csv), what matters, what if.

    Example: dse report run --out page.html
    """
    from dse.commands.pages import write_exploration
    from dse.exploration.export import export as export_designs
    from dse.exploration.results import load_results, write_front

    result = load_results(folder)
    if export:
        say(f"{export_designs(result, export):,} designs: {export}")
    if out or not export:
        write_front(result)  # explore writes it only at its end, which may be long ago or still to come
        file = out or folder / "report.html"
        write_exploration(result, file, design)
        say(f"report: {file}")
