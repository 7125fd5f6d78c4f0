"""The page of an exploration: what to build, the front, how the search went, what matters, and what if."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plots import energy, page, pareto, roofline, sensitivity, style


@dataclass(frozen=True, eq=False)
class Exploration:
    """What the page shows; whatever is empty is left out."""

    title: str
    heading: str
    story: Sequence[str]  # sentences: what was searched, how, and what came of it
    facts: Mapping[str, str] = field(default_factory=dict)  # of the chosen design: name to number with its unit
    design: str = ""  # its file
    comparison: Mapping[str, Any] | None = None  # it and others: columns and rows of a `page.Table`
    scatters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # caption: arguments of `pareto.draw`
    convergence: Mapping[str, Any] | None = None  # arguments of `pareto.converged`
    influence: Mapping[str, Any] | None = None  # names and shares of `sensitivity.bars`, and a `note`
    sweeps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # caption: arguments of `sensitivity.sweep`
    network: str = ""  # of what follows
    roofline: Mapping[str, Any] | None = None  # arguments of `roofline.draw`
    bars: Mapping[str, Any] | None = None  # arguments of `energy.draw`
    layers: Mapping[str, Any] | None = None  # columns and rows
    memory: Mapping[str, Any] | None = None  # the same, of each level and operand
    mappings: str = ""  # the loop nest of each layer
    front: Mapping[str, Any] | None = None  # columns, rows, and texts: the design file of each
    front_size: int = 0  # designs, also those that are not in the table


def write(path: str | Path, found: Exploration, *, footer: str = "") -> None:
    """Write the page, whole or not at all; see `plots.page.write`."""
    sections = [_headline(found), _trade_offs(found), _search(found), _what_if(found), _layers(found), _front(found)]
    page.write(path, [section for section in sections if section], title=found.title, footer=footer)


def _headline(found: Exploration) -> page.Section:
    tables = (
        [page.Table("Beside the ends of the front and published designs, by the same models", **found.comparison)]
        if found.comparison
        else []
    )
    texts = {"The design; save it as design.yaml for `dse evaluate design.yaml`": found.design} if found.design else {}
    return page.Section(found.heading, facts=found.facts, notes=found.story, tables=tables, texts=texts)


def _trade_offs(found: Exploration) -> page.Section | None:
    if not found.scatters:
        return None
    figures = {caption: pareto.draw(**values) for caption, values in found.scatters.items()}
    notes = [
        "Arrows on the axes point to the better side. Gray: feasible designs that were sampled whatever they cost, most"
        " of them; a front of three objectives looks like a cloud from each side."
    ]
    return page.Section("Trade-offs", notes=notes, small=_drawn(figures))


def _search(found: Exploration) -> page.Section | None:
    figures = {}
    if found.influence:
        caption = (
            "Which parameters matter: the share of the variance of each objective (of its logarithm) that a parameter"
            f" explains alone; parameters together explain the rest. From {found.influence['note']}."
        )
        figures[caption] = sensitivity.bars(found.influence["names"], found.influence["shares"])
    if found.convergence:
        caption = (
            "Whether the search has converged: hypervolume that the front dominates, up to a tenth of its extent beyond"
            " its worst values, after so many designs"
        )
        figures[caption] = pareto.converged(**found.convergence)
    return page.Section("What matters, and how the search went", small=_drawn(figures)) if figures else None


def _what_if(found: Exploration) -> page.Section | None:
    if not found.sweeps:
        return None
    notes = [
        "One parameter changes, the others stay as they are in the design. Objectives are multiples of its own; dotted"
        " lines cross where it is. A cross marks a value that is not feasible, at the bottom where it does not run."
    ]
    figures = {caption: sensitivity.sweep(**values) for caption, values in found.sweeps.items()}
    return page.Section("What if", notes=notes, small=_drawn(figures))


def _layers(found: Exploration) -> page.Section | None:
    if not found.roofline or not found.bars:
        return None
    figures = {
        "Attainable performance against operational intensity; the line is what array and memory allow":
            roofline.draw(**found.roofline),
        "Where time and energy go, in the order in which layers run": energy.draw(**found.bars),
    }  # fmt: skip
    shown = {"Layers": found.layers, "Accesses, energy and bandwidth of memory": found.memory}
    tables = [page.Table(name, **table) for name, table in shown.items() if table]
    texts = {"Mappings": found.mappings} if found.mappings else {}
    return page.Section(f"The design on {found.network}", figures=_drawn(figures), tables=tables, texts=texts)


def _front(found: Exploration) -> page.Section | None:
    if not found.front:
        return None
    count = len(found.front["rows"])
    some = "" if count == found.front_size else f", {count} of them; all are in pareto.csv"
    heading = f"{found.front_size:,} designs{some}. Open one for its file, or use `dse evaluate DIR --design ID`."
    return page.Section("The Pareto front", tables=[page.Table(heading, **found.front)])


def _drawn(figures: Mapping[str, Any]) -> dict[str, bytes]:
    """The figures as PNG: a figure keeps megabytes for as long as it lives."""
    return {caption: style.png(figure) for caption, figure in figures.items()}
