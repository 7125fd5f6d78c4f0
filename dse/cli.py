"""The command `dse`: the registration of its commands, one module of `dse.commands` each."""

from __future__ import annotations

import gc

import typer

from dse.commands.catalog import devices, networks, templates
from dse.commands.evaluate import evaluate
from dse.commands.explore import explore
from dse.commands.floorplan import floorplan
from dse.commands.quantize import quantize
from dse.commands.report import report
from dse.commands.validate import validate
from netlists.runtime.command import run

GARBAGE = 50_000
"""Objects between two garbage collections; by default, these take a tenth of the time of a command."""
COMMANDS = (evaluate, validate, networks, templates, devices, quantize, explore, report, floorplan)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Models of CNN accelerators, and the search for the best.  Each command explains itself: dse COMMAND --help",
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command in `sys.argv`; a mistake of the user is reported in one line, with exit code 2."""
    gc.set_threshold(GARBAGE)
    run(app)
