"""What several commands print."""

from __future__ import annotations

from collections.abc import Sequence

from dse.model.evaluation import Evaluation
from dse.reports.evaluation import format_loop_nests, list_notes
from dse.reports.tables import format_totals, join_in_line, make_layer_table, print_table
from dse.workloads.layers import Network
from netlists.runtime.command import say


def print_evaluation(evaluation: Evaluation, loop_nest: bool) -> None:
    """Print the layers of an evaluation, their sum and, with `loop_nest`, their mappings."""
    print_table(make_layer_table(evaluation))
    say(join_in_line(format_totals(evaluation)))
    print_notes([evaluation.network])
    if loop_nest:
        for name, lines in format_loop_nests(evaluation).items():
            say("", name, *lines)


def print_notes(networks: Sequence[Network]) -> None:
    """Print what one input of each network is, and what its reader left out or assumed."""
    for line in list_notes(networks):
        say(line)
