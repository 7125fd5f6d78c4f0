"""What the commands show on a terminal: a cost table, progress in a live line, options made from settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from math import isfinite, nan
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from rich.console import Console
from rich.table import Table

from netlists.legality.verdict import COUNTS
from netlists.runtime.progress import live_line

if TYPE_CHECKING:
    from placer.incumbent import Progress
    from placer.runs.sweep import SweepProgress

FAR = 10  # times a bound and more says nothing
STARTING = "starting; the first time kernels are compiled, for about a minute"
ALWAYS = ("overlaps", "out_of_canvas")  # counts of the verdict that are shown when they are 0, too


def shown_rows(cost: Mapping[str, Any]) -> list[str]:
    """The keys of a cost that a table shows: all but those counts of the verdict that are 0."""
    return [key for key in cost if key not in COUNTS or key in ALWAYS or cost[key]]


def cost_table(title: str, cost: Mapping[str, Any], keys: Sequence[str], least: Mapping[str, float]) -> None:
    """Print a short table of costs beside the lower bounds of those that have one."""
    table = Table("", title, "at least", title_justify="left")
    for key in keys:
        value, bound = cost[key], least.get(key, 0.0)
        shown = f"{bound:.4f}" if 0 < bound < 100 else ""
        if shown and value < FAR * bound:
            shown += f", {value / bound - 1:+.1%}"
        table.add_row(key, _number(value), shown)
    Console().print(table)


def _number(value: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{1 if value > 100 else 4}f}"


def cluster_line(cluster: Mapping[str, float]) -> str:
    """What a Ray cluster did for a refinement, in one line; the numbers are those of `ray_searches.Fleet.as_dict`."""
    if not cluster["searches"]:
        return "refined on this machine: no node of the cluster was ready in time"
    return "refined by {searches} searches on {processors} processors of the cluster, {lost} lost".format(**cluster)


@contextmanager
def shown_progress() -> Iterator[Callable[[Progress], None]]:
    """A listener that shows how a placement or a training run goes on."""
    with live_line(STARTING) as show:
        yield lambda progress: show(progress_line(progress))


@contextmanager
def shown_sweep() -> Iterator[Callable[[SweepProgress], None]]:
    """A listener that shows how far the runs of a sweep are."""
    with live_line(STARTING) as show:
        yield lambda progress: show(sweep_line(progress))


def sweep_line(p: SweepProgress) -> str:
    """How many runs are done, and the best proxy of each netlist so far, in one line."""
    failed = [f"{p.failed} failed"] if p.failed else []
    return " · ".join([f"{p.done}/{p.total} runs", *failed, *(f"{name} {proxy:.4f}" for name, proxy in p.best.items())])


def progress_line(p: Progress) -> str:
    """What goes on, in one line; numbers that are not known are left out, and the iteration before the first."""
    known = (
        (f"iteration {p.iteration}", p.iteration or nan),
        (f"{p.steps_per_second:,.0f} steps/s", p.steps_per_second), (f"best proxy {p.best:.4f}", p.best),
        (f"entropy {p.entropy:.2f}", p.entropy), (f"KL {p.kl:.4f}", p.kl), (f"{max(p.left_s, 0):.0f} s left", p.left_s),
    )  # fmt: skip
    return " · ".join([p.stage, *(text for text, value in known if isfinite(value))])


def with_settings(command: Callable[..., None], settings: type[Any] | None) -> Callable[..., None]:
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

    def run(**values: Any) -> None:
        command(**values)

    run.__doc__, run.__signature__ = command.__doc__, inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    return run
