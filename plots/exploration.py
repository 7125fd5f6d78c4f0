"""The page of an exploration: what to build, the Pareto front, how the search went, what matters, and what-if plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plots import energy, page, pareto, roofline, sensitivity, style


@dataclass(frozen=True, eq=False)
class Exploration:
    """The content of the page; empty fields are left out."""

    title: str
    heading: str
    story: Sequence[str]  # sentences: what was searched, how, and with what result
    facts: Mapping[str, str] = field(default_factory=dict)  # about the chosen design: name to number with its unit
    design: str = ""  # the file of the chosen design
    comparison: Mapping[str, Any] | None = None  # the chosen design and others: columns and rows of a `page.Table`
    scatters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # caption: arguments of `pareto.draw`
    convergence: Mapping[str, Any] | None = None  # arguments of `pareto.converged`
    influence: Mapping[str, Any] | None = None  # names and shares of `sensitivity.bars`, and a `note`
    sweeps: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # caption: arguments of `sensitivity.sweep`
    network: str = ""  # the network that the remaining fields are about
    roofline: Mapping[str, Any] | None = None  # arguments of `roofline.draw`
    bars: Mapping[str, Any] | None = None  # arguments of `energy.draw`
    layers: Mapping[str, Any] | None = None  # columns and rows of a table
    memory: Mapping[str, Any] | None = None  # columns and rows of a table, one row per memory level and operand
    mappings: str = ""  # the loop nest of each layer
    front: Mapping[str, Any] | None = None  # columns, rows and texts of a table; the texts are design files
    front_size: int = 0  # number of designs, including those that are not in the table


def write(path: str | Path, content: Exploration, *, footer: str = "") -> None:
    """Write the page, whole or not at all; see `plots.page.write`."""
    sections = [
        _headline(content),
        _trade_offs(content),
        _search(content),
        _what_if(content),
        _layers(content),
        _front(content),
    ]
    page.write(path, [section for section in sections if section], title=content.title, footer=footer)


def _headline(content: Exploration) -> page.Section:
    tables = (
        [
            page.Table(
                "Compared with the extremes of the front and with published designs, by the same models",
                **content.comparison,
            )
        ]
        if content.comparison
        else []
    )
    texts = (
        {"The design; save it as design.yaml for `dse evaluate design.yaml`": content.design} if content.design else {}
    )
    return page.Section(content.heading, facts=content.facts, notes=content.story, tables=tables, texts=texts)


def _trade_offs(content: Exploration) -> page.Section | None:
    if not content.scatters:
        return None
    figures = {caption: pareto.draw(**values) for caption, values in content.scatters.items()}
    notes = [
        "Arrows on the axes point to the better side. Gray: most of the feasible designs in a random sample. A front of"
        " three objectives looks like a cloud from each side."
    ]
    return page.Section("Trade-offs", notes=notes, small=_as_png(figures))


def _search(content: Exploration) -> page.Section | None:
    figures = {}
    if content.influence:
        caption = (
            "Which parameters matter: the fraction of the variance of each objective (of its logarithm) that a"
            f" parameter explains alone; interactions of parameters explain the rest. From {content.influence['note']}."
        )
        figures[caption] = sensitivity.bars(content.influence["names"], content.influence["shares"])
    if content.convergence:
        caption = (
            "Whether the search has converged: the hypervolume that the front dominates against the number of designs;"
            " the reference point lies a tenth of the extent of the front beyond its worst values"
        )
        figures[caption] = pareto.converged(**content.convergence)
    return page.Section("What matters, and how the search went", small=_as_png(figures)) if figures else None


def _what_if(content: Exploration) -> page.Section | None:
    if not content.sweeps:
        return None
    notes = [
        "One parameter changes, the others stay as they are in the design. Objectives are relative to those of the"
        " design, which lies where the dotted lines cross. A cross marks a value that is not feasible; it stands at the"
        " bottom if the network does not run."
    ]
    figures = {caption: sensitivity.sweep(**values) for caption, values in content.sweeps.items()}
    return page.Section("What if", notes=notes, small=_as_png(figures))


def _layers(content: Exploration) -> page.Section | None:
    if not content.roofline or not content.bars:
        return None
    figures = {
        "Attainable performance against operational intensity; the line is the limit set by the array and the memory":
            roofline.draw(**content.roofline),
        "Where time and energy go, in the order in which layers run": energy.draw(**content.bars),
    }  # fmt: skip
    contents = {"Layers": content.layers, "Accesses, energy and bandwidth of memory": content.memory}
    tables = [page.Table(name, **table) for name, table in contents.items() if table]
    texts = {"Mappings": content.mappings} if content.mappings else {}
    return page.Section(f"The design on {content.network}", figures=_as_png(figures), tables=tables, texts=texts)


def _front(content: Exploration) -> page.Section | None:
    if not content.front:
        return None
    count = len(content.front["rows"])
    some = "" if count == content.front_size else f", {count} of them; all are in pareto.csv"
    heading = f"{content.front_size:,} designs{some}. Open one for its file, or use `dse evaluate DIR --design ID`."
    return page.Section("The Pareto front", tables=[page.Table(heading, **content.front)])


def _as_png(figures: Mapping[str, Any]) -> dict[str, bytes]:
    """The figures as PNG, as a figure object occupies megabytes as long as it exists."""
    return {caption: style.png(figure) for caption, figure in figures.items()}
