"""The command `placer report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netlists.runtime.command import say
from placer.commands.options import Follow


def run(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders written by placer place")],
    out: Annotated[Path, typer.Option("--out", help="The .html file to write")],
    follow_outside: Follow = False,
) -> None:
    """Compare finished runs on one HTML page.

    Example: placer report run/rl run/greedy --out comparison.html
    """
    from placer.commands.report_pages import write_comparison
    from placer.runs.run_folder import read_run

    runs = [read_run(folder, follow_outside) for folder in folders]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_comparison(out, runs)
    say(f"report: {out}")
