"""What the commands show on a terminal: a table of costs, a line about a cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from netlists.errors import printable
from netlists.legality.verdict import COUNTS

FAR = 10
"""A value this many times its lower bound is not compared with it."""
MOST_OF_A_CELL = 200
"""Most characters of a text in a table."""
ALWAYS = ("overlaps", "out_of_canvas")
"""Counts of the verdict that are shown even if they are 0."""


def select_rows(cost: Mapping[str, Any]) -> list[str]:
    """The keys of a cost that a table shows: all except those counts of the verdict that are 0."""
    return [key for key in cost if key not in COUNTS or key in ALWAYS or cost[key]]


class PlainTable(Table):
    """A table whose texts are shown as they are: names may hold brackets, which rich would read as markup."""

    def __init__(self, *headers: str) -> None:
        super().__init__()
        for header in headers:
            self.add_column(_cell(header))

    def add_row(self, *cells: Any, **options: Any) -> None:
        """Add a row of texts."""
        super().add_row(*(_cell(each) if isinstance(each, str) else each for each in cells), **options)


def _cell(text: str) -> Text:
    return Text(printable(text, MOST_OF_A_CELL))


def print_cost_table(title: str, cost: Mapping[str, Any], keys: Sequence[str], least: Mapping[str, float]) -> None:
    """Print a short table of costs beside the lower bounds of those that have one."""
    table = PlainTable("", title, "at least")
    for key in keys:
        value, bound = cost[key], least.get(key, 0.0)
        at_least = f"{bound:.4f}" if 0 < bound < 100 else ""
        if at_least and value < FAR * bound:
            at_least += f", {value / bound - 1:+.1%}"
        table.add_row(key, _format(value), at_least)
    Console().print(table)


def _format(value: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{1 if value > 100 else 4}f}"


def describe_cluster(cluster: Mapping[str, float]) -> str:
    """What a Ray cluster did for a refinement, in one line; the numbers are those of `ray_searches.Fleet.as_dict`."""
    if not cluster["searches"]:
        return "refined on this machine: no node of the cluster was ready in time"
    return "refined by {searches} searches on {processors} processors of the cluster, {lost} lost".format(**cluster)
