"""A self-contained HTML page of sections: facts, tables, figures, notes, text to copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure

from plots import style
from plots.report import environment


@dataclass(frozen=True)
class Table:
    """Rows under column names; the first column names the row, numbers are written as on every page."""

    heading: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    texts: Sequence[str] = ()  # one a row, lines as they are, which open below its name


@dataclass(frozen=True, eq=False)
class Section:
    """One part of the page; whatever is empty is left out."""

    heading: str
    facts: Mapping[str, object] = field(default_factory=dict)  # name: value, in large type
    small: Mapping[str, Figure | bytes] = field(default_factory=dict)  # the same, side by side where there is room
    figures: Mapping[str, Figure | bytes] = field(default_factory=dict)  # caption: figure, or PNG bytes
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()
    texts: Mapping[str, str] = field(default_factory=dict)  # heading: lines as they are, a file or a loop nest


def write(path: str | Path, sections: Sequence[Section], *, title: str, footer: str = "") -> None:
    """Write the page, whole or not at all; it needs no network, scripts or fonts of its own.  Raises `OSError`.

    Everything that comes from input files is escaped.
    """
    page = environment().get_template("page.html").render(title=title, sections=sections, footer=footer)
    # Names from a file system may hold bytes that are not UTF-8.
    style.write(path, page.encode("utf-8", errors="replace"))
