"""The page of an exploration: what to build, the Pareto front, how the search went, what matters, and what-if plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from plots import page

Picture = Figure | bytes
"""A figure, or a PNG: a figure keeps megabytes for as long as it lives."""


@dataclass(frozen=True, eq=False)
class Exploration:
    """The content of the page; whatever is empty is left out."""

    title: str
    heading: str
    story: Sequence[str]  # sentences: what was searched, how, and what came of it
    facts: Mapping[str, str] = field(default_factory=dict)  # of the design in detail: number with unit by name
    design: str = ""  # its file
    comparison: page.Table | None = None  # the design and others
    scatters: Mapping[str, Picture] = field(default_factory=dict)  # by caption, of `pareto.draw`
    convergence: Picture | None = None  # of `pareto.converged`
    influence: Picture | None = None  # of `sensitivity.bars`
    influence_note: str = ""  # which designs it comes from
    sweeps: Mapping[str, Picture] = field(default_factory=dict)  # by caption, of `sensitivity.sweep`
    network: str = ""  # that the following are about
    layers: Mapping[str, Picture] = field(default_factory=dict)  # by caption, of `roofline.draw` and `energy.draw`
    layer_tables: Sequence[page.Table] = ()
    mappings: str = ""  # the loop nest of each layer
    front: page.Table | None = None  # with the design file of each row


def write(path: str | Path, content: Exploration, *, footer: str = "", links: Mapping[str, str] | None = None) -> None:
    """Write the page, whole or not at all; see `plots.page.write`."""
    sections = [_headline(content), _trade_offs(content), _search(content), _what_if(content), _layers(content),
                _front(content)]  # fmt: skip
    page.write(path, [section for section in sections if section], title=content.title, footer=footer, links=links)


def _headline(content: Exploration) -> page.Section:
    tables = [content.comparison] if content.comparison else []
    caption = "The design; save it as design.yaml for `dse evaluate design.yaml`"
    texts = {caption: content.design} if content.design else {}
    return page.Section(content.heading, facts=content.facts, notes=content.story, tables=tables, texts=texts)


def _trade_offs(content: Exploration) -> page.Section | None:
    if not content.scatters:
        return None
    notes = [
        "Arrows on the axes point to the better side. Gray: most of the feasible designs in a random sample. A front of"
        " three objectives looks like a cloud from each side."
    ]
    return page.Section("Trade-offs", notes=notes, small=content.scatters)


def _search(content: Exploration) -> page.Section | None:
    figures = {}
    if content.influence:
        caption = (
            "Which parameters matter: the fraction of the variance of each objective (of its logarithm) that a"
            f" parameter explains alone; interactions of parameters explain the rest. From {content.influence_note}."
        )
        figures[caption] = content.influence
    if content.convergence:
        caption = (
            "Whether the search has converged: the hypervolume that the front dominates against the number of designs;"
            " the reference point lies a tenth of the extent of the front beyond its worst values"
        )
        figures[caption] = content.convergence
    return page.Section("What matters, and how the search went", small=figures) if figures else None


def _what_if(content: Exploration) -> page.Section | None:
    if not content.sweeps:
        return None
    notes = [
        "One parameter changes, the others stay as they are in the design. Objectives are relative to those of the"
        " design, which lies where the dotted lines cross. A cross marks a value that is not feasible; it stands at the"
        " bottom if the network does not run."
    ]
    return page.Section("What if", notes=notes, small=content.sweeps)


def _layers(content: Exploration) -> page.Section | None:
    if not content.layers:
        return None
    texts = {"Mappings": content.mappings} if content.mappings else {}
    heading = f"The design on {content.network}"
    return page.Section(heading, figures=content.layers, tables=content.layer_tables, texts=texts)


def _front(content: Exploration) -> page.Section | None:
    return page.Section("The Pareto front", tables=[content.front]) if content.front else None
