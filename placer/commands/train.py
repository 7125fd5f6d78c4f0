"""The command `placer train`, whose options about learning are the fields of `PPOSettings`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from netlists.runtime.command import say
from netlists.runtime.interrupts import INTERRUPTED, loading, nothing_to_save
from netlists.runtime.lock import hold_folder
from netlists.runtime.output import check_out
from netlists.runtime.progress import live_line
from netlists.runtime.ray_connection import CORES
from placer.commands.options import (
    RAY_HELP,
    Device,
    Follow,
    Lef,
    NetlistPaths,
    OutDir,
    Seed,
    Unfix,
    Workers,
    load_netlist,
    parse_source,
)

if TYPE_CHECKING:
    from placer.agent.training import Training

BUDGET_S = 600.0
"""Seconds of training if neither a budget nor iterations are given."""


def run(
    netlists: NetlistPaths,
    out: OutDir,
    budget: Annotated[float | None, typer.Option(help="Wall-clock seconds; 600 unless --iterations is given")] = None,
    iterations: Annotated[int | None, typer.Option(help="Instead of a budget, resumed ones included")] = None,
    workers: Workers = CORES,
    ray: Annotated[str | None, typer.Option(metavar="ADDRESS", help=f"Play on Ray. {RAY_HELP}")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder")] = False,
    seed: Seed = 0,
    device: Device = "auto",
    unfix: Unfix = None,
    lef: Lef = None,
    follow_outside: Follow = False,
    **learner: Any,
) -> None:
    """Train the agent on netlists; writes checkpoints, history.csv, training.png, TensorBoard scalars.  Ctrl-C saves.

    Example: placer train harbor --out weights --budget 600
    """
    with loading():
        from placer.agent.ppo import PPOSettings
        from placer.agent.training import Training, TrainSettings

    if budget is None and iterations is None:
        budget = BUDGET_S
    settings = TrainSettings(budget, iterations, seed, workers, resume, ray, device)
    with nothing_to_save():
        chips = [load_netlist(parse_source(name, unfix=unfix, lef=lef), follow_outside) for name in netlists]
        check_out(out)
    with hold_folder(out):
        with nothing_to_save():
            training = Training(chips, PPOSettings(**learner), out, settings)
            with live_line() as show:
                interrupted = training.run(lambda progress: show(progress.line))
            if interrupted and not training.history:
                raise KeyboardInterrupt
        if training.history:
            write_curves(training, chips[0].name)
    if training.ended:
        say(training.ended)
    say(f"weights: {out / 'weights.safetensors'} (iteration {training.snapshot.iteration})")
    if interrupted:
        raise SystemExit(INTERRUPTED)


def write_curves(training: Training, name: str) -> None:
    """Write `training.png`, the learning curves on one of the netlists; raises `OSError`."""
    from placer.commands.report_pages import write_png
    from placer.runs.run_folder import curves
    from plots.training import draw

    rows = [row for row in training.history if row["netlist"] == name]
    write_png(training.out / "training.png", draw(curves(rows), title=name))


def with_learner_options(wanted: bool) -> Callable[..., None]:
    """The command with an option for each field of `PPOSettings`, or with none if they are not `wanted`.

    The fields load torch, which takes seconds: other commands only list this one in their help.
    """
    if not wanted:
        return with_fields(run, None)
    with loading():
        from placer.agent.ppo import PPOSettings
    return with_fields(run, PPOSettings)


def with_fields(command: Callable[..., None], settings: type[Any] | None) -> Callable[..., None]:
    """The command with an option for each field of a dataclass, or none, instead of its `**` parameter.

    Each field has its help text in `metadata["help"]`.
    """
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD]
    types = get_type_hints(settings) if settings else {}
    options = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default,
            annotation=Annotated[
                types[field.name], typer.Option(rich_help_panel="Learner", help=field.metadata["help"])
            ],
        )
        for field in (fields(settings) if settings else ())
    ]  # fmt: skip

    def call(**values: Any) -> None:
        command(**values)

    call.__doc__, call.__signature__ = command.__doc__, inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    return call
