"""The command `placer`: its subcommands, each of which is a module of `placer.commands`, and --version.

Libraries that take seconds to load (torch, matplotlib, ray) are imported by the commands that need them.
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from netlists.runtime.command import run
from placer.commands import cluster, convert, evaluate, info, place, report, sweep, train

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("evaluate")(evaluate.run)
app.command("place")(place.run)
app.command("sweep")(sweep.run)
app.command("convert")(convert.run)
app.command("cluster")(cluster.run)
app.command("report")(report.run)
app.command("info")(info.run)


def print_version(wanted: bool) -> None:
    """Print the version of the package and end the command, if the option is given."""
    if not wanted:
        return
    try:
        print(f"placer {version('chipscape')}")
    except PackageNotFoundError:
        print("placer, from a checkout that is not installed")
    raise typer.Exit


@app.callback()
def main_options(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version and exit", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """Place the macros of a chip.  Each command explains itself: placer COMMAND --help"""


def main() -> None:
    """Run the command in `sys.argv`; an error that the user can mend is one line and exit code 2."""
    app.command("train")(train.with_learner_options(sys.argv[1:2] == ["train"]))
    run(app)
