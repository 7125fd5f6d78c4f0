"""The command `dse validate`: our numbers beside those of published designs."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dse.commands.options import Json
from netlists.runtime.command import say


def validate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="Published designs or .yaml files; all by default")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the models with published designs: our number, theirs, the error, and whether it is within the bar.

    Example: dse validate eyeriss_jssc17
    """
    from dse.reports.tables import list_comparison_notes, make_comparison_table, print_table
    from dse.validation import publication
    from dse.validation.compare import compare

    comparisons = [compare(name) for name in names or publication.names()]
    if as_json:
        print(json.dumps([comparison.as_dict() for comparison in comparisons]))
        return
    for comparison in comparisons:
        print_table(make_comparison_table(comparison))
        for line in list_comparison_notes(comparison):
            say(f"  {line}")
        say("")
    rows = [row for comparison in comparisons for row in comparison.rows]
    verdicts = [row.ok for row in rows if row.ok is not None]
    say(f"{sum(verdicts)} of {len(verdicts)} numbers within their bars; {len(rows) - len(verdicts)} without a bar")
